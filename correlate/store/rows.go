package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	"github.com/headwater-sre/headwater/topology"
)

type message = proto.Message

func readNumber(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// readMeta returns the zero Meta when nothing has been committed yet.
func readMeta(txn *badger.Txn) (correlate.Meta, error) {
	var m storev1.Meta
	if err := ignoreMissing(getMessage(txn, keyMeta, &m)); err != nil {
		return correlate.Meta{}, err
	}
	return metaFromProto(&m), nil
}

// readTopology returns nil when there is none.
func readTopology(txn *badger.Txn) (*topology.Spec, error) {
	var t storev1.Topology
	err := getMessage(txn, keyTopology, &t)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	return specFromProto(&t), nil
}

// getMessage reads the value of key into m; badger.ErrKeyNotFound when there is none.
func getMessage(txn *badger.Txn, key []byte, m message) error {
	item, err := txn.Get(key)
	if err != nil {
		return err
	}
	return itemMessage(txn, item, m)
}

// itemMessage reads the value of item into m.
func itemMessage(txn *badger.Txn, item *badger.Item, m message) error {
	if item.UserMeta()&tagOverflow != 0 {
		value, err := joinParts(txn, item)
		if err != nil {
			return err
		}
		return decode(value, m)
	}
	return item.Value(func(v []byte) error { return decode(v, m) })
}

// getValue returns a copy of the value of key.
func getValue(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	if item.UserMeta()&tagOverflow != 0 {
		return joinParts(txn, item)
	}
	return item.ValueCopy(nil)
}

// joinParts puts a large value together again.
func joinParts(txn *badger.Txn, item *badger.Item) ([]byte, error) {
	head, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	key := item.KeyCopy(nil)
	var whole bytes.Buffer
	for n := range binary.BigEndian.Uint32(head) {
		part, err := txn.Get(overflowKey(key, n))
		if err != nil {
			return nil, fmt.Errorf("part %d of %q: %w", n, key, err)
		}
		if err := part.Value(func(v []byte) error { whole.Write(v); return nil }); err != nil {
			return nil, fmt.Errorf("part %d of %q: %w", n, key, err)
		}
	}
	return whole.Bytes(), nil
}

// scanKeys calls fn for each key with the prefix. The item is valid during the call.
func scanKeys(txn *badger.Txn, prefix []byte, fn func(*badger.Item)) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		fn(it.Item())
	}
}

// scanItems calls fn for each entry with the prefix, from key `from` on, until fn returns false or an error.
func scanItems(txn *badger.Txn, prefix, from []byte, fn func(*badger.Item) (bool, error)) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	if from == nil {
		from = prefix
	}
	for it.Seek(from); it.Valid(); it.Next() {
		if more, err := fn(it.Item()); err != nil || !more {
			return err
		}
	}
	return nil
}

// scanMessages calls fn with a fresh message for each entry with the prefix. The key is valid during the call.
func scanMessages[M any, P interface {
	*M
	proto.Message
}](txn *badger.Txn, prefix []byte, fn func(key []byte, m P) (bool, error),
) error {
	return scanItems(txn, prefix, nil, func(item *badger.Item) (bool, error) {
		m := P(new(M))
		if err := itemMessage(txn, item, m); err != nil {
			return false, fmt.Errorf("row %q: %w", item.Key(), err)
		}
		return fn(item.Key(), m)
	})
}

// eachPending calls fn for each page that is not done, oldest decision first. The slices are valid during the call.
func eachPending(txn *badger.Txn, fn func(suffix, page []byte) (bool, error)) error {
	return scanItems(txn, []byte{tablePending}, nil, func(item *badger.Item) (more bool, err error) {
		err = item.Value(func(page []byte) error {
			more, err = fn(item.Key()[1:], page)
			return err
		})
		return more, err
	})
}

// both walks two tables as if they were one, in the order of their suffixes. No
// suffix is in both. The walk begins at suffix `from`, included, or at the end
// that reverse says if from is nil.
func both(txn *badger.Txn, live, history byte, from []byte, reverse bool, fn func(*badger.Item) (bool, error)) error {
	a := openCursor(txn, live, from, reverse)
	defer a.Close()
	b := openCursor(txn, history, from, reverse)
	defer b.Close()
	for a.Valid() || b.Valid() {
		it := a
		if !a.Valid() || b.Valid() && (bytes.Compare(b.Item().Key()[1:], a.Item().Key()[1:]) < 0) != reverse {
			it = b
		}
		if more, err := fn(it.Item()); err != nil || !more {
			return err
		}
		it.Next()
	}
	return nil
}

func openCursor(txn *badger.Txn, table byte, from []byte, reverse bool) *badger.Iterator {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{table}, Reverse: reverse})
	switch {
	case from != nil:
		it.Seek(inTable(table, from))
	case reverse:
		it.Seek([]byte{table, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	default:
		it.Rewind()
	}
	return it
}
