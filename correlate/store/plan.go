package store

import (
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	"github.com/headwater-sre/headwater/topology"
)

// planner turns deltas into writes. Of each row only the last state counts.
type planner struct {
	*batch
	txn     *badger.Txn // the state before
	expires expiries    // when what is archived now expires
}

// plan says what to write for deltas. The caller holds mu.
func (s *Store) plan(deltas []*correlate.Delta) (*batch, error) {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	p := planner{batch: newBatch(&s.index), txn: txn, expires: s.expiries()}
	for _, d := range deltas {
		if err := p.pages(d); err != nil {
			return nil, err
		}
	}
	var spec *topology.Spec
	seen := map[any]bool{}
	first := func(key any) bool { // of the rows with this key, met from the last to the first
		was := seen[key]
		seen[key] = true
		return !was
	}
	for i := len(deltas) - 1; i >= 0; i-- {
		d := deltas[i]
		if err := p.rows(d, first); err != nil {
			return nil, fmt.Errorf("position %d: %w", d.Meta.Pos, err)
		}
		if spec == nil {
			spec = d.Topology
		}
	}
	for _, d := range deltas { // last: what the rows above bring is not imported over
		if err := p.imports(d); err != nil {
			return nil, fmt.Errorf("position %d: %w", d.Meta.Pos, err)
		}
	}
	if spec != nil {
		if err := p.putMessage(keyTopology, specToProto(spec), 0); err != nil {
			return nil, err
		}
	}
	return p.batch, p.putMessage(keyMeta, metaToProto(deltas[len(deltas)-1].Meta), 0)
}

// What tells the kinds of rows apart among the keys already seen.
type (
	incidentKey uint64
	changeKey   uint64
	actionKey   uint64
	windowKey   uint64
	pastKey     uint64
	healthKey   string
	statKey     string
)

// rows plans the rows of d that nothing later replaces, from the last to the first.
func (p *planner) rows(d *correlate.Delta, first func(key any) bool) error {
	for _, a := range slices.Backward(d.Alerts) {
		if first(a.ID()) {
			if err := p.alert(a); err != nil {
				return err
			}
		}
	}
	for _, i := range slices.Backward(d.Incidents) {
		if first(incidentKey(i.Number)) {
			if err := p.incident(i); err != nil {
				return err
			}
		}
	}
	for _, c := range slices.Backward(d.Changes) {
		if first(changeKey(c.Pos)) {
			if err := p.change(c); err != nil {
				return err
			}
		}
	}
	for _, a := range slices.Backward(d.Actions) {
		if first(actionKey(a.Number)) {
			if err := p.action(a); err != nil {
				return err
			}
		}
	}
	for _, w := range slices.Backward(d.Maintenance) {
		if first(windowKey(w.Number)) {
			if err := p.maintenance(w); err != nil {
				return err
			}
		}
	}
	for _, past := range slices.Backward(d.Past) {
		if first(pastKey(past.Number)) {
			if err := p.past(past); err != nil {
				return err
			}
		}
	}
	for _, h := range slices.Backward(d.Health) {
		key := inTable(tableHealth, healthSuffix(h))
		if first(healthKey(key)) {
			if err := p.health(key, h); err != nil {
				return err
			}
		}
	}
	for _, st := range slices.Backward(d.Stats) {
		key := appendText([]byte{tableStat}, st.Key)
		if first(statKey(key)) {
			if err := p.stat(key, st); err != nil {
				return err
			}
		}
	}
	return nil
}

// alert plans a row, its move to history or back, and its place among the alerts of its incident.
func (p *planner) alert(a *correlate.AlertState) error {
	suffix := alertSuffix(a.ID())
	live, history := inTable(tableAlert, suffix), inTable(tableAlertHistory, suffix)
	was, known := p.index.alerts[string(suffix)]
	returned := false
	if !known {
		var err error
		if was, returned, err = p.incidentInHistory(history); err != nil {
			return err
		}
	}
	is := ""
	if a.Incident != "" {
		is = string(appendText(nil, a.Incident))
	}
	if was != "" && was != is {
		p.remove(inTable(tableMember, []byte(was), suffix))
	}
	if a.Archived {
		if known {
			p.remove(live)
		}
		if is != "" {
			p.mark(inTable(tableMember, []byte(is), suffix), tagArchived, p.expires.alerts)
		}
		p.after(func() { p.index.dropAlert(string(suffix)) })
		return p.putMessage(history, alertToProto(a), p.expires.alerts)
	}
	if returned {
		p.remove(history)
	}
	if is != "" && (is != was || returned) {
		p.mark(inTable(tableMember, []byte(is), suffix), 0, 0)
	}
	p.after(func() { p.index.setAlert(string(suffix), is) })
	return p.putMessage(live, alertToProto(a), 0)
}

// incidentInHistory finds the incident of an archived alert, for the rare one that comes back.
func (p *planner) incidentInHistory(history []byte) (incident string, found bool, err error) {
	var row storev1.AlertState
	if err := getMessage(p.txn, history, &row); err != nil {
		return "", false, ignoreMissing(err)
	}
	if row.GetIncident() == "" {
		return "", true, nil
	}
	return string(appendText(nil, row.GetIncident())), true, nil
}

