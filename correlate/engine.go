package correlate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// Engine is the state machine. See the package comment for its promises.
type Engine struct {
	cfg Config

	// State, all of it in rows that a Delta can carry.
	meta      Meta
	spec      *topology.Spec
	items     map[AlertID]*item
	incidents map[string]*incident
	health    map[checkKey]*HealthState
	changes   []*ChangeState // by Pos
	stats     map[string]Stat

	// Derived from the state, rebuilt by Restore.
	graph     *topology.Graph
	nodes     *nodeSpace
	closures  map[nodeID]closure
	callers   map[nodeID]closure
	latest    map[string]*item // newest live instance by fingerprint
	live      map[nodeID]int   // alerts about a node, in open incidents or pending
	checksOf  map[nodeID][]checkKey
	changesOf map[nodeID][]*ChangeState
	due       dueHeap

	step stepState
}

// stepState is what one step touched. Rows are copied on their first edit of a
// step, so whatever was handed out before stays as it was.
type stepState struct {
	alerts    map[AlertID]*item
	incidents map[string]*incident
	health    map[checkKey]bool
	changes   []*ChangeState
	stats     map[string]bool
	topology  *topology.Spec
	pages     []*Page
	rejected  string
	recount   map[string]*incident
}

// incident is an [Incident] with its alerts.
type incident struct {
	row   *Incident
	items map[AlertID]*item
}

func (i *incident) open() bool { return i.row.State == IncidentOpen }

// relapsed: it had ended, on-call was told so, and it came back.
func (i *incident) relapsed() bool {
	return i.open() && i.row.Paging.Opens > 0 && !i.row.Paging.open()
}

// sorted returns the incident's alerts by start and fingerprint.
func (i *incident) sorted() []*item {
	return slices.SortedFunc(maps.Values(i.items), compareItems)
}

// New returns an engine that has seen nothing, with an empty graph.
func New(cfg Config) (*Engine, error) {
	return Restore(cfg, &Snapshot{Meta: Meta{NextIncident: 1}})
}

// Restore returns the engine that was snapshot. It behaves from there on exactly
// as the engine that the snapshot was taken of.
func Restore(cfg Config, snapshot *Snapshot) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if cfg.Resolver == nil {
		r, err := topology.NewResolver(topology.ResolverConfig{})
		if err != nil {
			return nil, fmt.Errorf("default resolver: %w", err)
		}
		cfg.Resolver = r
	}
	if cfg.Classifier == nil {
		cfg.Classifier = DefaultClassifier()
	}
	e := &Engine{
		cfg: cfg, meta: snapshot.Meta,
		items: map[AlertID]*item{}, incidents: map[string]*incident{}, health: map[checkKey]*HealthState{}, stats: map[string]Stat{},
		latest: map[string]*item{},
	}
	if e.meta.NextIncident == 0 {
		e.meta.NextIncident = 1
	}
	spec := snapshot.Topology
	if spec == nil {
		spec = &topology.Spec{}
	}
	graph, _, err := topology.Build(*spec)
	if err != nil {
		return nil, fmt.Errorf("restore topology version %q: %w", spec.Version, err)
	}
	e.adopt(spec, graph)
	if err := e.load(snapshot); err != nil {
		return nil, err
	}
	e.reset()
	return e, nil
}

func (e *Engine) load(s *Snapshot) error {
	for _, row := range s.Incidents {
		e.incidents[row.ID] = &incident{row: row, items: map[AlertID]*item{}}
	}
	alerts := slices.SortedFunc(slices.Values(s.Alerts), func(a, b *AlertState) int { return a.ID().compare(b.ID()) })
	for _, row := range alerts {
		it := e.newItem(row)
		if row.Incident == "" {
			continue
		}
		inc := e.incidents[row.Incident]
		if inc == nil {
			return fmt.Errorf("restore alert %s: its incident %s is not in the snapshot", row.ID(), row.Incident)
		}
		inc.items[row.ID()] = it
		it.inc = inc
	}
	for _, h := range s.Health {
		e.health[keyOf(h)] = h
	}
	e.changes = slices.SortedFunc(slices.Values(s.Changes), func(a, b *ChangeState) int { return cmp.Compare(a.Pos, b.Pos) })
	for _, st := range s.Stats {
		e.stats[st.Key] = st
	}
	e.reindex()
	for _, it := range e.items {
		e.scheduleExpiry(it)
	}
	for _, inc := range e.incidents {
		e.scheduleIncident(inc)
	}
	return nil
}

