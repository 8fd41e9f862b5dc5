package store

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	"github.com/headwater-sre/headwater/topology"
)

// AlertScan selects alerts.
type AlertScan struct {
	// Incident restricts the scan to the alerts of one incident; empty: all alerts.
	Incident string
	// IncludeArchived adds those that are history.
	IncludeArchived bool
	// After begins after this alert; zero: at the first.
	After correlate.AlertID
}

// view runs fn on one snapshot and returns the revision that it shows. Nobody
// gets a snapshot of a staged commit that is half carried out.
func (s *Store) view(ctx context.Context, fn func(txn *badger.Txn) error) (revision uint64, err error) {
	end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	s.gate.RLock()
	txn := s.db.NewTransaction(false)
	s.gate.RUnlock()
	defer txn.Discard()
	if f := s.broken.Load(); f != nil { // while we waited at the gate
		return 0, f
	}
	meta, err := readMeta(txn)
	if err != nil {
		return 0, fmt.Errorf("read position: %w", err)
	}
	return meta.Pos, fn(txn)
}

// every turns a row callback into one that looks at the context now and then.
func every[M, R any](ctx context.Context, convert func(M) R, fn func(R) bool) func([]byte, M) (bool, error) {
	n := 0
	return func(_ []byte, m M) (bool, error) {
		if n++; n%256 == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		return fn(convert(m)), nil
	}
}

// Load returns the engine's whole state: all live rows, as of the last commit.
// It is the zero Snapshot when nothing has been committed yet.
func (s *Store) Load(ctx context.Context) (*correlate.Snapshot, error) {
	snap := &correlate.Snapshot{}
	_, err := s.view(ctx, func(txn *badger.Txn) (err error) {
		if snap.Meta, err = readMeta(txn); err != nil {
			return err
		}
		if snap.Topology, err = readTopology(txn); err != nil {
			return err
		}
		return loadRows(ctx, txn, snap)
	})
	if err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	return snap, nil
}

func loadRows(ctx context.Context, txn *badger.Txn, snap *correlate.Snapshot) error {
	if err := scanMessages(txn, []byte{tableAlert}, every(ctx, alertFromProto, into(&snap.Alerts))); err != nil {
		return err
	}
	if err := scanMessages(txn, []byte{tableIncident}, every(ctx, incidentFromProto, into(&snap.Incidents))); err != nil {
		return err
	}
	if err := scanMessages(txn, []byte{tableHealth}, every(ctx, healthFromProto, into(&snap.Health))); err != nil {
		return err
	}
	if err := scanMessages(txn, []byte{tableChange}, every(ctx, changeStateFromProto, into(&snap.Changes))); err != nil {
		return err
	}
	if err := scanMessages(txn, []byte{tableAction}, every(ctx, actionItemFromProto, into(&snap.Actions))); err != nil {
		return err
	}
	if err := scanMessages(txn, []byte{tableMaintenance}, every(ctx, maintenanceFromProto, into(&snap.Maintenance))); err != nil {
		return err
	}
	if err := scanMessages(txn, []byte{tablePast}, every(ctx, pastFromProto, into(&snap.Past))); err != nil {
		return err
	}
	return scanMessages(txn, []byte{tableStat}, every(ctx, statFromProto, into(&snap.Stats)))
}

func into[R any](list *[]R) func(R) bool {
	return func(r R) bool {
		*list = append(*list, r)
		return true
	}
}

// Revision is the stream position that the committed state stands for.
func (s *Store) Revision() uint64 { return s.revision.Load() }

// Graph is the dependency graph in force, nil before the first, and a revision
// at which it was.
func (s *Store) Graph() (*topology.Graph, uint64) {
	// The graph is stored before the revision, so what is read second is no older than what is read first.
	revision := s.revision.Load()
	return s.graph.Load(), revision
}

// Incident returns one incident, archived or not, or [ErrNotFound].
func (s *Store) Incident(ctx context.Context, id string) (*correlate.Incident, uint64, error) {
	number, ok := correlate.IncidentNumber(id)
	if !ok {
		return nil, s.Revision(), fmt.Errorf("incident %q: %w", id, ErrNotFound)
	}
	var row storev1.Incident
	revision, err := s.lookup(ctx, numberSuffix(number), tableIncident, tableIncidentHistory, &row)
	if err == nil && row.GetId() != id { // two environments may share numbers
		err = ErrNotFound
	}
	if err != nil {
		return nil, revision, fmt.Errorf("incident %q: %w", id, err)
	}
	return incidentFromProto(&row), revision, nil
}

