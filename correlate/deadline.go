package correlate

import (
	"cmp"
	"time"
)

// dueKind orders deadlines that fall on the same moment.
type dueKind uint8

const (
	dueExpiry      dueKind = iota // an alert that nobody confirmed ends
	dueForget                     // a health check that nobody reports is forgotten
	dueMaintenance                // a window of maintenance begins or ends
	duePage                       // an opening page
	dueCall                       // a page rings again, or somebody else is called: whoever has it gets the edit with it
	dueUpdate                     // an update page
	dueReview                     // an incident is judged anew, since a part of it recovered
	dueClose                      // an incident ends
	dueArchive                    // an ended incident is forgotten
	dueKinds
)

// due is one deadline. It is only a reminder: what it reminds of is in the row,
// and a reminder whose row says otherwise is skipped.
type due struct {
	at       time.Time
	kind     dueKind
	alert    AlertID
	incident string
	number   uint64
	check    *checkKey // of dueForget
}

func (a *due) less(b *due) bool {
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	order := cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.number, b.number), a.alert.compare(b.alert))
	if order == 0 && a.check != nil && b.check != nil {
		order = a.check.compare(*b.check)
	}
	return order < 0
}

// dueHeap is a binary heap of reminders, the earliest first.
type dueHeap []due

func (h dueHeap) peek() (time.Time, bool) {
	if len(h) == 0 {
		return time.Time{}, false
	}
	return h[0].at, true
}

func (h *dueHeap) push(d due) {
	q := append(*h, d)
	for i := len(q) - 1; i > 0; {
		p := (i - 1) / 2
		if !q[i].less(&q[p]) {
			break
		}
		q[i], q[p] = q[p], q[i]
		i = p
	}
	*h = q
}

