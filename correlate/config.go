package correlate

import (
	"errors"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// Config is what an operator may set. The zero value of a field means its
// default, see [Config.WithDefaults].
type Config struct {
	// Environment names the closed world that the engine serves. Default "default".
	Environment string
	// Resolver maps labels to services. Default: one without relabelling rules.
	Resolver *topology.Resolver
	// Classifier reads an alert's class. Default: [DefaultClassifier].
	Classifier *Classifier
	// Linker says where to look at an incident. Default: nobody does.
	Linker Linker
	// Notices: somebody gives notices to the owners of services that were hit. Default: nobody does, so none are decided.
	Notices bool
	// StatusPages: somebody shows public updates to those outside. Default: nobody does.
	StatusPages bool
	// Hold is the longest time from the first page-worthy alert of an incident to its page. Default 30 s.
	Hold time.Duration
	// HoldConfident is the hold when the leading origin is at least ConfidentAt. Default 10 s.
	HoldConfident time.Duration
	// HoldCritical is the hold of an incident of [Sev1]. Default 10 s.
	HoldCritical time.Duration
	// ConfidentAt is a probability, 0..1. Default 0.8.
	ConfidentAt float64
	// Calendar knows which routes are open when. Default: all are, always.
	Calendar Calendar
	// Policy is how on-call is paged beyond the first page.
	Policy Policy
	// PageSeverities may page. Default: warning, error and critical.
	PageSeverities []Severity
	// Settle is how long a new alert waits for its companions before it is placed. Default 1 s.
	Settle time.Duration
	// CloseAfter is how long an incident stays open after its last alert ended. Default 10 min.
	CloseAfter time.Duration
	// ReopenWithin is how long after closing a returning alert reopens the incident. Default 30 min.
	ReopenWithin time.Duration
	// StaleAfter ends a firing alert that nobody has sent again for so long. Default 0: never.
	StaleAfter time.Duration
	// ChronicAfter: an alert that had been firing for so long when it was first seen carries no evidence and never pages. Default 6 h: longer than most silences, so that what comes back from one does page.
	ChronicAfter time.Duration
	// FailureThreshold is how many failing health results in a row make an alert. Default 3.
	FailureThreshold int
	// SuccessThreshold is how many passing health results in a row end that alert. Default 1.
	SuccessThreshold int
	// HealthTTL is how long a health check is remembered that nobody reports any more. Default 24 h.
	HealthTTL time.Duration
	// MaxOrigins bounds the candidates kept per incident. Default 10.
	MaxOrigins int
	// MaxPageAlerts bounds the alerts quoted in a page. Default 20.
	MaxPageAlerts int
	// MaxTimeline bounds the timeline entries per incident; beyond it only people's entries, state changes and pages are added. Default 500.
	MaxTimeline int
}

// WithDefaults returns c with the default in place of every zero.
func (c Config) WithDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	if c.Environment == "" {
		c.Environment = "default"
	}
	if c.PageSeverities == nil {
		c.PageSeverities = []Severity{SeverityCritical, SeverityError, SeverityWarning}
	}
	if c.ConfidentAt == 0 {
		c.ConfidentAt = 0.8
	}
	def(&c.Hold, 30*time.Second)
	def(&c.HoldConfident, 10*time.Second)
	def(&c.HoldCritical, 10*time.Second)
	def(&c.Settle, time.Second)
	def(&c.CloseAfter, 10*time.Minute)
	def(&c.ReopenWithin, 30*time.Minute)
	def(&c.ChronicAfter, 6*time.Hour)
	num(&c.FailureThreshold, 3)
	num(&c.SuccessThreshold, 1)
	def(&c.HealthTTL, 24*time.Hour)
	num(&c.MaxOrigins, 10)
	num(&c.MaxPageAlerts, 20)
	num(&c.MaxTimeline, 500)
	c.Policy = c.Policy.withDefaults()
	return c
}

// Validate reports every setting that makes no sense, by the name it has in the configuration file.
func (c Config) Validate() error {
	var errs []error
	check := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	check(c.Hold < 0, "correlation.hold: must not be negative")
	check(c.HoldConfident < 0, "correlation.hold_confident: must not be negative")
	check(c.Hold > 0 && c.HoldConfident > c.Hold, "correlation.hold_confident: must not be longer than correlation.hold")
	check(c.HoldCritical < 0, "correlation.hold_critical: must not be negative")
	check(c.Hold > 0 && c.HoldCritical > c.Hold, "correlation.hold_critical: must not be longer than correlation.hold")
	check(c.ConfidentAt < 0 || c.ConfidentAt > 1, "correlation.confident_at: want a probability between 0 and 1")
	check(c.Settle < 0, "correlation.settle: must not be negative")
	check(c.Settle > 30*time.Second, "correlation.settle: longer than 30s would delay every page")
	check(c.CloseAfter < 0, "correlation.close_after: must not be negative")
	check(c.ReopenWithin < 0, "correlation.reopen_within: must not be negative")
	check(c.StaleAfter < 0, "correlation.stale_after: must not be negative")
	check(c.ChronicAfter < 0, "correlation.chronic_after: must not be negative")
	check(c.FailureThreshold < 0, "health.failure_threshold: must not be negative")
	check(c.SuccessThreshold < 0, "health.success_threshold: must not be negative")
	check(c.HealthTTL < 0, "health.ttl: must not be negative")
	return errors.Join(append(errs, c.Policy.validate())...)
}

func (c *Config) pages(s Severity) bool {
	for _, p := range c.PageSeverities {
		if p == s {
			return true
		}
	}
	return false
}
