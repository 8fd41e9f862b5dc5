package correlate

import (
	"math"
)

// candidates lists the alerts that u would bring: its own, failing calls to it,
// and failing calls by it to services that are not in the tree.
//
// Ten rules on one service are one observation: the best counts in full, the
// others in part. Its distance in time from its cause is that of its first alert, once;
// the later ones are measured from the one before.
func (s *scene) candidates(g *growth, t *tree, u int32, r role, avail itemSet) []attachment {
	n := &s.nodes[u]
	var found []attachment
	weigh := func(k int32, loss float64) {
		if !avail.has(k) || g.taken.has(k) {
			return
		}
		on, end := g.cause(t, u, s.onset[k])
		if len(found) > 0 && !s.items[found[0].item].edge() {
			on, end = s.latestBefore(found, s.onset[k]), 0
		}
		if a := s.weigh(k, u, r, on, end); a.value > loss {
			a.value -= loss
			a.full, a.ref = a.value, g.ref[u]
			found = append(found, a)
		}
	}
	for _, k := range n.own {
		weigh(k, 0)
	}
	own := len(found)
	for _, k := range n.calls {
		weigh(k, edgeAtCallee)
	}
	for _, k := range n.out {
		weigh(k, edgeAtCaller)
	}
	discount(found[:own])
	s.discountCalls(found[own:], own > 0)
	return found
}

// latestBefore is the latest onset of the node's own alerts that is not after onset, else the first.
func (s *scene) latestBefore(found []attachment, onset float64) float64 {
	on := s.onset[found[0].item]
	for _, a := range found {
		if o := s.onset[a.item]; !s.items[a.item].edge() && o <= onset && o > on {
			on = o
		}
	}
	return on
}

// discount leaves the best of a node's own alerts in full, with the time of the
// first, and takes a part of the others.
func discount(found []attachment) {
	if len(found) < 2 {
		return
	}
	best := 0
	for i := range found {
		if found[i].value > found[best].value {
			best = i
		}
	}
	if best > 0 {
		found[best].value += found[0].time
		found[best].time += found[0].time
		found[0].value -= found[0].time
		found[0].time = 0
	}
	saturation := min(1, repeatsCount/repeatFactor/float64(len(found)-1))
	for i := range found {
		if i != best {
			found[i].scale(repeatFactor)
			found[i].full = found[i].value
			found[i].scale(saturation)
		}
	}
}

func (a *attachment) scale(factor float64) {
	a.value *= factor
	a.time *= factor
	a.class *= factor
}

// discountCalls does the same for edge alerts, caller by caller: each caller whose
// calls fail has seen something of its own. Where the node alerts too, all of them count less.
func (s *scene) discountCalls(calls []attachment, alerting bool) {
	seen := map[nodeID]bool{}
	for i := range calls {
		from := s.items[calls[i].item].from
		switch {
		case seen[from]:
			calls[i].scale(repeatFactor)
		case alerting || len(seen) > 0:
			calls[i].scale(callsFactor)
		}
		calls[i].full = calls[i].value
		seen[from] = true
	}
}

// weigh values alert k at node u in role r.
func (s *scene) weigh(k, u int32, r role, causeOn, causeEnd float64) attachment {
	it := s.items[k]
	w := classWeight[it.state.Class]
	class := w.victim
	switch r {
	case roleOrigin:
		if class = w.origin; it.edge() {
			class = 0 // at the callee or the caller, it speaks of the step between them
		}
	case roleOfHost:
		class = w.ofHost
	case roleStarved:
		class = w.starved
	}
	time := -s.timeCost(k, causeOn, causeEnd)
	return attachment{item: k, node: u, value: it.gain + class + time, time: time, class: class, role: r}
}

// cause tells what an alert at u with the given onset is measured from: the latest
// onset, not after it, at the nearest alerting node on the way. A service that is slow
// first and fails minutes later passes each of its troubles on when it happens.
func (g *growth) cause(t *tree, u int32, onset float64) (on, end float64) {
	r := g.ref[u]
	if r < 0 {
		return t.start, 0
	}
	on = g.onsets[r][0]
	for _, o := range g.onsets[r] {
		if o <= onset && (on > onset || o > on) || on > onset && o < on {
			on = o
		}
	}
	return on, g.ended[r]
}

// timeCost is what it costs that alert k began when it did, given when its cause
// began and ended.
func (s *scene) timeCost(k int32, causeOn, causeEnd float64) float64 {
	late := max(lateScale, s.quantum)
	early := max(earlyScale, s.quantum)
	d := s.onset[k] - causeOn
	cost := 0.0
	if d >= 0 {
		cost = math.Log1p(d / late)
	} else {
		cost = -d / early
	}
	if causeEnd > 0 && s.onset[k] > causeEnd+afterEndGrace {
		cost += min(afterEndCap, (s.onset[k]-causeEnd-afterEndGrace)/afterEndScale)
	}
	if s.ranking {
		return min(cost, timeCapRank)
	}
	return min(cost, timeCapGroup)
}

// weighOrigin adds what speaks for or against the origin itself: changes, health
// checks, and dependents that should have failed with it.
func (s *scene) weighOrigin(t *tree) {
	id := s.nodes[t.origin].id
	t.terms.change = s.e.changeBoost(id, s.at(t.start), s.ranking)
	t.terms.health = s.e.healthWeight(id, s.at(t.start))
	if s.ranking {
		t.terms.quiet = -s.quietCost(t)
		if s.nodes[t.origin].shared && s.surgeAbove(t) != "" {
			t.terms.load = loadMoved
		}
	} else {
		t.terms.health *= healthGrouping
	}
}

// quietCost is the cost of direct dependents of the origin that show nothing
// although most of them would alert. Only direct dependents count, at most quietSample of them.
func (s *scene) quietCost(t *tree) float64 {
	id := s.nodes[t.origin].id
	in := s.e.nodes.in(id)
	cost, seen := 0.0, 0
	for _, e := range in {
		if seen == quietSample {
			break
		}
		seen++
		caller := nodeID(e.Node)
		if s.e.alerting(caller) {
			continue
		}
		q := math.Exp(-s.e.nodes.stepCost(caller, id, e))
		cost -= math.Log(1 - quietFactor*coverage(s.e.nodes.kind(caller))*q)
	}
	if seen > 0 && len(in) > seen {
		cost *= float64(len(in)) / float64(seen)
	}
	return min(cost, quietCap)
}

// surgeAbove names a service in the tree that reports more traffic than usual, no
// later than the trouble at the origin began; empty when there is none.
func (s *scene) surgeAbove(t *tree) string {
	for _, a := range t.attached {
		if a.node != t.origin && s.items[a.item].state.Class == ClassSurge && s.onset[a.item] <= t.start+lateScale {
			return s.e.nodes.name(s.nodes[a.node].id)
		}
	}
	return ""
}
