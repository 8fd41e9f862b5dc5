package topology

// adjacency is a graph direction in compressed sparse rows: the edges of node n are
// edges[start[n]:start[n+1]].
type adjacency struct {
	start []int32
	edges []Edge
}

func (a *adjacency) of(n NodeID) []Edge {
	lo, hi := a.start[n], a.start[n+1]
	return a.edges[lo:hi:hi]
}

// link is a dependency between known nodes, before it has a place in a row.
type link struct {
	from, to NodeID
	mode     Mode
	group    int32
}

func fromOf(l *link) NodeID { return l.from }
func toOf(l *link) NodeID   { return l.to }

// rowStarts counts links per node and returns the prefix sums, one more than nodes.
func rowStarts(nodes int, links []link, key func(*link) NodeID) []int32 {
	start := make([]int32, nodes+1)
	for i := range links {
		start[key(&links[i])+1]++
	}
	for n := range nodes {
		start[n+1] += start[n]
	}
	return start
}

// sortBy is one stable counting-sort pass from src into dst, linear in nodes + links.
func sortBy(nodes int, dst, src []link, key func(*link) NodeID) {
	next := rowStarts(nodes, src, key)
	for i := range src {
		k := key(&src[i])
		dst[next[k]] = src[i]
		next[k]++
	}
}

// sortLinks orders links by from, then to, keeping the order of equal ones.
func sortLinks(nodes int, links []link) []link {
	scratch := make([]link, len(links))
	sortBy(nodes, scratch, links, toOf)
	sortBy(nodes, links, scratch, fromOf)
	return links
}

// outRows takes sorted links.
func outRows(nodes int, links []link) adjacency {
	a := adjacency{start: rowStarts(nodes, links, fromOf), edges: make([]Edge, len(links))}
	for i := range links {
		l := &links[i]
		a.edges[i] = Edge{Node: l.to, Mode: l.mode, Group: l.group}
	}
	return a
}

// inRows takes sorted links; walking them in order leaves each row sorted by caller.
func inRows(nodes int, links []link) adjacency {
	a := adjacency{start: rowStarts(nodes, links, toOf), edges: make([]Edge, len(links))}
	next := append([]int32(nil), a.start...)
	for i := range links {
		l := &links[i]
		a.edges[next[l.to]] = Edge{Node: l.from, Mode: l.mode, Group: l.group}
		next[l.to]++
	}
	return a
}
