package page

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Results of one attempt, as the label "result" has them.
const (
	resultSent    = "sent"
	resultRetry   = "retry"   // failed, will pass by itself
	resultRefused = "refused" // failed, needs somebody
	resultGivenUp = "given_up"
	resultSkipped = "skipped"
)

type metrics struct {
	deliveries   *prometheus.CounterVec   // by receiver, integration and result
	duration     *prometheus.HistogramVec // by integration
	inFlight     *prometheus.GaugeVec     // by integration
	superseded   prometheus.Counter
	outboxErrors prometheus.Counter
	reloads      prometheus.Counter
	incidents    prometheus.Gauge
	waiting      prometheus.Gauge
	pending      prometheus.Gauge
	oldest       atomic.Int64 // Unix time of the oldest pending decision, ns; 0: none
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		deliveries:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "headwater_page_deliveries_total", Help: "Attempts to deliver a page, and pages that were not for an integration, by result: sent, retry, refused, given_up, skipped."}, []string{"receiver", "integration", "result"}),
		duration:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "headwater_page_delivery_duration_seconds", Help: "Time that an integration took to take or refuse a page.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"integration"}),
		inFlight:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "headwater_page_in_flight", Help: "Pages under way."}, []string{"integration"}),
		superseded:   prometheus.NewCounter(prometheus.CounterOpts{Name: "headwater_page_superseded_total", Help: "Updates that a newer page made needless before they were sent."}),
		outboxErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "headwater_page_outbox_errors_total", Help: "Reads and records of the outbox that failed; each is repeated."}),
		reloads:      prometheus.NewCounter(prometheus.CounterOpts{Name: "headwater_page_config_reloads_total", Help: "Configurations of receivers and routes taken over."}),
		incidents:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "headwater_page_incidents", Help: "Incidents with undelivered pages that are being worked on."}),
		waiting:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "headwater_page_waiting_incidents", Help: "Incidents with undelivered pages beyond the limit, left in the outbox for now."}),
		pending:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "headwater_page_pending", Help: "Pages in the outbox that are not fully delivered."}),
	}
	oldest := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "headwater_page_oldest_pending_seconds", Help: "Age of the oldest page that is not fully delivered."}, func() float64 {
		if at := m.oldest.Load(); at != 0 {
			return max(0, time.Since(time.Unix(0, at)).Seconds())
		}
		return 0
	})
	if reg != nil {
		reg.MustRegister(m.deliveries, m.duration, m.inFlight, m.superseded, m.outboxErrors, m.reloads, m.incidents, m.waiting, m.pending, oldest)
	}
	return m
}

func (m *metrics) delivered(t target, result string) {
	m.deliveries.WithLabelValues(t.receiver, t.integration, result).Inc()
}
