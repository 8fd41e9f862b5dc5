package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
)

// engineRunner runs the engine's driver and, when the engine's settings change,
// replaces it: the driver is stopped, and another restores the engine from the
// store with the new settings and goes on at the same position. The intake
// publishes meanwhile, and nothing is lost, for the stream keeps it.
//
// It is replaced as well when it fails while stream and store are well, and when its
// goroutine dies, after a pause that grows while it keeps failing: meanwhile alerts
// are taken and, when that lasts, paged as received (package lifeline). A server
// that ended instead could do neither.
//
// The settings of an engine are fixed when it is made: its state is a function of
// them and of the stream. That is why they are not changed under it.
type engineRunner struct {
	options driver.Options // its Config is that of the first driver
	log     *slog.Logger
	// failures counts the drivers that failed and were replaced.
	failures prometheus.Counter

	restarts chan correlate.Config // not buffered: who has sent knows that it was taken
	ended    chan struct{}         // closed when run returns

	mu       sync.Mutex
	current  *runningDriver
	replaced chan struct{} // closed when current no longer is
	failed   error         // why current does not run; nil while it does
}

// The pauses before a driver that failed is replaced, and how long one must have run to
// count as a good one.
const (
	engineRetryFirst = time.Second
	engineRetryLast  = 10 * time.Second
	engineGoodAfter  = time.Minute
)

// runningDriver is a driver and the metrics that it registered.
type runningDriver struct {
	*driver.Driver
	metrics *ownedMetrics
}

// newEngineRunner makes the first driver and starts nothing.
func newEngineRunner(o driver.Options, log *slog.Logger) (*engineRunner, error) {
	r := &engineRunner{options: o, log: log, restarts: make(chan correlate.Config), ended: make(chan struct{}), replaced: make(chan struct{})}
	r.failures = prometheus.NewCounter(prometheus.CounterOpts{Name: "headwater_engine_failures_total", Help: "How often the engine failed or its goroutine died, and was replaced."})
	if err := o.Registerer.Register(r.failures); err != nil {
		return nil, err
	}
	var err error
	r.current, err = r.newDriver(o.Config)
	return r, err
}

func (r *engineRunner) newDriver(cfg correlate.Config) (*runningDriver, error) {
	o := r.options
	o.Config = cfg
	owned := &ownedMetrics{registerer: r.options.Registerer}
	o.Registerer = owned
	d, err := driver.New(o)
	if err != nil {
		owned.unregister()
		return nil, err
	}
	return &runningDriver{d, owned}, nil
}

// run drives the engine until ctx ends.
func (r *engineRunner) run(ctx context.Context) error {
	defer close(r.ended)
	cfg, pause := r.options.Config, engineRetryFirst
	for {
		began := time.Now()
		next, err := r.runOne(ctx)
		switch {
		case next != nil && err == nil:
			r.log.Info("Correlation goes on with new settings")
		case err == nil || ctx.Err() != nil || !errors.Is(err, driver.ErrEngine):
			return err
		default:
			if time.Since(began) > engineGoodAfter {
				pause = engineRetryFirst
			}
			r.fail(err, pause)
			if next = r.rest(ctx, pause); ctx.Err() != nil {
				return nil
			}
			pause = min(2*pause, engineRetryLast)
		}
		if next != nil {
			cfg = *next
		}
		if err := r.replace(cfg); err != nil {
			return err
		}
	}
}

// fail makes known that the current driver has failed.
func (r *engineRunner) fail(err error, pause time.Duration) {
	r.failures.Inc()
	r.log.Error("Correlation failed and will be started anew; until then alerts are paged as received", "after", pause, "err", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
}

// rest waits before a driver that failed is replaced, or until other settings are wanted.
func (r *engineRunner) rest(ctx context.Context, pause time.Duration) (next *correlate.Config) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case cfg := <-r.restarts:
		return &cfg
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}

// runOne runs the current driver until ctx ends, it fails, or other settings are wanted.
func (r *engineRunner) runOne(ctx context.Context) (next *correlate.Config, err error) {
	d := r.driver()
	driverCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1) // one result
	go func() { drive(driverCtx, d.Driver, done) }()
	select {
	case cfg := <-r.restarts:
		cancel()
		return &cfg, <-done
	case err := <-done:
		return nil, err
	}
}

// drive runs a driver and says how it ended, also when its goroutine dies.
func drive(ctx context.Context, d *driver.Driver, done chan<- error) {
	err := fmt.Errorf("%w: its goroutine ended", driver.ErrEngine) // unless something else is said
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v\n%s", driver.ErrEngine, p, debug.Stack())
		}
		done <- err
	}()
	err = d.Run(ctx)
}

// replace makes a driver with other settings the current one. The old one has ended.
func (r *engineRunner) replace(cfg correlate.Config) error {
	r.driver().metrics.unregister()
	d, err := r.newDriver(cfg)
	if err != nil {
		return fmt.Errorf("restart correlation: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.failed = d, nil
	close(r.replaced)
	r.replaced = make(chan struct{})
	return nil
}

// restart asks for an engine with other settings, which [correlate.New] accepts.
func (r *engineRunner) restart(ctx context.Context, cfg correlate.Config) error {
	select {
	case r.restarts <- cfg:
		return nil
	case <-r.ended:
		return driver.ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *engineRunner) driver() *runningDriver {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// Wait is [driver.Driver.Wait] across replacements.
func (r *engineRunner) Wait(ctx context.Context, pos uint64) (rejected string, err error) {
	for {
		r.mu.Lock()
		d, replaced := r.current, r.replaced
		r.mu.Unlock()
		rejected, err = d.Wait(ctx, pos)
		if !errors.Is(err, driver.ErrStopped) {
			return rejected, err
		}
		select {
		case <-replaced:
		case <-ctx.Done():
			return "", err
		}
	}
}

// Ready tells why the engine's decisions are not current, nil when they are.
func (r *engineRunner) Ready() error {
	r.mu.Lock()
	d, failed := r.current, r.failed
	r.mu.Unlock()
	if failed != nil {
		return failed
	}
	return d.Ready()
}

// Applied is the position of the last entry that the current driver has applied and committed; 0
// until it has begun.
func (r *engineRunner) Applied() uint64 { return r.driver().Applied() }

// ownedMetrics remembers what was registered through it, so that it can be taken
// back as a whole.
type ownedMetrics struct {
	registerer prometheus.Registerer

	mu    sync.Mutex
	owned []prometheus.Collector
}

// Register implements [prometheus.Registerer].
func (o *ownedMetrics) Register(c prometheus.Collector) error {
	if err := o.registerer.Register(c); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owned = append(o.owned, c)
	return nil
}

// MustRegister implements [prometheus.Registerer].
func (o *ownedMetrics) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := o.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements [prometheus.Registerer].
func (o *ownedMetrics) Unregister(c prometheus.Collector) bool { return o.registerer.Unregister(c) }

func (o *ownedMetrics) unregister() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.owned {
		o.registerer.Unregister(c)
	}
	o.owned = nil
}
