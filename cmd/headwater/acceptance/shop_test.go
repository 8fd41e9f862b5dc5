package acceptance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// shopTopology is a small shop. Four services share a database that nothing watches.
const shopTopology = `
services:
  - {name: gateway, namespace: shop, kind: frontend, owner: platform}
  - {name: web, namespace: shop, kind: frontend, owner: storefront}
  - {name: catalogue, namespace: shop, kind: api, owner: storefront}
  - {name: user, namespace: shop, kind: api, owner: accounts}
  - {name: cart, namespace: shop, kind: api, owner: storefront}
  - {name: shipping, namespace: shop, kind: api, owner: logistics}
  - {name: ratings, namespace: shop, kind: api, owner: storefront}
  - {name: payment, namespace: shop, kind: api, owner: payments}
  - {name: checkout, namespace: shop, kind: api, owner: payments}
  - {name: mysql, namespace: shop, kind: database, owner: storage}
  - {name: redis, namespace: shop, kind: cache, owner: storage}
dependencies:
  - {from: gateway, to: web, mode: hard}
  - {from: web, to: catalogue, mode: hard}
  - {from: web, to: user, mode: hard}
  - {from: web, to: cart, mode: hard}
  - {from: web, to: checkout, mode: hard}
  - {from: web, to: ratings, mode: soft}
  - {from: cart, to: catalogue, mode: hard}
  - {from: cart, to: redis, mode: hard}
  - {from: checkout, to: cart, mode: hard}
  - {from: checkout, to: payment, mode: hard}
  - {from: checkout, to: shipping, mode: hard}
  - {from: payment, to: user, mode: hard}
  - {from: catalogue, to: mysql, mode: hard}
  - {from: user, to: mysql, mode: hard}
  - {from: shipping, to: mysql, mode: hard}
  - {from: ratings, to: mysql, mode: hard}
`

// shopConfig holds long enough for all waves of the cascade to arrive.
const shopConfig = `
environment: prod-eu
topology:
  files: [topology.yaml]
correlation:
  hold: 6s
  hold_confident: 5s
  settle: 300ms
  close_after: 2s
`

// The cascade in short: what fires on which service, and how long after its beginning.
// The database is out of connections; its clients wait, then fail, and so do theirs.
var shopCascade = []struct {
	after    time.Duration
	service  string
	severity string
	names    string
}{
	{0, "shipping", "critical", "LatencyP90High HikariPoolPending"},
	{5 * time.Second, "catalogue", "warning", "LatencyP90High ClientPoolExhausted"},
	{10 * time.Second, "user", "warning", "LatencyP90High ClientPoolExhausted"},
	{15 * time.Second, "ratings", "warning", "LatencyP90High"},
	{30 * time.Second, "shipping", "critical", "ErrorRateHigh LatencyP99High ErrorBudgetBurn"},
	{35 * time.Second, "ratings", "critical", "ErrorRateHigh LatencyP99High ErrorBudgetBurn"},
	{40 * time.Second, "catalogue", "critical", "ErrorRateHigh LatencyP99High ErrorBudgetBurn"},
	{40 * time.Second, "user", "critical", "ErrorRateHigh LatencyP99High ErrorBudgetBurn"},
	{50 * time.Second, "cart", "warning", "LatencyP90High ErrorRateHigh LatencyP99High"},
	{55 * time.Second, "payment", "critical", "LatencyP90High ErrorRateHigh LatencyP99High ErrorBudgetBurn"},
	{60 * time.Second, "checkout", "critical", "LatencyP90High ErrorRateHigh LatencyP99High ErrorBudgetBurn"},
	{70 * time.Second, "web", "critical", "LatencyP90High ErrorRateHigh LatencyP99High ErrorBudgetBurn ProbeFailed"},
	{80 * time.Second, "gateway", "critical", "LatencyP90High ErrorRateHigh LatencyP99High ErrorBudgetBurn ProbeFailed"},
}

// cascade is the shop's bad day as Prometheus tells it: 40 alerts on 9 services, which began a while ago.
func cascade(t testing.TB, begun time.Time) []notified {
	t.Helper()
	var alerts []notified
	services := map[string]bool{}
	for _, wave := range shopCascade {
		services[wave.service] = true
		for name := range strings.FieldsSeq(wave.names) {
			labels := map[string]string{
				"alertname": name, "service": wave.service, "namespace": "shop", "severity": wave.severity, "environment": "prod-eu",
			}
			alerts = append(alerts, notified{
				Status: firing, Labels: labels, Annotations: map[string]string{"summary": name + " on " + wave.service},
				StartsAt: begun.Add(wave.after).UTC(), Fingerprint: fingerprint(labels), GeneratorURL: "http://prometheus.example.org/graph",
			})
		}
	}
	if len(alerts) != 40 || len(services) != 9 {
		t.Fatalf("the cascade has %d alerts on %d services", len(alerts), len(services))
	}
	return alerts
}

