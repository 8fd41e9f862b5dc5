package discovery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/headwater-sre/headwater/topology"
)

// Voice is what one source says at one time.
type Voice struct {
	Source string
	// Declared: people wrote it down. Such voices come before all others.
	Declared bool

	Services     []topology.Service // each with at most one Sighting, which is the source's own
	Dependencies []topology.Dependency
	Groups       []topology.Group
}

// Merged is one graph made of many voices.
type Merged struct {
	// Spec has its Version, a digest of the graph without provenance, and no Reports.
	Spec topology.Spec
	// LookAlikes are names of different sources that could mean one service and did not
	// meet, the strongest cases first, at most [maxLookAlikes].
	LookAlikes []LookAlike
}

// Merge makes one graph of what voices say, the first being the highest. It is a
// function of its input alone.
//
// Names meet as described in [meeting]. A service's properties are taken one by one
// from the highest voice that has them, labels and links key by key; its name is that
// of the highest voice, all other names become aliases. A dependency is in the graph
// when one voice has it; mode and redundancy group are those of the highest, and where
// that one is declared no other adds a group. Sightings are put together.
//
// Services come in the order in which the voices mention them, so voices that are the
// same say the same graph.
func Merge(voices []Voice) Merged {
	m := merging{meeting: meet(voices), names: map[int]topology.Ref{}}
	m.name()
	for _, root := range m.order {
		if m.explicit(root) {
			m.spec.Services = append(m.spec.Services, m.service(root))
		}
	}
	m.dependencies()
	m.groups()
	m.spec.Version = topology.Digest(&m.spec)
	return Merged{Spec: m.spec, LookAlikes: m.lookAlikes()}
}

// merging writes down the graph that a meeting amounts to.
type merging struct {
	*meeting
	spec  topology.Spec
	order []int                // roots
	names map[int]topology.Ref // by root: what the graph calls it

	owners map[topology.Ref]int // by name of the graph: its root
	bare   map[string]int       // how many nodes have a name, whatever their namespaces
	claims map[topology.Ref]int // by alias: how many nodes claim it
	called map[string][]int     // by bare name: the roots that have an alias of that name
}

// name gives every cluster the name that its highest voice has for it. Discovered host
// names of a cluster are written as namespace/name.
func (m *merging) name() {
	m.order = m.roots()
	m.owners, m.bare, m.claims, m.called = map[topology.Ref]int{}, map[string]int{}, map[topology.Ref]int{}, map[string][]int{}
	for _, root := range m.order {
		e := &m.entities[root]
		name := e.key
		if m.voices[e.voice].Declared {
			name = e.ref
		}
		m.names[root] = name
		m.owners[name] = root
		m.bare[name.Name]++
		for _, a := range m.otherNames(root) {
			m.claims[a]++
			m.called[a.Name] = append(m.called[a.Name], root)
		}
	}
}

// explicit reports whether the graph lists the node. What only declared voices mention,
// and only in dependencies, stays theirs to declare, unless a look-up by its name alone
// could find another node.
func (m *merging) explicit(root int) bool {
	for _, i := range m.cluster(root) {
		if e := &m.entities[i]; e.service != nil || !m.voices[e.voice].Declared {
			return true
		}
	}
	name := m.names[root].Name
	return m.bare[name] > 1 || slices.ContainsFunc(m.called[name], func(other int) bool { return other != root })
}

// service puts together what the voices say of one node.
func (m *merging) service(root int) topology.Service {
	name := m.names[root]
	out := topology.Service{Name: name.Name, Namespace: name.Namespace, Aliases: m.aliases(root)}
	place, placing := false, -1
	for _, i := range m.cluster(root) {
		e := &m.entities[i]
		place = place || e.place
		if e.service == nil {
			continue
		}
		fillIn(&out, e.service)
		// The workloads of one service run on the nodes of all, but two sources' places
		// are not added up: one of them may be of old.
		if len(e.service.RunsOn) > 0 && (placing < 0 || placing == e.voice) {
			placing = e.voice
			out.RunsOn = union(out.RunsOn, m.places(e))
		}
	}
	if place {
		out.Kind = cmp.Or(out.Kind, topology.KindHost)
	}
	out.Seen = m.sightings(root)
	return out
}

// fillIn takes from s what is still unset.
func fillIn(out, s *topology.Service) {
	out.Kind = cmp.Or(out.Kind, s.Kind)
	out.Owner = cmp.Or(out.Owner, s.Owner)
	out.Tier = cmp.Or(out.Tier, s.Tier)
	out.Runbook = cmp.Or(out.Runbook, s.Runbook)
	out.Labels = fillInKeys(out.Labels, s.Labels)
	out.Links = fillInKeys(out.Links, s.Links)
}

func fillInKeys(out, add map[string]string) map[string]string {
	if out == nil {
		return maps.Clone(add)
	}
	for k, v := range add {
		if _, set := out[k]; !set {
			out[k] = v
		}
	}
	return out
}

// union adds to a what of b it lacks.
func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// places are what a service runs on, by the graph's names.
func (m *merging) places(e *entity) []string {
	var out []string
	for _, place := range e.service.RunsOn {
		if i, ok := m.find(e.voice, topology.ParseRef(place)); ok {
			if name := m.names[m.root(i)]; topology.ParseRef(name.String()) == name {
				place = name.String()
			}
		}
		if !slices.Contains(out, place) {
			out = append(out, place)
		}
	}
	return out
}

