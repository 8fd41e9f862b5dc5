package correlate

import "slices"

// chargePauses walks the attached alerts by onset: after a pause in the activity,
// a further alert hardly belongs to the same failure. An alert that the pause makes
// worthless is dropped. This one term keeps two failures of one neighbourhood apart
// better than any window. For a service that was alerting all along the pause costs less.
func (s *scene) chargePauses(t *tree) {
	order := slices.Clone(t.attached)
	slices.SortFunc(order, func(a, b attachment) int { return compareOnset(s)(a.item, b.item) })
	dropped := newItemSet(len(s.items))
	last := s.onset[order[0].item]
	for i := 1; i < len(order); i++ {
		a := &order[i]
		on := s.onset[a.item]
		cost := s.pauseCost(a, on-last)
		switch {
		case cost <= 0:
		case s.alertingAlong(t, order[:i], a, dropped):
			cost *= gapSameNode
			fallthrough
		default:
			if cost >= a.full {
				dropped.add(a.item)
				continue
			}
			t.terms.pause -= cost
		}
		last = on
	}
	t.dropAll(dropped)
}

func (s *scene) pauseCost(a *attachment, gap float64) float64 {
	grace := gapGrace
	if c := s.items[a.item].state.Class; c == ClassTrafficGone || c == ClassLag {
		grace = gapGraceSlow
	}
	return (gap - grace) / max(gapScale, s.quantum)
}

// alertingAlong: a's service, the one above it or the origin was alerting already and
// did so through the pause.
func (s *scene) alertingAlong(t *tree, before []attachment, a *attachment, dropped itemSet) bool {
	return slices.ContainsFunc(before, func(b attachment) bool {
		return (b.node == a.node || b.node == a.ref || b.node == t.origin) && !dropped.has(b.item) &&
			(s.ended[b.item] == 0 || s.ended[b.item] >= s.onset[a.item])
	})
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

// deepen measures what a silent database, cache or queue reached directly from the
// symptom before it, not from the first one: what is used up slowly takes its clients one
// after the other, and the time between them is charged as a pause already.
func (s *scene) deepen(t *tree) {
	if !t.silent || !s.nodes[t.origin].shared {
		return
	}
	var direct []int
	for i := range t.attached {
		if t.attached[i].ref < 0 && t.attached[i].node != t.origin {
			direct = append(direct, i)
		}
	}
	slices.SortFunc(direct, func(a, b int) int { return compareOnset(s)(t.attached[a].item, t.attached[b].item) })
	for n := 1; n < len(direct); n++ {
		a := &t.attached[direct[n]]
		before := s.onset[t.attached[direct[n-1]].item]
		was, is := s.timeCost(a.item, t.start, 0), s.timeCost(a.item, before, 0)
		if is >= was {
			continue
		}
		gain := a.time * (is/was - 1)
		a.time += gain
		a.value += gain
		t.terms.time += gain
	}
}
