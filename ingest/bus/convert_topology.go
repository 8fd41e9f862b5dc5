package bus

import (
	"fmt"

	"github.com/headwater-sre/headwater/correlate"
	streamv1 "github.com/headwater-sre/headwater/proto/headwater/stream/v1"
	"github.com/headwater-sre/headwater/topology"
)

func toTopology(t *correlate.TopologyReport) *streamv1.TopologyReport {
	out := &streamv1.TopologyReport{
		Source: t.Source, Version: t.Spec.Version,
		Services:     make([]*streamv1.Service, len(t.Spec.Services)),
		Dependencies: make([]*streamv1.Dependency, len(t.Spec.Dependencies)),
		Groups:       make([]*streamv1.RedundancyGroup, len(t.Spec.Groups)),
	}
	for i := range t.Spec.Services {
		s := &t.Spec.Services[i]
		out.Services[i] = &streamv1.Service{
			Name: s.Name, Namespace: s.Namespace, Kind: streamv1.ServiceKind(s.Kind) + 1, Labels: s.Labels,
			Owner: s.Owner, Tier: int64(s.Tier), Runbook: s.Runbook, Links: s.Links, RunsOn: s.RunsOn,
		}
	}
	for i, d := range t.Spec.Dependencies {
		out.Dependencies[i] = &streamv1.Dependency{
			From: toRef(d.From), To: toRef(d.To), Mode: streamv1.DependencyMode(d.Mode) + 1, Group: d.Group,
		}
	}
	for i, g := range t.Spec.Groups {
		out.Groups[i] = &streamv1.RedundancyGroup{From: toRef(g.From), Name: g.Name, Need: int64(g.Need)}
	}
	return out
}

func fromTopology(t *streamv1.TopologyReport) (*correlate.TopologyReport, error) {
	out := &correlate.TopologyReport{Source: t.GetSource(), Spec: topology.Spec{Version: t.GetVersion()}}
	for i, s := range t.GetServices() {
		kind, err := fromEnum[topology.Kind](s.GetKind(), streamv1.ServiceKind_name)
		if err != nil {
			return nil, fmt.Errorf("decode entry: service %d: kind: %w", i, err)
		}
		out.Spec.Services = append(out.Spec.Services, topology.Service{
			Name: s.GetName(), Namespace: s.GetNamespace(), Kind: kind, Labels: s.GetLabels(),
			Owner: s.GetOwner(), Tier: int(s.GetTier()), Runbook: s.GetRunbook(), Links: s.GetLinks(), RunsOn: s.GetRunsOn(),
		})
	}
	for i, d := range t.GetDependencies() {
		mode, err := fromEnum[topology.Mode](d.GetMode(), streamv1.DependencyMode_name)
		if err != nil {
			return nil, fmt.Errorf("decode entry: dependency %d: mode: %w", i, err)
		}
		out.Spec.Dependencies = append(out.Spec.Dependencies, topology.Dependency{
			From: fromRef(d.GetFrom()), To: fromRef(d.GetTo()), Mode: mode, Group: d.GetGroup(),
		})
	}
	for _, g := range t.GetGroups() {
		out.Spec.Groups = append(out.Spec.Groups, topology.Group{
			From: fromRef(g.GetFrom()), Name: g.GetName(), Need: int(g.GetNeed()),
		})
	}
	return out, nil
}
