package driver

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	steps          prometheus.Histogram
	batches        prometheus.Histogram
	applied        prometheus.Counter
	commitFailures prometheus.Counter
	quarantined    prometheus.Counter
	rejected       prometheus.Counter
	open           prometheus.Gauge
	events         *prometheus.CounterVec
	pages          *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &metrics{
		steps: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "headwater_engine_step_duration_seconds",
			Help:    "Time the engine takes for one entry of the stream.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10), // 10 µs to 2.6 s
		}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "headwater_driver_batch_entries",
			Help:    "Entries committed together.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9), // 1 to 256
		}),
		applied:        counter("headwater_driver_applied_entries_total", "Entries applied and committed."),
		commitFailures: counter("headwater_driver_commit_failures_total", "Attempts to commit that failed."),
		quarantined:    counter("headwater_engine_quarantined_entries_total", "Entries set aside because the engine panicked on them."),
		rejected:       counter("headwater_engine_rejected_entries_total", "Commands and topology reports that were not carried out."),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_incidents_open",
			Help: "Incidents that are open.",
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_incident_events_total",
			Help: "Incidents opened, reopened, resolved and merged.",
		}, []string{"event"}),
		pages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_pages_decided_total",
			Help: "Pages decided, by kind.",
		}, []string{"kind"}),
	}
}

// register also registers what is read from d at scrape time.
func (m *metrics) register(reg prometheus.Registerer, d *Driver) error {
	for _, event := range []string{"opened", "reopened", "resolved", "merged"} {
		m.events.WithLabelValues(event)
	}
	for _, kind := range []string{"open", "update", "resolved"} {
		m.pages.WithLabelValues(kind)
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.steps, m.batches, m.applied, m.commitFailures, m.quarantined, m.rejected, m.open, m.events, m.pages,
		gauge("headwater_driver_lag_entries", "Entries of the stream that are not applied yet, as of the last few seconds.",
			func() float64 { return float64(d.Lag().Entries) }),
		gauge("headwater_driver_lag_seconds", "Age of the last entry applied while others wait; 0 when none does.",
			func() float64 { return d.Lag().Behind.Seconds() }),
		gauge("headwater_driver_position", "Position of the last entry applied and committed.",
			func() float64 { return float64(d.Applied()) }),
	} {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}
