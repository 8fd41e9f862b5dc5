package stats

import (
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Grouping is what figures are told apart by.
type Grouping uint8

// The groupings.
const (
	ByNothing Grouping = iota // there are no groups
	ByTeam                    // the owner of the most probable origin; of alerts, that of their service
	ByService                 // the most probable origin; of alerts, their service
	ByWeek                    // the Monday of the week in which an incident was opened or an alert began
)

// Others is the name of the group of what is beyond the bound on groups.
const Others = "(others)"

// Report is all figures of a time.
type Report struct {
	Total  Figures
	Groups []Group // by name; none without a grouping
	// PagesByWeek are the pages that rang, by week and team.
	PagesByWeek []WeekPages
	Receivers   []Receiver // by receiver and integration
	Origins     []Origin   // the most frequent first, at most topEntries
	Flapping    []Flapping // the most frequent first, at most topEntries
	Notes       []string   // what was left out, in words
}

// Group is the figures of one group.
type Group struct {
	Name string // empty: nobody is named
	Figures
}

// Figures are those of one set of alerts and incidents.
type Figures struct {
	// Alerts are the instances that began; WorthAPage those that are worth a page by themselves.
	Alerts, WorthAPage int
	Incidents          int
	// BySev counts the incidents of each severity, from [correlate.Sev1] on.
	BySev [sevs]int
	// Pages are those that rang somewhere, AtNight those of them that were decided at night.
	Pages, AtNight int
	Times          [Measures]Durations
	Feedback       Feedback
}

// sevs are the severities of incidents.
const sevs = int(correlate.Sev4-correlate.Sev1) + 1

// NoiseReduction is the share of alerts worth a page that rang nobody; false without such alerts.
func (f *Figures) NoiseReduction() (float64, bool) {
	if f.WorthAPage == 0 {
		return 0, false
	}
	return max(0, 1-float64(f.Pages)/float64(f.WorthAPage)), true
}

// Feedback is how often Headwater had named the origin that operators stated.
type Feedback struct {
	Said     int // incidents whose origin an operator stated or confirmed
	First    int // those of them whose origin had been the first candidate
	TopThree int // those of them whose origin had been among the first three
}

// Measure is one of the things that take time.
type Measure uint8

// The measures.
const (
	Detect      Measure = iota // from the failure's start to the incident's opening
	Page                       // from the failure's start until the first page had arrived somewhere
	Acknowledge                // from then until somebody acknowledged
	Mitigate                   // from the failure's start until nothing of it fired any more
	Resolve                    // from the failure's start to the incident's end
	Measures                   // how many there are
)

// Durations is how long one thing took.
type Durations struct {
	Count             int // incidents that it is known of; the rest is 0 without any
	Mean, Median, P95 time.Duration
}

// WeekPages is how often one team was paged in one week.
type WeekPages struct {
	Week, Team string // a Monday such as 2026-11-16; empty team: nobody is named
	Pages      int
}

// Receiver is what became of pages at one kind of integration of one receiver.
type Receiver struct {
	Receiver, Integration string
	Sent                  int // pages of all kinds that it took
	FailedAttempts        int // those included that a later attempt made good
	Undelivered           int // pages that never arrived
}

// Origin is how often incidents began at one service, and how long those that are over lasted.
type Origin struct {
	Service   string
	Incidents int
	Lasted    time.Duration
}

// Flapping is one label set that fired again and again.
type Flapping struct {
	AlertName, Service, Fingerprint string
	Firings                         int
}
