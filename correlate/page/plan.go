package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

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
	// kind is what the page is to this target: those who have the incident may get an edit of what rings others.
	kind correlate.PageKind
	// opening is the incident as the page had it by which the target knows it: its
	// labels stay, so that the receiver's identity of the alert does.
	opening *correlate.Incident
	// thread is what the integration left when it sent the page that this one edits;
	// empty when this one is to be seen as new.
	thread string
	// told is the time of the page that the target was sent before this one; zero: none.
	told time.Time
	// key is what the receiver folds by.
	key string
	// closes are the keys of earlier rings to be resolved once this page has arrived.
	closes []string
}

// standing is how an incident stands at one target before the page at hand.
type standing struct {
	// open: an opening page was sent, or will have been by the time of the page at
	// hand, and no resolve after it.
	open bool
	// noticed: it has the incident from a notice alone.
	noticed bool
	// behind: an earlier page is not settled yet.
	behind bool
	thread string
	told   time.Time // as in [send]
	// opening as in [send].
	opening *correlate.Incident
	// rings are those that the target may still show, the latest last. One that was
	// superseded is among them: whether it arrived before a crash is not known.
	rings []int
}

// rules are what plan needs to know of the configuration.
type rules interface {
	// route returns the targets to which labels lead at a time.
	route(labels map[string]string, at time.Time) []target
	// named returns the targets of the receivers of those names.
	named(receivers []string) []target
	// notices returns the targets of the routes that ask for notices with such labels and are open at a time.
	notices(labels map[string]string, at time.Time) []target
	// public returns the targets that show what those outside are told.
	public() []target
	// refuses says why a page of that kind is not for the target, "" when it is.
	refuses(t target, kind correlate.PageKind) string
	// folds reports whether the target is silent for what it knows by its key already,
	// so that a page which shall ring there again needs a key of its own.
	folds(t target) bool
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
			s.skipNeedless(n, r, at, busy)
			for _, t := range l.ready(at, busy) {
				sends = append(sends, l.sendTo(t, r, at[t], opening))
			}
			l.settle(s.successor(n))
		}
		l.advance(r, at)
	}
	return sends
}

// sendTo says how the page goes to a target of which st is known.
func (l *leaf) sendTo(t target, r rules, st *standing, opening *correlate.Incident) send {
	to := send{leaf: l, to: t, kind: l.kindFor(t, r, st), opening: opening, told: st.told}
	if to.kind.Rings() {
		to.opening = &l.Page.Incident
	} else {
		to.thread = st.thread
		if st.opening != nil {
			to.opening = st.opening
		}
	}
	to.key = l.Page.DedupKey()
	if r.folds(t) {
		to.foldInto(st.rings, r.refuses(t, correlate.PageResolve) == "")
	}
	return to
}

// foldInto gives a page its key at a receiver that shows rings: its own if it rings, else
// that of the latest. The earlier ones end with the first page that is more than an edit.
func (s *send) foldInto(rings []int, resolves bool) {
	id := s.leaf.Page.Incident.ID
	if s.kind.Rings() {
		s.key = correlate.RingKey(id, s.leaf.Page.Ring)
	} else if n := len(rings); n > 0 {
		s.key = correlate.RingKey(id, rings[n-1])
	}
	if s.kind == correlate.PageUpdate || !resolves {
		return
	}
	for _, ring := range rings {
		if key := correlate.RingKey(id, ring); key != s.key && !slices.Contains(s.closes, key) {
			s.closes = append(s.closes, key)
		}
	}
}

// successor is the next page after the n-th that tells on-call how it stands, or nil.
func (s sheaf) successor(n int) *leaf {
	for _, l := range s[n+1:] {
		if !l.Page.Kind.Aside() {
			return l
		}
	}
	return nil
}

