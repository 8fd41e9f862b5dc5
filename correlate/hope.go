package correlate

import (
	"math"
	"slices"
)

// This file holds bounds that spare work without changing what comes out of it.

// outlook is what a set of alerts can be worth to trees at best, node by node. A scene
// keeps the one of the set asked for last, since trees are grown over one set from many origins in a row.
type outlook struct {
	set     itemSet   // the set it was made for; nil: none yet
	victim  []float64 // per node: of its own alerts, to a tree that reaches it, less the step there
	origin  []float64 // per node: of its own alerts, to a tree that begins there
	own     []int32   // per node: how many of the alerts are its own
	nodes   []int32   // those with own alerts
	ends    []int32   // those with alerts of any kind
	end     []bool    // the same, by node
	victims float64   // all of them
	counted float64   // the alerts that are counted one by one
	raise   float64   // the most that one node's being the origin adds to them
	aimed   bool      // hope is measured, too
	most    []float64 // per node, what a tree that it joins gains at most
	hope    []float64 // per node, see [scene.leadsNowhere]
	hoping  []int32   // the nodes whose hope is finite
}

func newOutlook(nodes int) outlook {
	o := outlook{
		victim: make([]float64, nodes), origin: make([]float64, nodes), own: make([]int32, nodes),
		end: make([]bool, nodes), most: make([]float64, nodes), hope: make([]float64, nodes),
	}
	for i := range o.hope {
		o.hope[i] = math.Inf(1)
	}
	return o
}

// appraise makes the outlook that of set, but for its hopes.
func (s *scene) appraise(set itemSet) {
	o := &s.outlook
	if o.set != nil && o.set.equal(set) {
		return
	}
	o.forget(set)
	set.each(func(k int32) {
		it := s.items[k]
		n := s.index[it.node]
		o.touch(n)
		if it.edge() {
			o.touch(s.index[it.from])
			o.counted += s.mostAnywhere(k)
			return
		}
		if o.own[n]++; o.own[n] == 1 {
			o.nodes = append(o.nodes, n)
		}
	})
	for _, n := range o.nodes {
		s.appraiseNode(n)
	}
}

func (o *outlook) forget(set itemSet) {
	for _, n := range o.nodes {
		o.victim[n], o.origin[n], o.own[n] = 0, 0, 0
	}
	for _, n := range o.ends {
		o.end[n], o.most[n] = false, 0
	}
	for _, n := range o.hoping {
		o.hope[n] = math.Inf(1)
	}
	o.nodes, o.ends, o.hoping = o.nodes[:0], o.ends[:0], o.hoping[:0]
	o.set = append(o.set[:0], set...)
	o.victims, o.counted, o.raise, o.aimed = 0, 0, 0, false
}

func (o *outlook) touch(n int32) {
	if !o.end[n] {
		o.end[n] = true
		o.ends = append(o.ends, n)
	}
}

// appraiseNode adds what n's own alerts can be worth: the best of them in full, the others in part.
func (s *scene) appraiseNode(n int32) {
	o, node := &s.outlook, &s.nodes[n]
	victim, origin := math.Inf(-1), math.Inf(-1)
	for _, k := range node.own {
		if !o.set.has(k) {
			continue
		}
		class, gain := s.items[k].state.Class, s.items[k].gain
		if node.classes&(1<<ClassTrafficGone) != 0 {
			o.counted += s.mostAnywhere(k) // what lost its traffic is counted alert by alert
			continue
		}
		victim = max(victim, gain+s.bestRole(n, class))
		origin = max(origin, gain+classWeight[class].origin)
		if o.own[n] > 1 { // the kind of a late symptom counts for nothing, nor against it
			victim, origin = max(victim, gain), max(origin, gain)
		}
	}
	times := several(int(o.own[n]))
	o.victim[n] = max(0, max(0, victim)*times-s.leastStep(n))
	o.origin[n] = max(0, origin) * times
	o.victims += o.victim[n]
	o.raise = max(o.raise, o.origin[n]-o.victim[n])
}

// several is how often the best of n alerts of one node counts at most, with all the others, see [discount].
func several(n int) float64 {
	return 1 + min(repeatsCount, repeatFactor*float64(max(0, n-1)))
}

// bestRole is the most that the class of an alert of n's own counts for in a tree that reaches n.
func (s *scene) bestRole(n int32, c Class) float64 {
	w := classWeight[c]
	best := w.victim
	if s.nodes[n].hosted {
		best = max(best, w.ofHost)
	}
	if !math.IsInf(s.leastLoad(n), 1) {
		best = max(best, w.loaded)
	}
	return best
}

// leastStep is the least that the last step to n can cost; infinite when there is none.
func (s *scene) leastStep(n int32) float64 {
	least := s.leastLoad(n)
	if len(s.nodes[n].out) > 0 {
		least = min(least, edgeTraverse)
	}
	for _, a := range s.nodes[n].down {
		least = min(least, a.cost)
	}
	return least
}

// leastLoad is the least that a step of overload onto n can cost, whoever takes it, see
// [scene.overload]; infinite when none can lead there.
func (s *scene) leastLoad(n int32) float64 {
	node := &s.nodes[n]
	switch {
	case node.place:
		return math.Inf(1)
	case s.surges:
		return costOverloadSurge
	case slices.ContainsFunc(node.own, func(k int32) bool { return s.items[k].atClients }):
		return costSeenByClients
	case node.shared:
		return min(costOverloadLeak, costOverloadPool, costOverloadFallback, costOverloadShared)
	}
	return math.Inf(1)
}

