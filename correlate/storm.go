package correlate

import (
	"cmp"
	"math"
	"slices"
)

// This file places what trees alone would place wrongly: failures that come back, alerts
// that a storm swept along, and alerts that merely fired again.

// relapse joins parts that begin at one service, one soon after the other: a service that
// fails again is one failure that goes on, however well two trees explain it. A process that
// is out of memory every few minutes restarts each time as if nothing had been.
func (p *partitioner) relapse() {
	slices.SortFunc(p.clusters, func(a, b *cluster) int { return cmp.Compare(firstItem(a), firstItem(b)) })
	for i := 0; i < len(p.clusters); i++ {
		for j := i + 1; j < len(p.clusters); j++ {
			a, b := p.clusters[i], p.clusters[j]
			if a.tree.origin != b.tree.origin || p.onset[firstItem(b)]-p.lasted(a) > relapseWithin {
				continue
			}
			t := a.tree
			if better(b.tree, t) {
				t = b.tree
			}
			p.clusters[i] = &cluster{tree: t, set: a.set.union(b.set)}
			p.clusters = slices.Delete(p.clusters, j, j+1)
			j--
		}
	}
}

// lasted is when the last alert of c ended.
func (p *partitioner) lasted(c *cluster) float64 {
	last := 0.0
	c.set.each(func(k int32) {
		if p.ended[k] == 0 {
			last = math.Inf(1)
		}
		last = max(last, p.ended[k])
	})
	return last
}

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
		c := p.holder(p.placeOf(p.items[k].prev))
		if c == nil {
			c = p.alone(k)
			p.clusters = append(p.clusters, c)
			continue
		}
		c.set.add(k)
	}
}
