package postmortem

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	// burstGap is the longest pause within a burst of alerts of one rule on one service.
	burstGap = 5 * time.Minute
	// maxBursts bounds the bursts of a timeline: those of the lowest severity are left out.
	maxBursts = 60
	// maxEntries bounds what else a timeline tells: the rest is counted.
	maxEntries = 1000
)

// row is one line of the timeline.
type row struct {
	at   time.Time
	rank int // orders what happened at the same time
	text string
	who  string
}

func (w *writer) timeline() {
	w.heading("Timeline")
	w.f("All times are UTC.\n")
	bursts, left := w.bursts()
	entries := w.entries()
	more := len(entries) - maxEntries
	rows := slices.Concat(w.changes(), bursts, w.calls(), entries[:min(len(entries), maxEntries)])
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.rank, b.rank)) })
	var cells [][]string
	for _, r := range rows {
		cells = append(cells, []string{stamp(r.at, w.inc.StartedAt), r.text, r.who})
	}
	w.table([]string{"time", "what", "who"}, cells)
	if left > 0 {
		w.f("\n%s of alerts of the lowest severity left out.", plural(left, "burst"))
	}
	if more > 0 {
		w.f("\nThe timeline goes on; %d more entries are left out.", more)
	}
}

// burst is alerts of one rule on one service, one soon after the other.
type burst struct {
	first, last *correlate.AlertState // by their starts
	times       int
	firstOfAll  bool // of the rule on the service
}

// bursts are the alerts in as few rows as tell the story, and how many rows are left out.
func (w *writer) bursts() (rows []row, left int) {
	var all []*burst
	open := map[string]*burst{}
	for _, a := range w.Alerts {
		key := sufferer(a).String() + "\x00" + a.Labels["alertname"]
		b := open[key]
		if b == nil || a.StartsAt.Sub(b.last.StartsAt) > burstGap {
			b = &burst{first: a, firstOfAll: b == nil}
			open[key] = b
			all = append(all, b)
		}
		b.last = a
		b.times++
	}
	if left = len(all) - maxBursts; left > 0 {
		slices.SortStableFunc(all, func(a, b *burst) int { return cmp.Compare(b.first.Severity, a.first.Severity) })
		all = all[:maxBursts]
	}
	for _, b := range all {
		rows = append(rows, row{at: b.first.StartsAt, rank: 1, text: w.burstText(b)})
	}
	return rows, max(left, 0)
}

func (w *writer) burstText(b *burst) string {
	a := b.first
	text := "**" + w.service(sufferer(a)) + "**: " + escape(a.Labels["alertname"]) + " (" + a.Severity.String() + ")"
	if !a.Caller.IsZero() {
		text += ", calls to " + w.service(a.Service)
	}
	if !b.firstOfAll {
		text += " again"
	}
	if b.times > 1 {
		text += fmt.Sprintf(", %s within %s", times(b.times), correlate.Span(b.last.StartsAt.Sub(a.StartsAt)))
	} else if what := says(a); what != escape(a.Labels["alertname"]) {
		text += `: "` + what + `"`
	}
	return text
}

// changes are what was done before and during it.
func (w *writer) changes() []row {
	var rows []row
	for _, c := range w.inc.Changes {
		text := fmt.Sprintf("**%s**: change, %s", w.service(c.Service), escape(cmp.Or(c.Kind, "unnamed")))
		if c.Summary != "" {
			text += ": " + quoted(c.Summary)
		}
		if c.Link != "" {
			text += " " + linked("link", c.Link)
		}
		rows = append(rows, row{at: c.At, text: text, who: escape(c.Source)})
	}
	return rows
}

// calls are the pages that called or told somebody; edits are not told.
func (w *writer) calls() []row {
	var rows []row
	add := func(e *correlate.OutboxEntry, what string) {
		text := what
		if to := enumerate(escapeAll(e.Page.To), manyNamed); to != "" {
			text += " (" + to + ")"
		}
		if e.Page.Reason != "" {
			text += ": " + escape(e.Page.Reason)
		}
		rows = append(rows, row{at: e.Page.At, rank: 2, text: text})
	}
	for _, e := range w.Pages {
		switch e.Page.Kind {
		case correlate.PageOpen:
			add(e, "**on-call paged**")
		case correlate.PageRing:
			add(e, "**on-call rung again**")
		case correlate.PageEscalate:
			add(e, "**escalated**")
		case correlate.PageNotice:
			add(e, "owners of what was hit told")
		case correlate.PageUpdate, correlate.PageResolve, correlate.PagePublicUpdate:
		}
	}
	return rows
}

