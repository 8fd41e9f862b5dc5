package grafana

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
)

func recorded(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "webhook.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhatGrafanaAddsBecomesAnnotations(t *testing.T) {
	batch, err := Decode(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	if batch.Source != Source || len(batch.Alerts) != 2 {
		t.Fatalf("source %q, %d alerts", batch.Source, len(batch.Alerts))
	}
	firing := batch.Alerts[0]
	want := map[string]string{
		"summary": "P99 of checkout is over 2 s", "runbook_url": "https://runbooks.example.com/checkout",
		"dashboard_url": "https://grafana.example.com/d/shop?orgId=1", "panel_url": "https://grafana.example.com/d/shop?orgId=1&viewPanel=4",
		"silence_url": "https://grafana.example.com/alerting/silence/new?alertmanager=grafana&matcher=__alert_rule_uid__%3Df4d1e2c3&orgId=1",
		"values":      "B=2.41, C=1",
	}
	if diff := cmp.Diff(want, firing.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if firing.Fingerprint != "57c6d9296de2ad39" || firing.Status != correlate.Firing || !firing.EndsAt.IsZero() {
		t.Errorf("firing alert %+v", firing)
	}
	ended := batch.Alerts[1]
	if ended.Status != correlate.Resolved || !ended.EndsAt.Equal(time.Date(2026, 11, 20, 8, 29, 10, 0, time.UTC)) {
		t.Errorf("resolved alert %+v", ended)
	}
}

func TestAnAnnotationOfTheRulesOwnStays(t *testing.T) {
	text := strings.Replace(string(recorded(t)), `"summary": "P99`, `"dashboard_url": "https://own.example.com", "summary": "P99`, 1)
	batch, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := batch.Alerts[0].Annotations["dashboard_url"]; got != "https://own.example.com" {
		t.Errorf("dashboard_url %q", got)
	}
}

func TestOneBadAlertDoesNotCostTheOthers(t *testing.T) {
	text := strings.Replace(string(recorded(t)), `"startsAt": "2026-11-20T08:31:10Z"`, `"startsAt": "just now"`, 1)
	batch, err := Decode([]byte(text))
	if err == nil || batch == nil || len(batch.Alerts) != 1 || batch.Source != Source {
		t.Errorf("batch %+v, error %v", batch, err)
	}
}

func TestWhatIsNoWebhookIsRefused(t *testing.T) {
	for _, text := range []string{``, `[]`, `{"title": "Test"}`, `{"alerts": [}`} {
		if batch, err := Decode([]byte(text)); err == nil || batch != nil {
			t.Errorf("%s: batch %v, error %v", text, batch, err)
		}
	}
}

// FuzzDecode: the alerts are those of the webhook that Alertmanager would have sent.
func FuzzDecode(f *testing.F) {
	f.Add(recorded(f))
	f.Add([]byte(`{"alerts":[{"labels":{"a":"b"},"startsAt":"2026-01-01T00:00:00Z","fingerprint":"AAAAAAAAAAAAAAAA","values":{"B":[1,{"x":null}]},"valueString":7}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, gotErr := Decode(text)
		want, wantErr := alertmanager.DecodeWebhook(text)
		if (got == nil) != (want == nil) || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("got %v, %v; Alertmanager's decoder %v, %v", got, gotErr, want, wantErr)
		}
		if got == nil {
			return
		}
		for i := range got.Alerts {
			a, b := got.Alerts[i], want.Alerts[i]
			for name, value := range b.Annotations {
				if a.Annotations[name] != value {
					t.Errorf("annotation %s: got %q, want %q", name, a.Annotations[name], value)
				}
			}
			a.Annotations, b.Annotations = nil, nil
			if diff := cmp.Diff(b, a); diff != "" {
				t.Errorf("alert %d (-want +got):\n%s", i, diff)
			}
		}
	})
}
