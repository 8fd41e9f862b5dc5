package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// stopTimeout bounds a graceful stop as a whole. It is below the ten seconds after
// which container runtimes kill, and above the sum of what the parts usually take.
const stopTimeout = 9500 * time.Millisecond

// lifecycle starts the parts of a server in order and stops them in reverse. It
// belongs to the goroutine that calls it.
//
//	begin ─► run … ─► (a part fails, or somebody asks) ─► stop: last in, first out
type lifecycle struct {
	log   *slog.Logger
	parts []part

	// failures gets the first failure of a part; the others are logged.
	failures chan error
	once     sync.Once
}

// part is something that must be stopped.
type part struct {
	name string
	stop func(context.Context) error
}

func newLifecycle(log *slog.Logger) *lifecycle {
	return &lifecycle{log: log, failures: make(chan error, 1)} // one, so that a failing part never waits for its reader
}

// onStop adds something to be done at the stop, before all that was added earlier.
// It should return soon after its context has ended.
func (l *lifecycle) onStop(name string, stop func(context.Context) error) {
	l.parts = append(l.parts, part{name, stop})
}

// run starts a part that works until its context ends. That it ends earlier, with
// or without an error, is a failure of the whole server.
func (l *lifecycle) run(name string, work func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // one result
	go func() {
		err := work(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("it ended by itself")
			}
			l.fail(name, err)
			err = nil // told already
		}
		done <- err
	}()
	l.onStop(name, func(ctx context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return errors.New("still running")
		}
	})
}

// fail reports that a part cannot go on. Safe for concurrent use.
func (l *lifecycle) fail(name string, err error) {
	first := false
	l.once.Do(func() { first = true })
	err = fmt.Errorf("%s: %w", name, err)
	if !first {
		l.log.Error("Another part failed", "err", err)
		return
	}
	l.failures <- err
}

// stop stops all parts, last in, first out, within [stopTimeout] together. A part
// that fails to stop does not keep the others from it.
func (l *lifecycle) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	for i := len(l.parts) - 1; i >= 0; i-- {
		p := l.parts[i]
		began := time.Now()
		if err := p.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
		l.log.Debug("Stopped", "part", p.name, "duration", time.Since(began))
	}
	l.parts = nil
	return errors.Join(errs...)
}

// bounded calls a function that has no context of its own, and stops waiting for
// it when ctx ends.
func bounded(ctx context.Context, fn func() error) error {
	done := make(chan error, 1) // one result, whether or not somebody still waits
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.New("still running")
	}
}
