package correlate

import (
	"math"
	"slices"

	"github.com/headwater-sre/headwater/topology"
)

// tree is one hypothesis: the failure began at origin and took these steps to
// these alerts. Its score is the propagation-tree likelihood
//
//	L = own(origin) + change + health - quiet dependents
//	  - Σ over steps of -ln q            each step once, however many alerts lie behind it
//	  - Σ over silent nodes passed of -ln(1-coverage)
//	  + Σ over alerts of gain + class(role) - time
//	  - Σ over pauses in the activity
//
// A step counts once: with a weak but shared step the plain two-layer model
// (noisy-or) counts it per alert and then prefers two origins to one.
type tree struct {
	origin   int32
	start    float64 // assumed onset at the origin, s since the scene's epoch
	score    float64
	terms    terms
	set      itemSet
	attached []attachment
	steps    []treeStep // in order of joining
	silent   bool       // the origin has no alert of its own
}

// terms are the parts of a score, for the reasons on the page. They sum to it.
type terms struct {
	alerts   float64 // gains of the alerts, without the origin's own
	own      float64 // gain of the origin's own alerts
	class    float64 // what kind of symptom, whose
	time     float64 // order and delay
	steps    float64 // likelihood of the way
	silent   float64 // silence of the origin and of nodes passed
	pause    float64
	change   float64
	health   float64
	quiet    float64 // dependents that should have failed and did not
	load     float64 // callers report a surge
	recovery float64 // parts of it recovered at different times
}

func (t terms) sum() float64 {
	return t.alerts + t.own + t.class + t.time + t.steps + t.silent + t.pause + t.change + t.health + t.quiet + t.load + t.recovery
}

// attachment is one alert in a tree.
type attachment struct {
	item  int32
	node  int32 // where it counts
	value float64
	full  float64 // value before the many alerts of its service saturate
	ref   int32   // the nearest alerting node above it, -1: none
	time  float64 // the part of value that is time, ≤ 0
	cost  float64 // of its distance in time from its cause, before it is taken in part, ≥ 0
	timed int32   // the alert whose onset that is: the node's first
	share float64 // the part in which it is taken
	class float64 // the part that is class
}

type role uint8

const (
	roleOrigin role = iota
	roleVictim
	roleOfHost  // victim of a failed host or zone
	roleStarved // lost its traffic
	roleLoaded  // more load came upon it
)

// treeStep is one step of the way: cause failed first.
type treeStep struct {
	cause, effect int32
	kind          stepKind
	cost          float64 // with the silence of the node before, where this was passed
}

type stepKind uint8

const (
	stepDepends stepKind = iota
	stepOverload
	stepStarve
	stepRunsOn
)

var stepNames = [...]string{"depends", "overload", "starvation", "runs-on"}

// String returns the word that the API uses.
func (k stepKind) String() string { return nameOf(stepNames[:], int(k)) }

// maxDetour bounds the cost of an uncommitted way: no alert is worth more.
const maxDetour = gainAlert + 2

// grow builds the best tree that it can find from origin c with onset start over the alerts in avail.
// Whoever has no use for it may give it back, see [growth.giveBack].
//
// It is Prim's and Dijkstra's way of growing a Steiner arborescence: nodes are
// settled in order of their distance from the tree so far; a node whose alerts are
// worth more than its distance joins with its whole way, which then costs nothing
// for what lies further on.
func (s *scene) grow(c int32, start float64, avail itemSet) *tree {
	s.aim(avail)
	s.steer(c)
	g := &s.scratch
	g.reset()
	t := g.blank(c, start, len(s.items))
	s.plantOrigin(g, t, avail)
	for len(g.queue) > 0 && !s.arrived() {
		q := g.queue.pop()
		if g.done[q.node] || q.dist > g.dist[q.node] {
			continue
		}
		g.done[q.node] = true
		g.visits++
		if !g.member[q.node] && (s.astray(q.node, q.dist) || s.join(g, t, q.node, avail)) {
			continue
		}
		s.expand(g, t, q.node, avail)
	}
	s.starve(g, t, avail)
	if len(t.attached) > 1 {
		g.locate(t)
		s.retime(g, t)
		s.chargePauses(g, t)
		s.chargeRecoveries(g, t)
	}
	s.weighOrigin(t)
	t.score = t.terms.sum()
	return t
}