// otherNames are what the voices call a node beside its name, as keys.
func (m *merging) otherNames(root int) []topology.Ref {
	name := m.names[root]
	var out []topology.Ref
	add := func(r topology.Ref) {
		if r != name && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, i := range m.cluster(root) {
		e := &m.entities[i]
		add(e.key)
		for _, a := range e.aliases {
			add(a)
		}
	}
	return out
}

// aliases are the other names that a look-up would not take for the node anyway, and
// that belong to no other node.
func (m *merging) aliases(root int) []string {
	name := m.names[root]
	var out []string
	for _, a := range m.otherNames(root) {
		_, taken := m.owners[a]
		loose := a.Name == name.Name && (a.Namespace == "" || name.Namespace == "") && m.bare[name.Name] == 1
		if !taken && !loose && m.claims[a] == 1 && topology.ParseRef(a.String()) == a {
			out = append(out, a.String())
		}
	}
	return out
}

// sightings are those of the voices that know a node, by source.
func (m *merging) sightings(root int) []topology.Sighting {
	var out []topology.Sighting
	for _, i := range m.cluster(root) {
		e := &m.entities[i]
		if e.service != nil {
			out = putTogether(out, m.voices[e.voice].Source, e.service.Seen)
		}
	}
	return sortSeen(out)
}

func sortSeen(seen []topology.Sighting) []topology.Sighting {
	slices.SortFunc(seen, func(a, b topology.Sighting) int { return cmp.Compare(a.Source, b.Source) })
	return seen
}

// putTogether adds a source's sightings to others; those of one source become one.
func putTogether(seen []topology.Sighting, source string, add []topology.Sighting) []topology.Sighting {
	if len(add) == 0 {
		add = []topology.Sighting{{}}
	}
	for _, s := range add {
		s.Source = source
		i := slices.IndexFunc(seen, func(o topology.Sighting) bool { return o.Source == source })
		if i < 0 {
			seen = append(seen, s)
			continue
		}
		o := &seen[i]
		if !s.FirstSeen.IsZero() && (o.FirstSeen.IsZero() || s.FirstSeen.Before(o.FirstSeen)) {
			o.FirstSeen = s.FirstSeen
		}
		if s.LastSeen.After(o.LastSeen) {
			o.LastSeen = s.LastSeen
		}
		o.RequestsPerSecond, o.ErrorRatio = together(o, &s)
	}
	return seen
}

// together is the traffic of two edges of one source that became one.
func together(a, b *topology.Sighting) (rate, errors topology.Measure) {
	switch {
	case !b.RequestsPerSecond.Known:
		return a.RequestsPerSecond, a.ErrorRatio
	case !a.RequestsPerSecond.Known:
		return b.RequestsPerSecond, b.ErrorRatio
	}
	sum := a.RequestsPerSecond.Value + b.RequestsPerSecond.Value
	rate = topology.Measured(sum)
	if a.ErrorRatio.Known && b.ErrorRatio.Known && sum > 0 {
		failed := a.ErrorRatio.Value*a.RequestsPerSecond.Value + b.ErrorRatio.Value*b.RequestsPerSecond.Value
		errors = topology.Measured(failed / sum)
	}
	return rate, errors
}

type edgeKey struct{ from, to int }

// dependencies lists each edge once, where its highest voice has it.
func (m *merging) dependencies() {
	at := map[edgeKey]int{}
	by := []int{} // the voice that each is from
	for v := range m.voices {
		for i := range m.voices[v].Dependencies {
			d := &m.voices[v].Dependencies[i]
			from, ok := m.find(v, d.From)
			to, known := m.find(v, d.To)
			if !ok || !known {
				continue // a nameless end
			}
			key := edgeKey{m.root(from), m.root(to)}
			if key.from == key.to && (from != to || !m.voices[v].Declared) {
				continue // between two names of one service; where it was declared so, Build says it
			}
			k, again := at[key]
			if !again {
				at[key] = len(m.spec.Dependencies)
				by = append(by, v)
				m.spec.Dependencies = append(m.spec.Dependencies, topology.Dependency{
					From: m.names[key.from], To: m.names[key.to], Mode: d.Mode, Group: d.Group, Seen: putTogether(nil, m.voices[v].Source, d.Seen),
				})
				continue
			}
			have := &m.spec.Dependencies[k]
			have.Seen = sortSeen(putTogether(have.Seen, m.voices[v].Source, d.Seen))
			if by[k] == v {
				have.Mode = min(have.Mode, d.Mode)
			}
			if by[k] == v || !m.voices[by[k]].Declared {
				have.Group = cmp.Or(have.Group, d.Group)
			}
		}
	}
}

// groups lists each redundancy group once, as its highest voice has it.
func (m *merging) groups() {
	type groupKey struct {
		from int
		name string
	}
	seen := map[groupKey]bool{}
	for v := range m.voices {
		for _, g := range m.voices[v].Groups {
			from, ok := m.find(v, g.From)
			if !ok {
				if m.voices[v].Declared { // Build says what is wrong with it
					m.spec.Groups = append(m.spec.Groups, g)
				}
				continue
			}
			key := groupKey{m.root(from), g.Name}
			if seen[key] {
				continue
			}
			seen[key] = true
			g.From = m.names[key.from]
			m.spec.Groups = append(m.spec.Groups, g)
		}
	}
}

// seenAs is how a report on names shows an entity.
func (m *meeting) seenAs(i int) NameOf {
	e := &m.entities[i]
	return NameOf{Source: m.voices[e.voice].Source, Ref: e.ref}
}

// LookAlike is two names that could mean one service and did not meet.
type LookAlike struct {
	A, B NameOf
	Why  string // for people
}

// NameOf is a name and the source that has it.
type NameOf struct {
	Source string
	Ref    topology.Ref
}

// String is "name (source)".
func (n NameOf) String() string { return fmt.Sprintf("%s (%s)", n.Ref, n.Source) }
