package correlate

import (
	"cmp"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// item is one alert instance as evidence.
type item struct {
	id        AlertID
	state     *AlertState // copy-on-write, see [Engine.editAlert]
	node      nodeID      // the service it is about; of an edge alert the callee
	from      nodeID      // the caller of an edge alert, else noNode
	began     time.Time   // when its trouble probably began, see onset.go
	atClients bool        // measured where its service is called from
	gain      float64     // of explaining it, before roles and time
	prev      *item       // the instance of the same label set before this one, if live
	inc       *incident

	touched  uint64    // position of the step that copied state last
	reminded time.Time // the earliest reminder of its expiry; zero: none
}

func (it *item) edge() bool { return it.from != noNode }

// hit is the service that suffers: of an edge alert the caller, whose calls fail.
func (it *item) hit() nodeID {
	if it.edge() {
		return it.from
	}
	return it.node
}

// chronic alerts had been firing for long before anybody told us: no evidence.
func (it *item) chronic(c *Config) bool {
	return c.chronic(it.state.StartsAt, it.state.FirstSeen)
}

// refire: the same label set fired not long before.
func (it *item) refire() bool {
	if it.prev == nil || it.prev.state.EndedAt.IsZero() {
		return false
	}
	return it.state.StartsAt.Sub(it.prev.state.EndedAt).Seconds() <= followWithin
}

// node facts within one scene.
type sceneNode struct {
	id      nodeID
	kind    topology.Kind
	up      []arc   // to the nodes that depend on it: the way a failure spreads
	down    []arc   // to the nodes that it depends on: the way overload and starvation spread
	own     []int32 // alerts about it, by onset
	calls   []int32 // edge alerts whose callee it is, by onset
	out     []int32 // edge alerts whose caller it is, by onset
	transit float64 // of passing it; nothing for those that alert
	mute    float64 // of its having failed first, and raised no alert
	quiet   float64 // see [scene.quietCost]; below zero: not known yet
	fortune float64 // see [scene.fortuneOf]; below zero: not known yet
	shared  bool    // carries load of several callers
	place   bool    // a host or a zone
	hosted  bool    // it depends on one
	classes uint16  // of its own alerts, one bit each
}

type arc struct {
	to   int32
	edge int32 // its place among the scene's edges, 0: no alert is about it
	cost float64
}

// scene is the evidence that could belong together and the part of the graph
// that could explain it, with small dense indices. It is built for one settling
// and thrown away; nothing in it outlives the step.
type scene struct {
	e     *Engine
	items []*item
	all   []*item // the same with their echoes, by onset
	choir choir
	onset []float64 // s since epoch
	ended []float64 // the same; 0 while firing
	// recovered is when the trouble of each alert ended for good, +Inf while it lasts; see recovery.go.
	recovered []float64
	epoch     time.Time
	nodes     []sceneNode
	index     []int32   // by node: its place among nodes, -1: not in the scene
	edges     [][]int32 // alerts about one edge, from 1; see [arc]
	// starving are the alerts about traffic that is gone.
	starving []int32
	// quantum is the grain of the onsets, s: evaluation intervals of minutes make coarse times.
	quantum    float64
	scratch    growth
	outlook    outlook
	bearings   bearings
	surges     bool    // an alert tells of a surge
	recovering bool    // some alert has ended
	now        float64 // s since epoch, known while recovering
	ranking    bool    // origins are ranked: time is capped lower, and clients of what is shared are candidates
	clients    []client
}

// client is a silent caller of something shared, changed in the last days: it may
// have begun to take more than its part.
type client struct{ node, shared int32 }

// newScene builds the scene of items, which must not be empty, for dividing them or
// for ranking the origins of one part. Their order does not matter.
func (e *Engine) newScene(items []*item, ranking bool) *scene {
	s := &scene{e: e, items: items, all: items, index: e.newIndex(), ranking: ranking}
	slices.SortFunc(s.all, compareItems)
	if len(s.all) > maxEvidence {
		s.items, s.choir = e.sing(s.all)
	}
	s.epoch = s.items[0].began
	s.onset, s.ended = make([]float64, 0, len(s.items)), make([]float64, 0, len(s.items))
	for _, it := range s.items {
		it.gain = e.gainOf(it.state)
		s.onset = append(s.onset, it.began.Sub(s.epoch).Seconds())
		end := 0.0
		if !it.state.EndedAt.IsZero() {
			end = max(it.state.EndedAt.Sub(s.epoch).Seconds(), 1e-9)
		}
		s.ended = append(s.ended, end)
	}
	s.quantum = onsetQuantum(s.onset)
	if !ranking {
		s.findRecoveries() // how alerts ended tells failures apart, not origins
	}
	s.addNodes()
	s.addArcs()
	s.placeItems()
	s.scratch = newGrowth(len(s.nodes), len(s.items))
	s.outlook = newOutlook(len(s.nodes))
	return s
}

// isWhole: the scene is that of inc's alerts, no more and no less, and would be the same for ranking their origins.
func (s *scene) isWhole(inc *incident) bool {
	if len(inc.items) != len(s.all) || len(inc.row.Apart) > 0 && s.stormy() {
		return false
	}
	for _, it := range s.all {
		if it.inc != inc {
			return false
		}
	}
	ids := make([]nodeID, 0, len(s.nodes))
	for i := range s.nodes {
		ids = append(ids, s.nodes[i].id)
	}
	return len(s.changedClients(ids)) == 0
}

// forRanking turns the scene, which was for dividing, into one for ranking.
func (s *scene) forRanking() *scene {
	s.ranking = true
	s.outlook.forget(nil)
	for i := range s.nodes {
		s.nodes[i].fortune = -1
	}
	return s
}

// newIndex returns an index of the nodes in which none has a place, if possible one that was given back.
func (e *Engine) newIndex() []int32 {
	last := len(e.spare) - 1
	if last < 0 || len(e.spare[last]) < e.nodes.len() {
		return slices.Repeat([]int32{-1}, e.nodes.len()+spareNodes)
	}
	index := e.spare[last]
	e.spare = e.spare[:last]
	return index
}

// close gives the scene's index back. The scene must not be used any more.
func (s *scene) close() {
	for i := range s.nodes {
		s.index[s.nodes[i].id] = -1
	}
	if len(s.e.spare) < maxSpare {
		s.e.spare = append(s.e.spare, s.index)
	}
	s.index = nil
}

// compareItems orders alerts by onset.
func compareItems(a, b *item) int {
	return cmp.Or(a.began.Compare(b.began), a.id.compare(b.id))
}

// onsetQuantum estimates the grain of time: the 10 % quantile of the differences between onsets.
func onsetQuantum(onset []float64) float64 {
	var diffs []float64
	for i := 1; i < len(onset); i++ {
		if d := onset[i] - onset[i-1]; d > 0 {
			diffs = append(diffs, d)
		}
	}
	if len(diffs) == 0 {
		return 0
	}
	slices.Sort(diffs)
	return min(diffs[len(diffs)/quantumTenth], quantumMax)
}

func (s *scene) addNodes() {
	var ids []nodeID
	add := func(n nodeID) {
		if s.index[n] < 0 {
			s.index[n] = 0
			ids = append(ids, n)
		}
	}
	for _, it := range s.items {
		for _, c := range s.e.explainers(it) {
			for _, r := range c {
				add(r.node)
			}
		}
	}
	var clients [][2]nodeID
	if s.ranking {
		clients = s.changedClients(ids)
		for _, c := range clients {
			add(c[0])
		}
	}
	s.e.nodes.sortByName(ids)
	s.nodes = make([]sceneNode, 0, len(ids))
	for i, id := range ids {
		s.index[id] = int32(i)
		kind := s.e.nodes.kind(id)
		s.nodes = append(s.nodes, sceneNode{id: id, kind: kind, transit: s.e.silenceOf(id), mute: s.e.muteOf(id), quiet: -1, fortune: -1, shared: sharesLoad(kind), place: kind.IsPlace()})
	}
	for _, c := range clients {
		s.clients = append(s.clients, client{node: s.index[c[0]], shared: s.index[c[1]]})
	}
}

// maxClients bounds the changed clients looked at per scene.
const maxClients = 16

// changedClients lists (client, shared) for callers of shared nodes among ids, the nodes
// of the scene so far, that were changed in the days before and are not among ids themselves.
func (s *scene) changedClients(ids []nodeID) [][2]nodeID {
	e := s.e
	if len(e.changes) == 0 {
		return nil
	}
	var out [][2]nodeID
	for _, n := range ids {
		if !sharesLoad(e.nodes.kind(n)) {
			continue
		}
		for i, edge := range e.nodes.in(n) {
			caller := nodeID(edge.Node)
			if i == quietSample || len(out) == maxClients {
				break
			}
			if s.index[caller] < 0 && e.changeBoost(caller, s.epoch, true) > 0 {
				out = append(out, [2]nodeID{caller, n})
			}
		}
	}
	return out
}

// compareRefs orders services by name.
func compareRefs(a, b topology.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// sharesLoad: load that one caller adds is felt by the others.
func sharesLoad(k topology.Kind) bool {
	return k == topology.KindDatabase || k == topology.KindCache || k == topology.KindQueue
}

// explainers are the nodes that could be the origin of it, with costs; a node may be in both parts.
func (e *Engine) explainers(it *item) [2]closure {
	return e.explainersAt(it.site())
}

func (s *scene) addArcs() {
	up, down := make([]int32, len(s.nodes)), make([]int32, len(s.nodes))
	total := 0
	for i := range s.nodes {
		for _, e := range s.e.nodes.out(s.nodes[i].id) {
			if j := s.index[nodeID(e.Node)]; j >= 0 && j != int32(i) {
				up[j]++
				down[i]++
				total += 2
			}
		}
	}
	arcs := make([]arc, total) // one allocation for all
	cut := func(n int32) []arc {
		part := arcs[:0:n]
		arcs = arcs[n:]
		return part
	}
	for i := range s.nodes {
		s.nodes[i].up, s.nodes[i].down = cut(up[i]), cut(down[i])
	}
	for i := range s.nodes {
		caller := s.nodes[i].id
		for _, e := range s.e.nodes.out(caller) {
			j := s.index[nodeID(e.Node)]
			if j < 0 || j == int32(i) {
				continue
			}
			cost := s.e.stepCostOf(caller, nodeID(e.Node), e)
			s.nodes[j].up = append(s.nodes[j].up, arc{to: int32(i), cost: cost})
			s.nodes[i].down = append(s.nodes[i].down, arc{to: j, cost: cost})
			s.nodes[i].hosted = s.nodes[i].hosted || s.nodes[j].place
		}
	}
}

func (s *scene) placeItems() {
	for k, it := range s.items {
		s.surges = s.surges || it.state.Class == ClassSurge
		n := &s.nodes[s.index[it.node]]
		if it.state.Class == ClassTrafficGone {
			s.starving = append(s.starving, int32(k))
		}
		if !it.edge() {
			n.own = append(n.own, int32(k))
			n.transit = 0
			n.classes |= 1 << it.state.Class
			continue
		}
		n.calls = append(n.calls, int32(k))
		caller := s.index[it.from]
		s.nodes[caller].out = append(s.nodes[caller].out, int32(k))
		s.addEdgeAlert(s.index[it.node], caller, int32(k))
	}
}

// addEdgeAlert makes the step callee → caller cheap while alert k is at hand. An
// edge that only the alert knows is added: the alert is the proof that it exists.
func (s *scene) addEdgeAlert(callee, caller, k int32) {
	n := &s.nodes[callee]
	i := slices.IndexFunc(n.up, func(a arc) bool { return a.to == caller })
	if i < 0 {
		i = len(n.up)
		n.up = append(n.up, arc{to: caller, cost: costHard})
		s.nodes[caller].down = append(s.nodes[caller].down, arc{to: callee, cost: costHard})
		s.nodes[caller].hosted = s.nodes[caller].hosted || n.place
	}
	a := &n.up[i]
	if a.edge == 0 {
		a.edge = int32(max(1, len(s.edges)))
		s.edges = append(s.edges, make([][]int32, int(a.edge)+1-len(s.edges))...)
	}
	s.edges[a.edge] = append(s.edges[a.edge], k)
}

// at converts a time of the scene.
func (s *scene) at(seconds float64) time.Time {
	return s.epoch.Add(time.Duration(seconds * float64(time.Second)))
}