func (s *scene) plantOrigin(g *growth, t *tree, avail itemSet) {
	c := t.origin
	n := &s.nodes[c]
	g.visit(c, 0)
	g.member[c] = true
	g.parent[c] = -1
	g.ref[c] = -1
	own := s.candidates(g, t, c, roleOrigin, avail)
	s.keep(g, t, c, own)
	t.silent = !slices.ContainsFunc(own, func(a attachment) bool { return !s.items[a.item].edge() })
	if t.silent {
		cost := n.mute
		switch {
		case s.isClient(c):
			cost = 0 // it takes too much and need not suffer itself
		case len(own) > 0:
			cost /= 2
		}
		t.terms.silent -= cost
	}
	g.queue.push(c, 0)
}

func (s *scene) isClient(n int32) bool {
	return slices.ContainsFunc(s.clients, func(c client) bool { return c.node == n })
}

// join adds node u and its way to the tree when its alerts are worth the way.
func (s *scene) join(g *growth, t *tree, u int32, avail itemSet) bool {
	if s.outlook.most[u] <= g.dist[u] {
		return false
	}
	r := roleVictim
	if p := g.parent[u]; p >= 0 && s.nodes[p].place && !s.nodes[u].place {
		r = roleOfHost
	}
	if g.via[u] == stepOverload {
		r = roleLoaded
	}
	worth := 0.0
	found := s.candidates(g, t, u, r, avail)
	for _, a := range found {
		worth += a.value
	}
	mute := 0.0
	if s.onlyCallsFail(u, found) {
		mute = s.nodes[u].transit / 2
	}
	if len(found) == 0 || worth <= g.dist[u]+mute {
		return false
	}
	s.commit(g, t, u)
	s.keep(g, t, u, found)
	t.terms.silent -= mute
	s.expand(g, t, u, avail)
	return true
}

// onlyCallsFail: all that is found at u is that calls to it fail; it says nothing itself.
func (s *scene) onlyCallsFail(u int32, found []attachment) bool {
	id := s.nodes[u].id
	return !slices.ContainsFunc(found, func(a attachment) bool {
		it := s.items[a.item]
		return !it.edge() || it.node != id
	})
}

// commit makes the way from the tree to u part of it.
func (s *scene) commit(g *growth, t *tree, u int32) {
	way := g.way[:0]
	for n := u; n >= 0 && !g.member[n]; n = g.parent[n] {
		way = append(way, n)
	}
	slices.Reverse(way)
	g.way = way
	silent, before := 0.0, 0.0
	for i, n := range way {
		g.member[n] = true
		s.nearer(n)
		t.steps = append(t.steps, treeStep{cause: g.parent[n], effect: n, kind: g.via[n], cost: g.dist[n] - before})
		before = g.dist[n]
		if i < len(way)-1 {
			silent += s.nodes[n].transit
		}
		if s.nodes[n].place {
			t.terms.quiet -= quietOnWay * s.quietCost(n)
		}
	}
	t.terms.silent -= silent
	t.terms.steps -= g.dist[u] - silent
	for _, n := range way {
		g.dist[n] = 0
		if n != u {
			g.done[n] = false
			g.queue.push(n, 0)
		}
	}
	g.done[u] = true
}

