package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/file"
)

// publisher puts signals on the stream.
type publisher interface {
	Publish(ctx context.Context, sig correlate.Signal) (pos uint64, err error)
}

// topologyFollower publishes the topology files' content whenever it changes. The
// graph itself changes when the report comes back from the stream, in its place
// among the alerts.
type topologyFollower struct {
	publisher publisher
	log       *slog.Logger
	metrics   topologyMetrics
	// paths has the files to follow from now on; only the latest matter.
	paths chan []string

	// These belong to run.
	version string // of what was published last
	bad     bool   // the files could not be used when they were last read
}

type topologyMetrics struct {
	good, published prometheus.Gauge
}

func newTopologyFollower(p publisher, reg prometheus.Registerer, log *slog.Logger) *topologyFollower {
	t := &topologyFollower{publisher: p, log: log, paths: make(chan []string, 1)}
	t.metrics.good = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "headwater_topology_last_load_successful",
		Help: "Whether the topology files were good when they were last read. When they were not, the last good version stays in force.",
	})
	t.metrics.published = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "headwater_topology_last_published_timestamp_seconds",
		Help: "When a changed topology was last put on the stream by this process.",
	})
	reg.MustRegister(t.metrics.good, t.metrics.published)
	t.metrics.good.Set(1)
	return t
}

// follow replaces the files to follow, and has them read at once.
func (t *topologyFollower) follow(paths []string) {
	select {
	case <-t.paths:
	default:
	}
	t.paths <- paths // there is room: nobody else sends
}

// run follows until ctx ends. version is that of the graph in force.
func (t *topologyFollower) run(ctx context.Context, version string) error {
	t.version = version
	var paths []string
	select {
	case paths = <-t.paths:
	case <-ctx.Done():
		return nil
	}
	for {
		watchCtx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1) // one result
		go func() { done <- t.watch(watchCtx, paths) }()
		select {
		case paths = <-t.paths:
		case <-ctx.Done():
		}
		cancel()
		if err := <-done; err != nil || ctx.Err() != nil {
			return err
		}
	}
}

func (t *topologyFollower) watch(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		t.metrics.good.Set(1)
		if t.version != "" { // nothing is in force before the first report
			t.changed(ctx, emptyTopology, nil)
		}
		<-ctx.Done()
		return nil
	}
	w := &file.Watcher{
		Paths:    paths,
		Version:  t.version,
		OnChange: func(spec topology.Spec) { t.changed(ctx, spec, paths) },
	}
	w.OnError = func(err error) {
		t.unusable(err)
		w.Version = "" // have the next good version handed on, also when it is the one in force
	}
	return w.Run(ctx)
}

func (t *topologyFollower) changed(ctx context.Context, spec topology.Spec, paths []string) {
	v, err := checkTopology(spec, paths)
	if err != nil {
		t.unusable(err)
		return
	}
	t.metrics.good.Set(1)
	if t.bad {
		t.bad = false
		t.log.Info("Topology files can be used again", "version", spec.Version, "unchanged", spec.Version == t.version)
	}
	if spec.Version == t.version {
		return
	}
	if t.publish(ctx, v) {
		t.version = spec.Version
	}
}

func (t *topologyFollower) unusable(err error) {
	t.bad = true
	t.metrics.good.Set(0)
	t.log.Error("Topology files cannot be used, the last good version stays", "err", oneLine(err))
}

// topologySource is the source of reports that come from files.
const topologySource = "file"

// publish tries until the stream has it, and reports false when that cannot be.
func (t *topologyFollower) publish(ctx context.Context, v topologyVersion) bool {
	const first, last = 100 * time.Millisecond, 5 * time.Second
	for pause := first; ; pause = min(2*pause, last) {
		pos, err := t.publisher.Publish(ctx, &correlate.TopologyReport{Source: topologySource, Spec: v.spec})
		switch {
		case err == nil:
			t.metrics.published.SetToCurrentTime()
			t.log.Info("Topology published", "version", v.spec.Version, "services", v.services,
				"dependencies", v.dependencies, "position", pos)
			for _, w := range v.warnings {
				t.log.Warn("Topology", "warning", w.Text)
			}
			return true
		case errors.Is(err, bus.ErrTooLarge):
			t.metrics.good.Set(0)
			t.log.Error("Topology is too large for the stream, the last one stays", "version", v.spec.Version, "err", err)
			return false
		case pause == first:
			t.log.Warn("Topology cannot be published yet, will keep trying", "err", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// oneLine joins the lines of an error that has several.
func oneLine(err error) string { return strings.Join(settings.ErrorLines(err), "; ") }
