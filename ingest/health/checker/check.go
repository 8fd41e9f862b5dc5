package checker

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/topology"
)

// Key names a check.
type Key struct {
	Service topology.Ref
	Check   string
}

// String is for logs.
func (k Key) String() string { return k.Service.String() + " " + k.Check }

// Check is one thing to look at again and again.
type Check struct {
	Key
	// Target is what is asked, Module how, by its name, and Source who said so: for people.
	Target, Module, Source string
	// Kind is the prober's, for metrics.
	Kind   string
	Prober probe.Prober

	Interval time.Duration
	Timeout  time.Duration // less than Interval

	// FailureThreshold and SuccessThreshold go with each result. 0: the engine's.
	FailureThreshold, SuccessThreshold int
	// SlowAfter makes a passing result that took longer degraded. 0: no result is slow.
	SlowAfter time.Duration
	// CertificateWarning makes a passing result degraded when a certificate expires within
	// it. 0: only one that has expired matters.
	CertificateWarning time.Duration
}

// same reports whether o is asked the same question as c, so that its answers go on
// from c's.
func (c *Check) same(o *Check) bool {
	return c.Target == o.Target && c.Module == o.Module && c.Source == o.Source
}

// probe asks once.
func (c *Check) probe(ctx context.Context, now time.Time) Observation {
	r := c.Prober.Probe(ctx, c.Target)
	o := Observation{
		Key: c.Key, Status: r.Status, Message: r.Message, Latency: r.Duration, At: now, Phases: r.Phases, CertificateExpires: r.CertificateExpires,
		FailureThreshold: c.FailureThreshold, SuccessThreshold: c.SuccessThreshold,
	}
	if o.Status == correlate.HealthPassing {
		o.Status, o.Message = c.reservations(&r, now)
	}
	return o
}

// reservations are what a good answer can still be blamed for.
func (c *Check) reservations(r *probe.Result, now time.Time) (correlate.HealthStatus, string) {
	left := r.CertificateExpires.Sub(now)
	switch {
	case c.SlowAfter > 0 && r.Duration > c.SlowAfter:
		return correlate.HealthDegraded, fmt.Sprintf("answered after %s, slow is %s", r.Duration.Round(time.Millisecond), c.SlowAfter)
	case c.CertificateWarning > 0 && !r.CertificateExpires.IsZero() && left < c.CertificateWarning:
		return correlate.HealthDegraded, fmt.Sprintf("its certificate expires at %s", r.CertificateExpires.UTC().Format(time.RFC3339))
	}
	return correlate.HealthPassing, ""
}

// Observation is what was seen of one check once.
type Observation struct {
	Key
	Status  correlate.HealthStatus
	Message string
	// Latency is the response time; 0: unknown.
	Latency time.Duration
	// At is when it was seen: when a probe began, when a query was answered.
	At time.Time

	Phases                             [probe.PhaseCount]time.Duration
	CertificateExpires                 time.Time
	FailureThreshold, SuccessThreshold int
}

// Source knows the results of many checks at once, seen by somebody else.
type Source interface {
	// Name is for people: unique among sources.
	Name() string
	// Poll returns the latest results. After an error there are none.
	Poll(ctx context.Context) ([]Observation, error)
}

// Polling is a source and how often it is asked.
type Polling struct {
	Source
	Interval time.Duration
	Timeout  time.Duration // less than Interval
}

// Plan is all that a checker has to do.
type Plan struct {
	Checks  []Check // with keys of their own
	Sources []Polling
}
