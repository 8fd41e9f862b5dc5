package correlate

import (
	"slices"

	"github.com/headwater-sre/headwater/topology"
)

// A closure is what could explain an alert at one node: the nodes that it
// depends on, directly or not, best first. It is searched from the alerting node
// downwards, never from a candidate upwards: a shared database's dependents can be
// the whole graph, an alert's dependencies are few. Every factor is below one, so
// a set of settled nodes suffices and cycles need no special case.
//
// At most closureNodes nodes at a cost of at most closureCost are kept; what lies
// beyond explains the alert so badly that another origin always wins.
type closure []reach

type reach struct {
	node nodeID
	cost float64
}

// closureOf returns the closure of n, cached until the graph changes.
func (e *Engine) closureOf(n nodeID) closure {
	if c, ok := e.closures[n]; ok {
		return c
	}
	c := e.nodes.search(n, closureNodes, e.nodes.dependencies)
	e.closures[n] = c
	for _, r := range c {
		e.explains[r.node] = append(e.explains[r.node], n)
	}
	return c
}

// callersOf is the closure in the other direction, for a node that lost its traffic.
func (e *Engine) callersOf(n nodeID) closure {
	if c, ok := e.callers[n]; ok {
		return c
	}
	c := e.nodes.search(n, starveNodes, e.nodes.starvers)
	e.callers[n] = c
	for _, r := range c {
		e.starves[r.node] = append(e.starves[r.node], n)
	}
	return c
}

// site is where an alert points: all alerts of one site have the same explainers.
type site struct {
	node, from nodeID
	starving   bool // it lost its traffic: what calls it may be the cause
}

func (it *item) site() site {
	return site{node: it.node, from: it.from, starving: !it.edge() && it.state.Class == ClassTrafficGone}
}

// explainersAt are the nodes that could be the origin of alerts of a site.
func (e *Engine) explainersAt(at site) [2]closure {
	out := [2]closure{e.closureOf(at.node)}
	switch {
	case at.from != noNode:
		out[1] = e.closureOf(at.from)
	case at.starving:
		out[1] = e.callersOf(at.node)
	}
	return out
}

// dependencies yields the steps down from n, each with its cost; passing a silent
// node costs half of its silence here, since it may yet turn out to alert.
func (s *nodeSpace) dependencies(n, start nodeID, yield func(nodeID, float64)) {
	transit := 0.0
	if n != start {
		transit = priors[s.kind(n)].silence / 2
	}
	for _, e := range s.out(n) {
		callee := nodeID(e.Node)
		yield(callee, transit+s.stepCost(n, callee, e))
	}
}

// starvers yields the steps up from n: who could have stopped sending.
func (s *nodeSpace) starvers(n, start nodeID, yield func(nodeID, float64)) {
	cost := costStarveFurther
	if n == start {
		cost = costStarve
	}
	for i, e := range s.in(n) {
		if i == starveNodes {
			return
		}
		yield(nodeID(e.Node), cost)
	}
	if s.kind(n) == topology.KindQueue {
		return
	}
	for _, e := range s.out(n) { // a consumer starves when the queue runs dry
		if s.kind(nodeID(e.Node)) == topology.KindQueue {
			yield(nodeID(e.Node), cost)
		}
	}
}

// search is best-first search from start: nodes in order of cost, ties by id.
func (s *nodeSpace) search(start nodeID, limit int, steps func(n, start nodeID, yield func(nodeID, float64))) closure {
	q, settled := s.frontier[:0], s.settledNodes()
	var out closure
	from := 0.0
	offer := func(to nodeID, cost float64) {
		if total := from + cost; total <= closureCost && !settled[to] {
			q.push(to, total)
		}
	}
	q.push(start, 0)
	for len(q) > 0 && len(out) < limit {
		r := q.pop()
		if settled[r.node] {
			continue
		}
		settled[r.node] = true
		out = append(out, reach{r.node, r.dist})
		from = r.dist
		steps(r.node, start, offer)
	}
	for _, r := range out {
		settled[r.node] = false
	}
	s.frontier = q
	return slices.Clip(out)
}

// settledNodes has room for every node; none of them is settled between searches.
func (s *nodeSpace) settledNodes() []bool {
	if len(s.settled) < s.len() {
		s.settled = make([]bool, s.len()+spareNodes)
	}
	return s.settled
}
