package api

import (
	"fmt"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

func topologyToProto(g *topology.Graph) *pb.Topology {
	t := &pb.Topology{Version: g.Version()}
	for n := range topology.NodeID(g.Len()) {
		t.Services = append(t.Services, serviceToProto(g, n))
		t.Dependencies = append(t.Dependencies, dependenciesOf(g, n)...)
	}
	for i := range int32(g.GroupCount()) {
		t.RedundancyGroups = append(t.RedundancyGroups, groupToProto(g, i))
	}
	return t
}

func serviceToProto(g *topology.Graph, n topology.NodeID) *pb.Service {
	s := g.Service(n)
	return &pb.Service{
		Ref:       refToProto(s.Ref()),
		ShortName: g.Name(n),
		Kind:      kindToProto(s.Kind),
		Labels:    s.Labels,
		Owner:     s.Owner,
		Tier:      int32(s.Tier),
		Runbook:   s.Runbook,
		Links:     s.Links,
		RunsOn:    s.RunsOn,
		Aliases:   s.Aliases,
		Seen:      mapped(s.Seen, sightingToProto),
		Declared:  g.Declared(n),
		Cycle:     mapped(g.Cycle(n), func(m topology.NodeID) *pb.ServiceRef { return refToProto(g.Ref(m)) }),
	}
}

// dependenciesOf are the dependencies that start at n.
func dependenciesOf(g *topology.Graph, n topology.NodeID) []*pb.Dependency {
	return mapped(g.Out(n), func(e topology.Edge) *pb.Dependency { return dependencyToProto(g, n, e.Node, e) })
}

// dependentsOf are the dependencies that end at n.
func dependentsOf(g *topology.Graph, n topology.NodeID) []*pb.Dependency {
	return mapped(g.In(n), func(e topology.Edge) *pb.Dependency { return dependencyToProto(g, e.Node, n, e) })
}

func dependencyToProto(g *topology.Graph, from, to topology.NodeID, e topology.Edge) *pb.Dependency {
	d := &pb.Dependency{
		From: refToProto(g.Ref(from)),
		To:   refToProto(g.Ref(to)),
		Mode: pb.DependencyMode(e.Mode) + 1,
		Seen: mapped(g.Seen(from, to), sightingToProto),
	}
	if e.Group != topology.NoGroup {
		_, d.RedundancyGroup, _, _ = g.Group(e.Group)
	}
	return d
}

func sightingToProto(s topology.Sighting) *pb.Sighting {
	return &pb.Sighting{
		Source: s.Source, FirstSeen: timeToProto(s.FirstSeen), LastSeen: timeToProto(s.LastSeen),
		RequestsPerSecond: measureToProto(s.RequestsPerSecond), ErrorRatio: measureToProto(s.ErrorRatio),
	}
}

func measureToProto(m topology.Measure) *float64 {
	if !m.Known {
		return nil
	}
	return &m.Value
}

func groupToProto(g *topology.Graph, i int32) *pb.RedundancyGroup {
	from, name, need, members := g.Group(i)
	return &pb.RedundancyGroup{
		From:    refToProto(g.Ref(from)),
		Name:    name,
		Need:    int32(need),
		Members: mapped(members, func(m topology.NodeID) *pb.ServiceRef { return refToProto(g.Ref(m)) }),
	}
}

func hopsToProto(g *topology.Graph, hops []topology.Hop) []*pb.Hop {
	return mapped(hops, func(h topology.Hop) *pb.Hop {
		return &pb.Hop{
			Service:  refToProto(g.Ref(h.Node)),
			Kind:     kindToProto(g.Service(h.Node).Kind),
			Distance: int32(h.Distance),
			Via:      refToProto(g.Ref(h.Via)),
		}
	})
}

func impactsToProto(g *topology.Graph, impacts []topology.Impact) []*pb.Impact {
	return mapped(impacts, func(i topology.Impact) *pb.Impact {
		s := g.Service(i.Node)
		return &pb.Impact{
			Service:  refToProto(s.Ref()),
			Kind:     kindToProto(s.Kind),
			Owner:    s.Owner,
			Effect:   pb.Effect(i.Effect),
			Distance: int32(i.Distance),
			Via:      refToProto(g.Ref(i.Via)),
		}
	})
}

func sourceToProto(s discovery.Status) *pb.TopologySource {
	return &pb.TopologySource{
		Name: s.Name, Declared: s.Declared, Pushed: s.Pushed,
		RefreshInterval: durationToProto(s.RefreshInterval), Ttl: durationToProto(s.TTL),
		AttemptedAt: timeToProto(s.LastAttempt), AnsweredAt: timeToProto(s.LastSuccess), FailingSince: timeToProto(s.FailingSince),
		Error: s.Error, ServiceCount: int32(s.Services), DependencyCount: int32(s.Dependencies),
		Warnings: mapped(s.Warnings, func(w topology.Warning) string { return w.Text }),
		Actor:    s.By, Etag: s.ETag,
	}
}

func pushedToProto(p *discovery.Pushed) *pb.TopologySource {
	return sourceToProto(discovery.Status{
		Name: discovery.PushedPrefix + p.Source, Pushed: true, TTL: p.TTL, LastAttempt: p.At, LastSuccess: p.At,
		Services: len(p.Services), Dependencies: len(p.Dependencies), By: p.By, ETag: p.ETag,
	})
}

// serviceSaid is a service in the words of a source.
func serviceSaid(s topology.Service) *pb.Service {
	return &pb.Service{
		Ref: refToProto(s.Ref()), Kind: kindToProto(s.Kind), Labels: s.Labels, Owner: s.Owner, Tier: int32(s.Tier),
		Runbook: s.Runbook, Links: s.Links, RunsOn: s.RunsOn, Aliases: s.Aliases, Seen: mapped(s.Seen, sightingToProto),
	}
}

// dependencySaid is a dependency in the words of a source.
func dependencySaid(d topology.Dependency) *pb.Dependency {
	return &pb.Dependency{
		From: refToProto(d.From), To: refToProto(d.To), Mode: pb.DependencyMode(d.Mode) + 1, RedundancyGroup: d.Group,
		Seen: mapped(d.Seen, sightingToProto),
	}
}

func lookAlikeToProto(l discovery.LookAlike) *pb.TopologySuggestion {
	return &pb.TopologySuggestion{
		Kind:     pb.TopologySuggestionKind_TOPOLOGY_SUGGESTION_KIND_LOOK_ALIKE,
		Services: []*pb.ServiceRef{refToProto(l.A.Ref), refToProto(l.B.Ref)},
		Sources:  []string{l.A.Source, l.B.Source},
		Text:     fmt.Sprintf("%s and %s could be one service: %s", l.A, l.B, l.Why),
		Remedy:   fmt.Sprintf("If they are, list it in a topology file: {name: %s, aliases: [%s]}", l.A.Ref, l.B.Ref),
	}
}
