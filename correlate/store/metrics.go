package store

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	commits *prometheus.HistogramVec
	failed  prometheus.Counter
	staged  prometheus.Counter
	bytes   prometheus.Counter
	syncs   prometheus.Histogram

	unregister func()
}

func newMetrics() *metrics {
	fast := prometheus.ExponentialBuckets(0.0001, 4, 9) // 100 µs to 6.5 s
	return &metrics{
		commits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headwater_store_commit_duration_seconds",
			Help:    "Time to commit a batch of engine steps, by whether it waited for the disk.",
			Buckets: fast,
		}, []string{"sync"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_store_commit_failures_total",
			Help: "Commits that failed.",
		}),
		staged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_store_staged_commits_total",
			Help: "Commits that were too large for one transaction.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_store_written_bytes_total",
			Help: "Bytes committed, before the database's own amplification.",
		}),
		syncs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "headwater_store_sync_duration_seconds",
			Help:    "Time of an fsync of the log.",
			Buckets: fast,
		}),
	}
}

// register also registers what is read from s at scrape time.
func (m *metrics) register(reg prometheus.Registerer, s *Store) error {
	m.commits.WithLabelValues(syncLabel(true))
	m.commits.WithLabelValues(syncLabel(false))
	all := []prometheus.Collector{m.commits, m.failed, m.staged, m.bytes, m.syncs, &stateCollector{s}}
	m.unregister = func() {
		for _, c := range all {
			reg.Unregister(c)
		}
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}

// commitFailed counts err and returns it.
func (m *metrics) commitFailed(err error) error {
	m.failed.Inc()
	return err
}

func syncLabel(sync bool) string {
	if sync {
		return "true"
	}
	return "false"
}

var (
	rowsDesc = prometheus.NewDesc("headwater_store_live_rows",
		"Rows that are part of the engine's state, by kind.", []string{"kind"}, nil)
	pendingDesc = prometheus.NewDesc("headwater_store_pending_pages",
		"Pages in the outbox that are not done.", nil, nil)
	oldestDesc = prometheus.NewDesc("headwater_store_oldest_pending_page_age_seconds",
		"Age of the oldest page that is not done; 0 when there is none.", nil, nil)
	sizeDesc = prometheus.NewDesc("headwater_store_size_bytes",
		"Size of the database's tables on disk, as of the last minute.", nil, nil)
	revisionDesc = prometheus.NewDesc("headwater_store_revision",
		"Stream position that the committed state stands for.", nil, nil)
)

var kindOfTable = map[byte]string{
	tableAlert:       "alert",
	tableIncident:    "incident",
	tableChange:      "change",
	tableAction:      "action_item",
	tableMaintenance: "maintenance",
	tablePast:        "past",
	tableHealth:      "health",
	tableStat:        "stat",
}

// stateCollector measures the store when it is scraped.
type stateCollector struct{ s *Store }

// Describe implements [prometheus.Collector].
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{rowsDesc, pendingDesc, oldestDesc, sizeDesc, revisionDesc} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	rows, pending, oldest := c.s.measure(time.Now())
	for table, kind := range kindOfTable {
		gauge(rowsDesc, float64(rows[table]), kind)
	}
	gauge(pendingDesc, float64(pending))
	gauge(oldestDesc, oldest.Seconds())
	tables, valueLog := c.s.db.Size()
	gauge(sizeDesc, float64(tables+valueLog))
	gauge(revisionDesc, float64(c.s.Revision()))
}

// measure counts live rows by table and pending pages, and finds the age of the oldest page.
func (s *Store) measure(now time.Time) (rows map[byte]int, pending int, oldest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows = make(map[byte]int, len(s.index.counts))
	for table, n := range s.index.counts {
		rows[table] = n
	}
	for _, at := range s.index.pending {
		oldest = max(oldest, now.Sub(timeFromNano(at)))
	}
	return rows, len(s.index.pending), oldest
}
