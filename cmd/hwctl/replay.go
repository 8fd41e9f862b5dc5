package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/headwater-sre/headwater/correlate/replay"
	"github.com/headwater-sre/headwater/correlate/settings"
)

func (a *app) addReplay() {
	a.addReplayCommand(a.cli.Command("replay", "Run recorded or hand-written scenarios through the engine, here and at full speed. No server is asked."))
}

func (a *app) addReplayCommand(cmd *kingpin.CmdClause) {
	r := &replayer{app: a, names: map[string]string{}, recorder: recorder{app: a}}
	cmd.Arg("path", "Scenario files, or directories with .json and .json.gz files.").StringsVar(&r.paths)
	cmd.Flag("output.dir", "Write each result to <dir>/<scenario name>.json. The directory is made when it is missing.").PlaceHolder("DIR").StringVar(&r.dir)
	cmd.Flag("score", "Compare with the truth that labelled scenarios carry, and print the score.").BoolVar(&r.opts.Score)
	cmd.Flag("goals", "Also print how the figures stand against the project's goals and against the baselines beside the scenarios' directory, and the worst cases. Implies --score.").BoolVar(&r.goals)
	cmd.Flag("goals.slack", "How far a share or a count of pages may miss its close value and still meet it, as 0.03 on cases that nobody tunes on.").PlaceHolder("0.03").Float64Var(&r.slack)
	cmd.Flag("worst", "How many of the worst cases --goals tells about, and of those that changed most --compare.").Default("10").IntVar(&r.worst)
	cmd.Flag("config.file", "Replay under the sections resolve, health and correlation of this headwater.yaml instead of the defaults.").PlaceHolder("FILE").StringVar(&r.configFile)
	cmd.Flag("compare", "Replay under those of this headwater.yaml as well, and print both scores (a, b) with the difference of each figure.").PlaceHolder("FILE").StringVar(&r.compareFile)
	cmd.Flag("explain", "Tell the story of the scenario of this name (or in this file): what came in, what was decided and why, and what was right when it is labelled.").PlaceHolder("CASE").StringVar(&r.explainCase)
	cmd.Flag("gate", "Fail when a figure is worse than in this file by more than 0.02 (shares), 0.05 (pages) or 10 (seconds).").PlaceHolder("FILE").StringVar(&r.gateFile)
	cmd.Flag("gate.rewrite", "Write the file of --gate anew, from what is reached now.").BoolVar(&r.gateRewrite)
	cmd.Flag("perturb", "Make every scenario worse first: jitter=60s, drop-edges=0.2, drop-alerts=0.2 or shuffle=5m; repeatable.").PlaceHolder("HOW").StringsVar(&r.perturb)
	cmd.Flag("robustness", "Score the scenarios as they are and under each perturbation, and fail when one costs more than a tenth of F1 or of top-1.").BoolVar(&r.robustness)
	cmd.Flag("record", "Replay nothing, but write what a live server has seen to this file, as hwctl record does.").PlaceHolder("FILE").StringVar(&r.recorder.file)
	r.recorder.register(cmd, "record.")
	cmd.Flag("workers", "How many scenarios to run at once; 0: one for each processor.").IntVar(&r.opts.Workers)
	a.command(cmd, r.run)
}

// replayer is one hwctl replay.
type replayer struct {
	app   *app
	paths []string
	dir   string
	opts  replay.Options

	configFile, compareFile, explainCase string

	perturb    []string
	robustness bool

	recorder recorder // its file is empty unless one is wanted

	gateFile    string
	gateRewrite bool

	// Of the score.
	goals bool
	slack float64
	worst int

	names map[string]string // scenario name to the file that has it
	rows  *table
	// scores are of the scenarios that did not fail.
	scores []*replay.CaseScore

	cases, failed, events int
	simulated             time.Duration
}

func (r *replayer) run(ctx context.Context) error {
	if r.recorder.file != "" {
		if len(r.paths) > 0 {
			return usagef("--record asks a server and replays nothing; leave out %s", r.paths[0])
		}
		return r.recorder.run(ctx)
	}
	files, err := r.prepare()
	if err != nil {
		return err
	}
	if r.explainCase != "" {
		return r.explain(files)
	}
	start := r.app.now()
	switch {
	case r.compareFile != "":
		err = r.compare(ctx, files)
	case r.gateFile != "":
		err = r.gate(ctx, files)
	case r.robustness:
		err = r.measure(ctx, files)
	default:
		err = r.replay(ctx, files)
	}
	if err != nil {
		return err
	}
	r.speed(r.app.now().Sub(start))
	if r.failed > 0 {
		return fmt.Errorf("%d of %d scenarios failed; what is printed leaves them out", r.failed, r.cases)
	}
	return nil
}

