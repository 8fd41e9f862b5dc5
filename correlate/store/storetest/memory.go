package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/topology"
)

// Memory is a store without a disk, written for obviousness. History never
// expires. It keeps the rows it is given and hands them out: nobody may change
// them. It is safe for concurrent use; a callback must not commit.
type Memory struct {
	mu        sync.RWMutex
	closed    bool
	meta      correlate.Meta
	spec      *topology.Spec
	graph     *topology.Graph
	alerts    map[correlate.AlertID]*correlate.AlertState
	incidents map[uint64]*correlate.Incident
	health    map[[3]string]*correlate.HealthState
	changes   map[uint64]*correlate.ChangeState
	past      map[uint64]*correlate.Past
	stats     map[string]correlate.Stat
	pages     []*correlate.OutboxEntry // in the order of decisions
	onDisk    int                      // how many of pages are
	waiting   map[chan struct{}]uint64
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		alerts:    map[correlate.AlertID]*correlate.AlertState{},
		incidents: map[uint64]*correlate.Incident{},
		health:    map[[3]string]*correlate.HealthState{},
		changes:   map[uint64]*correlate.ChangeState{},
		past:      map[uint64]*correlate.Past{},
		stats:     map[string]correlate.Stat{},
		waiting:   map[chan struct{}]uint64{},
	}
}

var _ Store = (*Memory)(nil)

// read locks m for reading; the error is for a closed store or an ended context.
func (m *Memory) read(ctx context.Context) (unlock func(), err error) {
	m.mu.RLock()
	if err := m.usable(ctx); err != nil {
		m.mu.RUnlock()
		return nil, err
	}
	return m.mu.RUnlock, nil
}

func (m *Memory) usable(ctx context.Context) error {
	if m.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Commit applies deltas. Pages are shown once a durable commit has followed them.
func (m *Memory) Commit(ctx context.Context, deltas []*correlate.Delta, durable bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	for _, d := range deltas {
		m.apply(d)
	}
	if durable {
		m.onDisk = len(m.pages)
	}
	for ch, after := range m.waiting {
		if m.meta.Pos > after {
			close(ch)
			delete(m.waiting, ch)
		}
	}
	return nil
}

func (m *Memory) apply(d *correlate.Delta) {
	m.meta = d.Meta
	for _, a := range d.Alerts {
		m.alerts[a.ID()] = a
	}
	for _, i := range d.Incidents {
		m.incidents[i.Number] = i
	}
	for _, im := range d.Imports {
		m.add(im)
	}
	for _, h := range d.Health {
		if h.Forgotten {
			delete(m.health, healthKey(h))
		} else {
			m.health[healthKey(h)] = h
		}
	}
	for _, c := range d.Changes {
		m.changes[c.Pos] = c
	}
	for _, p := range d.Past {
		if p.Forgotten {
			delete(m.past, p.Number)
		} else {
			m.past[p.Number] = p
		}
	}
	for _, s := range d.Stats {
		if s.Count == 0 {
			delete(m.stats, s.Key)
		} else {
			m.stats[s.Key] = s
		}
	}
	for _, p := range d.Pages {
		if m.page(p.Key()) == nil {
			m.pages = append(m.pages, &correlate.OutboxEntry{Page: p})
		}
	}
	if d.Topology != nil {
		m.spec = d.Topology
		if g, _, err := topology.Build(*d.Topology); err == nil {
			m.graph = g
		}
	}
}

// add takes in what is not there.
func (m *Memory) add(im *correlate.Import) {
	if i := im.Incident; i != nil && m.incidents[i.Number] == nil {
		m.incidents[i.Number] = i
	}
	for _, a := range im.Alerts {
		if m.alerts[a.ID()] == nil {
			m.alerts[a.ID()] = a
		}
	}
}

func (m *Memory) page(key correlate.PageKey) *correlate.OutboxEntry {
	for _, e := range m.pages {
		if e.Page.Key() == key {
			return e
		}
	}
	return nil
}

func healthKey(h *correlate.HealthState) [3]string {
	return [3]string{h.Service.Namespace, h.Service.Name, h.Check}
}

func (m *Memory) sortedHealth() [][3]string {
	return slices.SortedFunc(maps.Keys(m.health), func(a, b [3]string) int { return slices.Compare(a[:], b[:]) })
}

// Load returns all rows that are not archived.
func (m *Memory) Load(ctx context.Context) (*correlate.Snapshot, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	snap := &correlate.Snapshot{Meta: m.meta, Topology: m.spec}
	for _, a := range m.sortedAlerts() {
		if !a.Archived {
			snap.Alerts = append(snap.Alerts, a)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(m.incidents)) {
		if !m.incidents[n].Archived {
			snap.Incidents = append(snap.Incidents, m.incidents[n])
		}
	}
	for _, n := range slices.Sorted(maps.Keys(m.changes)) {
		if !m.changes[n].Archived {
			snap.Changes = append(snap.Changes, m.changes[n])
		}
	}
	for _, k := range m.sortedHealth() {
		snap.Health = append(snap.Health, m.health[k])
	}
	for _, n := range slices.Sorted(maps.Keys(m.past)) {
		snap.Past = append(snap.Past, m.past[n])
	}
	for _, k := range slices.Sorted(maps.Keys(m.stats)) {
		snap.Stats = append(snap.Stats, m.stats[k])
	}
	return snap, nil
}

func (m *Memory) sortedAlerts() []*correlate.AlertState {
	return slices.SortedFunc(maps.Values(m.alerts), func(a, b *correlate.AlertState) int {
		return compareIDs(a.ID(), b.ID())
	})
}

func compareIDs(a, b correlate.AlertID) int {
	return cmp.Or(cmp.Compare(a.StartsAt, b.StartsAt), bytes.Compare([]byte(a.Fingerprint), []byte(b.Fingerprint)))
}

// Revision is the position of the last commit.
func (m *Memory) Revision() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.meta.Pos
}

// Changed returns a channel that is closed once Revision is above after.
func (m *Memory) Changed(after uint64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	ch := make(chan struct{})
	if m.meta.Pos > after {
		close(ch)
	} else {
		m.waiting[ch] = after
	}
	return ch
}

// Graph is the graph in force.
func (m *Memory) Graph() (*topology.Graph, uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.graph, m.meta.Pos
}

// Incident returns one incident.
func (m *Memory) Incident(ctx context.Context, id string) (*correlate.Incident, uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	for _, i := range m.incidents {
		if i.ID == id {
			return i, m.meta.Pos, nil
		}
	}
	return nil, m.meta.Pos, fmt.Errorf("incident %q: %w", id, store.ErrNotFound)
}

// Alert returns one alert.
func (m *Memory) Alert(ctx context.Context, id correlate.AlertID) (*correlate.AlertState, uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	if a, ok := m.alerts[id]; ok {
		return a, m.meta.Pos, nil
	}
	return nil, m.meta.Pos, fmt.Errorf("alert %q: %w", id, store.ErrNotFound)
}

// ScanIncidents goes from the newest number down, and then through what was imported.
func (m *Memory) ScanIncidents(ctx context.Context, beforeNumber uint64, fn func(*correlate.Incident) bool) (uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	// As signed numbers the imported ones are below all others, in their order.
	numbers := slices.SortedFunc(maps.Keys(m.incidents), func(a, b uint64) int { return cmp.Compare(int64(b), int64(a)) })
	for _, n := range numbers {
		if (beforeNumber == 0 || int64(n) < int64(beforeNumber)) && !fn(m.incidents[n]) {
			break
		}
	}
	return m.meta.Pos, nil
}

// ChangedIncidents goes up in the order of revisions.
func (m *Memory) ChangedIncidents(ctx context.Context, after uint64, fn func(*correlate.Incident) bool) (uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	all := slices.SortedFunc(maps.Values(m.incidents), func(a, b *correlate.Incident) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Number, b.Number))
	})
	for _, i := range all {
		if i.Revision > after && !fn(i) {
			break
		}
	}
	return m.meta.Pos, nil
}

