package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// instrumented is an intake and a function that reads its metrics: of a histogram the count.
func instrumented(t testing.TB, s *stream) (*Intake, func() map[string]float64) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	in := newIntake(t, Options{Publisher: s, Registerer: reg, MaxBodyBytes: 100 << 10, MaxWebhookBytes: 100 << 10})
	return in, func() map[string]float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
				}
				name := f.GetName()
				if labels != nil {
					name += "{" + strings.Join(labels, ",") + "}"
				}
				values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		return values
	}
}

// Names and labels are what dashboards and alerts are built on.
func TestMetrics(t *testing.T) {
	s := &stream{}
	in, metrics := instrumented(t, s)
	post(t, in, webhook, group(firing, resolved, firing, `{}`))
	post(t, in, webhook, strings.Repeat(" ", 101<<10))
	post(t, in, v2, `[{"labels":{"a":"b"}}]`)
	post(t, in, v2, `[]`)
	post(t, in, healthz, good[healthz])
	post(t, in, changes, good[changes])
	post(t, in, changes, `{}`)
	got := metrics()
	for name := range got {
		if strings.HasPrefix(name, "headwater_ingest_received_bytes_total") { // how many is the bodies' affair
			delete(got, name)
		}
	}
	want := map[string]float64{
		`headwater_ingest_alerts_total{source="alertmanager",status="firing"}`:         2,
		`headwater_ingest_alerts_total{source="alertmanager",status="resolved"}`:       1,
		`headwater_ingest_alerts_total{source="prometheus",status="firing"}`:           1,
		`headwater_ingest_alerts_total{source="prometheus",status="resolved"}`:         0,
		`headwater_ingest_alerts_rejected_total{source="alertmanager"}`:                1,
		`headwater_ingest_alerts_truncated_total{source="alertmanager"}`:               0,
		`headwater_ingest_alerts_truncated_total{source="prometheus"}`:                 0,
		`headwater_ingest_changes_total`:                                               2,
		`headwater_ingest_dead_letters_total{endpoint="/webhook/argocd"}`:              0,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/argocd"}`:             0,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/argocd"}`:           0,
		`headwater_ingest_dead_letters_total{endpoint="/webhook/cloudevents"}`:         0,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/cloudevents"}`:        0,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/cloudevents"}`:      0,
		`headwater_ingest_dead_letters_total{endpoint="/webhook/flux"}`:                0,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/flux"}`:               0,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/flux"}`:             0,
		`headwater_ingest_dead_letters_total{endpoint="/webhook/github"}`:              0,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/github"}`:             0,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/github"}`:           0,
		`headwater_ingest_dead_letters_total{endpoint="/webhook/grafana"}`:             0,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/grafana"}`:            0,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/grafana"}`:          0,
		`headwater_ingest_dead_letters_total{endpoint="/api/v2/alerts"}`:               0,
		`headwater_ingest_dead_letters_total{endpoint="/webhook/alertmanager"}`:        2,
		`headwater_ingest_decode_errors_total{endpoint="/api/v2/alerts"}`:              0,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/alertmanager"}`:       1,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/change"}`:             1,
		`headwater_ingest_decode_errors_total{endpoint="/webhook/health"}`:             0,
		`headwater_ingest_health_results_total{status="failing"}`:                      1,
		`headwater_ingest_health_results_total{status="passing"}`:                      1,
		`headwater_ingest_oversize_bodies_total{endpoint="/api/v2/alerts"}`:            0,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/alertmanager"}`:     1,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/change"}`:           0,
		`headwater_ingest_oversize_bodies_total{endpoint="/webhook/health"}`:           0,
		`headwater_ingest_panics_total`:                                                0,
		`headwater_ingest_request_duration_seconds{endpoint="/api/v2/alerts"}`:         2,
		`headwater_ingest_request_duration_seconds{endpoint="/webhook/alertmanager"}`:  2,
		`headwater_ingest_request_duration_seconds{endpoint="/webhook/change"}`:        2,
		`headwater_ingest_request_duration_seconds{endpoint="/webhook/health"}`:        1,
		`headwater_ingest_requests_in_flight`:                                          0,
		`headwater_ingest_requests_total{code="200",endpoint="/api/v2/alerts"}`:        2,
		`headwater_ingest_requests_total{code="200",endpoint="/webhook/alertmanager"}`: 1,
		`headwater_ingest_requests_total{code="200",endpoint="/webhook/change"}`:       1,
		`headwater_ingest_requests_total{code="200",endpoint="/webhook/health"}`:       1,
		`headwater_ingest_requests_total{code="400",endpoint="/webhook/change"}`:       1,
		`headwater_ingest_requests_total{code="503",endpoint="/webhook/alertmanager"}`: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestMetricNamesAreInOrder(t *testing.T) {
	reg := prometheus.NewRegistry()
	in := newIntake(t, Options{Publisher: &stream{}, Registerer: reg})
	for path, body := range good {
		post(t, in, path, body)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
