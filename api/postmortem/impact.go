package postmortem

import (
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// What a note may begin with to be taken into a section of the document.
const (
	notedImpact = "impact:"
	notedLesson = "lesson:"
)

// noted are the notes of people that begin with a word, without it, and who wrote each.
func (w *writer) noted(word string) []string {
	var out []string
	for _, e := range w.inc.Timeline {
		if e.Kind != correlate.TimelineNote || len(e.Text) < len(word) || !strings.EqualFold(e.Text[:len(word)], word) {
			continue
		}
		text := escape(e.Text[len(word):])
		if e.Actor != "" {
			text += " (" + escape(e.Actor) + ")"
		}
		out = append(out, text)
	}
	return out
}

func (w *writer) impact() {
	w.heading("Impact")
	for _, text := range w.noted(notedImpact) {
		w.f("- %s", text)
	}
	facing := w.facing()
	for _, s := range facing {
		w.f("- %s, which faces users, %s.", w.service(s.Service), w.wasHit(s))
	}
	if len(facing) == 0 && len(w.hit) > 0 {
		w.f("- No service that faces users raised an alert.")
	}
	for _, s := range w.hit {
		if w.tier(s.Service) == 1 && s.Kind != topology.KindFrontend {
			w.f("- %s, which is of tier 1, %s.", w.service(s.Service), w.wasHit(s))
		}
	}
	for _, e := range w.inc.Timeline {
		if e.Kind == correlate.TimelinePublicUpdate {
			w.f("- Those outside were told at %s: %s", stamp(e.At, w.inc.StartedAt), quoted(e.Text))
		}
	}
}

// facing are the services that were hit and that users see.
func (w *writer) facing() []correlate.ServiceImpact {
	var out []correlate.ServiceImpact
	for _, s := range w.hit {
		if s.Kind == topology.KindFrontend {
			out = append(out, s)
		}
	}
	return out
}

// tier is the importance of a service in the graph; 0: nobody set it.
func (w *writer) tier(r topology.Ref) int {
	if n, ok := w.Graph.Lookup(r); ok {
		return w.Graph.Service(n).Tier
	}
	return 0
}

// wasHit says how badly and for how long.
func (w *writer) wasHit(s correlate.ServiceImpact) string {
	verb := "was affected"
	if s.Severity >= correlate.SeverityError {
		verb = "failed"
	}
	end, ended := w.endOf(s.Service)
	if !ended {
		return fmt.Sprintf("%s from %s on: %s", verb, stamp(s.Since, w.inc.StartedAt), plural(s.Alerts, "alert"))
	}
	return fmt.Sprintf("%s from %s to %s, for %s: %s", verb, stamp(s.Since, w.inc.StartedAt), stamp(end, w.inc.StartedAt), correlate.Span(end.Sub(s.Since)), plural(s.Alerts, "alert"))
}

// endOf is when the last alert on a service ended; false while one fires.
func (w *writer) endOf(r topology.Ref) (end time.Time, ended bool) {
	for _, a := range w.Alerts {
		if sufferer(a) != r {
			continue
		}
		if a.Active() {
			return time.Time{}, false
		}
		if a.EndedAt.After(end) {
			end = a.EndedAt
		}
	}
	return end, !end.IsZero()
}

// sufferer is the service that an alert is counted with: of one about calls the caller.
func sufferer(a *correlate.AlertState) topology.Ref {
	if !a.Caller.IsZero() {
		return a.Caller
	}
	return a.Service
}

// maxServices bounds the table of services.
const maxServices = 100

func (w *writer) services() {
	if len(w.hit) == 0 {
		return
	}
	w.heading("Affected services")
	var rows [][]string
	for _, s := range w.hit[:min(len(w.hit), maxServices)] {
		to := "still"
		if end, ended := w.endOf(s.Service); ended {
			to = stamp(end, w.inc.StartedAt)
		}
		rows = append(rows, []string{
			w.service(s.Service), s.Kind.String(), escape(s.Owner), s.Severity.String(), fmt.Sprint(s.Alerts),
			stamp(s.Since, w.inc.StartedAt), to, correlate.Span(max(s.Since.Sub(w.inc.StartedAt), 0)),
		})
	}
	w.table([]string{"service", "kind", "owner", "worst", "alerts", "from (UTC)", "to", "after the start"}, rows)
	if more := len(w.hit) - maxServices; more > 0 {
		w.f("\nand %d more.", more)
	}
}

func (w *writer) cascade() {
	if w.Cascade == nil || len(w.Cascade.Nodes) < 2 {
		return
	}
	w.heading("Cascade")
	w.f("```mermaid\n%s```", w.Cascade.Mermaid())
	if w.Picture != "" {
		w.f("\n[The same as an image, with what was not to blame](<%s>)", strings.NewReplacer("<", "%3C", ">", "%3E", "\n", "", "\r", "").Replace(w.Picture))
	}
}