// Alert returns one alert instance, archived or not, or [ErrNotFound].
func (s *Store) Alert(ctx context.Context, id correlate.AlertID) (*correlate.AlertState, uint64, error) {
	var row storev1.AlertState
	revision, err := s.lookup(ctx, alertSuffix(id), tableAlert, tableAlertHistory, &row)
	if err != nil {
		return nil, revision, fmt.Errorf("alert %q: %w", id, err)
	}
	return alertFromProto(&row), revision, nil
}

// lookup reads a row from wherever it is.
func (s *Store) lookup(ctx context.Context, suffix []byte, live, history byte, m message) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		err := getMessage(txn, inTable(live, suffix), m)
		if missing(err) {
			err = getMessage(txn, inTable(history, suffix), m)
		}
		if missing(err) {
			return ErrNotFound
		}
		return err
	})
}

func missing(err error) bool { return err != nil && ignoreMissing(err) == nil }

// ScanIncidents calls fn for each incident with a number below beforeNumber (0:
// all), archived ones included, newest number first, until fn returns false. Imported
// ones come after all others; a beforeNumber of theirs goes on among them.
func (s *Store) ScanIncidents(ctx context.Context, beforeNumber uint64, fn func(*correlate.Incident) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		row := every(ctx, incidentFromProto, fn)
		return eachNumber(txn, tableIncident, tableIncidentHistory, beforeNumber, func(item *badger.Item) (bool, error) {
			return readRow(txn, item, row)
		})
	})
}

// ScanChanges calls fn for each change with a position below beforePos (0: all),
// archived ones included, newest first, until fn returns false.
func (s *Store) ScanChanges(ctx context.Context, beforePos uint64, fn func(*correlate.ChangeState) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		var from []byte
		if beforePos > 0 {
			from = numberSuffix(beforePos - 1)
		}
		row := every(ctx, changeStateFromProto, fn)
		return both(txn, tableChange, tableChangeHistory, from, true, func(item *badger.Item) (bool, error) {
			return readRow(txn, item, row)
		})
	})
}

// ActionItem returns one action item, archived or not, or [ErrNotFound].
func (s *Store) ActionItem(ctx context.Context, id string) (*correlate.ActionItem, uint64, error) {
	number, ok := correlate.ActionItemNumber(id)
	if !ok {
		return nil, s.Revision(), fmt.Errorf("action item %q: %w", id, ErrNotFound)
	}
	var row storev1.ActionItem
	revision, err := s.lookup(ctx, numberSuffix(number), tableAction, tableActionHistory, &row)
	if err == nil && row.GetId() != id {
		err = ErrNotFound
	}
	if err != nil {
		return nil, revision, fmt.Errorf("action item %q: %w", id, err)
	}
	return actionItemFromProto(&row), revision, nil
}

// ScanActionItems calls fn for each action item, archived ones included, newest number
// first and imported ones last, until fn returns false.
func (s *Store) ScanActionItems(ctx context.Context, fn func(*correlate.ActionItem) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		row := every(ctx, actionItemFromProto, fn)
		return eachNumber(txn, tableAction, tableActionHistory, 0, func(item *badger.Item) (bool, error) {
			return readRow(txn, item, row)
		})
	})
}

// Maintenance returns one window, over or not, or [ErrNotFound].
func (s *Store) Maintenance(ctx context.Context, id string) (*correlate.Maintenance, uint64, error) {
	number, ok := correlate.MaintenanceNumber(id)
	if !ok {
		return nil, s.Revision(), fmt.Errorf("maintenance window %q: %w", id, ErrNotFound)
	}
	var row storev1.Maintenance
	revision, err := s.lookup(ctx, numberSuffix(number), tableMaintenance, tableMaintenancePast, &row)
	if err != nil {
		return nil, revision, fmt.Errorf("maintenance window %q: %w", id, err)
	}
	return maintenanceFromProto(&row), revision, nil
}

