package correlate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// This file makes evidence of how alerts end. What one failure set off recovers when it
// is mended: within minutes of each other, as fast as queues drain and windows of rules
// pass. Services that go on alerting long after their companions recovered were
// probably hit by something else, and two failures that began in the same minute and could not
// be told apart are told apart when the first of them ends.

// findRecoveries notes when each alert ended for good: an alert that fired again soon had not.
func (s *scene) findRecoveries() {
	s.recovered = slices.Clone(s.ended)
	for k, end := range s.ended {
		if end == 0 {
			s.recovered[k] = math.Inf(1)
		} else {
			s.recovering = true
		}
	}
	if !s.recovering {
		return
	}
	s.now = s.e.meta.Now.Sub(s.epoch).Seconds()
	for k := len(s.items) - 1; k >= 0; k-- { // the last of a row of instances first
		if it := s.items[k]; s.follows(it) {
			before := s.placeOf(it.prev)
			s.recovered[before] = max(s.recovered[before], s.recovered[k])
		}
	}
}

// apartBy is by how much more than recoveryGrace, in s, two recoveries are apart, the
// first no later than the second. What still fires recovers now at the earliest, and while it does
// the first may fire again: recoveryWait makes sure that it hardly will.
func (s *scene) apartBy(first, second float64) float64 {
	if math.IsInf(first, 1) {
		return 0
	}
	if math.IsInf(second, 1) {
		second = max(first, s.now-recoveryWait)
	}
	return second - first - recoveryGrace
}

// chargeRecoveries charges t for each time at which a part of it recovered before the
// rest: recoveryFirst, and recoveryFold for each e-fold of services on the smaller side. A
// part may recover first (pods are placed elsewhere, a breaker opens), so the charge is no more than
// that two services ended so is rarer within one failure than across two.
func (s *scene) chargeRecoveries(g *growth, t *tree) {
	if s.ranking || !s.recovering {
		return
	}
	order, from := s.byRecovery(g, t), 0
	for i := 1; i < len(order); i++ {
		late := s.apartBy(s.recovered[order[i-1].item], s.recovered[order[i].item])
		if late <= 0 {
			continue
		}
		services := min(g.services(order[from:i]), g.services(order[i:]))
		cost := min(recoveryMost, recoveryFirst+recoveryFold*math.Log(float64(services)))
		t.terms.recovery -= cost * min(1, late/recoveryScale)
		from = i
	}
}

// recovery is an alert of a tree and where it counts there.
type recovery struct{ item, node int32 }

// byRecovery are the alerts of t by the time of their recovery. The result is good until the next call.
func (s *scene) byRecovery(g *growth, t *tree) []recovery {
	g.recoveries = g.recoveries[:0]
	for i := range t.attached {
		g.recoveries = append(g.recoveries, recovery{t.attached[i].item, t.attached[i].node})
	}
	slices.SortFunc(g.recoveries, func(a, b recovery) int {
		return s.compareRecoveries(a.item, b.item)
	})
	return g.recoveries
}

// compareRecoveries orders alerts by their recovery.
func (s *scene) compareRecoveries(a, b int32) int {
	return cmp.Or(cmp.Compare(s.recovered[a], s.recovered[b]), cmp.Compare(a, b))
}

// services counts the nodes in part.
func (g *growth) services(part []recovery) int {
	g.counts++
	n := 0
	for _, r := range part {
		if g.counted[r.node] != g.counts {
			g.counted[r.node] = g.counts
			n++
		}
	}
	return n
}

// recoveredApart: the alerts of node n in a ended at another time than those in b.
func (s *scene) recoveredApart(a, b observation) bool {
	return s.recovering && (s.apartBy(a.recovered, b.recovers) > 0 || s.apartBy(b.recovered, a.recovers) > 0)
}

// afterRecoveries are, for each time at which some of c recovered long before the rest, both parts.
func (p *partitioner) afterRecoveries(c *cluster) []itemSet {
	if !p.recovering {
		return nil
	}
	items := c.set.list()
	slices.SortFunc(items, p.compareRecoveries)
	var parts []itemSet
	most := 2 * p.tries(maxCuts)
	for i := len(items) - 1; i > 0 && len(parts) < most; i-- {
		if p.apartBy(p.recovered[items[i-1]], p.recovered[items[i]]) > 0 {
			parts = append(parts, p.setOf(items[i:]), p.setOf(items[:i]))
		}
	}
	return parts
}

func (p *partitioner) setOf(items []int32) itemSet {
	set := newItemSet(len(p.items))
	for _, k := range items {
		set.add(k)
	}
	return set
}

// over: all alerts of c have ended.
func (s *scene) over(c *cluster) bool {
	over := true
	c.set.each(func(k int32) { s.with(k, func(it *item) { over = over && !it.state.Active() }) })
	return over
}

// planReview plans when inc is to be judged anew because a part of it recovered: when the rest
// has gone on for so much longer that this counts in full, at once when nothing is left.
// firing is how many alerts fire by service.
func (e *Engine) planReview(inc *incident, firing map[nodeID]int) {
	row := inc.row
	row.ReviewAt = time.Time{}
	last := lastRecovery(inc, firing)
	if !last.After(row.ReviewedUntil) {
		return
	}
	row.ReviewAt = last.Add(reviewAfter)
	if row.Firing == 0 || row.ReviewAt.Before(e.meta.Now) {
		row.ReviewAt = e.meta.Now
	}
}

const reviewAfter = time.Duration((recoveryGrace + recoveryScale + recoveryWait) * float64(time.Second))

// lastRecovery is the latest end at a service of inc that alerts no more; zero: there is none.
func lastRecovery(inc *incident, firing map[nodeID]int) (last time.Time) {
	for _, it := range inc.items {
		if firing[it.hit()] == 0 && it.state.EndedAt.After(last) {
			last = it.state.EndedAt
		}
	}
	return last
}

// review has inc judged anew.
func (e *Engine) review(inc *incident) {
	row, firing := e.editIncident(inc), map[nodeID]int{}
	for _, it := range inc.items {
		if it.state.Active() {
			firing[it.hit()]++
		}
	}
	row.ReviewedUntil, row.ReviewAt = lastRecovery(inc, firing), time.Time{}
	e.unsettle(inc)
	e.askSettle()
}
