package topology

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustBuild(t testing.TB, spec Spec) *Graph {
	t.Helper()
	g, _, err := Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// dep is "from -> to" in the notation of ParseRef.
func dep(from, to string) Dependency {
	return Dependency{From: ParseRef(from), To: ParseRef(to)}
}

func nodeNames(g *Graph, nodes []NodeID) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, g.Name(n))
	}
	return out
}

func neighbours(g *Graph, edges []Edge) []string {
	var out []string
	for _, e := range edges {
		out = append(out, g.Name(e.Node))
	}
	return out
}

func node(t testing.TB, g *Graph, name string) NodeID {
	t.Helper()
	n, ok := g.Lookup(ParseRef(name))
	if !ok {
		t.Fatalf("no node %q", name)
	}
	return n
}

func warningTexts(ws []Warning) string {
	var b strings.Builder
	for _, w := range ws {
		b.WriteString(w.Text + "\n")
	}
	return b.String()
}

func TestParseRef(t *testing.T) {
	for in, want := range map[string]Ref{
		"cart":               {Name: "cart"},
		"shop/cart":          {Namespace: "shop", Name: "cart"},
		"shop/cart/v2":       {Namespace: "shop", Name: "cart/v2"},
		"S3_AWS::S3":         {Name: "S3_AWS::S3"},
		"https://sqs.eu/x/y": {Name: "https://sqs.eu/x/y"},
		"/cart":              {Name: "/cart"},
		"cart/":              {Name: "cart/"},
		"":                   {},
	} {
		got := ParseRef(in)
		if got != want {
			t.Errorf("ParseRef(%q) = %#v, want %#v", in, got, want)
		}
		if got.String() != in {
			t.Errorf("ParseRef(%q).String() = %q", in, got.String())
		}
	}
}

func TestKindAndModeNamesRoundTrip(t *testing.T) {
	for i, name := range KindNames() {
		if k, err := ParseKind(name); err != nil || k != Kind(i) || k.String() != name {
			t.Errorf("kind %q: %v, %v", name, k, err)
		}
	}
	for i, name := range ModeNames() {
		if m, err := ParseMode(name); err != nil || m != Mode(i) || m.String() != name {
			t.Errorf("mode %q: %v, %v", name, m, err)
		}
	}
	if k, err := ParseKind("region"); err != nil || k != KindZone {
		t.Errorf("region is zone-like, got %v, %v", k, err)
	}
	if _, err := ParseKind("pet"); err == nil || !strings.Contains(err.Error(), "database") {
		t.Errorf("an unknown kind lists the valid ones, got %v", err)
	}
	if _, err := ParseMode("firm"); err == nil || !strings.Contains(err.Error(), "hard, soft, async") {
		t.Errorf("an unknown mode lists the valid ones, got %v", err)
	}
}