// ScanAlerts goes up by start and fingerprint.
func (m *Memory) ScanAlerts(ctx context.Context, scan store.AlertScan, fn func(*correlate.AlertState) bool) (uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for _, a := range m.sortedAlerts() {
		selected := (scan.Incident == "" || a.Incident == scan.Incident) &&
			(scan.IncludeArchived || !a.Archived) &&
			(scan.After == correlate.AlertID{} || compareIDs(a.ID(), scan.After) > 0)
		if selected && !fn(a) {
			break
		}
	}
	return m.meta.Pos, nil
}

// ScanHealth goes up by namespace, service and check.
func (m *Memory) ScanHealth(ctx context.Context, fn func(*correlate.HealthState) bool) (uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for _, k := range m.sortedHealth() {
		if !fn(m.health[k]) {
			break
		}
	}
	return m.meta.Pos, nil
}

// ScanStats goes by key.
func (m *Memory) ScanStats(ctx context.Context, fn func(correlate.Stat) bool) (uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for _, k := range slices.Sorted(maps.Keys(m.stats)) {
		if !fn(m.stats[k]) {
			break
		}
	}
	return m.meta.Pos, nil
}

// ScanChanges goes from the newest position down.
func (m *Memory) ScanChanges(ctx context.Context, beforePos uint64, fn func(*correlate.ChangeState) bool) (uint64, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	positions := slices.Sorted(maps.Keys(m.changes))
	for _, n := range slices.Backward(positions) {
		if (beforePos == 0 || n < beforePos) && !fn(m.changes[n]) {
			break
		}
	}
	return m.meta.Pos, nil
}

// PendingPages returns what is not done, oldest decision first.
func (m *Memory) PendingPages(ctx context.Context, limit int) ([]*correlate.OutboxEntry, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []*correlate.OutboxEntry
	for _, e := range m.pages[:m.onDisk] {
		if !e.Done && (limit < 1 || len(out) < limit) {
			out = append(out, copyOf(e))
		}
	}
	return out, nil
}

// Pages returns the pages of an incident in the order of Seq.
func (m *Memory) Pages(ctx context.Context, incident string) ([]*correlate.OutboxEntry, error) {
	unlock, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []*correlate.OutboxEntry
	for _, e := range m.pages {
		if e.Page.Incident.ID == incident {
			out = append(out, copyOf(e))
		}
	}
	slices.SortFunc(out, func(a, b *correlate.OutboxEntry) int { return cmp.Compare(a.Page.Seq, b.Page.Seq) })
	return out, nil
}

func copyOf(e *correlate.OutboxEntry) *correlate.OutboxEntry {
	c := *e
	c.Deliveries = slices.Clone(e.Deliveries)
	return &c
}

// RecordDelivery replaces the deliveries of a page.
func (m *Memory) RecordDelivery(ctx context.Context, key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	e := m.page(key)
	if e == nil {
		return fmt.Errorf("page %v: %w", key, store.ErrNotFound)
	}
	e.Deliveries = slices.Clone(deliveries)
	e.Done = e.Done || done
	e.Superseded = superseded
	m.onDisk = len(m.pages)
	return nil
}

// noticeOnDisk takes note that the page, and with it all that were decided before, is on disk.
func (m *Memory) noticeOnDisk(key correlate.PageKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range m.pages {
		if e.Page.Key() == key {
			m.onDisk = max(m.onDisk, i+1)
		}
	}
}

// Close makes every later call fail.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
