package correlate

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
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
	if h.Status == HealthDegraded && r.Status == HealthFailing && h.Alert != (AlertID{}) {
		h.Failures = 0 // what is worse than what the alert says counts anew
	}
	h.At, h.Status, h.Latency, h.Message, h.TTL = at, r.Status, r.Latency, r.Message, r.TTL
	e.scheduleForgetting(h)
	e.countResult(h, r)
}

// countResult raises and ends the alert of a check, by how many results in a row were
// bad or good.
func (e *Engine) countResult(h *HealthState, r *HealthResult) {
	n := max(r.Count, 1)
	switch r.Status {
	case HealthFailing, HealthDegraded:
		h.Failures, h.Successes = h.Failures+n, 0
		switch enough := h.Failures >= orDefault(r.FailureThreshold, e.cfg.FailureThreshold); {
		case enough && h.Alert == (AlertID{}):
			e.raise(h)
		case enough && r.Status == HealthFailing:
			e.worsen(h)
		}
	case HealthPassing:
		h.Failures, h.Successes = 0, h.Successes+n
		if h.Successes >= orDefault(r.SuccessThreshold, e.cfg.SuccessThreshold) {
			e.clear(h)
		}
	case HealthUnknown: // says nothing either way
	}
}

func orDefault(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

// forgetAt is when h is forgotten for want of news.
func (e *Engine) forgetAt(h *HealthState) time.Time {
	if h.TTL > 0 {
		return h.At.Add(h.TTL)
	}
	return h.At.Add(e.cfg.HealthTTL)
}

// scheduleForgetting reminds of h's end, nil having none. A reminder that comes earlier
// will do: nearly every result puts the end further off.
func (e *Engine) scheduleForgetting(h *HealthState) {
	if h == nil {
		return
	}
	k, at := keyOf(h), e.forgetAt(h)
	if reminded, ok := e.forgetting[k]; ok && !at.Before(reminded) {
		return
	}
	e.forgetting[k] = at
	e.due.push(due{at: at, kind: dueForget, check: &k})
}

// forgetCheck drops a check that nobody reports any more. An alert of its own ends with
// it: there is nobody left who could say that all is well again.
func (e *Engine) forgetCheck(k checkKey) {
	h := e.health[k]
	if it := e.items[h.Alert]; it != nil && it.state.Active() {
		e.end(it, e.meta.Now)
		if it.inc != nil {
			e.note(it.inc, TimelineJoined, "", fmt.Sprintf("%s on %s ended: nobody has reported check %s for %s",
				HealthAlertName, k.service, k.check, roughly(e.meta.Now.Sub(h.At))))
		}
	}
	n := e.nodes.id(k.service)
	delete(e.health, k)
	e.checksOf[n] = slices.DeleteFunc(e.checksOf[n], func(o checkKey) bool { return o == k })
	if len(e.checksOf[n]) == 0 {
		delete(e.checksOf, n)
	}
	e.touchHealth(k)
	if h.Status != HealthUnknown {
		e.unsettleAround(n)
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
	row.Maintenance = e.maintainedText(it)
	e.admit(it)
}

// worsen makes the alert of a check that was degraded as bad as the check is now. It is the
// same alert, and stays so bad until it ends: a check that gets a little better is not well.
func (e *Engine) worsen(h *HealthState) {
	it := e.items[h.Alert]
	if it == nil || !it.state.Active() || it.state.Severity == SeverityCritical {
		return
	}
	row := e.editAlert(it)
	row.Severity, row.Labels, row.Annotations = SeverityCritical, maps.Clone(row.Labels), maps.Clone(row.Annotations)
	row.Labels["severity"] = SeverityCritical.String()
	row.Annotations["summary"] = fmt.Sprintf("health check %s of %s fails, after it was degraded: %d results in a row", h.Check, h.Service, h.Failures)
	if h.Message != "" {
		row.Annotations["description"] = h.Message
	}
	if it.inc != nil && it.inc.open() {
		e.note(it.inc, TimelineJoined, "", fmt.Sprintf("%s on %s is critical: check %s was degraded and fails now", HealthAlertName, h.Service, h.Check))
		if !it.inc.row.Unsettled {
			e.unsettle(it.inc)
			e.askSettle()
		}
	}
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
