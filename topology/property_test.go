package topology

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawSpec makes small graphs with everything in them: cycles, loops, repetition,
// groups with needs, places, implicit nodes.
func drawSpec(t *rapid.T) Spec {
	name := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("s%d", rapid.IntRange(0, 9).Draw(t, "i")) })
	var spec Spec
	for _, n := range rapid.SliceOfNDistinct(name, 0, 6, rapid.ID[string]).Draw(t, "declared") {
		spec.Services = append(spec.Services, Service{
			Name:   n,
			RunsOn: rapid.SliceOfN(rapid.SampledFrom([]string{"h0", "h1", "h2"}), 0, 3).Draw(t, "hosts"),
		})
	}
	for range rapid.IntRange(0, 25).Draw(t, "edges") {
		spec.Dependencies = append(spec.Dependencies, Dependency{
			From: Ref{Name: name.Draw(t, "from")}, To: Ref{Name: name.Draw(t, "to")},
			Mode:  Mode(rapid.IntRange(0, 2).Draw(t, "mode")),
			Group: rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "group"),
		})
	}
	for range rapid.IntRange(0, 4).Draw(t, "needs") {
		spec.Groups = append(spec.Groups, Group{
			From: Ref{Name: name.Draw(t, "owner")}, Name: rapid.SampledFrom([]string{"a", "b", "hosts"}).Draw(t, "name"),
			Need: rapid.IntRange(0, 3).Draw(t, "need"),
		})
	}
	return spec
}

// twin is a graph kept the obvious way: maps of names, every question asked of all.
type twin struct {
	nodes []string
	mode  map[[2]string]Mode
	group map[[2]string]string
	need  map[[2]string]int // owner, group
}

func newTwin(spec Spec) *twin {
	w := &twin{mode: map[[2]string]Mode{}, group: map[[2]string]string{}, need: map[[2]string]int{}}
	for _, s := range spec.Services {
		w.node(s.Name)
	}
	for _, s := range spec.Services {
		group := ""
		if len(s.RunsOn) > 1 {
			group = "hosts"
		}
		for _, h := range s.RunsOn {
			w.edge(s.Name, h, ModeHard, group)
		}
	}
	for _, d := range spec.Dependencies {
		w.edge(d.From.Name, d.To.Name, d.Mode, d.Group)
	}
	for _, g := range spec.Groups {
		key := [2]string{g.From.Name, g.Name}
		if _, listed := w.need[key]; !listed {
			w.need[key] = g.Need
		}
	}
	return w
}

func (w *twin) node(n string) {
	if !slices.Contains(w.nodes, n) {
		w.nodes = append(w.nodes, n)
	}
}

func (w *twin) edge(from, to string, mode Mode, group string) {
	w.node(from)
	w.node(to)
	if from == to {
		return
	}
	key := [2]string{from, to}
	if have, ok := w.mode[key]; ok {
		mode = min(mode, have)
	}
	w.mode[key] = mode
	if w.group[key] == "" {
		w.group[key] = group
	}
}

// effect is the worst that its dependencies do to n, judged from effects of everything.
func (w *twin) effect(n string, of map[string]Effect) Effect {
	worst := EffectNone
	members := map[string][]string{}
	for key, mode := range w.mode {
		if key[0] != n {
			continue
		}
		if g := w.group[key]; g != "" {
			members[g] = append(members[g], key[1])
			continue
		}
		switch e := of[key[1]]; {
		case e < EffectDegraded:
		case mode == ModeHard:
			worst = max(worst, e)
		default:
			worst = max(worst, EffectDegraded)
		}
	}
	for g, all := range members {
		worst = max(worst, w.groupEffect(n, g, all, of))
	}
	return worst
}

func (w *twin) groupEffect(n, g string, members []string, of map[string]Effect) Effect {
	need := max(1, min(w.need[[2]string{n, g}], len(members)))
	working, well, hard := 0, 0, false
	for _, m := range members {
		hard = hard || w.mode[[2]string{n, m}] == ModeHard
		if of[m] < EffectBroken {
			working++
		}
		if of[m] < EffectDegraded {
			well++
		}
	}
	switch {
	case working < need && hard:
		return EffectBroken
	case well < need:
		return EffectDegraded
	case well < len(members):
		return EffectAtRisk
	}
	return EffectNone
}

