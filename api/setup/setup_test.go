package setup_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v2"

	"github.com/headwater-sre/headwater/api/setup"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/file"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// shop is a small graph in which nothing is amiss but what alerts say.
const shop = `
services:
  - {name: web, kind: frontend, runbook: https://runbooks/web}
  - {name: cart, runbook: https://runbooks/cart}
  - {name: mysql, kind: database, runbook: https://runbooks/mysql}
  - {name: ledger, runbook: https://runbooks/ledger}
  - {name: vault, kind: database, runbook: https://runbooks/vault}
dependencies:
  - {from: web, to: cart}
  - {from: cart, to: mysql}
  - {from: ledger, to: vault}
`

// state is a healthy one: all is watched, alerts come and end, a receiver takes pages.
func state(t *testing.T, graph string) *setup.State {
	t.Helper()
	resolver, err := topology.NewResolver(topology.ResolverConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := &setup.State{Now: now}
	s.Started, s.Resolver = now.Add(-time.Hour), resolver
	s.Graph = build(t, graph)
	for n := range topology.NodeID(s.Graph.Len()) {
		s.Health = append(s.Health, &correlate.HealthState{Service: s.Graph.Ref(n), Check: "http", Status: correlate.HealthPassing})
	}
	s.Alerts = []*correlate.AlertState{alert(-2*time.Hour, `alertname="Watched" service="web" severity="critical"`)}
	s.Paging.Integrations = []setup.Integration{{Receiver: "oncall", Name: "webhook", SendResolved: true}}
	s.Pages = []*correlate.OutboxEntry{delivered("INC-1", correlate.Delivery{Receiver: "oncall", Integration: "webhook", SentAt: now.Add(-time.Hour)})}
	return s
}

func build(t testing.TB, text string) *topology.Graph {
	t.Helper()
	spec, err := file.Parse("topology.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := topology.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// alert is one that began some time before or after now, and has ended.
func alert(began time.Duration, labels string) *correlate.AlertState {
	a := &correlate.AlertState{Sender: correlate.SourceAlertmanager, SenderURL: "http://am:9093", Severity: correlate.SeverityCritical}
	a.Labels, a.StartsAt, a.Status = map[string]string{}, now.Add(began), correlate.Resolved
	for pair := range strings.FieldsSeq(labels) {
		k, v, _ := strings.Cut(pair, "=")
		a.Labels[k] = strings.Trim(v, `"`)
	}
	a.Fingerprint = labels
	a.FirstSeen, a.LastSeen = a.StartsAt.Add(10*time.Second), a.StartsAt.Add(time.Minute)
	return a
}

func delivered(incident string, d correlate.Delivery) *correlate.OutboxEntry {
	return &correlate.OutboxEntry{
		Page:       &correlate.Page{Incident: correlate.Incident{ID: incident}, Kind: correlate.PageOpen, At: now.Add(-time.Hour)},
		Deliveries: []correlate.Delivery{d},
	}
}

func TestInAGoodSetUpThereIsNothingToFind(t *testing.T) {
	r := setup.Examine(state(t, shop))
	if len(r.Findings) > 0 || len(r.Notes) > 0 {
		t.Errorf("found %+v, noted %q", r.Findings, r.Notes)
	}
}

func TestEachMistakeIsFoundAndNothingElse(t *testing.T) {
	for name, test := range map[string]struct {
		graph string // default: shop
		spoil func(t *testing.T, s *setup.State)
		want  setup.Kind
		level setup.Severity
		about string
		paste string // part of what is to be pasted
	}{
		"pages are logged only": {
			spoil: func(_ *testing.T, s *setup.State) { s.Paging = setup.Paging{LogOnly: true} },
			want:  setup.LogOnly, level: setup.Error, about: "receivers", paste: "send_resolved: true",
		},
		"a receiver is empty": {
			spoil: func(_ *testing.T, s *setup.State) { s.Paging.Empty = []string{"nobody"} },
			want:  setup.EmptyReceiver, level: setup.Warning, about: "nobody", paste: "  - name: nobody",
		},
		"a receiver refuses": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Paging.Integrations[0].Error = "401 Unauthorized"
				s.Paging.Integrations[0].FailingSince = now.Add(-time.Minute)
			},
			want: setup.FailingReceiver, level: setup.Error, about: "oncall/webhook",
		},
		"nothing was ever delivered": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Pages = []*correlate.OutboxEntry{delivered("INC-1", correlate.Delivery{Receiver: "oncall", Integration: "webhook", Attempts: 3, LastError: "no such host"})}
			},
			want: setup.FailingReceiver, level: setup.Error, about: "oncall/webhook",
		},
		"no page has gone out": {
			spoil: func(_ *testing.T, s *setup.State) { s.Pages = nil },
			want:  setup.UntriedReceiver, level: setup.Hint, about: "oncall/webhook", paste: "curl",
		},
		"resolves are not sent": {
			spoil: func(_ *testing.T, s *setup.State) { s.Paging.Integrations[0].SendResolved = false },
			want:  setup.ResolvesNotSent, level: setup.Hint, about: "oncall/webhook", paste: "send_resolved: true",
		},
		"no alert ever came": {
			spoil: func(_ *testing.T, s *setup.State) { s.Alerts = nil },
			want:  setup.NoAlerts, level: setup.Error, about: "intake", paste: "/webhook/alertmanager",
		},
		"no alert came for long": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Alerts[0].LastSeen = now.Add(-30 * time.Hour)
				s.Alerts[0].StartsAt, s.Alerts[0].FirstSeen = now.Add(-31*time.Hour), now.Add(-31*time.Hour)
			},
			want: setup.NoAlerts, level: setup.Warning, about: "intake",
		},
		"alerts are left out": {
			spoil: func(_ *testing.T, s *setup.State) { s.Alerts[0].Truncated = 12 },
			want:  setup.Truncated, level: setup.Error, about: "alertmanager http://am:9093", paste: "max_alerts: 0",
		},
		"alerts never end": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Alerts = nil
				for i := range 5 {
					a := alert(-8*time.Hour, fmt.Sprintf(`alertname="A%d" service="web"`, i))
					a.Status = correlate.Firing
					s.Alerts = append(s.Alerts, a)
				}
			},
			want: setup.NeverResolved, level: setup.Error, about: "alertmanager http://am:9093", paste: "send_resolved: true",
		},
		"a clock is ahead": {
			spoil: func(_ *testing.T, s *setup.State) { s.Alerts[0].FirstSeen = s.Alerts[0].StartsAt.Add(-time.Minute) },
			want:  setup.ClockSkew, level: setup.Warning, about: "alertmanager http://am:9093",
		},
		"there is no graph": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Graph, s.Health, s.Alerts[0].Annotations = nil, nil, map[string]string{"runbook_url": "x"}
			},
			want: setup.NoTopology, level: setup.Error, about: "topology", paste: "topology:\n",
		},
		"a source has never answered": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Sources = []discovery.Status{{Name: "mesh", Error: "connection refused", LastAttempt: now}}
			},
			want: setup.FailingSource, level: setup.Error, about: "mesh",
		},
		"a source answers with nothing": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Sources = []discovery.Status{
					{Name: "mesh", LastAttempt: now, LastSuccess: now, Warnings: []topology.Warning{{Text: "7 of 7 samples were left out"}}},
					{Name: "api:ci", Pushed: true, LastSuccess: now},
					{Name: "waiting"},
					{Name: "good", LastSuccess: now, Services: 1},
				}
			},
			want: setup.EmptySource, level: setup.Warning, about: "mesh",
		},
		"an Alertmanager does not answer": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Alertmanagers = []setup.Alertmanager{{Name: "http://am:9093", Error: "connection refused", FailingSince: now}, {Name: "http://well:9093"}}
			},
			want: setup.FailingAlertmanager, level: setup.Warning, about: "http://am:9093",
		},
		"a source ceased to answer": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Sources = []discovery.Status{{Name: "mesh", Error: "connection refused", LastAttempt: now, LastSuccess: now.Add(-time.Hour), Services: 4, Dependencies: 1}}
			},
			want: setup.FailingSource, level: setup.Warning, about: "mesh",
		},
		"alerts have their service in a label of their own": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Alerts = append(s.Alerts, alert(-time.Hour, `alertname="A" comp="prod-cart-1"`), alert(-40*time.Minute, `alertname="A" comp="prod-web-1"`))
			},
			want: setup.UnmappedAlerts, level: setup.Error, about: "label comp", paste: "source_labels: [comp]\n      regex: 'prod-(.+)-1'\n      target_label: __service__\n",
		},
		"a label has the name of one service": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Alerts = append(s.Alerts, alert(-time.Hour, `alertname="A" comp="cart"`))
			},
			want: setup.UnmappedAlerts, level: setup.Warning, about: "label comp", paste: "source_labels: [comp]\n      regex: '(.+)'\n",
		},
		"alerts name nothing": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Alerts = append(s.Alerts, alert(-time.Hour, `alertname="A" comp="x"`))
			},
			want: setup.UnmappedAlerts, level: setup.Warning, about: "labels", paste: "service: NAME-IN-THE-TOPOLOGY",
		},
		"a service alerts that the graph does not have": {
			spoil: func(_ *testing.T, s *setup.State) {
				a := alert(-time.Hour, `alertname="A" service="billing"`)
				a.Annotations = map[string]string{"runbook_url": "https://runbooks/a"}
				s.Alerts = append(s.Alerts, a)
			},
			want: setup.UnknownService, level: setup.Warning, about: "billing", paste: "{name: billing}",
		},
		"a service is alone": {
			spoil: func(t *testing.T, s *setup.State) {
				s.Graph = build(t, strings.Replace(shop, "dependencies:", "  - {name: alone, runbook: https://runbooks/alone}\ndependencies:", 1))
			},
			want: setup.OrphanService, level: setup.Hint, about: "alone", paste: "to: alone",
		},
		"names look alike": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.LookAlikes = []discovery.LookAlike{{
					A: discovery.NameOf{Source: "file", Ref: topology.Ref{Name: "cart"}}, B: discovery.NameOf{Source: "mesh", Ref: topology.Ref{Name: "cartservice"}}, Why: "one word",
				}}
			},
			want: setup.LookAlike, level: setup.Warning, about: "cart (file) and cartservice (mesh)", paste: "{name: cart, aliases: [cartservice]}",
		},
		"the mesh does not know a host": {
			spoil: func(t *testing.T, s *setup.State) {
				s.Graph = build(t, shop+"  - {from: cart, to: PassthroughCluster}\n")
			},
			want: setup.UnregisteredTraffic, level: setup.Warning, about: "PassthroughCluster", paste: "kind: ServiceEntry",
		},
		"calls to a host that the mesh does not know fail": {
			spoil: func(_ *testing.T, s *setup.State) {
				a := alert(-time.Hour, `alertname="A" reporter="source" source_workload="cart" destination_service_name="PassthroughCluster"`)
				a.Annotations = map[string]string{"runbook_url": "https://runbooks/a"}
				s.Alerts = append(s.Alerts, a)
			},
			want: setup.UnregisteredTraffic, level: setup.Warning, about: "PassthroughCluster", paste: "kind: ServiceEntry",
		},
		"nothing watches a database": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Health = slices.DeleteFunc(s.Health, func(h *correlate.HealthState) bool { return h.Service.Name == "mysql" })
			},
			want: setup.CoverageGap, level: setup.Warning, about: "mysql", paste: "{service: mysql, target: 'mysql:PORT', module: tcp_connect}",
		},
		"failures do not travel a dependency": {
			spoil: func(_ *testing.T, s *setup.State) {
				s.Figures = []correlate.Figure{{Kind: correlate.FigureEdge, Subject: "web -> cart", Against: 4, Known: true, At: now}}
			},
			want: setup.UnseenEdge, level: setup.Hint, about: "web -> cart", paste: "mode: soft",
		},
		"alerts have no runbook": {
			graph: strings.ReplaceAll(shop, ", runbook: https://runbooks/web", ""),
			spoil: func(*testing.T, *setup.State) {},
			want:  setup.NoRunbook, level: setup.Hint, about: "rules", paste: "runbook_url: https://runbooks.example.org/Watched",
		},
	} {
		t.Run(name, func(t *testing.T) {
			graph := test.graph
			if graph == "" {
				graph = shop
			}
			s := state(t, graph)
			test.spoil(t, s)
			r := setup.Examine(s)
			if len(r.Findings) != 1 {
				t.Fatalf("found %+v", r.Findings)
			}
			f := r.Findings[0]
			if f.Kind != test.want || f.Severity != test.level || f.Subject != test.about {
				t.Errorf("found kind %d, severity %d about %q: %s", f.Kind, f.Severity, f.Subject, f.Title)
			}
			if f.Title == "" || f.Why == "" || f.Remedy == "" {
				t.Errorf("says too little: %+v", f)
			}
			if (f.Snippet != nil) != (test.paste != "") || f.Snippet != nil && !strings.Contains(f.Snippet.Text, test.paste) {
				t.Errorf("to be pasted: %+v, want %q in it", f.Snippet, test.paste)
			}
		})
	}
}

