package correlate

import (
	"cmp"
	"math"
	"slices"
)

// This file keeps corrections in force. The partition of a scene is a function of its
// alerts; what operators said, and what was divided before, are further facts about
// these alerts, applied by construction:
//
//   - alerts of one bond stay together: the parts that hold them are made one;
//   - where a part holds alerts of incidents that are kept apart, each side is divided
//     by itself. Alerts of neither side go to the side that they are nearer to.
//
// A scene without corrections is divided as if this file did not exist.

// divide is the partition of items that respects all corrections.
func (e *Engine) divide(items []*item) (*scene, []*cluster) {
	s := e.newScene(items, false)
	clusters := s.partition()
	if !s.corrected() {
		return s, clusters
	}
	clusters = s.separate(s.bound(clusters))
	slices.SortFunc(clusters, func(a, b *cluster) int { return cmp.Compare(firstItem(a), firstItem(b)) })
	return s, clusters
}

func (s *scene) corrected() bool {
	return slices.ContainsFunc(s.items, func(it *item) bool {
		return it.state.Bond != 0 || it.inc != nil && len(it.inc.row.Apart) > 0
	})
}

// bound makes one part of those that share a bond. The tree is that of the larger one.
func (s *scene) bound(clusters []*cluster) []*cluster {
	var out []*cluster
	for _, c := range clusters {
		bonds := s.bonds(c)
		out = slices.DeleteFunc(out, func(o *cluster) bool {
			if len(bonds) == 0 || !sharesKey(bonds, s.bonds(o)) {
				return false
			}
			if o.set.count() >= c.set.count() {
				c = &cluster{tree: o.tree, set: o.set.union(c.set)}
			} else {
				c = &cluster{tree: c.tree, set: o.set.union(c.set)}
			}
			bonds = s.bonds(c)
			return true
		})
		out = append(out, c)
	}
	return out
}

func (s *scene) bonds(c *cluster) map[uint64]bool {
	m := map[uint64]bool{}
	c.set.each(func(k int32) {
		if b := s.items[k].state.Bond; b != 0 {
			m[b] = true
		}
	})
	return m
}

func sharesKey(a, b map[uint64]bool) bool {
	for k := range a {
		if b[k] {
			return true
		}
	}
	return false
}

// separate divides the parts that hold alerts of incidents which are kept apart.
func (s *scene) separate(clusters []*cluster) []*cluster {
	w := s.newWedge(clusters)
	if w == nil {
		return clusters
	}
	var out []*cluster
	sides := make([][]*item, w.sides)
	for _, c := range clusters {
		if !w.touches(c) {
			out = append(out, c)
			continue
		}
		side := w.assign(c)
		c.set.each(func(k int32) { sides[side[k]] = append(sides[side[k]], s.items[k]) })
	}
	for _, items := range sides {
		out = append(out, s.divideSide(items)...)
	}
	return out
}

// divideSide divides some of the scene's alerts by themselves. The parts have no trees.
func (s *scene) divideSide(items []*item) []*cluster {
	if len(items) == 0 {
		return nil
	}
	side := s.e.newScene(items, false)
	defer side.close()
	parts := side.bound(side.partition())
	out := make([]*cluster, 0, len(parts))
	for _, part := range parts {
		set := newItemSet(len(s.items))
		part.set.each(func(k int32) {
			side.with(k, func(it *item) { set.add(s.placeOf(it)) })
		})
		out = append(out, &cluster{set: set})
	}
	return out
}

// wedge says which side each incident is on, of those that are to be separated.
type wedge struct {
	s     *scene
	side  map[*incident]int // incidents that are apart from another one; ordered by the oldest on it
	sides int
}

// newWedge returns nil when no part holds alerts of both sides of a parting. Sides are
// found by colouring: in the order of their numbers, each incident takes the first side
// on which nobody is that it is kept apart from.
func (s *scene) newWedge(clusters []*cluster) *wedge {
	held := make([][]*incident, len(clusters))
	conflict := map[[2]*incident]bool{}
	for i, c := range clusters {
		held[i] = s.incidentsIn(c)
		s.conflicts(c, held[i], conflict)
	}
	if len(conflict) == 0 {
		return nil
	}
	near := connected(held, conflict)
	for i, a := range near {
		for _, b := range near[i+1:] {
			if p := a.row.partingFrom(b.row.ID); p != nil && p.final() {
				conflict[[2]*incident{a, b}] = true
			}
		}
	}
	w := &wedge{s: s, side: map[*incident]int{}}
	for _, b := range near {
		apart, taken := false, map[int]bool{}
		for _, a := range near {
			if conflict[[2]*incident{a, b}] || conflict[[2]*incident{b, a}] {
				apart = true
				if side, ok := w.side[a]; ok {
					taken[side] = true
				}
			}
		}
		if !apart {
			continue
		}
		side := 0
		for taken[side] {
			side++
		}
		w.side[b], w.sides = side, max(w.sides, side+1)
	}
	return w
}