// expand offers u's neighbours a way through u.
func (s *scene) expand(g *growth, t *tree, u int32, avail itemSet) {
	base := g.dist[u]
	if !g.member[u] {
		base += s.nodes[u].transit
	}
	for i := range s.nodes[u].up {
		a := &s.nodes[u].up[i]
		cost := a.cost
		if a.edge > 0 && avail.hasAny(s.edges[a.edge]) {
			cost = edgeTraverse
		}
		if base+cost >= g.dist[a.to] || s.leadsNowhere(a.to, base+cost) {
			continue
		}
		kind := stepDepends
		if s.nodes[u].place {
			kind = stepRunsOn
		}
		s.offer(g, u, a.to, base+cost, kind)
	}
	if g.forward[u] && !g.surging[u] || !g.member[u] || u != t.origin && !s.alerting(u, avail) {
		return
	}
	for i := range s.nodes[u].down {
		a := &s.nodes[u].down[i]
		to := &s.nodes[a.to]
		if to.place || g.member[a.to] || !s.alerting(a.to, avail) && (u != t.origin || !to.shared) {
			continue
		}
		surging := g.surging[u] || s.shows(u, ClassSurge, avail)
		cost, ok := s.overload(t, u, to, surging, avail)
		if ok && !s.leadsNowhere(a.to, base+cost) && s.offer(g, u, a.to, base+cost, stepOverload) {
			g.surging[a.to] = surging
		}
	}
}

// overload is what it costs that u overloads to, which it calls. Failures hardly ever run
// that way without leaving a trace: a surge at the caller, a caller that tries again, that was changed or whose pool is
// used up, or at least something that others share as well. A surge goes on to what
// is called in turn. What was measured at the clients of a service may be a client's doing.
func (s *scene) overload(t *tree, u int32, to *sceneNode, surging bool, avail itemSet) (cost float64, possible bool) {
	switch {
	case surging:
		return costOverloadSurge, true
	case s.seenByClients(to, avail):
		return costSeenByClients, true
	case s.triesAgain(u, avail):
		return costOverloadRetry, true
	case !to.shared:
		return 0, false
	case u == t.origin && s.changed(u, t.start):
		return costOverloadLeak, true
	case s.shows(u, ClassClientPool, avail):
		return costOverloadPool, true
	case s.fallsBack(t, u, to):
		return costOverloadFallback, true
	case u == t.origin:
		return costOverloadShared, true
	}
	return 0, false
}

// seenByClients: all that is known of n was measured at its clients, of which the failed one is one.
func (s *scene) seenByClients(n *sceneNode, avail itemSet) bool {
	seen := false
	for _, k := range n.own {
		if avail.has(k) {
			if !s.items[k].atClients {
				return false
			}
			seen = true
		}
	}
	return seen
}

// fallsBack: u lost its cache, with which the failure began, and asks the database for everything.
func (s *scene) fallsBack(t *tree, u int32, to *sceneNode) bool {
	return s.nodes[t.origin].kind == topology.KindCache && to.kind == topology.KindDatabase &&
		slices.ContainsFunc(s.nodes[t.origin].up, func(a arc) bool { return a.to == u })
}

// offer proposes the way through from to a node and reports whether it is the best so far.
func (s *scene) offer(g *growth, from, to int32, dist float64, kind stepKind) bool {
	if g.member[to] || dist >= g.dist[to] || dist > maxDetour {
		return false
	}
	g.visit(to, dist)
	g.done[to] = false // a way that became cheaper is looked at again
	g.parent[to], g.via[to] = from, kind
	g.forward[to] = g.forward[from] || kind == stepOverload
	g.surging[to] = false
	g.ref[to] = g.ref[from]
	g.queue.push(to, dist)
	return true
}

func (s *scene) alerting(n int32, avail itemSet) bool {
	return avail.hasAny(s.nodes[n].own)
}

// changed: when origins are ranked, n was changed in the days before start.
func (s *scene) changed(n int32, start float64) bool {
	return s.ranking && s.e.changeBoost(s.nodes[n].id, s.at(start), true) > 0
}

func (s *scene) shows(n int32, c Class, avail itemSet) bool {
	if s.nodes[n].classes&(1<<c) == 0 {
		return false
	}
	return s.holds(s.nodes[n].own, c, avail)
}