func TestBuildOrdersNodesByDeclarationThenFirstMention(t *testing.T) {
	g := mustBuild(t, Spec{
		Version:  "v7",
		Services: []Service{{Name: "web", RunsOn: []string{"node-2", "node-1"}}, {Name: "cart", Namespace: "shop"}},
		Dependencies: []Dependency{
			dep("web", "search"), dep("cart", "data/redis"), dep("search", "redis"), dep("web", "shop/cart"),
		},
	})
	var got []string
	for n := range g.Len() {
		got = append(got, g.Name(NodeID(n)))
	}
	want := []string{"web", "cart", "node-2", "node-1", "search", "redis"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if k := g.Service(node(t, g, "node-1")).Kind; k != KindHost {
		t.Errorf("an implicit place is a %v, want host", k)
	}
	if g.Declared(node(t, g, "search")) || !g.Declared(node(t, g, "web")) {
		t.Error("Declared does not follow the Spec")
	}
	if g.Version() != "v7" {
		t.Errorf("version %q", g.Version())
	}
	if diff := cmp.Diff([]string{"cart", "node-2", "node-1", "search"}, neighbours(g, g.Out(0))); diff != "" {
		t.Errorf("out of web: %s", diff)
	}
}

func TestBuildBareMentionBeforeFullOneIsTheSameNode(t *testing.T) {
	g, _, err := Build(Spec{Dependencies: []Dependency{dep("web", "redis"), dep("cart", "data/redis")}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"web", "redis", "cart"}
	if diff := cmp.Diff(want, nodeNames(g, []NodeID{0, 1, 2})); diff != "" || g.Len() != 3 {
		t.Errorf("%d nodes: %s", g.Len(), diff)
	}
	if g.Ref(1).Namespace != "data" {
		t.Errorf("redis lost its namespace: %v", g.Ref(1))
	}
}

func TestLookup(t *testing.T) {
	g := mustBuild(t, Spec{Services: []Service{
		{Name: "db", Namespace: "eu"},
		{Name: "db", Namespace: "us"},
		{Name: "cart", Namespace: "shop"},
		{Name: "mysql"},
		{Name: "auth"},
		{Name: "auth", Namespace: "eu"},
	}})
	for _, c := range []struct {
		point string
		ref   Ref
		want  int
	}{
		{"exact", Ref{"us", "db"}, 1},
		{"a bare name that two namespaces share is nobody", Ref{"", "db"}, -1},
		{"another namespace is nobody", Ref{"asia", "db"}, -1},
		{"a unique bare name", Ref{"", "cart"}, 2},
		{"a unique name in another namespace is somebody else", Ref{"eu", "cart"}, -1},
		{"a node without namespace answers to any", Ref{"shop", "mysql"}, 3},
		{"exact beats ambiguous", Ref{"", "auth"}, 4},
		{"exact beats ambiguous, with namespace", Ref{"eu", "auth"}, 5},
		{"unknown", Ref{"", "x"}, -1},
	} {
		n, ok := g.Lookup(c.ref)
		if ok != (c.want >= 0) || (ok && int(n) != c.want) {
			t.Errorf("%s: Lookup(%v) = %v, %v; want %d", c.point, c.ref, n, ok, c.want)
		}
	}
	if g.Name(1) != "us/db" || g.Name(2) != "cart" {
		t.Errorf("names %q, %q", g.Name(1), g.Name(2))
	}
}

func TestBuildErrorsNameTheEntry(t *testing.T) {
	for _, c := range []struct {
		point string
		spec  Spec
		want  string
	}{
		{"nameless service", Spec{Services: []Service{{Name: "a"}, {Owner: "x"}}}, "services[1] has no name"},
		{"declared twice", Spec{Services: []Service{{Name: "a"}, {Name: "a"}}}, `services[1]: service "a" is declared twice`},
		{
			"declared twice among namesakes",
			Spec{Services: []Service{{Name: "a", Namespace: "x"}, {Name: "a", Namespace: "y"}, {Name: "a", Namespace: "x"}}},
			`services[2]: service "x/a" is declared twice`,
		},
		{
			"ambiguous end",
			Spec{
				Services:     []Service{{Name: "a", Namespace: "x"}, {Name: "a", Namespace: "y"}},
				Dependencies: []Dependency{dep("web", "a"), dep("api", "a")},
			},
			`name "a" is ambiguous, it could be x/a or y/a; write namespace/name`,
		},
		{"nameless end", Spec{Dependencies: []Dependency{dep("web", "")}}, `dependencies[0] ("web" -> "") needs a name at both ends`},
		{"nameless place", Spec{Services: []Service{{Name: "a", RunsOn: []string{""}}}}, `service "a": runs_on has an empty name`},
	} {
		_, _, err := Build(c.spec)
		if err == nil || err.Error() != c.want && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.point, err, c.want)
		}
	}
}

