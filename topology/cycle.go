package topology

import (
	"cmp"
	"slices"
)

// findCycles finds strongly connected components of more than one node (Tarjan 1972),
// with a stack of its own: a chain of 100,000 services must not become 100,000 Go frames.
func (g *Graph) findCycles() {
	t := tarjan{
		g:       g,
		index:   make([]int32, g.Len()),
		low:     make([]int32, g.Len()),
		onStack: make([]bool, g.Len()),
	}
	g.cycleOf = make([]int32, g.Len())
	for n := range g.cycleOf {
		g.cycleOf[n] = -1
	}
	for n := range g.services {
		if t.index[n] == 0 {
			t.visit(NodeID(n))
		}
	}
	slices.SortFunc(g.cycles, func(a, b []NodeID) int { return cmp.Compare(a[0], b[0]) })
	for c, members := range g.cycles {
		for _, n := range members {
			g.cycleOf[n] = int32(c)
		}
	}
}

type tarjan struct {
	g       *Graph
	index   []int32 // order of discovery from 1; 0 is unseen
	low     []int32
	onStack []bool
	stack   []NodeID
	frames  []frame
	next    int32
}

// frame is a node being visited and the next of its edges to look at.
type frame struct {
	node NodeID
	edge int32
}

func (t *tarjan) visit(root NodeID) {
	t.enter(root)
	for len(t.frames) > 0 {
		f := &t.frames[len(t.frames)-1]
		edges := t.g.Out(f.node)
		if int(f.edge) == len(edges) {
			t.leave(f.node)
			continue
		}
		to := edges[f.edge].Node
		f.edge++
		switch {
		case t.index[to] == 0:
			t.enter(to)
		case t.onStack[to]:
			t.low[f.node] = min(t.low[f.node], t.index[to])
		}
	}
}

func (t *tarjan) enter(n NodeID) {
	t.next++
	t.index[n], t.low[n] = t.next, t.next
	t.stack = append(t.stack, n)
	t.onStack[n] = true
	t.frames = append(t.frames, frame{node: n})
}

// leave finishes n: it hands its low link to its parent and, as the root of a
// component, takes that component off the stack.
func (t *tarjan) leave(n NodeID) {
	t.frames = t.frames[:len(t.frames)-1]
	if len(t.frames) > 0 {
		parent := t.frames[len(t.frames)-1].node
		t.low[parent] = min(t.low[parent], t.low[n])
	}
	if t.low[n] != t.index[n] {
		return
	}
	at := len(t.stack) - 1
	for t.stack[at] != n {
		at--
	}
	for _, member := range t.stack[at:] {
		t.onStack[member] = false
	}
	if len(t.stack)-at > 1 {
		members := slices.Clone(t.stack[at:])
		slices.Sort(members)
		t.g.cycles = append(t.g.cycles, members)
	}
	t.stack = t.stack[:at]
}
