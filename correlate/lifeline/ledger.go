package lifeline

import (
	"slices"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	// maxAlerts bounds the alerts in the ledger: some 2 kB each, shared with the request while that lasts.
	maxAlerts = 10_000
	// forgetAfter is how long an alert that was refused is remembered without being sent again.
	// Alertmanagers try again within minutes.
	forgetAfter = time.Hour
)

// entry is one alert that correlation is not known to have placed in an incident, or to have judged otherwise.
type entry struct {
	alert  correlate.Alert
	group  string // as its sender groups it
	sender string // its address for people; may be empty
	since  time.Time
	seen   time.Time // when it was sent last
	// pos is its place in the stream; 0: the stream refused it.
	pos    uint64
	raised bool // it is on a page of ours
	ended  bool
}

// covered reports whether correlation has come to it.
func (e *entry) covered(applied uint64) bool { return e.pos > 0 && e.pos <= applied }

// ledger is what the intake has seen of late. Safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	entries map[correlate.AlertID]*entry
	limit   int
	more    unkept
}

// unkept is what did not fit.
type unkept struct {
	alerts  int
	since   time.Time
	pos     uint64 // the latest
	refused bool   // some have none
}

func newLedger(limit int) *ledger {
	return &ledger{entries: map[correlate.AlertID]*entry{}, limit: limit}
}

// note takes what became of a notification: pos is 0 when the stream refused it.
func (l *ledger) note(b *correlate.AlertBatch, received time.Time, pos uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range b.Alerts {
		a := &b.Alerts[i]
		old := l.entries[a.ID()]
		switch {
		case old != nil:
			l.again(old, a, received, pos)
		case a.Status != correlate.Firing || a.Muted != "":
		case len(l.entries) >= l.limit:
			l.overflow(received, pos)
		default:
			l.entries[a.ID()] = &entry{
				alert: *a, group: groupOf(b), sender: b.ExternalURL, since: received, seen: received, pos: pos,
			}
		}
	}
}

// again takes news of an alert that is in the ledger.
func (l *ledger) again(e *entry, a *correlate.Alert, received time.Time, pos uint64) {
	e.seen = received
	e.pos = max(e.pos, pos)
	e.ended = a.Status == correlate.Resolved
	if e.ended && !e.raised {
		delete(l.entries, a.ID())
	}
}

func (l *ledger) overflow(received time.Time, pos uint64) {
	m := &l.more
	if m.alerts == 0 {
		m.since = received
	}
	m.alerts++
	m.pos = max(m.pos, pos)
	m.refused = m.refused || pos == 0
}

// groupOf names the group that a notification is about; alerts that come without one are in one of their sender's.
func groupOf(b *correlate.AlertBatch) string {
	if b.GroupKey != "" {
		return b.ExternalURL + " " + b.Receiver + " " + b.GroupKey
	}
	return b.ExternalURL + " " + b.Source
}

// sweep forgets what was refused and nobody sends any more, but for what is on a page, and returns the alerts that
// correlation came to before a time: they may be forgotten when they have been placed.
func (l *ledger) sweep(now time.Time, applied uint64, before time.Time) (reached []correlate.AlertID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.entries {
		switch {
		case e.raised:
		case e.covered(applied):
			if e.since.Before(before) {
				reached = append(reached, id)
			}
		case e.pos == 0 && now.Sub(e.seen) > forgetAfter:
			delete(l.entries, id)
		}
	}
	if m := &l.more; m.alerts > 0 && len(l.entries) < l.limit && m.pos <= applied && (!m.refused || now.Sub(m.since) > forgetAfter) {
		*m = unkept{}
	}
	return reached
}

// overdue are the alerts that have waited for longer than bound and are on no page, oldest first.
func (l *ledger) overdue(now time.Time, bound time.Duration) []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var late []*entry
	for _, e := range l.entries {
		if !e.raised && now.Sub(e.since) > bound {
			c := *e
			late = append(late, &c)
		}
	}
	slices.SortFunc(late, func(a, b *entry) int { return a.since.Compare(b.since) })
	return late
}

// raise marks an alert as being on a page of ours.
func (l *ledger) raise(id correlate.AlertID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.raised = true
	}
}

// forget takes alerts out.
func (l *ledger) forget(ids ...correlate.AlertID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		delete(l.entries, id)
	}
}

// get is the present state of an alert; nil when it is not in the ledger.
func (l *ledger) get(id correlate.AlertID) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		c := *e
		return &c
	}
	return nil
}

// beyond is how many overdue alerts did not fit.
func (l *ledger) beyond(now time.Time, bound time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more.alerts > 0 && now.Sub(l.more.since) > bound {
		return l.more.alerts
	}
	return 0
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}
