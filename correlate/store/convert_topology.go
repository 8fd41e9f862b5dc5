package store

import (
	"time"

	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	"github.com/headwater-sre/headwater/topology"
)

func specToProto(s *topology.Spec) *storev1.Topology {
	return &storev1.Topology{
		Version:      s.Version,
		Services:     each(s.Services, serviceToProto),
		Dependencies: each(s.Dependencies, dependencyToProto),
		Groups:       each(s.Groups, groupToProto),
		Reports:      each(s.Reports, sourceReportToProto),
	}
}

func specFromProto(t *storev1.Topology) *topology.Spec {
	return &topology.Spec{
		Version:      t.GetVersion(),
		Services:     each(t.GetServices(), serviceFromProto),
		Dependencies: each(t.GetDependencies(), dependencyFromProto),
		Groups:       each(t.GetGroups(), groupFromProto),
		Reports:      each(t.GetReports(), sourceReportFromProto),
	}
}

func sourceReportToProto(r topology.SourceReport) *storev1.SourceReport {
	return &storev1.SourceReport{
		Source:       r.Source,
		Services:     each(r.Services, serviceToProto),
		Dependencies: each(r.Dependencies, dependencyToProto),
		Groups:       each(r.Groups, groupToProto),
		By:           r.By,
		AtUnixNano:   timeToNano(r.At),
		TtlNano:      r.TTL.Nanoseconds(),
	}
}

func sourceReportFromProto(r *storev1.SourceReport) topology.SourceReport {
	return topology.SourceReport{
		Source:       r.GetSource(),
		Services:     each(r.GetServices(), serviceFromProto),
		Dependencies: each(r.GetDependencies(), dependencyFromProto),
		Groups:       each(r.GetGroups(), groupFromProto),
		By:           r.GetBy(),
		At:           timeFromNano(r.GetAtUnixNano()),
		TTL:          time.Duration(r.GetTtlNano()),
	}
}

func serviceToProto(s topology.Service) *storev1.Service {
	return &storev1.Service{
		Name:      s.Name,
		Namespace: s.Namespace,
		Kind:      uint32(s.Kind),
		Labels:    pairsOf(s.Labels),
		Owner:     s.Owner,
		Tier:      int64(s.Tier),
		Runbook:   s.Runbook,
		Links:     pairsOf(s.Links),
		RunsOn:    s.RunsOn,
		Aliases:   s.Aliases,
		Seen:      each(s.Seen, sightingToProto),
	}
}

func serviceFromProto(s *storev1.Service) topology.Service {
	return topology.Service{
		Name:      s.GetName(),
		Namespace: s.GetNamespace(),
		Kind:      topology.Kind(s.GetKind()),
		Labels:    mapOf(s.GetLabels()),
		Owner:     s.GetOwner(),
		Tier:      int(s.GetTier()),
		Runbook:   s.GetRunbook(),
		Links:     mapOf(s.GetLinks()),
		RunsOn:    s.GetRunsOn(),
		Aliases:   s.GetAliases(),
		Seen:      each(s.GetSeen(), sightingFromProto),
	}
}

func dependencyToProto(d topology.Dependency) *storev1.Dependency {
	return &storev1.Dependency{
		From: refToProto(d.From), To: refToProto(d.To), Mode: uint32(d.Mode), Group: d.Group,
		Seen: each(d.Seen, sightingToProto),
	}
}

func dependencyFromProto(d *storev1.Dependency) topology.Dependency {
	return topology.Dependency{
		From:  refFromProto(d.GetFrom()),
		To:    refFromProto(d.GetTo()),
		Mode:  topology.Mode(d.GetMode()),
		Group: d.GetGroup(),
		Seen:  each(d.GetSeen(), sightingFromProto),
	}
}

func groupToProto(g topology.Group) *storev1.Group {
	return &storev1.Group{From: refToProto(g.From), Name: g.Name, Need: int64(g.Need)}
}

func groupFromProto(g *storev1.Group) topology.Group {
	return topology.Group{From: refFromProto(g.GetFrom()), Name: g.GetName(), Need: int(g.GetNeed())}
}

func sightingToProto(s topology.Sighting) *storev1.Sighting {
	return &storev1.Sighting{
		Source:            s.Source,
		FirstSeenUnixNano: timeToNano(s.FirstSeen),
		LastSeenUnixNano:  timeToNano(s.LastSeen),
		RequestsPerSecond: measureToProto(s.RequestsPerSecond),
		ErrorRatio:        measureToProto(s.ErrorRatio),
	}
}

func sightingFromProto(s *storev1.Sighting) topology.Sighting {
	return topology.Sighting{
		Source:            s.GetSource(),
		FirstSeen:         timeFromNano(s.GetFirstSeenUnixNano()),
		LastSeen:          timeFromNano(s.GetLastSeenUnixNano()),
		RequestsPerSecond: measureFromProto(s.RequestsPerSecond),
		ErrorRatio:        measureFromProto(s.ErrorRatio),
	}
}

func measureToProto(m topology.Measure) *float64 {
	if !m.Known {
		return nil
	}
	return &m.Value
}

func measureFromProto(v *float64) topology.Measure {
	if v == nil {
		return topology.Measure{}
	}
	return topology.Measured(*v)
}
