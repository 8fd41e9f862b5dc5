package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/ingest/source"
)

const monitor = "/webhook/source/monitor"

// configuredSources are those of a file with a mapping for events and a signed sender.
func configuredSources(t testing.TB) (sources []*source.Source, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"token": "let me in\n",
		"headwater.yaml": `sources:
  - name: monitor
    bearer_token_file: token
    ends_after: 15m
    cel: {each: "type(body) == list ? body : [body]", alert: {labels: {alertname: '"Deadlock"', service: event.service}}}
  - {name: hub, kind: github, hmac_secret_file: token}
  - {name: dash, kind: grafana}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := source.Load(filepath.Join(dir, "headwater.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return sources, dir
}

func withSources(t testing.TB, s *stream) (in *Intake, dir string) {
	t.Helper()
	in = newIntake(t, Options{Publisher: s})
	sources, dir := configuredSources(t)
	in.SetSources(sources)
	return in, dir
}

func TestEventsOfAConfiguredSource(t *testing.T) {
	s := &stream{}
	in, _ := withSources(t, s)
	got := post(t, in, monitor, `{"service": "orders"}`, "Authorization", "Bearer let me in")
	if got.Code != 200 || got.Accepted != 1 || got.Position != 1 {
		t.Errorf("answer %+v", got)
	}
	if b := s.signals[0].(*correlate.AlertBatch); b.Source != "monitor" || b.Alerts[0].Labels["service"] != "orders" {
		t.Errorf("batch %+v", b)
	}
	if got := post(t, in, monitor, `[]`, "Authorization", "bearer let me in"); got.Code != 200 || got.Accepted != 0 || got.Note == "" {
		t.Errorf("nothing mapped: %+v", got)
	}
	if got := post(t, in, "/webhook/source/absent", `{}`); got.Code != 404 || !strings.Contains(got.Error, "configured") {
		t.Errorf("absent: %+v", got)
	}
}

func TestOnlyWhoHasTheTokenGetsIn(t *testing.T) {
	s := &stream{}
	in, dir := withSources(t, s)
	for _, header := range []string{"", "Bearer", "Bearer let me", "Bearer let me in please", "Basic let me in", "let me in"} {
		if got := post(t, in, monitor, `<`, "Authorization", header); got.Code != 401 || got.Error == "" {
			t.Errorf("%q: %+v", header, got)
		}
	}
	if len(s.signals)+len(s.letters) > 0 {
		t.Errorf("%d signals, %d dead letters of strangers", len(s.signals), len(s.letters))
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := post(t, in, monitor, `{"service":"a"}`, "Authorization", "Bearer changed"); got.Code != 200 {
		t.Errorf("the new token: %+v", got)
	}
	if err := os.WriteFile(token, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := post(t, in, monitor, `{}`, "Authorization", "Bearer "); got.Code != 503 {
		t.Errorf("an empty token lets in: %+v", got)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if got := post(t, in, monitor, `{}`, "Authorization", "Bearer changed"); got.Code != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("no token file: %+v", got)
	}
}

func TestOnlySignedBodiesAreTaken(t *testing.T) {
	s := &stream{}
	reg := prometheus.NewRegistry()
	in := newIntake(t, Options{Publisher: s, Registerer: reg})
	sources, _ := configuredSources(t)
	in.SetSources(sources)
	text := recordedDeployment(t)
	mac := hmac.New(sha256.New, []byte("let me in"))
	mac.Write([]byte(text))
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	send := func(text, signature string) response {
		return post(t, in, "/webhook/source/hub", text, "X-GitHub-Event", "deployment_status", "X-Hub-Signature-256", signature)
	}
	for name, got := range map[string]response{
		"none":           send(text, ""),
		"another body":   send(text+" ", signature),
		"no prefix":      send(text, strings.TrimPrefix(signature, "sha256=")),
		"no hexadecimal": send(text, "sha256=zz"),
	} {
		if got.Code != 401 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := post(t, in, "/webhook/source/hub", "x", "Content-Encoding", "gzip"); got.Code != 400 || len(s.letters) != 0 {
		t.Errorf("unsigned and unreadable: %+v, %d dead letters", got, len(s.letters))
	}
	if got := send(text, signature); got.Code != 200 || got.Accepted != 1 {
		t.Errorf("signed: %+v", got)
	}
	if c := s.signals[0].(*correlate.Change); c.Service.Name != "payment" {
		t.Errorf("change %+v", c)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "headwater_ingest_unauthorized_total" {
			for _, m := range f.GetMetric() {
				if m.GetLabel()[0].GetValue() == "/webhook/source/hub" && m.GetCounter().GetValue() != 4 {
					t.Errorf("unauthorized counts %v", m.GetCounter().GetValue())
				}
			}
		}
	}
}

func recordedDeployment(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("github", "testdata", "deployment_status.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatASourceSendsAndCannotBeUsedIsKept(t *testing.T) {
	s := &stream{}
	in, _ := withSources(t, s)
	got := post(t, in, monitor, `[{"service":"a"},{"x":1}]`, "Authorization", "Bearer let me in")
	if got.Code != 200 || got.Accepted != 1 || got.Rejected != 1 || !got.DeadLetter {
		t.Errorf("in part: %+v", got)
	}
	if got := post(t, in, monitor, `<`, "Authorization", "Bearer let me in"); got.Code != 400 || !got.DeadLetter || got.Line != 1 {
		t.Errorf("as a whole: %+v", got)
	}
	// Grafana gives up on a 4xx, as Alertmanager does.
	if got := post(t, in, "/webhook/source/dash", `<`); got.Code != 200 || !got.DeadLetter {
		t.Errorf("Grafana: %+v", got)
	}
	if len(s.letters) != 3 || s.letters[0].Source != monitor {
		t.Errorf("dead letters %+v", s.letters)
	}
	s.refuse = down
	if got := post(t, in, monitor, `{"service":"a"}`, "Authorization", "Bearer let me in"); got.Code != 503 {
		t.Errorf("stream down: %+v", got)
	}
}

func TestTruncatedNotificationsAreTold(t *testing.T) {
	s := &stream{}
	var told []*correlate.AlertBatch
	in := newIntake(t, Options{Publisher: s, OnTruncated: func(b *correlate.AlertBatch) { told = append(told, b) }})
	post(t, in, webhook, group(firing))
	truncated := strings.Replace(group(firing), `"truncatedAlerts":0`, `"truncatedAlerts":7,"externalURL":"http://am"`, 1)
	post(t, in, webhook, truncated)
	post(t, in, "/webhook/grafana", truncated)
	if len(told) != 2 || told[0].ExternalURL != "http://am" || told[0].Truncated != 7 {
		t.Errorf("told %+v", told)
	}
	s.refuse = down
	post(t, in, webhook, truncated)
	if len(told) != 2 {
		t.Error("told of what was not stored")
	}
}

func TestMessagesAreTakenAsRequestsAre(t *testing.T) {
	s := &stream{}
	in, _ := withSources(t, s)
	deliver := func(to, body string) error {
		return in.Deliver(context.Background(), Message{To: to, Body: []byte(body), Header: http.Header{}, RemoteAddr: "nats"})
	}
	for to, path := range map[string]string{source.KindAlertmanager: webhook, source.KindPrometheus: v2, source.KindHealth: healthz, source.KindChange: changes} {
		if err := deliver(to, good[path]); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	if err := deliver("source.monitor", `{"service":"a"}`); err != nil {
		t.Error(err)
	}
	if len(s.signals) != 6 || len(s.letters) != 0 {
		t.Errorf("%d signals, %d dead letters", len(s.signals), len(s.letters))
	}
	for to, body := range map[string]string{source.KindAlertmanager: "<", source.KindHealth: `{"service":"a","status":"meh"}`, source.KindChange: `{}`, "source.absent": `{}`, "nobody": `{}`} {
		before := len(s.letters)
		if err := deliver(to, body); err != nil || len(s.letters) != before+1 || s.letters[before].Reason == "" {
			t.Errorf("%s: %v, %d dead letters", to, err, len(s.letters)-before)
		}
	}
	s.refuse, s.refuseLetter = down, bus.ErrUnavailable
	for to, body := range map[string]string{source.KindAlertmanager: good[webhook], source.KindHealth: good[healthz], "source.monitor": `{"service":"a"}`, source.KindChange: `{}`, "nobody": ``} {
		if err := deliver(to, body); err == nil {
			t.Errorf("%s: settled though nothing could be stored", to)
		}
	}
}
