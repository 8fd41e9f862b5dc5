package setup

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Kind is what a finding is about. The numbers are those of the API.
type Kind uint8

// The kinds of findings, in the order in which they are told within a severity: what
// everything else rests on comes first.
const (
	_                   Kind = iota
	LogOnly                  // pages go to the log and to nobody
	EmptyReceiver            // a route leads to a receiver that has nothing to send with
	FailingReceiver          // a receiver does not take pages
	UntriedReceiver          // a receiver has not been sent anything yet
	ResolvesNotSent          // a receiver is not told when an incident is over
	NoAlerts                 // no alert ever came, or none for long
	Truncated                // a sender leaves alerts out of its notifications
	NeverResolved            // a sender's alerts never end
	ClockSkew                // a sender's clock is ahead of ours
	NoTopology               // there is no graph
	FailingSource            // a source of the graph does not answer
	UnmappedAlerts           // alerts name no service
	UnknownService           // alerts are about a service that the graph does not have
	OrphanService            // a service of the graph has no dependencies, and nothing depends on it
	MissingEdge              // two services keep alerting together, without a way between them
	UnseenEdge               // the callee failed repeatedly, and the caller never felt it
	LookAlike                // two names of different sources could mean one service
	UnregisteredTraffic      // a mesh sees calls to something that is not registered with it
	CoverageGap              // others depend on a service that nothing watches
	NoRunbook                // alerts come without a runbook
	EmptySource              // a source of the graph answers and knows nothing
	FailingAlertmanager      // an Alertmanager does not say what it holds
)

// Severity is how much a finding matters. The numbers are those of the API.
type Severity uint8

// The severities.
const (
	_       Severity = iota
	Hint             // could be better
	Warning          // answers are worse for it
	Error            // alerts or pages get lost, or everything lacks its base
)

// Finding is one thing that is amiss. Kind and Subject tell it from all others.
type Finding struct {
	Kind     Kind
	Severity Severity
	Subject  string // a service, a source, a receiver, a sender
	Title    string // what is amiss, in one line
	Evidence []Evidence
	Why      string
	Remedy   string
	Snippet  *Snippet // nil: there is nothing to paste
}

// Evidence is one thing that was seen.
type Evidence struct {
	Text  string
	Count int       // 0: it is nothing that is counted
	Last  time.Time // zero: not known
}

// Snippet is text to paste.
type Snippet struct {
	Target string // where it belongs: a file, or "shell"
	Text   string // indented as it stands there; ends with a line feed
	// Placeholders: it holds names that only the reader knows.
	Placeholders bool
}

// Where snippets belong.
const (
	configFile   = "headwater.yaml"
	topologyFile = "topology.yaml"
	alertmanager = "alertmanager.yml"
	ruleFile     = "Prometheus rules"
	shell        = "shell"
)

// Report is the result of [Examine].
type Report struct {
	Findings []Finding // the worst first, then by kind, then as important
	// Notes are what was not looked at and why, and what was left out.
	Notes []string
}

// maxTold bounds the findings of one kind.
const maxTold = 20

// add takes findings, of one kind the most important first. what names the kind.
func (e *examination) add(what string, found ...Finding) {
	for i := range found {
		if e.told[found[i].Kind]++; e.told[found[i].Kind] <= maxTold {
			e.Findings = append(e.Findings, found[i])
			continue
		}
		if e.left[what]++; e.left[what] == 1 {
			e.order = append(e.order, what)
		}
	}
}

func (e *examination) note(format string, args ...any) {
	e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
}

// finish puts the worst first and notes what was left out.
func (e *examination) finish() {
	slices.SortStableFunc(e.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Kind, b.Kind))
	})
	for _, what := range e.order {
		e.note("%s about %s %s left out; mend those that are told first", plural(e.left[what], "more finding"), what, verb(e.left[what], "is", "are"))
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
