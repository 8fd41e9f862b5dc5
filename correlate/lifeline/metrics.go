package lifeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	pages       *prometheus.CounterVec // by kind
	standing    *prometheus.GaugeVec   // by kind
	unreachable prometheus.Counter
	errors      prometheus.Counter

	beats    prometheus.Counter
	withheld *prometheus.CounterVec // by stage
	lastBeat prometheus.Gauge
	beatTime prometheus.Histogram

	dogs *prometheus.GaugeVec // by watchdog
}

// The kinds of pages that are sent without correlation, and the stages at which a heartbeat fails.
var (
	pageKinds = []string{"alerts", "incident", "delivery", "watchdog"}
	stages    = []string{"watch", "intake", "stream", "correlation", "receiver"}
)

func newMetrics(reg prometheus.Registerer, l *Lifeline) *metrics {
	m := &metrics{
		pages:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "headwater_failopen_pages_total", Help: "Pages sent without correlation, by kind: alerts as received, an incident whose page is overdue, a page that is not delivered, a watchdog that is silent."}, []string{"kind"}),
		standing:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "headwater_failopen_standing", Help: "Pages sent without correlation that are not over."}, []string{"kind"}),
		unreachable: prometheus.NewCounter(prometheus.CounterOpts{Name: "headwater_failopen_unreachable_total", Help: "Pages that do not get through and of which the fallback cannot be told, because it is who refuses them."}),
		errors:      prometheus.NewCounter(prometheus.CounterOpts{Name: "headwater_failopen_errors_total", Help: "Questions to store and stream that failed while correlation was watched."}),
		beats:       prometheus.NewCounter(prometheus.CounterOpts{Name: "headwater_heartbeat_sent_total", Help: "Heartbeats that a receiver took."}),
		withheld:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "headwater_heartbeat_withheld_total", Help: "Heartbeats that were not said, by the stage of the way that did not work."}, []string{"stage"}),
		lastBeat:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "headwater_heartbeat_last_sent_timestamp_seconds", Help: "When a receiver last took a heartbeat."}),
		beatTime:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "headwater_heartbeat_duration_seconds", Help: "Time that a heartbeat took from the intake to the receiver.", Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}),
		dogs:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "headwater_watchdog_last_heard_timestamp_seconds", Help: "When a watchdog was last heard, or first awaited."}, []string{"watchdog"}),
	}
	for _, kind := range pageKinds {
		m.pages.WithLabelValues(kind)
	}
	for _, stage := range stages {
		m.withheld.WithLabelValues(stage)
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "headwater_failopen_ledger_alerts", Help: "Alerts taken or refused by the intake that correlation is not known to have."}, func() float64 { return float64(l.ledger.len()) })
	undelivered := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "headwater_failopen_undelivered", Help: "Pages sent without correlation, edits and ends included, that are not delivered everywhere."}, func() float64 { return float64(l.o.Desk.Undelivered()) })
	looked := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "headwater_failopen_last_look_timestamp_seconds", Help: "When correlation was last looked at."}, func() float64 {
		return time.Duration(l.looked.Load()).Seconds()
	})
	if reg != nil {
		reg.MustRegister(m.pages, m.standing, m.unreachable, m.errors, m.beats, m.withheld, m.lastBeat, m.beatTime, m.dogs, waiting, undelivered, looked)
	}
	return m
}
