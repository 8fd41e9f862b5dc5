package correlate

import (
	"cmp"
	"slices"
)

// This file finds where a tree could come apart. A second failure that one tree swallowed
// hangs on it by something dear: a rare step, a service passed that shows nothing, a long
// delay, a pause. What lies behind such a place is tried as a failure of its own.

const (
	maxCuts  = 8   // places tried per tree, dearest first
	leastCut = 1.0 // places that cost less are not tried, nats
)

// cuts lists the parts of c that lie behind the dearest places of its tree.
func (p *partitioner) cuts(c *cluster) []itemSet {
	var parts []itemSet
	below := map[int32][]int32{}
	for _, s := range c.tree.steps {
		below[s.cause] = append(below[s.cause], s.effect)
	}
	for _, place := range p.dearest(c.tree) {
		parts = append(parts, p.behind(c.tree, place, below))
	}
	return append(append(parts, p.afterPauses(c)...), p.afterRecoveries(c)...)
}

// dearest are the nodes of t that were the dearest to reach, at most maxCuts.
func (p *partitioner) dearest(t *tree) []int32 {
	cost, alerting := map[int32]float64{}, map[int32]bool{}
	for _, a := range t.attached {
		cost[a.node] -= a.time
		alerting[a.node] = true
	}
	var places []int32
	for _, s := range t.steps {
		cost[s.effect] += s.cost
		if !alerting[s.effect] {
			cost[s.effect] += p.nodes[s.effect].transit
		}
		if cost[s.effect] > leastCut {
			places = append(places, s.effect)
		}
	}
	slices.SortFunc(places, func(a, b int32) int { return cmp.Or(cmp.Compare(cost[b], cost[a]), cmp.Compare(a, b)) })
	return places[:min(len(places), p.tries(maxCuts))]
}

// behind are the alerts that t reached by way of node.
func (p *partitioner) behind(t *tree, node int32, below map[int32][]int32) itemSet {
	beyond := map[int32]bool{node: true}
	for todo := []int32{node}; len(todo) > 0; todo = todo[1:] {
		for _, n := range below[todo[0]] {
			if !beyond[n] {
				beyond[n] = true
				todo = append(todo, n)
			}
		}
	}
	set := newItemSet(len(p.items))
	for _, a := range t.attached {
		if beyond[a.node] {
			set.add(a.item)
		}
	}
	return set
}

// afterPauses are, for each pause among the alerts of c, those that began after it.
func (p *partitioner) afterPauses(c *cluster) []itemSet {
	var parts []itemSet
	last := p.onset[firstItem(c)]
	c.set.each(func(k int32) { // a scene's alerts are by onset
		if p.onset[k]-last > gapGrace {
			set := slices.Clone(c.set)
			set.removeBelow(k)
			parts = append(parts, set)
		}
		last = p.onset[k]
	})
	return parts[:min(len(parts), p.tries(maxCuts))]
}
