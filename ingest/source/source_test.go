package source

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/mapping"
)

var rewrite = flag.Bool("rewrite", false, "write the mistakes in testdata anew")

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// told renders what a request comes to on one line.
func told(s *Source, r Request) string {
	r.Received = noon
	d, err := s.Decode(r)
	var parts []string
	for _, sig := range d.Signals {
		switch sig := sig.(type) {
		case *correlate.AlertBatch:
			for i := range sig.Alerts {
				a := &sig.Alerts[i]
				parts = append(parts, a.Status.String()+" "+a.Labels["alertname"]+" on "+a.Labels["service"]+" from "+sig.Source)
			}
		case *correlate.HealthBatch:
			for _, h := range sig.Results {
				parts = append(parts, h.Service.String()+" "+h.Status.String()+" from "+sig.Source)
			}
		case *correlate.Change:
			parts = append(parts, sig.Service.String()+" "+sig.Kind+" from "+sig.Source)
		}
	}
	if d.Note != "" {
		parts = append(parts, "note: "+d.Note)
	}
	if err != nil {
		parts = append(parts, "error: "+err.Error())
	}
	return strings.Join(parts, "; ")
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every kind that needs no mapping takes the body that its sender's documentation shows.
func TestEveryKindTakesTheRecordedBodies(t *testing.T) {
	const ce = "application/cloudevents+json"
	for _, tc := range []struct{ kind, file, contentType, event, want string }{
		{KindAlertmanager, "alertmanager/testdata/documented.json", "", "", "firing"},
		{KindPrometheus, "alertmanager/testdata/prometheus-v2.json", "", "", "resolved"},
		{KindGrafana, "grafana/testdata/webhook.json", "", "", "firing Checkout latency on checkout from grafana; resolved DatasourceNoData on cart from grafana"},
		{KindArgoCD, "argocd/testdata/on-deployed.json", "", "", "shop/payment deploy from argocd"},
		{KindFlux, "flux/testdata/kustomization-progressing.json", "", "", "shop/payment deploy from flux"},
		{KindFlux, "flux/testdata/source-fetched.json", "", "", "note: GitRepository flux-system/deploy: NewArtifact tells of no change"},
		{KindGitHub, "github/testdata/deployment_status.json", "", "deployment_status", "payment deploy from github"},
		{KindGitHub, "github/testdata/ping.json", "", "ping", "note: event"},
		{KindCloudEvents, "cloudevents/testdata/structured.json", ce, "", "shop/payment deploy from cdevents"},
		{KindCloudEvents, "cloudevents/testdata/batch.json", "application/cloudevents-batch+json", "", "note: none of 2 events maps to anything"},
	} {
		s, ok := Builtin(tc.kind)
		if !ok {
			t.Fatalf("no kind %s", tc.kind)
		}
		got := told(s, Request{Body: read(t, "..", filepath.FromSlash(tc.file)), ContentType: tc.contentType, Header: func(string) string { return tc.event }})
		if tc.kind == KindCloudEvents {
			got = told(s, Request{Body: read(t, "..", filepath.FromSlash(tc.file)), ContentType: tc.contentType})
		}
		if !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s, %s:\n got %s\nwant %s", tc.kind, tc.file, got, tc.want)
		}
	}
	if _, ok := Builtin(KindEvents); ok {
		t.Error("events without a mapping")
	}
}

func TestCloudEventsCarryOurOwnBodies(t *testing.T) {
	s, _ := Builtin(KindCloudEvents)
	event := func(typ, data string) string {
		return `{"specversion":"1.0","id":"1","source":"ci","type":"` + typ + `","data":` + data + `}`
	}
	for _, tc := range []struct{ typ, data, want string }{
		{TypeChange, `{"service": "shop/cart", "kind": "deploy"}`, "shop/cart deploy from webhook"},
		{TypeHealth, `{"service": "shop/cart", "status": "up"}`, "shop/cart passing from webhook"},
		{TypeAlerts, `[{"labels": {"alertname": "A", "service": "cart"}}]`, "firing A on cart from prometheus"},
		{"com.example.else", `{}`, `note: type "com.example.else" is none that is known without a mapping`},
		{TypeChange, `{"service": "shop/cart"}`, "error: 1 events rejected, the first: event 1: kind: missing"},
	} {
		got := told(s, Request{Body: []byte(event(tc.typ, tc.data)), ContentType: "application/cloudevents+json"})
		if !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s:\n got %s\nwant %s", tc.typ, got, tc.want)
		}
	}
	batch := "[" + event(TypeChange, `{"service": "a", "kind": "deploy"}`) + "," + event(TypeChange, `{}`) + "," + event(TypeAlerts, `[{"labels":{}},{"labels":{"service":"b"}}]`) + "]"
	d, err := s.Decode(Request{Body: []byte(batch), ContentType: "application/cloudevents-batch+json", Received: noon})
	var rejected *mapping.RejectedError
	if len(d.Signals) != 2 || !errors.As(err, &rejected) || rejected.Rejected != 2 {
		t.Errorf("%d signals, error %v", len(d.Signals), err)
	}
}

