package correlate

import (
	"math"
	"slices"
)

// growth is the working state of one tree, reused between trees of a scene: a
// settling grows hundreds of trees, most of which are thrown away at once.
type growth struct {
	dist    []float64
	parent  []int32
	via     []stepKind
	forward []bool      // the way here already holds an overload step
	surging []bool      // … of a surge
	ref     []int32     // the nearest alerting member on the way; -1: none, time counts from the start
	onsets  [][]float64 // per member: onsets of its alerts in the tree, ascending
	ended   []float64   // per member: when its trouble ended; 0 while it lasts
	until   []float64   // per member, while pauses are charged: until when it was alerting
	member  []bool
	done    []bool
	queue   frontier
	taken   itemSet
	seen    []int32 // touched nodes, to reset

	found      []attachment // what [scene.candidates] or [scene.feedOn] returned last
	way        []int32
	place      []int32 // per alert: its place among the attached
	dropped    itemSet
	caller     []uint32 // per node: the call of discountCalls that saw it last
	calls      uint32
	recoveries []recovery // what [scene.byRecovery] returned last
	counted    []uint32   // per node: the call of services that saw it last
	counts     uint32
	spare      []*tree
	bearing    bearing
	visits     int // nodes that trees of the scene were grown through, all told
}

func newGrowth(nodes, items int) growth {
	g := growth{
		dist: make([]float64, nodes), parent: make([]int32, nodes), via: make([]stepKind, nodes), forward: make([]bool, nodes), surging: make([]bool, nodes),
		ref: make([]int32, nodes), onsets: make([][]float64, nodes), ended: make([]float64, nodes), until: make([]float64, nodes),
		member: make([]bool, nodes), done: make([]bool, nodes), caller: make([]uint32, nodes), counted: make([]uint32, nodes),
		taken: newItemSet(items), dropped: newItemSet(items), place: make([]int32, items),
	}
	for i := range g.dist {
		g.dist[i], g.until[i] = math.Inf(1), math.Inf(-1)
	}
	return g
}

func (g *growth) reset() {
	for _, n := range g.seen {
		g.dist[n], g.member[n], g.done[n], g.forward[n], g.surging[n] = math.Inf(1), false, false, false, false
		g.onsets[n], g.ended[n], g.until[n] = g.onsets[n][:0], 0, math.Inf(-1)
	}
	g.seen, g.queue = g.seen[:0], g.queue[:0]
	clear(g.taken)
}

// blank returns an empty tree, if possible one that was given back.
func (g *growth) blank(origin int32, start float64, items int) *tree {
	last := len(g.spare) - 1
	if last < 0 {
		return &tree{origin: origin, start: start, set: newItemSet(items)}
	}
	t := g.spare[last]
	g.spare = g.spare[:last]
	clear(t.set)
	*t = tree{origin: origin, start: start, set: t.set, attached: t.attached[:0], steps: t.steps[:0]}
	return t
}

// giveBack lets the next tree be built in place of t, which nobody must hold any more.
func (g *growth) giveBack(t *tree) {
	if t != nil {
		g.spare = append(g.spare, t)
	}
}

// cause tells what an alert at u with the given onset is measured from: the latest
// onset, not after it, at the nearest alerting node on the way. A service that is slow
// first and fails minutes later passes each of its troubles on when it happens.
func (g *growth) cause(t *tree, u int32, onset float64) (on, end float64) {
	r := g.ref[u]
	if r < 0 {
		return t.start, 0
	}
	return latestUntil(g.onsets[r], onset), g.ended[r]
}

// latestUntil is the latest of the ascending onsets that is not after at, else the first.
func latestUntil(onsets []float64, at float64) float64 {
	i, exact := slices.BinarySearch(onsets, at)
	if exact || i == 0 {
		return onsets[i]
	}
	return onsets[i-1]
}

type queued struct {
	dist float64
	node int32
}

func (g *growth) visit(n int32, dist float64) {
	if math.IsInf(g.dist[n], 1) {
		g.seen = append(g.seen, n)
	}
	g.dist[n] = dist
}

// frontier is a binary heap over (dist, node); ties go to the smaller node, so that order is total.
type frontier []queued

func (f *frontier) push(n int32, dist float64) {
	q := append(*f, queued{dist, n})
	for i := len(q) - 1; i > 0; {
		p := (i - 1) / 2
		if !q[i].less(q[p]) {
			break
		}
		q[i], q[p] = q[p], q[i]
		i = p
	}
	*f = q
}

func (f *frontier) pop() queued {
	q := *f
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		l := 2*i + 1
		if l >= len(q) {
			break
		}
		if r := l + 1; r < len(q) && q[r].less(q[l]) {
			l = r
		}
		if !q[l].less(q[i]) {
			break
		}
		q[i], q[l] = q[l], q[i]
		i = l
	}
	*f = q
	return top
}

func (a queued) less(b queued) bool {
	if a.dist != b.dist {
		return a.dist < b.dist
	}
	return a.node < b.node
}