// prepare checks the command line and finds what it means.
func (r *replayer) prepare() ([]string, error) {
	if len(r.paths) == 0 {
		return nil, usagef("required argument 'path' not provided")
	}
	if r.opts.Workers < 0 {
		return nil, usagef("--workers: %d is less than none", r.opts.Workers)
	}
	if r.slack < 0 || r.worst < 0 {
		return nil, usagef("--goals.slack and --worst: want no negative number")
	}
	if r.gateRewrite && r.gateFile == "" {
		return nil, usagef("--gate.rewrite: name the file with --gate")
	}
	r.opts.Score = r.opts.Score || r.goals
	if r.opts.Workers == 0 {
		r.opts.Workers = runtime.GOMAXPROCS(0)
	}
	if r.configFile != "" {
		var err error
		if r.opts.Config, err = settings.Load(r.configFile); err != nil {
			return nil, err
		}
	}
	for _, text := range r.perturb {
		p, err := replay.ParsePerturbation(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--perturb: %w", err)}
		}
		r.opts.Perturb = append(r.opts.Perturb, p)
	}
	return replay.Find(r.paths)
}

// replay runs every file once.
func (r *replayer) replay(ctx context.Context, files []string) error {
	if r.dir != "" {
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			return fmt.Errorf("--output.dir: %w", err)
		}
	}
	if !r.opts.Score && !r.app.json() {
		r.rows = r.app.table("SCENARIO", "EVENTS", "INCIDENTS", "PAGES", "UPDATES", "ORIGIN OF THE LARGEST")
	}
	if err := replay.Files(ctx, files, r.opts, r.take); err != nil {
		return err
	}
	return r.finish()
}

// explain tells the story of one case.
func (r *replayer) explain(files []string) error {
	for _, file := range files {
		s, err := replay.ReadFile(file)
		if err != nil {
			return err
		}
		if file == r.explainCase || s.Name == r.explainCase {
			for _, p := range r.opts.Perturb {
				s = s.Perturbed(p)
			}
			return replay.Explain(r.app.out, s, r.opts.Config)
		}
	}
	return fmt.Errorf("--explain: none of %s is or is named %s", plural(len(files), "file"), r.explainCase)
}

// take prints or keeps one case.
func (r *replayer) take(c *replay.Case) error {
	if !r.count(c) {
		return nil // the other scenarios go on; run fails at the end for this one
	}
	if err := r.write(c); err != nil {
		return err
	}
	switch {
	case r.opts.Score:
		r.scores = append(r.scores, c.Score)
	case r.app.json():
		return r.printResult(c)
	default:
		r.row(c)
	}
	return nil
}

// count adds a case to the sums, and reports whether it went well; a failed one is told of at once.
func (r *replayer) count(c *replay.Case) bool {
	r.cases++
	if c.Err != nil {
		r.failed++
		fmt.Fprintf(r.app.errs, "hwctl: %v\n", c.Err)
		return false
	}
	r.events += c.Result.Stats.Events
	r.simulated += c.Result.Stats.Span
	return true
}

func (r *replayer) write(c *replay.Case) error {
	if r.dir == "" {
		return nil
	}
	if other, taken := r.names[c.Name]; taken {
		return fmt.Errorf("%s: the scenario is named %q like that of %s; their results would overwrite each other", c.File, c.Name, other)
	}
	r.names[c.Name] = c.File
	return c.Result.WriteFile(r.dir, c.Name)
}

// printResult prints a result on one line, under its scenario's name.
func (r *replayer) printResult(c *replay.Case) error {
	line, err := json.Marshal(struct {
		Name string `json:"name"`
		*replay.Result
	}{c.Name, c.Result})
	if err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	_, err = fmt.Fprintf(r.app.out, "%s\n", line)
	return err
}

func (r *replayer) row(c *replay.Case) {
	pages := map[string]int{}
	var largest replay.Incident
	for _, i := range c.Result.Incidents {
		for _, p := range i.Pages {
			pages[p.Kind]++
		}
		if len(i.Alerts) > len(largest.Alerts) {
			largest = i
		}
	}
	origin := ""
	if len(largest.Origins) > 0 {
		origin = clean(largest.Origins[0].Service) + " (" + percent(largest.Origins[0].Probability) + ")"
	}
	r.rows.row(clean(c.Name), fmt.Sprint(c.Result.Stats.Events), fmt.Sprint(len(c.Result.Incidents)), fmt.Sprint(pages["open"]), fmt.Sprint(pages["update"]), origin)
}

func (r *replayer) finish() error {
	if r.rows != nil {
		r.rows.flush()
	}
	if !r.opts.Score {
		return nil
	}
	return r.judge()
}

// speed goes to standard error: what is printed to standard output is the same every time.
func (r *replayer) speed(took time.Duration) {
	done := r.cases - r.failed
	if done == 0 || took <= 0 {
		return
	}
	fmt.Fprintf(r.app.errs, "%s, %s: %s of simulated time in %s, %.0f times real time\n",
		plural(done, "scenario"), plural(r.events, "event"), span(r.simulated), took.Round(time.Millisecond), r.simulated.Seconds()/took.Seconds())
}
