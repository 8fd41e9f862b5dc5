package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
)

// emptyWorld is a stream and a store without anything in them.
type emptyWorld struct{ followErr error }

func (w emptyWorld) Follow(ctx context.Context, _ uint64, _ chan<- correlate.Input) error {
	if w.followErr != nil {
		return w.followErr
	}
	<-ctx.Done()
	return nil
}
func (emptyWorld) PublishTick(context.Context) error    { return nil }
func (emptyWorld) Last(context.Context) (uint64, error) { return 0, nil }
func (emptyWorld) Load(context.Context) (*correlate.Snapshot, error) {
	return &correlate.Snapshot{}, nil
}
func (emptyWorld) Commit(context.Context, []*correlate.Delta, bool) error { return nil }

// moody is an engine that is asked for its next deadline, and then does something else.
type moody struct {
	*correlate.Engine
	first func()
}

func (m *moody) NextDeadline() (time.Time, bool) {
	m.first()
	return m.Engine.NextDeadline()
}

func runnerOf(t *testing.T, w emptyWorld, moods ...func() error) *engineRunner {
	t.Helper()
	lives := 0
	r, err := newEngineRunner(driver.Options{
		Source: w, Store: w, Registerer: prometheus.NewRegistry(),
		Restore: func(cfg correlate.Config, s *correlate.Snapshot) (driver.Engine, error) {
			e, err := correlate.Restore(cfg, s)
			lives++
			if lives > len(moods) || err != nil {
				return e, err
			}
			mood := moods[lives-1]
			if err := mood(); err != nil {
				return nil, err
			}
			return &moody{e, func() { _ = mood() }}, nil
		},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// onDeadline is a mood that shows when the engine runs.
func onDeadline(what func()) func() error {
	restored := false
	return func() error {
		if restored {
			what()
		}
		restored = true
		return nil
	}
}

// startedBy is when a driver has asked its stream for its end.
const startedBy = time.Second

func TestAnEngineThatFailsIsStartedAnewAndTheServerGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runnerOf(t, emptyWorld{},
			onDeadline(func() { panic("a fault of ours") }),
			onDeadline(runtime.Goexit),
			func() error { return errors.New("rows do not fit together") },
		)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.run(ctx) }()
		pause := engineRetryFirst
		for _, says := range []string{"a fault of ours", "its goroutine ended", "rows do not fit together"} {
			synctest.Wait()
			if err := r.Ready(); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("ready says %v, want %q", err, says)
			}
			time.Sleep(pause)
			pause *= 2
		}
		time.Sleep(startedBy)
		synctest.Wait()
		if err := r.Ready(); err != nil {
			t.Errorf("it goes on: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAStreamThatCannotBeFollowedEndsTheServer(t *testing.T) {
	rewound := errors.New("the stream was rewound")
	r := runnerOf(t, emptyWorld{followErr: rewound})
	if err := r.run(t.Context()); !errors.Is(err, rewound) || errors.Is(err, driver.ErrEngine) {
		t.Errorf("ended with %v", err)
	}
}

func TestOtherSettingsAreTakenWhileTheEngineIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runnerOf(t, emptyWorld{}, onDeadline(runtime.Goexit))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.run(ctx) }()
		synctest.Wait()
		if err := r.restart(ctx, correlate.Config{Environment: "other"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := r.Ready(); err != nil {
			t.Errorf("it goes on: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
