package bus

import (
	"fmt"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	streamv1 "github.com/headwater-sre/headwater/proto/headwater/stream/v1"
	"github.com/headwater-sre/headwater/topology"
)

func toTopology(t *correlate.TopologyReport) *streamv1.TopologyReport {
	out := &streamv1.TopologyReport{
		Source: t.Source, Version: t.Spec.Version,
		Services:     toEach(t.Spec.Services, toService),
		Dependencies: toEach(t.Spec.Dependencies, toDependency),
		Groups:       toEach(t.Spec.Groups, toGroup),
	}
	for i := range t.Spec.Reports {
		r := &t.Spec.Reports[i]
		out.Reports = append(out.Reports, &streamv1.SourceReport{
			Source:       r.Source,
			Services:     toEach(r.Services, toService),
			Dependencies: toEach(r.Dependencies, toDependency),
			Groups:       toEach(r.Groups, toGroup),
			By:           r.By, AtUnixNano: toNano(r.At), TtlNano: r.TTL.Nanoseconds(),
		})
	}
	return out
}

func toEach[A, B any](in []A, convert func(*A) *B) []*B {
	out := make([]*B, len(in))
	for i := range in {
		out[i] = convert(&in[i])
	}
	return out
}

func toService(s *topology.Service) *streamv1.Service {
	return &streamv1.Service{
		Name: s.Name, Namespace: s.Namespace, Kind: streamv1.ServiceKind(s.Kind) + 1, Labels: s.Labels,
		Owner: s.Owner, Tier: int64(s.Tier), Runbook: s.Runbook, Links: s.Links, RunsOn: s.RunsOn,
		Aliases: s.Aliases, Seen: toEach(s.Seen, toSighting),
	}
}

func toDependency(d *topology.Dependency) *streamv1.Dependency {
	return &streamv1.Dependency{
		From: toRef(d.From), To: toRef(d.To), Mode: streamv1.DependencyMode(d.Mode) + 1, Group: d.Group,
		Seen: toEach(d.Seen, toSighting),
	}
}

func toGroup(g *topology.Group) *streamv1.RedundancyGroup {
	return &streamv1.RedundancyGroup{From: toRef(g.From), Name: g.Name, Need: int64(g.Need)}
}

func toSighting(s *topology.Sighting) *streamv1.Sighting {
	return &streamv1.Sighting{
		Source: s.Source, FirstSeenUnixNano: toNano(s.FirstSeen), LastSeenUnixNano: toNano(s.LastSeen),
		RequestsPerSecond: toMeasure(s.RequestsPerSecond), ErrorRatio: toMeasure(s.ErrorRatio),
	}
}

func toMeasure(m topology.Measure) *float64 {
	if !m.Known {
		return nil
	}
	return &m.Value
}

func fromTopology(t *streamv1.TopologyReport) (*correlate.TopologyReport, error) {
	spec, err := fromGraph(t)
	if err != nil {
		return nil, fmt.Errorf("decode entry: %w", err)
	}
	out := &correlate.TopologyReport{Source: t.GetSource(), Spec: topology.Spec{
		Version: t.GetVersion(), Services: spec.Services, Dependencies: spec.Dependencies, Groups: spec.Groups,
	}}
	for i, r := range t.GetReports() {
		report, err := fromGraph(r)
		if err != nil {
			return nil, fmt.Errorf("decode entry: report %d: %w", i, err)
		}
		report.Source, report.By = r.GetSource(), r.GetBy()
		report.At, report.TTL = fromNano(r.GetAtUnixNano()), time.Duration(r.GetTtlNano())
		out.Spec.Reports = append(out.Spec.Reports, report)
	}
	return out, nil
}

// graph is what a whole topology and one source's report have in common.
type graph interface {
	GetServices() []*streamv1.Service
	GetDependencies() []*streamv1.Dependency
	GetGroups() []*streamv1.RedundancyGroup
}

func fromGraph(t graph) (out topology.SourceReport, err error) {
	for i, s := range t.GetServices() {
		service, err := fromService(s)
		if err != nil {
			return out, fmt.Errorf("service %d: %w", i, err)
		}
		out.Services = append(out.Services, service)
	}
	for i, d := range t.GetDependencies() {
		mode, err := fromEnum[topology.Mode](d.GetMode(), streamv1.DependencyMode_name)
		if err != nil {
			return out, fmt.Errorf("dependency %d: mode: %w", i, err)
		}
		out.Dependencies = append(out.Dependencies, topology.Dependency{
			From: fromRef(d.GetFrom()), To: fromRef(d.GetTo()), Mode: mode, Group: d.GetGroup(), Seen: fromSightings(d.GetSeen()),
		})
	}
	for _, g := range t.GetGroups() {
		out.Groups = append(out.Groups, topology.Group{
			From: fromRef(g.GetFrom()), Name: g.GetName(), Need: int(g.GetNeed()),
		})
	}
	return out, nil
}

func fromService(s *streamv1.Service) (topology.Service, error) {
	kind, err := fromEnum[topology.Kind](s.GetKind(), streamv1.ServiceKind_name)
	if err != nil {
		return topology.Service{}, fmt.Errorf("kind: %w", err)
	}
	return topology.Service{
		Name: s.GetName(), Namespace: s.GetNamespace(), Kind: kind, Labels: s.GetLabels(),
		Owner: s.GetOwner(), Tier: int(s.GetTier()), Runbook: s.GetRunbook(), Links: s.GetLinks(), RunsOn: s.GetRunsOn(),
		Aliases: s.GetAliases(), Seen: fromSightings(s.GetSeen()),
	}, nil
}

func fromSightings(in []*streamv1.Sighting) []topology.Sighting {
	var out []topology.Sighting
	for _, s := range in {
		out = append(out, topology.Sighting{
			Source: s.GetSource(), FirstSeen: fromNano(s.GetFirstSeenUnixNano()), LastSeen: fromNano(s.GetLastSeenUnixNano()),
			RequestsPerSecond: fromMeasure(s.RequestsPerSecond), ErrorRatio: fromMeasure(s.ErrorRatio),
		})
	}
	return out
}

func fromMeasure(v *float64) topology.Measure {
	if v == nil {
		return topology.Measure{}
	}
	return topology.Measured(*v)
}
