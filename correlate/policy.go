package correlate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy is what an operator may set of how on-call is paged. The zero value of a field
// means its default: no reminders and no escalation, since Headwater may not know of an
// acknowledgement that a receiver got.
type Policy struct {
	// RingSpacing is the shortest time between two rings at those who have the incident. Default 5 min.
	RingSpacing time.Duration
	// Reminder rings again while nobody has taken the incident, each time after so long. 0: never.
	Reminder time.Duration
	// Reminders is how often at most, since the latest opening page. Default 3.
	Reminders int
	// Escalation is who else is called, and when. The first policy that matches an incident holds.
	Escalation []EscalationPolicy
	// Daytime is what can wait. Default: nothing.
	Daytime Daytime
	// Maintenance are the recurring windows of maintenance.
	Maintenance []RecurringMaintenance
}

// EscalationPolicy is the steps for some incidents.
type EscalationPolicy struct {
	// Matchers are of [Incident.RouteLabels], as at the moment. None: all incidents.
	Matchers []Matcher
	Steps    []EscalationStep
}

// EscalationCondition is what must hold when a step of an escalation is taken.
type EscalationCondition uint8

// The conditions of steps.
const (
	EscalateAlways           EscalationCondition = iota // that the incident is still there
	EscalateUnacknowledged                              // nobody has taken it, see [Incident.Attended]
	EscalateNoProgress                                  // nobody has written or changed anything in it for the step's time
	EscalateCriticalFunction                            // a service of tier 1 is hit, or one labelled critical_function="true"
)

var conditionNames = [...]string{"always", "unacknowledged", "no_progress", "critical_function"}

// String returns the name that the configuration has for it.
func (c EscalationCondition) String() string { return nameOf(conditionNames[:], int(c)) }

// ParseEscalationCondition is the inverse of [EscalationCondition.String].
func ParseEscalationCondition(name string) (EscalationCondition, error) {
	if i := slices.Index(conditionNames[:], name); i >= 0 {
		return EscalationCondition(i), nil
	}
	return 0, fmt.Errorf("condition %q: want one of %s", name, strings.Join(conditionNames[:], ", "))
}

// EscalationStep calls somebody once per opening page, no earlier than After.
type EscalationStep struct {
	// After counts from the opening page; of [EscalateNoProgress], from the latest thing that a person did.
	After time.Duration
	When  EscalationCondition
	// To are the receivers that are paged. They are rung at any hour: a step names them outright.
	To []string
}

// key names the step in an incident's row: a step that only moves in the configuration is taken once all the same.
func (s *EscalationStep) key() string {
	return fmt.Sprintf("%s %s to %s", s.When, s.After, strings.Join(s.To, ", "))
}

// EscalatedStep is a step that was taken.
type EscalatedStep struct {
	Step string // condition, time and receivers
	At   time.Time
}

// withDefaults returns p with the default in place of every zero.
func (p Policy) withDefaults() Policy {
	if p.RingSpacing == 0 {
		p.RingSpacing = 5 * time.Minute
	}
	if p.Reminders == 0 {
		p.Reminders = 3
	}
	if p.Daytime.Sevs == nil {
		p.Daytime.Sevs = []Sev{Sev3, Sev4}
	}
	return p
}

// shortestReminder keeps reminders from becoming noise.
const shortestReminder = time.Minute

func (p *Policy) validate() error {
	var errs []error
	check := func(bad bool, text string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(text, args...))
		}
	}
	check(p.RingSpacing < 0, "paging.ring_spacing: must not be negative")
	check(p.Reminder < 0, "paging.reminder: must not be negative")
	check(p.Reminder > 0 && p.Reminder < shortestReminder, "paging.reminder: shorter than %s would be a siren", shortestReminder)
	check(p.Reminders < 0, "paging.reminders: must not be negative")
	return errors.Join(errs...)
}
