package discovery

import (
	"maps"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// standing is what a source says: its last report, and what earlier ones had that is
// not yet forgotten. It is never changed, only followed by another.
type standing struct {
	services     []topology.Service    // sorted unless declared; each with one Sighting
	dependencies []topology.Dependency // likewise
	groups       []topology.Group
	warnings     []topology.Warning

	answered time.Time // when the source last answered; zero: never
	resumed  time.Time // before it the source was away for so long that it could have seen nothing
}

type edge struct{ from, to topology.Ref }

func edgeOf(d *topology.Dependency) edge { return edge{d.From, d.To} }

// declare is the standing after a report of what people wrote down: the report.
func declare(r Report, now time.Time) standing {
	s := standing{services: r.Services, dependencies: r.Dependencies, groups: r.Groups, warnings: r.Warnings, answered: now}
	for i := range s.services {
		s.services[i].Seen = nil
	}
	for i := range s.dependencies {
		s.dependencies[i].Seen = nil
	}
	return s
}

// next is the standing after a report of what was discovered, which becomes its.
// source is the name for sightings.
//
// What the report lacks, or has with an old sighting, stays until ttl has passed since
// it was last seen. That time does not run while the source is away: after a silence
// of more than half the ttl it begins anew for all.
func (s standing) next(source string, r Report, now time.Time, ttl time.Duration) standing {
	out := standing{groups: r.Groups, warnings: r.Warnings, answered: now, resumed: s.resumed}
	if !s.answered.IsZero() && now.Sub(s.answered) > ttl/2 {
		out.resumed = now
	}
	fresh := func(seen topology.Sighting) bool {
		last := seen.LastSeen
		if out.resumed.After(last) {
			last = out.resumed
		}
		return now.Sub(last) <= ttl
	}
	before := map[edge]topology.Dependency{}
	for _, d := range s.dependencies {
		before[edgeOf(&d)] = d
	}
	for _, d := range onePerEdge(source, r.Dependencies, now) {
		old, known := before[edgeOf(&d)]
		delete(before, edgeOf(&d))
		d.Seen[0] = continued(d.Seen[0], old.Seen, known)
		if ttl == 0 || fresh(d.Seen[0]) {
			out.dependencies = append(out.dependencies, d)
		}
	}
	for _, d := range before {
		if fresh(d.Seen[0]) && ttl > 0 {
			out.dependencies = append(out.dependencies, quiet(d))
		}
	}
	sortDependencies(out.dependencies)
	out.services = s.nextServices(source, r.Services, out.dependencies, now, func(seen topology.Sighting) bool { return ttl > 0 && fresh(seen) })
	return out
}

// nextServices are those of the report, those of before that are still fresh, and what
// the dependencies name.
func (s standing) nextServices(source string, reported []topology.Service, ends []topology.Dependency, now time.Time, fresh func(topology.Sighting) bool) []topology.Service {
	all := map[topology.Ref]topology.Service{}
	before := map[topology.Ref]topology.Service{}
	for _, old := range s.services {
		before[old.Ref()] = old
	}
	add := func(svc topology.Service, seen topology.Sighting) {
		old, known := before[svc.Ref()]
		svc.Seen = []topology.Sighting{continued(seen, old.Seen, known)}
		all[svc.Ref()] = svc
	}
	for _, svc := range reported {
		if _, twice := all[svc.Ref()]; !twice && svc.Name != "" {
			svc.RunsOn = slices.DeleteFunc(slices.Clone(svc.RunsOn), func(place string) bool { return place == "" })
			add(svc, sighted(source, svc.Seen, now))
		}
	}
	for i := range ends {
		seen := ends[i].Seen[0]
		for _, end := range []topology.Ref{ends[i].From, ends[i].To} {
			svc, known := all[end]
			if !known {
				svc, known = before[end]
				svc.Name, svc.Namespace = end.Name, end.Namespace
				if !known {
					svc.Seen = nil
				}
			}
			add(svc, withoutTraffic(putTogether(svc.Seen, source, []topology.Sighting{seen})[0]))
		}
	}
	for ref, old := range before {
		if _, still := all[ref]; !still && fresh(old.Seen[0]) {
			all[ref] = old
		}
	}
	out := slices.Collect(maps.Values(all))
	sortServices(out)
	return out
}

// onePerEdge gives each dependency of a report its sighting; repeated ones become one,
// with the strongest mode. What has a nameless end is left out.
func onePerEdge(source string, reported []topology.Dependency, now time.Time) []topology.Dependency {
	at := map[edge]int{}
	var out []topology.Dependency
	for _, d := range reported {
		if d.From.Name == "" || d.To.Name == "" {
			continue
		}
		seen := sighted(source, d.Seen, now)
		i, again := at[edgeOf(&d)]
		if !again {
			at[edgeOf(&d)] = len(out)
			d.Seen = []topology.Sighting{seen}
			out = append(out, d)
			continue
		}
		out[i].Seen = putTogether(out[i].Seen, source, []topology.Sighting{seen})
		out[i].Mode = min(out[i].Mode, d.Mode)
		if out[i].Group == "" {
			out[i].Group = d.Group
		}
	}
	return out
}

// sighted is what a report says of one entry, completed: seen now unless it says when.
func sighted(source string, said []topology.Sighting, now time.Time) topology.Sighting {
	var s topology.Sighting
	if len(said) > 0 {
		s = said[0]
	}
	s.Source, s.FirstSeen, s.LastSeen = source, plainTime(s.FirstSeen), plainTime(s.LastSeen)
	if s.LastSeen.IsZero() || s.LastSeen.After(now) {
		s.LastSeen = now
	}
	if s.FirstSeen.IsZero() || s.FirstSeen.After(s.LastSeen) {
		s.FirstSeen = s.LastSeen
	}
	return s
}

// continued is a sighting with what was known before.
func continued(s topology.Sighting, old []topology.Sighting, known bool) topology.Sighting {
	if !known || len(old) == 0 {
		return s
	}
	if old[0].FirstSeen.Before(s.FirstSeen) {
		s.FirstSeen = old[0].FirstSeen
	}
	if old[0].LastSeen.After(s.LastSeen) {
		s.LastSeen = old[0].LastSeen
	}
	return s
}

// quiet is a dependency that the last report does not have: nothing is known of its
// traffic lately.
func quiet(d topology.Dependency) topology.Dependency {
	d.Seen = []topology.Sighting{withoutTraffic(d.Seen[0])}
	return d
}

func withoutTraffic(s topology.Sighting) topology.Sighting {
	s.RequestsPerSecond, s.ErrorRatio = topology.Measure{}, topology.Measure{}
	return s
}

// plainTime is t as it comes back from the stream.
func plainTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

// lastSeen is the newest sighting.
func (s standing) lastSeen() time.Time {
	var last time.Time
	for i := range s.services {
		for _, seen := range s.services[i].Seen {
			if seen.LastSeen.After(last) {
				last = seen.LastSeen
			}
		}
	}
	return last
}

// voice is the standing as Merge hears it.
func (s standing) voice(source string, declared bool) Voice {
	return Voice{Source: source, Declared: declared, Services: s.services, Dependencies: s.dependencies, Groups: s.groups}
}
