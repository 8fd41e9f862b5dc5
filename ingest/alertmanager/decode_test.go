package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
)

var (
	began   = time.Date(2026, 1, 5, 3, 0, 12, 87e6, time.UTC)
	arrived = time.Date(2026, 1, 5, 3, 5, 30, 0, time.UTC)
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mustDecode is for bodies in which nothing is wrong.
func mustDecode(t testing.TB, text []byte) *correlate.AlertBatch {
	t.Helper()
	batch, err := DecodeWebhook(text)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return batch
}

// oneAlert is a webhook body with one alert of the given members.
func oneAlert(members string) []byte {
	return []byte(`{"version":"4","status":"firing","alerts":[{` + members + `}]}`)
}

func TestWebhookBodyFromTheDocumentation(t *testing.T) {
	want := &correlate.AlertBatch{
		Source:      "alertmanager",
		Receiver:    "headwater",
		GroupKey:    `{}/{severity="critical"}:{alertname="HighLatency"}`,
		ExternalURL: "http://alertmanager.example:9093",
		Alerts: []correlate.Alert{{
			Fingerprint:  "6a9d3d6a52a3cf0b",
			Labels:       map[string]string{"alertname": "HighLatency", "namespace": "robot-shop", "service": "shipping", "severity": "critical"},
			Annotations:  map[string]string{"summary": "P90 of shipping is 9.28 s", "runbook_url": "https://runbooks.example/latency"},
			Status:       correlate.Firing,
			StartsAt:     began,
			GeneratorURL: "http://prometheus.example:9090/graph?g0.expr=histogram_quantile%280.9%29&g0.tab=1",
		}},
	}
	if diff := cmp.Diff(want, mustDecode(t, readFile(t, "documented.json"))); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
}

// Grafana's webhook looks like Alertmanager's and is not: other version, more fields, zones.
func TestGrafanaBodyDecodes(t *testing.T) {
	batch := mustDecode(t, readFile(t, "grafana.json"))
	want := []correlate.Alert{{
		Fingerprint:  "c4d0e1a2b3f49586",
		Labels:       map[string]string{"alertname": "ErrorRate", "grafana_folder": "Robot Shop", "service": "ratings"},
		Annotations:  map[string]string{"summary": "5xx at 84 % – “ratings” 🔥"},
		Status:       correlate.Resolved,
		StartsAt:     time.Date(2026, 1, 5, 3, 5, 0, 0, time.UTC),
		EndsAt:       time.Date(2026, 1, 5, 3, 21, 30, 0, time.UTC),
		GeneratorURL: "https://grafana.example/alerting/grafana/abc/view?orgId=1",
	}}
	if diff := cmp.Diff(want, batch.Alerts); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

func TestWebhookAlert(t *testing.T) {
	const labels = `"labels":{"alertname":"Down","service":"cart"}`
	const starts = `"startsAt":"2026-01-05T03:00:12.087Z"`
	own := Fingerprint(map[string]string{"alertname": "Down", "service": "cart"})
	alert := func(change func(*correlate.Alert)) correlate.Alert {
		a := correlate.Alert{Fingerprint: own, Labels: map[string]string{"alertname": "Down", "service": "cart"}, StartsAt: began}
		if change != nil {
			change(&a)
		}
		return a
	}
	ended := func(a *correlate.Alert) { a.Status, a.EndsAt = correlate.Resolved, began.Add(time.Minute) }
	for _, tc := range []struct {
		name, members string
		want          correlate.Alert
	}{
		{"zero endsAt is no end", labels + `,` + starts + `,"endsAt":"0001-01-01T00:00:00Z","status":"firing"`, alert(nil)},
		{"missing endsAt is no end", labels + `,` + starts + `,"status":"firing"`, alert(nil)},
		{"a firing alert's time-out is no end", labels + `,` + starts + `,"endsAt":"2026-01-05T03:05:12Z","status":"firing"`, alert(nil)},
		{"year 9999 is a long time", labels + `,` + starts + `,"endsAt":"9999-12-31T23:59:59Z","status":"resolved"`, alert(func(a *correlate.Alert) { a.Status, a.EndsAt = correlate.Resolved, body.Latest })},
		{"resolved", labels + `,` + starts + `,"endsAt":"2026-01-05T03:01:12.087Z","status":"resolved"`, alert(ended)},
		{"resolved without a known end", labels + `,` + starts + `,"status":"resolved"`, alert(func(a *correlate.Alert) { a.Status = correlate.Resolved })},
		{"no status: the group's, which is firing", labels + `,` + starts + `,"endsAt":"2026-01-05T03:01:12.087Z"`, alert(nil)},
		{"null stands for absent", labels + `,` + starts + `,"annotations":null,"endsAt":null,"generatorURL":null,"fingerprint":null,"status":null`, alert(nil)},
		{"Alertmanager's fingerprint is kept", labels + `,` + starts + `,"fingerprint":"0123456789ABCDEF"`, alert(func(a *correlate.Alert) { a.Fingerprint = "0123456789abcdef" })},
		{"a fingerprint of another scheme is not", labels + `,` + starts + `,"fingerprint":"0123456789abcdeg"`, alert(nil)},
		{"nor is a long one", labels + `,` + starts + `,"fingerprint":"` + strings.Repeat("0", 17) + `"`, alert(nil)},
		{"a label with an empty value is none", `"labels":{"alertname":"Down","pod":"","service":"cart","zone":null},` + starts, alert(nil)},
		{"a repeated key's last value counts", `"labels":{"alertname":"Up","service":"cart","alertname":"Down"},` + starts, alert(nil)},
		{"unknown fields are skipped", `"silencedBy":[{"id":1}],"isTest":true,"x":1.5e3,` + labels + `,` + starts, alert(nil)},
		{"a zone is turned into UTC", labels + `,"startsAt":"2026-01-05T08:30:12.087+05:30"`, alert(nil)},
		{"no zone means UTC, as in Alertmanager", labels + `,"startsAt":"2026-01-05T03:00:12.087"`, alert(nil)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			batch := mustDecode(t, oneAlert(tc.members))
			if diff := cmp.Diff([]correlate.Alert{tc.want}, batch.Alerts); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAlertsWithoutStatus(t *testing.T) {
	const alerts = `"alerts":[
		{"labels":{"a":"open"},"startsAt":"2026-01-05T03:00:12Z"},
		{"labels":{"a":"over"},"startsAt":"2026-01-05T03:00:12Z","endsAt":"2026-01-05T03:01:12Z"}]`
	for _, tc := range []struct {
		name, text string
		want       [2]correlate.AlertStatus
	}{
		{"the group's status before them", `{"status":"resolved",` + alerts + `}`, [2]correlate.AlertStatus{correlate.Resolved, correlate.Resolved}},
		{"the group's status behind them", `{` + alerts + `,"status":"resolved"}`, [2]correlate.AlertStatus{correlate.Resolved, correlate.Resolved}},
		{"a firing group", `{"status":"firing",` + alerts + `}`, [2]correlate.AlertStatus{correlate.Firing, correlate.Firing}},
		{"no status anywhere: an end says it", `{` + alerts + `}`, [2]correlate.AlertStatus{correlate.Firing, correlate.Resolved}},
		{"a group of unknown status fires", `{"status":"pending",` + alerts + `}`, [2]correlate.AlertStatus{correlate.Firing, correlate.Firing}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			batch := mustDecode(t, []byte(tc.text))
			if got := [2]correlate.AlertStatus{batch.Alerts[0].Status, batch.Alerts[1].Status}; got != tc.want {
				t.Errorf("status %v, want %v", got, tc.want)
			}
		})
	}
}

// The fields about the group are for the record; none is worth an alert.
func TestGroupFieldsOfUnexpectedTypeCostNoAlert(t *testing.T) {
	batch := mustDecode(t, []byte(`{"version":5,"receiver":{"name":"x"},"groupKey":7,"externalURL":[],"status":true,"truncatedAlerts":"many",
		"alerts":[{"labels":{"a":"b"},"startsAt":"2026-01-05T03:00:12Z","status":"firing"}]}`))
	if len(batch.Alerts) != 1 || batch.Receiver != "" || batch.Truncated != 0 {
		t.Errorf("batch %+v", batch)
	}
}

func TestTruncatedAlerts(t *testing.T) {
	for given, want := range map[string]int{"0": 0, "37": 37, "-1": 0, "18446744073709551615": 0, "4000000000": 1<<31 - 1, "null": 0} {
		batch := mustDecode(t, []byte(`{"alerts":[],"truncatedAlerts":`+given+`}`))
		if batch.Truncated != want {
			t.Errorf("truncatedAlerts %s: got %d, want %d", given, batch.Truncated, want)
		}
	}
}

// One bad alert is named and costs no other.
func TestOneBadAlertIsNamedAndCostsNoOther(t *testing.T) {
	const good = `{"labels":{"a":"good"},"startsAt":"2026-01-05T03:00:12Z","status":"firing"}`
	for _, tc := range []struct{ name, alert, want string }{
		{"no start", `{"labels":{"a":"b"}}`, "alerts[1].startsAt: missing (line 2, byte 88)"},
		{"zero start", `{"labels":{"a":"b"},"startsAt":"0001-01-01T00:00:00Z"}`, "alerts[1].startsAt: missing (line 2, byte 88)"},
		{"start that is no time", `{"labels":{"a":"b"},"startsAt":"now"}`, `alerts[1].startsAt: want a time such as 2026-01-05T00:07:22Z (RFC 3339), got "now" (line 2, byte 119)`},
		{"no labels", `{"startsAt":"2026-01-05T03:00:12Z"}`, "alerts[1].labels: want at least one label with a value (line 2, byte 88)"},
		{"only empty labels", `{"startsAt":"2026-01-05T03:00:12Z","labels":{"a":""}}`, "alerts[1].labels: want at least one label with a value (line 2, byte 88)"},
		{"label without a name", `{"startsAt":"2026-01-05T03:00:12Z","labels":{"":"b"}}`, "alerts[1].labels: a label without a name (line 2, byte 132)"},
		{"label that is a number", `{"labels":{"code":500}}`, "alerts[1].labels.code: want a string, got a number (line 2, byte 106)"},
		{"unknown status", `{"labels":{"a":"b"},"status":"suppressed"}`, `alerts[1].status: want firing or resolved, got "suppressed" (line 2, byte 117)`},
		{"no object", `"Down"`, "alerts[1]: want an object, got a string (line 2, byte 88)"},
		{"null", `null`, "alerts[1]: want an object, got null (line 2, byte 88)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			batch, err := DecodeWebhook([]byte(`{"alerts":[` + good + ",\n" + tc.alert + "," + good + `]}`))
			var partial *PartialError
			if !errors.As(err, &partial) || partial.Rejected != 1 || len(partial.First) != 1 {
				t.Fatalf("error %v, want one rejected alert", err)
			}
			if got := partial.First[0].Error(); got != tc.want {
				t.Errorf("error\n got %s\nwant %s", got, tc.want)
			}
			if len(batch.Alerts) != 2 {
				t.Errorf("%d alerts left, want 2", len(batch.Alerts))
			}
		})
	}
}

func TestErrorsOfABodyFullOfBadAlertsAreBounded(t *testing.T) {
	const n = 200_000 // counting lines from the start for each would take a minute
	batch, err := DecodeV2Alerts([]byte("["+strings.Repeat("{},\n", n-1)+"{}]"), arrived)
	var partial *PartialError
	if !errors.As(err, &partial) || partial.Rejected != n || partial.First[9].Line != 10 || len(partial.First) != maxErrors || len(batch.Alerts) != 0 {
		t.Errorf("batch %+v, error %+v", batch, partial)
	}
}

func TestBodiesThatAreNone(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", ``, "want an object, got the end of the body (line 1, byte 0)"},
		{"not JSON", `payload=%7B%7D`, "want an object, got 'p' (line 1, byte 0)"},
		{"another webhook", `{"event":"push"}`, "alerts: missing: want the body of an Alertmanager webhook, version 4 (line 1, byte 0)"},
		{"alerts of another shape", `{"alerts":{"0":{}}}`, "alerts: want an array, got an object (line 1, byte 10)"},
		{"cut off", `{"alerts":[{"labels":{"a":"b"},"startsAt":"2026-01-05T03:00:12Z"},{"lab`, "alerts[1]: the string that begins here has no end (line 1, byte 67)"},
		{"two bodies", `{"alerts":[]}{"alerts":[]}`, "more text after the end of the JSON value (line 1, byte 13)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			batch, err := DecodeWebhook([]byte(tc.text))
			if batch != nil || err == nil || err.Error() != tc.want {
				t.Errorf("batch %v, error\n got %v\nwant %s", batch, err, tc.want)
			}
		})
	}
}

func TestNoAlertsIsNoError(t *testing.T) {
	for _, text := range []string{`{"alerts":[]}`, `{"alerts":null}`} {
		if batch := mustDecode(t, []byte(text)); len(batch.Alerts) != 0 {
			t.Errorf("%s: %d alerts", text, len(batch.Alerts))
		}
	}
	if batch, err := DecodeV2Alerts([]byte(`[]`), arrived); err != nil || len(batch.Alerts) != 0 {
		t.Errorf("[]: %v, %v", batch, err)
	}
}

func TestPrometheusBody(t *testing.T) {
	batch, err := DecodeV2Alerts(readFile(t, "prometheus-v2.json"), arrived)
	if err != nil {
		t.Fatal(err)
	}
	shipping := map[string]string{"alertname": "ErrorRate", "cluster": "prod-eu", "namespace": "robot-shop", "service": "shipping", "severity": "critical"}
	ratings := map[string]string{"alertname": "TargetDown", "cluster": "prod-eu", "instance": "10.0.3.7:8080", "job": "ratings", "severity": "warning"}
	want := &correlate.AlertBatch{Source: "prometheus", Alerts: []correlate.Alert{
		{
			Fingerprint:  Fingerprint(shipping),
			Labels:       shipping,
			Annotations:  map[string]string{"description": "shipping: 30 % of requests fail", "summary": "Many 5xx"},
			StartsAt:     began.Add(5 * time.Minute),
			EndsAt:       began.Add(9 * time.Minute), // Prometheus's time-out: four times its resend delay or interval
			GeneratorURL: "http://prometheus.example:9090/graph?g0.expr=rate%28http_requests_total%5B5m%5D%29+%3E+0.3&g0.tab=1",
		},
		{
			Fingerprint:  Fingerprint(ratings),
			Labels:       ratings,
			Status:       correlate.Resolved,
			StartsAt:     began,
			EndsAt:       began.Add(4 * time.Minute),
			GeneratorURL: "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
		},
	}}
	if diff := cmp.Diff(want, batch); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
}

func TestV2Times(t *testing.T) {
	at := func(d time.Duration) string { return arrived.Add(d).Format(`"` + time.RFC3339 + `"`) }
	for _, tc := range []struct {
		name, times  string
		starts, ends time.Time
		status       correlate.AlertStatus
	}{
		{"neither: begins now, no end", ``, arrived, time.Time{}, correlate.Firing},
		{"Go's zero times are absent", `,"startsAt":"0001-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z"`, arrived, time.Time{}, correlate.Firing},
		{"start only", `,"startsAt":` + at(-time.Hour), arrived.Add(-time.Hour), time.Time{}, correlate.Firing},
		{"end in the future is a time-out", `,"startsAt":` + at(-time.Hour) + `,"endsAt":` + at(time.Minute), arrived.Add(-time.Hour), arrived.Add(time.Minute), correlate.Firing},
		{"end in the past", `,"startsAt":` + at(-time.Hour) + `,"endsAt":` + at(-time.Minute), arrived.Add(-time.Hour), arrived.Add(-time.Minute), correlate.Resolved},
		{"ends this moment", `,"startsAt":` + at(-time.Hour) + `,"endsAt":` + at(0), arrived.Add(-time.Hour), arrived, correlate.Resolved},
		{"past end without start begins when it ends", `,"endsAt":` + at(-time.Minute), arrived.Add(-time.Minute), arrived.Add(-time.Minute), correlate.Resolved},
		{"future end without start begins now", `,"endsAt":` + at(time.Minute), arrived, arrived.Add(time.Minute), correlate.Firing},
		{"late arrival keeps its start", `,"startsAt":` + at(-48*time.Hour), arrived.Add(-48 * time.Hour), time.Time{}, correlate.Firing},
		{"a start in the future is the sender's to explain", `,"startsAt":` + at(time.Hour), arrived.Add(time.Hour), time.Time{}, correlate.Firing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			batch, err := DecodeV2Alerts([]byte(`[{"labels":{"a":"b"}`+tc.times+`}]`), arrived)
			if err != nil {
				t.Fatal(err)
			}
			a := batch.Alerts[0]
			if !a.StartsAt.Equal(tc.starts) || !a.EndsAt.Equal(tc.ends) || a.Status != tc.status {
				t.Errorf("%v from %v to %v, want %v from %v to %v", a.Status, a.StartsAt, a.EndsAt, tc.status, tc.starts, tc.ends)
			}
		})
	}
}

