package postmortem

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// manyNamed is how many services a sentence names.
const manyNamed = 8

func (w *writer) summary() {
	w.heading("Summary")
	sentences := []string{w.howItBegan(), w.whereItWent(), w.onTheWay(), w.howItEnded()}
	w.f("%s", strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " "))
	if people := w.whatPeopleDid(); people != "" {
		w.f("\n%s", people)
	}
	if again := w.inc.SeenBefore; again.Times > 0 {
		var lines []string
		for _, l := range again.Lines(w.inc.OpenedAt) {
			lines = append(lines, escape(l))
		}
		w.f("\nIt was seen before: %s.", strings.Join(lines, "; "))
	}
}

// howItBegan says where and with what.
func (w *writer) howItBegan() string {
	when := fmt.Sprintf("On %s at %s UTC", day(w.inc.StartedAt), clock(w.inc.StartedAt))
	o := w.inc.Origin()
	switch {
	case o == nil:
		return when + " alerts began whose origin is not known."
	case !w.inc.OriginKnown():
		return fmt.Sprintf("%s a failure began. Where is not certain: the best guess is %s (%s).", when, w.service(o.Service), correlate.Percent(o.Probability))
	case o.Silent:
		first := ""
		if len(w.hit) > 0 {
			first = fmt.Sprintf(" The first to alert was %s, at %s%s.", w.service(w.hit[0].Service), clock(w.hit[0].Since), w.sayingAll(w.hit[0].Service))
		}
		return fmt.Sprintf("%s %s began to fail, by all that is known; it raised no alert of its own.%s", when, w.described(o), first)
	}
	return fmt.Sprintf("%s %s began to fail%s.", when, w.described(o), w.sayingAll(o.Service))
}

// described names an origin with what it is and whose.
func (w *writer) described(o *correlate.Origin) string {
	text := w.service(o.Service) + " (" + o.Kind.String()
	if o.Owner != "" {
		text += ", owned by " + escape(o.Owner)
	}
	return text + ")"
}

