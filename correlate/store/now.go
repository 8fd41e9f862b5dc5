package store

import (
	"context"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Now is the engine's time as of the last commit: up to when everything was seen. Zero when
// nothing has been committed yet.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	_, err = s.view(ctx, func(txn *badger.Txn) error {
		meta, err := readMeta(txn)
		now = meta.Now
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read the engine's time: %w", err)
	}
	return now, nil
}
