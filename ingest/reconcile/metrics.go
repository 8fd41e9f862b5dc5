package reconcile

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	alerts, failures *prometheus.CounterVec
	success          *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	return &metrics{
		alerts: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_reconcile_alerts_total",
			Help: "Alerts that differed from what an Alertmanager holds: missing here, gone there, muted, unmuted, or confirmed because there was no news of them for long.",
		}, []string{"alertmanager", "found"}),
		failures: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_reconcile_failures_total",
			Help: "Comparisons with an Alertmanager that failed, in whole or in part.",
		}, []string{"alertmanager"}),
		success: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "headwater_reconcile_last_success_timestamp_seconds",
			Help: "When an Alertmanager was last compared with.",
		}, []string{"alertmanager"}),
	}
}

func (m *metrics) count(name string, t tally) {
	for found, n := range map[string]int{"missing": t.missing, "gone": t.gone, "muted": t.muted, "unmuted": t.unmuted, "confirmed": t.confirmed} {
		m.alerts.WithLabelValues(name, found).Add(float64(n))
	}
}

// reset forgets when Alertmanagers were last compared with: one that is no longer configured must not look late.
func (m *metrics) reset() { m.success.Reset() }
