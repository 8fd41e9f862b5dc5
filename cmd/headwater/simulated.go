package main

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
	"github.com/headwater-sre/headwater/correlate/page"
)

// simulated has a server go by a time of its own, that of a rehearsal: whoever sets it
// moves the clock, publishes the ticks and asks the Alertmanagers.
type simulated struct {
	clock *simClock

	mu      sync.Mutex
	entries []correlate.Input // of the stream, without ticks, with the times that the engine saw
	records []correlate.PageKey
}

// simClock is time that moves when it is told to. Safe for concurrent use.
type simClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*simTimer]struct{}
}

type simTimer struct {
	at  time.Time
	due chan time.Time // room for the one element that it ever has
}

func newSimClock(now time.Time) *simClock {
	return &simClock{now: now, timers: map[*simTimer]struct{}{}}
}

// Now implements [page.Clock].
func (c *simClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Timer implements [page.Clock].
func (c *simClock) Timer(at time.Time) (due <-chan time.Time, stop func()) {
	t := &simTimer{at: at, due: make(chan time.Time, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.After(c.now) {
		t.due <- c.now
		return t.due, func() {}
	}
	c.timers[t] = struct{}{}
	return t.due, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

// set moves the clock, never back.
func (c *simClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.now) {
		return
	}
	c.now = now
	for t := range c.timers {
		if !t.at.After(now) {
			t.due <- now
			delete(c.timers, t)
		}
	}
}

// simulatedSource is the stream with the simulated time on its entries.
type simulatedSource struct {
	driver.Source
	*simulated
}

// Follow implements [driver.Source].
func (s *simulatedSource) Follow(ctx context.Context, after uint64, out chan<- correlate.Input) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := make(chan correlate.Input) // not buffered: out's buffer is the driver's
	ended := make(chan error, 1)     // one result
	go func() { ended <- s.Source.Follow(ctx, after, in) }()
	for {
		select {
		case input := <-in:
			input.At = s.clock.Now()
			s.note(input)
			select {
			case out <- input:
			case <-ctx.Done():
			}
		case err := <-ended:
			return err
		}
	}
}

func (s *simulated) note(in correlate.Input) {
	if _, tick := in.Signal.(correlate.Tick); tick {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, in)
}

// simulatedOutbox tells which pages' deliveries were recorded.
type simulatedOutbox struct {
	page.Outbox
	*simulated
}

// RecordDelivery implements [page.Outbox].
func (o *simulatedOutbox) RecordDelivery(ctx context.Context, key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error {
	if err := o.Outbox.RecordDelivery(ctx, key, deliveries, done, superseded); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records = append(o.records, key)
	return nil
}

// recorded are the pages whose deliveries were recorded since it was last asked.
func (s *simulated) recorded() []correlate.PageKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.records
	s.records = nil
	return keys
}
