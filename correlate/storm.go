package correlate

import (
	"math"
	"slices"
)

// This file places alerts that are no evidence of their own: those that a storm
// swept along, and those that merely fired again.

// sweepStorm hands single alerts that began in the middle of a storm, close to it
// in the graph, to that storm: the graph misses edges, and a storm does not.
func (p *partitioner) sweepStorm() {
	var kept []*cluster
	for _, c := range p.clusters {
		if c.set.count() == 1 {
			if storm := p.stormNear(c); storm != nil {
				k := firstItem(c)
				storm.set.add(k)
				continue
			}
		}
		kept = append(kept, c)
	}
	p.clusters = kept
}

func (p *partitioner) stormNear(c *cluster) *cluster {
	k := firstItem(c)
	if p.items[k].state.Class == ClassChore {
		return nil
	}
	near := p.within(p.index[p.items[k].node], 2)
	for _, storm := range p.clusters {
		if storm == c || storm.tree.set.count() < leakMinAlerts {
			continue
		}
		for _, a := range storm.tree.attached {
			if math.Abs(p.onset[a.item]-p.onset[k]) <= leakWithin && near[a.node] {
				return storm
			}
		}
	}
	return nil
}

func (p *partitioner) within(n int32, hops int) map[int32]bool {
	near, edge := map[int32]bool{n: true}, []int32{n}
	for range hops {
		var next []int32
		for _, m := range edge {
			for _, arcs := range [][]arc{p.nodes[m].up, p.nodes[m].down} {
				for _, a := range arcs {
					if !near[a.to] && !p.nodes[a.to].kind.IsPlace() {
						near[a.to] = true
						next = append(next, a.to)
					}
				}
			}
		}
		edge = next
	}
	return near
}

// ride lets an alert that fired again follow its earlier instance. What fires
// again is rarely news, and taken as fresh evidence it would keep its old failure
// alive until the next one is swallowed.
func (p *partitioner) ride(riders []int32) {
	slices.SortFunc(riders, compareOnset(p.scene))
	for _, k := range riders {
		prev, _ := slices.BinarySearchFunc(p.items, p.items[k].prev, compareItems)
		c := p.holder(int32(prev))
		if c == nil {
			c = p.alone(k)
			p.clusters = append(p.clusters, c)
			continue
		}
		c.set.add(k)
	}
}
