package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// since says when something began and how long ago that is, seen from end.
func since(start, end time.Time) string {
	layout := "15:04:05 UTC"
	if start.UTC().Format(time.DateOnly) != end.UTC().Format(time.DateOnly) {
		layout = "2 Jan 15:04:05 UTC"
	}
	return start.UTC().Format(layout) + " (" + correlate.Span(end.Sub(start)) + ")"
}

// relative places a change by how long before the start it was made.
func relative(before time.Duration) string {
	if before < 0 {
		return correlate.Span(-before) + " after the start"
	}
	return correlate.Span(before) + " before the start"
}

// Context is the line under the title: since when, where, whose.
func (s *Sheet) Context() string {
	parts := []string{"since " + s.Since}
	if s.Resolved() {
		parts[0] = "lasted " + correlate.Span(s.EndedAt.Sub(s.StartedAt)) + ", " + s.StartedAt.Format("15:04:05") + " to " + s.EndedAt.Format("15:04:05 UTC")
	}
	if s.Environment != "" && s.Environment != "default" { // the name of a world that has no name
		parts = append(parts, s.Environment)
	}
	if s.Owner != "" {
		parts = append(parts, "owner: "+s.Owner)
	}
	return strings.Join(parts, " · ")
}

// News is the first thing to read, why there is another page; empty in an opening page.
func (s *Sheet) News() string {
	if s.Reason == "" {
		return ""
	}
	switch {
	case s.Resolved():
		return "Over: " + s.Reason
	case s.Mark() != "":
		return s.Mark() + s.Reason
	case s.Update():
		return "New: " + s.Reason
	}
	return ""
}

// Mark stands before the title of a page that is not the first of its kind to be noticed:
// whom it wakes wants to know why again, why me. Empty on all others.
func (s *Sheet) Mark() string {
	switch s.Kind {
	case correlate.PageRing.String():
		return "Again: "
	case correlate.PageEscalate.String():
		return "Escalated: "
	case correlate.PageNotice.String():
		return "For your information: "
	}
	return ""
}

// HitText lists the services that were hit, worst first.
func (s *Sheet) HitText() string { return andMore(s.HitTexts(), s.HitMore) }

// HitTexts are the services of [Sheet.HitText], one by one.
func (s *Sheet) HitTexts() []string {
	var parts []string
	for _, h := range s.Hit {
		alerts := fmt.Sprintf("%d alerts", h.Alerts)
		if h.Alerts == 1 {
			alerts = "1 alert"
		}
		parts = append(parts, fmt.Sprintf("%s (%s, %s)", h.Name, h.Severity, alerts))
	}
	return parts
}

// NextText lists the services that will probably be hit next.
func (s *Sheet) NextText() string { return andMore(s.Next, s.NextMore) }

func andMore(parts []string, more int) string {
	text := strings.Join(parts, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// WhyTexts are the reasons with their weights.
func (s *Sheet) WhyTexts() []string {
	var texts []string
	for _, w := range s.Why {
		texts = append(texts, fmt.Sprintf("%s  %+.1f", w.Text, w.Weight))
	}
	return texts
}

// ChangeTexts are the changes, without links.
func (s *Sheet) ChangeTexts() []string {
	var texts []string
	for _, c := range s.Changes {
		texts = append(texts, c.Text)
	}
	return texts
}

// Listed is a list of one text, or an empty one, for templates that make lists.
func (s *Sheet) Listed(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// People says who has it and how far they have come; empty when nobody has.
func (s *Sheet) People() string {
	var parts []string
	if !s.Resolved() && s.Status != "" && s.Status != correlate.StatusDetected.String() {
		parts = append(parts, s.Status)
	}
	if s.AcknowledgedBy != "" {
		parts = append(parts, "acknowledged by "+s.AcknowledgedBy)
	}
	return strings.Join(append(parts, s.Roles...), " · ")
}

// silencedText counts the alerts that are no reason to page.
func (s *Sheet) silencedText() string {
	if s.Silenced == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d firing alerts: evidence, but no reason to page", s.Silenced, s.Firing)
}

// QuotedNames are the names of the quoted alerts, each once.
func (s *Sheet) QuotedNames() string {
	var names []string
	for _, q := range s.Quoted {
		if name := q.Name + q.silenced(); q.Name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return andMore(names[:min(len(names), maxServices)], max(0, len(names)-maxServices))
}

// WhyLabel heads the reasons.
func (s *Sheet) WhyLabel() string {
	if s.OriginKnown {
		return "Why " + s.Origin
	}
	return "Perhaps " + s.Origin
}

// Section is one labelled paragraph of the body.
type Section struct {
	Label string   `json:"label"`
	Lines []string `json:"lines"`
}

// Sections are the body's paragraphs in their order, without links. Empty ones are left out.
func (s *Sheet) Sections() []Section {
	if len(s.Said) > 0 {
		return s.Said
	}
	var all []Section
	add := func(label string, lines ...string) {
		if len(lines) > 0 && lines[0] != "" {
			all = append(all, Section{label, lines})
		}
	}
	switch {
	case s.Confined() && s.Alerts == 1:
		add("Says", s.Note)
	case s.Confined():
		add("Alerts", s.QuotedNames())
		add("Or", s.RunnerUp)
	default:
		add(s.WhyLabel(), s.WhyTexts()...)
		add("Or", s.RunnerUp)
		add("Hit", s.HitText())
	}
	if !s.Resolved() {
		add("Next to be hit", s.NextText())
	}
	add("Status", s.People())
	add("Silenced", s.silencedText())
	add("Changed", s.ChangeTexts()...)
	add("Seen before", s.SeenBefore...)
	add("Gaps", s.Gaps...)
	if s.Truncated > 0 {
		add("Note", fmt.Sprintf("senders left out %d more alerts", s.Truncated))
	}
	return all
}

// Head are the sections that explain the origin, for a layout that sets what was hit apart.
func (s *Sheet) Head() []Section { return s.sections(true) }

// Tail are the sections that follow what was hit.
func (s *Sheet) Tail() []Section { return s.sections(false) }

func (s *Sheet) sections(head bool) []Section {
	var some []Section
	for _, sec := range s.Sections() {
		isHead := sec.Label == s.WhyLabel() || sec.Label == "Or" || sec.Label == "Says" || sec.Label == "Alerts"
		if isHead == head && sec.Label != "Hit" {
			some = append(some, sec)
		}
	}
	return some
}

// Color is the severity as one of Slack's three named colors.
func (s *Sheet) Color() string {
	switch s.HexColor() {
	case colorOver:
		return "good"
	case colorWorst, colorBad:
		return "danger"
	}
	return "warning"
}

// The colors of a page; each stands out on light and on dark.
const (
	colorOver   = "#1f9d55"
	colorWorst  = "#d92d20"
	colorBad    = "#d9730d"
	colorMild   = "#d4a106"
	colorLittle = "#5b7083"
)

// HexColor is how bad it is as a color: SEV1 to SEV4, else as bad as the alerts are.
func (s *Sheet) HexColor() string {
	bySev := map[string]string{"SEV1": colorWorst, "SEV2": colorBad, "SEV3": colorMild, "SEV4": colorLittle}
	bySeverity := map[string]string{"critical": colorWorst, "error": colorBad, "warning": colorMild}
	if s.Resolved() {
		return colorOver
	}
	return cmp.Or(bySev[s.Sev], bySeverity[s.Severity], colorLittle)
}
