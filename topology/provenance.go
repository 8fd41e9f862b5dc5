package topology

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
)

// WithoutProvenance is the graph alone: a copy without Sightings and Reports. It shares
// all else with s.
func (s Spec) WithoutProvenance() Spec {
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		s.Services[i].Seen = nil
	}
	s.Dependencies = slices.Clone(s.Dependencies)
	for i := range s.Dependencies {
		s.Dependencies[i].Seen = nil
	}
	s.Reports = nil
	return s
}

// SameGraph reports whether two Specs describe the same graph with the same
// properties, in the same order. Version, sightings and reports may differ.
func SameGraph(a, b *Spec) bool {
	return slices.EqualFunc(a.Services, b.Services, sameService) &&
		slices.EqualFunc(a.Dependencies, b.Dependencies, sameDependency) &&
		slices.Equal(a.Groups, b.Groups)
}

func sameService(a, b Service) bool {
	return a.Name == b.Name && a.Namespace == b.Namespace && a.Kind == b.Kind && a.Owner == b.Owner && a.Tier == b.Tier &&
		a.Runbook == b.Runbook && maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Links, b.Links) &&
		slices.Equal(a.RunsOn, b.RunsOn) && slices.Equal(a.Aliases, b.Aliases)
}

func sameDependency(a, b Dependency) bool {
	return a.From == b.From && a.To == b.To && a.Mode == b.Mode && a.Group == b.Group
}

// Seen lists the sightings of a dependency, shared: do not modify them. It is nil where
// the Spec has none, as for the places that a service runs on: see the service's own.
func (g *Graph) Seen(from, to NodeID) []Sighting { return g.seen[[2]NodeID{from, to}] }

// sight keeps a dependency's sightings. Those of repeated dependencies are put together.
func (b *builder) sight(from, to NodeID, seen []Sighting) {
	if len(seen) == 0 || from == to {
		return
	}
	if b.g.seen == nil {
		b.g.seen = make(map[[2]NodeID][]Sighting, len(b.g.spec.Dependencies))
	}
	key := [2]NodeID{from, to}
	b.g.seen[key] = slices.Concat(b.g.seen[key], seen)
}

// Digest names a graph by its content: Specs that are the same graph have the same one,
// and others practically never.
func Digest(s *Spec) string {
	h := digest{sha256.New()}
	h.number(len(s.Services))
	for i := range s.Services {
		h.service(&s.Services[i])
	}
	h.number(len(s.Dependencies))
	for _, d := range s.Dependencies {
		h.texts(d.From.Namespace, d.From.Name, d.To.Namespace, d.To.Name, d.Group)
		h.number(int(d.Mode))
	}
	h.number(len(s.Groups))
	for _, g := range s.Groups {
		h.texts(g.From.Namespace, g.From.Name, g.Name)
		h.number(g.Need)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// digest hashes values so that no two lists of them run together.
type digest struct{ hash.Hash }

func (h digest) number(n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

func (h digest) texts(list ...string) {
	for _, t := range list {
		h.number(len(t))
		h.Write([]byte(t))
	}
}

func (h digest) list(list []string) {
	h.number(len(list))
	h.texts(list...)
}

func (h digest) pairs(m map[string]string) {
	h.number(len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		h.texts(k, m[k])
	}
}

func (h digest) service(s *Service) {
	h.texts(s.Namespace, s.Name, s.Owner, s.Runbook)
	h.number(int(s.Kind))
	h.number(s.Tier)
	h.pairs(s.Labels)
	h.pairs(s.Links)
	h.list(s.RunsOn)
	h.list(s.Aliases)
}
