package discovery

import (
	"slices"

	"github.com/headwater-sre/headwater/topology"
)

// recall is what a source said when spec was put together: its report, where spec has
// it, else what the graph shows as seen by it. What the graph took from other sources
// is then the source's too; write sees to it that there is nothing of the kind.
func recall(spec *topology.Spec, source string) (standing, bool) {
	for i := range spec.Reports {
		if r := &spec.Reports[i]; r.Source == source {
			s := standing{services: r.Services, dependencies: r.Dependencies, groups: r.Groups}
			s.answered = s.lastSeen()
			return s, true
		}
	}
	s := derive(spec, source)
	return s, len(s.services) > 0
}

// derive reads off the graph what a source has seen.
func derive(spec *topology.Spec, source string) standing {
	var s standing
	for _, svc := range spec.Services {
		if seen, ok := sightingOf(svc.Seen, source); ok {
			svc.Seen = seen
			s.services = append(s.services, svc)
		}
	}
	for _, d := range spec.Dependencies {
		if seen, ok := sightingOf(d.Seen, source); ok {
			d.Seen = seen
			s.dependencies = append(s.dependencies, d)
		}
	}
	sortServices(s.services)
	sortDependencies(s.dependencies)
	s.answered = s.lastSeen()
	return s
}

func sightingOf(seen []topology.Sighting, source string) ([]topology.Sighting, bool) {
	i := slices.IndexFunc(seen, func(s topology.Sighting) bool { return s.Source == source })
	if i < 0 {
		return nil, false
	}
	return []topology.Sighting{seen[i]}, true
}

// report is what must be written down beside the graph so that recall gives the
// standing back; false when the graph alone does.
func (s standing) report(spec *topology.Spec, source string) (topology.SourceReport, bool) {
	d := derive(spec, source)
	r := topology.SourceReport{Source: source, Services: s.services, Dependencies: s.dependencies, Groups: s.groups}
	return r, !sameStanding(s, d)
}

// sameStanding compares what two standings say, sightings included.
func sameStanding(a, b standing) bool {
	graph := func(s standing) *topology.Spec {
		return &topology.Spec{Services: s.services, Dependencies: s.dependencies, Groups: s.groups}
	}
	return topology.SameGraph(graph(a), graph(b)) &&
		slices.EqualFunc(a.services, b.services, func(x, y topology.Service) bool { return slices.Equal(x.Seen, y.Seen) }) &&
		slices.EqualFunc(a.dependencies, b.dependencies, func(x, y topology.Dependency) bool { return slices.Equal(x.Seen, y.Seen) })
}
