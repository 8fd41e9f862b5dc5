// Package postmortem writes the document that is read the morning after an incident: what
// happened and for how long, where it began and what else that could have been, what made
// it worse, what is to be done. It tells what was seen and asks for what cannot be.
//
// [Write] is pure: the same rows give the same document. All that came from outside is
// escaped, so that no name and no note is mark-up, a link or a mention.
package postmortem

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/api/cascade"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// Record is all that is known of an incident.
type Record struct {
	Incident *correlate.Incident
	// Alerts are those in it, in any order.
	Alerts []*correlate.AlertState
	// Pages are all of it, oldest first.
	Pages []*correlate.OutboxEntry
	// Items are the action items that came from it, in any order.
	Items []*correlate.ActionItem
	// Graph is the one in force, which may be another than the incident was judged by.
	Graph *topology.Graph
	// Cascade is its picture.
	Cascade *cascade.Cascade
	// Picture is where the picture is as an image, as the document is to link it; empty: nowhere.
	Picture string
}

// Write returns the document, in Markdown as GitHub has it.
func Write(r Record) string {
	w := newWriter(r)
	w.title()
	w.summary()
	w.facts()
	w.durations()
	w.impact()
	w.services()
	w.cascade()
	w.timeline()
	w.origin()
	w.factors()
	w.prompts()
	w.actionItems()
	w.lessons()
	return w.b.String()
}

// writer is a document that is being written.
type writer struct {
	Record
	inc  *correlate.Incident
	name func(topology.Ref) string
	hit  []correlate.ServiceImpact // with alerts, by onset
	b    strings.Builder
}

func newWriter(r Record) *writer {
	w := &writer{Record: r, inc: r.Incident, name: r.Incident.Names()}
	w.hit = slices.DeleteFunc(slices.Clone(r.Incident.Services), func(s correlate.ServiceImpact) bool { return s.Alerts == 0 })
	slices.SortStableFunc(w.hit, func(a, b correlate.ServiceImpact) int { return a.Since.Compare(b.Since) })
	w.Alerts = slices.Clone(r.Alerts)
	slices.SortFunc(w.Alerts, func(a, b *correlate.AlertState) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	w.Items = slices.Clone(r.Items)
	slices.SortFunc(w.Items, func(a, b *correlate.ActionItem) int { return cmp.Compare(a.Number, b.Number) })
	return w
}

// f writes a line.
func (w *writer) f(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

// heading begins a section.
func (w *writer) heading(text string) { w.f("\n## %s\n", text) }

// service is a service's name as the document has it.
func (w *writer) service(r topology.Ref) string { return escape(w.name(r)) }

// over reports whether the incident has ended.
func (w *writer) over() bool { return w.inc.State != correlate.IncidentOpen }

// lasted is from the first onset to the end of the last alert.
func (w *writer) lasted() time.Duration { return w.inc.EndedAt().Sub(w.inc.StartedAt) }

func (w *writer) title() {
	subject := escape(strings.TrimSpace(w.inc.Title))
	if o := w.inc.Origin(); o != nil {
		subject = w.service(o.Service)
		if what := w.complaint(o.Service); what != "" {
			subject += ": " + what
		}
	}
	w.f("# Post-mortem of %s · %s", escape(w.inc.ID), subject)
	if w.inc.State == correlate.IncidentMerged {
		w.f("\n*It continues as %s, which has a post-mortem of its own.*", escape(w.inc.MergedInto))
	}
	if !w.over() {
		w.f("\n*Draft: the incident goes on. %s*", escape(w.inc.Headline()))
	}
}

// complaint is what the worst alert of a service says, of equals the latest kind to begin:
// a warning comes before what it warns of. Empty when it has none.
func (w *writer) complaint(service topology.Ref) string {
	var worst *correlate.AlertState
	for _, a := range w.Alerts {
		if a.Service == service && a.Caller.IsZero() && (worst == nil || a.Severity > worst.Severity) {
			worst = a
		}
	}
	if worst == nil {
		return ""
	}
	return says(worst)
}

// says is an alert in its author's words, else its name.
func says(a *correlate.AlertState) string {
	for _, key := range []string{"summary", "message", "description"} {
		if text := escape(a.Annotations[key]); text != "" {
			return text
		}
	}
	return escape(a.Labels["alertname"])
}

// day and clock write times; all are UTC.
func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// stamp is a time with its day, unless that is the day of began.
func stamp(t, began time.Time) string {
	if t.UTC().Format(time.DateOnly) == began.UTC().Format(time.DateOnly) {
		return clock(t)
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// enumerate joins with commas and an "and", at most so many; the rest is counted.
func enumerate(texts []string, most int) string {
	if n := len(texts); n > most {
		return strings.Join(texts[:most], ", ") + fmt.Sprintf(" and %d more", n-most)
	}
	if n := len(texts); n > 1 {
		return strings.Join(texts[:n-1], ", ") + " and " + texts[n-1]
	}
	return strings.Join(texts, "")
}
