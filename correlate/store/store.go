package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/topology"
)

// formatVersion is the version of the key layout and of the meaning of its rows.
const formatVersion = 1

const (
	defaultRetention    = 90 * 24 * time.Hour
	defaultMinFreeBytes = 256 << 20
)

// Options says where and how to keep the state.
type Options struct {
	// Dir is the database's directory; it is created if need be. One process at a time.
	Dir string
	// InMemory keeps everything in memory and nothing after Close. Dir is not used.
	InMemory bool
	// Retention is how long archived rows stay readable. A shorter one than the database was
	// used with holds for what is there already, see [Store.Run]; a longer one for what comes.
	Retention Retention
	// MinFreeBytes is the room below which commits are refused. It is what badger
	// may need to put memory and merged tables on disk. Default 256 MiB.
	MinFreeBytes uint64
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer receives the metrics; nil registers none.
	Registerer prometheus.Registerer

	// free and fault are for tests: the room on the device, and a failure at a step of a commit.
	free  func(dir string) (uint64, error)
	fault func(step string) error
}

func (o Options) withDefaults() Options {
	o.Retention = o.Retention.withDefaults()
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = defaultMinFreeBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.free == nil {
		o.free = freeBytes
	}
	if o.fault == nil {
		o.fault = func(string) error { return nil }
	}
	return o
}

// Store is an open database. The zero value is not usable; see [Open].
type Store struct {
	// Set by Open and never changed.
	opts    Options
	log     *slog.Logger
	db      *badger.DB
	metrics *metrics

	// mu makes writers take turns and guards what they know about the rows.
	mu    sync.Mutex
	index index
	wal   wal

	// gate is held for writing while a staged commit is carried out, and for
	// reading while a read transaction is opened: nobody reads half a commit.
	gate sync.RWMutex

	// Durability: written is how far the log has been written, synced how far it
	// is on disk. syncing makes concurrent callers share one fsync.
	syncing sync.Mutex
	written atomic.Pointer[mark]
	synced  atomic.Pointer[mark]

	// What readers see without a transaction.
	revision atomic.Uint64
	graph    atomic.Pointer[topology.Graph]
	watchers watchers

	// Life cycle: users counts running calls, broken is the failure that ended the writing.
	life   sync.Mutex
	closed bool
	users  sync.WaitGroup
	broken atomic.Pointer[failure]
}

// mark is a point in the order of writes.
type mark struct {
	writes uint64 // how many transactions so far
	pos    uint64 // the stream position they amount to
}

// Open opens the database in o.Dir, creating it if there is none. If the last
// process died while a large commit was being carried out, that is finished here.
// It starts badger's own goroutines; Close ends them.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if err := prepareDir(o); err != nil {
		return nil, err
	}
	db, err := badger.Open(badgerOptions(o))
	if err != nil {
		return nil, openError(o.Dir, err)
	}
	s := &Store{opts: o, log: o.Logger, db: db, metrics: newMetrics()}
	s.written.Store(&mark{})
	s.synced.Store(&mark{})
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if o.Registerer != nil {
		if err := s.metrics.register(o.Registerer, s); err != nil {
			return nil, errors.Join(fmt.Errorf("register storage metrics: %w", err), db.Close())
		}
	}
	return s, nil
}

// recover brings a freshly opened database into the state of its last commit.
func (s *Store) recover() error {
	s.wal = openWAL(s.opts)
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.finishStaged(); err != nil {
		return err
	}
	if err := s.loadIndex(); err != nil {
		return err
	}
	// What a killed process left in the page cache must be on disk before a page
	// that it decided may leave.
	if err := s.wal.syncAll(); err != nil {
		return fmt.Errorf("sync storage in %s: %w", s.opts.Dir, err)
	}
	return s.sync()
}

