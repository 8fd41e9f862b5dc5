package store

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// Commit makes the effects of deltas, in their order, the database's state, all
// of them or none. With sync it returns once they, and everything before them,
// are on disk; no deltas and sync puts on disk what is not yet there.
//
// Repeating a commit changes nothing, so one that failed may be tried again,
// whether or not it had taken effect. [ErrNoSpace] goes away with the cause;
// [ErrFailed] does not. The context is looked at before the work begins only: a
// commit is not abandoned half-way.
func (s *Store) Commit(ctx context.Context, deltas []*correlate.Delta, sync bool) error {
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	start := time.Now()
	if len(deltas) > 0 {
		if err := s.commitRows(deltas); err != nil {
			return s.metrics.commitFailed(fmt.Errorf("commit up to position %d: %w", deltas[len(deltas)-1].Meta.Pos, err))
		}
	}
	if sync {
		if err := s.sync(); err != nil {
			return s.metrics.commitFailed(fmt.Errorf("sync commit: %w", err))
		}
	}
	// Only now, so that whoever is woken by it finds the pages of a synced commit.
	s.publish(deltas)
	s.metrics.commits.WithLabelValues(syncLabel(sync)).Observe(time.Since(start).Seconds())
	return nil
}

func (s *Store) commitRows(deltas []*correlate.Delta) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.plan(deltas)
	if err != nil {
		return err
	}
	if err := s.checkSpace(b.bytes, s.opts.MinFreeBytes); err != nil {
		return err
	}
	if err := s.writeBatch(b); err != nil {
		return err
	}
	s.advance(deltas[len(deltas)-1].Meta.Pos)
	return nil
}

// writeBatch carries out b, in one transaction if it fits, and changes the index. The caller holds mu.
func (s *Store) writeBatch(b *batch) error {
	write := s.write
	if !s.fits(len(b.writes), b.bytes) {
		write = s.writeStaged
	}
	if err := write(b.writes); err != nil {
		return err
	}
	b.applied()
	s.metrics.bytes.Add(float64(b.bytes))
	return nil
}

// publish tells readers what has been committed.
func (s *Store) publish(deltas []*correlate.Delta) {
	if len(deltas) == 0 {
		return
	}
	for i := len(deltas) - 1; i >= 0; i-- {
		if t := deltas[i].Topology; t != nil {
			s.setGraph(t)
			break
		}
	}
	s.revision.Store(deltas[len(deltas)-1].Meta.Pos)
	s.watchers.wake(s.revision.Load())
}

// setGraph builds the graph for [Store.Graph]. The engine has built the same
// spec before, so a failure is a fault of ours; the former graph stays then.
func (s *Store) setGraph(spec *topology.Spec) {
	if spec == nil {
		return
	}
	g, _, err := topology.Build(*spec)
	if err != nil {
		s.log.Error("stored topology cannot be built", "version", spec.Version, "err", err)
		return
	}
	s.graph.Store(g)
}

// checkSpace refuses a write of n bytes that would leave less than reserve free. A
// staged commit writes everything twice.
func (s *Store) checkSpace(n int64, reserve uint64) error {
	if s.opts.InMemory {
		return nil
	}
	free, err := s.opts.free(s.opts.Dir)
	if err != nil {
		return fmt.Errorf("read free space of %s: %w", s.opts.Dir, err)
	}
	if need := reserve + 2*uint64(n); free < need {
		return fmt.Errorf("%w: %d MiB are free at %s, %d MiB are needed", ErrNoSpace, free>>20, s.opts.Dir, need>>20)
	}
	return nil
}

// fits reports whether n writes of so many bytes fit into one transaction.
func (s *Store) fits(n int, bytes int64) bool {
	return int64(n)+2 < s.db.MaxBatchCount() && bytes+endOverhead < s.db.MaxBatchSize()
}

// write carries out writes in one transaction, which they must fit into. The
// caller holds mu, or is Open.
func (s *Store) write(writes []write) error {
	if err := s.opts.fault("write"); err != nil {
		return err
	}
	if s.wal.mayTurn() {
		if err := s.sync(); err != nil {
			return err
		}
	}
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	bytes := int64(endOverhead)
	for i := range writes {
		bytes += writes[i].bound()
		if err := set(txn, &writes[i]); err != nil {
			return fmt.Errorf("add to transaction: %w", err)
		}
	}
	if err := txn.Commit(); err != nil {
		return s.fail(err)
	}
	if s.wal.wrote(bytes) {
		if err := s.wal.syncDir(); err != nil {
			return s.fail(err)
		}
	}
	m := *s.written.Load()
	m.writes++
	s.written.Store(&m)
	return nil
}

func set(txn *badger.Txn, w *write) error {
	if w.delete {
		return txn.Delete(w.key)
	}
	e := badger.NewEntry(w.key, w.value).WithMeta(w.tag)
	e.ExpiresAt = w.expires
	return txn.SetEntry(e)
}

// advance says that the writes so far amount to the state at pos. The caller holds mu.
func (s *Store) advance(pos uint64) {
	m := *s.written.Load()
	m.pos = pos
	s.written.Store(&m)
}

// sync puts on disk all that was written before the call. Concurrent calls share an fsync.
func (s *Store) sync() error {
	want := s.written.Load()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if have := s.synced.Load(); have.writes >= want.writes && have.pos >= want.pos {
		return nil
	}
	if err := s.opts.fault("sync"); err != nil {
		return err
	}
	upTo := s.written.Load()
	start := time.Now()
	if err := s.db.Sync(); err != nil {
		return s.fail(err)
	}
	s.metrics.syncs.Observe(time.Since(start).Seconds())
	s.synced.Store(upTo)
	return s.opts.fault("synced")
}

// fail ends the use of the store: after a failed write or fsync nobody knows what
// is on disk, and badger is not made to go on.
func (s *Store) fail(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	s.broken.CompareAndSwap(nil, &failure{cause: err})
	return s.broken.Load()
}