// ended is the same alerts, over.
func ended(alerts []notified, at time.Time) []notified {
	over := slices.Clone(alerts)
	for i := range over {
		over[i].Status, over[i].EndsAt = resolved, at.UTC()
	}
	return over
}

// outage is one cascade from its first alert to the last page.
type outage struct {
	headwater *headwater
	hook      *collector
	pager     *pagerduty
	// sendTo are the addresses that Prometheus sends alerts to.
	sendTo []string
	// afterResolve is called once the server has the incident resolved. May be nil.
	afterResolve func()
}

// play has the cascade happen and insists on one page, one resolve, the right
// origin, and an account of every alert.
func (o *outage) play(t *testing.T) {
	t.Helper()
	alerts := cascade(t, time.Now().Add(-2*time.Minute).Truncate(time.Millisecond))
	for _, wave := range [][]notified{alerts[:4], alerts[4:17], alerts} { // Prometheus repeats what still fires
		for _, to := range o.sendTo {
			send(t, to, wave)
		}
	}
	conn := o.headwater.dial(t)
	state := func() (*record, error) { return readRecord(t.Context(), conn) }
	eventually(t, "all alerts are in one incident that was paged", patience, func() error {
		r, err := state()
		if err != nil {
			return err
		}
		return paged(r, alerts)
	})
	over := ended(alerts, time.Now())
	for _, to := range o.sendTo {
		send(t, to, over)
	}
	eventually(t, "the incident is resolved", patience, func() error {
		r, err := state()
		if err != nil {
			return err
		}
		for _, i := range r.incidents {
			if i.GetState() != pb.IncidentState_INCIDENT_STATE_RESOLVED {
				return fmt.Errorf("%s is %s with %d firing alerts", i.GetId(), i.GetState(), i.GetFiring())
			}
		}
		return nil
	})
	if o.afterResolve != nil {
		o.afterResolve()
	}
	r := o.headwater.awaitQuiet(t)
	o.judge(t, r, alerts)
}

// paged returns an error until all alerts are in one incident and its opening page was decided.
func paged(r *record, alerts []notified) error {
	var errs []error
	for _, n := range alerts {
		a := r.alerts[n.id()]
		switch {
		case a == nil:
			return fmt.Errorf("%s %v has not arrived; %d have", n.id(), n.Labels, len(r.alerts))
		case a.GetFate().GetKind() != pb.FateKind_FATE_KIND_PAGED:
			errs = append(errs, fmt.Errorf("the fate of %v is %s", n.Labels, a.GetFate()))
		}
	}
	return errors.Join(errs...)
}

// judge looks at what arrived where people look.
func (o *outage) judge(t *testing.T, r *record, alerts []notified) {
	t.Helper()
	if len(r.incidents) != 1 {
		for _, i := range r.incidents {
			t.Logf("%s: %s", i.GetId(), i.GetHeadline())
		}
		t.Fatalf("%d incidents, want 1", len(r.incidents))
	}
	i := r.incidents["INC-1"]
	if origin := i.GetOrigins()[0]; origin.GetService().GetName() != "mysql" || !origin.GetSilent() {
		t.Errorf("origin %v, want mysql, silent; the incident: %s", origin, i.GetHeadline())
	}
	if got := o.hook.kinds(); !slices.Equal(got, []string{"INC-1 open", "INC-1 resolved"}) {
		t.Errorf("the webhook got %v; want one opening page and one resolve", got)
	}
	if opening := o.hook.all()[0]; opening.Alerts[0].Annotations["origin"] != "mysql" {
		t.Errorf("the opening page names %q as the origin: %s", opening.Alerts[0].Annotations["origin"], opening.Alerts[0].Annotations["summary"])
	}
	promised, attempted := map[instance]string{}, map[instance]bool{}
	for _, n := range alerts {
		promised[n.id()], attempted[n.id()] = resolved, true
	}
	f := audit(r, promised, attempted, o.pager.all(), o.hook.all())
	f.report(t)
	if calls := o.pager.all(); len(calls) != 1 || calls[dedupKey("INC-1")].opens != 1 || calls[dedupKey("INC-1")].resolves != 1 {
		t.Errorf("PagerDuty has %+v, want one incident that rang once and was resolved once", calls)
	}
	if f.repeats != 0 {
		t.Errorf("%d pages came twice without anything having crashed", f.repeats)
	}
	t.Logf("%d alerts on 9 services: %s", len(alerts), o.hook.all()[0].Alerts[0].Annotations["summary"])
}
