package mapping

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/topology"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// of makes a mapping of pairs of key and expression.
func of(pairs ...string) Spec {
	s := Spec{Source: "events", EndsAfter: 15 * time.Minute}
	for i := 0; i < len(pairs); i += 2 {
		s.Expressions = append(s.Expressions, Expression{Key: pairs[i], Source: pairs[i+1]})
	}
	return s
}

func compiled(t testing.TB, s Spec) *Mapping {
	t.Helper()
	m, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// deadlocks is the mapping of docs/intake.md.
var deadlocks = of(
	"alert.labels.alertname", `"DatabaseDeadlock"`,
	"alert.labels.service", `event.service`,
	"alert.labels.severity", `event.severity == "HIGH" ? "error" : event.severity`,
	"alert.annotations.summary", `event.event + " in " + event.service`,
	"alert.annotations.description", `"tables: " + event.?details.?tables.orValue([]).join(", ")`,
	"alert.annotations.wait_ms", `event.?details.?wait_ms`,
	"alert.annotations.host", `event.?details.?host`,
	"alert.starts_at", `event.timestamp`,
)

func TestTheDeadlockMonitorsEvents(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "deadlock.json"))
	if err != nil {
		t.Fatal(err)
	}
	received := time.Date(2026, 11, 20, 8, 31, 5, 0, time.UTC)
	got, err := compiled(t, deadlocks).Signals(text, nil, received)
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"alertname": "DatabaseDeadlock", "service": "orders", "severity": "error"}
	want := []correlate.Signal{&correlate.AlertBatch{Source: "events", Alerts: []correlate.Alert{{
		Fingerprint: alertmanager.Fingerprint(labels), Labels: labels,
		Annotations: map[string]string{"summary": "DEADLOCK_DETECTED in orders", "description": "tables: inventory, orders", "wait_ms": "1003.5"},
		StartsAt:    time.Date(2026, 11, 20, 8, 31, 4, 512e6, time.UTC), EndsAt: received.Add(15 * time.Minute),
	}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
}

func TestChangesAndHealthResults(t *testing.T) {
	m := compiled(t, of(
		"each", `body.items`,
		"change.when", `event.kind == "rollout"`, "change.service", `event.app`, "change.namespace", `event.?ns`, "change.kind", `"Deploy"`,
		"change.summary", `event.app + " " + string(event.version)`, "change.at", `event.at`,
		"health.when", `event.kind == "check"`, "health.service", `event.app`, "health.status", `event.ok ? "up" : "down"`, "health.latency_ms", `event.ms`,
	))
	got, err := m.Signals([]byte(`{"items": [
		{"kind": "rollout", "app": "cart", "ns": "shop", "version": 7, "at": 1763634600},
		{"kind": "check", "app": "shop/web", "ok": false, "ms": 12.5},
		{"kind": "other"}]}`), nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := []correlate.Signal{
		&correlate.HealthBatch{Source: "events", Results: []correlate.HealthResult{{
			Service: topology.Ref{Namespace: "shop", Name: "web"}, Status: correlate.HealthFailing, Latency: 12500 * time.Microsecond,
		}}},
		&correlate.Change{
			Service: topology.Ref{Namespace: "shop", Name: "cart"}, Kind: "deploy", Summary: "cart 7", At: time.Unix(1763634600, 0).UTC(), Source: "events",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
}

func TestFromWhenToWhenAnAlertCounts(t *testing.T) {
	at := func(minutes int) string { return noon.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339) }
	m := compiled(t, of("alert.labels.service", `"a"`, "alert.starts_at", `event.?from`, "alert.ends_at", `event.?to`, "alert.resolved", `event.?over.orValue(false)`))
	for _, tc := range []struct {
		point, text string
		from, to    int // minutes from noon
		status      correlate.AlertStatus
	}{
		{"nothing is said of time", `{}`, 0, 15, correlate.Firing},
		{"it began before", `{"from": "` + at(-3) + `"}`, -3, 15, correlate.Firing},
		{"in milliseconds", fmt.Sprintf(`{"from": %d}`, noon.Add(-3*time.Minute).UnixMilli()), -3, 15, correlate.Firing},
		{"it says when it ends", `{"to": "` + at(2) + `"}`, 0, 2, correlate.Firing},
		{"the end has come", `{"from": "` + at(-9) + `", "to": "` + at(-1) + `"}`, -9, -1, correlate.Resolved},
		{"it is taken back", `{"over": true}`, 0, 0, correlate.Resolved},
		{"it is taken back with an end to come", `{"over": true, "to": "` + at(5) + `"}`, 0, 0, correlate.Resolved},
		{"it was over before", `{"over": true, "from": "` + at(-9) + `", "to": "` + at(-2) + `"}`, -9, -2, correlate.Resolved},
		{"it ends before it begins", `{"from": "` + at(5) + `", "to": "` + at(2) + `"}`, 2, 2, correlate.Firing},
	} {
		t.Run(tc.point, func(t *testing.T) {
			got, err := m.Signals([]byte(tc.text), nil, noon)
			if err != nil {
				t.Fatal(err)
			}
			a := got[0].(*correlate.AlertBatch).Alerts[0]
			if from, to := int(a.StartsAt.Sub(noon).Minutes()), int(a.EndsAt.Sub(noon).Minutes()); from != tc.from || to != tc.to || a.Status != tc.status {
				t.Errorf("from %d to %d, %s", from, to, a.Status)
			}
			if a.Labels["alertname"] != "events" {
				t.Errorf("an alert without a name is called %q", a.Labels["alertname"])
			}
		})
	}
}

func TestOneBadEventDoesNotCostTheOthers(t *testing.T) {
	m := compiled(t, of("each", `body`, "skip", `event.?noise.orValue(false)`, "alert.labels.service", `event.service`))
	got, err := m.Signals([]byte(`[{"service": "a"}, {"sevrice": "b"}, {"noise": true}, {"service": {"name": "c"}}, {"service": ""}]`), nil, noon)
	if n := len(got[0].(*correlate.AlertBatch).Alerts); n != 1 {
		t.Errorf("%d alerts", n)
	}
	var rejected *RejectedError
	if !errors.As(err, &rejected) || rejected.Rejected != 3 {
		t.Fatalf("error %v", err)
	}
	if want := "3 events rejected, the first: event 1: alert.labels.service: no such key: service"; err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestMistakesInEvents(t *testing.T) {
	for _, tc := range []struct {
		point      string
		spec       Spec
		text, want string
	}{
		{"no JSON", deadlocks, `<event/>`, "want a value, got '<' (line 1, byte 0)"},
		{"a list where a text belongs", deadlocks, `{"service": ["a"], "severity": "x", "event": "e", "timestamp": 0}`, "alert.labels.service: yields list, want a text"},
		{"no time", of("alert.labels.a", `"a"`, "alert.starts_at", `event.at`), `{"at": "soon"}`, `alert.starts_at: want a time such as 2026-01-05T00:07:22Z (RFC 3339) or Unix seconds, got "soon"`},
		{"a time beyond all", of("alert.labels.a", `"a"`, "alert.starts_at", `event.at`), `{"at": 1e300}`, "alert.starts_at: want a time between the years 1678 and 2261"},
		{"a truth value for a time", of("alert.labels.a", `"a"`, "alert.starts_at", `event.at`), `{"at": true}`, "alert.starts_at: yields bool, want a time"},
		{"a text for a truth value", of("skip", `event.skip`, "alert.labels.a", `"a"`), `{"skip": "yes"}`, "skip: yields string, want true or false"},
		{"each yields no list", of("each", `body.items`, "alert.labels.a", `"a"`), `{"items": 7}`, "each: yields double, want a list"},
		{"too many events", of("each", `body`, "alert.labels.a", `"a"`), "[" + strings.Repeat("1,", MaxEvents) + "1]", "each: yields 501 events; send at most 500 at a time"},
		{"an expression without end", of("alert.labels.a", `body.all(a, body.all(b, body.all(c, true))) ? "a" : "b"`), "[" + strings.Repeat("1,", 99) + "1]", "alert.labels.a: operation cancelled: actual cost limit exceeded"},
		{"an unknown health status", of("health.service", `"a"`, "health.status", `event.s`), `{"s": "meh"}`, `health.status: health status "meh": want passing, degraded, failing or unknown`},
		{"a latency that is none", of("health.service", `"a"`, "health.status", `"up"`, "health.latency_ms", `event.l`), `{"l": "NaN"}`, `health.latency_ms: want milliseconds, got "NaN"`},
		{"a change of nothing", of("change.service", `event.?s`, "change.kind", `"deploy"`), `{}`, `change.service: missing: want "name" or "namespace/name"`},
		{"a kind that is a sentence", of("change.service", `"a"`, "change.kind", `event.k`), `{"k": "we did it"}`, `change.kind: want deploy, config, scale, rollback or another word of up to 32 letters, digits, - and _, got "we did it"`},
	} {
		t.Run(tc.point, func(t *testing.T) {
			_, err := compiled(t, tc.spec).Signals([]byte(tc.text), nil, noon)
			if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("\n got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestMistakesInAMappingNameKeyAndPlace(t *testing.T) {
	for _, tc := range []struct {
		point string
		spec  Spec
		want  []string
	}{
		{"no CEL, and something that is not there", of("alert.labels.a", "event.\nservice +", "alert.labels.b", "evnt.service", "alert.labels.c", `"c"`), []string{
			"alert.labels.a: Syntax error: mismatched input '<EOF>' expecting", "(line 2, column 10 of the expression)",
			"alert.labels.b: undeclared reference to 'evnt' (in container '') (line 1, column 1 of the expression)",
		}},
		{"a text for a truth value", of("skip", `"yes"`, "alert.labels.a", `"a"`), []string{"skip: yields string, want bool"}},
		{"a text for a list", of("each", `"all"`, "alert.labels.a", `"a"`), []string{"each: yields string, want list(dyn)"}},
		{"nothing to map to", of("skip", "false"), []string{"cel: maps to nothing; write alert, change or health"}},
		{"parts that are needed", of("change.summary", `"a"`, "health.service", `"a"`), []string{"change.service: missing", "change.kind: missing", "health.status: missing"}},
		{"no labels", of("alert.starts_at", "received"), []string{"alert.labels: missing; write at least the labels alertname and service"}},
		{"alerts without end", Spec{Expressions: []Expression{{"alert.labels.a", `"a"`}}}, []string{"alert: needs ends_after beside cel, such as 15m, or ends_at"}},
	} {
		t.Run(tc.point, func(t *testing.T) {
			_, err := Compile(tc.spec)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %s in\n%v", want, err)
				}
			}
		})
	}
}

func TestTheCloudEventAroundIt(t *testing.T) {
	m := compiled(t, of("alert.labels.service", `ce.source.split(":")[2]`, "alert.labels.alertname", `ce.type`, "alert.starts_at", `ce[?"time"]`))
	got, err := m.Signals([]byte(`null`), map[string]string{"source": "urn:deadlocks:orders", "type": "deadlock"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if a := got[0].(*correlate.AlertBatch).Alerts[0]; a.Labels["service"] != "orders" || a.Labels["alertname"] != "deadlock" || !a.StartsAt.Equal(noon) {
		t.Errorf("alert %+v", a)
	}
}

// FuzzSignals: no body makes a mapping panic, run on for long, or yield what the stream cannot hold.
func FuzzSignals(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "deadlock.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`[{"service":"\ud800","at":1e999,"kind":"deploy","status":"up"}]`))
	f.Add([]byte(`{"service":1e300,"severity":null,"event":true,"timestamp":-1e12}`))
	one := compiled(f, deadlocks)
	many := compiled(f, of("each", `type(body) == list ? body : [body]`,
		"alert.labels.service", `event.?service`, "alert.starts_at", `event.?timestamp`,
		"change.when", `has(event.kind)`, "change.service", `event.service`, "change.kind", `event.kind`, "change.at", `event.?at`,
		"health.when", `has(event.status)`, "health.service", `event.service`, "health.status", `event.status`, "health.latency_ms", `event.?ms`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range []*Mapping{one, many} {
			signals, _ := m.Signals(text, nil, noon)
			for _, s := range signals {
				batch, ok := s.(*correlate.AlertBatch)
				if !ok {
					continue
				}
				for i := range batch.Alerts {
					a := &batch.Alerts[i]
					if len(a.Labels) == 0 || a.Fingerprint == "" || a.EndsAt.Before(a.StartsAt) || (a.Status == correlate.Resolved) == a.EndsAt.After(noon) {
						t.Errorf("alert %+v", a)
					}
				}
			}
		}
	})
}
