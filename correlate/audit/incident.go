package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// standing is what an audit remembers of an incident.
type standing struct {
	due   time.Time // of its next page, holds by name included; zero: none is due
	opens int       // opening pages decided
	// sent: some receiver took an opening page. reason: none was to get it.
	sent   bool
	reason string
	// Of the latest opening page that nobody has taken.
	decided time.Time
	failing string
	// where its alerts and pages came from, or went
	others []string
}

// cover is how well an incident's pages cover its alerts, worst first.
type cover int

const (
	coverNone    cover = iota
	coverFailing       // decided, and nobody has it
	coverExcused       // nobody was to get it, or it is within its bound
	coverSent
)

func (s *standing) cover(a *Audit) cover {
	switch {
	case s.sent:
		return coverSent
	case s.opens == 0:
		return coverNone
	case s.reason != "", a.window.Now.Sub(s.decided) <= a.rules.Grace:
		return coverExcused
	}
	return coverFailing
}

func (s *standing) undelivered(a *Audit) string {
	text := fmt.Sprintf("its page was decided %s ago and no receiver has taken it", a.ago(s.decided))
	if s.failing != "" {
		text += ": " + s.failing
	}
	return text
}

// Incident takes an incident's row and all its pages, in the order of Seq. Incidents that did not
// change since the window began can be left out.
func (a *Audit) Incident(i *correlate.Incident, pages []*correlate.OutboxEntry) {
	a.countIncident(i)
	s := &standing{due: i.Paging.DueAt}
	if i.Paging.Hold.Until.After(s.due) {
		s.due = i.Paging.Hold.Until
	}
	for _, id := range slices.Concat(i.Merged, []string{i.MergedInto, i.SplitFrom}) {
		if id != "" {
			s.others = append(s.others, id)
		}
	}
	for _, p := range pages {
		if p.Page.Kind == correlate.PageOpen {
			s.open(p)
		}
		if p.Page.Kind.Rings() {
			a.judgeArrival(i, p)
		}
		if a.window.holds(p.Page.At) {
			a.countPage(p)
		}
	}
	a.incidents[i.ID] = s
	a.judgeRings(i, pages)
}

func (a *Audit) countIncident(i *correlate.Incident) {
	t := &a.touched
	t.Touched++
	if a.window.holds(i.OpenedAt) {
		t.Opened++
	}
	switch {
	case i.State == correlate.IncidentMerged:
		t.Merged++
	case i.State == correlate.IncidentOpen:
		t.StillOpen++
	case a.window.holds(i.ResolvedAt):
		t.Ended++
	}
}

func (a *Audit) countPage(p *correlate.OutboxEntry) {
	key := pageKey{p.Page.Kind, shape(p.Page.Reason)}
	if _, known := a.pages[key]; !known && len(a.pages) >= maxReasons {
		key.reason = "other reasons"
	}
	a.pages[key]++
	for n := range p.Deliveries {
		d := &p.Deliveries[n]
		at := placeOf(d)
		t := a.deliveries[at]
		if t == nil {
			t = &DeliveryTally{Receiver: d.Receiver, Integration: d.Integration, Index: d.Index}
			a.deliveries[at] = t
		}
		switch {
		case !d.SentAt.IsZero():
			t.Sent++
		case d.Skipped != "" && d.Attempts > 0:
			t.GivenUp++
		case d.Skipped != "":
			t.Skipped++
		default:
			t.Waiting++
		}
	}
}

// open enters how far an opening page has come.
func (s *standing) open(p *correlate.OutboxEntry) {
	s.opens++
	at, reason, failing := progress(p)
	switch {
	case !at.IsZero():
		s.sent = true
	case reason != "":
		s.reason = reason
	default:
		s.decided, s.failing = p.Page.At, failing
	}
}

// progress is when the first receiver took a page; or, when it has been settled that none was to
// get it, why; or what keeps those that are to get it.
func progress(p *correlate.OutboxEntry) (sent time.Time, reason, failing string) {
	waits := len(p.Deliveries) == 0 && !p.Done
	for n := range p.Deliveries {
		d := &p.Deliveries[n]
		switch {
		case !d.SentAt.IsZero():
			if sent.IsZero() || d.SentAt.Before(sent) {
				sent = d.SentAt
			}
		case d.Skipped != "" && d.Attempts == 0:
			reason = cmp.Or(reason, d.Receiver+": "+d.Skipped)
		default:
			waits = true
			if d.Attempts > 0 {
				failing = fmt.Sprintf("%s (%s) failed %d times, last: %s", d.Receiver, d.Integration, d.Attempts, cmp.Or(d.LastError, d.Skipped))
			}
		}
	}
	if !sent.IsZero() || waits {
		reason = ""
	}
	return sent, reason, failing
}

