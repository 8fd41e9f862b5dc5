package correlate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/topology"
)

// nodeID indexes the engine's nodes: first those of the graph, in its order,
// then one for each service that signals named and the graph does not know.
// Those extra nodes have no edges; they are never merged under a shared name.
type nodeID = int32

const noNode nodeID = -1

// nodeSpace gives ids to services. Ids hold for one version of the graph.
type nodeSpace struct {
	graph   *topology.Graph
	extra   []topology.Ref
	extraID map[topology.Ref]nodeID
	kinds   []topology.Kind // of the graph's nodes, inferred where the graph does not say
	rank    []int32         // of the graph's nodes, in the order of their names
	ranked  []nodeID        // the same the other way round
	groups  map[int32]redundancy

	frontier frontier // of the search before, for the next one
	settled  []bool   // see [nodeSpace.settledNodes]
}

// redundancy is what an edge's weight needs to know of its group.
type redundancy struct {
	need, size int
}

func newNodeSpace(g *topology.Graph) *nodeSpace {
	s := &nodeSpace{graph: g, extraID: map[topology.Ref]nodeID{}, groups: map[int32]redundancy{}}
	s.kinds = make([]topology.Kind, g.Len())
	for n := range s.kinds {
		id := topology.NodeID(n)
		s.kinds[n] = inferKind(g.Service(id))
		for _, e := range g.Out(id) {
			if e.Group >= 0 {
				_, _, need, members := g.Group(e.Group)
				s.groups[e.Group] = redundancy{need: need, size: len(members)}
			}
		}
	}
	order := make([]nodeID, g.Len())
	for n := range order {
		order[n] = nodeID(n)
	}
	slices.SortFunc(order, func(a, b nodeID) int { return compareRefs(s.ref(a), s.ref(b)) })
	s.ranked, s.rank = order, make([]int32, len(order))
	for i, n := range order {
		s.rank[n] = int32(i)
	}
	return s
}

// compareNames orders nodes by name. A scene's order must not come from node
// ids: those of services outside the graph tell the order of arrival.
func (s *nodeSpace) compareNames(a, b nodeID) int {
	if s.known(a) && s.known(b) {
		return cmp.Compare(s.rank[a], s.rank[b])
	}
	return compareRefs(s.ref(a), s.ref(b))
}

// sortByName is [slices.SortFunc] with compareNames.
func (s *nodeSpace) sortByName(ids []nodeID) {
	if slices.ContainsFunc(ids, func(n nodeID) bool { return !s.known(n) }) {
		slices.SortFunc(ids, s.compareNames)
		return
	}
	for i, n := range ids {
		ids[i] = s.rank[n]
	}
	slices.Sort(ids)
	for i, r := range ids {
		ids[i] = s.ranked[r]
	}
}

// len is how many nodes have an id.
func (s *nodeSpace) len() int { return s.graph.Len() + len(s.extra) }

func (s *nodeSpace) known(n nodeID) bool { return int(n) < s.graph.Len() }

func (s *nodeSpace) id(ref topology.Ref) nodeID {
	if n, ok := s.graph.Lookup(ref); ok {
		return nodeID(n)
	}
	if n, ok := s.extraID[ref]; ok {
		return n
	}
	n := nodeID(s.graph.Len() + len(s.extra))
	s.extra = append(s.extra, ref)
	s.extraID[ref] = n
	return n
}

func (s *nodeSpace) ref(n nodeID) topology.Ref {
	if s.known(n) {
		return s.graph.Ref(topology.NodeID(n))
	}
	return s.extra[int(n)-s.graph.Len()]
}

// name is the shortest unambiguous name, for sentences.
func (s *nodeSpace) name(n nodeID) string {
	if s.known(n) {
		return s.graph.Name(topology.NodeID(n))
	}
	return s.ref(n).Name
}

func (s *nodeSpace) kind(n nodeID) topology.Kind {
	if s.known(n) {
		return s.kinds[n]
	}
	return topology.KindService
}

// tier is the importance of n, 1 the most critical; 0 when nobody says.
func (s *nodeSpace) tier(n nodeID) int {
	if !s.known(n) {
		return 0
	}
	return s.graph.Service(topology.NodeID(n)).Tier
}

func (s *nodeSpace) owner(n nodeID) string {
	if s.known(n) {
		return s.graph.Service(topology.NodeID(n)).Owner
	}
	return ""
}

// label is the value of a label of n in the graph; empty when it has none.
func (s *nodeSpace) label(n nodeID, name string) string {
	if s.known(n) {
		return s.graph.Service(topology.NodeID(n)).Labels[name]
	}
	return ""
}

func (s *nodeSpace) out(n nodeID) []topology.Edge {
	if s.known(n) {
		return s.graph.Out(topology.NodeID(n))
	}
	return nil
}

func (s *nodeSpace) in(n nodeID) []topology.Edge {
	if s.known(n) {
		return s.graph.In(topology.NodeID(n))
	}
	return nil
}

// technologies tells a node's kind where the graph only says "service": well-known
// products by the name or a label of the node. Longest names first where one contains another.
var technologies = []struct {
	word string
	kind topology.Kind
}{
	{"kafka", topology.KindQueue},
	{"rabbitmq", topology.KindQueue},
	{"activemq", topology.KindQueue},
	{"nats", topology.KindQueue},
	{"sqs", topology.KindQueue},
	{"pulsar", topology.KindQueue},
	{"redis", topology.KindCache},
	{"memcache", topology.KindCache},
	{"valkey", topology.KindCache},
	{"varnish", topology.KindCache},
	{"postgres", topology.KindDatabase},
	{"pgsql", topology.KindDatabase},
	{"mysql", topology.KindDatabase},
	{"mariadb", topology.KindDatabase},
	{"mongo", topology.KindDatabase},
	{"cassandra", topology.KindDatabase},
	{"dynamodb", topology.KindDatabase},
	{"elasticsearch", topology.KindDatabase},
	{"opensearch", topology.KindDatabase},
	{"cockroach", topology.KindDatabase},
	{"clickhouse", topology.KindDatabase},
	{"etcd", topology.KindDatabase},
	{"oracle", topology.KindDatabase},
	{"sqlserver", topology.KindDatabase},
}

func inferKind(s *topology.Service) topology.Kind {
	if s.Kind != topology.KindService {
		return s.Kind
	}
	name := strings.ToLower(s.Name)
	for _, t := range technologies {
		if strings.Contains(name, t.word) {
			return t.kind
		}
	}
	return s.Kind
}
