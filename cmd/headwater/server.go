package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/headwater-sre/headwater/api"
	dashboard "github.com/headwater-sre/headwater/api/web"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
	"github.com/headwater-sre/headwater/correlate/lifeline"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/ingest"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/ingest/reconcile"
	"github.com/headwater-sre/headwater/ingest/rollout"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// serverOptions are what the command line and the configuration file say.
type serverOptions struct {
	config      *config
	storagePath string
	web         *web.FlagConfig
	externalURL *url.URL // nil: made from the host's name and the web port
	lifecycle   bool
	grpcAddress string // empty: no gRPC port
	origins     api.Origins
	bus         bus.Options

	// reload has an element when the configuration is to be read again. May be nil.
	reload <-chan os.Signal
	// source replaces the stream as the engine sees it. The demo has a clock of its own.
	source func(driver.Source) driver.Source
	// simulated, unless nil, is a rehearsal's time, by which the server goes.
	simulated *simulated
}

// server is one Headwater from start to stop.
type server struct {
	o        serverOptions
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  serverMetrics
	parts    *lifecycle

	phase     phase
	externals *url.URL

	// The parts, in the order of their start. Set by start, which is before anybody
	// else looks.
	web        *webServer
	store      *store.Store
	bus        *bus.Bus
	engine     *engineRunner
	pager      *page.Pager
	desk       *page.Desk         // nil with a stream that has a clock of its own
	lifeline   *lifeline.Lifeline // likewise
	topology   *discovery.Manager
	intake     *ingest.Intake
	reconciler *reconcile.Reconciler
	probing    *probing
	rollouts   *rollout.Watcher
	grpcAddr   string

	// listening and started, unless nil, are called once the web port answers and
	// once the server takes alerts.
	listening, started func()

	reloads chan reloadRequest // not buffered: one at a time, and the asker waits
	config  *config            // in force; belongs to run's goroutine

	since time.Time
	// inForce is config for whoever only reads it.
	inForce atomic.Pointer[config]
}

type serverMetrics struct {
	reloadSuccess, reloadTime prometheus.Gauge
}

// phase says why the server is not ready, while that is not the parts' to say.
type phase struct {
	mu     sync.Mutex
	reason string // empty: ask the parts
}

func (p *phase) set(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason = reason
}

func (p *phase) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason == "" {
		return nil
	}
	return errors.New(p.reason)
}

func newServer(o serverOptions, log *slog.Logger) *server {
	s := &server{
		o: o, log: log, registry: prometheus.NewRegistry(), parts: newLifecycle(log),
		reloads: make(chan reloadRequest), config: o.config, since: time.Now(),
	}
	o.config.since = s.since
	s.inForce.Store(o.config)
	s.phase.set("starting")
	s.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("headwater"),
	)
	s.metrics.reloadSuccess = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "headwater_config_last_reload_successful",
		Help: "Whether the last attempt to read the configuration succeeded.",
	})
	s.metrics.reloadTime = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "headwater_config_last_reload_success_timestamp_seconds",
		Help: "When the configuration was last read with success.",
	})
	s.registry.MustRegister(s.metrics.reloadSuccess, s.metrics.reloadTime)
	s.metrics.reloadSuccess.Set(1)
	s.metrics.reloadTime.SetToCurrentTime()
	return s
}

// run starts the server and serves until ctx ends or a part fails. It is called once.
func (s *server) run(ctx context.Context) error {
	s.log.Info("Starting Headwater", "version", version.Info(), "build", version.BuildContext())
	err := s.start(ctx)
	if err == nil {
		err = s.serve(ctx)
	}
	s.phase.set("stopping")
	notifySystemd(daemon.SdNotifyStopping)
	if ctx.Err() != nil {
		err = nil // what was cut off by the request to stop is no failure
	}
	return errors.Join(err, s.parts.stop())
}