func TestV2RejectsWhatAlertmanagerRejects(t *testing.T) {
	for _, tc := range []struct{ name, alert, want string }{
		{"ends before it begins", `{"labels":{"a":"b"},"startsAt":"2026-01-05T03:00:12Z","endsAt":"2026-01-05T03:00:11Z"}`, "alerts[0].endsAt: must not be before startsAt (line 1, byte 1)"},
		{"no labels", `{"labels":{}}`, "alerts[0].labels: want at least one label with a value (line 1, byte 1)"},
		{"labels missing", `{}`, "alerts[0].labels: want at least one label with a value (line 1, byte 1)"},
		{"no start time", `{"labels":{"a":"b"},"startsAt":"soon"}`, `alerts[0].startsAt: want a time such as 2026-01-05T00:07:22Z (RFC 3339), got "soon" (line 1, byte 32)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			batch, err := DecodeV2Alerts([]byte(`[`+tc.alert+`,{"labels":{"a":"good"}}]`), arrived)
			var partial *PartialError
			if !errors.As(err, &partial) || partial.First[0].Error() != tc.want {
				t.Errorf("error\n got %v\nwant %s", err, tc.want)
			}
			if batch == nil || len(batch.Alerts) != 1 {
				t.Errorf("batch %+v, want the good alert", batch)
			}
		})
	}
	for name, text := range map[string]string{"null": `null`, "an object": `{"alerts":[]}`, "nothing": ``, "trailing text": `[] x`} {
		if batch, err := DecodeV2Alerts([]byte(text), arrived); batch != nil || err == nil {
			t.Errorf("%s: batch %v, error %v", name, batch, err)
		}
	}
}

// The label "fingerprint" of this API is nobody's: two senders that make one up must not become one alert.
func TestV2FingerprintIsComputed(t *testing.T) {
	batch, err := DecodeV2Alerts([]byte(`[{"labels":{"a":"b"},"fingerprint":"0123456789abcdef","status":{"state":"active"}}]`), arrived)
	if err != nil || batch.Alerts[0].Fingerprint != Fingerprint(map[string]string{"a": "b"}) {
		t.Errorf("batch %+v, error %v", batch, err)
	}
}

func TestFingerprintIsAlertmanagers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "labels")
		set := model.LabelSet{}
		for name, value := range labels {
			set[model.LabelName(name)] = model.LabelValue(value)
		}
		if got, want := Fingerprint(labels), set.Fingerprint().String(); got != want {
			t.Fatalf("fingerprint %s, want %s", got, want)
		}
	})
}

// generated is a body as json.Marshal writes it, and what must come out of it.
func generated(t *rapid.T) ([]byte, *correlate.AlertBatch) {
	alert := rapid.Custom(func(t *rapid.T) webhookAlert {
		labels := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,9}`), rapid.StringN(1, -1, -1), 1, 12).Draw(t, "labels")
		a := webhookAlert{
			Labels:      labels,
			Annotations: rapid.MapOfN(rapid.StringMatching(`[a-z]{1,9}`), rapid.String(), 1, 4).Draw(t, "annotations"),
			StartsAt:    began.Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "start"))),
			Fingerprint: Fingerprint(labels),
			Status:      "firing",
		}
		if rapid.Bool().Draw(t, "resolved") {
			a.Status = "resolved"
			a.EndsAt = a.StartsAt.Add(time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "duration")))
		}
		return a
	})
	b := webhookBody{
		Receiver:        rapid.String().Draw(t, "receiver"),
		GroupKey:        rapid.String().Draw(t, "group key"),
		Status:          "firing",
		TruncatedAlerts: rapid.Uint64Max(1000).Draw(t, "truncated"),
		Alerts:          rapid.SliceOfN(alert, 1, 8).Draw(t, "alerts"),
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return text, b.batch()
}

func TestDecodeAgreesWithTheNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, want := generated(t)
		got, err := DecodeWebhook(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("batch (-naive +got):\n%s", diff)
		}
		naive, err := decodeNaively(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(naive, got); diff != "" {
			t.Fatalf("batch (-naive +got):\n%s", diff)
		}
	})
}

// check is what downstream relies on, whatever the body said.
func check(t *testing.T, text []byte, batch *correlate.AlertBatch, err error) {
	var partial *PartialError
	var e *body.Error
	switch {
	case batch == nil && !errors.As(err, &e):
		t.Fatalf("no batch and error %v", err)
	case batch == nil:
		return
	case !json.Valid(text):
		t.Fatalf("a batch out of something that is no JSON")
	case err != nil && (!errors.As(err, &partial) || partial.Rejected < 1 || len(partial.First) != min(partial.Rejected, maxErrors)):
		t.Fatalf("error beside a batch: %#v", err)
	}
	for i, a := range batch.Alerts {
		if len(a.Fingerprint) != 16 || len(a.Labels) == 0 || a.StartsAt.Location() != time.UTC || a.EndsAt.Location() != time.UTC {
			t.Fatalf("alert %d: %+v", i, a)
		}
		if back := time.Unix(0, a.StartsAt.UnixNano()); !back.Equal(a.StartsAt) {
			t.Fatalf("alert %d: start %v is no count of nanoseconds", i, a.StartsAt)
		}
		for name, value := range a.Labels {
			if name == "" || value == "" || strings.ToValidUTF8(name+value, "") != name+value {
				t.Fatalf("alert %d: label %q=%q", i, name, value)
			}
		}
	}
}

