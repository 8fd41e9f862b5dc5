package correlate

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wide is what only the engine searches.
var wide = small{services: 14, alerts: 16, perService: 3}

// drawWideScene draws a scene with what the twin does not know, too: calls that fail, and traffic that is gone.
func drawWideScene(t *rapid.T) *scene {
	ranking := rapid.Bool().Draw(t, "ranking")
	s := drawScene(t, wide, ranking)
	e := s.e
	s.close()
	var names []string
	for n := range e.nodes.len() {
		names = append(names, e.nodes.name(nodeID(n)))
	}
	b := &AlertBatch{Source: "alertmanager"}
	for i := range rapid.IntRange(0, 5).Draw(t, "further alerts") {
		a := Alert{
			Fingerprint: fmt.Sprintf("f%015x", i), Labels: map[string]string{"alertname": "B", "severity": "critical"},
			StartsAt: e.meta.Now.Add(time.Duration(rapid.SampledFrom(delays).Draw(t, "delay")-600) * time.Second),
		}
		if rapid.Bool().Draw(t, "of a call") {
			a.Labels["source_workload"], a.Labels["destination_workload"] = drawOf(t, names).Name, drawOf(t, names).Name
			a.Labels[ClassLabel] = rapid.SampledFrom([]Class{ClassEdge, ClassLatency, ClassSurge}).Draw(t, "class").String()
		} else {
			a.Labels["service"], a.Labels[ClassLabel] = drawOf(t, names).Name, ClassTrafficGone.String()
		}
		b.Alerts = append(b.Alerts, a)
	}
	e.Step(Input{Pos: e.meta.Pos + 1, At: e.meta.Now, Signal: b})
	var items []*item
	for _, it := range e.items {
		items = append(items, it)
	}
	return e.newScene(items, ranking)
}

// drawPart draws some of the alerts of s.
func drawPart(t *rapid.T, s *scene) itemSet {
	part := newItemSet(len(s.items))
	for k := range s.items {
		if rapid.IntRange(0, 3).Draw(t, "in it") > 0 {
			part.add(int32(k))
		}
	}
	return part
}

// A tree that goes straight for the alerts is the one that looks everywhere, to the last step and bit.
func TestBearingsChangeNoTree(t *testing.T) {
	spared, reached := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawWideScene(t)
		part := drawPart(t, s)
		origin, start := int32(rapid.IntRange(0, len(s.nodes)-1).Draw(t, "origin")), rapid.SampledFrom(s.onset).Draw(t, "start")
		tree := s.grow(origin, start, part)
		looked := s.scratch.visits
		s.bearings.taken = false
		for n := range s.outlook.hope {
			s.outlook.hope[n] = math.Inf(-1)
		}
		whole := s.grow(origin, start, part)
		if whole.score != tree.score || !whole.set.equal(tree.set) || !slices.Equal(whole.steps, tree.steps) || !slices.Equal(whole.attached, tree.attached) {
			t.Errorf("%v are reached, at %v; looking everywhere %v at %v\n%s", tree.set.list(), tree.steps, whole.set.list(), whole.steps, describe(s))
		}
		spared += s.scratch.visits - 2*looked
		reached += len(tree.steps)
	})
	if spared <= 0 || reached < enough(50) {
		t.Errorf("bearings spared %d visits of trees with %d steps", spared, reached)
	}
}

// What is left of a scene is judged by bounds that hold for each part of its alerts.
func TestCeilingsHoldForEachPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawWideScene(t)
		p, _ := newPartitioner(s)
		p.takeBearings()
		part := drawPart(t, s)
		for n := range p.nodes {
			p.appraise(part)
			most, all := p.ceilingFrom(int32(n)), p.ceiling(part)
			tree := p.bestFrom(int32(n), part)
			if tree == nil {
				continue
			}
			if most < tree.score-rounding || all < tree.score-rounding {
				t.Errorf("no tree from %d is better than %.4f, none at all than %.4f, it is said, and one has %.4f: %+v\n%s", n, most, all, tree.score, tree.terms, describe(s))
			}
			p.scratch.giveBack(tree)
		}
	})
}
