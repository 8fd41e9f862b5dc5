package correlate

import (
	"math"
	"slices"
)

// This file lets a tree grow straight towards the alerts. Where [scene.leadsNowhere] by itself asks
// whether a way could pay for any alert behind it, bearings tell how far it is to each of
// them, so that a way is dropped, too, when what lies behind it is nearer to the tree by another one. The
// nodes looked at are then those on shortest ways, ties included, and no others: dropping
// the rest changes no tree.

// maxBearings bounds the distances that a scene holds. A scene with more of them, and a storm,
// whose few trees are not worth measuring for, has none.
const maxBearings = 1 << 20

// bearings are the distances from each node to each target, a node with alerts of any kind.
type bearings struct {
	asked   bool
	taken   bool // there are any
	targets []int32
	place   []int32   // by node: its place among the targets, -1: it is none
	least   []float32 // by node and target: the least that a way can cost, the passing of the node itself included; infinite where it never pays
	most    []float32 // the same where no call is known to fail; least itself, where no alert is about a call
	loaded  []float32 // by target: the least that a way there can cost that begins with a step of overload
	beyond  []itemSet // by target: the targets that a tree can reach once it reaches this one
	reached itemSet   // see [scene.victimsOf]
	spare   []float32 // see [scene.loadedBy]
	step    []float32 // by target: the least that the last step there can cost
}

// slack is more than distances can lose by rounding to 32 bits.
const slack = 1e-5

// takeBearings measures the distances, once for a scene.
func (s *scene) takeBearings() {
	b := &s.bearings
	if b.asked {
		return
	}
	b.asked = true
	targets := s.targets()
	size := len(targets) * len(s.nodes)
	if s.stormy() || size > maxBearings {
		return
	}
	b.taken, b.targets = true, targets
	b.place = slices.Repeat([]int32{-1}, len(s.nodes))
	b.loaded = slices.Repeat([]float32{inf32}, len(targets))
	b.least = slices.Repeat([]float32{inf32}, size)
	b.most = b.least
	if len(s.edges) > 0 {
		b.most = slices.Clone(b.least)
	}
	s.measureWays(targets)
	s.measureLoad()
	b.chain(len(s.nodes))
}

// measureWays finds how far it is to each target.
func (s *scene) measureWays(targets []int32) {
	b, all := &s.bearings, newItemSet(len(s.items))
	for k := range s.items {
		all.add(int32(k))
	}
	for i, n := range targets {
		b.place[n] = int32(i)
		b.step = append(b.step, float32(s.leastStep(n)))
		most := s.mostWorth(n, all) + hopeless
		s.measure(b.least, i, most, true)
		if len(s.edges) > 0 {
			s.measure(b.most, i, most, false)
		}
	}
}

// chain finds out which targets a tree can reach that reaches another one: from there, or from a node on the way.
func (b *bearings) chain(nodes int) {
	for range b.targets {
		b.beyond = append(b.beyond, newItemSet(len(b.targets)))
	}
	b.reached = newItemSet(len(b.targets))
	for n := range nodes {
		clear(b.reached)
		for i, d := range b.from(b.least, int32(n)) {
			if d < inf32 {
				b.reached.add(int32(i))
			}
		}
		b.reached.each(func(i int32) { b.beyond[i].unite(b.reached) })
	}
	for i := range b.beyond {
		for j := range b.beyond {
			if b.beyond[j].has(int32(i)) {
				b.beyond[j].unite(b.beyond[i])
			}
		}
	}
}

// targets are the nodes with alerts of any kind.
func (s *scene) targets() (out []int32) {
	for n := range s.nodes {
		if node := &s.nodes[n]; len(node.own)+len(node.calls)+len(node.out) > 0 {
			out = append(out, int32(n))
		}
	}
	return out
}

// measure searches from a target against the ways of a failure, as far as reach. Failing calls are
// cheap to follow where failing is set: whether they are known to a tree depends on its alerts.
func (s *scene) measure(into []float32, place int, reach float64, failing bool) {
	g, width, target := &s.scratch, len(s.bearings.targets), s.bearings.targets[place]
	g.queue = g.queue[:0]
	into[int(target)*width+place] = 0
	g.queue.push(target, 0)
	for len(g.queue) > 0 {
		q := g.queue.pop()
		if float32(q.dist) > into[int(q.node)*width+place] {
			continue
		}
		n := &s.nodes[q.node]
		cheap := failing && len(n.out) > 0
		for i := range n.down {
			cost := n.down[i].cost
			if cheap {
				cost = min(cost, edgeTraverse)
			}
			to := n.down[i].to
			passed := q.dist + cost + s.nodes[to].transit
			if at := &into[int(to)*width+place]; q.dist+cost < reach && float32(passed) < *at {
				*at = float32(passed) // a tree may begin there, though not pass
				if passed < reach {
					g.queue.push(to, passed)
				}
			}
		}
	}
}