// keepAlerting is a pair that alerted together so many times, hours apart.
func keepAlerting(times int, sameIncident bool) []*correlate.AlertState {
	var out []*correlate.AlertState
	for i := range times {
		began := -time.Duration(i+1) * 5 * time.Hour
		first, second := alert(began, fmt.Sprintf(`alertname="Slow%d" service="vault"`, i)), alert(began+time.Minute, fmt.Sprintf(`alertname="Late%d" service="cart"`, i))
		first.Incident, second.Incident = fmt.Sprintf("INC-%d", 2*i), fmt.Sprintf("INC-%d", 2*i+1)
		if sameIncident {
			second.Incident = first.Incident
		}
		out = append(out, first, second)
	}
	return out
}

func TestPairsThatKeepAlertingTogetherGetAnEdge(t *testing.T) {
	for name, test := range map[string]struct {
		alerts []*correlate.AlertState
		more   string // of the graph
		want   string
	}{
		"three times, the store is called":           {alerts: keepAlerting(3, false), want: "cart -> vault"},
		"twice may be chance":                        {alerts: keepAlerting(2, false)},
		"in one incident, though nothing joins them": {alerts: keepAlerting(3, true), want: "cart -> vault"},
		"there is an edge":                           {alerts: keepAlerting(3, false), more: "  - {from: cart, to: vault}\n"},
		"there is a way":                             {alerts: keepAlerting(3, false), more: "  - {from: cart, to: ledger}\n"},
		"one of them alerts all the time": {alerts: append(keepAlerting(3, false), func() (noise []*correlate.AlertState) {
			for i := range 300 {
				noise = append(noise, alert(-time.Duration(i)*12*time.Minute, fmt.Sprintf(`alertname="N%d" service="cart"`, i)))
			}
			return noise
		}()...)},
	} {
		t.Run(name, func(t *testing.T) {
			s := state(t, shop+test.more)
			s.Alerts = append(s.Alerts, test.alerts...)
			var got []string
			for _, f := range setup.Examine(s).Findings {
				if f.Kind == setup.MissingEdge {
					got = append(got, f.Subject)
					if want := "dependencies:\n  - {from: cart, to: vault, mode: hard}\n"; f.Snippet.Text != want {
						t.Errorf("to be pasted:\n%s", f.Snippet.Text)
					}
				}
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("proposed %q, want %q", got, test.want)
			}
		})
	}
}