// incidentsIn are the incidents that hold alerts of c, by number.
func (s *scene) incidentsIn(c *cluster) []*incident {
	var out []*incident
	c.set.each(func(k int32) {
		if inc := s.items[k].inc; inc != nil && !slices.Contains(out, inc) {
			out = append(out, inc)
		}
	})
	return sortIncidents(out)
}

// conflicts adds the pairs of incidents in c whose parting is in force.
func (s *scene) conflicts(c *cluster, held []*incident, pairs map[[2]*incident]bool) {
	for i, a := range held {
		for _, b := range held[i+1:] {
			if p := a.row.partingFrom(b.row.ID); p != nil && (p.final() || !s.bridged(c, p)) {
				pairs[[2]*incident{a, b}] = true
			}
		}
	}
}

// bridged: c holds alerts that were not known when the engine divided its incidents.
func (s *scene) bridged(c *cluster, p *Parting) bool {
	return slices.ContainsFunc(c.set.list(), func(k int32) bool { return s.items[k].state.FirstSeen.After(p.At) })
}

// connected are the incidents with a conflict and all that share a part with them, directly or not, by number.
func connected(held [][]*incident, conflict map[[2]*incident]bool) []*incident {
	in := map[*incident]bool{}
	for pair := range conflict {
		in[pair[0]], in[pair[1]] = true, true
	}
	for grown := true; grown; {
		grown = false
		for _, list := range held {
			if !slices.ContainsFunc(list, func(inc *incident) bool { return in[inc] }) {
				continue
			}
			for _, inc := range list {
				grown = grown || !in[inc]
				in[inc] = true
			}
		}
	}
	var out []*incident
	for inc := range in {
		out = append(out, inc)
	}
	return sortIncidents(out)
}

// touches: c holds an alert of an incident that is on a side.
func (w *wedge) touches(c *cluster) bool {
	return slices.ContainsFunc(w.s.incidentsIn(c), func(inc *incident) bool { _, ok := w.side[inc]; return ok })
}

// assign puts each alert of c on a side: that of its incident; else, as one, the alerts
// of an incident go where they are nearest, and so does each alert of none. An alert
// that fired before goes where it went then.
func (w *wedge) assign(c *cluster) map[int32]int {
	side := map[int32]int{}
	free := map[*incident][]int32{}
	var loose []int32
	c.set.each(func(k int32) {
		inc := w.s.items[k].inc
		if n, ok := w.side[inc]; ok {
			side[k] = n
		} else if inc != nil {
			free[inc] = append(free[inc], k)
		} else {
			loose = append(loose, k)
		}
	})
	maps := w.distances(side)
	for _, list := range free {
		n := w.nearest(maps, list...)
		for _, k := range list {
			side[k] = n
		}
	}
	for _, k := range loose { // by start, so earlier firings come first
		it := w.s.items[k]
		if w.s.follows(it) {
			if n, ok := side[w.s.placeOf(it.prev)]; ok {
				side[k] = n
				continue
			}
		}
		side[k] = w.nearest(maps, k)
	}
	return side
}

// distances measures, for each side that holds alerts, how far each node of the scene is
// from them in the direction of their dependencies.
func (w *wedge) distances(side map[int32]int) [][]float64 {
	out := make([][]float64, w.sides)
	for k, n := range side {
		if out[n] == nil {
			out[n] = slices.Repeat([]float64{math.Inf(1)}, len(w.s.nodes))
		}
		for _, c := range w.s.e.explainers(w.s.items[k]) {
			for _, r := range c {
				i := w.s.index[r.node]
				out[n][i] = min(out[n][i], r.cost)
			}
		}
	}
	return out
}

// nearest is the side from which the way to any of the alerts is shortest, over what
// both depend on; of equals, the one of the older incident.
func (w *wedge) nearest(distances [][]float64, alerts ...int32) int {
	best, side := math.Inf(1), -1
	for n, from := range distances {
		if from == nil {
			continue
		}
		if side < 0 {
			side = n
		}
		for _, k := range alerts {
			for _, c := range w.s.e.explainers(w.s.items[k]) {
				for _, r := range c {
					if d := r.cost + from[w.s.index[r.node]]; d < best-1e-9 {
						best, side = d, n
					}
				}
			}
		}
	}
	return side
}
