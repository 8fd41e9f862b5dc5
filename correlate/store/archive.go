package store

import (
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

// ArchiveToProto is the rows of an import in the form in which they are stored: what
// archives and the stream carry.
func ArchiveToProto(im *correlate.Import) *storev1.Archive {
	out := &storev1.Archive{Alerts: each(im.Alerts, alertToProto), ActionItems: each(im.Actions, actionItemToProto)}
	if im.Incident != nil {
		out.Incident = incidentToProto(im.Incident)
	}
	return out
}

// ArchiveFromProto is the inverse of [ArchiveToProto]. Whatever it is given, it returns
// rows; whether they make sense is for [correlate.Import.Check].
func ArchiveFromProto(a *storev1.Archive) *correlate.Import {
	out := &correlate.Import{Alerts: each(a.GetAlerts(), alertFromProto), Actions: each(a.GetActionItems(), actionItemFromProto)}
	if i := a.GetIncident(); i != nil {
		out.Incident = incidentFromProto(i)
	}
	return out
}

// imports adds rows of history where there are none of the same key, live or not.
func (p *planner) imports(d *correlate.Delta) error {
	for _, im := range d.Imports {
		if err := p.importRows(im); err != nil {
			return fmt.Errorf("import from %s: %w", im.Environment, err)
		}
	}
	return nil
}

func (p *planner) importRows(im *correlate.Import) error {
	if i := im.Incident; i != nil {
		suffix := numberSuffix(i.Number)
		history := inTable(tableIncidentHistory, suffix)
		known, err := p.known(inTable(tableIncident, suffix), history)
		if err != nil {
			return err
		}
		if !known {
			p.mark(inTable(tableRevision, revisionSuffix(i.Revision, i.Number)), tagArchived, p.expires.incidents)
			if err := p.putMessage(history, incidentToProto(i), p.expires.incidents); err != nil {
				return err
			}
		}
	}
	for _, a := range im.Alerts {
		if err := p.importAlert(a); err != nil {
			return err
		}
	}
	for _, a := range im.Actions {
		suffix := numberSuffix(a.Number)
		history := inTable(tableActionHistory, suffix)
		known, err := p.known(inTable(tableAction, suffix), history)
		if err != nil {
			return err
		}
		if !known {
			if err := p.putMessage(history, actionItemToProto(a), p.expires.actions); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *planner) importAlert(a *correlate.AlertState) error {
	suffix := alertSuffix(a.ID())
	history := inTable(tableAlertHistory, suffix)
	known, err := p.known(inTable(tableAlert, suffix), history)
	if err != nil || known {
		return err
	}
	p.mark(inTable(tableMember, appendText(nil, a.Incident), suffix), tagArchived, p.expires.alerts)
	return p.putMessage(history, alertToProto(a), p.expires.alerts)
}

// known reports whether there is a row under either key, or will be.
func (p *planner) known(live, history []byte) (bool, error) {
	for _, key := range [][]byte{live, history} {
		if p.has(key) {
			return true, nil
		}
		if _, err := p.txn.Get(key); err == nil || ignoreMissing(err) != nil {
			return err == nil, ignoreMissing(err)
		}
	}
	return false, nil
}

// eachNumber walks rows from the highest number below before (0: all) down, live or not. Those
// that were imported come last, for they are numbered apart.
func eachNumber(txn *badger.Txn, live, history byte, before uint64, fn func(*badger.Item) (bool, error)) error {
	const imported = 1 << 63 // the first number of those
	more := true
	within := func(from, to uint64) error {
		if !more {
			return nil
		}
		return both(txn, live, history, numberSuffix(from), true, func(item *badger.Item) (bool, error) {
			if readNumber(item.Key()[1:]) < to {
				return false, nil
			}
			var err error
			more, err = fn(item)
			return more, err
		})
	}
	switch {
	case before == 0:
		if err := within(imported-1, 0); err != nil {
			return err
		}
		return within(1<<64-1, imported)
	case before > imported:
		return within(before-1, imported)
	}
	if err := within(before-1, 0); err != nil {
		return err
	}
	return within(1<<64-1, imported)
}