// prepareDir makes sure of a directory that can be written to, for an error in the operator's terms.
func prepareDir(o Options) error {
	if o.InMemory {
		return nil
	}
	if o.Dir == "" {
		return errors.New("open storage: no directory given")
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return openError(o.Dir, err)
	}
	probe, err := os.CreateTemp(o.Dir, ".writable-*")
	if err != nil {
		return openError(o.Dir, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return openError(o.Dir, err)
	}
	if dirInUse(o.Dir) {
		return inUseError(o.Dir)
	}
	if err := dropEmptyLogs(o.Dir); err != nil {
		return openError(o.Dir, err)
	}
	free, err := o.free(o.Dir)
	if err != nil {
		return fmt.Errorf("open storage in %s: read free space: %w", o.Dir, err)
	}
	if free < o.MinFreeBytes {
		return fmt.Errorf("open storage in %s: %w: %d MiB are free, %d MiB are needed; free some and start again",
			o.Dir, ErrNoSpace, free>>20, o.MinFreeBytes>>20)
	}
	return nil
}

// openError says what is wrong with a directory and what to do about it.
func openError(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("open storage in %s: %w: free some and start again", dir, ErrNoSpace)
	case errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("open storage in %s: %w: %w", dir, ErrReadOnly, err)
	case dirInUse(dir): // by somebody who was quicker than badger, just now
		return inUseError(dir)
	}
	return fmt.Errorf("open storage in %s: %w", dir, err)
}

func inUseError(dir string) error {
	return fmt.Errorf("open storage in %s: %w; stop it, or give this one a directory of its own", dir, ErrInUse)
}

// badgerOptions are chosen for a few hundred MiB at most and a small process.
func badgerOptions(o Options) badger.Options {
	dir := filepath.Clean(o.Dir)
	if o.InMemory {
		dir = ""
	}
	b := badger.DefaultOptions(dir).WithInMemory(o.InMemory).WithLogger(badgerLog{o.Logger})
	b.SyncWrites = false // see wal.go
	b.DetectConflicts = false
	b.NumVersionsToKeep = 1
	b.MetricsEnabled = false
	b.Compression = options.None
	b.MemTableSize = memTableSize
	b.NumMemtables = 2
	b.NumLevelZeroTables = 2
	b.NumLevelZeroTablesStall = 6
	b.NumCompactors = 2
	b.BaseLevelSize = 16 << 20
	b.BlockCacheSize = 8 << 20
	b.IndexCacheSize = 8 << 20
	b.ValueLogFileSize = 1 << 20
	b.ValueThreshold = 2 * maxValue // nothing ever goes to the value log
	return b
}

// checkFormat refuses what was written by a version with another layout, or by another program.
func (s *Store) checkFormat() error {
	empty, found := true, uint32(0)
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		it.Rewind()
		empty = !it.Valid()
		item, err := txn.Get(keyFormat)
		if err != nil {
			return ignoreMissing(err)
		}
		return item.Value(func(v []byte) error {
			if len(v) == 4 {
				found = binary.BigEndian.Uint32(v)
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return fmt.Errorf("read storage format: %w", err)
	case empty:
		return s.write([]write{{key: keyFormat, value: binary.BigEndian.AppendUint32(nil, formatVersion)}})
	case found == 0:
		return fmt.Errorf("open storage in %s: %w: this is a database of another program; name another directory", s.opts.Dir, ErrFormat)
	case found != formatVersion:
		return fmt.Errorf("open storage in %s: %w: it has version %d and this program reads version %d; run the program that wrote it, "+
			"or move the directory away to have it built anew from the stream", s.opts.Dir, ErrFormat, found, formatVersion)
	}
	return nil
}

// Close waits for running calls, puts everything on disk and ends badger's
// goroutines. Later calls fail with [ErrClosed]. Closing twice does nothing.
func (s *Store) Close() error {
	s.life.Lock()
	already := s.closed
	s.closed = true
	s.life.Unlock()
	if already {
		return nil
	}
	s.users.Wait()
	if s.metrics.unregister != nil {
		s.metrics.unregister()
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close storage: %w", err)
	}
	return nil
}

// begin announces a call, so that Close waits for it. The caller must call end
// when it is done, if there was no error.
func (s *Store) begin(ctx context.Context) (end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f := s.broken.Load(); f != nil {
		return nil, f
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.users.Add(1)
	return s.users.Done, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil
	}
	return err
}

// badgerLog hands badger's chatter to the logger: its information is for us alone.
type badgerLog struct{ log *slog.Logger }

// Errorf passes on what badger could not do.
func (l badgerLog) Errorf(format string, args ...any) {
	l.log.Error("storage engine reports an error", "text", fmt.Sprintf(format, args...))
}

// Warningf passes on what badger finds odd.
func (l badgerLog) Warningf(format string, args ...any) {
	l.log.Warn("storage engine warns", "text", fmt.Sprintf(format, args...))
}

// Infof is for debugging.
func (l badgerLog) Infof(format string, args ...any) {
	l.log.Debug("storage engine", "text", fmt.Sprintf(format, args...))
}

// Debugf is for badger's own people.
func (l badgerLog) Debugf(string, ...any) {}
