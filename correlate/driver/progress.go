package driver

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// keptRejections is how many refusals are remembered. Who waits for a position
// is woken at once, so a few hundred commands at a time would have to be refused
// before one is forgotten.
const keptRejections = 1024

// progress is how far the stream has been applied and committed, and what was refused.
type progress struct {
	mu       sync.Mutex
	applied  uint64
	deadline time.Time // the engine's next as of applied; zero: none
	stopped  bool
	changed  chan struct{} // closed and replaced at every advance

	rejections map[uint64]string
	ring       [keptRejections]uint64 // their positions, the oldest at next
	next       int
}

func (p *progress) init() {
	p.changed = make(chan struct{})
	p.rejections = map[uint64]string{}
}

// begin says that everything up to pos had been committed before.
func (p *progress) begin(pos uint64, deadline time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied, p.deadline = max(p.applied, pos), deadline
	p.wake()
}

// advance says that deltas have been committed.
func (p *progress) advance(deltas []*correlate.Delta, deadline time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = deadline
	for _, d := range deltas {
		p.applied = max(p.applied, d.Meta.Pos)
		if d.Rejected != "" {
			p.keep(d.Meta.Pos, d.Rejected)
		}
	}
	p.wake()
}

// keep remembers a refusal in the place of the oldest. The caller holds mu.
func (p *progress) keep(pos uint64, text string) {
	delete(p.rejections, p.ring[p.next])
	p.ring[p.next] = pos
	p.next = (p.next + 1) % len(p.ring)
	p.rejections[pos] = text
}

// stop says that nothing more will be applied.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.wake()
}

// wake lets the waiters look again. The caller holds mu.
func (p *progress) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Wait returns once the entry at pos, and all before it, has been applied and
// committed, so that reads show its effects. rejected says why a command or a
// topology report was not carried out; the last 1,024 refusals are remembered. The
// error is ctx's, or [ErrStopped].
func (d *Driver) Wait(ctx context.Context, pos uint64) (rejected string, err error) {
	p := &d.progress
	for {
		p.mu.Lock()
		applied, stopped, text, changed := p.applied, p.stopped, p.rejections[pos], p.changed
		p.mu.Unlock()
		switch {
		case applied >= pos:
			return text, nil
		case stopped:
			return "", ErrStopped
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// NextDeadline is when the engine has something to do next, as of what [Driver.Applied]
// covers; false: nothing.
func (d *Driver) NextDeadline() (at time.Time, ok bool) {
	d.progress.mu.Lock()
	defer d.progress.mu.Unlock()
	return d.progress.deadline, !d.progress.deadline.IsZero()
}

// Applied is the position of the last entry that has been applied and committed.
func (d *Driver) Applied() uint64 {
	d.progress.mu.Lock()
	defer d.progress.mu.Unlock()
	return d.progress.applied
}
