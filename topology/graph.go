package topology

// NodeID is a node's index in one Graph, 0 to Len()-1. It means nothing in another
// Graph, not even in the next version of the same one.
type NodeID int32

// None is no node.
const None NodeID = -1

// ambiguous marks, in Graph.byName, a name that several namespaces share.
const ambiguous NodeID = -2

// NoGroup is the Group of an edge that is needed for itself.
const NoGroup int32 = -1

// Edge is one dependency seen from one of its ends. Node is the other end.
type Edge struct {
	Node  NodeID
	Mode  Mode
	Group int32 // for Graph.Group; NoGroup when the dependency is in none
}

// Graph is an immutable dependency graph, made by [Build]. The zero value and nil are
// empty graphs.
type Graph struct {
	spec     Spec
	services []Service // by NodeID; declared ones first, then the implicit

	// Names. byName holds each bare name once; exact only those that several
	// namespaces share, so the common look-up hashes one string.
	byName map[string]NodeID
	exact  map[Ref]NodeID

	nick    nicknames
	aliases map[alias]NodeID // labels; None when several nodes have it

	out, in adjacency
	groups  []group
	seen    map[[2]NodeID][]Sighting // by the ends of a dependency; only those that have any

	cycleOf []int32 // by NodeID: index into cycles, -1 for none
	cycles  [][]NodeID
}

// group is a redundancy group of the node from.
type group struct {
	from    NodeID
	name    string
	need    int
	mode    Mode // of the strongest member
	members []NodeID
}

// Len is the number of nodes.
func (g *Graph) Len() int {
	if g == nil {
		return 0
	}
	return len(g.services)
}

// EdgeCount is the number of dependencies after merging.
func (g *Graph) EdgeCount() int {
	if g == nil {
		return 0
	}
	return len(g.out.edges)
}

// Version is the version of the Spec that the graph was built from.
func (g *Graph) Version() string {
	if g == nil {
		return ""
	}
	return g.spec.Version
}

// Spec is what the graph was built from, without implicit nodes. It is shared: do not
// modify it.
func (g *Graph) Spec() Spec {
	if g == nil {
		return Spec{}
	}
	return g.spec
}

// Service is the node's description, shared: do not modify it. A node that is named
// only by dependencies has a Service with its name and nothing else.
func (g *Graph) Service(n NodeID) *Service { return &g.services[n] }

// Declared reports whether the Spec lists the node under services.
func (g *Graph) Declared(n NodeID) bool { return int(n) < len(g.spec.Services) }

// Ref is the node's full name.
func (g *Graph) Ref(n NodeID) Ref { return g.services[n].Ref() }

// Name is the shortest name that means this node and no other: the bare name when it
// is unique in the graph, else namespace/name.
func (g *Graph) Name(n NodeID) string {
	s := &g.services[n]
	if g.byName[s.Name] == ambiguous {
		return s.Ref().String()
	}
	return s.Name
}

// Lookup finds a node by name. An exact match wins. Otherwise a name that is unique in
// the graph matches when either side leaves the namespace out. What is no node's name
// may be one node's alias, by the same rules.
func (g *Graph) Lookup(r Ref) (NodeID, bool) {
	if g == nil {
		return None, false
	}
	n, ok := g.byName[r.Name]
	switch {
	case !ok:
		return g.nicknamed(r)
	case n == ambiguous:
		if n, ok = g.exact[r]; ok {
			return n, true
		}
		if r.Namespace == "" {
			return None, false
		}
		return g.nicknamed(r)
	}
	have := g.services[n].Namespace
	if r.Namespace == "" || have == "" || r.Namespace == have {
		return n, true
	}
	return g.nicknamed(r)
}

// alias is a label of a service that alerts may carry as well.
type alias struct{ label, value string }

// labelled finds the one service whose own labels hold this pair. Only labels that
// the resolver takes names from are indexed.
func (g *Graph) labelled(label, value string) (NodeID, bool) {
	if n, ok := g.aliases[alias{label, value}]; ok && n != None {
		return n, true
	}
	return None, false
}

// Out lists what n depends on, by node id. It allocates nothing; do not modify it.
func (g *Graph) Out(n NodeID) []Edge { return g.out.of(n) }

// In lists what depends on n, by node id; Group belongs to the dependent. It allocates
// nothing; do not modify it.
func (g *Graph) In(n NodeID) []Edge { return g.in.of(n) }

// GroupCount is the number of redundancy groups; their indices are 0 to GroupCount()-1.
func (g *Graph) GroupCount() int {
	if g == nil {
		return 0
	}
	return len(g.groups)
}

// Group describes a redundancy group: from works as long as at least need of members
// do. members is by node id and shared: do not modify it.
func (g *Graph) Group(i int32) (from NodeID, name string, need int, members []NodeID) {
	r := &g.groups[i]
	return r.from, r.name, r.need, r.members
}

// Cycle lists the nodes that depend on each other in a circle with n, n included, by
// node id: its strongly connected component. It is nil when n is on no cycle.
func (g *Graph) Cycle(n NodeID) []NodeID {
	if c := g.cycleOf[n]; c >= 0 {
		return g.cycles[c]
	}
	return nil
}

// Cycles lists every strongly connected component of more than one node, each by node
// id, in the order of their first nodes.
func (g *Graph) Cycles() [][]NodeID {
	if g == nil {
		return nil
	}
	return g.cycles
}
