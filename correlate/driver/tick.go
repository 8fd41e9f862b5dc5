package driver

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	// tickEvery is the least time between two ticks: deadlines nearer together share one.
	tickEvery = 100 * time.Millisecond
	// tickRetryLast bounds the pause between attempts while the stream is unavailable.
	tickRetryLast = 5 * time.Second
	// tickTimeout bounds one attempt; tickReturn how long a published tick is
	// waited for before another one is sent after it.
	tickTimeout = 5 * time.Second
	tickReturn  = 10 * time.Second
)

// ticker sees to it that the engine's deadlines are met by ticks on the stream.
// At most one is under way. It belongs to the loop.
type ticker struct {
	source Source
	log    *slog.Logger

	timer   *time.Timer
	armed   bool
	results chan tickResult // one, of the attempt under way, so that it never blocks
	attempt sync.WaitGroup

	publishing bool
	returned   bool          // it came back before its result did
	awaited    time.Time     // when the published tick is given up; zero: none is awaited
	notBefore  time.Time     // of the next attempt
	pause      time.Duration // after the latest failure; 0: it succeeded

	// lead is how far the stream's clock has been seen ahead of ours. One that is
	// behind needs no account: ticks are then repeated until its time has come.
	lead time.Duration
}

type tickResult struct{ err error }

func newTicker(source Source, log *slog.Logger) *ticker {
	return &ticker{source: source, log: log, timer: stoppedTimer(), results: make(chan tickResult, 1)}
}

// arm sets the timer for the engine's next deadline.
func (t *ticker) arm(deadline time.Time, ok bool) {
	t.timer.Stop()
	t.armed = ok && !t.publishing
	if !t.armed {
		return
	}
	at := deadline.Add(-t.lead)
	for _, bound := range []time.Time{t.notBefore, t.awaited} {
		if at.Before(bound) {
			at = bound
		}
	}
	t.timer.Reset(max(0, time.Until(at)))
}

// due is ready when it is time for a tick. A nil channel switches the case off.
func (t *ticker) due() <-chan time.Time {
	if !t.armed {
		return nil
	}
	return t.timer.C
}

// publish begins an attempt; its result comes by results. The loop does not wait for it.
func (t *ticker) publish(ctx context.Context) {
	t.publishing, t.returned = true, false
	t.notBefore = time.Now().Add(tickEvery)
	t.attempt.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, tickTimeout)
		defer cancel()
		t.results <- tickResult{t.source.PublishTick(ctx)}
	})
}

// published takes the result of an attempt.
func (t *ticker) published(r tickResult) {
	t.publishing = false
	if r.err != nil {
		if t.pause == 0 {
			t.log.Warn("tick could not be published, deadlines wait for the stream", "err", r.err)
		}
		t.pause = min(max(2*t.pause, tickEvery), tickRetryLast)
		t.notBefore = time.Now().Add(t.pause)
		return
	}
	if t.pause > 0 {
		t.log.Info("ticks are published again")
		t.pause = 0
	}
	if !t.returned {
		t.awaited = time.Now().Add(tickReturn)
	}
}

// saw learns from an input what the stream's clock says, and that a tick is back.
func (t *ticker) saw(in correlate.Input) {
	t.lead = max(t.lead, time.Until(in.At)) // nothing is stored in the future
	if _, tick := in.Signal.(correlate.Tick); tick || in.Signal == nil {
		t.returned, t.awaited = true, time.Time{}
	}
}

// stop waits for the attempt under way, whose context has ended.
func (t *ticker) stop() {
	t.timer.Stop()
	t.attempt.Wait()
}