func TestBuildWarnsAboutWhatItRepairs(t *testing.T) {
	spec := Spec{
		Services: []Service{{Name: "web"}, {Name: "cart"}, {Name: "r1"}, {Name: "r2"}},
		Dependencies: []Dependency{
			dep("web", "web"),
			{From: Ref{Name: "web"}, To: Ref{Name: "cart"}, Mode: ModeAsync},
			{From: Ref{Name: "web"}, To: Ref{Name: "cart"}, Mode: ModeSoft},
			{From: Ref{Name: "cart"}, To: Ref{Name: "r1"}, Group: "redis"},
			{From: Ref{Name: "cart"}, To: Ref{Name: "r2"}, Group: "redis"},
			dep("cart", "r2"),
			dep("cart", "smtp"),
		},
		Groups: []Group{
			{From: Ref{Name: "cart"}, Name: "redis", Need: 3},
			{From: Ref{Name: "cart"}, Name: "redis", Need: 1},
			{From: Ref{Name: "cart"}, Name: "kafka", Need: 1},
			{From: Ref{Name: "nobody"}, Name: "x", Need: 1},
		},
	}
	g, warnings, err := Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`service "smtp" is named only by dependencies; declare it under services to give it a kind and an owner`,
		`service "web" depends on itself; the dependency is ignored`,
		`dependency "web" -> "cart" is listed more than once; the strongest mode (soft) is used`,
		`dependency "cart" -> "r2" is listed more than once; the strongest mode (hard) is used`,
		`redundancy group "redis" of "cart" needs 3 of 2 members; all 2 are taken as needed`,
		`redundancy group "redis" of "cart" is listed more than once; the first need is used`,
		`redundancy group "kafka" of "cart" has no members; name it in the redundancy_group of a dependency`,
		`redundancy group "x" belongs to "nobody", which is no service here; it is ignored`,
	}, "\n") + "\n"
	if diff := cmp.Diff(want, warningTexts(warnings)); diff != "" {
		t.Error(diff)
	}
	if e := g.Out(0); len(e) != 1 || e[0].Mode != ModeSoft {
		t.Errorf("web's edges: %v", e)
	}
	from, name, need, members := g.Group(g.Out(1)[1].Group)
	if from != 1 || name != "redis" || need != 2 || len(members) != 2 {
		t.Errorf("group: %v %v %v %v", from, name, need, members)
	}
}

func TestBuildWarningsAreBounded(t *testing.T) {
	var spec Spec
	for i := range 5000 {
		spec.Dependencies = append(spec.Dependencies, dep("web", fmt.Sprintf("svc-%d", i)))
	}
	_, warnings, err := Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != maxWarnings+1 || warnings[maxWarnings].Text != "and 4901 more warnings" {
		t.Errorf("%d warnings, last %q", len(warnings), warnings[len(warnings)-1].Text)
	}
}

func TestSeveralHostsAreRedundant(t *testing.T) {
	g := mustBuild(t, Spec{Services: []Service{
		{Name: "cart", RunsOn: []string{"node-1", "node-2"}},
		{Name: "mysql", RunsOn: []string{"node-1"}},
	}})
	impacts := g.WhatBreaks(node(t, g, "node-1"))
	got := map[string]Effect{}
	for _, i := range impacts {
		got[g.Name(i.Node)] = i.Effect
	}
	if diff := cmp.Diff(map[string]Effect{"cart": EffectAtRisk, "mysql": EffectBroken}, got); diff != "" {
		t.Error(diff)
	}
	both := g.WhatBreaks(node(t, g, "node-1"), node(t, g, "node-2"))
	if len(both) != 2 || both[0].Effect != EffectBroken || both[1].Effect != EffectBroken {
		t.Errorf("both hosts lost: %v", both)
	}
}

// The group of a grandparent counts, and unreachable members do not (what Icinga and
// LibreNMS got wrong at first).
func TestLesson03_RedundancyReachesGrandparents(t *testing.T) {
	g := mustBuild(t, Spec{Dependencies: []Dependency{
		dep("web", "cart"),
		{From: Ref{Name: "cart"}, To: Ref{Name: "redis-a"}, Group: "redis"},
		{From: Ref{Name: "cart"}, To: Ref{Name: "redis-b"}, Group: "redis"},
		dep("redis-a", "disk-a"), dep("redis-b", "disk-b"),
	}})
	one := g.WhatBreaks(node(t, g, "disk-a"))
	want := []Impact{
		{Node: node(t, g, "redis-a"), Effect: EffectBroken, Distance: 1, Via: node(t, g, "disk-a")},
		{Node: node(t, g, "cart"), Effect: EffectAtRisk, Distance: 2, Via: node(t, g, "redis-a")},
	}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Errorf("one disk: %s", diff)
	}
	all := g.WhatBreaks(node(t, g, "disk-a"), node(t, g, "disk-b"))
	last := all[len(all)-1]
	if len(all) != 4 || g.Name(last.Node) != "web" || last.Effect != EffectBroken || last.Distance != 3 {
		t.Errorf("both disks: %v", all)
	}
}

