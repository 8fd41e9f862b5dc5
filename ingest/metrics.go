package ingest

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/headwater-sre/headwater/correlate"
)

type metrics struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	inFlight     prometheus.Gauge
	bytes        *prometheus.CounterVec
	alerts       *prometheus.CounterVec
	truncated    *prometheus.CounterVec
	rejected     *prometheus.CounterVec
	health       *prometheus.CounterVec
	changes      prometheus.Counter
	replies      *prometheus.CounterVec
	decodeErrors *prometheus.CounterVec
	deadLetters  *prometheus.CounterVec
	oversize     *prometheus.CounterVec
	unauthorized *prometheus.CounterVec
	panics       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: "headwater_ingest_" + name, Help: help}, labels)
	}
	return &metrics{
		requests: counter("requests_total", "Requests answered.", "endpoint", "code"),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headwater_ingest_request_duration_seconds",
			Help:    "Time from the first byte of a request to its answer, waiting for other requests included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"endpoint"}),
		inFlight: auto.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_ingest_requests_in_flight", Help: "Requests that are being worked on. Those that wait for them are not counted.",
		}),
		bytes:     counter("received_bytes_total", "Bytes of bodies, decompressed.", "endpoint"),
		alerts:    counter("alerts_total", "Alerts stored in the stream, repeats included.", "source", "status"),
		truncated: counter("alerts_truncated_total", "Alerts that a sender left out of a request (max_alerts of Alertmanager's webhook): they are not known here.", "source"),
		rejected:  counter("alerts_rejected_total", "Alerts that could not be used and are in dead letters.", "source"),
		health:    counter("health_results_total", "Health-check results stored in the stream.", "status"),
		changes: auto.NewCounter(prometheus.CounterOpts{
			Name: "headwater_ingest_changes_total", Help: "Change events stored in the stream.",
		}),
		replies:      counter("replies_total", "What people did about pages elsewhere, stored in the stream as commands.", "service", "kind"),
		decodeErrors: counter("decode_errors_total", "Bodies that could not be decoded, or not as a whole.", "endpoint"),
		deadLetters:  counter("dead_letters_total", "Bodies kept as dead letters.", "endpoint"),
		unauthorized: counter("unauthorized_total", "Requests without the secret of their source.", "endpoint"),
		oversize:     counter("oversize_bodies_total", "Bodies over the limit: what they said is not known here.", "endpoint"),
		panics: auto.NewCounter(prometheus.CounterOpts{
			Name: "headwater_ingest_panics_total", Help: "Panics while a request was served. Each is a bug; the log has its stack.",
		}),
	}
}

// expect gives the counters of what should never happen at an endpoint their zero,
// so that the first time is an increase that an alert sees.
func (m *metrics) expect(e *endpoint) {
	m.decodeErrors.WithLabelValues(e.path)
	m.oversize.WithLabelValues(e.path)
	if e.source != nil && e.source.Guarded() {
		m.unauthorized.WithLabelValues(e.path)
	}
	if e.keeps {
		m.deadLetters.WithLabelValues(e.path)
	}
}

func (m *metrics) observe(endpoint string, code int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(endpoint).Observe(took.Seconds())
}

func (m *metrics) countAlerts(batch *correlate.AlertBatch) {
	var resolved int
	for i := range batch.Alerts {
		if batch.Alerts[i].Status == correlate.Resolved {
			resolved++
		}
	}
	m.alerts.WithLabelValues(batch.Source, correlate.Firing.String()).Add(float64(len(batch.Alerts) - resolved))
	m.alerts.WithLabelValues(batch.Source, correlate.Resolved.String()).Add(float64(resolved))
	m.truncated.WithLabelValues(batch.Source).Add(float64(batch.Truncated))
}

func (m *metrics) countHealth(batch *correlate.HealthBatch) {
	for i := range batch.Results {
		m.health.WithLabelValues(batch.Results[i].Status.String()).Inc()
	}
}