// serve carries out reloads until ctx ends or a part fails.
func (s *server) serve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.parts.failures:
			return err
		case <-s.o.reload:
			_ = s.reload(ctx) // logged, and counted
		case r := <-s.reloads:
			r.done <- s.reload(ctx)
		}
	}
}

// ready tells why the server should not get traffic, nil when it should.
func (s *server) ready() error {
	if err := s.phase.err(); err != nil {
		return err
	}
	if err := s.bus.Healthy(); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	if err := s.engine.Ready(); err != nil {
		return fmt.Errorf("correlation: %w", err)
	}
	return nil
}

// start brings the parts up, each before those that need it. What it started it
// leaves to lifecycle.stop, also when it fails.
func (s *server) start(ctx context.Context) error {
	for _, w := range s.config.warnings {
		s.log.Warn("Configuration", "warning", w)
	}
	if err := s.startWeb(); err != nil {
		return err
	}
	grpcListener, err := s.listenGRPC()
	if err != nil {
		return err
	}
	if err := s.openStore(); err != nil {
		return err
	}
	if err := s.openBus(ctx); err != nil {
		return err
	}
	if err := s.startPager(); err != nil {
		return err
	}
	if err := s.startEngine(ctx); err != nil {
		return err
	}
	if err := s.startLifeline(); err != nil {
		return err
	}
	if err := s.startReconciler(); err != nil {
		return err
	}
	s.startProbes()
	if err := s.startRollouts(ctx); err != nil {
		return err
	}
	app, err := s.startAPI(grpcListener)
	if err != nil {
		return err
	}
	s.phase.set("")
	s.web.mount(app, s.intake.Guards)
	notifySystemd(daemon.SdNotifyReady)
	s.log.Info("Headwater takes alerts", "url", s.externals.String(), "grpc", s.grpcAddr, "environment", s.config.environment)
	if s.started != nil {
		s.started()
	}
	return nil
}

func (s *server) startWeb() error {
	s.web = newWebServer(s.o, s.registry, s.ready, s.askReload, s.log)
	if err := s.web.listen(); err != nil {
		return err
	}
	tls := false
	if file := *s.o.web.WebConfigFile; file != "" {
		c, err := readWebConfig(file)
		if err != nil {
			return err
		}
		tls = c.TLSConfig.IsEnabled()
	}
	s.externals = s.o.externalURL
	if s.externals == nil {
		s.externals = defaultExternalURL(s.web.address(), tls)
	}
	s.parts.run("web server", s.web.serve)
	if s.listening != nil {
		s.listening()
	}
	return nil
}

func (s *server) openStore() error {
	st, err := store.Open(store.Options{
		Dir:        filepath.Join(s.o.storagePath, "incidents"),
		Retention:  s.config.retention,
		Logger:     s.log.With("component", "store"),
		Registerer: s.registry,
	})
	if err != nil {
		return fmt.Errorf("--storage.path=%s: %w", s.o.storagePath, err)
	}
	s.store = st
	s.parts.onStop("store", func(ctx context.Context) error { return bounded(ctx, st.Close) })
	s.parts.run("history", st.Run)
	return nil
}

// openBus waits for an external server for as long as it takes: the order in which
// two services are restarted must not matter. Until then the intake says 503.
func (s *server) openBus(ctx context.Context) error {
	o := s.o.bus
	o.Environment = s.config.environment
	if o.URL == "" {
		o.StoreDir = filepath.Join(s.o.storagePath, "stream")
	} else {
		s.phase.set("waiting for the NATS server of --nats.url")
	}
	o.MaxAge, o.MaxBytes = s.config.stream.maxAge, s.config.stream.maxBytes
	o.DeadLetterMaxAge, o.DeadLetterMaxBytes = s.config.stream.deadLetterMaxAge, s.config.stream.deadLetterMaxBytes
	o.Logger, o.Registerer = s.log.With("component", "bus"), s.registry
	for {
		b, err := bus.Open(ctx, o)
		if err == nil {
			s.phase.set("starting")
			s.bus = b
			s.parts.onStop("stream", func(ctx context.Context) error {
				return bounded(ctx, func() error { b.Close(); return nil })
			})
			return nil
		}
		switch {
		case o.URL == "":
			return fmt.Errorf("--storage.path=%s: %w", s.o.storagePath, err)
		case ctx.Err() != nil, !errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("--nats.url: %w", err)
		}
		s.phase.set("waiting for the NATS server of --nats.url: " + err.Error())
		s.log.Warn("NATS still does not answer; the intake says 503 until it does", "err", err)
	}
}