// sayingAll quotes the first alerts of a service, of each rule one, at most three.
func (w *writer) sayingAll(service topology.Ref) string {
	var out []string
	seen := map[string]bool{}
	var first time.Time
	for _, a := range w.Alerts {
		rule := a.Labels["alertname"]
		if a.Service != service || seen[rule] || len(out) == 3 {
			continue
		}
		seen[rule] = true
		text := `"` + says(a) + `"`
		if first.IsZero() {
			first = a.StartsAt
		} else if later := a.StartsAt.Sub(first); later > 0 {
			text = correlate.Span(later) + " later " + text
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + enumerate(out, 3)
}

// whereItWent lists who was hit after that, with how long after the start.
func (w *writer) whereItWent() string {
	var went []string
	o := w.inc.Origin()
	for _, s := range w.hit {
		if o != nil && s.Service == o.Service {
			continue
		}
		went = append(went, fmt.Sprintf("%s (after %s)", w.service(s.Service), correlate.Span(max(s.Since.Sub(w.inc.StartedAt), 0))))
	}
	if len(went) == 0 {
		return "Nothing else was hit."
	}
	return "From there it took " + enumerate(went, manyNamed) + "."
}

// onTheWay says what made it worse, as far as alerts told.
func (w *writer) onTheWay() string {
	var out []string
	if text := w.ofClass(correlate.ClassSurge); text != "" {
		out = append(out, "load grew or calls were tried again ("+text+")")
	}
	if text := w.ofClass(correlate.ClassCrash); text != "" {
		out = append(out, "processes died ("+text+")")
	}
	if len(out) == 0 {
		return ""
	}
	return "Meanwhile " + enumerate(out, 2) + "."
}

// howItEnded says when, and what people said ended it.
func (w *writer) howItEnded() string {
	alerts := fmt.Sprintf("%s on %s", plural(w.inc.Alerts, "alert"), plural(len(w.hit), "service"))
	if !w.over() {
		return fmt.Sprintf("So far it is %s, of which %d fire.", alerts, w.inc.Firing)
	}
	text := fmt.Sprintf("It was over at %s UTC, after %s and %s.", stamp(w.inc.EndedAt(), w.inc.StartedAt), correlate.Span(w.lasted()), alerts)
	switch {
	case w.inc.Remedy != "":
		text += " What ended it, in the words of those who were there: " + quoted(w.inc.Remedy) + "."
	case w.inc.ResolvedBy == "":
		text += " It ended by itself, by all that was written down."
	}
	return text
}

// whatPeopleDid is a sentence of paging and acknowledging, and one of who was there.
func (w *writer) whatPeopleDid() string {
	rings := w.rings()
	var out []string
	if first := w.firstRing(); first == nil {
		out = append(out, "Nobody was paged.")
	} else {
		text := fmt.Sprintf("On-call was paged %s after the start", correlate.Span(first.Page.At.Sub(w.inc.StartedAt)))
		if n := rings - 1; n > 0 {
			text += fmt.Sprintf(" and rung again %s", times(n))
		}
		out = append(out, text+"; "+w.acknowledged()+".")
	}
	var roles []string
	for _, r := range w.inc.Roles {
		roles = append(roles, escape(r.Who)+" was "+escape(strings.ReplaceAll(r.Name, "-", " ")))
	}
	if len(roles) > 0 {
		out = append(out, enumerate(roles, manyNamed)+".")
	}
	return strings.Join(out, " ")
}

func (w *writer) acknowledged() string {
	at, by := w.ackedAt()
	if at.IsZero() {
		return "nobody acknowledged it"
	}
	return fmt.Sprintf("%s acknowledged %s after the start", escape(by), correlate.Span(at.Sub(w.inc.StartedAt)))
}

// ackedAt is when it was acknowledged first, and by whom.
func (w *writer) ackedAt() (at time.Time, by string) {
	for _, e := range w.inc.Timeline {
		if e.Kind == correlate.TimelineAcked {
			return e.At, cmp.Or(e.Actor, "somebody")
		}
	}
	if a := w.inc.Ack; a != nil {
		return a.At, a.By
	}
	return time.Time{}, ""
}

// firstRing is the page by which on-call was first called; nil: none was.
func (w *writer) firstRing() *correlate.OutboxEntry {
	i := slices.IndexFunc(w.Pages, func(e *correlate.OutboxEntry) bool { return e.Page.Kind.Rings() })
	if i < 0 {
		return nil
	}
	return w.Pages[i]
}

// rings counts the pages that called somebody.
func (w *writer) rings() int {
	n := 0
	for _, e := range w.Pages {
		if e.Page.Kind.Rings() {
			n++
		}
	}
	return n
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// facts is the table that is filled in on every form.
func (w *writer) facts() {
	var rows [][]string
	row := func(what, is string) {
		if is != "" {
			rows = append(rows, []string{what, is})
		}
	}
	row("Incident", escape(w.inc.ID))
	if w.inc.Environment != "" && w.inc.Environment != "default" {
		row("Environment", escape(w.inc.Environment))
	}
	if w.inc.Sev != correlate.SevUnset {
		row("Severity", w.inc.Sev.String()+": "+escape(w.inc.SevWhy))
	}
	status := w.inc.Status.String()
	if c := w.inc.Closed; c != nil {
		status += fmt.Sprintf(" by %s: %s", escape(c.By), quoted(c.Note))
	}
	row("Status", status)
	began := w.inc.StartedAt.UTC().Format("2006-01-02 15:04:05")
	if w.over() {
		row("Time", began+" to "+stamp(w.inc.EndedAt(), w.inc.StartedAt)+" UTC, "+correlate.Span(w.lasted()))
	} else {
		row("Time", "since "+began+" UTC")
	}
	if o := w.inc.Origin(); o != nil {
		row("Origin", w.service(o.Service)+", "+w.certainty(o))
	}
	var people []string
	for _, r := range w.inc.Roles {
		people = append(people, escape(r.Who)+" ("+escape(strings.ReplaceAll(r.Name, "-", " "))+")")
	}
	row("People", strings.Join(people, ", "))
	var links []string
	for _, l := range w.inc.Links {
		links = append(links, linked(l.Title, l.URL))
	}
	for _, address := range w.inc.Runbooks {
		links = append(links, linked("runbook", address))
	}
	row("Links", strings.Join(links, ", "))
	w.b.WriteByte('\n')
	w.table([]string{"", ""}, rows)
}

// certainty is how sure an origin is.
func (w *writer) certainty(o *correlate.Origin) string {
	if s := w.inc.SetOrigin; s != nil {
		return "as " + escape(s.By) + " said"
	}
	return correlate.Percent(o.Probability) + " probable"
}

// durations are the times by which incident response is measured.
func (w *writer) durations() {
	w.heading("How long it took")
	began := w.inc.StartedAt
	var rows [][]string
	add := func(what string, at time.Time, note string) {
		if !at.IsZero() {
			rows = append(rows, []string{what, stamp(at, began), correlate.Span(max(at.Sub(began), 0)), note})
		}
	}
	if len(w.Alerts) > 0 {
		add("to detect", w.firstSeen(), "the first alert arrived")
	}
	if first := w.firstRing(); first != nil {
		add("to page", delivered(first), deliveredNote(first))
	}
	if at, by := w.ackedAt(); !at.IsZero() {
		add("to acknowledge", at, escape(by))
	}
	for _, s := range []struct {
		what   string
		status correlate.Status
	}{{"to identify", correlate.StatusIdentified}, {"to mitigate", correlate.StatusMitigating}} {
		if e := w.became(s.status); e != nil {
			add(s.what, e.At, escape(e.Actor))
		}
	}
	if w.over() {
		add("to end", w.inc.EndedAt(), "the last alert ended")
		add("to call it over", w.inc.ResolvedAt, cmp.Or(escape(w.inc.ResolvedBy), "the settling time had passed"))
	}
	if c := w.inc.Closed; c != nil {
		add("to close", c.At, escape(c.By))
	}
	w.table([]string{"", "at (UTC)", "after the start", ""}, rows)
}

func (w *writer) firstSeen() time.Time {
	first := w.Alerts[0].FirstSeen
	for _, a := range w.Alerts {
		if a.FirstSeen.Before(first) {
			first = a.FirstSeen
		}
	}
	return first
}

// delivered is when the first receiver had a page; when it was decided, while none has.
func delivered(e *correlate.OutboxEntry) time.Time {
	var at time.Time
	for _, d := range e.Deliveries {
		if !d.SentAt.IsZero() && (at.IsZero() || d.SentAt.Before(at)) {
			at = d.SentAt
		}
	}
	if at.IsZero() {
		return e.Page.At
	}
	return at
}

func deliveredNote(e *correlate.OutboxEntry) string {
	var to []string
	for _, d := range e.Deliveries {
		if !d.SentAt.IsZero() {
			to = append(to, escape(d.Receiver)+" ("+escape(d.Integration)+")")
		}
	}
	if len(to) == 0 {
		return "decided; no receiver had it"
	}
	return enumerate(to, 3)
}

// became is when people first said that it is of a status; nil: nobody did.
func (w *writer) became(status correlate.Status) *correlate.TimelineEntry {
	for i := range w.inc.Timeline {
		if e := &w.inc.Timeline[i]; e.Kind == correlate.TimelineStatus && strings.HasPrefix(e.Text, status.String()+",") {
			return e
		}
	}
	return nil
}