// ScanMaintenance calls fn for each window, those that are over included, newest number
// first, until fn returns false.
func (s *Store) ScanMaintenance(ctx context.Context, fn func(*correlate.Maintenance) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		row := every(ctx, maintenanceFromProto, fn)
		return both(txn, tableMaintenance, tableMaintenancePast, nil, true, func(item *badger.Item) (bool, error) {
			return readRow(txn, item, row)
		})
	})
}

// ScanHealth calls fn for each health check, by namespace, service and check, until fn returns false.
func (s *Store) ScanHealth(ctx context.Context, fn func(*correlate.HealthState) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		return scanMessages(txn, []byte{tableHealth}, every(ctx, healthFromProto, fn))
	})
}

// ScanStats calls fn for each learned figure, until fn returns false. Their order is that of the length of their keys.
func (s *Store) ScanStats(ctx context.Context, fn func(correlate.Stat) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		return scanMessages(txn, []byte{tableStat}, every(ctx, statFromProto, fn))
	})
}

// ChangedIncidents calls fn for each incident, archived ones included, whose
// [correlate.Incident.Revision] is above after, in the order of revisions, until
// fn returns false. Each is met once, in its latest state: who calls again with
// the returned revision misses nobody's last change.
func (s *Store) ChangedIncidents(ctx context.Context, after uint64, fn func(*correlate.Incident) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		if after+1 == 0 {
			return nil
		}
		call := every(ctx, incidentFromProto, fn)
		from := inTable(tableRevision, revisionSuffix(after+1, 0))
		return scanItems(txn, []byte{tableRevision}, from, func(item *badger.Item) (bool, error) {
			table := byte(tableIncident)
			if item.UserMeta()&tagArchived != 0 {
				table = tableIncidentHistory
			}
			return getRow(txn, inTable(table, item.Key()[9:]), call)
		})
	})
}

// ScanAlerts calls fn for each selected alert, by start and fingerprint, until fn returns false.
func (s *Store) ScanAlerts(ctx context.Context, scan AlertScan, fn func(*correlate.AlertState) bool) (uint64, error) {
	return s.view(ctx, func(txn *badger.Txn) error {
		var from []byte
		if scan.After != (correlate.AlertID{}) {
			from = append(alertSuffix(scan.After), 0) // the next possible key
		}
		call := every(ctx, alertFromProto, fn)
		if scan.Incident != "" {
			return scanMembers(txn, scan, from, call)
		}
		if !scan.IncludeArchived {
			prefix := []byte{tableAlert}
			return scanItems(txn, prefix, inTable(tableAlert, from), func(item *badger.Item) (bool, error) {
				return readRow(txn, item, call)
			})
		}
		return both(txn, tableAlert, tableAlertHistory, from, false, func(item *badger.Item) (bool, error) {
			return readRow(txn, item, call)
		})
	})
}

func scanMembers(txn *badger.Txn, scan AlertScan, from []byte, call func([]byte, *storev1.AlertState) (bool, error)) error {
	prefix := appendText([]byte{tableMember}, scan.Incident)
	return scanItems(txn, prefix, append(prefix[:len(prefix):len(prefix)], from...), func(item *badger.Item) (bool, error) {
		table := byte(tableAlert)
		if item.UserMeta()&tagArchived != 0 {
			if !scan.IncludeArchived {
				return true, nil
			}
			table = tableAlertHistory
		}
		return getRow(txn, inTable(table, item.Key()[len(prefix):]), call)
	})
}

// readRow decodes an item and hands it on.
func readRow[M any, P interface {
	*M
	message
}](txn *badger.Txn, item *badger.Item, fn func([]byte, P) (bool, error),
) (bool, error) {
	m := P(new(M))
	if err := itemMessage(txn, item, m); err != nil {
		return false, fmt.Errorf("row %q: %w", item.Key(), err)
	}
	return fn(item.Key(), m)
}

// getRow follows an index entry to its row. One that expires between the two is no more.
func getRow[M any, P interface {
	*M
	message
}](txn *badger.Txn, key []byte, fn func([]byte, P) (bool, error),
) (bool, error) {
	m := P(new(M))
	if err := getMessage(txn, key, m); err != nil {
		if missing(err) {
			return true, nil
		}
		return false, fmt.Errorf("row %q: %w", key, err)
	}
	return fn(key, m)
}
