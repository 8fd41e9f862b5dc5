package correlate

import (
	"math"
	"slices"
)

// chargePauses walks the attached alerts by onset: after a pause in the activity,
// a further alert hardly belongs to the same failure. An alert that the pause makes
// worthless is dropped. This one term keeps two failures of one neighbourhood apart
// better than any window. For a service that was alerting all along the pause costs less.
func (s *scene) chargePauses(g *growth, t *tree) {
	clear(g.dropped)
	last, first, dropped := 0.0, true, false
	t.set.each(func(k int32) { // a scene's alerts are by onset
		a := &t.attached[g.place[k]]
		on := s.onset[k]
		if !first {
			cost := max(0, s.pauseCost(a, on-last))
			if cost > 0 && g.alertingAlong(t, a, on) {
				cost *= gapSameNode
			}
			if cost > 0 && cost >= a.full {
				g.dropped.add(k)
				dropped = true
				return
			}
			t.terms.pause -= cost
		}
		first, last = false, on
		g.lasts(a.node, s.ended[k])
	})
	if dropped {
		t.dropAll(g.dropped)
	}
}

// pauseCost is what a gap in the activity costs alert a, (gap - grace)/scale: a failure that
// has been spreading goes on at intervals whose density falls off exponentially.
func (s *scene) pauseCost(a *attachment, gap float64) float64 {
	grace := gapGrace
	if c := s.items[a.item].state.Class; c == ClassTrafficGone || c == ClassLag {
		grace = gapGraceSlow
	}
	return (gap - grace) / max(gapScale, s.quantum)
}

// locate notes where in the tree each alert is.
func (g *growth) locate(t *tree) {
	for i := range t.attached {
		g.place[t.attached[i].item] = int32(i)
	}
}

// alertingAlong: a's service, the one above it or the origin was alerting already and
// did so through the pause, which ends at on.
func (g *growth) alertingAlong(t *tree, a *attachment, on float64) bool {
	return g.until[a.node] >= on || a.ref >= 0 && g.until[a.ref] >= on || g.until[t.origin] >= on
}

// lasts notes that an alert of node n fired until ended; 0: it still does.
func (g *growth) lasts(n int32, ended float64) {
	if ended == 0 {
		ended = math.Inf(1)
	}
	g.until[n] = max(g.until[n], ended)
}

// dropAll takes the alerts in set out of the tree again.
func (t *tree) dropAll(set itemSet) {
	kept := t.attached[:0]
	for _, a := range t.attached {
		if set.has(a.item) {
			t.drop(a)
		} else {
			kept = append(kept, a)
		}
	}
	t.attached = kept
}

func (t *tree) drop(a attachment) {
	t.set.remove(a.item)
	t.terms.class -= a.class
	t.terms.time -= a.time
	rest := a.value - a.class - a.time
	if a.node == t.origin {
		t.terms.own -= rest
	} else {
		t.terms.alerts -= rest
	}
}

// retime measures each alert from the cause that fits it best, now that the whole tree is
// known. While the tree grew, a service was measured from the alerting service on the one
// way by which it was reached first; of several of its dependencies that fail, the last one may have
// been one too many. What a silent database, cache or queue reached directly is measured from
// the symptom before it: what is used up slowly takes its clients one after the other,
// and the time between them is charged as a pause already.
func (s *scene) retime(g *growth, t *tree) {
	deep := t.silent && s.nodes[t.origin].shared
	last := int32(-1)          // the direct symptom before
	t.set.each(func(k int32) { // a scene's alerts are by onset
		a := &t.attached[g.place[k]]
		if a.time == 0 || a.node == t.origin {
			return
		}
		best := a.cost
		if !s.ranking {
			best = s.nearestCause(g, a)
		}
		if deep && a.ref < 0 {
			if last >= 0 {
				best = min(best, s.timeCost(a.timed, s.onset[last], 0))
			}
			last = k
		}
		if was := a.cost; best < was {
			a.shift(t, (was-best)*a.share)
			a.cost = best
		}
	})
}

// nearestCause is the least that the time of alert a costs, measured from any of its
// service's dependencies that is in the tree, not because of it, and alerts.
func (s *scene) nearestCause(g *growth, a *attachment) float64 {
	best, at := a.cost, s.onset[a.timed]
	for _, d := range s.nodes[a.node].down {
		on := g.onsets[d.to]
		if !g.member[d.to] || len(on) == 0 || on[0] > at || g.under(d.to, a.node) {
			continue
		}
		cause := latestUntil(on, at)
		if cause == at && s.dependsOn(d.to, a.node) {
			continue // two that call each other and fail at once excuse neither
		}
		best = min(best, s.timeCost(a.timed, cause, g.ended[d.to]))
	}
	return best
}

// dependsOn: n has a dependency on to of its own.
func (s *scene) dependsOn(n, to int32) bool {
	return slices.ContainsFunc(s.nodes[n].down, func(d arc) bool { return d.to == to })
}

// under: the failure came to n by way of above.
func (g *growth) under(n, above int32) bool {
	for ; n >= 0; n = g.parent[n] {
		if n == above {
			return true
		}
	}
	return false
}

// shift adds gain to what a's time is worth.
func (a *attachment) shift(t *tree, gain float64) {
	a.time += gain
	a.value += gain
	t.terms.time += gain
}