// address makes sure that everybody who should get the page has a record, and
// takes it from those who no longer should.
func (l *leaf) address(r rules, at map[target]*standing, busy map[target]bool) {
	to := l.recipients(r)
	if !l.Page.Kind.Aside() {
		// Whoever has the incident open hears of it: of an update, of the end, and of a
		// ring that goes to others.
		for _, t := range holders(at) {
			if !slices.Contains(to, t) {
				to = append(to, t)
			}
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

// recipients are those whom the page itself is for, beside those who have the incident open.
func (l *leaf) recipients(r rules) []target {
	p := l.Page
	switch {
	case p.Kind == correlate.PagePublicUpdate:
		return r.public()
	case len(p.To) > 0:
		return r.named(p.To)
	case p.Kind.Rings():
		return r.route(p.Incident.RouteLabels(), p.At)
	case p.Kind == correlate.PageNotice:
		return l.noticed(r)
	}
	return nil
}

// NoticeLabel is the label by which routes ask for notices: `matchers: [notice="true"]`.
const NoticeLabel = "notice"

// noticed are those whom a notice to owners is for: the incident's labels, with the owner
// who was hit in the place of the origin's, lead to them.
func (l *leaf) noticed(r rules) []target {
	var to []target
	for _, owner := range l.Page.Owners {
		labels := l.Page.Incident.RouteLabels()
		labels["owner"], labels["team"], labels[NoticeLabel] = owner, owner, "true"
		for _, t := range r.notices(labels, l.Page.At) {
			if !slices.Contains(to, t) {
				to = append(to, t)
			}
		}
	}
	return to
}

func (l *leaf) unaddressed() string {
	if l.Page.Kind.Rings() {
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

// skipNeedless records why targets will not get the n-th page.
func (s sheaf) skipNeedless(n int, r rules, at map[target]*standing, busy map[target]bool) {
	l := s[n]
	for i := range l.Deliveries {
		d := &l.Deliveries[i]
		t := targetOf(d)
		if !open(d) || busy[t] {
			continue
		}
		kind, next := l.kindFor(t, r, at[t]), s.successor(n)
		switch why := r.refuses(t, kind); {
		case why != "":
			l.skip(d, why)
		case kind == correlate.PageNotice && at[t].open:
			l.skip(d, "has the incident already")
		case kind == correlate.PageUpdate && at[t].noticed:
			l.skip(d, "got a notice, which is one message")
		case kind == correlate.PageUpdate && next != nil:
			l.skip(d, fmt.Sprintf("superseded by page %d", next.Page.Seq))
		case kind.Rings() && at[t].open && d.Attempts == 0:
			if later := s.rungLater(n, t, r, at[t]); later != nil {
				l.skip(d, fmt.Sprintf("superseded by page %d", later.Page.Seq))
			}
		}
	}
}

// rungLater is a later page that makes it needless to ring, again, a target that has the
// incident open: one that rings there as well, or the resolve.
func (s sheaf) rungLater(n int, t target, r rules, st *standing) *leaf {
	for _, l := range s[n+1:] {
		if l.Page.Kind == correlate.PageResolve || l.Page.Kind.Rings() && l.kindFor(t, r, st).Rings() {
			return l
		}
	}
	return nil
}

// kindFor is what the page is to one target: what rings is a mere update to those who
// have the incident open and for whom the ring is not.
func (l *leaf) kindFor(t target, r rules, st *standing) correlate.PageKind {
	if l.Page.Kind.Rings() && st.open && (l.Page.Newcomers && !st.noticed || !slices.Contains(l.recipients(r), t)) {
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
func (l *leaf) advance(r rules, at map[target]*standing) {
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
			st.open, st.noticed, st.thread, st.opening, st.rings = false, false, "", nil, nil
		case l.rang(d, r, st):
			st.pass(l, d)
		case l.Page.Kind == correlate.PageNotice && d.Skipped == "" && !st.open:
			// Under the key of the first ring, so that it ends when a ring comes after all.
			st.open, st.noticed, st.opening, st.rings = true, true, &l.Page.Incident, []int{1}
		}
		if d.Thread != "" {
			st.thread = d.Thread
		}
		if !d.SentAt.IsZero() {
			st.told = l.Page.At
		}
	}
}

// rang reports whether the page rang at d's target, or shall, or may have.
func (l *leaf) rang(d *correlate.Delivery, r rules, st *standing) bool {
	switch {
	case !l.Page.Kind.Rings():
		return false
	case !st.open || d.Ring > 0:
		return true
	case !d.SentAt.IsZero():
		return l.Page.Kind == correlate.PageOpen && l.Page.Ring == 0 // of before rings were recorded
	}
	return l.kindFor(targetOf(d), r, st).Rings()
}

// pass carries the standing past a page that rings.
func (st *standing) pass(l *leaf, d *correlate.Delivery) {
	switch {
	case d.Skipped == "":
		st.open, st.noticed, st.opening, st.rings = true, false, &l.Page.Incident, []int{l.Page.Ring}
	case st.open:
		st.rings = append(st.rings[:len(st.rings):len(st.rings)], l.Page.Ring)
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
