package api

import (
	"context"
	"fmt"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

type topologyService struct {
	pb.UnimplementedTopologyServiceServer
	*Server
}

// GetTopology implements [pb.TopologyServiceServer].
func (s *topologyService) GetTopology(context.Context, *pb.GetTopologyRequest) (*pb.GetTopologyResponse, error) {
	g, revision := s.graph()
	return &pb.GetTopologyResponse{Topology: topologyToProto(g), Revision: revision}, nil
}

// GetService implements [pb.TopologyServiceServer].
func (s *topologyService) GetService(_ context.Context, req *pb.GetServiceRequest) (*pb.GetServiceResponse, error) {
	g, revision := s.graph()
	n, err := findService(g, "service", req.GetService())
	if err != nil {
		return nil, err
	}
	resp := &pb.GetServiceResponse{
		Service:         serviceToProto(g, n),
		Dependencies:    dependenciesOf(g, n),
		Dependents:      dependentsOf(g, n),
		TopologyVersion: g.Version(),
		Revision:        revision,
	}
	for i := range int32(g.GroupCount()) {
		if from, _, _, _ := g.Group(i); from == n {
			resp.RedundancyGroups = append(resp.RedundancyGroups, groupToProto(g, i))
		}
	}
	return resp, nil
}

// GetDependencies implements [pb.TopologyServiceServer].
func (s *topologyService) GetDependencies(_ context.Context, req *pb.GetDependenciesRequest) (*pb.GetDependenciesResponse, error) {
	g, revision := s.graph()
	n, err := findWalkStart(g, req.GetService(), req.GetDepth())
	if err != nil {
		return nil, err
	}
	return &pb.GetDependenciesResponse{
		Service:         refToProto(g.Ref(n)),
		Hops:            hopsToProto(g, g.Dependencies(n, int(req.GetDepth()))),
		TopologyVersion: g.Version(),
		Revision:        revision,
	}, nil
}

// GetDependents implements [pb.TopologyServiceServer].
func (s *topologyService) GetDependents(_ context.Context, req *pb.GetDependentsRequest) (*pb.GetDependentsResponse, error) {
	g, revision := s.graph()
	n, err := findWalkStart(g, req.GetService(), req.GetDepth())
	if err != nil {
		return nil, err
	}
	return &pb.GetDependentsResponse{
		Service:         refToProto(g.Ref(n)),
		Hops:            hopsToProto(g, g.Dependents(n, int(req.GetDepth()))),
		TopologyVersion: g.Version(),
		Revision:        revision,
	}, nil
}

// WhatBreaks implements [pb.TopologyServiceServer].
func (s *topologyService) WhatBreaks(_ context.Context, req *pb.WhatBreaksRequest) (*pb.WhatBreaksResponse, error) {
	if len(req.GetServices()) == 0 {
		return nil, invalid("services", "name at least one service")
	}
	g, revision := s.graph()
	resp := &pb.WhatBreaksResponse{TopologyVersion: g.Version(), Revision: revision}
	var failed []topology.NodeID
	for i, name := range req.GetServices() {
		n, err := findService(g, fmt.Sprintf("services[%d]", i), name)
		if err != nil {
			return nil, err
		}
		failed = append(failed, n)
		resp.Failed = append(resp.Failed, refToProto(g.Ref(n)))
	}
	resp.Impacts = impactsToProto(g, g.WhatBreaks(failed...))
	return resp, nil
}

func findWalkStart(g *topology.Graph, name string, depth int32) (topology.NodeID, error) {
	if depth < 0 {
		return topology.None, invalid("depth", "must not be negative; 0 means no limit")
	}
	return findService(g, "service", name)
}

// findService reads a name as people write it. One that holds a slash may be
// namespace/name or a bare name with a slash in it; the first that exists is meant.
func findService(g *topology.Graph, field, name string) (topology.NodeID, error) {
	if name == "" {
		return topology.None, invalid(field, "must not be empty")
	}
	for _, ref := range []topology.Ref{topology.ParseRef(name), {Name: name}} {
		if n, ok := g.Lookup(ref); ok {
			return n, nil
		}
	}
	return topology.None, missing("Service", name, fmt.Sprintf("the topology has no service %q, or several namespaces do: then write namespace/name", name))
}
