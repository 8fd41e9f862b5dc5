package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/headwater-sre/headwater/correlate/replay"
	"github.com/headwater-sre/headwater/correlate/settings"
)

// judge prints what the cases were worth.
func (r *replayer) judge() error {
	baselines, err := r.baselines()
	if err != nil {
		return err
	}
	if r.app.json() {
		return r.judgeJSON(baselines)
	}
	report := replay.Score(r.scores)
	err = errors.Join(replay.WriteTable(r.app.out, report), replay.WriteBreakdown(r.app.out, report))
	if err != nil || !r.goals {
		return err
	}
	if baselines != nil {
		err = replay.WriteComparison(r.app.out, report, baselines)
	}
	return errors.Join(
		err,
		replay.WriteStandings(r.app.out, replay.Standings(r.scores, r.slack, baselines), r.slack),
		replay.WriteWorst(r.app.out, r.scores, r.worst),
	)
}

// baselines are those of the only directory that is replayed; nil when there are none.
func (r *replayer) baselines() (*replay.Baselines, error) {
	if !r.goals || len(r.paths) != 1 {
		return nil, nil
	}
	return replay.BaselinesOf(r.paths[0])
}

func (r *replayer) judgeJSON(baselines *replay.Baselines) error {
	answer := struct {
		replay.Report
		Goals []replay.Standing `json:"goals,omitempty"`
	}{Report: replay.Score(r.scores)}
	if r.goals {
		answer.Goals = replay.Standings(r.scores, r.slack, baselines)
	}
	return printIndented(r.app.out, answer)
}

// compare replays everything under two configurations and compares what both did well in.
func (r *replayer) compare(ctx context.Context, files []string) error {
	other := r.opts
	var err error
	if other.Config, err = settings.Load(r.compareFile); err != nil {
		return err
	}
	a, err := r.scoreAll(ctx, files, r.opts)
	if err != nil {
		return err
	}
	b, err := r.scoreAll(ctx, files, other)
	if err != nil {
		return err
	}
	var left, right []*replay.CaseScore
	for i := range files {
		if a[i] != nil && b[i] != nil {
			left, right = append(left, a[i]), append(right, b[i])
		}
	}
	c, err := replay.Compare(left, right)
	if err != nil {
		return err
	}
	if r.app.json() {
		return printIndented(r.app.out, c)
	}
	return c.Write(r.app.out, r.worst)
}

// gate compares with what landed, or lands what there is.
func (r *replayer) gate(ctx context.Context, files []string) error {
	scores, err := r.scoreAll(ctx, files, r.opts)
	if err != nil {
		return err
	}
	if r.failed > 0 {
		return fmt.Errorf("%d of %d scenarios failed; the gate needs all", r.failed, r.cases)
	}
	if r.gateRewrite {
		return replay.Land(scores).WriteFile(r.gateFile)
	}
	landed, err := replay.ReadLandedFile(r.gateFile)
	if err != nil {
		return err
	}
	return landed.Check(r.app.out, scores)
}

// measure scores everything as it is and under each perturbation.
func (r *replayer) measure(ctx context.Context, files []string) error {
	plain, err := r.scoreAll(ctx, files, r.opts)
	if err != nil {
		return err
	}
	base := replay.Measure("", scored(plain), nil)
	rows := []replay.Robustness{base}
	for _, p := range replay.Perturbations() {
		opts := r.opts
		opts.Perturb = append(slices.Clip(opts.Perturb), p)
		scores, err := r.scoreAll(ctx, files, opts)
		if err != nil {
			return err
		}
		rows = append(rows, replay.Measure(p.String(), scored(scores), &base))
	}
	if r.app.json() {
		return printIndented(r.app.out, rows)
	}
	return replay.WriteRobustness(r.app.out, rows)
}

// scored are those that did not fail.
func scored(scores []*replay.CaseScore) []*replay.CaseScore {
	return slices.DeleteFunc(slices.Clone(scores), func(c *replay.CaseScore) bool { return c == nil })
}

// scoreAll scores every file; one that failed has none.
func (r *replayer) scoreAll(ctx context.Context, files []string, opts replay.Options) ([]*replay.CaseScore, error) {
	var all []*replay.CaseScore
	opts.Score = true
	err := replay.Files(ctx, files, opts, func(c *replay.Case) error {
		if !r.count(c) {
			c.Score = nil
		}
		all = append(all, c.Score)
		return nil
	})
	return all, err
}

func printIndented(w io.Writer, v any) error {
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("print score: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}
