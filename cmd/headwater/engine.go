package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
)

// engineRunner runs the engine's driver and, when the engine's settings change,
// replaces it: the driver is stopped, and another restores the engine from the
// store with the new settings and goes on at the same position. The intake
// publishes meanwhile, and nothing is lost, for the stream keeps it.
//
// The settings of an engine are fixed when it is made: its state is a function of
// them and of the stream. That is why they are not changed under it.
type engineRunner struct {
	options driver.Options // its Config is that of the first driver
	log     *slog.Logger

	restarts chan correlate.Config // not buffered: who has sent knows that it was taken
	ended    chan struct{}         // closed when run returns

	mu       sync.Mutex
	current  *runningDriver
	replaced chan struct{} // closed when current no longer is
}

// runningDriver is a driver and the metrics that it registered.
type runningDriver struct {
	*driver.Driver
	metrics *ownedMetrics
}

// newEngineRunner makes the first driver and starts nothing.
func newEngineRunner(o driver.Options, log *slog.Logger) (*engineRunner, error) {
	r := &engineRunner{options: o, log: log, restarts: make(chan correlate.Config), ended: make(chan struct{}), replaced: make(chan struct{})}
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
	for {
		next, err := r.runOne(ctx)
		if err != nil || next == nil {
			return err
		}
		r.log.Info("Correlation goes on with new settings")
		if err := r.replace(*next); err != nil {
			return err
		}
	}
}

// runOne runs the current driver until ctx ends, it fails, or other settings are wanted.
func (r *engineRunner) runOne(ctx context.Context) (next *correlate.Config, err error) {
	d := r.driver()
	driverCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1) // one result
	go func() { done <- d.Run(driverCtx) }()
	select {
	case cfg := <-r.restarts:
		cancel()
		return &cfg, <-done
	case err := <-done:
		return nil, err
	}
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
	r.current = d
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

// ready tells why the engine's decisions are not current, nil when they are.
func (r *engineRunner) ready() error { return r.driver().Ready() }

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