// Graph returns the dependency graph in force. It is immutable.
func (e *Engine) Graph() *topology.Graph { return e.graph }

// Snapshot returns the engine's whole state, rows in a fixed order.
func (e *Engine) Snapshot() *Snapshot {
	s := &Snapshot{Meta: e.meta, Topology: e.spec, Changes: slices.Clone(e.changes)}
	for _, it := range e.items {
		s.Alerts = append(s.Alerts, it.state)
	}
	for _, inc := range e.incidents {
		s.Incidents = append(s.Incidents, inc.row)
	}
	s.Health = slices.Collect(maps.Values(e.health))
	s.Stats = slices.Collect(maps.Values(e.stats))
	slices.SortFunc(s.Alerts, func(a, b *AlertState) int { return a.ID().compare(b.ID()) })
	slices.SortFunc(s.Incidents, func(a, b *Incident) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortFunc(s.Health, func(a, b *HealthState) int { return keyOf(a).compare(keyOf(b)) })
	slices.SortFunc(s.Stats, func(a, b Stat) int { return cmp.Compare(a.Key, b.Key) })
	return s
}

// Step applies one input and returns what changed. An input at or below the
// position already applied changes nothing and returns an empty delta.
func (e *Engine) Step(in Input) *Delta {
	if in.Pos <= e.meta.Pos {
		return &Delta{Meta: e.meta}
	}
	e.meta.Pos = in.Pos
	e.runDeadlines(in.At)
	if in.At.After(e.meta.Now) {
		e.meta.Now = in.At
	}
	switch sig := in.Signal.(type) {
	case *AlertBatch:
		e.applyAlerts(sig)
	case *HealthBatch:
		e.applyHealth(sig)
	case *Change:
		e.applyChange(sig)
	case *Command:
		e.step.rejected = e.applyCommand(sig)
	case *TopologyReport:
		e.step.rejected = e.applyTopology(sig)
	case Tick, nil:
	}
	e.flushCounts()
	e.runDeadlines(e.meta.Now) // what the input itself made due
	return e.finish()
}

// flushCounts brings incidents whose alerts ended or moved up to date.
func (e *Engine) flushCounts() {
	for len(e.step.recount) > 0 {
		pending := sortedIncidents(e.step.recount)
		e.step.recount = map[string]*incident{}
		for _, inc := range pending {
			e.recount(inc)
		}
	}
}

// finish turns what the step touched into a delta, in a fixed order.
func (e *Engine) finish() *Delta {
	d := &Delta{Meta: e.meta, Changes: e.step.changes, Topology: e.step.topology, Pages: e.step.pages, Rejected: e.step.rejected}
	for _, it := range slices.SortedFunc(maps.Values(e.step.alerts), compareItems) {
		it.state.Revision = e.meta.Pos
		d.Alerts = append(d.Alerts, it.state)
	}
	for _, inc := range sortedIncidents(e.step.incidents) {
		inc.row.Revision = e.meta.Pos
		d.Incidents = append(d.Incidents, inc.row)
	}
	for _, k := range slices.SortedFunc(maps.Keys(e.step.health), checkKey.compare) {
		e.health[k].Revision = e.meta.Pos
		d.Health = append(d.Health, e.health[k])
	}
	for _, k := range slices.Sorted(maps.Keys(e.step.stats)) {
		d.Stats = append(d.Stats, e.stats[k])
	}
	e.reset()
	return d
}

func (e *Engine) reset() {
	e.step = stepState{
		alerts: map[AlertID]*item{}, incidents: map[string]*incident{}, health: map[checkKey]bool{},
		stats: map[string]bool{}, recount: map[string]*incident{},
	}
}

func sortedIncidents(m map[string]*incident) []*incident {
	return slices.SortedFunc(maps.Values(m), func(a, b *incident) int { return cmp.Compare(a.row.Number, b.row.Number) })
}

// editAlert returns it's row for changing.
func (e *Engine) editAlert(it *item) *AlertState {
	id := it.id
	if e.step.alerts[id] == nil {
		row := *it.state
		it.state = &row
		e.step.alerts[id] = it
	}
	return it.state
}

// editIncident returns inc's row for changing. Slices in it must be replaced, never written to.
func (e *Engine) editIncident(inc *incident) *Incident {
	if e.step.incidents[inc.row.ID] == nil {
		row := *inc.row
		inc.row = &row
		e.step.incidents[row.ID] = inc
	}
	inc.row.UpdatedAt = e.meta.Now
	return inc.row
}

func (e *Engine) editHealth(k checkKey) *HealthState {
	if !e.step.health[k] {
		row := *e.health[k]
		e.health[k] = &row
		e.step.health[k] = true
	}
	return e.health[k]
}

// adopt makes graph the one in force and forgets what was derived from the old one.
func (e *Engine) adopt(spec *topology.Spec, graph *topology.Graph) {
	e.spec, e.graph = spec, graph
	e.meta.TopologyVersion = graph.Version()
	e.nodes = newNodeSpace(graph)
	e.closures, e.callers = map[nodeID]closure{}, map[nodeID]closure{}
}

// reindex rebuilds what is kept by node.
func (e *Engine) reindex() {
	e.live, e.checksOf, e.changesOf = map[nodeID]int{}, map[nodeID][]checkKey{}, map[nodeID][]*ChangeState{}
	for _, it := range slices.SortedFunc(maps.Values(e.items), compareItems) {
		e.place(it)
		if e.counts(it) {
			e.live[it.node]++
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(e.health), checkKey.compare) {
		n := e.nodes.id(k.service)
		e.checksOf[n] = append(e.checksOf[n], k)
	}
	for _, c := range e.changes {
		n := e.nodes.id(c.Service)
		e.changesOf[n] = append(e.changesOf[n], c)
	}
}

// place finds the nodes of an alert from its row.
func (e *Engine) place(it *item) {
	it.node, it.from = e.nodes.id(it.state.Service), noNode
	if it.state.Caller.IsZero() {
		return
	}
	it.from = e.nodes.id(it.state.Caller)
	if !e.nodes.known(it.node) && isUnregistered(it.state.Service.Name) {
		it.node, it.from = it.from, noNode // "somewhere outside the mesh": all we know is whose calls fail
	}
}

// newItem makes row live. Instances of one label set are linked in the order of their starts.
func (e *Engine) newItem(row *AlertState) *item {
	it := &item{id: row.ID(), state: row, gain: row.Class.gain(row.Severity)}
	e.items[row.ID()] = it
	newer := (*item)(nil)
	older := e.latest[row.Fingerprint]
	for older != nil && older.state.StartsAt.After(row.StartsAt) {
		newer, older = older, older.prev
	}
	it.prev = older
	if newer != nil {
		newer.prev = it
	} else {
		e.latest[row.Fingerprint] = it
	}
	return it
}

// unlink takes it out of the live state.
func (e *Engine) unlink(it *item) {
	delete(e.items, it.id)
	fp := it.state.Fingerprint
	if e.latest[fp] == it {
		if e.latest[fp] = it.prev; it.prev == nil {
			delete(e.latest, fp)
		}
		return
	}
	for newer := e.latest[fp]; newer != nil; newer = newer.prev {
		if newer.prev == it {
			newer.prev = it.prev
		}
	}
}

// evidence reports whether the alert may be grouped at all: chronic alerts and
// those of severity none are only listed.
func (e *Engine) evidence(it *item) bool {
	return it.state.Severity != SeverityNone && !it.chronic(&e.cfg)
}

// counts reports whether the alert shows that something is wrong with its service now.
func (e *Engine) counts(it *item) bool {
	return !it.edge() && e.evidence(it) && (it.inc == nil || it.inc.open())
}

// alerting reports whether node n has a live alert of its own.
func (e *Engine) alerting(n nodeID) bool { return e.live[n] > 0 }

// incidentID renders an incident's number.
func incidentID(number uint64) string { return fmt.Sprintf("INC-%d", number) }

func (e *Engine) note(inc *incident, kind TimelineKind, actor, text string) {
	row := e.editIncident(inc)
	if len(row.Timeline) >= e.cfg.MaxTimeline && (kind == TimelineJoined || kind == TimelineOrigin) {
		return
	}
	entry := TimelineEntry{At: e.meta.Now, Kind: kind, Text: text, Actor: actor}
	row.Timeline = append(slices.Clip(row.Timeline), entry)
}

func (e *Engine) learn(key string) {
	s := e.stats[key]
	s.Key, s.Count, s.At = key, s.Count+1, e.meta.Now
	e.stats[key] = s
	e.step.stats[key] = true
}

// NextDeadline is when the engine next wants to be stepped even if nothing
// happens; false when nothing is due ever.
func (e *Engine) NextDeadline() (time.Time, bool) {
	e.dropStale()
	at, ok := e.due.peek()
	if s := e.meta.SettleAt; !s.IsZero() && (!ok || s.Before(at)) {
		return s, true
	}
	return at, ok
}