func (h *dueHeap) pop() due {
	q := *h
	top, last := q[0], len(q)-1
	q[0], q[last] = q[last], due{}
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if r := c + 1; r < len(q) && q[r].less(&q[c]) {
			c = r
		}
		if !q[c].less(&q[i]) {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	*h = q
	return top
}

// takeDue removes the first reminder. What it reminded of may be reminded of again.
func (e *Engine) takeDue() due {
	d := e.due.pop()
	switch d.kind {
	case dueExpiry:
		if it := e.items[d.alert]; it != nil && it.reminded.Equal(d.at) {
			it.reminded = time.Time{}
		}
	case dueForget:
		if e.forgetting[*d.check].Equal(d.at) {
			delete(e.forgetting, *d.check)
		}
	default:
		if inc := e.incidents[d.incident]; inc != nil && inc.reminded[d.kind].Equal(d.at) {
			inc.reminded[d.kind] = time.Time{}
		}
	}
	return d
}

// stands reports whether the row still asks for d.
func (e *Engine) stands(d *due) bool {
	switch d.kind {
	case dueExpiry:
		it := e.items[d.alert]
		return it != nil && d.at.Equal(e.expiryOf(it))
	case dueForget:
		h := e.health[*d.check]
		return h != nil && d.at.Equal(e.forgetAt(h))
	}
	if d.kind == dueMaintenance {
		return d.at.Equal(e.windowsUntil)
	}
	inc := e.incidents[d.incident]
	return inc != nil && d.at.Equal(e.deadlineOf(inc, d.kind))
}

func (e *Engine) dropStale() {
	for len(e.due) > 0 && !e.stands(&e.due[0]) {
		d := e.takeDue()
		if d.kind == dueForget {
			e.scheduleForgetting(e.health[*d.check]) // it was reported since
		} else if it := e.items[d.alert]; it != nil && d.kind == dueExpiry {
			e.scheduleExpiry(it) // it was confirmed since
		}
	}
}

// deadlineOf is when an incident's deadline of the kind falls due; zero: never.
func (e *Engine) deadlineOf(inc *incident, kind dueKind) time.Time {
	row := inc.row
	switch {
	case kind == duePage && row.State == IncidentOpen:
		return row.Paging.DueAt
	case kind == dueUpdate && row.State == IncidentOpen:
		return row.Paging.UpdateDueAt
	case kind == dueCall && row.State == IncidentOpen:
		return row.Paging.CallDueAt
	case kind == dueReview && row.State == IncidentOpen:
		return row.ReviewAt
	case kind == dueClose && row.State == IncidentOpen && !row.QuietSince.IsZero():
		if row.CloseAt.IsZero() { // of a version without
			return row.QuietSince.Add(e.cfg.CloseAfter)
		}
		return row.CloseAt
	case kind == dueArchive && row.State == IncidentResolved:
		return row.ResolvedAt.Add(e.cfg.ReopenWithin)
	}
	return time.Time{}
}

// scheduleIncident reminds of everything that is due in inc. Reminders may repeat, but not at once.
func (e *Engine) scheduleIncident(inc *incident) {
	for _, kind := range [...]dueKind{duePage, dueUpdate, dueCall, dueReview, dueClose, dueArchive} {
		if at := e.deadlineOf(inc, kind); !at.IsZero() && !at.Equal(inc.reminded[kind]) {
			inc.reminded[kind] = at
			e.due.push(due{at: at, kind: kind, incident: inc.row.ID, number: inc.row.Number})
		}
	}
}

// expiryOf is when a firing alert ends for want of news; zero: never. A sender
// that gives a firing alert an end (Prometheus does) means "unless I say so again".
// The alert of a health check ends with passing results, or with the check. An alert that ended
// outside any incident is remembered for a while, so that a second notice of its end is not news.
func (e *Engine) expiryOf(it *item) time.Time {
	a := it.state
	switch {
	case !a.Active() && it.inc == nil && a.Fate.Kind != FatePending:
		return a.LastSeen.Add(e.cfg.ReopenWithin)
	case !a.Active() || a.Sender == healthSender:
		return time.Time{}
	case !a.EndsAt.IsZero():
		return a.EndsAt
	case e.cfg.StaleAfter > 0:
		return a.LastSeen.Add(e.cfg.StaleAfter)
	}
	return time.Time{}
}

// scheduleExpiry reminds of it's expiry. A reminder that comes earlier will do: senders
// confirm their alerts every minute, and each time put the end further off.
func (e *Engine) scheduleExpiry(it *item) {
	at := e.expiryOf(it)
	if at.IsZero() || !it.reminded.IsZero() && !at.Before(it.reminded) {
		return
	}
	it.reminded = at
	e.due.push(due{at: at, kind: dueExpiry, alert: it.id})
}

// runDeadlines lets everything happen that is due at or before until, each at its
// own time and in a fixed order. Settling comes first among equals.
func (e *Engine) runDeadlines(until time.Time) {
	for {
		at, ok := e.NextDeadline()
		if !ok || at.After(until) {
			return
		}
		if at.After(e.meta.Now) {
			e.meta.Now = at
		}
		if s := e.meta.SettleAt; !s.IsZero() && !s.After(at) {
			e.settle()
		} else {
			d := e.takeDue()
			e.fire(&d)
		}
		e.flushCounts()
	}
}

func (e *Engine) fire(d *due) {
	switch d.kind {
	case dueExpiry:
		e.expire(e.items[d.alert])
	case dueForget:
		e.forgetCheck(*d.check)
	case dueMaintenance:
		e.applyMaintenance()
	case duePage:
		e.openingDue(e.incidents[d.incident])
	case dueUpdate:
		e.updateDue(e.incidents[d.incident])
	case dueCall:
		e.callDue(e.incidents[d.incident])
	case dueReview:
		e.review(e.incidents[d.incident])
	case dueClose:
		e.closeQuiet(e.incidents[d.incident])
	case dueArchive:
		e.archive(e.incidents[d.incident])
	}
}
