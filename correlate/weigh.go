package correlate

import (
	"math"
	"sort"
)

// candidates lists the alerts that u would bring: its own, failing calls to it,
// and failing calls by it to services that are not in the tree.
//
// Ten rules on one service are one observation: the best counts in full, the
// others in part. Its distance in time from its cause is that of its first alert, once;
// the later ones are measured from the one before.
//
// The result is good until the next call.
func (s *scene) candidates(g *growth, t *tree, u int32, r role, avail itemSet) []attachment {
	n := &s.nodes[u]
	w := weighing{scene: s, growth: g, tree: t, node: u, role: r, avail: avail, found: g.found[:0]}
	for _, k := range n.own {
		w.add(k, 0)
		w.own = len(w.found)
	}
	for _, k := range n.calls {
		w.add(k, edgeAtCallee)
	}
	for _, k := range n.out {
		w.add(k, edgeAtCaller)
	}
	g.found = w.found
	discount(w.found[:w.own])
	s.discountCalls(g, w.found[w.own:], w.own > 0)
	return w.found
}

// weighing values the alerts of one node, one after the other.
type weighing struct {
	scene  *scene
	growth *growth
	tree   *tree
	node   int32
	role   role
	avail  itemSet
	found  []attachment
	own    int // so many of found are the node's own, by onset
}

// add values alert k and takes it when it is worth more than loss.
func (w *weighing) add(k int32, loss float64) {
	if !w.avail.has(k) || w.growth.taken.has(k) {
		return
	}
	s := w.scene
	if w.role == roleLoaded && s.items[k].state.Class == ClassTrafficGone {
		return // what lost its traffic did not get too much of it
	}
	var on, end float64
	if w.own > 0 {
		on = s.latestBefore(w.found[:w.own], s.onset[k])
	} else {
		on, end = w.growth.cause(w.tree, w.node, s.onset[k])
	}
	a := s.weigh(k, w.node, w.role, on, end)
	if w.own > 0 && s.onset[k]-s.onset[w.found[0].item] > lateSymptom {
		a.value, a.class = a.value-a.class, 0 // whoever suffers for long may crash in the end
	}
	if a.value > loss {
		a.value -= loss
		a.full, a.ref = a.value, w.growth.ref[w.node]
		w.found = append(w.found, a)
	}
}

// latestBefore is the latest onset among a node's own alerts, which are by onset,
// that is not after onset, else the first.
func (s *scene) latestBefore(own []attachment, onset float64) float64 {
	if last := s.onset[own[len(own)-1].item]; last <= onset {
		return last
	}
	i := sort.Search(len(own), func(i int) bool { return s.onset[own[i].item] > onset })
	return s.onset[own[max(i-1, 0)].item]
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
		found[best].cost, found[best].timed = found[0].cost, found[0].timed
		found[0].value -= found[0].time
		found[0].time, found[0].cost = 0, 0
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
	a.share *= factor
	a.time *= factor
	a.class *= factor
}

// discountCalls does the same for edge alerts, caller by caller: each caller whose
// calls fail has seen something of its own. Where the node alerts too, all of them count less.
func (s *scene) discountCalls(g *growth, calls []attachment, alerting bool) {
	g.calls++
	for i := range calls {
		from := s.index[s.items[calls[i].item].from]
		switch {
		case g.caller[from] == g.calls:
			calls[i].scale(repeatFactor)
		case alerting || i > 0:
			calls[i].scale(callsFactor)
		}
		calls[i].full = calls[i].value
		g.caller[from] = g.calls
	}
}

// weigh values alert k at node u in role r: gain + class - time. The class is a weight of
// evidence (Good 1985), ln of P(kind of symptom | role) over P(kind of symptom | any role).
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
	case roleLoaded:
		class = w.loaded
	}
	cost := s.timeCost(k, causeOn, causeEnd)
	return attachment{item: k, node: u, value: it.gain + class - cost, time: -cost, cost: cost, timed: k, share: 1, class: class}
}

// timeCost is what it costs that alert k began when it did, given when its cause
// began and ended: with d from the cause's onset to its own,
//
//	ln(1 + d/late)  for d ≥ 0, as of a delay whose density falls off like 1/(1 + d/late)
//	|d|/early       for d < 0, as of an error in the onsets
//
// and more when the cause was over before. It is capped: onsets are known to a minute
// at best (onset.go has the publication), and order must not overrule the graph.
func (s *scene) timeCost(k int32, causeOn, causeEnd float64) float64 {
	late := max(lateScale, s.quantum)
	early := max(earlyScale, s.quantum)
	d := s.onset[k] - causeOn
	cost := -d / early
	if d >= 0 {
		cost = math.Log1p(d / late)
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
// checks, dependents that should have failed with it, and load that callers report: it is
// what carries a failure from callers to what they share ("Metastable failures in the wild", OSDI 2022).
func (s *scene) weighOrigin(t *tree) {
	id := s.nodes[t.origin].id
	t.terms.change = s.e.changeBoost(id, s.at(t.start), s.ranking)
	t.terms.health = s.e.healthWeight(id, s.at(t.start))
	if s.ranking {
		if t.silent {
			t.terms.quiet -= s.quietCost(t.origin)
		}
		if s.nodes[t.origin].shared && s.surgeAbove(t) != "" {
			t.terms.load = loadMoved
		}
	} else {
		t.terms.health *= healthGrouping
		if s.nodes[t.origin].place {
			t.terms.quiet -= s.quietCost(t.origin)
		}
	}
}

// quietCost is the cost of direct dependents of node n that show nothing although
// most of them would alert. Only direct dependents count, at most quietSample of them.
func (s *scene) quietCost(n int32) float64 {
	if s.nodes[n].quiet < 0 {
		s.nodes[n].quiet = s.e.quietCost(s.nodes[n].id)
	}
	return s.nodes[n].quiet
}

// quietCost of node id is
//
//	Σ over quiet direct dependents of -ln(1 - quietFactor · coverage · q)
//
// with q the probability that the failure reaches them: in a noisy-or, findings that are
// absent factorise by cause (Heckerman 1989, "A tractable inference algorithm for diagnosing
// multiple diseases"), so a sum for each candidate is exact and no search is needed.
func (e *Engine) quietCost(id nodeID) float64 {
	in := e.nodes.in(id)
	cost, seen := 0.0, 0
	var last struct{ step, coverage, quiet float64 } // of the dependent before: most are alike
	for _, edge := range in {
		if seen == quietSample {
			break
		}
		seen++
		caller := nodeID(edge.Node)
		if e.alerting(caller) {
			continue
		}
		if step, covered := e.stepCostOf(caller, id, edge), e.coverageOf(caller); step != last.step || covered != last.coverage {
			q := math.Exp(-step)
			last.step, last.coverage, last.quiet = step, covered, math.Log(1-quietFactor*covered*q)
		}
		cost -= last.quiet
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
