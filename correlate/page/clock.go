package page

import (
	"context"
	"time"
)

// Clock is a pager's time: when it tries again, and what it writes down. A rehearsal
// has one of its own.
type Clock interface {
	Now() time.Time
	// Timer returns a channel that has an element once the clock shows at or later,
	// and a function that lets go of the timer.
	Timer(at time.Time) (due <-chan time.Time, stop func())
}

// systemClock is the machine's.
type systemClock struct{}

// Now implements [Clock].
func (systemClock) Now() time.Time { return time.Now() }

// Timer implements [Clock].
func (systemClock) Timer(at time.Time) (due <-chan time.Time, stop func()) {
	t := time.NewTimer(time.Until(at))
	return t.C, func() { t.Stop() }
}

func (p *Pager) now() time.Time { return p.opts.Clock.Now() }

// Settle waits until nothing can be sent before the clock moves on: each page that is
// pending was tried as far as it can be. next is when the first of them is tried again;
// zero: none is. The pager must run, and no page be decided meanwhile.
func (p *Pager) Settle(ctx context.Context) (next time.Time, err error) {
	for limit := readAhead; ; {
		p.mu.Lock()
		moved := p.moved
		p.mu.Unlock()
		entries, err := p.opts.Outbox.PendingPages(ctx, limit)
		if err != nil {
			return time.Time{}, err
		}
		if len(entries) == limit {
			limit *= 4
			continue
		}
		latest := make(map[string]uint64)
		for _, e := range entries {
			key := e.Page.Key()
			latest[key.Incident] = max(latest[key.Incident], key.Seq)
		}
		if next, still := p.standstill(latest); still {
			return next, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// standstill reports whether the cases of all incidents with pending pages, given with
// the latest of these, wait for a time that has not come.
func (p *Pager) standstill(latest map[string]uint64) (next time.Time, still bool) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for incident, seq := range latest {
		c := p.cases[incident]
		if c == nil || c.seen < seq || !c.parked || !c.until.IsZero() && !c.until.After(now) {
			return time.Time{}, false
		}
		if !c.until.IsZero() && (next.IsZero() || c.until.Before(next)) {
			next = c.until
		}
	}
	return next, true
}

// park notes that a case has nothing to do before a time, or, if zero, before it is told something.
func (p *Pager) park(c *incidentCase, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.parked, c.until = true, until
	p.wake()
}

func (p *Pager) unpark(c *incidentCase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.parked = false
}

// wake has [Pager.Settle] look again. The caller holds mu.
func (p *Pager) wake() {
	close(p.moved)
	p.moved = make(chan struct{})
}
