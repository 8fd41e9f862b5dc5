package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
)

// sheaf is all pages of one incident in the order of Seq, as far as they have come.
// It belongs to one goroutine.
type sheaf []*leaf

// leaf is one page and what is known of its delivery.
type leaf struct {
	*correlate.OutboxEntry
	// dirty: the outbox does not know yet.
	dirty bool
}

// send is one page that should go to one integration now.
type send struct {
	leaf *leaf
	to   target
	// opening is the incident as the latest opening page up to this one had it: its
	// labels stay, so that the receiver's identity of the alert does.
	opening *correlate.Incident
	// thread is what the integration left when it sent the page that this one edits;
	// empty when this one is to be seen as new.
	thread string
}

// standing is how an incident stands at one target before the page at hand.
type standing struct {
	// open: an opening page was sent, or will have been by the time of the page at
	// hand, and no resolve after it.
	open bool
	// behind: an earlier page is not settled yet.
	behind bool
	thread string
}

// rules are what plan needs to know of the configuration.
type rules interface {
	route(labels map[string]string) []target
	// refuses says why a page of that kind is not for the target, "" when it is.
	refuses(t target, kind correlate.PageKind) string
}

// plan brings the records of all pages up to date with the rules (who should get
// which, what is needless) and returns what can be sent now: per target the
// first unsettled page. Targets in busy have a page under way and are left alone.
//
// It is pure but for the leaves, whose records and dirty marks it sets.
func (s sheaf) plan(r rules, busy map[target]bool) []send {
	at := make(map[target]*standing)
	var opening *correlate.Incident
	var sends []send
	for n, l := range s {
		if l.Page.Kind == correlate.PageOpen || opening == nil {
			opening = &l.Page.Incident
		}
		if !l.Done {
			l.address(r, at, busy)
			l.skipNeedless(r, at, busy, s.successor(n))
			for _, t := range l.ready(at, busy) {
				to := send{leaf: l, to: t, opening: opening}
				if l.kindFor(t, r, at) != correlate.PageOpen {
					to.thread = at[t].thread
				}
				sends = append(sends, to)
			}
			l.settle(s.successor(n))
		}
		l.advance(at)
	}
	return sends
}

// successor is the page after the n-th, or nil.
func (s sheaf) successor(n int) *leaf {
	if n+1 < len(s) {
		return s[n+1]
	}
	return nil
}

// address makes sure that everybody who should get the page has a record, and
// takes it from those who no longer should.
func (l *leaf) address(r rules, at map[target]*standing, busy map[target]bool) {
	var to []target
	if l.Page.Kind == correlate.PageOpen {
		to = r.route(l.Page.Incident.RouteLabels())
	}
	// Whoever has the incident open hears of it: of an update, of the end, and of a
	// renewed opening that now goes to others.
	for _, t := range holders(at) {
		if !slices.Contains(to, t) {
			to = append(to, t)
		}
	}
	for i := range l.Deliveries {
		d := &l.Deliveries[i]
		if open(d) && !busy[targetOf(d)] && !slices.Contains(to, targetOf(d)) {
			l.skip(d, l.unaddressed())
		}
	}
	for _, t := range to {
		if l.delivery(t) == nil {
			l.Deliveries = append(l.Deliveries, correlate.Delivery{Receiver: t.receiver, Integration: t.integration, Index: t.index})
			l.dirty = true
		}
		if at[t] == nil {
			at[t] = &standing{}
		}
	}
}

func (l *leaf) unaddressed() string {
	if l.Page.Kind == correlate.PageOpen {
		return "the route no longer leads here"
	}
	return "got no opening page"
}

// holders are the targets at which the incident is open, in a fixed order.
func holders(at map[target]*standing) []target {
	var ts []target
	for t, st := range at {
		if st.open {
			ts = append(ts, t)
		}
	}
	slices.SortFunc(ts, compareTargets)
	return ts
}

// skipNeedless records why targets will not get the page.
func (l *leaf) skipNeedless(r rules, at map[target]*standing, busy map[target]bool, next *leaf) {
	for i := range l.Deliveries {
		d := &l.Deliveries[i]
		t := targetOf(d)
		if !open(d) || busy[t] {
			continue
		}
		kind := l.kindFor(t, r, at)
		switch why := r.refuses(t, kind); {
		case why != "":
			l.skip(d, why)
		case kind == correlate.PageUpdate && next != nil:
			l.skip(d, fmt.Sprintf("superseded by page %d", next.Page.Seq))
		}
	}
}

// kindFor is what the page is to one target: a renewed opening is a mere update to
// those who have the incident open and whom the route does not name for it.
func (l *leaf) kindFor(t target, r rules, at map[target]*standing) correlate.PageKind {
	if l.Page.Kind == correlate.PageOpen && at[t].open && !slices.Contains(r.route(l.Page.Incident.RouteLabels()), t) {
		return correlate.PageUpdate
	}
	return l.Page.Kind
}

// ready are the targets for which nothing stands before this page.
func (l *leaf) ready(at map[target]*standing, busy map[target]bool) []target {
	var ts []target
	for i := range l.Deliveries {
		d := &l.Deliveries[i]
		if t := targetOf(d); open(d) && !busy[t] && !at[t].behind {
			ts = append(ts, t)
		}
	}
	return ts
}

// settle marks the page done when nothing is left to send.
func (l *leaf) settle(next *leaf) {
	sent := false
	for i := range l.Deliveries {
		if open(&l.Deliveries[i]) {
			return
		}
		sent = sent || !l.Deliveries[i].SentAt.IsZero()
	}
	l.Done, l.dirty = true, true
	l.Superseded = l.Page.Kind == correlate.PageUpdate && next != nil && !sent
}

// advance carries each target's standing past this page.
func (l *leaf) advance(at map[target]*standing) {
	for i := range l.Deliveries {
		d := &l.Deliveries[i]
		t := targetOf(d)
		if at[t] == nil {
			at[t] = &standing{}
		}
		st := at[t]
		st.behind = st.behind || open(d)
		switch {
		case l.Page.Kind == correlate.PageResolve:
			st.open, st.thread = false, ""
		case l.Page.Kind == correlate.PageOpen && d.Skipped == "":
			st.open = true
		}
		if d.Thread != "" {
			st.thread = d.Thread
		}
	}
}

func (l *leaf) delivery(t target) *correlate.Delivery {
	for i := range l.Deliveries {
		if targetOf(&l.Deliveries[i]) == t {
			return &l.Deliveries[i]
		}
	}
	return nil
}

func (l *leaf) skip(d *correlate.Delivery, why string) {
	d.Skipped, l.dirty = why, true
}

// open reports whether a page is still to be sent there.
func open(d *correlate.Delivery) bool { return d.SentAt.IsZero() && d.Skipped == "" }

func compareTargets(a, b target) int {
	return cmp.Or(strings.Compare(a.receiver, b.receiver), strings.Compare(a.integration, b.integration), a.index-b.index)
}
