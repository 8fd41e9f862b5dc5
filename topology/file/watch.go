package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/headwater-sre/headwater/topology"
)

const (
	// settle lets a writer finish: editors and Kubernetes make several changes in a row.
	settle = 100 * time.Millisecond
	// defaultInterval between looks when nothing was notified: network file systems and
	// some container mounts notify of nothing.
	defaultInterval = 30 * time.Second
)

// Watcher follows files and hands on each new version of their topology.
//
// OnChange and OnError are called from Run's goroutine, one at a time; while one runs,
// further changes wait and are then seen as one.
type Watcher struct {
	Paths    []string
	Interval time.Duration       // between looks when the file system notifies of nothing; 0 means 30s
	Version  string              // of the Spec that the caller already has; it is not handed on again
	OnChange func(topology.Spec) // a new and good version
	OnError  func(error)         // the files are bad or unreadable; the same error is reported once

	load func(paths ...string) (topology.Spec, error) // Load
	last error
}

// Watch runs a Watcher. It blocks until ctx ends and then returns nil. The first good
// version is handed on at once.
func Watch(ctx context.Context, paths []string, interval time.Duration, onChange func(topology.Spec), onError func(error)) error {
	w := &Watcher{Paths: paths, Interval: interval, OnChange: onChange, OnError: onError}
	return w.Run(ctx)
}

// Run looks once, then after every change, until ctx ends; it returns nil then. When the
// file system cannot notify, that is reported once and looking at intervals goes on.
func (w *Watcher) Run(ctx context.Context) error {
	notify, err := watchDirectories(w.Paths)
	if err != nil {
		w.OnError(fmt.Errorf("watch topology files: %w; looking every %s instead", err, w.interval()))
		return w.follow(ctx, nil, nil)
	}
	defer notify.Close() //nolint:errcheck // there is nothing left to do about it
	return w.follow(ctx, notify.Events, notify.Errors)
}

// watchDirectories watches the files' directories, not the files: a file that is
// replaced by renaming, or through Kubernetes' ..data link, takes its watch with it.
func watchDirectories(paths []string) (*fsnotify.Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	var directories []string
	for _, p := range paths {
		directories = append(directories, filepath.Dir(p))
	}
	slices.Sort(directories)
	for _, d := range slices.Compact(directories) {
		if err := notify.Add(d); err != nil {
			return nil, errors.Join(fmt.Errorf("directory %s: %w", d, err), notify.Close())
		}
	}
	return notify, nil
}

func (w *Watcher) interval() time.Duration {
	if w.Interval <= 0 {
		return defaultInterval
	}
	return w.Interval
}

// follow looks at the files a moment after events begin, and at intervals. A failure to
// notify (an overflowing queue) is taken for an event. A nil channel is never ready.
func (w *Watcher) follow(ctx context.Context, events <-chan fsnotify.Event, failures <-chan error) error {
	poll := time.NewTicker(w.interval())
	defer poll.Stop()
	settled := time.NewTimer(settle)
	settled.Stop()
	defer settled.Stop()
	waiting := false
	wait := func() {
		if !waiting { // from the first event, so that a busy directory cannot put us off
			settled.Reset(settle)
			waiting = true
		}
	}
	w.look()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-events:
			if !open {
				events = nil
				continue
			}
			wait()
		case _, open := <-failures:
			if !open {
				failures = nil
				continue
			}
			wait()
		case <-settled.C:
			waiting = false
			w.look()
		case <-poll.C:
			w.look()
		}
	}
}

// look loads the files and reports what is new.
func (w *Watcher) look() {
	load := w.load
	if load == nil {
		load = Load
	}
	spec, err := load(w.Paths...)
	if err != nil {
		if w.last == nil || w.last.Error() != err.Error() {
			w.OnError(err)
		}
		w.last = err
		return
	}
	w.last = nil
	if spec.Version == w.Version {
		return
	}
	w.Version = spec.Version
	w.OnChange(spec)
}
