package correlate

import (
	"slices"
	"time"
)

// incident is an [Incident] with its alerts.
type incident struct {
	row      *Incident
	items    []*item
	ordered  bool            // items are by start and fingerprint
	sites    map[site]int    // alerts by where they point
	timeline []TimelineEntry // the row's, with room behind it
	touched  uint64          // position of the step that copied row last
	counting bool            // waits for [Engine.recount]
	words    fateWords
	// linkedFor is what the row's configured links were made for; zero: they are to be made anew.
	linkedFor linkedFor
	reminded  [dueKinds]time.Time // the reminders last asked for and not taken yet
}

func (i *incident) open() bool { return i.row.State == IncidentOpen }

// relapsed: it had ended, on-call was told so, and it came back.
func (i *incident) relapsed() bool {
	return i.open() && i.row.Paging.Opens > 0 && !i.row.Paging.open()
}

// sorted returns the incident's alerts by start and fingerprint. The list is the
// incident's own and must not be changed.
func (i *incident) sorted() []*item {
	if !i.ordered {
		slices.SortFunc(i.items, compareItems)
		i.ordered = true
	}
	return i.items
}

// whereabouts finds incidents by the graph, so that a settling looks only at those
// that its alerts have something to do with, however many are open. All of it
// follows from the rows. The lists hold at most one entry per node, site or incident.
type whereabouts struct {
	pending   []*item     // alerts that wait to be placed; may hold some that were
	spareSets []*nodeSet  // see [Engine.newNodeSet]
	spare     [][]int32   // see [Engine.newIndex]
	unsettled []*incident // incidents to be judged anew; may hold some that were
	holders   map[nodeID][]*incident
	explains  map[nodeID][]nodeID // the nodes whose closure holds the node, of those looked at so far
	starves   map[nodeID][]nodeID // the same for the closures of callers
}

// locateIncidents rebuilds what is known of where incidents are.
func (e *Engine) locateIncidents() {
	e.holders = map[nodeID][]*incident{}
	for _, inc := range sortedIncidents(e.incidents) {
		inc.sites = map[site]int{}
		for _, it := range inc.items {
			e.enter(inc, it.site())
		}
	}
}

// include makes it an alert of inc. Whoever held it before must [Engine.release] it.
func (e *Engine) include(inc *incident, it *item) {
	it.inc = inc
	n := len(inc.items)
	inc.ordered = n == 0 || inc.ordered && compareItems(inc.items[n-1], it) < 0
	inc.items = append(inc.items, it)
	e.enter(inc, it.site())
}

// release drops the alerts that were included elsewhere from inc.
func (e *Engine) release(inc *incident) {
	inc.items = slices.DeleteFunc(inc.items, func(it *item) bool {
		if it.inc == inc {
			return false
		}
		e.leave(inc, it.site())
		return true
	})
}

func (e *Engine) enter(inc *incident, at site) {
	if inc.sites[at]++; inc.sites[at] > 1 {
		return
	}
	e.explainersAt(at) // so that it is known whom they explain
	for _, n := range at.nodes() {
		if !slices.Contains(e.holders[n], inc) {
			e.holders[n] = append(e.holders[n], inc)
		}
	}
}

func (e *Engine) leave(inc *incident, at site) {
	if inc.sites[at]--; inc.sites[at] > 0 {
		return
	}
	delete(inc.sites, at)
	for _, n := range at.nodes() {
		if !inc.at(n) {
			e.vacate(inc, n)
		}
	}
}

func (e *Engine) vacate(inc *incident, n nodeID) {
	rest := slices.DeleteFunc(e.holders[n], func(h *incident) bool { return h == inc })
	if e.holders[n] = rest; len(rest) == 0 {
		delete(e.holders, n)
	}
}

// evict forgets where inc was.
func (e *Engine) evict(inc *incident) {
	for at := range inc.sites {
		for _, n := range at.nodes() {
			e.vacate(inc, n)
		}
	}
	inc.items, inc.sites = nil, nil
}

// at reports whether an alert of the incident points to n.
func (i *incident) at(n nodeID) bool {
	for s := range i.sites {
		if s.node == n || s.from == n {
			return true
		}
	}
	return false
}

// nodes are the ends of a site.
func (s site) nodes() []nodeID {
	if s.from == noNode || s.from == s.node {
		return []nodeID{s.node}
	}
	return []nodeID{s.node, s.from}
}

// nodeSet is a set of nodes.
type nodeSet struct {
	has  []bool
	list []nodeID
}

// newNodeSet returns an empty set, if possible one that was given back: in a large graph
// each is larger than what is in it.
func (e *Engine) newNodeSet() *nodeSet {
	last := len(e.spareSets) - 1
	if last < 0 || len(e.spareSets[last].has) < e.nodes.len() {
		return &nodeSet{has: make([]bool, e.nodes.len()+spareNodes)}
	}
	s := e.spareSets[last]
	e.spareSets = e.spareSets[:last]
	return s
}

// spareNodes is room for nodes that are named later.
const spareNodes = 256

// giveBack empties s for the next one. Nobody must hold it any more.
func (e *Engine) giveBack(s *nodeSet) {
	for _, n := range s.list {
		s.has[n] = false
	}
	s.list = s.list[:0]
	if len(e.spareSets) < maxSpare {
		e.spareSets = append(e.spareSets, s)
	}
}

// maxSpare bounds what is kept for the next settling.
const maxSpare = 4

func (s *nodeSet) add(n nodeID) {
	if !s.has[n] {
		s.has[n] = true
		s.list = append(s.list, n)
	}
}

// incidentsNear are the incidents with an alert that a node of near could explain, by number.
func (e *Engine) incidentsNear(near *nodeSet) []*incident {
	alerting, found := e.newNodeSet(), map[*incident]bool{}
	var out []*incident
	for _, r := range near.list {
		for _, list := range [...][]nodeID{e.explains[r], e.starves[r]} {
			for _, n := range list {
				alerting.add(n)
			}
		}
	}
	defer e.giveBack(alerting)
	for _, n := range alerting.list {
		for _, inc := range e.holders[n] {
			if !found[inc] {
				found[inc] = true
				out = append(out, inc)
			}
		}
	}
	return sortIncidents(out)
}

// unsettle has an incident judged anew.
func (e *Engine) unsettle(inc *incident) {
	e.editIncident(inc).Unsettled = true
	e.unsettled = append(e.unsettled, inc)
}
