package checker

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/health/probe"
)

// metrics are what a checker counts. What it knows of each check is collected when it
// is asked for.
type metrics struct {
	running, waiting, places prometheus.Gauge
	missed                   prometheus.Counter
	results                  *prometheus.CounterVec
	phases                   *prometheus.HistogramVec
	published                *prometheus.CounterVec
	dropped                  prometheus.Counter
	pending                  prometheus.Gauge
	attention                prometheus.Gauge
	polled                   *prometheus.GaugeVec
	pollOK                   *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "headwater_probe_" + name, Help: help})
	}
	m := &metrics{
		running: gauge("running", "Probes and polls under way."),
		waiting: gauge("waiting", "Probes and polls whose turn has come and that wait for a place."),
		places:  gauge("concurrency", "How many probes and polls may be under way at once."),
		missed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_probe_missed_total", Help: "Turns that were left out because the turn before had not ended.",
		}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_probe_results_total", Help: "Results, by kind of prober and status.",
		}, []string{"prober", "status"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "headwater_probe_phase_duration_seconds", Help: "How long the phases of a probe took, by kind of prober.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"prober", "phase"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_probe_published_total", Help: "Results that were handed on to be published, by why: changed, counting, attention, refresh.",
		}, []string{"why"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_probe_dropped_total", Help: "Results that were not published because the stream was away for too long.",
		}),
		pending:   gauge("unpublished", "Results that wait to be published."),
		attention: gauge("attention", "Whether each result is published, because an incident is under way."),
		polled: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "headwater_probe_source_last_success_timestamp_seconds", Help: "When a source of results last answered.",
		}, []string{"source"}),
		pollOK: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "headwater_probe_source_up", Help: "Whether a source of results answered when it was last asked.",
		}, []string{"source"}),
	}
	if reg != nil {
		reg.MustRegister(m.running, m.waiting, m.places, m.missed, m.results, m.phases, m.published, m.dropped, m.pending, m.attention, m.polled, m.pollOK)
	}
	return m
}

func (m *metrics) observe(kind string, o *Observation) {
	m.results.WithLabelValues(kind, o.Status.String()).Inc()
	for p, took := range o.Phases {
		if took > 0 {
			m.phases.WithLabelValues(kind, probe.Phase(p).String()).Observe(took.Seconds())
		}
	}
}

// stateCollector says how each check is.
type stateCollector struct {
	states                    func() []State
	checks                    *prometheus.Desc
	success, duration, expiry *prometheus.Desc
}

func newStateCollector(states func() []State) *stateCollector {
	labels := []string{"namespace", "service", "check"}
	return &stateCollector{
		states:   states,
		checks:   prometheus.NewDesc("headwater_probe_checks", "Checks, by the status of their latest result.", []string{"status"}, nil),
		success:  prometheus.NewDesc("headwater_probe_success", "Whether the latest result of a check was passing.", labels, nil),
		duration: prometheus.NewDesc("headwater_probe_duration_seconds", "How long the latest probe of a check took.", labels, nil),
		expiry:   prometheus.NewDesc("headwater_probe_certificate_expiry_timestamp_seconds", "When the first of the certificates that a target showed expires.", labels, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.checks, c.success, c.duration, c.expiry} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	count := map[correlate.HealthStatus]int{}
	for _, s := range c.states() {
		count[s.Latest.Status]++
		if s.Latest.At.IsZero() {
			continue
		}
		labels := []string{s.Service.Namespace, s.Service.Name, s.Check.Check}
		success := 0.0
		if s.Latest.Status == correlate.HealthPassing {
			success = 1
		}
		out <- prometheus.MustNewConstMetric(c.success, prometheus.GaugeValue, success, labels...)
		out <- prometheus.MustNewConstMetric(c.duration, prometheus.GaugeValue, s.Latest.Latency.Seconds(), labels...)
		if e := s.Latest.CertificateExpires; !e.IsZero() {
			out <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, float64(e.Unix()), labels...)
		}
	}
	for s := correlate.HealthUnknown; s <= correlate.HealthFailing; s++ {
		out <- prometheus.MustNewConstMetric(c.checks, prometheus.GaugeValue, float64(count[s]), s.String())
	}
}