// The whole point: what is pasted ends the finding.
func TestAPastedRuleEndsItsFinding(t *testing.T) {
	s := state(t, shop)
	s.Alerts = append(s.Alerts, alert(-time.Hour, `alertname="A" comp="eu.cart.1"`), alert(-time.Minute, `alertname="A" comp="us.mysql.2"`))
	f := setup.Examine(s).Findings[0]
	list, ok := strings.CutPrefix(f.Snippet.Text, "resolve:\n  relabel_configs:\n")
	var pasted topology.ResolverConfig
	if err := yaml.UnmarshalStrict([]byte(list), &pasted.Relabel); !ok || err != nil {
		t.Fatalf("%v in\n%s", err, f.Snippet.Text)
	}
	resolver, err := topology.NewResolver(pasted)
	if err != nil {
		t.Fatal(err)
	}
	s.Resolver = resolver
	if r := setup.Examine(s); len(r.Findings) > 0 {
		t.Errorf("still found: %+v", r.Findings)
	}
}

func TestRulesOfPrometheusCountAsWatching(t *testing.T) {
	s := state(t, shop)
	s.Health = nil
	s.Rules = []setup.RuleSet{
		{Server: "http://p1", Rules: []setup.Rule{
			{Name: "MysqlDown", Query: `mysql_up{service="mysql"} == 0`},
			{Name: "Slow", Query: `rate(x{app=~"cart|vault"}[5m]) > 1`},
			{Name: "General", Query: `up == 0`},
		}},
		{Server: "http://p2", Err: errors.New("connection refused")},
	}
	r := setup.Examine(s)
	if len(r.Findings) > 0 {
		t.Errorf("found %+v", r.Findings)
	}
	want := []string{
		"the rules of http://p2 are not known: connection refused",
		"3 alerting rules of Prometheus were read by the labels that they select and set: 1 name no service of the graph, so that only their alerts will tell whom they watch",
	}
	slices.Sort(r.Notes)
	slices.Sort(want)
	if diff := cmp.Diff(want, r.Notes); diff != "" {
		t.Error(diff)
	}
}