// whatBreaks steps everything at once until nothing changes.
func (w *twin) whatBreaks(failed []string) map[string][2]int {
	effects, distance := map[string]Effect{}, map[string]int{}
	for _, f := range failed {
		effects[f] = EffectBroken
	}
	for round, changed := 1, true; changed; round++ {
		changed = false
		next := map[string]Effect{}
		for _, n := range w.nodes {
			next[n] = effects[n]
			if slices.Contains(failed, n) {
				continue
			}
			if e := w.effect(n, effects); e > effects[n] {
				next[n], distance[n], changed = e, round, true
			}
		}
		effects = next
	}
	out := map[string][2]int{}
	for n, d := range distance {
		out[n] = [2]int{int(effects[n]), d}
	}
	return out
}

// reach is the distance from n to everything it needs, or that needs it.
func (w *twin) reach(n string, back bool) map[string]int {
	distance := map[string]int{n: 0}
	for round := 1; round <= len(w.nodes); round++ {
		for key := range w.mode {
			from, to := key[0], key[1]
			if back {
				from, to = to, from
			}
			if d, ok := distance[from]; ok && d == round-1 {
				if _, seen := distance[to]; !seen {
					distance[to] = round
				}
			}
		}
	}
	delete(distance, n)
	return distance
}

func TestGraphAgreesWithItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		g, _, err := Build(spec)
		if err != nil {
			t.Fatal(err)
		}
		w := newTwin(spec)
		if g.Len() != len(w.nodes) || g.EdgeCount() != len(w.mode) {
			t.Fatalf("%d nodes, %d edges; twin %d, %d", g.Len(), g.EdgeCount(), len(w.nodes), len(w.mode))
		}
		checkRows(t, g, w)
		if len(w.nodes) == 0 {
			return
		}
		n := rapid.SampledFrom(w.nodes).Draw(t, "start")
		depth := rapid.IntRange(-1, 4).Draw(t, "depth")
		checkWalk(t, g, w, n, depth, false)
		checkWalk(t, g, w, n, depth, true)
		checkImpact(t, g, w, rapid.SliceOfN(rapid.SampledFrom(w.nodes), 0, 4).Draw(t, "failed"))
		checkCycle(t, g, w, n)
	})
}

func id(t *rapid.T, g *Graph, name string) NodeID {
	n, ok := g.Lookup(Ref{Name: name})
	if !ok {
		t.Fatalf("no node %s", name)
	}
	return n
}

func checkRows(t *rapid.T, g *Graph, w *twin) {
	byNode := func(a, b Edge) int { return cmp.Compare(a.Node, b.Node) }
	for n := range NodeID(g.Len()) {
		if !slices.IsSortedFunc(g.Out(n), byNode) || !slices.IsSortedFunc(g.In(n), byNode) {
			t.Fatalf("rows of %s are not sorted", g.Name(n))
		}
		for _, e := range g.Out(n) {
			key := [2]string{g.Name(n), g.Name(e.Node)}
			mode, ok := w.mode[key]
			if !ok || mode != e.Mode {
				t.Fatalf("%v: mode %v, twin %v, %v", key, e.Mode, mode, ok)
			}
			checkGroup(t, g, w, key, e)
			if !slices.Contains(g.In(e.Node), Edge{Node: n, Mode: e.Mode, Group: e.Group}) {
				t.Fatalf("%v is missing from the callee's row", key)
			}
		}
		out, in := 0, 0
		for key := range w.mode {
			if key[0] == g.Name(n) {
				out++
			}
			if key[1] == g.Name(n) {
				in++
			}
		}
		if out != len(g.Out(n)) || in != len(g.In(n)) {
			t.Fatalf("%s has %d and %d edges, twin %d and %d", g.Name(n), len(g.Out(n)), len(g.In(n)), out, in)
		}
	}
}

func checkGroup(t *rapid.T, g *Graph, w *twin, key [2]string, e Edge) {
	if (e.Group == NoGroup) != (w.group[key] == "") {
		t.Fatalf("%v: group %d, twin %q", key, e.Group, w.group[key])
	}
	if e.Group == NoGroup {
		return
	}
	from, name, need, members := g.Group(e.Group)
	if g.Name(from) != key[0] || name != w.group[key] || !slices.Contains(members, e.Node) {
		t.Fatalf("%v: group of %s is %q with %v, twin %q", key, g.Name(from), name, members, w.group[key])
	}
	if want := max(1, min(w.need[[2]string{key[0], name}], len(members))); need != want {
		t.Fatalf("%v: need %d, twin %d", key, need, want)
	}
}

