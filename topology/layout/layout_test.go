package layout

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// graphs draws graphs of all sorts: trees, cycles, several parts, edges that are there twice.
func graphs(t *rapid.T, most int) ([]Node, []Edge) {
	nodes := make([]Node, rapid.IntRange(0, most).Draw(t, "nodes"))
	for i := range nodes {
		nodes[i] = Node{
			Key:   fmt.Sprintf("n%03d", i),
			Width: float64(rapid.IntRange(1, 200).Draw(t, "width")), Height: float64(rapid.IntRange(1, 60).Draw(t, "height")),
		}
	}
	if len(nodes) == 0 {
		return nodes, nil
	}
	node := rapid.IntRange(0, len(nodes)-1)
	edges := make([]Edge, rapid.IntRange(0, 2*most).Draw(t, "edges"))
	for i := range edges {
		edges[i] = Edge{From: node.Draw(t, "from"), To: node.Draw(t, "to"), Weight: rapid.IntRange(0, 3).Draw(t, "weight")}
	}
	return nodes, edges
}

func options(t *rapid.T) Options {
	return Options{Direction: rapid.SampledFrom([]Direction{Right, Down}).Draw(t, "direction")}
}

// slack is what rounding may take from a distance.
const slack = 1.001

func TestBoxesNeverOverlapAndKeepTheirDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, edges := graphs(t, 25)
		o := options(t)
		p := Draw(nodes, edges, o)
		o.setDefaults()
		for i, a := range p.Boxes {
			if a.Width != nodes[i].Width || a.Height != nodes[i].Height {
				t.Fatalf("%s is %v by %v, want %v by %v", nodes[i].Key, a.Width, a.Height, nodes[i].Width, nodes[i].Height)
			}
			if a.X < 0 || a.Y < -slack || a.X+a.Width > p.Width || a.Y+a.Height > p.Height {
				t.Fatalf("%s lies outside of the picture: %+v in %v by %v", nodes[i].Key, a, p.Width, p.Height)
			}
			for j, b := range p.Boxes[:i] {
				apart := max(a.X-b.X-b.Width, b.X-a.X-a.Width, a.Y-b.Y-b.Height, b.Y-a.Y-a.Height)
				if apart < o.NodeGap-slack {
					t.Fatalf("%s and %s are %v apart: %+v %+v", nodes[i].Key, nodes[j].Key, apart, a, b)
				}
			}
		}
	})
}

func TestEdgesPointFromLayerToLayerAndNoneToItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, edges := graphs(t, 25)
		p := Draw(nodes, edges, options(t))
		used := make([]bool, p.Layers)
		for i, b := range p.Boxes {
			if b.Layer < 0 || b.Layer >= p.Layers {
				t.Fatalf("%s is in layer %d of %d", nodes[i].Key, b.Layer, p.Layers)
			}
			used[b.Layer] = true
		}
		if slices.Contains(used, false) {
			t.Fatalf("a layer is empty: %v", used)
		}
		for i, e := range edges {
			from, to := p.Boxes[e.From].Layer, p.Boxes[e.To].Layer
			switch r := p.Routes[i]; {
			case e.From == e.To && len(r.Points) > 0:
				t.Fatalf("an edge from %d to itself is drawn", e.From)
			case e.From == e.To:
			case !r.Turned && from >= to, r.Turned && from <= to:
				t.Fatalf("edge %d leads from layer %d to %d, turned %v", i, from, to, r.Turned)
			}
		}
	})
}

func TestWithoutCyclesNoEdgeIsTurned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, edges := graphs(t, 25)
		for i, e := range edges {
			edges[i].From, edges[i].To = min(e.From, e.To), max(e.From, e.To)
		}
		for i, r := range Draw(nodes, edges, options(t)).Routes {
			if r.Turned {
				t.Fatalf("edge %v is turned", edges[i])
			}
		}
	})
}

