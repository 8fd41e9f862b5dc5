package api

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests *prometheus.CounterVec   // by service, method, code
	duration *prometheus.HistogramVec // by service, method; unary calls only
	panics   prometheus.Counter
	watches  prometheus.Gauge
	sent     prometheus.Counter
}

// newMetrics registers with reg unless it is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_api_requests_total",
			Help: "Calls of the API that ended, over gRPC and REST together, by gRPC status code.",
		}, []string{"service", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headwater_api_request_duration_seconds",
			Help:    "Duration of unary calls of the API.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}, []string{"service", "method"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_api_panics_total",
			Help: "Calls of the API that panicked and were answered with INTERNAL.",
		}),
		watches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_api_watches",
			Help: "Watches that are running.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_api_watch_messages_total",
			Help: "Messages sent to watches, heartbeats included.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.duration, m.panics, m.watches, m.sent)
	}
	return m
}
