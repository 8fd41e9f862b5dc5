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
	meta        Meta
	spec        *topology.Spec
	items       map[AlertID]*item
	incidents   map[string]*incident
	records     map[string]*incident // of those whose alerts are forgotten, what people may still write to
	health      map[checkKey]*HealthState
	changes     []*ChangeState // by Pos
	actions     map[string]*ActionItem
	maintenance map[string]*Maintenance // of windows that are not over
	memory      memory
	stats       map[string]Stat

	// Derived from the state, rebuilt by Restore.
	graph    *topology.Graph
	nodes    *nodeSpace
	closures map[nodeID]closure
	callers  map[nodeID]closure
	whereabouts
	latest    map[string]*item // newest live instance by fingerprint
	live      map[nodeID]int   // alerts about a node, in open incidents or pending
	checksOf  map[nodeID][]checkKey
	changesOf map[nodeID][]*ChangeState
	due       dueHeap
	// forgetting has the earliest reminder of each check's end that due holds.
	forgetting map[checkKey]time.Time
	names      map[string]verdict // see [Engine.classOf]
	learned    learnedFigures
	// windows are those of maintenance that are under way, until windowsUntil; zero: for ever.
	windows      []activeWindow
	windowsUntil time.Time

	step stepState
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
		items: map[AlertID]*item{}, incidents: map[string]*incident{}, records: map[string]*incident{}, actions: map[string]*ActionItem{}, maintenance: map[string]*Maintenance{}, health: map[checkKey]*HealthState{}, stats: map[string]Stat{},
		memory: newMemory(), latest: map[string]*item{}, names: map[string]verdict{}, forgetting: map[checkKey]time.Time{},
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
		inc := &incident{row: row, timeline: slices.Clip(row.Timeline)}
		if row.Archived {
			e.records[row.ID] = inc
			continue
		}
		e.incidents[row.ID] = inc
		if row.Unsettled {
			e.unsettled = append(e.unsettled, inc)
		}
	}
	alerts := slices.SortedFunc(slices.Values(s.Alerts), func(a, b *AlertState) int { return a.ID().compare(b.ID()) })
	for _, row := range alerts {
		it := e.newItem(row)
		if row.Incident == "" {
			if row.Fate.Kind == FatePending {
				e.pending = append(e.pending, it)
			}
			continue
		}
		inc := e.incidents[row.Incident]
		if inc == nil {
			return fmt.Errorf("restore alert %s: its incident %s is not in the snapshot", row.ID(), row.Incident)
		}
		inc.items = append(inc.items, it)
		it.inc = inc
	}
	for _, h := range s.Health {
		e.health[keyOf(h)] = h
	}
	e.changes = slices.SortedFunc(slices.Values(s.Changes), func(a, b *ChangeState) int { return cmp.Compare(a.Pos, b.Pos) })
	for _, a := range s.Actions {
		e.actions[a.ID] = a
	}
	for _, w := range s.Maintenance {
		e.maintenance[w.ID] = w
	}
	for _, p := range s.Past {
		e.memory.enter(p)
	}
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
	for _, h := range e.health {
		e.scheduleForgetting(h)
	}
	e.planMaintenance()
	if slices.ContainsFunc(alerts, e.otherwiseMaintained) { // by another configuration
		e.windowsUntil = e.meta.Now
		e.due.push(due{at: e.windowsUntil, kind: dueMaintenance})
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
	for _, inc := range e.records {
		s.Incidents = append(s.Incidents, inc.row)
	}
	s.Actions = sortedActions(e.actions)
	s.Maintenance = sortedMaintenance(e.maintenance)
	s.Past = sortPast(slices.Collect(maps.Values(e.memory.past)))
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
	if e.meta.Now.IsZero() && len(e.cfg.Policy.Maintenance) > 0 {
		e.meta.Now = in.At // the first moment there is: which windows recur before it is nobody's concern
		e.planMaintenance()
	}
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
	case *Import:
		e.step.rejected = e.applyImport(sig)
	case Tick, nil:
	}
	e.flushCounts()
	e.runDeadlines(e.meta.Now) // what the input itself made due
	return e.finish()
}

// adopt makes graph the one in force and forgets what was derived from the old one.
func (e *Engine) adopt(spec *topology.Spec, graph *topology.Graph) {
	e.spec, e.graph = spec, graph
	e.meta.TopologyVersion = graph.Version()
	e.nodes = newNodeSpace(graph)
	e.closures, e.callers = map[nodeID]closure{}, map[nodeID]closure{}
	e.explains, e.starves = map[nodeID][]nodeID{}, map[nodeID][]nodeID{}
	for i := range e.windows {
		e.windows[i].nodes = nil
	}
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
	e.locateIncidents()
	e.indexLearned()
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
	if isUnregistered(it.state.Service.Name) {
		// "Somewhere outside the mesh", also where the map has a node for it: all we know
		// is whose calls fail, and what they were calls to may be in the map by its own name.
		it.node, it.from = it.from, noNode
	}
}

// newItem makes row live. Instances of one label set are linked in the order of their starts.
func (e *Engine) newItem(row *AlertState) *item {
	it := &item{id: row.ID(), state: row, began: e.onsetOf(row), atClients: e.atClients(row)}
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
