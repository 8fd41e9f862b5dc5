package bus

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	published       *prometheus.CounterVec
	publishDuration prometheus.Histogram
	splits          prometheus.Counter

	firstPosition    prometheus.Gauge
	lastPosition     prometheus.Gauge
	bytes            prometheus.Gauge
	followedPosition prometheus.Gauge

	inbox        *prometheus.CounterVec
	missed       prometheus.Counter
	decodeErrors prometheus.Counter
	deadLetters  prometheus.Counter
	restarts     prometheus.Counter
	up           prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, mode string) *metrics {
	f := promauto.With(reg)
	f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "headwater_bus_info",
		Help: "Where the stream is: mode embedded or external. Always 1.",
	}, []string{"mode"}).WithLabelValues(mode).Set(1)
	return &metrics{
		published: f.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_bus_published_total",
			Help: "Messages offered to the stream, by kind of signal and result: stored, duplicate, unavailable, too_large or invalid.",
		}, []string{"kind", "result"}),
		publishDuration: f.NewHistogram(prometheus.HistogramOpts{
			Name:                            "headwater_bus_publish_duration_seconds",
			Help:                            "Time until the stream had stored one message, failures left out.",
			Buckets:                         prometheus.ExponentialBuckets(0.0001, 2.5, 12),
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		splits: f.NewCounter(prometheus.CounterOpts{
			Name: "headwater_bus_split_batches_total",
			Help: "Batches that did not fit into one message and were split.",
		}),
		inbox: f.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_bus_inbox_messages_total",
			Help: "Messages that others published to an external server: taken, or to be taken again because nothing could be stored.",
		}, []string{"result"}),
		firstPosition: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_bus_stream_first_position",
			Help: "Position of the oldest entry that the stream still holds.",
		}),
		lastPosition: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_bus_stream_last_position",
			Help: "Position of the newest entry in the stream.",
		}),
		bytes: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_bus_stream_bytes",
			Help: "Size of the stream.",
		}),
		followedPosition: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_bus_followed_position",
			Help: "Position of the last entry handed to the follower.",
		}),
		missed: f.NewCounter(prometheus.CounterOpts{
			Name: "headwater_bus_missed_entries_total",
			Help: "Entries that the stream had dropped before they were followed.",
		}),
		decodeErrors: f.NewCounter(prometheus.CounterOpts{
			Name: "headwater_bus_decode_errors_total",
			Help: "Entries of the stream that could not be decoded and passed as ticks.",
		}),
		deadLetters: f.NewCounter(prometheus.CounterOpts{
			Name: "headwater_bus_dead_letters_total",
			Help: "Bodies stored in the dead-letter stream.",
		}),
		restarts: f.NewCounter(prometheus.CounterOpts{
			Name: "headwater_bus_server_restarts_total",
			Help: "Times the embedded server was started anew after it could not write.",
		}),
		up: f.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_bus_up",
			Help: "1 when publishing is expected to work, else 0.",
		}),
	}
}
