package discovery

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	good         prometheus.Gauge
	published    prometheus.Gauge
	lookAlikes   prometheus.Gauge
	fetches      *prometheus.CounterVec
	duration     *prometheus.GaugeVec
	up           *prometheus.GaugeVec
	lastSuccess  *prometheus.GaugeVec
	services     *prometheus.GaugeVec
	dependencies *prometheus.GaugeVec

	failing map[string]bool // declared sources
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	gauges := func(name, help string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: "headwater_topology_source_" + name, Help: help}, []string{"source"})
	}
	m := &metrics{
		failing: map[string]bool{},
		good: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_topology_last_load_successful",
			Help: "Whether the topology files were good when they were last read. When they were not, the last good version stays in force.",
		}),
		published: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_topology_last_published_timestamp_seconds",
			Help: "When a topology was last put on the stream by this process.",
		}),
		lookAlikes: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_topology_look_alikes",
			Help: "Pairs of names of different topology sources that could mean one service and were not taken for one.",
		}),
		fetches: f.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_topology_source_fetches_total",
			Help: "How often a topology source was asked, by result: ok or failed.",
		}, []string{"source", "result"}),
		duration:     gauges("fetch_duration_seconds", "How long the last fetch took."),
		up:           gauges("up", "Whether the last fetch went well. When it did not, what the source said last stays in force."),
		lastSuccess:  gauges("last_success_timestamp_seconds", "When the source last answered; of what is pushed, when it was pushed last."),
		services:     gauges("services", "Services that the source knows, those included that it saw last within its TTL."),
		dependencies: gauges("dependencies", "Dependencies that the source knows, those included that it saw last within its TTL."),
	}
	m.good.Set(1)
	return m
}

func (m *metrics) fetched(source string, got answer) {
	result := "ok"
	if got.err != nil {
		result = "failed"
	}
	m.fetches.WithLabelValues(source, result).Inc()
	m.duration.WithLabelValues(source).Set(got.took.Seconds())
}

// show sets what a status says.
func (m *metrics) show(s *Status) {
	up := 0.0
	if s.Error == "" && (s.Pushed || !s.LastAttempt.IsZero()) {
		up = 1
	}
	m.up.WithLabelValues(s.Name).Set(up)
	if !s.LastSuccess.IsZero() {
		m.lastSuccess.WithLabelValues(s.Name).Set(float64(s.LastSuccess.UnixNano()) / 1e9)
	}
	m.services.WithLabelValues(s.Name).Set(float64(s.Services))
	m.dependencies.WithLabelValues(s.Name).Set(float64(s.Dependencies))
	if s.Declared {
		m.failing[s.Name] = s.Error != ""
		m.setGood()
	}
}

func (m *metrics) setGood() {
	good := 1.0
	for _, failing := range m.failing {
		if failing {
			good = 0
		}
	}
	m.good.Set(good)
}

// forget takes back the series of a source that is no more.
func (m *metrics) forget(source string) {
	labels := prometheus.Labels{"source": source}
	m.fetches.DeletePartialMatch(labels)
	for _, g := range []*prometheus.GaugeVec{m.duration, m.up, m.lastSuccess, m.services, m.dependencies} {
		g.DeletePartialMatch(labels)
	}
	delete(m.failing, source)
	m.setGood()
}