func TestOfManyFindingsTheMostImportantAreTold(t *testing.T) {
	var text strings.Builder
	text.WriteString("dependencies:\n")
	for i := range 30 {
		fmt.Fprintf(&text, "  - {from: web, to: api%d}\n", i)
	}
	s := state(t, text.String())
	s.Health = nil
	r := setup.Examine(s)
	gaps := 0
	for _, f := range r.Findings {
		if f.Kind == setup.CoverageGap {
			gaps++
		}
	}
	if gaps != 20 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "10 more findings about services that nothing watches are left out") {
		t.Errorf("%d gaps are told; notes %q", gaps, r.Notes)
	}
}

func TestWhatIsFoundDoesNotDependOnTheOrderOfMaps(t *testing.T) {
	var first setup.Report
	for i := range 20 {
		s := state(t, shop)
		s.Alerts = append(s.Alerts, keepAlerting(4, false)...)
		for j, name := range []string{"a", "b", "c", "d"} {
			s.Alerts = append(s.Alerts, alert(-time.Duration(j)*time.Hour, fmt.Sprintf(`alertname="X" service="unknown-%s" odd=%s`, name, name)))
		}
		r := setup.Examine(s)
		if i == 0 {
			first = r
		} else if diff := cmp.Diff(first, r); diff != "" {
			t.Fatalf("differs: %s", diff)
		}
	}
}