// triesAgain: n repeats its calls, to what failed and then, since it is asked again itself, to the rest.
func (s *scene) triesAgain(n int32, avail itemSet) bool {
	return s.holds(s.nodes[n].out, ClassSurge, avail)
}

func (s *scene) holds(list []int32, c Class, avail itemSet) bool {
	return slices.ContainsFunc(list, func(k int32) bool { return avail.has(k) && s.items[k].state.Class == c })
}

// keep adds found to the tree and lets what follows be measured from u's own onset.
func (s *scene) keep(g *growth, t *tree, u int32, found []attachment) {
	if len(found) == 0 {
		return
	}
	open := false
	for _, a := range found {
		t.take(a)
		g.taken.add(a.item)
		g.onsets[u] = append(g.onsets[u], s.onset[a.item])
		if s.ended[a.item] == 0 {
			open = true
		}
		g.ended[u] = max(g.ended[u], s.ended[a.item])
	}
	if open {
		g.ended[u] = 0
	}
	slices.Sort(g.onsets[u])
	g.ref[u] = u
}

func (t *tree) take(a attachment) {
	t.set.add(a.item)
	t.attached = append(t.attached, a)
	t.terms.class += a.class
	t.terms.time += a.time
	rest := a.value - a.class - a.time
	if a.node == t.origin {
		t.terms.own += rest
	} else {
		t.terms.alerts += rest
	}
}

// starve attaches alerts that say "no traffic" below the nodes that failed: what a
// broken service no longer calls goes quiet. Such alerts point upwards, never at themselves.
func (s *scene) starve(g *growth, t *tree, avail itemSet) {
	hunger := 0.0 // the most that any of them is worth
	for _, k := range s.starving {
		if avail.has(k) && !g.taken.has(k) {
			hunger = max(hunger, s.items[k].gain+classWeight[ClassTrafficGone].starved)
		}
	}
	if hunger == 0 {
		return
	}
	g.queue = g.queue[:0]
	members := slices.Clone(g.seen)
	for _, n := range members {
		g.done[n] = false
		if g.member[n] {
			g.queue.push(n, 0)
		} else {
			g.dist[n] = math.Inf(1)
		}
	}
	for len(g.queue) > 0 {
		q := g.queue.pop()
		if g.done[q.node] || q.dist > g.dist[q.node] {
			continue
		}
		if q.dist >= hunger {
			return // nothing further on is worth the way
		}
		g.done[q.node] = true
		if !g.member[q.node] {
			s.feedOn(g, t, q, avail)
		}
		step := costStarveFurther
		if g.member[q.node] {
			step = costStarve
		}
		for _, a := range s.nodes[q.node].down {
			if !s.nodes[a.to].place {
				s.offer(g, q.node, a.to, q.dist+step, stepStarve)
			}
		}
		if s.nodes[q.node].kind == topology.KindQueue {
			for _, a := range s.nodes[q.node].up {
				s.offer(g, q.node, a.to, q.dist+step, stepStarve)
			}
		}
	}
}

func (s *scene) feedOn(g *growth, t *tree, q queued, avail itemSet) {
	found := g.found[:0]
	worth := 0.0
	for _, k := range s.nodes[q.node].own {
		if avail.has(k) && !g.taken.has(k) && s.items[k].state.Class == ClassTrafficGone {
			on, end := g.cause(t, q.node, s.onset[k])
			if a := s.weigh(k, q.node, roleStarved, on, end); a.value > 0 {
				found = append(found, a)
				worth = max(worth, a.value)
			}
		}
	}
	g.found = found
	if worth <= q.dist {
		return
	}
	t.terms.steps -= q.dist
	t.steps = append(t.steps, treeStep{cause: g.parent[q.node], effect: q.node, kind: stepStarve, cost: q.dist})
	s.keep(g, t, q.node, found)
}