// judgeArrival finds a page that rings and came late, or has not come and should have.
func (a *Audit) judgeArrival(i *correlate.Incident, p *correlate.OutboxEntry) {
	at, reason, failing := progress(p)
	bound := p.Page.At.Add(a.rules.Grace)
	f := Finding{Kind: Late, Incident: i.ID, Since: p.Page.At}
	switch {
	case !a.window.holds(p.Page.At), reason != "":
		return
	case at.IsZero() && a.window.Now.After(bound):
		s := standing{decided: p.Page.At, failing: failing}
		f.Text = s.undelivered(a)
		if p.Page.Kind == correlate.PageOpen {
			f.Kind = Swallowed // nobody has heard of the incident
		}
	case at.After(bound):
		f.Text = fmt.Sprintf("page %d was due at %s and the first receiver took it %s later",
			p.Page.Seq, p.Page.At.UTC().Format(time.TimeOnly), at.Sub(p.Page.At).Round(time.Second))
	default:
		return
	}
	a.find(f)
}

// ring is how one receiver stands with an incident.
type ring struct {
	open  time.Time // when it took a page that rang and that nothing has ended; zero: none
	last  int       // the latest ring that it heard
	ended string    // what keeps the end from it
}

// judgeRings finds receivers that got two opening pages of one ring, or one without an end.
func (a *Audit) judgeRings(i *correlate.Incident, pages []*correlate.OutboxEntry) {
	rings := map[place]*ring{}
	for _, p := range pages {
		for n := range p.Deliveries {
			a.ringOf(i, p, &p.Deliveries[n], rings)
		}
	}
	over := i.State != correlate.IncidentOpen && a.window.Now.Sub(cmp.Or(i.ResolvedAt, i.UpdatedAt)) > a.rules.Grace
	for at, r := range rings {
		if !over || r.open.IsZero() {
			continue
		}
		a.find(Finding{
			Kind: Unresolved, Incident: i.ID, Receiver: at.String(), Since: r.open,
			Text: fmt.Sprintf("is %s, and %s", i.State, cmp.Or(r.ended, "no resolve was decided")),
		})
	}
}

func (p place) String() string { return fmt.Sprintf("%s/%s[%d]", p.receiver, p.integration, p.index) }

// ringOf carries one receiver's standing past one delivery.
func (a *Audit) ringOf(i *correlate.Incident, p *correlate.OutboxEntry, d *correlate.Delivery, rings map[place]*ring) {
	at := placeOf(d)
	r := rings[at]
	if r == nil {
		r = &ring{}
		rings[at] = r
	}
	switch {
	case p.Page.Kind == correlate.PageOpen, d.Ring > 0:
		if d.SentAt.IsZero() {
			return
		}
		if again := p.Page.Kind == correlate.PageOpen && !r.open.IsZero() || d.Ring > 0 && d.Ring == r.last; again && a.window.holds(p.Page.At) {
			a.find(Finding{
				Kind: Double, Incident: i.ID, Receiver: at.String(), Since: p.Page.At,
				Text: fmt.Sprintf("page %d rang it again, and the ring before had not ended: %s", p.Page.Seq, p.Page.Reason),
			})
		}
		r.open, r.last, r.ended = d.SentAt, d.Ring, ""
	case p.Page.Kind == correlate.PageResolve:
		switch {
		case !d.SentAt.IsZero(), d.Skipped != "" && d.Attempts == 0:
			r.open = time.Time{}
		default:
			r.ended = fmt.Sprintf("the resolve of %s was not delivered: %s", p.Page.At.UTC().Format(time.TimeOnly), cmp.Or(d.LastError, d.Skipped, "not tried yet"))
		}
	}
}

// related are an incident and those whose pages may cover its alerts: what it was merged with and
// split from, to a depth that no life of an incident reaches.
func (a *Audit) related(in *standing) []*standing {
	if in == nil {
		return nil
	}
	out := []*standing{in}
	for n := 0; n < len(out) && n < 64; n++ {
		for _, id := range out[n].others {
			if s := a.incidents[strings.TrimSpace(id)]; s != nil && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}
