package page

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// handClock shows what it is set to.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[chan time.Time]time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) Timer(at time.Time) (due <-chan time.Time, stop func()) {
	timer := make(chan time.Time, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timers == nil {
		c.timers = map[chan time.Time]time.Time{}
	}
	c.timers[timer] = at
	return timer, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, timer)
	}
}

func (c *handClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	for timer, at := range c.timers {
		if !at.After(now) {
			timer <- now
			delete(c.timers, timer)
		}
	}
}

// Attempts follow the pager's clock alone, and Settle tells when the next one is due.
func TestSettle_TheClockIsAllThatAPageWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
		clock := &handClock{now: began}
		page := collapse()
		page.At = began
		r := newRig(t, twoReceivers, Options{Clock: clock, ReadPause: time.Nanosecond}, page)
		r.fakes["on-call"].answer = failing(3, true, errDown)
		r.run()
		defer r.stop()
		for _, want := range []time.Duration{time.Second, 3 * time.Second, 7 * time.Second} { // after 1 s, 2 s, 4 s
			next, err := r.Settle(t.Context())
			if err != nil || next.Sub(began) != want {
				t.Fatalf("next %v, %v; want %v after the beginning", next.Sub(began), err, want)
			}
			r.after(time.Hour) // of the system's
			if still, err := r.Settle(t.Context()); err != nil || !still.Equal(next) {
				t.Fatalf("next %v, %v; the clock has not moved", still, err)
			}
			clock.set(next)
		}
		if next, err := r.Settle(t.Context()); err != nil || !next.IsZero() {
			t.Fatalf("next %v, %v; everything is delivered", next, err)
		}
		r.wantLogs(page.Incident.ID+" open", page.Incident.ID+" open")
		for _, d := range r.outbox.entry(t, page.Incident.ID, page.Seq).Deliveries {
			if want := map[string]time.Duration{"on-call": 7 * time.Second}[d.Receiver]; d.SentAt.Sub(began) != want {
				t.Errorf("%s: sent after %v, want %v", d.Receiver, d.SentAt.Sub(began), want)
			}
		}
	})
}