// incident plans a row, its move to history or back, and its place in the order of revisions.
func (p *planner) incident(i *correlate.Incident) error {
	suffix := numberSuffix(i.Number)
	live, history := inTable(tableIncident, suffix), inTable(tableIncidentHistory, suffix)
	was, known := p.index.incidents[i.Number]
	if !known {
		var row storev1.Incident
		err := getMessage(p.txn, history, &row)
		if ignoreMissing(err) != nil {
			return err
		}
		if err == nil {
			was, known = row.GetRevision(), true
			p.remove(history)
		}
	}
	if known && was != i.Revision {
		p.remove(inTable(tableRevision, revisionSuffix(was, i.Number)))
	}
	if !i.Archived || i.Kept {
		p.mark(inTable(tableRevision, revisionSuffix(i.Revision, i.Number)), 0, 0)
		p.after(func() { p.index.setIncident(i.Number, i.Revision) })
		return p.putMessage(live, incidentToProto(i), 0)
	}
	p.remove(live)
	p.mark(inTable(tableRevision, revisionSuffix(i.Revision, i.Number)), tagArchived, p.expires.incidents)
	p.after(func() { p.index.dropIncident(i.Number) })
	if err := p.expirePages(i.ID); err != nil {
		return err
	}
	return p.putMessage(history, incidentToProto(i), p.expires.incidents)
}

func (p *planner) change(c *correlate.ChangeState) error {
	suffix := numberSuffix(c.Pos)
	return p.aging(inTable(tableChange, suffix), inTable(tableChangeHistory, suffix), changeStateToProto(c), c.Archived, p.expires.changes)
}

func (p *planner) action(a *correlate.ActionItem) error {
	suffix := numberSuffix(a.Number)
	return p.aging(inTable(tableAction, suffix), inTable(tableActionHistory, suffix), actionItemToProto(a), a.Archived, p.expires.actions)
}

// maintenance plans a window, which is kept as long as changes are.
func (p *planner) maintenance(w *correlate.Maintenance) error {
	suffix := numberSuffix(w.Number)
	return p.aging(inTable(tableMaintenance, suffix), inTable(tableMaintenancePast, suffix), maintenanceToProto(w), w.Archived, p.expires.changes)
}

// aging plans a row that no index points to and that is history, with an end, once it is archived.
func (p *planner) aging(live, history []byte, m message, archived bool, expires uint64) error {
	if !archived {
		if err := p.leaveHistory(live, history); err != nil {
			return err
		}
		return p.other(live, m)
	}
	p.dropOther(live)
	return p.putMessage(history, m, expires)
}

// leaveHistory makes sure that a row which is live from now on is in one table only.
func (p *planner) leaveHistory(live, history []byte) error {
	if _, known := p.index.others[string(live)]; known {
		return nil
	}
	_, err := p.txn.Get(history)
	if err == nil {
		p.remove(history)
	}
	return ignoreMissing(err)
}

// other plans a live row that no index points to.
func (p *planner) other(key []byte, m message) error {
	p.after(func() { p.index.setOther(string(key)) })
	return p.putMessage(key, m, 0)
}

// health plans a check; one that is forgotten leaves nothing.
func (p *planner) health(key []byte, h *correlate.HealthState) error {
	if !h.Forgotten {
		return p.other(key, healthToProto(h))
	}
	p.dropOther(key)
	return nil
}

// past plans what is remembered of an incident; what is forgotten leaves nothing.
func (p *planner) past(past *correlate.Past) error {
	key := inTable(tablePast, numberSuffix(past.Number))
	if !past.Forgotten {
		return p.other(key, pastToProto(past))
	}
	p.dropOther(key)
	return nil
}

// stat plans a figure; one without a count is forgotten.
func (p *planner) stat(key []byte, st correlate.Stat) error {
	if st.Count != 0 {
		return p.other(key, statToProto(st))
	}
	p.dropOther(key)
	return nil
}

func (p *planner) dropOther(key []byte) {
	p.remove(key)
	p.after(func() { p.index.dropOther(string(key)) })
}

// pages adds the pages of d to the outbox. One that is there already stays as it
// is, with its deliveries: the commit is being repeated.
func (p *planner) pages(d *correlate.Delta) error {
	for n, page := range d.Pages {
		suffix := pageSuffix(page.Key())
		status := inTable(tablePageStatus, suffix)
		_, err := p.txn.Get(status)
		if ignoreMissing(err) != nil {
			return err
		}
		if err == nil || p.has(status) {
			continue
		}
		if err := p.page(page, suffix, d.Meta.Pos, uint32(n)); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) page(page *correlate.Page, suffix []byte, pos uint64, n uint32) error {
	at := timeToNano(page.At)
	status := &storev1.PageStatus{DecidedPos: pos, DecidedIndex: n, DecidedAtUnixNano: at}
	pending := pendingSuffix(pos, n)
	p.put(inTable(tablePending, pending), suffix, 0)
	p.after(func() { p.index.pending[string(pending)] = at })
	if err := p.putMessage(inTable(tablePageStatus, suffix), status, 0); err != nil {
		return err
	}
	return p.putMessage(inTable(tablePage, suffix), pageToProto(page), 0)
}

// expirePages lets the finished pages of an incident go with it. Unfinished ones
// stay until they are done, see [Store.RecordDelivery].
func (p *planner) expirePages(incident string) error {
	prefix := appendText([]byte{tablePageStatus}, incident)
	return scanMessages(p.txn, prefix, func(key []byte, status *storev1.PageStatus) (bool, error) {
		if !status.GetDone() {
			return true, nil
		}
		return true, p.expirePage(key[1:], status)
	})
}

// expirePage gives a page and its status an end.
func (p *planner) expirePage(suffix []byte, status *storev1.PageStatus) error {
	key := inTable(tablePage, suffix)
	value, err := getValue(p.txn, key)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	p.put(key, value, p.expires.pages)
	return p.putMessage(inTable(tablePageStatus, suffix), status, p.expires.pages)
}
