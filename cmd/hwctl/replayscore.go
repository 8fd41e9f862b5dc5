package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/headwater-sre/headwater/correlate/replay"
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

func printIndented(w io.Writer, v any) error {
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("print score: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}
