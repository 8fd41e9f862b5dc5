package replay

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Case is one scenario file and what became of it.
type Case struct {
	File   string
	Name   string
	Result *Result
	// Score is nil when none was asked for.
	Score *CaseScore
	// Wall is how long the engine took.
	Wall time.Duration
	// Err says why the file could not be read, replayed or scored; the fields that come after it are then not set.
	Err error
}

// Options say how [Files] works.
type Options struct {
	Config correlate.Config
	// Workers is how many files are replayed at once. At least 1.
	Workers int
	// Score compares every result with the scenario's truth.
	Score bool
	// Perturb are done to every scenario before it is replayed, in this order.
	Perturb []Perturbation
}

// Find lists the scenario files that paths mean: a file is itself, a directory
// the .json and .json.gz files in it, not below, by name. It is an error when a
// directory has none.
func Find(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("find scenarios: %w", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		inside, err := os.ReadDir(path) // sorted by name
		if err != nil {
			return nil, fmt.Errorf("find scenarios: %w", err)
		}
		found := false
		for _, e := range inside {
			if !e.IsDir() && (strings.HasSuffix(e.Name(), ".json") || compressed(e.Name())) {
				files, found = append(files, filepath.Join(path, e.Name())), true
			}
		}
		if !found {
			return nil, fmt.Errorf("find scenarios: no .json file in directory %s", path)
		}
	}
	return files, nil
}

// compressed reports whether a scenario file is gzip's.
func compressed(path string) bool { return strings.HasSuffix(path, ".json.gz") }

// Files replays files, as many at once as opts say, and calls fn with each in
// the order of files, from one goroutine. A case that fails carries its error;
// what ends the work early is an error of fn, which is returned, or the end of
// ctx. No replay runs any more when Files returns.
func Files(ctx context.Context, files []string, opts Options, fn func(*Case) error) error {
	return eachFile(ctx, files, opts.Workers, opts.replay, fn)
}

func (o Options) replay(file string) *Case {
	c := &Case{File: file}
	s, err := ReadFile(file)
	if err != nil {
		c.Err = err
		return c
	}
	c.Name = s.Name
	for _, p := range o.Perturb {
		s = s.Perturbed(p)
	}
	start := time.Now()
	if c.Result, c.Err = Run(s, o.Config); c.Err != nil {
		return c
	}
	c.Wall = time.Since(start)
	if o.Score {
		c.Score, c.Err = ScoreCase(s, c.Result)
	}
	return c
}

// eachFile is Files for any kind of work. The queue of promised cases is what
// bounds it: a worker starts only when its place in the queue is free.
func eachFile(ctx context.Context, files []string, workers int, work func(string) *Case, fn func(*Case) error) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan *Case, max(1, workers)-1) // one more is with the receiver
	go func() {
		defer close(queue)
		for _, file := range files {
			promised := make(chan *Case, 1) // the worker never waits to be read
			select {
			case queue <- promised:
				go func() { promised <- work(file) }()
			case <-running.Done():
				return
			}
		}
	}()
	var err error
	for promised := range queue { // to its end: whoever started is waited for
		c := <-promised
		if err == nil && ctx.Err() == nil {
			err = fn(c)
		}
		if err != nil {
			cancel()
		}
	}
	return cmp.Or(err, ctx.Err())
}
