package checker

import (
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// why a result is published.
type why string

// The reasons, as metrics have them.
const (
	whyChanged   why = "changed"
	whyCounting  why = "counting"
	whyAttention why = "attention"
	whyRefresh   why = "refresh"
	notYet       why = ""
)

// thresholds are how many results in a row the engine acts on.
type thresholds struct{ failure, success int }

// record is what is remembered of one check. It does no IO and reads no clock.
type record struct {
	latest Observation
	streak int // good results in a row, or bad ones
	seen   bool

	sent   correlate.HealthStatus // of the last published result
	sentAt time.Time              // when that was; zero: never
	unsent int                    // results since, all with its status
}

func bad(s correlate.HealthStatus) bool {
	return s == correlate.HealthDegraded || s == correlate.HealthFailing
}

// take notes o and says why it is to be published.
func (r *record) take(o *Observation, def thresholds, refresh time.Duration, attention bool) why {
	if r.seen && (o.Status == r.latest.Status || bad(o.Status) && bad(r.latest.Status)) {
		r.streak++
	} else {
		r.streak = 1
	}
	r.latest, r.seen = *o, true
	if o.Status != r.sent {
		r.unsent = 0
	}
	r.unsent++
	switch {
	case r.sentAt.IsZero() || o.Status != r.sent:
		return whyChanged
	case r.streak <= needed(o, def):
		return whyCounting
	case attention:
		return whyAttention
	case o.At.Sub(r.sentAt) >= refresh:
		return whyRefresh
	}
	return notYet
}

// needed is how many results in a row with this status the engine has to hear of.
func needed(o *Observation, def thresholds) int {
	n, otherwise := o.FailureThreshold, def.failure
	switch o.Status {
	case correlate.HealthPassing:
		n, otherwise = o.SuccessThreshold, def.success
	case correlate.HealthUnknown:
		return 1
	}
	if n > 0 {
		return n
	}
	return otherwise
}

// publish is what to tell the engine of the latest result, which counts for all unsent ones.
func (r *record) publish(ttl time.Duration) correlate.HealthResult {
	o := &r.latest
	result := correlate.HealthResult{
		Service: o.Service, Check: o.Check, Status: o.Status, Latency: o.Latency, At: o.At, Message: o.Message,
		FailureThreshold: o.FailureThreshold, SuccessThreshold: o.SuccessThreshold, Count: r.unsent, TTL: ttl,
	}
	r.sent, r.sentAt, r.unsent = o.Status, o.At, 0
	return result
}
