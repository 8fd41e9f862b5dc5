package store

import (
	"context"
	"time"

	"github.com/dgraph-io/badger/v4"

	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

// Retention is how long rows stay readable once they are history, by kind. 0: 90 days;
// negative: for ever. The time begins when the engine archives the row, for pages when it
// archives their incident.
type Retention struct {
	Incidents, Alerts, Pages, Changes, ActionItems time.Duration
}

// RetainAll keeps rows of every kind for d.
func RetainAll(d time.Duration) Retention {
	return Retention{Incidents: d, Alerts: d, Pages: d, Changes: d, ActionItems: d}
}

func (r Retention) withDefaults() Retention {
	for _, d := range []*time.Duration{&r.Incidents, &r.Alerts, &r.Pages, &r.Changes, &r.ActionItems} {
		if *d == 0 {
			*d = defaultRetention
		}
	}
	return r
}

// expiries are when rows that become history now are to go, Unix seconds; 0: never.
type expiries struct {
	incidents, alerts, pages, changes, actions uint64
}

// expiries reckons with the clock of the machine, which is the one that badger drops rows by.
func (s *Store) expiries() expiries {
	now := time.Now()
	at := func(d time.Duration) uint64 {
		if d < 0 {
			return 0
		}
		return uint64(now.Add(d).Unix())
	}
	r := &s.opts.Retention
	return expiries{at(r.Incidents), at(r.Alerts), at(r.Pages), at(r.Changes), at(r.ActionItems)}
}

// of is when a row or an index entry is to go at the latest if it is history; 0: never, or it is none.
func (e *expiries) of(key []byte, tag byte) uint64 {
	switch key[0] {
	case tableAlertHistory:
		return e.alerts
	case tableIncidentHistory:
		return e.incidents
	case tableChangeHistory:
		return e.changes
	case tableMaintenancePast:
		return e.changes
	case tableActionHistory:
		return e.actions
	case tablePage, tablePageStatus: // of live incidents, too: see planner.shorten
		return e.pages
	case tableMember:
		if tag&tagArchived != 0 {
			return e.alerts
		}
	case tableRevision:
		if tag&tagArchived != 0 {
			return e.incidents
		}
	case tableOverflow:
		owner, _ := overflowOwner(key)
		return e.of(owner, 0)
	}
	return 0
}

// shorten lets history that was archived under a longer retention go when the one that is
// configured now has passed from now on, in bounded steps, and returns how many entries it
// changed. Doing so twice changes nothing. What was to go earlier still does.
func (s *Store) shorten(ctx context.Context) (int, error) {
	limits, total := s.expiries(), 0
	var from []byte
	for {
		var keys [][]byte
		_, err := s.view(ctx, func(txn *badger.Txn) error {
			keys = outstaying(txn, &limits, from, sweepBatch)
			return nil
		})
		if err != nil || len(keys) == 0 {
			return total, err
		}
		n, err := s.shortenKeys(ctx, keys, &limits)
		total += n
		if err != nil {
			return total, err
		}
		from = append(append(from[:0], keys[len(keys)-1]...), 0) // the next possible key
	}
}

// outstaying lists up to limit keys, from `from` on, that may stay longer than they are to.
func outstaying(txn *badger.Txn, limits *expiries, from []byte, limit int) [][]byte {
	it := txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	var keys [][]byte
	for it.Seek(from); it.Valid() && len(keys) < limit; it.Next() {
		if item := it.Item(); beyond(item, limits) {
			keys = append(keys, item.KeyCopy(nil))
		}
	}
	return keys
}

func beyond(item *badger.Item, limits *expiries) bool {
	until := limits.of(item.Key(), item.UserMeta())
	return until != 0 && (item.ExpiresAt() == 0 || item.ExpiresAt() > until)
}

func (s *Store) shortenKeys(ctx context.Context, keys [][]byte, limits *expiries) (int, error) {
	end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	s.mu.Lock()
	defer s.mu.Unlock()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	p := planner{batch: newBatch(&s.index), txn: txn}
	for _, key := range keys {
		if err := p.shorten(key, limits); err != nil {
			return 0, err
		}
	}
	return len(p.writes), s.writeMany(p.writes)
}

// shorten plans an earlier end for the entry, if it is still there and is history.
func (p *planner) shorten(key []byte, limits *expiries) error {
	item, err := p.txn.Get(key)
	if err != nil {
		return ignoreMissing(err)
	}
	if !beyond(item, limits) {
		return nil
	}
	if item.ExpiresAt() == 0 {
		if over, err := p.isHistory(key); err != nil || !over {
			return err
		}
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return err
	}
	p.add(write{key: key, value: value, tag: item.UserMeta(), expires: limits.of(key, item.UserMeta())})
	return nil
}

// isHistory reports whether an entry without an end belongs to history. Only pages do not
// show it: theirs is over once it is done and their incident is archived.
func (p *planner) isHistory(key []byte) (bool, error) {
	if key[0] == tableOverflow {
		key, _ = overflowOwner(key)
	}
	if key[0] != tablePage && key[0] != tablePageStatus {
		return true, nil
	}
	var status storev1.PageStatus
	if err := getMessage(p.txn, inTable(tablePageStatus, key[1:]), &status); err != nil || !status.GetDone() {
		return false, ignoreMissing(err)
	}
	var page storev1.Page
	if err := getMessage(p.txn, inTable(tablePage, key[1:]), &page); err != nil {
		return false, ignoreMissing(err)
	}
	_, live := p.index.incidents[page.GetIncident().GetNumber()]
	return !live, nil
}
