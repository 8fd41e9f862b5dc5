package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amalert "github.com/prometheus/alertmanager/alert"
	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
)

var rewrite = flag.Bool("rewrite", false, "write the bodies that Alertmanager's library sends to testdata")

// send is the body that Alertmanager's own webhook notifier posts for alerts.
func send(t *testing.T, maxAlerts uint64, alerts ...*amalert.Alert) []byte {
	t.Helper()
	var text []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()

	tmpl, err := template.FromGlobs(nil)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.ExternalURL = &url.URL{Scheme: "http", Host: "alertmanager.example:9093"}
	notifier, err := webhook.New(&webhook.WebhookConfig{
		URL:        amcommon.SecretTemplateURL(server.URL),
		HTTPConfig: &commoncfg.HTTPClientConfig{},
		MaxAlerts:  maxAlerts,
	}, tmpl, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	ctx := notify.WithGroupKey(context.Background(), `{}/{team="shop"}:{namespace="robot-shop"}`)
	ctx = notify.WithReceiverName(ctx, "headwater")
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{"namespace": "robot-shop"})
	ctx = notify.WithRouteLabels(ctx, model.LabelSet{"tier": "one"})
	ctx = notify.WithNotificationReason(ctx, notify.ReasonFirstNotification)
	if retry, err := notifier.Notify(ctx, alerts...); err != nil || retry {
		t.Fatalf("notify: %v, retry %v", err, retry)
	}
	return text
}

// libraryAlerts are two that fire and one that ended.
func libraryAlerts() []*amalert.Alert {
	fires := func(labels, annotations model.LabelSet, since time.Duration) *amalert.Alert {
		return &amalert.Alert{
			Alert: model.Alert{
				Labels: labels, Annotations: annotations, StartsAt: began.Add(since), EndsAt: time.Now().Add(time.Hour),
				GeneratorURL: "http://prometheus.example:9090/graph?g0.expr=up&g0.tab=1",
			},
			UpdatedAt: began.Add(since),
			Timeout:   true,
		}
	}
	shipping := fires(
		model.LabelSet{"alertname": "HighLatency", "namespace": "robot-shop", "service": "shipping", "severity": "critical"},
		model.LabelSet{"summary": "P90 of shipping is 9.28 s", "description": "line one\nline \"two\" <b>&amp;</b> – ü 🔥"}, 0)
	ratings := fires(
		model.LabelSet{"alertname": "ErrorRate", "namespace": "robot-shop", "service": "ratings", "dots.and/ünïcode": "x"},
		nil, 5*time.Minute)
	ended := fires(
		model.LabelSet{"alertname": "HighLatency", "namespace": "robot-shop", "service": "web"},
		model.LabelSet{"summary": ""}, time.Minute)
	ended.EndsAt = began.Add(4 * time.Minute)
	return []*amalert.Alert{shipping, ratings, ended}
}

// golden keeps the library's body as a seed for the fuzz targets, and shows as a
// diff what a new version of the library sends otherwise.
func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(filepath.Join("testdata", name), indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, name)), indented.String()); diff != "" {
		t.Errorf("Alertmanager's library sends another body than testdata/%s (-file +sent); look what is new and run with -rewrite:\n%s", name, diff)
	}
}

// What Alertmanager's own library sends decodes to the alerts it was given, with its fingerprints,
// and its fingerprints are the ones that we compute.
func TestLessonAlertmanager034WholeGroupFiringAndResolvedMixed(t *testing.T) {
	alerts := libraryAlerts()
	text := send(t, 0, alerts...)
	golden(t, "webhook-v0.34.json", text)

	want := &correlate.AlertBatch{
		Source: "alertmanager", Receiver: "headwater", GroupKey: `{}/{team="shop"}:{namespace="robot-shop"}`, ExternalURL: "http://alertmanager.example:9093",
	}
	for _, a := range alerts {
		labels, annotations := map[string]string{}, map[string]string(nil)
		for name, value := range a.Labels {
			labels[string(name)] = string(value)
		}
		for name, value := range a.Annotations {
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[string(name)] = string(value)
		}
		alert := correlate.Alert{
			Fingerprint: a.Fingerprint().String(), Labels: labels, Annotations: annotations, StartsAt: a.StartsAt, GeneratorURL: a.GeneratorURL,
		}
		if a.Resolved() {
			alert.Status, alert.EndsAt = correlate.Resolved, a.EndsAt
		}
		want.Alerts = append(want.Alerts, alert)
	}
	got := mustDecode(t, text)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-sent +decoded):\n%s", diff)
	}
	for _, a := range got.Alerts {
		if computed := Fingerprint(a.Labels); computed != a.Fingerprint {
			t.Errorf("%v: computed fingerprint %s, Alertmanager says %s", a.Labels, computed, a.Fingerprint)
		}
	}
}

func TestLessonAlertmanager034Truncation(t *testing.T) {
	text := send(t, 2, libraryAlerts()...)
	golden(t, "webhook-v0.34-truncated.json", text)
	if got := mustDecode(t, text); got.Truncated != 1 || len(got.Alerts) != 2 {
		t.Errorf("truncated %d, %d alerts; want 1 and 2", got.Truncated, len(got.Alerts))
	}
}
