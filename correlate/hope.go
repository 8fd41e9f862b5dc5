package correlate

import "math"

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
	best, sum := 0.0, 0.0
	for _, k := range n.own {
		best = max(best, s.mostAsVictim(k))
	}
	sum = best * (1 + min(repeatsCount, repeatFactor*float64(max(0, len(n.own)-1))))
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
	return s.items[k].gain + max(w.victim, w.ofHost)
}
