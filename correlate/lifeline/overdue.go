package lifeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
)

const (
	// undeliveredAfter is how old a page is that no receiver takes when the fallback hears of it.
	undeliveredAfter = 15 * time.Second
	// maxOverdue bounds the pages of incidents that stand at a time.
	maxOverdue = 50
)

// incidentWatch follows the incidents whose pages are due.
type incidentWatch struct {
	revision uint64
	due      map[string]*correlate.Incident // opening pages that were not decided, by id
	raised   map[string]time.Time           // incidents on a page of ours, and when they were due
	behind   time.Duration                  // the least that the stream's clock was seen behind ours; zero: not known
}

// lookAtIncidents pages the incidents whose page was due and was not decided.
func (l *Lifeline) lookAtIncidents(ctx context.Context, s *Settings, now time.Time) {
	w := &l.incidents
	revision, err := l.o.Rows.ChangedIncidents(ctx, w.revision, func(i *correlate.Incident) bool {
		if i.State == correlate.IncidentOpen && !i.Paging.DueAt.IsZero() {
			w.due[i.ID] = i
		} else {
			delete(w.due, i.ID)
		}
		return true
	})
	if err != nil {
		l.failed("read incidents", err)
	} else {
		w.revision = revision
		l.learnClock(ctx, now)
	}
	for id, i := range w.due {
		due := i.Paging.DueAt
		if i.Paging.Hold.Until.After(due) {
			due = i.Paging.Hold.Until // held by name
		}
		late := now.Sub(due) - w.behind
		if _, raised := w.raised[id]; raised || late <= Grace || len(w.raised) >= maxOverdue {
			continue
		}
		w.raised[id] = due
		l.post("incident", []string{s.Fallback}, overdueBulletin(s, i, l.why()), true)
	}
	for id := range w.raised {
		if reason, over := l.incidentOver(ctx, id); over {
			l.end("incident", overdueID(s, id), reason)
			delete(w.raised, id)
		}
	}
}

// learnClock keeps account of how far the stream's clock is behind ours: commits are never seen before they were made.
func (l *Lifeline) learnClock(ctx context.Context, now time.Time) {
	w := &l.incidents
	at, err := l.o.Rows.Now(ctx)
	if err != nil || at.IsZero() {
		return
	}
	if behind := max(0, now.Sub(at)); w.behind == 0 || behind < w.behind {
		w.behind = behind
	}
	w.behind = min(w.behind, 2*Grace) // an idle stream shows nothing
}

func overdueID(s *Settings, incident string) string {
	return "overdue-" + s.Environment + "-" + incident
}

// incidentOver reports that a page of ours about an incident is needless, and why.
func (l *Lifeline) incidentOver(ctx context.Context, id string) (reason string, over bool) {
	if _, still := l.incidents.due[id]; still {
		return "", false
	}
	i, err := l.o.Rows.Incident(ctx, id)
	switch {
	case err != nil:
		l.failed("read an incident", err)
		return "", false
	case i == nil:
		return id + " is no more", true
	case i.State != correlate.IncidentOpen:
		return id + " is " + i.State.String(), true
	case i.Paging.Opens == 0:
		return "no page of " + id + " is due any more", true
	case !l.arrived(ctx, id):
		return "", false
	}
	return "correlation works again: the page of " + id + " was sent", true
}

// overdueBulletin is an incident as far as it is known.
func overdueBulletin(s *Settings, i *correlate.Incident, why string) page.Bulletin {
	b := page.Bulletin{
		ID: overdueID(s, i.ID), Severity: i.Severity, Environment: s.Environment, Since: i.StartedAt,
		Title: i.Headline() + ", page overdue: Headwater's correlation is down",
	}
	b.Sections = append(b.Sections, page.Section{Label: "Why", Lines: []string{
		fmt.Sprintf("The page of %s was due at %s and was not decided: %s", i.ID, i.Paging.DueAt.UTC().Format("15:04:05 UTC"), why),
		fmt.Sprintf("This is what was known at %s. This page ends when the real one was sent.", i.UpdatedAt.UTC().Format("15:04:05 UTC")),
	}})
	return withIncident(b, i)
}

// withIncident adds what is known of an incident.
func withIncident(b page.Bulletin, i *correlate.Incident) page.Bulletin {
	name := i.Names()
	var hit []string
	for _, h := range i.Services[:min(len(i.Services), maxListed)] {
		hit = append(hit, fmt.Sprintf("%s (%s, %s)", name(h.Service), h.Severity, plural(h.Alerts, "alert")))
	}
	if len(hit) > 0 {
		b.Sections = append(b.Sections, page.Section{Label: "Hit", Lines: hit})
	}
	if len(i.Runbooks) > 0 {
		b.Sections = append(b.Sections, page.Section{Label: "Runbooks", Lines: i.Runbooks[:min(len(i.Runbooks), 3)]})
	}
	return b
}

// deliveryWatch follows the pages that nobody takes.
type deliveryWatch struct {
	raised map[string]correlate.PageKey // incidents on a page of ours, and the page that was not taken
}

// lookAtPages tells the fallback of pages that no receiver takes.
func (l *Lifeline) lookAtPages(ctx context.Context, s *Settings, now time.Time) {
	w := &l.delivery
	pending, err := l.o.Rows.PendingPages(ctx, maxListed*maxOverdue)
	if err != nil {
		l.failed("read pending pages", err)
		return
	}
	stuck := map[string]bool{}
	for _, p := range pending {
		if !p.Page.Kind.Rings() || anyTook(p) || now.Sub(p.Page.At) <= undeliveredAfter || l.o.Pager.Taken(p.Page.Key()) {
			continue
		}
		id := p.Page.Incident.ID
		stuck[id] = true
		if _, raised := w.raised[id]; raised || len(w.raised) >= maxOverdue {
			continue
		}
		w.raised[id] = p.Page.Key()
		if tried(p, s.Fallback) {
			l.metrics.unreachable.Inc()
			l.o.Logger.Error("A page does not get through, and the fallback is who refuses it", "incident", id, "receiver", s.Fallback)
			continue
		}
		l.post("delivery", []string{s.Fallback}, undeliveredBulletin(s, p), true)
	}
	for id := range w.raised {
		if !stuck[id] {
			l.end("delivery", undeliveredID(s, id), "a receiver has the page of "+id+", or it is over")
			delete(w.raised, id)
		}
	}
}

// tried reports whether a page is on its way to a receiver anyhow.
func tried(p *correlate.OutboxEntry, receiver string) bool {
	return slices.ContainsFunc(p.Deliveries, func(d correlate.Delivery) bool { return d.Receiver == receiver && d.Skipped == "" })
}

func undeliveredID(s *Settings, incident string) string {
	return "undelivered-" + s.Environment + "-" + incident
}

func undeliveredBulletin(s *Settings, p *correlate.OutboxEntry) page.Bulletin {
	i := &p.Page.Incident
	b := page.Bulletin{
		ID: undeliveredID(s, i.ID), Severity: i.Severity, Environment: s.Environment, Since: i.StartedAt,
		Title: i.Headline() + ", not delivered to those it is for",
	}
	lines := []string{fmt.Sprintf("The page of %s was decided at %s and nobody has taken it.", i.ID, p.Page.At.UTC().Format("15:04:05 UTC"))}
	for _, d := range p.Deliveries {
		if d.LastError != "" {
			lines = append(lines, fmt.Sprintf("%s (%s): %s", d.Receiver, d.Integration, strings.TrimSpace(d.LastError)))
		}
	}
	b.Sections = append(b.Sections, page.Section{Label: "Why", Lines: lines})
	return withIncident(b, i)
}
