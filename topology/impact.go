package topology

import (
	"cmp"
	"slices"
)

// Effect is what the failure of others does to a node. Higher is worse.
type Effect uint8

const (
	EffectNone     Effect = iota // works
	EffectAtRisk                 // works, with less redundancy than it was given
	EffectDegraded               // works in part or late
	EffectBroken                 // does not work
)

var effectNames = [...]string{"none", "at_risk", "degraded", "broken"}

// String is a lower-case word.
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return "unknown"
}

// Impact is one node that the failures reach.
type Impact struct {
	Node     NodeID
	Effect   Effect
	Distance int    // steps that the failure needed to have this effect, at least 1
	Via      NodeID // the dependency that passed it on; of several, the lowest id
}

// WhatBreaks tells what the failure of some nodes does to all others, under the
// graph's own rules:
//
//   - needing a broken node hard is to be broken; needing it soft or async is to be degraded;
//   - needing a degraded node is to be degraded;
//   - a redundancy group breaks its owner (degrades it, when every member is soft or
//     async) once fewer than the needed members work, degrades it once fewer than the
//     needed members work well, and puts it at risk when only spare members are lost;
//   - being at risk is passed on to nobody.
//
// The worst comes first, then the nearest, then the lowest id. The failed nodes
// themselves are not listed; ids outside the graph are ignored. Effects only grow
// and there are three of them, so cycles end: at most 3 × edges steps.
func (g *Graph) WhatBreaks(failed ...NodeID) []Impact {
	s := spread{g: g, impact: make(map[NodeID]Impact)}
	changed := s.fail(failed)
	for distance := 1; len(changed) > 0; distance++ {
		changed = s.step(changed, distance)
	}
	return s.result()
}

// spread is the state of one WhatBreaks. Steps are synchronous: each looks only at what
// held after the one before, so no result depends on the order inside a step.
type spread struct {
	g      *Graph
	failed map[NodeID]bool
	impact map[NodeID]Impact
}

func (s *spread) fail(nodes []NodeID) []NodeID {
	s.failed = make(map[NodeID]bool, len(nodes))
	var changed []NodeID
	for _, n := range nodes {
		if n >= 0 && int(n) < s.g.Len() && !s.failed[n] {
			s.failed[n] = true
			changed = append(changed, n)
		}
	}
	return changed
}

// step re-judges the dependents of what changed and returns those that got worse.
func (s *spread) step(changed []NodeID, distance int) []NodeID {
	var worse []Impact
	judged := make(map[NodeID]bool)
	for _, dep := range changed {
		for _, e := range s.g.In(dep) {
			if judged[e.Node] || s.failed[e.Node] {
				continue
			}
			judged[e.Node] = true
			if effect, via := s.judge(e.Node); effect > s.impact[e.Node].Effect {
				worse = append(worse, Impact{Node: e.Node, Effect: effect, Distance: distance, Via: via})
			}
		}
	}
	next := make([]NodeID, 0, len(worse))
	for _, w := range worse {
		s.impact[w.Node] = w
		next = append(next, w.Node)
	}
	return next
}

func (s *spread) effectOn(n NodeID) Effect {
	if s.failed[n] {
		return EffectBroken
	}
	return s.impact[n].Effect
}

// judge is the effect on n of the present state of what it needs, and the first
// dependency that explains it.
func (s *spread) judge(n NodeID) (Effect, NodeID) {
	worst, via := EffectNone, None
	for _, e := range s.g.Out(n) {
		if s.effectOn(e.Node) < EffectDegraded {
			continue
		}
		if effect := s.passed(e); effect > worst {
			worst, via = effect, e.Node
		}
	}
	return worst, via
}

// passed is the effect that an edge to an impaired node hands on.
func (s *spread) passed(e Edge) Effect {
	switch {
	case e.Group != NoGroup:
		return s.groupEffect(&s.g.groups[e.Group])
	case e.Mode == ModeHard:
		return s.effectOn(e.Node)
	default:
		return EffectDegraded
	}
}

// groupEffect is called for groups with at least one impaired member.
func (s *spread) groupEffect(r *group) Effect {
	working, well := 0, 0
	for _, m := range r.members {
		switch s.effectOn(m) {
		case EffectBroken:
		case EffectDegraded:
			working++
		default:
			working++
			well++
		}
	}
	switch {
	case working < r.need && r.mode == ModeHard:
		return EffectBroken
	case well < r.need:
		return EffectDegraded
	default:
		return EffectAtRisk
	}
}

func (s *spread) result() []Impact {
	impacts := make([]Impact, 0, len(s.impact))
	for _, i := range s.impact {
		impacts = append(impacts, i)
	}
	slices.SortFunc(impacts, func(a, b Impact) int {
		return cmp.Or(cmp.Compare(b.Effect, a.Effect), cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Node, b.Node))
	})
	return impacts
}
