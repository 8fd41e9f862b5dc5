package topology

// nicknames finds nodes by their aliases. A name that several nodes claim is nobody's:
// it maps to None.
type nicknames struct {
	exact map[Ref]NodeID
	bare  map[string]NodeID // by name, whatever the namespace
}

// indexNicknames makes declared services findable by their aliases.
func (g *Graph) indexNicknames() {
	for i := range g.services {
		for _, name := range g.services[i].Aliases {
			ref := ParseRef(name)
			if ref.Name == "" {
				continue
			}
			if g.nick.exact == nil {
				g.nick = nicknames{exact: map[Ref]NodeID{}, bare: map[string]NodeID{}}
			}
			take(g.nick.exact, ref, NodeID(i))
			take(g.nick.bare, ref.Name, NodeID(i))
		}
	}
}

func take[K comparable](of map[K]NodeID, name K, n NodeID) {
	if first, taken := of[name]; taken && first != n {
		n = None
	}
	of[name] = n
}

// nicknamed finds the node that goes by an alias, by the rules of [Graph.Lookup].
func (g *Graph) nicknamed(r Ref) (NodeID, bool) {
	if len(g.nick.exact) == 0 {
		return None, false
	}
	if n, ok := g.nick.exact[r]; ok {
		return n, n != None
	}
	if r.Namespace == "" {
		n, ok := g.nick.bare[r.Name]
		return n, ok && n != None
	}
	n, ok := g.nick.exact[Ref{Name: r.Name}]
	if !ok || n == None {
		return None, false
	}
	have := g.services[n].Namespace
	return n, have == "" || have == r.Namespace
}