const configured = `
route: {receiver: nobody}   # not ours
sources:
  - name: deadlock-monitor
    bearer_token_file: token
    ends_after: 15m
    cel:
      alert:
        labels:
          alertname: '"DatabaseDeadlock"'
          service: event.service
          severity: event.severity
        starts_at: event.timestamp
  - name: github
    kind: github
    hmac_secret_file: token
    environments: [production]
    services:
      - {match: 'acme/(.+)', service: 'shop/$1'}
  - name: deploys
    kind: cloudevents
    services: [{match: '(.+)', service: 'prod/$1'}]
  - name: queue
    kind: cloudevents
    cel: {change: {service: ce.subject, kind: '"deploy"'}}
`

func TestConfiguredSources(t *testing.T) {
	path := write(t, "headwater.yaml", configured)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "token"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sources, err := Load(path)
	if err != nil || len(sources) != 4 {
		t.Fatal(err, len(sources))
	}
	monitor, hub, deploys, queue := sources[0], sources[1], sources[2], sources[3]
	if monitor.Path != "/webhook/source/deadlock-monitor" || !monitor.Guarded() || !hub.Guarded() || hub.HMACHeader != "X-Hub-Signature-256" || queue.Guarded() {
		t.Errorf("%+v\n%+v\n%+v", monitor, hub, queue)
	}
	deadlock := read(t, "..", "mapping", "testdata", "deadlock.json")
	if got, want := told(monitor, Request{Body: append([]byte("\xef\xbb\xbf"), deadlock...)}), "firing DatabaseDeadlock on orders from deadlock-monitor"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	event := []byte(`{"specversion":"1.0","id":"1","source":"db","type":"t","data":` + string(deadlock) + `}`)
	if got, want := told(monitor, Request{Body: event, ContentType: "application/cloudevents+json"}), "firing DatabaseDeadlock on orders from deadlock-monitor"; got != want {
		t.Errorf("in a CloudEvent: got %s, want %s", got, want)
	}
	status := Request{Body: read(t, "..", "github", "testdata", "deployment_status.json"), Header: func(string) string { return "deployment_status" }}
	if got, want := told(hub, status), "shop/payment deploy from github"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	cd := Request{Body: read(t, "..", "cloudevents", "testdata", "structured.json"), ContentType: "application/cloudevents+json"}
	if got, want := told(deploys, cd), "prod/shop/payment deploy from cdevents"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := told(queue, cd), "shop/payment deploy from queue"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMistakesInTheSectionNameTheLine(t *testing.T) {
	path := write(t, "headwater.yaml", `sources:
  - name: Deadlock Monitor
  - name: prometheus
    kind: grafana
  - kind: github
  - name: a
    kind: gitlab
  - name: b
    cel:
      alert:
        labels:
          alertname: "Deadlock"
          service: event.
        when: "1"
    ends_after: 5m
  - name: c
    cel:
      each: |
        body.items
          .filter(x, x.app == name)
      change: {service: event.app}
  - name: d
  - name: e
    bearer_token_file: absent
    kind: grafana
  - {name: f, kind: events, hmac_secret_file: headwater.yaml, cel: {change: {service: '"a"', kind: '"b"'}}}
  - {name: g, kind: flux, cel: {}}
  - {name: h, kind: grafana, services: [{match: a}]}
  - {name: i, kind: grafana, services: [{match: a, service: b}]}
  - {name: j, kind: flux, environments: [prod]}
  - {name: k, kind: flux, bearer_token_file: headwater.yaml, hmac_secret_file: headwater.yaml}
  - {name: l, kind: flux}
  - {name: l, kind: flux}
  - {name: m, cel: {alert: {labels: [a]}}, ends_after: 0s}
  - {name: n, cel: {alert: {labels: {service: event.s}}}}
  - {name: o, kind: flux, hmac_header: X-Sig, ends_after: 5m}
`)
	sources, err := Load(path)
	if len(sources) != 1 || sources[0].Name != "l" {
		t.Errorf("sources %v", sources)
	}
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.ReplaceAll(err.Error(), filepath.Dir(path)+string(filepath.Separator), "")
	golden := filepath.Join("testdata", "mistakes.txt")
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, golden)); got+"\n" != want {
		t.Errorf("got\n%s\n\nwant\n%s", got, want)
	}
}

func TestWhoActsInTheNamesOfPeopleNeedsASecret(t *testing.T) {
	for text, want := range map[string]string{
		"{name: pd, kind: pagerduty}": "needs hmac_secret_file: a source of kind pagerduty acts in the names of people",
		"{name: chat, kind: slack}":   "needs hmac_secret_file: a source of kind slack acts in the names of people",
		"{name: og, kind: opsgenie}":  "needs bearer_token_file: a source of kind opsgenie acts in the names of people",
	} {
		if _, err := Load(write(t, "headwater.yaml", "sources:\n- "+text+"\n")); err == nil || !strings.Contains(err.Error(), ":2: sources[0]: "+want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