func (s *server) startPager() error {
	log := s.log.With("component", "page")
	o := page.Options{
		Config:        s.config.paging,
		Outbox:        s.store,
		ExternalURL:   s.externals,
		Logger:        log,
		Registerer:    s.registry,
		ShutdownGrace: pageGrace,
	}
	if sim := s.o.simulated; sim != nil {
		o.Clock, o.ReadPause, o.Outbox = sim.clock, time.Millisecond, &simulatedOutbox{s.store, sim}
	}
	pager, err := page.New(o)
	if err != nil {
		return err
	}
	s.pager = pager
	s.parts.run("pages", pager.Run)
	return nil
}

// The shares of the time that a stop may take.
const (
	requestGrace = 3 * time.Second // requests and calls under way
	pageGrace    = 3 * time.Second // pages under way
)

// startEngine starts to apply the stream, and has the topology published: the first
// ever before any alert, a changed one after what the stream already holds.
func (s *server) startEngine(ctx context.Context) error {
	var source driver.Source = s.bus
	if s.o.source != nil {
		source = s.o.source(source)
	}
	sim := s.o.simulated
	if sim != nil {
		source = &simulatedSource{source, sim}
	}
	log := s.log.With("component", "engine")
	engine, err := newEngineRunner(withFaults(driver.Options{
		Config: s.config.engine, Source: source, Store: s.store, Paced: sim != nil,
		Quarantine: s.quarantine, Logger: log, Registerer: s.registry,
	}), log)
	if err != nil {
		return err
	}
	s.engine = engine
	s.parts.run("correlation", engine.run)
	return s.startTopology(ctx)
}

// startProbes begins to look at services. What it finds goes through the stream, like
// what others report.
func (s *server) startProbes() {
	s.probing = newProbing(s.config, s.store, s.bus, s.registry, s.log.With("component", "health"))
	s.parts.run("health checks", s.probing.checker.Run)
	s.parts.run("health targets", s.probing.run)
	s.parts.run("health attention", s.probing.attend)
}

// quarantine keeps an entry that the engine failed on where undecodable bodies are kept.
func (s *server) quarantine(ctx context.Context, in correlate.Input, reason string) error {
	return s.bus.DeadLetter(ctx, bus.DeadLetter{
		Source:      "engine",
		ContentType: "text/plain; charset=utf-8",
		Reason:      reason,
		Body:        fmt.Appendf(nil, "stream position %d, stored %s\n%+v\n", in.Pos, in.At.Format(time.RFC3339Nano), in.Signal),
	})
}

// mux is everything on the web port that the parts provide.
func (s *server) mux(intake, rest, bridge, ui http.Handler, services []string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/webhook/", intake)
	mux.Handle("/api/v2/alerts", intake)
	mux.Handle("/api/v1/", rest)
	for _, name := range services {
		mux.Handle("/"+name+"/", bridge)
	}
	for _, pattern := range dashboard.Patterns() {
		mux.Handle(pattern, ui)
	}
	return mux
}

// notifySystemd tells a supervisor that asked for it (Type=notify). Without one it
// does nothing, and that a message could not be sent is no reason to stop.
func notifySystemd(state string) { _, _ = daemon.SdNotify(false, state) }
