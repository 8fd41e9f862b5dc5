package api

import (
	"context"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/layout"
)

const (
	// maxNeighbors bounds a picture: more boxes nobody can read.
	maxNeighbors = 300
	// maxNeighborDepth bounds a walk; five steps from a hub are everything.
	maxNeighborDepth = 5

	// Sizes of a box, in CSS pixels. Letters are guessed on the wide side.
	neighborLetter    = 7.6
	neighborMargins   = 52
	neighborLeast     = 150
	neighborMost      = 280
	neighborBoxHeight = 61
)

// GetNeighborhood implements [pb.TopologyServiceServer].
func (s *topologyService) GetNeighborhood(_ context.Context, req *pb.GetNeighborhoodRequest) (*pb.GetNeighborhoodResponse, error) {
	if d := req.GetDepth(); d < 0 || d > maxNeighborDepth {
		return nil, invalid("depth", fmt.Sprintf("%d is not between 1 and %d", d, maxNeighborDepth))
	}
	g, revision := s.graph()
	shown := everyService(g)
	if req.GetService() != "" {
		n, err := findService(g, "service", req.GetService())
		if err != nil {
			return nil, err
		}
		shown = around(g, n, int(max(req.GetDepth(), 1)))
	}
	resp := &pb.GetNeighborhoodResponse{OmittedServices: int32(max(0, len(shown)-maxNeighbors)), TopologyVersion: g.Version(), Revision: revision}
	drawNeighborhood(g, shown[:min(len(shown), maxNeighbors)], req.GetDown(), resp)
	return resp, nil
}

// everyService lists the whole graph at no distance.
func everyService(g *topology.Graph) []topology.Hop {
	all := make([]topology.Hop, g.Len())
	for i := range all {
		all[i].Node = topology.NodeID(i)
	}
	return all
}

// around lists n, what it needs and what needs it, nearest first. What is both stands once.
func around(g *topology.Graph, n topology.NodeID, depth int) []topology.Hop {
	hops := append(g.Dependencies(n, depth), g.Dependents(n, depth)...)
	slices.SortStableFunc(hops, func(a, b topology.Hop) int { return a.Distance - b.Distance })
	seen := map[topology.NodeID]bool{n: true}
	shown := []topology.Hop{{Node: n}}
	for _, h := range hops {
		if !seen[h.Node] {
			seen[h.Node] = true
			shown = append(shown, h)
		}
	}
	return shown
}

// drawNeighborhood gives services and the dependencies between them their places.
func drawNeighborhood(g *topology.Graph, shown []topology.Hop, down bool, resp *pb.GetNeighborhoodResponse) {
	index := make(map[topology.NodeID]int32, len(shown))
	boxes := make([]layout.Node, len(shown))
	for i, h := range shown {
		index[h.Node] = int32(i)
		boxes[i] = layout.Node{Key: g.Ref(h.Node).String(), Width: neighborWidth(g.Name(h.Node)), Height: neighborBoxHeight}
	}
	var lines []layout.Edge
	for i, h := range shown {
		for _, e := range g.Out(h.Node) {
			to, ok := index[e.Node]
			if !ok {
				continue
			}
			d := dependencyToProto(g, h.Node, e.Node, e)
			lines = append(lines, layout.Edge{From: i, To: int(to), Weight: 1})
			resp.Edges = append(resp.Edges, &pb.NeighborhoodEdge{From: int32(i), To: to, Mode: d.GetMode(), RedundancyGroup: d.GetRedundancyGroup(), Seen: d.GetSeen()})
		}
	}
	options := layout.Options{}
	if down {
		options.Direction = layout.Down
	}
	picture := layout.Draw(boxes, lines, options)
	resp.Width, resp.Height = picture.Width, picture.Height
	for i, h := range shown {
		resp.Nodes = append(resp.Nodes, neighborToProto(g, h, picture.Boxes[i]))
	}
	for i, r := range picture.Routes {
		resp.Edges[i].Points = mapped(r.Points, func(p layout.Point) *pb.NeighborhoodPoint { return &pb.NeighborhoodPoint{X: p.X, Y: p.Y} })
	}
	for i := range int32(g.GroupCount()) {
		if from, _, _, _ := g.Group(i); hasKey(index, from) {
			resp.RedundancyGroups = append(resp.RedundancyGroups, groupToProto(g, i))
		}
	}
}

func hasKey[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}

func neighborWidth(name string) float64 {
	return min(max(math.Ceil(neighborMargins+neighborLetter*float64(utf8.RuneCountInString(name))), neighborLeast), neighborMost)
}

func neighborToProto(g *topology.Graph, h topology.Hop, b layout.Box) *pb.NeighborhoodNode {
	s := g.Service(h.Node)
	return &pb.NeighborhoodNode{
		Service: refToProto(s.Ref()), ShortName: g.Name(h.Node), Kind: kindToProto(s.Kind), Owner: s.Owner, Tier: int32(s.Tier), Distance: int32(h.Distance),
		X: b.X, Y: b.Y, Width: b.Width, Height: b.Height,
	}
}
