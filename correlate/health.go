package correlate

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// checkKey names one check of one service.
type checkKey struct {
	service topology.Ref
	check   string
}

func keyOf(h *HealthState) checkKey { return checkKey{h.Service, h.Check} }

func (k checkKey) compare(o checkKey) int {
	return cmp.Or(compareRefs(k.service, o.service), cmp.Compare(k.check, o.check))
}

// healthSender is the sender of alerts that failing health checks raise.
const healthSender = "health"

// HealthAlertName is the name of the alert that a failing health check raises.
const HealthAlertName = "HealthCheckFailing"

func (e *Engine) applyHealth(b *HealthBatch) {
	for i := range b.Results {
		e.applyResult(&b.Results[i])
	}
}

// applyResult counts failures in a row. The counting lives here and not at the
// door, so that it survives a restart and a replay sees the same alerts.
func (e *Engine) applyResult(r *HealthResult) {
	at := r.At
	if at.IsZero() || at.After(e.meta.Now) {
		at = e.meta.Now
	}
	k := e.checkOf(r)
	h := e.editHealth(k)
	if at.Before(h.At) || !r.At.IsZero() && at.Equal(h.At) {
		return // overtaken by a later result, or told twice
	}
	if r.Status != h.Status || h.Since.IsZero() {
		h.Since = at
		if r.Status != HealthPassing || h.Status != HealthUnknown {
			e.unsettleAround(e.nodes.id(k.service))
		}
	}
	h.At, h.Status, h.Latency, h.Message = at, r.Status, r.Latency, r.Message
	switch r.Status {
	case HealthFailing, HealthDegraded:
		h.Failures++
		threshold := r.FailureThreshold
		if threshold <= 0 {
			threshold = e.cfg.FailureThreshold
		}
		if h.Failures >= threshold && h.Alert == (AlertID{}) {
			e.raise(h)
		}
	case HealthPassing:
		h.Failures = 0
		e.clear(h)
	case HealthUnknown: // says nothing either way
	}
}

func (e *Engine) checkOf(r *HealthResult) checkKey {
	n := e.nodes.id(r.Service)
	k := checkKey{service: e.nodes.ref(n), check: r.Check}
	if k.check == "" {
		k.check = "health"
	}
	if e.health[k] == nil {
		e.health[k] = &HealthState{Service: k.service, Check: k.check}
		e.checksOf[n] = append(e.checksOf[n], k)
		slices.SortFunc(e.checksOf[n], checkKey.compare)
	}
	return k
}

// raise makes an alert of a check that failed often enough in a row.
func (e *Engine) raise(h *HealthState) {
	severity, verb := "critical", "fails"
	if h.Status == HealthDegraded {
		severity, verb = "warning", "is degraded"
	}
	labels := map[string]string{"alertname": HealthAlertName, "service": h.Service.Name, "check": h.Check, "severity": severity}
	if h.Service.Namespace != "" {
		labels["namespace"] = h.Service.Namespace
	}
	a := Alert{
		Fingerprint: healthFingerprint(h), Labels: labels, StartsAt: h.At,
		Annotations: map[string]string{"summary": fmt.Sprintf("health check %s of %s %s: %d results in a row", h.Check, h.Service, verb, h.Failures)},
	}
	if h.Message != "" {
		a.Annotations["description"] = h.Message
	}
	row := &AlertState{
		Alert: a, Sender: healthSender, Service: h.Service, Mapped: true, MappedBy: "health check",
		Class: ClassProbe, Severity: ParseSeverity(severity), FirstSeen: e.meta.Now, LastSeen: e.meta.Now,
	}
	if e.items[row.ID()] != nil {
		return // raised and cleared at the same moment already
	}
	h.Alert = row.ID()
	it := e.newItem(row)
	e.touch(it)
	e.place(it)
	e.admit(it)
}

func (e *Engine) clear(h *HealthState) {
	if h.Alert == (AlertID{}) {
		return
	}
	if it := e.items[h.Alert]; it != nil && it.state.Active() {
		e.end(it, h.At)
	}
	h.Alert = AlertID{}
}

// healthFingerprint is a stable name for the label set, in the form of Alertmanager's.
func healthFingerprint(h *HealthState) string {
	f := fnv.New64a()
	for _, s := range []string{healthSender, h.Service.Namespace, h.Service.Name, h.Check} {
		_, _ = f.Write([]byte(s)) // never fails
		_, _ = f.Write([]byte{0xff})
	}
	return fmt.Sprintf("%016x", f.Sum64())
}

// healthWeight is what the health checks of n say about a failure that began there
// at start: ln of P(result | it failed) over P(result | it did not), of the worst result. Only
// results sampled after it count; a passing check exonerates a little, since a
// shallow one passes on a service that is slow or wrong. That checks which pass add up by
// candidate, like all findings that are absent, is Heckerman's (1989; see [Engine.quietCost]).
func (e *Engine) healthWeight(n nodeID, start time.Time) float64 {
	weight := 0.0
	for _, k := range e.checksOf[n] {
		h := e.health[k]
		if !h.At.After(start) {
			continue
		}
		switch h.Status {
		case HealthFailing:
			if h.Alert != (AlertID{}) {
				continue // its alert is evidence of its own
			}
			weight = max(weight, healthFailing)
		case HealthDegraded:
			weight = max(weight, healthDegraded)
		case HealthPassing:
			if weight > 0 {
				continue
			}
			weight += healthPassing
			if h.At.Sub(start) > time.Minute && h.Since.Before(start) {
				weight += healthPassing
			}
		case HealthUnknown:
		}
	}
	return max(weight, 2*healthPassing)
}