func checkWalk(t *rapid.T, g *Graph, w *twin, from string, depth int, back bool) {
	walk, edges := g.Dependencies, g.In
	if back {
		walk, edges = g.Dependents, g.Out
	}
	hops := walk(id(t, g, from), depth)
	want := w.reach(from, back)
	for n, d := range want {
		if depth > 0 && d > depth {
			delete(want, n)
		}
	}
	got := map[string]int{}
	for _, h := range hops {
		got[g.Name(h.Node)] = h.Distance
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("walk from %s: %s", from, diff)
	}
	got[from] = 0
	for _, h := range hops {
		lowest := None
		for _, e := range edges(h.Node) {
			if d, ok := got[g.Name(e.Node)]; ok && d == h.Distance-1 {
				lowest = e.Node
				break
			}
		}
		if h.Via != lowest {
			t.Fatalf("%s via %d, want %d", g.Name(h.Node), h.Via, lowest)
		}
	}
}

func checkImpact(t *rapid.T, g *Graph, w *twin, failed []string) {
	var ids []NodeID
	for _, f := range failed {
		ids = append(ids, id(t, g, f))
	}
	impacts := g.WhatBreaks(ids...)
	got := map[string][2]int{}
	for _, i := range impacts {
		got[g.Name(i.Node)] = [2]int{int(i.Effect), i.Distance}
		if _, ok := w.mode[[2]string{g.Name(i.Node), g.Name(i.Via)}]; !ok {
			t.Fatalf("%s via %d, which it does not need", g.Name(i.Node), i.Via)
		}
	}
	if diff := gocmp.Diff(w.whatBreaks(failed), got); diff != "" {
		t.Fatalf("failed %v: %s", failed, diff)
	}
	slices.Reverse(ids)
	if diff := gocmp.Diff(impacts, g.WhatBreaks(ids...)); diff != "" {
		t.Fatalf("the order of failures shows: %s", diff)
	}
}

func checkCycle(t *rapid.T, g *Graph, w *twin, n string) {
	forward, back := w.reach(n, false), w.reach(n, true)
	var want []string
	for _, other := range w.nodes {
		_, to := forward[other]
		if _, from := back[other]; to && from {
			want = append(want, other)
		}
	}
	if want != nil {
		want = append(want, n)
	}
	slices.Sort(want)
	got := nodeNames(g, g.Cycle(id(t, g, n)))
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("cycle of %s: %s", n, diff)
	}
}

// A further failure never makes anything better.
func TestWhatBreaksIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		g, _, err := Build(spec)
		if err != nil || g.Len() == 0 {
			return
		}
		node := rapid.Map(rapid.IntRange(0, g.Len()-1), func(i int) NodeID { return NodeID(i) })
		failed := rapid.SliceOfN(node, 0, 3).Draw(t, "failed")
		more := append(slices.Clone(failed), node.Draw(t, "more"))
		after := map[NodeID]Effect{}
		for _, i := range g.WhatBreaks(more...) {
			after[i.Node] = i.Effect
		}
		for _, i := range g.WhatBreaks(failed...) {
			if after[i.Node] < i.Effect && !slices.Contains(more, i.Node) {
				t.Fatalf("%s was %v, with one more failure it is %v", g.Name(i.Node), i.Effect, after[i.Node])
			}
		}
	})
}

func TestALongChainDoesNotNeedALongStack(t *testing.T) {
	const length = 200_000
	spec := Spec{}
	for i := range length {
		spec.Dependencies = append(spec.Dependencies, dep(fmt.Sprintf("s%d", i), fmt.Sprintf("s%d", (i+1)%length)))
	}
	g := mustBuild(t, spec)
	if len(g.Cycle(0)) != length {
		t.Errorf("the ring has %d members", len(g.Cycle(0)))
	}
	if hops := g.Dependencies(0, 0); len(hops) != length-1 || hops[length-2].Distance != length-1 {
		t.Errorf("%d hops", len(hops))
	}
}
