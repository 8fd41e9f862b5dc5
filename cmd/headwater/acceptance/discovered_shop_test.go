//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// meshRules are rules as people have them for Istio, with waits of seconds.
const meshRules = `
groups:
  - name: mesh
    rules:
      - alert: IstioHigh5xxRate
        expr: |
          sum by (destination_workload, destination_workload_namespace) (rate(istio_requests_total{response_code=~"5.."}[3s]))
            / sum by (destination_workload, destination_workload_namespace) (rate(istio_requests_total[3s])) > 0.1
        for: 1s
        labels: {severity: critical}
        annotations: {summary: '{{ $value | humanizePercentage }} of the answers of {{ $labels.destination_workload }} are 5xx'}
      - alert: IstioLatencyP90High
        expr: |
          histogram_quantile(0.9, sum by (le, destination_workload, destination_workload_namespace)
            (rate(istio_request_duration_milliseconds_bucket[3s]))) > 2000
        for: 1s
        labels: {severity: critical}
        annotations: {summary: 'P90 latency of {{ $labels.destination_workload }} is {{ $value }} ms'}
      - alert: IstioUpstreamConnectFailures
        expr: |
          sum by (source_workload, source_workload_namespace, destination_workload, destination_service_name)
            (rate(istio_tcp_connections_closed_total{reporter="source",response_flags=~"UF|URX"}[3s])) > 0.5
        for: 1s
        labels: {severity: warning}
        annotations: {summary: 'connections of {{ $labels.source_workload }} to {{ $labels.destination_service_name }} fail'}
`

// shopPrometheus scrapes the mesh, judges by the rules, and tells an Alertmanager.
const shopPrometheus = prometheusConfig + `
alerting:
  alertmanagers: [{static_configs: [{targets: ['%s']}]}]
rule_files: [rules.yml]
`

// discoveredShop is Headwater's whole configuration: there is no topology file.
const discoveredShop = `
environment: prod-eu
topology:
  prometheus:
    - {url: '%[1]s', preset: istio, window: 3s, refresh_interval: 1s}
    - {url: '%[1]s', preset: istio-tcp, window: 3s, refresh_interval: 1s}
correlation:
  hold: 8s
  hold_confident: 8s
  settle: 300ms
  close_after: 2s
`

// robotShop is the shop's mesh: who asks whom, and who talks to what keeps data.
type robotShop struct {
	*mesh
	// mysql is its traffic by caller and metric, however the mesh calls it.
	mysql func(metric, caller, more string) string
}

// Calls over HTTP, and connections to data stores in the mesh. Mysql is told apart.
var (
	shopCalls = []string{
		"web shipping", "web ratings", "web catalogue", "web cart", "web user", "web payment",
		"shipping cart", "cart catalogue", "payment cart", "payment user", "ratings catalogue",
	}
	shopData   = []string{"catalogue mongodb", "user mongodb", "user redis", "cart redis", "payment rabbitmq", "dispatch rabbitmq"}
	mysqlUsers = []string{"shipping", "ratings"}
)

// serve has a callee answer its callers: with how much failing and how much slow.
func (s *robotShop) serve(callee string, failing, slow float64) {
	const load = 40
	for _, call := range shopCalls {
		from, to, _ := strings.Cut(call, " ")
		if to != callee {
			continue
		}
		s.flow(istio(requests, from, to, answered), load*(1-failing))
		s.flow(istio(requests, from, to, `,response_code="500"`), load*failing)
		const duration = "istio_request_duration_milliseconds_bucket"
		s.flow(istio(duration, from, to, `,le="100"`), load*(1-slow))
		s.flow(istio(duration, from, to, `,le="10000"`), load)
		s.flow(istio(duration, from, to, `,le="+Inf"`), load)
	}
}

// well is the shop on a good day.
func (s *robotShop) well() {
	for _, callee := range []string{"shipping", "ratings", "catalogue", "cart", "user", "payment"} {
		s.serve(callee, 0, 0)
	}
	s.flow(istio(requests, "ingress", "web", answered), 80)
	s.flow(istio(requests, "ingress", "web", `,response_code="500"`), 0)
	for _, pair := range shopData {
		from, to, _ := strings.Cut(pair, " ")
		s.flow(istio(sent, from, to, ""), 5000)
		s.flow(istio(received, from, to, ""), 900)
	}
	for _, caller := range mysqlUsers {
		s.flow(s.mysql(sent, caller, ""), 7000)
		s.flow(s.mysql(received, caller, ""), 1100)
		s.refuse(caller, 0)
	}
}

// refuse sets how many connections to mysql the mesh sees fail. It counts those only
// where it does not know the database: the story's mysql has no alert.
func (s *robotShop) refuse(caller string, perSecond float64) {
	if id := s.mysql("istio_tcp_connections_closed_total", caller, `,response_flags="UF"`); strings.Contains(id, "PassthroughCluster") {
		s.flow(id, perSecond)
	}
}

// fail plays the collapse, a wave as soon as Prometheus fires for the one before it.
func (s *robotShop) fail(t *testing.T, p *prometheus) {
	t.Helper()
	s.serve("shipping", 0, .9)
	firingNow(t, p, "shipping is slow", 1, `alertname="IstioLatencyP90High"`)
	s.serve("shipping", .3, .9)
	s.serve("ratings", .84, .9)
	for _, caller := range mysqlUsers {
		s.refuse(caller, 5)
	}
	firingNow(t, p, "shipping and ratings fail", 2, `alertname="IstioHigh5xxRate"`)
	s.flow(istio(requests, "ingress", "web", answered), 68)
	s.flow(istio(requests, "ingress", "web", `,response_code="500"`), 12)
	firingNow(t, p, "web fails", 3, `alertname="IstioHigh5xxRate"`)
}

