package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// island is an engine with one incident for each service, and no edges.
func island(t *testing.T, services ...string) (*Engine, []*incident) {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	spec, batch := topology.Spec{Version: "1"}, &AlertBatch{Source: "alertmanager"}
	for i, name := range services {
		spec.Services = append(spec.Services, topology.Service{Name: name})
		batch.Alerts = append(batch.Alerts, Alert{
			Fingerprint: fmt.Sprintf("%016x", i), StartsAt: now.Add(time.Duration(i) * time.Second),
			Labels: map[string]string{"alertname": "HighErrorRate", "service": name, "severity": "critical"},
		})
	}
	for i, s := range []Signal{&TopologyReport{Source: "test", Spec: spec}, batch, Tick{}} {
		e.Step(Input{Pos: uint64(i + 1), At: now.Add(time.Duration(2*i) * time.Second), Signal: s})
	}
	list := sortedIncidents(e.incidents)
	if len(list) != len(services) {
		t.Fatalf("%d incidents, want one for each of %d services", len(list), len(services))
	}
	return e, list
}

// parts makes a partition of all alerts by hand: each number is the part of an incident's alert.
func parts(e *Engine, of []*incident, number ...int) (*scene, []*cluster) {
	var items []*item
	for _, inc := range of {
		items = append(items, inc.items...)
	}
	s := e.newScene(items, false)
	out := make([]*cluster, slices.Max(number)+1)
	for i := range out {
		out[i] = &cluster{set: newItemSet(len(s.items))}
	}
	for k := range s.items { // by start, as the incidents are
		out[number[k]].set.add(int32(k))
	}
	return s, out
}

func TestNoSideHoldsTwoThatAreKeptApart(t *testing.T) {
	e, inc := island(t, "a", "n", "k", "m", "a2")
	a, n, k, m := inc[0], inc[1], inc[2], inc[3]
	e.part(a, n, Parting{By: "oncall"})
	e.part(k, m, Parting{By: "oncall"})
	s, clusters := parts(e, inc, 0, 0, 0, 1, 1)
	w := s.newWedge(clusters)
	if w == nil || w.side[a] == w.side[n] {
		t.Fatalf("a and n are kept apart and one part holds both: %+v", w)
	}
	if w.touches(clusters[1]) {
		t.Error("m shares no incident with the part that is divided, and is drawn in")
	}

	e.include(a, inc[4].items[0])
	e.release(inc[4])
	s, clusters = parts(e, inc[:4], 0, 0, 0, 1, 1)
	if w = s.newWedge(clusters); !w.touches(clusters[1]) {
		t.Error("a part with an alert of a is left out: a would be two incidents")
	}
	if w.side[k] == w.side[m] {
		t.Errorf("k and m are both on side %d: dividing it could join them", w.side[k])
	}
}

func TestPartingsAreBoundedAndThoseOfOperatorsStay(t *testing.T) {
	names := make([]string, maxPartings+3)
	for i := range names {
		names[i] = fmt.Sprintf("s%02d", i)
	}
	e, inc := island(t, names...)
	e.part(inc[0], inc[1], Parting{By: "oncall"})
	for _, other := range inc[2:] {
		e.part(inc[0], other, Parting{})
	}
	for _, other := range inc[1:] {
		if (inc[0].row.partingFrom(other.row.ID) == nil) != (other.row.partingFrom(inc[0].row.ID) == nil) {
			t.Errorf("only one of %s and %s knows that they are kept apart", inc[0].row.ID, other.row.ID)
		}
	}
	row := inc[0].row
	if len(row.Apart) != maxPartings || row.partingFrom(inc[1].row.ID) == nil {
		t.Errorf("%d partings, want %d with the operator's among them: %v", len(row.Apart), maxPartings, row.partingFrom(inc[1].row.ID))
	}
}

func TestLesson13_APartingGoesOnWithTheIncidentThatTakesOneIn(t *testing.T) {
	e, inc := island(t, "a", "k", "n")
	a, k, n := inc[0], inc[1], inc[2]
	e.part(k, n, Parting{By: "oncall"})
	e.mergeInto(k, a, "", "one failure explains both")
	if p := a.row.partingFrom(n.row.ID); p == nil || p.By != "oncall" {
		t.Errorf("a took k in, which an operator keeps apart from n; a is kept apart from %v", a.row.Apart)
	}
	if n.row.partingFrom(a.row.ID) == nil || n.row.partingFrom(k.row.ID) != nil {
		t.Errorf("n is kept apart from %v, want from a alone", n.row.Apart)
	}
}

// The link is between two incidents: either may be joined with any other one.
func TestLesson13_WhatIsKeptApartFromOneIsFreeToJoinOthers(t *testing.T) {
	e, inc := island(t, "a", "n", "k")
	e.part(inc[0], inc[1], Parting{By: "oncall"})
	for _, number := range [][]int{{0, 1, 0}, {0, 1, 1}} {
		s, clusters := parts(e, inc, number...)
		if w := s.newWedge(clusters); w != nil {
			t.Errorf("parts %v glue nothing that was divided, and are divided: %v", number, w.side)
		}
	}
}

// What the engine divided stays divided until there is a new alert, and then only so often.
func TestLesson13_TheEnginesOwnDivisionIsRemembered(t *testing.T) {
	e, inc := island(t, "a", "b")
	a, b := inc[0], inc[1]
	a.row.Paging.Opens = 1
	e.divided(b, []*incident{a})
	glued := func() bool {
		s, clusters := parts(e, inc, 0, 0)
		return s.newWedge(clusters) == nil
	}
	if glued() {
		t.Fatal("no alert came after the division, and the two may be joined")
	}
	e.meta.Now = e.meta.Now.Add(time.Second)
	e.editAlert(b.items[0]).FirstSeen = e.meta.Now
	if !glued() {
		t.Fatal("an alert came after the division, and the two may not be joined")
	}
	for n := range maxRejoins + 1 {
		if bond := a.items[0].state.Bond; bond != 0 {
			t.Fatalf("after %d rejoins their alerts are bound together", n)
		}
		e.mergeInto(b, a, "", "one failure explains both")
		items := a.items
		b = e.openIncident() // the engine divides them again
		e.include(b, items[len(items)-1])
		e.release(a)
		e.divided(b, []*incident{a})
	}
	if one, two := a.items[0].state.Bond, b.items[0].state.Bond; one == 0 || one != two {
		t.Errorf("divided and joined %d times, and still not bound together: bonds %d and %d", maxRejoins+1, one, two)
	}
}

// The engine's word gives way to an operator's.
func TestAnOperatorsPartingReplacesTheEngines(t *testing.T) {
	e, inc := island(t, "a", "b")
	a, b := inc[0], inc[1]
	e.part(a, b, Parting{})
	e.part(b, a, Parting{By: "oncall"})
	e.part(a, b, Parting{})
	if len(a.row.Apart) != 1 || a.row.Apart[0].By != "oncall" || len(b.row.Apart) != 1 || b.row.Apart[0].By != "oncall" {
		t.Errorf("kept apart by %v and %v, want both by the operator, once", a.row.Apart, b.row.Apart)
	}
}
