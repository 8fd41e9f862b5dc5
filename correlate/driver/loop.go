package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	commitRetryFirst = 50 * time.Millisecond
	commitRetryLast  = 5 * time.Second
)

// loop is the state of the goroutine that owns the engine. Nothing else touches it.
type loop struct {
	*Driver
	engine    Engine
	pos       uint64 // last position stepped
	inputs    chan correlate.Input
	ticks     *ticker
	incidents incidents
	graph     string // version of the graph in force, as far as it was logged

	unsynced bool
	syncDue  *time.Timer // runs while unsynced
}

// newLoop restores the engine.
func (d *Driver) newLoop(ctx context.Context) (*loop, error) {
	l := &loop{
		Driver:  d,
		inputs:  make(chan correlate.Input, inputQueue),
		ticks:   newTicker(d.opts.Source, d.log),
		syncDue: stoppedTimer(),
	}
	if err := l.restore(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// restore makes the engine as of the last commit.
func (l *loop) restore(ctx context.Context) error {
	start := time.Now()
	snap, err := l.opts.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("load engine state: %w", err)
	}
	if l.engine, err = l.opts.Restore(l.opts.Config, snap); err != nil {
		return fmt.Errorf("%w: restore it at position %d: %w", ErrEngine, snap.Meta.Pos, err)
	}
	l.pos = snap.Meta.Pos
	l.incidents = incidentsOf(snap)
	l.graph = snap.Meta.TopologyVersion
	l.metrics.open.Set(float64(l.incidents.open()))
	l.progress.begin(l.pos, l.deadline())
	l.log.Info("engine restored", "position", l.pos, "alerts", len(snap.Alerts), "incidents", len(snap.Incidents),
		"topology", snap.Meta.TopologyVersion, "duration", time.Since(start))
	return nil
}

// run is the whole concurrency story.
func (l *loop) run(ctx context.Context, followed <-chan error) error {
	for {
		if !l.opts.Paced {
			l.ticks.arm(l.engine.NextDeadline())
		}
		select {
		case in := <-l.inputs:
			if err := l.apply(ctx, in); err != nil {
				return err
			}
		case <-l.ticks.due():
			if len(l.inputs) == 0 { // else time goes on without our help
				l.ticks.publish(ctx)
			}
		case r := <-l.ticks.results:
			l.ticks.published(r)
		case <-l.syncDue.C:
			if err := l.commit(ctx, nil, true); err != nil {
				return err
			}
		case err := <-followed:
			return l.followEnded(ctx, err)
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *loop) followEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errStopping
	}
	if err == nil {
		err = errors.New("it ended by itself")
	}
	err = fmt.Errorf("follow the stream from position %d: %w", l.pos, err)
	l.status.stuck(err)
	return err
}

// apply steps in and what else is there, and commits it.
func (l *loop) apply(ctx context.Context, in correlate.Input) error {
	var batch batch
	var poison *poison
	start := time.Now()
	for {
		if poison = l.step(in, &batch); poison != nil {
			break
		}
		if len(batch.deltas) >= maxBatch || time.Since(start) >= batchTime {
			break
		}
		next, ok := l.next()
		if !ok {
			break
		}
		in = next
	}
	if err := l.commitBatch(ctx, &batch); err != nil || poison == nil {
		return err
	}
	return l.quarantine(ctx, poison)
}

// next takes an input if one is waiting.
func (l *loop) next() (correlate.Input, bool) {
	select {
	case in := <-l.inputs:
		return in, true
	default:
		return correlate.Input{}, false
	}
}

// batch is what the steps of one commit made.
type batch struct {
	deltas []*correlate.Delta
	pages  int
	last   time.Time // of the last entry, by the stream's clock
}

func (b *batch) add(d *correlate.Delta, at time.Time) {
	b.deltas = append(b.deltas, d)
	b.pages += len(d.Pages)
	b.last = at
}

// step feeds one input to the engine. One that has been stepped before is passed
// over, as the engine would.
func (l *loop) step(in correlate.Input, b *batch) *poison {
	l.ticks.saw(in)
	if in.Pos <= l.pos {
		l.log.Debug("entry delivered again", "position", in.Pos)
		return nil
	}
	start := time.Now()
	delta, poison := tryStep(l.engine, in)
	if poison != nil {
		return poison
	}
	l.metrics.steps.Observe(time.Since(start).Seconds())
	l.pos = in.Pos
	b.add(delta, in.At)
	return nil
}

// commitBatch commits what b holds and then tells everybody.
func (l *loop) commitBatch(ctx context.Context, b *batch) error {
	if len(b.deltas) == 0 {
		return nil
	}
	if err := l.commit(ctx, b.deltas, b.pages > 0); err != nil {
		return err
	}
	l.published(b)
	return nil
}

// errStopping: ctx ended before a commit could succeed.
var errStopping = errors.New("stopping")

// commit tries until it succeeds, ctx ends, or the store has failed for good. A
// shutdown does not cut off an attempt.
func (l *loop) commit(ctx context.Context, deltas []*correlate.Delta, sync bool) error {
	pause := commitRetryFirst
	for {
		err := l.opts.Store.Commit(context.WithoutCancel(ctx), deltas, sync)
		if err == nil {
			l.committed(sync)
			return nil
		}
		l.metrics.commitFailures.Inc()
		if first := l.status.stuck(fmt.Errorf("commit: %w", err)); first {
			l.log.Error("commit failed, nothing is decided until it succeeds", "position", l.pos, "err", err)
		}
		if isPermanent(err) {
			return fmt.Errorf("commit up to position %d: %w", l.pos, err)
		}
		if !sleep(ctx, pause) {
			return errStopping
		}
		pause = min(2*pause, commitRetryLast)
	}
}

func (l *loop) committed(sync bool) {
	if l.status.recovered() {
		l.log.Info("commits succeed again", "position", l.pos)
	}
	switch {
	case sync:
		l.unsynced = false
		l.syncDue.Stop()
	case !l.unsynced:
		l.unsynced = true
		l.syncDue.Reset(syncWithin)
	}
}

// published tells everybody what has been committed.
func (l *loop) published(b *batch) {
	for _, d := range b.deltas {
		l.report(d)
	}
	l.metrics.applied.Add(float64(len(b.deltas)))
	l.metrics.batches.Observe(float64(len(b.deltas)))
	l.metrics.open.Set(float64(l.incidents.open()))
	l.status.applied(b.last)
	l.progress.advance(b.deltas, l.deadline())
}

// deadline is the engine's next, zero when it has none.
func (l *loop) deadline() time.Time {
	at, ok := l.engine.NextDeadline()
	if !ok {
		return time.Time{}
	}
	return at
}

// finish puts on disk what was committed since the last sync.
func (l *loop) finish() error {
	if !l.unsynced {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if err := l.opts.Store.Commit(ctx, nil, true); err != nil {
		return fmt.Errorf("sync at shutdown: %w", err)
	}
	return nil
}

// isPermanent reports whether err says of itself that a retry is of no use.
func isPermanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
