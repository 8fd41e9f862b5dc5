package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Kind is what is wrong.
type Kind uint8

// The kinds of findings, the worst first.
const (
	// Swallowed: an alert worth a page is past its bound, and neither did a receiver take a page
	// that covers it nor is there a reason why none did.
	Swallowed Kind = iota
	// Lost: the stream has an alert of which there is no row.
	Lost
	// Unexplained: an alert without a written reason, or whose incident does not exist.
	Unexplained
	// Late: a receiver took the opening page after its bound.
	Late
	// Double: one receiver got two opening pages of one ring.
	Double
	// Unresolved: a receiver has a page open whose incident is over.
	Unresolved
)

var kindNames = [...]string{"swallowed", "lost", "unexplained", "late", "double", "unresolved"}

// Kinds are all kinds, the worst first.
func Kinds() []Kind { return []Kind{Swallowed, Lost, Unexplained, Late, Double, Unresolved} }

// String returns the lower-case name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("%d", k)
}

// Finding is one broken promise. All alerts of one incident that were swallowed are one finding.
type Finding struct {
	Kind     Kind
	Incident string // id; empty when it is about an alert without one
	Alert    string // id of an alert that it is about; empty when it is about pages alone
	Name     string // the alert's name; may be empty
	Receiver string // of Double and Unresolved
	Text     string // what is wrong, in words
	Since    time.Time
	Alerts   int // how many alerts it is about; 0 when it is about pages alone
}

// key tells what findings are one.
func (f *Finding) key() findingKey {
	return findingKey{f.Kind, cmp.Or(f.Incident, f.Alert), f.Receiver}
}

// weight is what a finding counts.
func (f *Finding) weight() int { return max(1, f.Alerts) }

// Tally is a number of alert instances.
type Tally struct {
	Alerts int
	Worthy int // those that were worth a page by themselves
}

// FateTally is how many alerts came to one end.
type FateTally struct {
	Fate correlate.FateKind
	Tally
	// Reason is what was written of the first of them.
	Reason string
}

// PageTally is how many pages were sent for one reason. What varies in the reason (numbers, ids) is
// left out of it.
type PageTally struct {
	Kind   correlate.PageKind
	Reason string
	Pages  int
}

// DeliveryTally is what became of the pages at one integration.
type DeliveryTally struct {
	Receiver, Integration string
	Index                 int
	Sent                  int
	Skipped               int // with a reason, such as an update that it cannot show
	Waiting               int
	GivenUp               int
}

// StreamTally is what the stream held of the window.
type StreamTally struct {
	Entries       int
	Notifications int // batches of alerts
	Alerts        int // in these, repeats and ends included
	Unapplied     int // entries that the engine has not come to
}

// IncidentTally is how many incidents changed in the window.
type IncidentTally struct {
	Touched, Opened, Ended, Merged, StillOpen int
}

// Report is the proof.
type Report struct {
	Window Window
	Rules  Rules
	// Stream is nil when no entries were given.
	Stream     *StreamTally
	Alerts     Tally
	Fates      []FateTally // in the order of the fates
	Incidents  IncidentTally
	Pages      []PageTally     // by kind, then by number, most first
	Deliveries []DeliveryTally // by receiver, integration, index
	// Findings are the worst kinds first, the oldest first; at most [MaxFindings].
	Findings []Finding
	// Counts are the alerts that findings of a kind are about, or the findings where they are about
	// pages alone; those included that Findings leaves out.
	Counts map[Kind]int
}

// Clean reports whether there is no finding.
func (r *Report) Clean() bool { return len(r.Counts) == 0 }

// Broken counts the alerts that somebody should have heard of and nobody did.
func (r *Report) Broken() int { return r.Counts[Swallowed] + r.Counts[Lost] + r.Counts[Unexplained] }

// Report works out what the rows given so far come to. The audit can go on afterwards.
func (a *Audit) Report() *Report {
	r := &Report{
		Window: a.window, Rules: a.rules, Stream: a.stream, Alerts: a.alerts, Incidents: a.touched,
		Counts: map[Kind]int{},
	}
	for kind, t := range a.fates {
		if t.Alerts > 0 {
			r.Fates = append(r.Fates, FateTally{Fate: correlate.FateKind(kind), Tally: t, Reason: a.reasons[kind]})
		}
	}
	for key, n := range a.pages {
		r.Pages = append(r.Pages, PageTally{key.kind, key.reason, n})
	}
	slices.SortFunc(r.Pages, func(a, b PageTally) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(b.Pages, a.Pages), cmp.Compare(a.Reason, b.Reason))
	})
	for _, d := range a.deliveries {
		r.Deliveries = append(r.Deliveries, *d)
	}
	slices.SortFunc(r.Deliveries, func(a, b DeliveryTally) int {
		return cmp.Or(strings.Compare(a.Receiver, b.Receiver), strings.Compare(a.Integration, b.Integration), cmp.Compare(a.Index, b.Index))
	})
	for kind, n := range a.untold {
		r.Counts[kind] += n
	}
	for _, f := range a.found {
		r.Counts[f.Kind] += f.weight()
		r.Findings = append(r.Findings, *f)
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Since.Compare(b.Since), strings.Compare(a.Incident, b.Incident),
			strings.Compare(a.Alert, b.Alert), strings.Compare(a.Receiver, b.Receiver), strings.Compare(a.Text, b.Text))
	})
	return r
}

// shape is a reason without what varies in it: words with digits are left open.
func shape(reason string) string {
	words := strings.Fields(reason)
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// Confirming is r with those findings alone that first has too. Rows that are read one after the
// other while the engine goes on do not fit together for a moment, and never twice.
func (r *Report) Confirming(first *Report) *Report {
	seen := map[findingKey]bool{}
	for i := range first.Findings {
		seen[first.Findings[i].key()] = true
	}
	out := *r
	out.Findings, out.Counts = nil, map[Kind]int{}
	for kind, n := range r.Counts {
		out.Counts[kind] = n
	}
	for _, f := range r.Findings {
		if seen[f.key()] {
			out.Findings = append(out.Findings, f)
			continue
		}
		if out.Counts[f.Kind] -= f.weight(); out.Counts[f.Kind] <= 0 {
			delete(out.Counts, f.Kind)
		}
	}
	return &out
}
