// Package driver runs the engine: it is the one goroutine that owns it, feeds it
// the stream, and makes durable what it decides.
//
// # What it promises
//
// Entries are stepped in the order of the stream, each once. What up to
// [maxBatch] entries changed, or as many as can be stepped in [batchTime], is
// committed together; a lone entry is committed at once, nothing is waited for.
// A commit that decided a page is synced to disk before anybody sees it, any
// other within a second.
//
// Nothing is published before it is committed: [Driver.Wait] returns, pages
// appear and reads change with the commit. So when a commit fails, the engine is
// ahead of the disk and nobody knows: the same commit is repeated, with growing
// pauses, and no further entry is stepped until it succeeds. If the process dies
// instead, the stream delivers the same entries to the state before them. The
// store must treat a repeated commit as one.
//
// Time passes in the stream's order. When the engine's next deadline is due and
// no entry is there to carry the time on, the driver publishes a tick, which comes
// back in its place; it never steps the engine by its own clock.
//
// The channel between the stream and the engine holds [inputQueue] entries. When
// it is full the stream waits: entries stay there, and nothing is dropped.
//
// An entry on which the engine panics is set aside: see quarantine.go.
package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	// maxBatch and batchTime bound the steps of one commit: enough to share an
	// fsync among them, too little for a page to wait noticeably.
	maxBatch  = 256
	batchTime = 5 * time.Millisecond
	// inputQueue lets the stream decode the next batch while this one is being committed.
	inputQueue = 2 * maxBatch
	// syncWithin is how long committed entries may stay off the disk.
	syncWithin = time.Second
	// stopTime bounds the last sync.
	stopTime = 5 * time.Second
)

// ErrEngine is in the errors of [Driver.Run] that are about the engine, while stream and store
// are well: another driver may do better, with other settings or a while later.
var ErrEngine = errors.New("the engine cannot go on")

// ErrStopped is what [Driver.Wait] returns after [Driver.Run] has ended.
var ErrStopped = errors.New("correlation has stopped")

// Source is the ordered stream.
type Source interface {
	// Follow sends every entry after position after to out, in order, blocking
	// while out is full. It returns nil when ctx ends, and otherwise only on an
	// error that it cannot mend by itself.
	Follow(ctx context.Context, after uint64, out chan<- correlate.Input) error
	// PublishTick appends a tick to the stream. An error is worth a retry.
	PublishTick(ctx context.Context) error
	// Last is the position of the newest entry.
	Last(ctx context.Context) (uint64, error)
}

// Store keeps the engine's state.
type Store interface {
	// Load returns the state as of the last commit; the zero Snapshot at first.
	Load(ctx context.Context) (*correlate.Snapshot, error)
	// Commit makes deltas the state, all or none, on disk if sync. Repeating a
	// commit changes nothing. An error whose Permanent method returns true ends the driver.
	Commit(ctx context.Context, deltas []*correlate.Delta, sync bool) error
}

// Engine is what the driver needs of [correlate.Engine].
type Engine interface {
	Step(in correlate.Input) *correlate.Delta
	NextDeadline() (time.Time, bool)
}

// Options of [New]. Source and Store are required.
type Options struct {
	// Config is the engine's.
	Config correlate.Config
	Source Source
	Store  Store
	// Restore makes the engine. Default: [correlate.Restore].
	Restore func(correlate.Config, *correlate.Snapshot) (Engine, error)
	// Paced: whoever set it has ticks published at each [Driver.NextDeadline], by a clock
	// of its own. The driver publishes none.
	Paced bool
	// Quarantine keeps an entry that the engine panicked on, for a person to look
	// at. Its error is logged. May be nil.
	Quarantine func(ctx context.Context, in correlate.Input, reason string) error
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer receives the metrics; nil registers none.
	Registerer prometheus.Registerer
}

func (o Options) validate() error {
	switch {
	case o.Source == nil:
		return errors.New("driver: no source")
	case o.Store == nil:
		return errors.New("driver: no store")
	}
	return o.Config.Validate()
}

// Driver connects a stream, an engine and a store.
type Driver struct {
	// Set by New and never changed.
	opts    Options
	log     *slog.Logger
	metrics *metrics

	// Shared with callers; each guards itself.
	progress progress
	status   status
}

// New makes a driver and starts nothing.
func New(o Options) (*Driver, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Restore == nil {
		o.Restore = func(cfg correlate.Config, s *correlate.Snapshot) (Engine, error) { return correlate.Restore(cfg, s) }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Driver{opts: o, log: o.Logger, metrics: newMetrics()}
	d.progress.init()
	if o.Registerer != nil {
		if err := d.metrics.register(o.Registerer, d); err != nil {
			return nil, fmt.Errorf("register driver metrics: %w", err)
		}
	}
	return d, nil
}

// Run follows the stream until ctx ends, then returns nil with everything stepped
// on disk. It returns an error when it cannot begin, when the stream or the store
// fails for good, or when the engine cannot go on ([ErrEngine]). Run must be called once.
func (d *Driver) Run(ctx context.Context) error {
	defer d.progress.stop()
	l, err := d.newLoop(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // stopped before it began
	case err != nil:
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	followed := make(chan error, 1) // one result, so that nobody waits for its reader
	workers.Go(func() { followed <- d.opts.Source.Follow(ctx, l.pos, l.inputs) })
	workers.Go(func() { d.watchStream(ctx) })

	if err = l.run(ctx, followed); errors.Is(err, errStopping) {
		err = nil
	}
	cancel()
	l.ticks.stop()
	workers.Wait()
	return errors.Join(err, l.finish())
}
