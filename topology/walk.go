package topology

import "slices"

// Hop is a node met on a walk from a start.
type Hop struct {
	Node     NodeID
	Distance int    // edges from the start, at least 1
	Via      NodeID // the node before it on a shortest path; of several, the lowest id
}

// Dependencies lists what n needs, directly and through others, nearest first and by
// node id within a distance. depth limits the distance; 0 or less means no limit. The
// start itself is not listed, also when it is on a cycle.
func (g *Graph) Dependencies(n NodeID, depth int) []Hop { return g.walk(&g.out, n, depth) }

// Dependents lists what needs n, directly and through others, in the order and under
// the limit of [Graph.Dependencies].
func (g *Graph) Dependents(n NodeID, depth int) []Hop { return g.walk(&g.in, n, depth) }

// walk is a breadth-first search. Each level is sorted before it is expanded, which
// makes the first finder of a node the one with the lowest id.
func (g *Graph) walk(rows *adjacency, start NodeID, depth int) []Hop {
	seen := newNodeSet(g.Len())
	seen.add(start)
	var hops []Hop
	level := []NodeID{start}
	for distance := 1; len(level) > 0 && (depth <= 0 || distance <= depth); distance++ {
		begin := len(hops)
		for _, via := range level {
			for _, e := range rows.of(via) {
				if seen.add(e.Node) {
					hops = append(hops, Hop{Node: e.Node, Distance: distance, Via: via})
				}
			}
		}
		found := hops[begin:]
		slices.SortFunc(found, func(a, b Hop) int { return int(a.Node) - int(b.Node) })
		level = level[:0]
		for _, h := range found {
			level = append(level, h.Node)
		}
	}
	return hops
}

// nodeSet is a bit per node.
type nodeSet []uint64

func newNodeSet(nodes int) nodeSet { return make(nodeSet, (nodes+63)/64) }

// add reports whether n was new.
func (s nodeSet) add(n NodeID) bool {
	word, bit := n>>6, uint64(1)<<(n&63)
	if s[word]&bit != 0 {
		return false
	}
	s[word] |= bit
	return true
}