func FuzzDecodeWebhook(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 5 {
		f.Fatalf("seeds %v: %v", files, err)
	}
	for _, name := range files {
		f.Add(readFile(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		batch, err := DecodeWebhook(text)
		check(t, text, batch, err)
		again, _ := DecodeWebhook(text)
		if !cmp.Equal(batch, again) {
			t.Errorf("the same body gave two batches:\n%s", cmp.Diff(batch, again))
		}
	})
}

func FuzzDecodeV2Alerts(f *testing.F) {
	f.Add(readFile(f, "prometheus-v2.json"))
	f.Add([]byte(`[{"labels":{"a":"b"},"endsAt":"2026-01-05 03:00"},{},{"labels":{"":""}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		batch, err := DecodeV2Alerts(text, arrived)
		check(t, text, batch, err)
		if batch == nil {
			return
		}
		for i, a := range batch.Alerts {
			if over := !a.EndsAt.IsZero() && !a.EndsAt.After(arrived); over != (a.Status == correlate.Resolved) {
				t.Fatalf("alert %d: %v with end %v", i, a.Status, a.EndsAt)
			}
		}
	})
}

// storm is a webhook body of n alerts as Kubernetes rules write them.
func storm(n int) []byte {
	b := webhookBody{Version: "4", Status: "firing", Receiver: "headwater", GroupKey: `{}:{}`, ExternalURL: "http://alertmanager.example:9093"}
	for i := range n {
		labels := map[string]string{
			"alertname": "HighErrorRate", "severity": "critical", "cluster": "prod-eu", "namespace": "robot-shop", "prometheus": "monitoring/k8s",
			"service": fmt.Sprintf("service-%d", i%50), "pod": fmt.Sprintf("service-%d-6f7d8c9b5-x%04d", i%50, i), "container": "app", "job": "kubernetes-pods", "instance": fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250),
		}
		b.Alerts = append(b.Alerts, webhookAlert{
			Status: "firing",
			Labels: labels,
			Annotations: map[string]string{
				"summary":     "More than 5 % of the requests fail",
				"description": fmt.Sprintf("service-%d answers %d %% of its requests with a 5xx; its own dependencies may be the reason, see the dashboard.", i%50, i%100),
				"runbook_url": "https://runbooks.example/high-error-rate",
			},
			StartsAt:     began.Add(time.Duration(i) * time.Second),
			GeneratorURL: "http://prometheus.example:9090/graph?g0.expr=sum+by+%28service%29+%28rate%28http_requests_total%7Bcode%3D~%225..%22%7D%5B5m%5D%29%29+%3E+0.05&g0.tab=1",
			Fingerprint:  Fingerprint(labels),
		})
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return text
}

// v2Storm is the same as Prometheus sends it.
func v2Storm(n int) []byte {
	var b struct{ Alerts []map[string]any }
	if err := json.Unmarshal(storm(n), &b); err != nil {
		panic(err)
	}
	for _, a := range b.Alerts {
		delete(a, "status")
		delete(a, "fingerprint")
	}
	text, err := json.Marshal(b.Alerts)
	if err != nil {
		panic(err)
	}
	return text
}

func benchmarkDecode(b *testing.B, storm func(int) []byte, decode func([]byte) (*correlate.AlertBatch, error)) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("alerts=%d", n), func(b *testing.B) {
			text := storm(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if batch, err := decode(text); err != nil || len(batch.Alerts) != n {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/alert")
		})
	}
}

func BenchmarkDecodeWebhook(b *testing.B) {
	b.Run("reader", func(b *testing.B) { benchmarkDecode(b, storm, DecodeWebhook) })
	b.Run("encoding-json", func(b *testing.B) { benchmarkDecode(b, storm, decodeNaively) })
}

func BenchmarkDecodeV2Alerts(b *testing.B) {
	benchmarkDecode(b, v2Storm, func(text []byte) (*correlate.AlertBatch, error) { return DecodeV2Alerts(text, arrived) })
}
