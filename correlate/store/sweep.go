package store

import (
	"bytes"
	"context"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	sweepEvery = time.Hour
	// sweepBatch bounds how long commits wait for a sweep.
	sweepBatch = 500
)

// Run lets history go that was kept for longer than is wanted now, and gives back the
// space of expired history until ctx ends. A row that has
// expired is invisible at once, but badger drops it only when it merges the table
// that the row is in, and nothing ever makes it merge old tables that no new key
// falls into. Deleting the row does.
func (s *Store) Run(ctx context.Context) error {
	switch n, err := s.shorten(ctx); {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		s.log.Warn("history could not be given the retention that is configured, the next start tries again", "err", err)
	case n > 0:
		s.log.Info("history stays for a shorter time from now on", "rows", n)
	}
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		n, err := s.sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// Space comes back later; what cannot be written is seen by commits, too.
			s.log.Warn("expired history could not be removed, trying again later", "err", err)
		case n > 0:
			s.log.Info("removed expired history", "rows", n)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep deletes rows that have expired and returns their number.
func (s *Store) sweep(ctx context.Context) (int, error) {
	total := 0
	var from []byte
	for {
		var keys [][]byte
		_, err := s.view(ctx, func(txn *badger.Txn) error {
			keys = expired(txn, from, sweepBatch)
			return nil
		})
		if err != nil || len(keys) == 0 {
			return total, err
		}
		n, err := s.deleteExpired(ctx, keys)
		total += n
		if err != nil {
			return total, err
		}
		from = append(from[:0], keys[len(keys)-1]...)
		from = append(from, 0) // the next possible key
	}
}

// expired lists up to limit keys, from `from` on, whose newest version has expired.
func expired(txn *badger.Txn, from []byte, limit int) [][]byte {
	it := txn.NewIterator(badger.IteratorOptions{AllVersions: true})
	defer it.Close()
	var keys [][]byte
	var last []byte
	for it.Seek(from); it.Valid() && len(keys) < limit; it.Next() {
		item := it.Item()
		if bytes.Equal(item.Key(), last) {
			continue // an older version
		}
		last = item.KeyCopy(last[:0])
		if item.ExpiresAt() > 0 && item.IsDeletedOrExpired() {
			keys = append(keys, item.KeyCopy(nil))
		}
	}
	return keys
}

// deleteExpired deletes those of keys that nobody has written in the meantime.
func (s *Store) deleteExpired(ctx context.Context, keys [][]byte) (int, error) {
	end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	s.mu.Lock()
	defer s.mu.Unlock()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	var deletes []write
	for _, key := range keys {
		switch _, err := txn.Get(key); {
		case missing(err):
			deletes = append(deletes, write{key: key, delete: true})
		case err != nil:
			return 0, err
		}
	}
	return len(deletes), s.writeMany(deletes)
}
