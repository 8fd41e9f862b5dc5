package correlate

import (
	"fmt"
	"strings"
	"time"
)

// Lines says what is remembered, for people; nil when nothing is. opened is when the
// incident that it is about opened.
//
//	twice in 90 days, this is the 3rd time; last INC-41, 12 days earlier, for 23 min, ended by "restart api pods"
//	also INC-17, 40 days earlier, for 45 min
//	still to be done: AI-3 raise the pool (ben)
func (b SeenBefore) Lines(opened time.Time) []string {
	if b.Times == 0 {
		return nil
	}
	head := fmt.Sprintf("%s in %d days", times(b.Times), int(MemoryReach/(24*time.Hour)))
	if b.Times > 1 {
		head += fmt.Sprintf(", this is the %s time", ordinal(b.Times+1))
	}
	var also []string
	for i, r := range b.Latest {
		if i == 0 {
			head += "; last " + r.words(opened)
		} else {
			also = append(also, r.words(opened))
		}
	}
	out := []string{head}
	if more := b.Times - len(b.Latest); more > 0 && len(also) > 0 {
		also = append(also, fmt.Sprintf("%d more", more))
	}
	if len(also) > 0 {
		out = append(out, "also "+strings.Join(also, "; "))
	}
	if len(b.OpenItems) > 0 {
		out = append(out, "still to be done: "+b.openItemWords())
	}
	return out
}

func (b SeenBefore) openItemWords() string {
	var out []string
	for _, a := range b.OpenItems {
		text := a.ID + " " + printable(a.Text)
		if a.Assignee != "" {
			text += " (" + printable(a.Assignee) + ")"
		}
		out = append(out, text)
	}
	if more := b.OpenItemCount - len(b.OpenItems); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, "; ")
}

// words tell of one earlier incident, seen from when the other opened.
func (r *Recurrence) words(opened time.Time) string {
	text := fmt.Sprintf("%s, %s earlier, for %s", r.Incident, Span(opened.Sub(r.EndedAt)), Span(r.Lasted))
	if r.EndedBy != "" {
		text += fmt.Sprintf(", ended by %q", printable(r.EndedBy))
	}
	return text
}

// times is how often, in words.
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// ordinal is which of many, counted from 1.
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
