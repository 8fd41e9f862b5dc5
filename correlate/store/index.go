package store

import (
	"github.com/dgraph-io/badger/v4"

	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

// index is what a writer must know about the rows on disk in order to keep
// indices right without reading the old rows. It is derived from keys, at Open
// and with every commit.
type index struct {
	alerts    map[string]string   // live alerts: suffix to the incident's text in keys, empty while pending
	incidents map[uint64]uint64   // live incidents: number to revision
	others    map[string]struct{} // keys of live changes, health checks and figures
	parts     map[string]uint32   // keys of values in tableOverflow to the number of their parts
	pending   map[string]int64    // pages that are not done: suffix in tablePending to the time of decision, Unix ns
	counts    map[byte]int        // live rows by table, for the metrics
}

func newIndex() index {
	return index{
		alerts:    map[string]string{},
		incidents: map[uint64]uint64{},
		others:    map[string]struct{}{},
		parts:     map[string]uint32{},
		pending:   map[string]int64{},
		counts:    map[byte]int{},
	}
}

func (ix *index) setAlert(suffix, incident string) {
	ix.alerts[suffix] = incident
	ix.counts[tableAlert] = len(ix.alerts)
}

func (ix *index) dropAlert(suffix string) {
	delete(ix.alerts, suffix)
	ix.counts[tableAlert] = len(ix.alerts)
}

func (ix *index) setIncident(number, revision uint64) {
	ix.incidents[number] = revision
	ix.counts[tableIncident] = len(ix.incidents)
}

func (ix *index) dropIncident(number uint64) {
	delete(ix.incidents, number)
	ix.counts[tableIncident] = len(ix.incidents)
}

func (ix *index) setOther(key string) {
	if _, ok := ix.others[key]; !ok {
		ix.others[key] = struct{}{}
		ix.counts[key[0]]++
	}
}

func (ix *index) dropOther(key string) {
	if _, ok := ix.others[key]; ok {
		delete(ix.others, key)
		ix.counts[key[0]]--
	}
}

func (ix *index) setParts(key string, n uint32) {
	if n == 0 {
		delete(ix.parts, key)
		return
	}
	ix.parts[key] = n
}

// loadIndex builds the index from the database's keys, and publishes what
// readers see without a transaction.
func (s *Store) loadIndex() error {
	ix := newIndex()
	return s.db.View(func(txn *badger.Txn) error {
		scan := func(table byte, fn func(suffix []byte, item *badger.Item)) {
			scanKeys(txn, []byte{table}, func(item *badger.Item) { fn(item.Key()[1:], item) })
		}
		scan(tableAlert, func(suffix []byte, _ *badger.Item) { ix.setAlert(string(suffix), "") })
		scan(tableMember, func(suffix []byte, item *badger.Item) {
			if incident, alert := cutText(suffix); item.UserMeta()&tagArchived == 0 {
				ix.setAlert(string(alert), string(incident))
			}
		})
		scan(tableRevision, func(suffix []byte, item *badger.Item) {
			if item.UserMeta()&tagArchived == 0 {
				ix.setIncident(readNumber(suffix[8:]), readNumber(suffix))
			}
		})
		for _, table := range []byte{tableChange, tableAction, tableMaintenance, tablePast, tableHealth, tableStat} {
			scan(table, func(_ []byte, item *badger.Item) { ix.setOther(string(item.Key())) })
		}
		scan(tableOverflow, func(_ []byte, item *badger.Item) {
			key, n := overflowOwner(item.Key())
			ix.setParts(string(key), max(ix.parts[string(key)], n+1))
		})
		if err := s.loadPending(txn, &ix); err != nil {
			return err
		}
		s.index = ix
		return s.publishLoaded(txn)
	})
}

func (s *Store) loadPending(txn *badger.Txn, ix *index) error {
	return eachPending(txn, func(suffix, page []byte) (bool, error) {
		var status storev1.PageStatus
		if err := getMessage(txn, inTable(tablePageStatus, page), &status); err != nil {
			return false, err
		}
		ix.pending[string(suffix)] = status.GetDecidedAtUnixNano()
		return true, nil
	})
}

// publishLoaded sets revision and graph to what the database holds.
func (s *Store) publishLoaded(txn *badger.Txn) error {
	meta, err := readMeta(txn)
	if err != nil {
		return err
	}
	spec, err := readTopology(txn)
	if err != nil {
		return err
	}
	s.setGraph(spec)
	s.written.Store(&mark{writes: s.written.Load().writes, pos: meta.Pos})
	s.revision.Store(meta.Pos)
	return nil
}