// measureLoad finds what the cheapest ways cost on which a step of overload onto a target comes first.
func (s *scene) measureLoad() {
	b := &s.bearings
	for _, n := range b.targets {
		s.loadOnto(n, b.loaded)
	}
}

// loadOnto lowers costs to those of the ways that begin with a step of overload onto n.
func (s *scene) loadOnto(n int32, costs []float32) {
	load := float32(s.leastLoad(n))
	if load == inf32 {
		return
	}
	for i, d := range s.bearings.from(s.bearings.least, n) {
		costs[i] = min(costs[i], load+d)
	}
}

// from are the distances from n among all.
func (b *bearings) from(all []float32, n int32) []float32 {
	width := len(b.targets)
	return all[int(n)*width : int(n+1)*width]
}

var inf32 = float32(math.Inf(1))

// bearing is how near a tree is to the targets that it may still reach, while it grows.
type bearing struct {
	targets []int32   // their places among the scene's
	limits  []float32 // beside them: a way that costs more is none
}

// steer takes the bearing of a tree that begins at c over the alerts of the outlook.
func (s *scene) steer(c int32) {
	b, g := &s.bearings, &s.scratch
	if !b.taken {
		return
	}
	w := &g.bearing
	w.targets, w.limits = w.targets[:0], w.limits[:0]
	for i, n := range b.targets {
		if most := s.outlook.most[n]; most > 0 {
			w.targets = append(w.targets, int32(i))
			w.limits = append(w.limits, float32(most)+slack)
		}
	}
	s.nearer(c)
}

// nearer takes account of that n has become part of the tree.
func (s *scene) nearer(n int32) {
	b := &s.bearings
	if !b.taken {
		return
	}
	w := &s.scratch.bearing
	if i := slices.Index(w.targets, b.place[n]); i >= 0 {
		w.targets, w.limits = slices.Delete(w.targets, i, i+1), slices.Delete(w.limits, i, i+1)
	}
	passing, from := float32(s.nodes[n].transit)-slack, b.from(b.most, n)
	for i, t := range w.targets {
		w.limits[i] = min(w.limits[i], from[t]-passing)
	}
}

// astray: to whatever lies behind n, the tree has a cheaper way than one that costs dist up to n, or
// has no use for it.
func (s *scene) astray(n int32, dist float64) bool {
	if !s.bearings.taken {
		return false
	}
	w, from, d := &s.scratch.bearing, s.bearings.from(s.bearings.least, n), float32(dist)
	limits := w.limits[:len(w.targets)]
	for i, t := range w.targets {
		if d+from[t] <= limits[i] {
			return false
		}
	}
	return true
}

// arrived: nothing is left that the tree could reach.
func (s *scene) arrived() bool { return s.bearings.taken && len(s.scratch.bearing.targets) == 0 }

// victimsOf bounds what the victims of the outlook are worth to a tree from n, less the way up to the
// first of them; the last step to each is paid already.
func (s *scene) victimsOf(n int32) float64 {
	o, b := &s.outlook, &s.bearings
	if !b.taken {
		return o.victims - o.victim[n]
	}
	loaded, reached := s.loadedBy(n), b.reached
	clear(reached)
	near, passing := inf32, float32(s.nodes[n].transit)
	for i, d := range b.from(b.least, n) {
		if d = min(d-passing, loaded[i]); d < inf32 && o.end[b.targets[i]] {
			near = min(near, d-b.step[i])
			reached.unite(b.beyond[i])
		}
	}
	sum := 0.0
	reached.each(func(i int32) {
		if t := b.targets[i]; t != n {
			sum += o.victim[t]
		}
	})
	return max(0, sum-max(0, float64(near)-slack))
}

// loadedBy is what the cheapest ways of a failure at n to each target cost on which a step of overload
// comes first. What is silent is overloaded by the origin alone, if it is shared.
func (s *scene) loadedBy(n int32) []float32 {
	b := &s.bearings
	costs := b.loaded
	for _, a := range s.nodes[n].down {
		if !s.nodes[a.to].shared || b.place[a.to] >= 0 {
			continue
		}
		if &costs[0] == &b.loaded[0] {
			b.spare = append(b.spare[:0], costs...)
			costs = b.spare
		}
		s.loadOnto(a.to, costs)
	}
	return costs
}