func TestLesson04_ACycleSurvives(t *testing.T) {
	g := mustBuild(t, Spec{Dependencies: []Dependency{
		dep("a", "b"), dep("b", "c"), dep("c", "a"), dep("c", "d"), dep("x", "y"), dep("y", "x"),
	}})
	if diff := cmp.Diff([]string{"a", "b", "c"}, nodeNames(g, g.Cycle(node(t, g, "b")))); diff != "" {
		t.Error(diff)
	}
	if g.Cycle(node(t, g, "d")) != nil {
		t.Error("d is on no cycle")
	}
	if len(g.Cycles()) != 2 {
		t.Errorf("cycles: %v", g.Cycles())
	}
	if hops := g.Dependencies(node(t, g, "a"), 0); len(hops) != 3 {
		t.Errorf("hops: %v", hops)
	}
	if impacts := g.WhatBreaks(node(t, g, "d")); len(impacts) != 3 || impacts[2].Distance != 3 {
		t.Errorf("impacts: %v", impacts)
	}
}

func TestEmptyGraphs(t *testing.T) {
	var none *Graph
	if none.Len() != 0 || none.Version() != "" || none.Cycles() != nil || none.EdgeCount() != 0 || none.GroupCount() != 0 {
		t.Error("nil is not empty")
	}
	if _, ok := none.Lookup(Ref{Name: "a"}); ok {
		t.Error("nil knows a")
	}
	g := mustBuild(t, Spec{})
	if g.Len() != 0 || len(g.WhatBreaks(3, None)) != 0 {
		t.Error("the empty Spec is not an empty graph")
	}
}

// The same member listed twice is one member: with it the group is gone.
func TestLesson03_ARepeatedDependencyIsNoSecondMember(t *testing.T) {
	member := Dependency{From: Ref{Name: "cart"}, To: Ref{Name: "redis-a"}, Group: "redis"}
	g := mustBuild(t, Spec{Dependencies: []Dependency{member, member, dep("web", "cart")}})
	got := g.WhatBreaks(node(t, g, "redis-a"))
	want := []Impact{
		{Node: node(t, g, "cart"), Effect: EffectBroken, Distance: 1, Via: node(t, g, "redis-a")},
		{Node: node(t, g, "web"), Effect: EffectBroken, Distance: 2, Via: node(t, g, "cart")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Two groups of one service are joined by "and": one dead member in each breaks nothing, a
// whole group breaks it although the other holds.
func TestLesson03_GroupsAreAnyOfWithinAndAllOfBetween(t *testing.T) {
	group := func(to, name string) Dependency {
		return Dependency{From: Ref{Name: "cart"}, To: Ref{Name: to}, Group: name}
	}
	g := mustBuild(t, Spec{Dependencies: []Dependency{group("redis-a", "redis"), group("redis-b", "redis"), group("db-a", "db"), group("db-b", "db")}})
	effect := func(down ...string) Effect {
		var nodes []NodeID
		for _, name := range down {
			nodes = append(nodes, node(t, g, name))
		}
		for _, i := range g.WhatBreaks(nodes...) {
			if g.Name(i.Node) == "cart" {
				return i.Effect
			}
		}
		return EffectNone
	}
	for _, tt := range []struct {
		down []string
		want Effect
	}{
		{[]string{"redis-a"}, EffectAtRisk},
		{[]string{"redis-a", "db-b"}, EffectAtRisk},
		{[]string{"redis-a", "redis-b"}, EffectBroken},
		{[]string{"db-a", "db-b"}, EffectBroken},
	} {
		if got := effect(tt.down...); got != tt.want {
			t.Errorf("%v are down: cart is %v, want %v", tt.down, got, tt.want)
		}
	}
}

// The depth of a dependency is that of the shortest way, whichever was listed first.
func TestLesson05_DepthIsTheShortestWay(t *testing.T) {
	long := []Dependency{dep("web", "a"), dep("a", "b"), dep("b", "db")}
	short := []Dependency{dep("web", "db")}
	for _, deps := range [][]Dependency{append(append([]Dependency{}, long...), short...), append(append([]Dependency{}, short...), long...)} {
		g := mustBuild(t, Spec{Dependencies: deps})
		db := node(t, g, "db")
		for _, hop := range g.Dependencies(node(t, g, "web"), 0) {
			if hop.Node == db && hop.Distance != 1 {
				t.Errorf("db is %d steps from web, want 1", hop.Distance)
			}
		}
		if hops := g.Dependencies(node(t, g, "web"), 1); len(hops) != 2 {
			t.Errorf("within one step of web: %v, want a and db", hops)
		}
	}
}
