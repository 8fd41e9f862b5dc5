package page

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
)

var errStore = errors.New("disk is on holiday")

// memOutbox is an outbox in memory that can fail both ways.
type memOutbox struct {
	mu       sync.Mutex
	entries  []*correlate.OutboxEntry
	revision uint64
	changed  chan struct{}
	records  int
	// refuse fails the next calls of RecordDelivery; forget does them and then reports failure.
	refuse, forget int
	// blind fails the next reads.
	blind int
	// unsynced pages, the latest ones, are in Pages but not in PendingPages.
	unsynced int
}

func newOutbox(pages ...*correlate.Page) *memOutbox {
	o := &memOutbox{changed: make(chan struct{})}
	o.add(pages...)
	return o
}

func (o *memOutbox) add(pages ...*correlate.Page) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range pages {
		o.entries = append(o.entries, &correlate.OutboxEntry{Page: p})
	}
	o.revision++
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *memOutbox) Revision() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.revision
}

func (o *memOutbox) Changed(after uint64) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.revision > after {
		c := make(chan struct{})
		close(c)
		return c
	}
	return o.changed
}

func (o *memOutbox) PendingPages(_ context.Context, limit int) ([]*correlate.OutboxEntry, error) {
	o.mu.Lock()
	hidden := o.entries[len(o.entries)-o.unsynced:]
	o.mu.Unlock()
	return o.read(limit, func(e *correlate.OutboxEntry) bool { return !e.Done && !slices.Contains(hidden, e) })
}

func (o *memOutbox) Pages(_ context.Context, incident string) ([]*correlate.OutboxEntry, error) {
	return o.read(0, func(e *correlate.OutboxEntry) bool { return e.Page.Incident.ID == incident })
}

func (o *memOutbox) read(limit int, want func(*correlate.OutboxEntry) bool) ([]*correlate.OutboxEntry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blind > 0 {
		o.blind--
		return nil, errStore
	}
	var out []*correlate.OutboxEntry
	for _, e := range o.entries {
		if want(e) && (limit == 0 || len(out) < limit) {
			c, p := *e, *e.Page
			c.Page, c.Deliveries = &p, slices.Clone(e.Deliveries)
			out = append(out, &c)
		}
	}
	return out, nil
}

func (o *memOutbox) RecordDelivery(ctx context.Context, key correlate.PageKey, ds []correlate.Delivery, done, superseded bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.refuse > 0 {
		o.refuse--
		return errStore
	}
	for _, e := range o.entries {
		if e.Page.Key() == key {
			o.records++
			e.Deliveries, e.Done, e.Superseded = slices.Clone(ds), done, superseded
		}
	}
	if o.forget > 0 {
		o.forget--
		return errStore
	}
	return nil
}

// entry returns a copy of one page's record.
func (o *memOutbox) entry(t *testing.T, incident string, seq uint64) correlate.OutboxEntry {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.entries {
		if e.Page.Incident.ID == incident && e.Page.Seq == seq {
			c := *e
			c.Deliveries = slices.Clone(e.Deliveries)
			return c
		}
	}
	t.Fatalf("no page %d of %s", seq, incident)
	return correlate.OutboxEntry{}
}

// allDone reports whether nothing is pending.
func (o *memOutbox) allDone() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !slices.ContainsFunc(o.entries, func(e *correlate.OutboxEntry) bool { return !e.Done })
}
