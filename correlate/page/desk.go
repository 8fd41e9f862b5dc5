package page

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Desk tells receivers of bulletins by way of memory alone: no disk, no stream and no engine is
// needed. What it was given and has not delivered is gone with the process; what was delivered and
// is not over is ended by the next one, see [Desk.Journal].
//
// Everything else is as for pages: retries, the order at each integration, edits for those who can
// show them, one key for as long as a bulletin stands, and an end for everybody who got it.
//
// Safe for concurrent use.
type Desk struct {
	pager   *Pager
	journal *journal // nil: none

	mu       sync.Mutex
	posted   map[string]*posted
	seq      uint64 // of the latest page, of all bulletins: one that comes back continues where it was
	revision uint64
	changed  chan struct{} // closed and replaced when revision rises
}

// maxBulletins bounds the bulletins that a desk has on its hands.
const maxBulletins = 256

// posted is one bulletin and what became of it.
type posted struct {
	open    bool
	to      []string
	seq     uint64 // of its latest page
	opens   int
	entries []*correlate.OutboxEntry
	words   map[uint64]Bulletin // by Seq of the page that has them
}

// NewDesk returns a desk that delivers from [Desk.Run] on. Of the options it needs Config; Outbox is
// its own. Its metrics are not registered: [Desk.Undelivered] tells how it stands.
func NewDesk(o Options) (*Desk, error) {
	d := &Desk{posted: map[string]*posted{}, changed: make(chan struct{})}
	o.Outbox, o.Registerer, o.sheet = (*drawer)(d), nil, d.sheet
	var err error
	d.pager, err = New(o)
	return d, err
}

// Run delivers until ctx ends, as [Pager.Run].
func (d *Desk) Run(ctx context.Context) error {
	if d.journal == nil {
		return d.pager.Run(ctx)
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var writer sync.WaitGroup
	writer.Go(func() { d.journal.keep(keeping, d) })
	defer writer.Wait()
	defer stop() // after the pager: what it delivers last is noted
	return d.pager.Run(ctx)
}

// Reload is [Pager.Reload].
func (d *Desk) Reload(c *Config) error { return d.pager.Reload(c) }

// Post tells the receivers named of b, or edits what they show of a bulletin of its ID. It reports
// false when there are too many, and b is not told. What b holds must not be changed afterwards.
func (d *Desk) Post(to []string, b Bulletin) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.posted[b.ID]
	if p == nil {
		if len(d.posted) >= maxBulletins {
			return false
		}
		p = &posted{words: map[uint64]Bulletin{}}
		d.posted[b.ID] = p
	}
	kind := correlate.PageUpdate
	if !p.open {
		kind = correlate.PageOpen
		p.open, p.to = true, slices.Clone(to)
		p.opens++
	}
	d.add(p, kind, b)
	return true
}

// End tells those who got the bulletin that it is over, and why.
func (d *Desk) End(id, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.posted[id]
	if p == nil || !p.open {
		return
	}
	p.open = false
	b := p.words[p.seq]
	b.Reason = reason
	d.add(p, correlate.PageResolve, b)
}

// add appends a page. The caller holds mu.
func (d *Desk) add(p *posted, kind correlate.PageKind, b Bulletin) {
	d.seq++
	p.seq = d.seq
	page := b.page(kind, p.seq, time.Now())
	if kind == correlate.PageOpen {
		page.To, page.Ring = p.to, p.opens
	}
	p.words[p.seq] = b
	p.entries = append(p.entries, &correlate.OutboxEntry{Page: page})
	d.revision++
	close(d.changed)
	d.changed = make(chan struct{})
}

// Undelivered counts the pages of bulletins, edits and ends included, that are not delivered everywhere.
func (d *Desk) Undelivered() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, p := range d.posted {
		for _, e := range p.entries {
			if !e.Done {
				n++
			}
		}
	}
	return n
}

// sheet words a page of the desk's.
func (d *Desk) sheet(p *correlate.Page, externalURL string) *Sheet {
	d.mu.Lock()
	defer d.mu.Unlock()
	if of := d.posted[p.Incident.ID]; of != nil {
		if b, known := of.words[p.Seq]; known {
			return b.sheet(p)
		}
	}
	return NewSheet(p, externalURL)
}

// drawer is a desk as its pager sees it.
type drawer Desk

var errNoBulletin = errors.New("there is no such bulletin")

// Revision implements [Outbox].
func (d *drawer) Revision() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.revision
}

// Changed implements [Outbox].
func (d *drawer) Changed(after uint64) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.revision > after {
		now := make(chan struct{})
		close(now)
		return now
	}
	return d.changed
}

// PendingPages implements [Outbox].
func (d *drawer) PendingPages(_ context.Context, limit int) ([]*correlate.OutboxEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var pending []*correlate.OutboxEntry
	for _, p := range d.posted {
		for _, e := range p.entries {
			if !e.Done {
				pending = append(pending, clone(e))
			}
		}
	}
	slices.SortFunc(pending, func(a, b *correlate.OutboxEntry) int { return a.Page.At.Compare(b.Page.At) })
	if limit > 0 && len(pending) > limit {
		pending = pending[:limit]
	}
	return pending, nil
}

// Pages implements [Outbox].
func (d *drawer) Pages(_ context.Context, id string) ([]*correlate.OutboxEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var pages []*correlate.OutboxEntry
	if p := d.posted[id]; p != nil {
		for _, e := range p.entries {
			pages = append(pages, clone(e))
		}
	}
	return pages, nil
}

func clone(e *correlate.OutboxEntry) *correlate.OutboxEntry {
	c := *e
	c.Deliveries = slices.Clone(e.Deliveries)
	return &c
}

// RecordDelivery implements [Outbox]. What is over and delivered is forgotten, and of what stands
// all edits but the latest.
func (d *drawer) RecordDelivery(_ context.Context, key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.posted[key.Incident]
	if p == nil {
		return errNoBulletin
	}
	i := slices.IndexFunc(p.entries, func(e *correlate.OutboxEntry) bool { return e.Page.Seq == key.Seq })
	if i < 0 {
		return errNoBulletin
	}
	e := p.entries[i]
	e.Deliveries, e.Done, e.Superseded = slices.Clone(deliveries), done, superseded
	defer (*Desk)(d).noteStanding()
	if !p.open && !slices.ContainsFunc(p.entries, func(e *correlate.OutboxEntry) bool { return !e.Done }) {
		delete(d.posted, key.Incident)
		return nil
	}
	p.entries = slices.DeleteFunc(p.entries, func(e *correlate.OutboxEntry) bool {
		return e.Done && e.Page.Kind == correlate.PageUpdate && e.Page.Seq < p.seq
	})
	for seq := range p.words {
		if seq < p.seq && !slices.ContainsFunc(p.entries, func(e *correlate.OutboxEntry) bool { return e.Page.Seq == seq }) {
			delete(p.words, seq)
		}
	}
	return nil
}
