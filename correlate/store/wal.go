package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memTableSize is how much badger gathers in memory before it writes a table.
const memTableSize = 8 << 20

// wal follows badger's write-ahead log closely enough to keep one promise: that
// a power failure takes away commits from the end only.
//
// With SyncWrites badger would fsync each transaction, which doubles the fsyncs
// of the whole service, since the stream has made the same promise already.
// Without, two things go wrong. A table in memory has a log file of its own; when
// it is full, badger goes on in the next file and does not sync the last one.
// The pages of the two reach the disk in any order, so that a power failure can
// keep a later commit and lose an earlier one. And DB.Sync syncs the current file
// only, so that even a synced commit may stand on one that is not.
//
// So: before any transaction that may make badger turn to a new file, the
// current one is synced. Then at most one file ever holds unsynced entries, and
// within one file badger recovers a prefix. The fill is an upper bound: an early
// sync costs a little, a late one would break the promise.
type wal struct {
	dir  string // empty in memory: nothing is ever to be synced
	next int    // number of the file that badger will create next; 0: unknown
	fill int64  // upper bound of what is in the current file
}

// Upper bounds of what badger adds to an entry's key and value in the log and in
// memory, whichever is larger, and of a transaction's end mark.
const (
	entryOverhead = 192
	endOverhead   = 128
)

// openWAL finds the current file of a database that has just been opened, which is empty.
func openWAL(o Options) wal {
	if o.InMemory {
		return wal{}
	}
	w := wal{dir: o.Dir}
	for _, path := range w.files() {
		name := strings.TrimSuffix(filepath.Base(path), ".mem")
		if n, err := strconv.Atoi(name); err == nil && n >= w.next {
			w.next = n + 1
		}
	}
	return w
}

func (w *wal) files() []string {
	files, err := filepath.Glob(filepath.Join(escapeGlob(w.dir), "*.mem"))
	if err != nil { // only for a bad pattern
		return nil
	}
	return files
}

// escapeGlob makes a path mean itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// mayTurn reports whether the next transaction may go to a new file.
func (w *wal) mayTurn() bool {
	return w.dir != "" && (w.next == 0 || w.fill >= memTableSize)
}

// wrote accounts for a transaction of at most n bytes and reports whether it went to a new file.
func (w *wal) wrote(n int64) (turned bool) {
	if w.mayTurn() && w.next != 0 {
		if _, err := os.Stat(filepath.Join(w.dir, fmt.Sprintf("%05d.mem", w.next))); err == nil {
			w.next++
			w.fill = n
			return true
		}
	}
	w.fill += n
	return false
}

// syncAll puts every file that there is on disk, and their directory entries.
func (w *wal) syncAll() error {
	if w.dir == "" {
		return nil
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.Type().IsRegular() {
			errs = append(errs, syncFile(filepath.Join(w.dir, e.Name())))
		}
	}
	return errors.Join(append(errs, w.syncDir())...)
}

// dropEmptyLogs removes log files that a power failure left without even their
// first byte. They hold nothing, and badger refuses to open them.
func dropEmptyLogs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if ext != ".mem" && ext != ".vlog" {
			continue
		}
		info, err := e.Info()
		if err != nil || info.Size() > 0 {
			continue // badger will say what is wrong with it
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names of new files durable.
func (w *wal) syncDir() error { return syncFile(w.dir) }

// syncFile syncs a file or directory. A log file that has gone is in a table, which badger has synced.
func syncFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