func escapeAll(texts []string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, escape(t))
	}
	return out
}

// untold are the kinds of entries that other rows tell.
var untold = []correlate.TimelineKind{correlate.TimelineJoined, correlate.TimelinePage, correlate.TimelineOpened, correlate.TimelineChange}

// entries are the lines of the incident's own timeline: people's word for word.
func (w *writer) entries() []row {
	var rows []row
	for _, e := range w.inc.Timeline {
		if slices.Contains(untold, e.Kind) {
			continue
		}
		text := escape(e.Text)
		switch {
		case e.Kind == correlate.TimelinePublicUpdate:
			text = "told outside: " + quoted(e.Text)
		case e.Kind == correlate.TimelineNote || e.Kind == correlate.TimelineUpdate:
			text = quoted(e.Text)
		case e.Kind == correlate.TimelineEnded && e.Actor == "":
			text = "**over**: " + escape(e.Text)
		}
		rows = append(rows, row{at: e.At, rank: 3, text: text, who: escape(e.Actor)})
	}
	return rows
}

// origin is where it began, the evidence, and what else it could have been.
func (w *writer) origin() {
	w.heading("Where it began")
	o := w.inc.Origin()
	if o == nil {
		w.f("That is not known.")
		return
	}
	if s := w.inc.SetOrigin; s != nil {
		text := fmt.Sprintf("%s, as %s said at %s", w.service(s.Service), escape(s.By), stamp(s.At, w.inc.StartedAt))
		if s.Note != "" {
			text += ": " + quoted(s.Note)
		}
		w.f("%s. The evidence, as Headwater weighed it:\n", text)
	} else {
		w.f("%s, %s. What speaks for it and against it (weights of evidence in nats, higher is stronger):\n", w.service(o.Service), correlate.Percent(o.Probability))
	}
	w.reasons(o)
	var others []string
	for _, other := range w.inc.Origins[1:] {
		if other.Probability >= worthTelling {
			others = append(others, fmt.Sprintf("%s (%s)%s", w.service(other.Service), correlate.Percent(other.Probability), w.bestReason(&other)))
		}
	}
	if w.inc.Unknown >= worthTelling {
		others = append(others, fmt.Sprintf("something that is none of these (%s)", correlate.Percent(w.inc.Unknown)))
	}
	if len(others) > 0 {
		w.f("\nIt could also have been:\n")
		for _, text := range others {
			w.f("- %s", text)
		}
	}
}

// worthTelling is the probability from which a candidate is told of.
const worthTelling = .02

func (w *writer) reasons(o *correlate.Origin) {
	var rows [][]string
	for _, r := range o.Reasons {
		if r.Term == correlate.TermSaid {
			continue // it is quoted above
		}
		rows = append(rows, []string{escape(r.Text), fmt.Sprintf("%+.1f", r.Weight)})
	}
	w.table([]string{"what was seen", "weight"}, rows)
}

// bestReason is what speaks most for a candidate, after a colon.
func (w *writer) bestReason(o *correlate.Origin) string {
	for _, r := range o.Reasons {
		if r.Weight > 0 {
			return ": " + escape(r.Text)
		}
	}
	return ""
}

// actionItems are what is to be done.
func (w *writer) actionItems() {
	w.heading("Action items")
	if len(w.Items) == 0 {
		w.f("None yet. `hwctl action-items add -i %s …` adds one.", strings.ReplaceAll(w.inc.ID, "`", ""))
		return
	}
	var rows [][]string
	for _, a := range w.Items {
		due := ""
		if !a.Due.IsZero() {
			due = a.Due.UTC().Format(time.DateOnly)
		}
		rows = append(rows, []string{escape(a.ID), escape(a.Text), escape(a.Assignee), due, a.Priority.String(), a.Status.String()})
	}
	w.table([]string{"", "what", "who", "due", "priority", "status"}, rows)
}

// lessons are what people noted as such, else the question.
func (w *writer) lessons() {
	w.heading("Lessons")
	all := w.noted(notedLesson)
	for _, text := range all {
		w.f("- %s", text)
	}
	if len(all) == 0 {
		w.f("- *What would we tell another team that has the same coming?*")
	}
}
