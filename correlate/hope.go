package correlate

import "math"

// This file holds bounds that spare work without changing what comes out of it.

// A tree is grown only where there is something to be found. The hope of a node is
// the least that a way from it to any alerting node can cost on top of what the alerts
// there are worth at most, so negative when it can pay. A way that has cost more than
// its hope promises cannot end in a node that joins: dropping it changes no tree. In a
// large graph that is most ways, since silent nodes are dear to pass.

// leadsNowhere: no node that lies behind n can be worth a way that costs dist up to n.
func (s *scene) leadsNowhere(n int32, dist float64) bool {
	return dist+s.nodes[n].hope > 1e-6 // the sums of the way are rounded otherwise
}

// measureHope searches from the alerting nodes against the ways of a failure.
func (s *scene) measureHope() {
	g := &s.scratch
	for i := range s.nodes {
		s.nodes[i].hope = math.Inf(1)
		if w := s.mostWorth(&s.nodes[i]); w > 0 {
			s.nodes[i].hope = -w
			g.push(int32(i), -w)
		}
	}
	for len(g.queue) > 0 {
		q := g.pop()
		n := &s.nodes[q.node]
		if q.dist > n.hope {
			continue
		}
		for _, a := range n.down {
			cost := a.cost
			if len(n.out) > 0 {
				cost = min(cost, edgeTraverse)
			}
			if hope := q.dist + cost + s.transit(a.to); hope < s.nodes[a.to].hope {
				s.nodes[a.to].hope = hope
				g.push(a.to, hope)
			}
		}
	}
}

// mostWorth bounds what the alerts at n can be worth to a tree that n joins.
func (s *scene) mostWorth(n *sceneNode) float64 {
	best := 0.0
	for _, k := range n.own {
		best = max(best, s.mostAsVictim(k))
	}
	sum := best * (1 + min(repeatsCount, repeatFactor*float64(max(0, len(n.own)-1))))
	for _, k := range n.calls {
		sum += max(0, s.mostAsVictim(k)-edgeAtCallee)
	}
	for _, k := range n.out {
		sum += max(0, s.mostAsVictim(k)-edgeAtCaller)
	}
	return sum
}

func (s *scene) mostAsVictim(k int32) float64 {
	w := classWeight[s.items[k].state.Class]
	return s.items[k].gain + max(0, w.victim, w.ofHost, w.loaded)
}

// ceiling bounds the score of any tree over the alerts in set, whatever its origin:
// every gain in the best of roles, nothing for the way and for time. Changes and
// health checks add at most what the luckiest node of the scene would get.
func (p *partitioner) ceiling(set itemSet) float64 {
	if p.fortune < 0 {
		p.fortune = p.bestFortune()
	}
	sum := p.fortune
	for i := range p.nodes {
		n := &p.nodes[i]
		best, count := 0.0, 0
		for _, k := range n.own {
			if !set.has(k) {
				continue
			}
			worth := p.mostWorthAnywhere(k)
			if n.classes&(1<<ClassTrafficGone) != 0 {
				sum += worth // what lost its traffic is counted alert by alert
				continue
			}
			best = max(best, worth)
			count++
		}
		sum += best * (1 + min(repeatsCount, repeatFactor*float64(max(0, count-1))))
		for _, k := range n.calls {
			if set.has(k) {
				sum += p.mostWorthAnywhere(k)
			}
		}
	}
	return sum
}

func (s *scene) mostWorthAnywhere(k int32) float64 {
	w := classWeight[s.items[k].state.Class]
	return s.items[k].gain + max(0, w.origin, w.victim, w.ofHost, w.starved, w.loaded)
}

// bestFortune is the most that changes and health checks add to a tree of the scene.
func (p *partitioner) bestFortune() float64 {
	change, health := 0.0, 0.0
	last := p.at(p.onset[len(p.onset)-1])
	for i := range p.nodes {
		id := p.nodes[i].id
		for _, c := range p.e.changesOf[id] {
			if late := last.Sub(c.At).Seconds(); late >= -changeLate-1 {
				change = max(change, changeWeight(max(0, p.epoch.Sub(c.At).Seconds()-1), p.ranking))
			}
		}
		if len(p.e.checksOf[id]) > 0 {
			health = healthFailing
		}
	}
	return change + health
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