// firingNow waits until at least n alerts fire.
func firingNow(t *testing.T, p *prometheus, what string, n int, matcher string) {
	t.Helper()
	eventually(t, "Prometheus says that "+what, patience, func() error {
		values, err := p.query(`ALERTS{alertstate="firing",` + matcher + `}`)
		if err == nil && len(values) < n {
			err = fmt.Errorf("%d of %d alerts fire", len(values), n)
		}
		return err
	})
}

// The story without a line of topology written by anybody: the real Prometheus judges
// the mesh's metrics, the real Alertmanager tells, and the map is made of the same
// metrics.
func TestAcceptanceDiscoveredShop(t *testing.T) {
	for _, c := range []struct {
		name   string
		mysql  func(metric, caller, more string) string
		origin string
		gap    string
	}{
		{
			"mysql is in the mesh",
			func(metric, caller, more string) string { return istio(metric, caller, "mysql", more) },
			"mysql", "nothing watches mysql",
		},
		{
			"mysql is outside, with a service entry",
			func(metric, caller, more string) string {
				return outside(metric, caller, "mysql.rds.example.com", "shop", more)
			},
			"mysql.rds.example.com", "nothing watches mysql.rds.example.com",
		},
		{
			"mysql is nobody that the mesh knows",
			func(metric, caller, more string) string {
				return outside(metric, caller, "PassthroughCluster", "unknown", more)
			},
			"PassthroughCluster", "register it",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			s := &robotShop{mesh: newMesh(t), mysql: c.mysql}
			s.well()
			hook := newCollector(t)
			p := newPrometheus(t) // it is told of the Alertmanager, which is told of Headwater, which asks it
			place := newSite(t, fmt.Sprintf(discoveredShop, p.web)+oncall(hook.URL, newPagerduty(t, nil).URL), "")
			h := place.start(t)
			a := startAlertmanager(t, "alertmanager", h.web, "")
			p.configure(t, fmt.Sprintf(shopPrometheus, s.address(), strings.TrimPrefix(a.web, "http://")), meshRules)
			p.start(t)
			eventually(t, "Headwater has the map", patience, func() error { return hasShop(t, h, c.origin) })

			s.fail(t, p)
			var story *pb.Incident
			eventually(t, "one incident names the database", patience, func() error {
				r, err := readRecord(t.Context(), h.dial(t))
				if err != nil {
					return errors.Join(err, h.alive())
				}
				story = r.incidents["INC-1"]
				return names(r, c.origin)
			})
			t.Logf("%s; origins %v; gaps %q", story.GetHeadline(), story.GetOrigins(), story.GetGaps())
			if gaps := strings.Join(story.GetGaps(), "\n"); !strings.Contains(gaps, c.gap) {
				t.Errorf("the gaps do not say %q: %q", c.gap, gaps)
			}

			s.well()
			r := h.awaitQuiet(t)
			if len(r.incidents) != 1 {
				t.Errorf("%d incidents, want 1", len(r.incidents))
			}
			if got := hook.kinds(); !slices.Equal(got, []string{"INC-1 open", "INC-1 resolved"}) {
				t.Errorf("the webhook got %v; want one opening page and one resolve", got)
			}
			all := hook.all()
			if !slices.ContainsFunc(all, func(n notice) bool { return strings.Contains(n.Alerts[0].Annotations["gaps"], c.gap) }) {
				t.Errorf("no page says %q", c.gap)
			}
			if last := all[len(all)-1].Alerts[0].Annotations["origin"]; last != c.origin {
				t.Errorf("the last page names %q as the origin, want %s", last, c.origin)
			}
		})
	}
}

// hasShop returns an error until shipping and ratings are known to need the database.
func hasShop(t *testing.T, h *headwater, database string) error {
	got, err := readMap(t.Context(), h.dial(t))
	if err != nil {
		return errors.Join(err, h.alive())
	}
	for _, caller := range mysqlUsers {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, caller+" -> "+database+" ") }) {
			return fmt.Errorf("%s does not need %s in %q", caller, database, got)
		}
	}
	if !slices.Contains(got, "web -> shipping hard") || !slices.Contains(got, "ingress -> web hard") {
		return fmt.Errorf("the map is %q", got)
	}
	return nil
}

// names returns an error until there is one incident, of all alerts, with that silent origin.
func names(r *record, origin string) error {
	if len(r.incidents) != 1 {
		return fmt.Errorf("%d incidents", len(r.incidents))
	}
	i := r.incidents["INC-1"]
	if len(i.GetOrigins()) == 0 {
		return errors.New("the incident has no origin yet")
	}
	if top := i.GetOrigins()[0]; top.GetService().GetName() != origin || !top.GetSilent() {
		return fmt.Errorf("the origin is %v, want %s, silent; %s", top, origin, i.GetHeadline())
	}
	for id, alert := range r.alerts {
		if alert.GetFate().GetKind() != pb.FateKind_FATE_KIND_PAGED {
			return fmt.Errorf("the fate of %s %v is %s", id, alert.GetLabels(), alert.GetFate())
		}
	}
	return nil
}
