package lifeline

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
)

// Heartbeat is a word said outward at an interval, for as long as everything works: whoever waits
// for it and does not get it knows that something is broken, Headwater's machine included.
type Heartbeat struct {
	Receiver string
	Interval time.Duration
}

// heartbeatID is what receivers know it by.
func heartbeatID(environment string) string { return "heartbeat-" + environment }

// againAfter is when a heartbeat that could not be said is tried again, if its interval is longer.
const againAfter = 10 * time.Second

// Beat says the heartbeat at its interval until ctx ends, then returns nil. Each time it goes the
// whole way first: the intake is asked, a tick is stored in the stream and must come out of the
// engine as a commit, nothing may stand on a page of last resort, and the receiver must take it.
// If one of these fails nothing is said.
func (l *Lifeline) Beat(ctx context.Context) error {
	failing := ""
	if !l.sleep(ctx, lookEvery, l.settings.Load().Heartbeat) { // what it goes through is being started
		return nil
	}
	for {
		h := l.settings.Load().Heartbeat
		pause := lookEvery // until there is one to say
		if h != nil {
			pause = h.Interval
			if failing = l.beat(ctx, h, failing); failing != "" {
				pause = min(pause, againAfter)
			}
		}
		if !l.sleep(ctx, pause, h) {
			return nil
		}
	}
}

// sleep waits for d, or until the heartbeat's settings are others. It reports false when ctx ended.
func (l *Lifeline) sleep(ctx context.Context, d time.Duration, h *Heartbeat) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-wait.C:
			return true
		case <-look.C:
			if now := l.settings.Load().Heartbeat; (now == nil) != (h == nil) || now != nil && *now != *h {
				return true
			}
		}
	}
}

// beat says the heartbeat once, or returns the stage at which the way is broken; was is what it returned before.
func (l *Lifeline) beat(ctx context.Context, h *Heartbeat, was string) (failing string) {
	began := time.Now()
	trying, cancel := context.WithTimeout(ctx, min(h.Interval, 30*time.Second))
	defer cancel()
	stage, err := l.path(trying, h)
	switch {
	case ctx.Err() != nil:
		return was // stopping
	case err != nil:
		l.metrics.withheld.WithLabelValues(stage).Inc()
		if stage != was {
			l.o.Logger.Warn("Heartbeat withheld", "stage", stage, "err", err)
		}
		return stage
	case was != "":
		l.o.Logger.Info("Heartbeat is said again")
	}
	l.metrics.beats.Inc()
	l.metrics.lastBeat.SetToCurrentTime()
	l.metrics.beatTime.Observe(time.Since(began).Seconds())
	return ""
}

// path goes the way of an alert and says how far it got when it did not arrive.
func (l *Lifeline) path(ctx context.Context, h *Heartbeat) (stage string, err error) {
	if err := l.Trouble(); err != nil {
		return "watch", err
	}
	if err := l.o.Intake(ctx); err != nil {
		return "intake", err
	}
	pos, err := l.o.Stream.Publish(ctx, correlate.Tick{})
	if err != nil {
		return "stream", err
	}
	if _, err := l.o.Correlator.Wait(ctx, pos); err != nil {
		return "correlation", fmt.Errorf("the tick at position %d did not come out: %w", pos, err)
	}
	if err := l.o.Pager.Once(ctx, h.Receiver, l.heartbeat(h)); err != nil {
		return "receiver", err
	}
	return "", nil
}

func (l *Lifeline) heartbeat(h *Heartbeat) *page.Bulletin {
	s := l.settings.Load()
	return &page.Bulletin{
		ID: heartbeatID(s.Environment), Title: "Headwater is alive", Severity: correlate.SeverityInfo, Environment: s.Environment, Since: time.Now(),
		Sections: []page.Section{{Label: "Note", Lines: []string{fmt.Sprintf("Said every %s while alerts get through from the intake to here. Alert when it stays away.", h.Interval)}}},
	}
}