func TestRoutesTouchNoBoxButAtTheirEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, edges := graphs(t, 20)
		p := Draw(nodes, edges, options(t))
		for i, r := range p.Routes {
			if len(r.Points) == 0 {
				continue
			}
			e := edges[i]
			if !onBorder(p.Boxes[e.From], r.Points[0]) || !onBorder(p.Boxes[e.To], r.Points[len(r.Points)-1]) {
				t.Fatalf("edge %v does not lead from box to box: %v, %+v, %+v", e, r.Points, p.Boxes[e.From], p.Boxes[e.To])
			}
			for k := 1; k < len(r.Points); k++ {
				for j, b := range p.Boxes {
					if passes(r.Points[k-1], r.Points[k], b) {
						t.Fatalf("edge %v runs through %s: %v, %+v", e, nodes[j].Key, r.Points, b)
					}
				}
			}
		}
	})
}

func onBorder(b Box, p Point) bool {
	const eps = 1e-6
	in := p.X >= b.X-eps && p.X <= b.X+b.Width+eps && p.Y >= b.Y-eps && p.Y <= b.Y+b.Height+eps
	return in && !inside(b, p)
}

func inside(b Box, p Point) bool {
	const eps = 1e-6
	return p.X > b.X+eps && p.X < b.X+b.Width-eps && p.Y > b.Y+eps && p.Y < b.Y+b.Height-eps
}

// passes looks at so many points of a line that it would meet any box of a unit's size in a small picture.
func passes(from, to Point, b Box) bool {
	n := int(math.Hypot(to.X-from.X, to.Y-from.Y)*2) + 1
	for i := range n + 1 {
		f := float64(i) / float64(n)
		if inside(b, Point{from.X + f*(to.X-from.X), from.Y + f*(to.Y-from.Y)}) {
			return true
		}
	}
	return false
}

func TestTheOrderInWhichNodesAndEdgesAreNamedDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, edges := graphs(t, 20)
		edges = slices.CompactFunc(slices.SortedFunc(slices.Values(edges), func(a, b Edge) int {
			return 1000*(a.From-b.From) + a.To - b.To
		}), func(a, b Edge) bool { return a.From == b.From && a.To == b.To })
		o := options(t)
		want := Draw(nodes, edges, o)

		order := rapid.Permutation(indices(len(nodes))).Draw(t, "order of nodes")
		edgeOrder := rapid.Permutation(indices(len(edges))).Draw(t, "order of edges")
		place := make([]int, len(nodes))
		shuffled := make([]Node, len(nodes))
		for to, from := range order {
			place[from], shuffled[to] = to, nodes[from]
		}
		shuffledEdges := make([]Edge, len(edges))
		for to, from := range edgeOrder {
			e := edges[from]
			shuffledEdges[to] = Edge{place[e.From], place[e.To], e.Weight}
		}
		got := Draw(shuffled, shuffledEdges, o)

		for from, to := range place {
			if diff := cmp.Diff(want.Boxes[from], got.Boxes[to]); diff != "" {
				t.Fatalf("%s (-named in order +shuffled):\n%s", nodes[from].Key, diff)
			}
		}
		for to, from := range edgeOrder {
			if diff := cmp.Diff(want.Routes[from], got.Routes[to]); diff != "" {
				t.Fatalf("edge %v (-named in order +shuffled):\n%s", edges[from], diff)
			}
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestDownIsRightMirroredAtTheDiagonal(t *testing.T) {
	nodes := []Node{{"a", 10, 20}, {"b", 30, 40}, {"c", 50, 60}}
	edges := []Edge{{From: 0, To: 1}, {From: 1, To: 2}, {From: 0, To: 2}}
	right := Draw(nodes, edges, Options{})
	for i := range nodes {
		nodes[i].Width, nodes[i].Height = nodes[i].Height, nodes[i].Width
	}
	down := Draw(nodes, edges, Options{Direction: Down})
	for i, b := range right.Boxes {
		if want := (Box{b.Y, b.X, b.Height, b.Width, b.Layer, b.Order}); down.Boxes[i] != want {
			t.Errorf("box %d is at %+v, want %+v", i, down.Boxes[i], want)
		}
	}
	if down.Width != right.Height || down.Height != right.Width {
		t.Errorf("%v by %v, want %v by %v", down.Width, down.Height, right.Height, right.Width)
	}
}

func TestATreeIsDrawnWithoutCrossings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "nodes")
		nodes := make([]Node, n)
		var edges []Edge
		for i := range nodes {
			nodes[i] = Node{fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key"), "-", i), 80, 20}
			if i > 0 {
				edges = append(edges, Edge{From: rapid.IntRange(0, i-1).Draw(t, "parent"), To: i})
			}
		}
		o := Options{}
		o.setDefaults()
		d := newDrawing(nodes, edges, o)
		d.breakCycles()
		d.rank()
		d.split()
		d.order()
		if c := d.crossings(); c != 0 {
			t.Fatalf("%d crossings", c)
		}
	})
}

func TestCrossingsAreThoseThatOneCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, edges := graphs(t, 15)
		o := Options{}
		o.setDefaults()
		d := newDrawing(nodes, edges, o)
		d.breakCycles()
		d.rank()
		d.split()
		d.slot = make([]int, len(d.layerOf))
		d.firstOrder()
		type line struct{ layer, from, to int }
		var all []line
		for v, next := range d.after {
			for _, w := range next {
				all = append(all, line{d.layerOf[v], d.slot[v], d.slot[w]})
			}
		}
		want := 0
		for i, a := range all {
			for _, b := range all[:i] {
				if a.layer == b.layer && (a.from-b.from)*(a.to-b.to) < 0 {
					want++
				}
			}
		}
		if got := d.crossings(); got != want {
			t.Fatalf("%d crossings, want %d", got, want)
		}
	})
}

// A longest way decides how many layers there are; what could be in several is where its edges are short.
func TestNodesAreNearWhatTheyLeadTo(t *testing.T) {
	nodes := []Node{{"a", 1, 1}, {"b", 1, 1}, {"c", 1, 1}, {"d", 1, 1}, {"late", 1, 1}}
	edges := []Edge{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 3}, {From: 4, To: 3}}
	if p := Draw(nodes, edges, Options{}); p.Layers != 4 || p.Boxes[4].Layer != 2 {
		t.Errorf("%d layers, and what leads to the last alone is in %d; want 4 and 2", p.Layers, p.Boxes[4].Layer)
	}
}

func TestALongEdgeIsStraightOnceItHasLeftItsLayer(t *testing.T) {
	var nodes []Node
	var edges []Edge
	for i := range 8 {
		nodes = append(nodes, Node{fmt.Sprint("n", i), 100, 30})
		if i > 0 {
			edges = append(edges, Edge{From: i - 1, To: i})
		}
	}
	edges = append(edges, Edge{From: 0, To: 7})
	r := Draw(nodes, edges, Options{}).Routes[len(edges)-1]
	if len(r.Points) > 4 {
		t.Errorf("turns %d times: %v", len(r.Points)-2, r.Points)
	}
}

func TestNothingIsAnEmptyPicture(t *testing.T) {
	if diff := cmp.Diff(Picture{Boxes: []Box{}, Routes: []Route{}}, Draw(nil, nil, Options{})); diff != "" {
		t.Error(diff)
	}
	p := Draw([]Node{{"only", 40, 20}}, []Edge{{From: 0, To: 0}, {From: 0, To: 7}, {From: -1, To: 0}}, Options{})
	if diff := cmp.Diff(Picture{Width: 40, Height: 20, Boxes: []Box{{Width: 40, Height: 20}}, Routes: make([]Route, 3), Layers: 1}, p); diff != "" {
		t.Error(diff)
	}
}

// The largest picture that an incident makes.
func BenchmarkDraw300Nodes500Edges(b *testing.B) {
	nodes, edges := large()
	for b.Loop() {
		Draw(nodes, edges, Options{})
	}
}

// large is a graph as service maps are: most have few neighbours, some have many. 300 nodes, 500 edges.
func large() ([]Node, []Edge) {
	nodes, seed := make([]Node, 300), uint32(1)
	next := func(n int) int {
		seed = seed*1664525 + 1013904223
		return int(seed>>8) % n
	}
	var edges []Edge
	for i := range nodes {
		nodes[i] = Node{fmt.Sprintf("service-%03d", i), 160, 44}
		if i > 0 {
			edges = append(edges, Edge{From: min(next(i), next(i)), To: i})
		}
	}
	for len(edges) < 500 {
		a, b := next(300), next(300)
		edges = append(edges, Edge{From: min(a, b), To: max(a, b)})
	}
	return nodes, edges
}