func (s *scene) mostAnywhere(k int32) float64 {
	w := classWeight[s.items[k].state.Class]
	return s.items[k].gain + max(0, w.origin, w.victim, w.ofHost, w.loaded, w.starved)
}

// ceiling bounds the score of any tree over the alerts in set, whatever its origin:
// every gain in the best of roles, the cheapest step to each service, nothing for the rest of
// the way and for time. Changes and health checks add at most what the luckiest
// node of the scene would get.
func (p *partitioner) ceiling(set itemSet) float64 {
	if p.fortune < 0 {
		p.fortune = 0
		for n := range p.nodes {
			p.fortune = max(p.fortune, p.fortuneOf(int32(n)))
		}
	}
	p.appraise(set)
	return p.outlook.victims + p.outlook.counted + p.outlook.raise + p.fortune
}

// ceilingFrom bounds the score of the trees from n over the alerts of the outlook.
func (p *partitioner) ceilingFrom(n int32) float64 {
	o := &p.outlook
	most := o.counted + p.victimsOf(n) + p.fortuneOf(n)
	if o.own[n] > 0 {
		return most + o.origin[n]
	}
	switch {
	case p.isClient(n):
		return most
	case o.end[n]:
		return most - p.nodes[n].mute/2
	}
	return most - p.nodes[n].mute
}

// fortuneOf is the most that changes, health checks and load add to a tree from n.
func (s *scene) fortuneOf(n int32) float64 {
	if s.nodes[n].fortune >= 0 {
		return s.nodes[n].fortune
	}
	id, sum := s.nodes[n].id, 0.0
	last := s.at(s.onset[len(s.onset)-1])
	for _, c := range s.e.changesOf[id] {
		if last.Sub(c.At).Seconds() >= -changeLate-1 {
			sum = max(sum, changeWeight(max(0, s.epoch.Sub(c.At).Seconds()-1), s.ranking))
		}
	}
	if len(s.e.checksOf[id]) > 0 {
		sum += healthFailing
	}
	if s.ranking {
		sum += loadMoved
	}
	s.nodes[n].fortune = sum
	return sum
}

// A tree is grown only where there is something to be found. The hope of a node is
// the least that a way from it to any alerting node can cost on top of what the alerts
// there are worth at most, so negative when it can pay. A way that has cost more than
// its hope promises cannot end in a node that joins: dropping it changes no tree. In a
// large graph that is most ways, since silent nodes are dear to pass.

// leadsNowhere: no node that lies behind n can be worth a way that costs dist up to n.
func (s *scene) leadsNowhere(n int32, dist float64) bool {
	if s.bearings.taken {
		return s.astray(n, dist)
	}
	return dist+s.outlook.hope[n] > hopeless
}

// hopeless is a little more than nothing: the sums of a way are rounded otherwise than those of hopes.
const hopeless = 1e-6

// aim measures the hopes for set: it searches from the alerting nodes against the ways of a failure.
func (s *scene) aim(set itemSet) {
	s.appraise(set)
	o, g := &s.outlook, &s.scratch
	if o.aimed {
		return
	}
	o.aimed = true
	g.queue = g.queue[:0]
	s.takeBearings()
	for _, n := range o.ends {
		o.most[n] = s.mostWorth(n, set)
		if o.most[n] > 0 && !s.bearings.taken {
			s.raiseHope(n, -o.most[n])
		}
	}
	for len(g.queue) > 0 {
		q := g.queue.pop()
		n := &s.nodes[q.node]
		if q.dist > o.hope[q.node] {
			continue
		}
		failing := o.set.hasAny(n.out)
		for i := range n.down {
			cost := n.down[i].cost
			if failing {
				cost = min(cost, edgeTraverse)
			}
			to := n.down[i].to
			s.raiseHope(to, q.dist+cost+s.nodes[to].transit)
		}
	}
}

func (s *scene) raiseHope(n int32, hope float64) {
	o := &s.outlook
	if hope >= o.hope[n] || hope > hopeless {
		return
	}
	if math.IsInf(o.hope[n], 1) {
		o.hoping = append(o.hoping, n)
	}
	o.hope[n] = hope
	s.scratch.queue.push(n, hope)
}

// mostWorth bounds what the alerts of set at n can be worth to a tree that n joins.
func (s *scene) mostWorth(n int32, set itemSet) float64 {
	node := &s.nodes[n]
	best, count := 0.0, 0
	for _, k := range node.own {
		if set.has(k) {
			best = max(best, s.mostAsVictim(n, k))
			count++
		}
	}
	sum := best * several(count)
	for _, k := range node.calls {
		if set.has(k) {
			sum += max(0, s.mostAsVictim(n, k)-edgeAtCallee)
		}
	}
	for _, k := range node.out {
		if set.has(k) {
			sum += max(0, s.mostAsVictim(n, k)-edgeAtCaller)
		}
	}
	return sum
}

// mostAsVictim: the kind of a late symptom counts for nothing, nor against it.
func (s *scene) mostAsVictim(n, k int32) float64 {
	return s.items[k].gain + max(0, s.bestRole(n, s.items[k].state.Class))
}

// leastOverlap is the least that [partitioner.overlap] can find between t and another tree.
// A node whose first alert came long before the others can be worth less than nothing.
func leastOverlap(t *tree) float64 {
	worth := map[int32]float64{}
	for _, a := range t.attached {
		worth[a.node] += a.value
	}
	sum := 0.0
	for _, a := range t.attached {
		sum += min(0, worth[a.node])
		worth[a.node] = 0
	}
	return sum
}
