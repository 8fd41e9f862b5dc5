package topology

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Warning tells the topology's author about something that was repaired on the way in.
type Warning struct{ Text string }

const (
	// maxWarnings bounds what Build reports; one more says how many were left out.
	maxWarnings = 100
	// maxErrors bounds the errors that Build joins.
	maxErrors = 10
	// hostsGroup is the redundancy group that several RunsOn entries form.
	hostsGroup = "hosts"
)

// Build makes a graph. Node ids follow the order of declaration, then implicit nodes
// (named only by dependencies or RunsOn) in the order of their first mention.
//
// RunsOn becomes a hard dependency on the place; several places are a redundancy group
// "hosts" of which one must work. A place that nothing declares is a [KindHost].
// Dependencies of a service on itself are dropped, repeated ones merged (the strongest
// mode wins, a redundancy group is kept), each with a warning. Cycles are allowed.
//
// Errors are for what cannot be given a meaning: a nameless service, the same service
// twice, a bare name that several namespaces share. Up to ten are joined, each naming
// its entry. The Spec becomes the graph's: do not modify it afterwards.
func Build(spec Spec) (*Graph, []Warning, error) {
	b := builder{g: &Graph{spec: spec}}
	b.declare()
	b.g.indexNicknames()
	b.resolveEnds()
	b.addImplicit()
	if err := b.failure(); err != nil {
		return nil, b.report(), err
	}
	b.link()
	b.mergeLinks()
	b.fillGroups()
	b.g.out = outRows(b.g.Len(), b.links)
	b.g.in = inRows(b.g.Len(), b.links)
	b.g.findCycles()
	b.indexAliases()
	return b.g, b.report(), nil
}

// builder carries the state of one Build.
type builder struct {
	g *Graph

	mentions []mention // every end of a dependency and every place, in order
	links    []link
	groupIDs map[groupKey]int32
	unclear  map[string]bool // ambiguous names already reported

	errs     []error
	errsOver int
	warnings []Warning
	warnOver int
}

type groupKey struct {
	from NodeID
	name string
}

// mention is a use of a name. node is None until it is known.
type mention struct {
	ref  Ref
	node NodeID
	host bool // used as a place to run on
}

func (b *builder) errorf(format string, args ...any) {
	if len(b.errs) == maxErrors {
		b.errsOver++
		return
	}
	b.errs = append(b.errs, fmt.Errorf(format, args...))
}

func (b *builder) warnf(format string, args ...any) {
	if len(b.warnings) == maxWarnings {
		b.warnOver++
		return
	}
	b.warnings = append(b.warnings, Warning{fmt.Sprintf(format, args...)})
}

func (b *builder) failure() error {
	if b.errsOver > 0 {
		b.errs = append(b.errs, fmt.Errorf("and %d more errors", b.errsOver))
	}
	return errors.Join(b.errs...)
}

func (b *builder) report() []Warning {
	if b.warnOver > 0 {
		b.warnings = append(b.warnings, Warning{fmt.Sprintf("and %d more warnings", b.warnOver)})
	}
	return b.warnings
}

// declare gives every listed service its node.
func (b *builder) declare() {
	services := b.g.spec.Services
	b.g.services = slices.Clone(services)
	b.g.byName = make(map[string]NodeID, len(services))
	b.g.exact = make(map[Ref]NodeID)
	for i := range services {
		ref := services[i].Ref()
		if ref.Name == "" {
			b.errorf("services[%d] has no name; every service needs one", i)
			continue
		}
		if !b.index(ref, NodeID(i)) {
			b.errorf("services[%d]: service %q is declared twice; remove one or give them namespaces", i, ref)
		}
	}
}

// index makes a node findable. It reports false when the very same name was taken.
func (b *builder) index(ref Ref, n NodeID) bool {
	first, taken := b.g.byName[ref.Name]
	switch {
	case !taken:
		b.g.byName[ref.Name] = n
		return true
	case first != ambiguous && b.g.Ref(first) == ref:
		return false
	case first != ambiguous:
		b.g.exact[b.g.Ref(first)] = first
		b.g.byName[ref.Name] = ambiguous
	}
	if _, dup := b.g.exact[ref]; dup {
		return false
	}
	b.g.exact[ref] = n
	return true
}

// resolveEnds collects every mention and resolves those that declared services answer.
// The order is that of first mention: placement comes with its service, so before
// dependencies.
func (b *builder) resolveEnds() {
	spec := &b.g.spec
	b.mentions = make([]mention, 0, 2*len(spec.Dependencies)+len(spec.Services))
	for i := range spec.Services {
		for _, place := range spec.Services[i].RunsOn {
			if place == "" {
				b.errorf("service %q: runs_on has an empty name", spec.Services[i].Ref())
			}
			b.mention(ParseRef(place), true)
		}
	}
	for i := range spec.Dependencies {
		d := &spec.Dependencies[i]
		if d.From.Name == "" || d.To.Name == "" {
			b.errorf("dependencies[%d] (%q -> %q) needs a name at both ends", i, d.From, d.To)
		}
		b.mention(d.From, false)
		b.mention(d.To, false)
	}
}

func (b *builder) mention(ref Ref, host bool) {
	n, ok := b.g.Lookup(ref)
	if !ok {
		n = None
	}
	b.mentions = append(b.mentions, mention{ref: ref, node: n, host: host})
}

// addImplicit gives the remaining mentions their nodes. Full names are collected before
// bare ones, so that whether a bare name is ambiguous does not depend on the order in
// which dependencies are listed.
func (b *builder) addImplicit() {
	var created []int // mention that made each implicit node
	for _, bare := range []bool{false, true} {
		for i := range b.mentions {
			m := &b.mentions[i]
			if m.node != None || (m.ref.Namespace == "") != bare || m.ref.Name == "" {
				continue
			}
			if b.createFor(m) {
				created = append(created, i)
			}
		}
	}
	b.orderImplicit(created)
	b.markHosts()
}

// createFor resolves m, with a new node when nothing has its name yet.
func (b *builder) createFor(m *mention) bool {
	if n, ok := b.g.Lookup(m.ref); ok {
		m.node = n
		return false
	}
	if m.ref.Namespace == "" && b.g.byName[m.ref.Name] == ambiguous {
		b.reportAmbiguous(m.ref.Name)
		return false
	}
	m.node = NodeID(b.g.Len())
	b.g.services = append(b.g.services, Service{Name: m.ref.Name, Namespace: m.ref.Namespace})
	b.index(m.ref, m.node)
	return true
}

// reportAmbiguous says once which nodes a bare name could mean.
func (b *builder) reportAmbiguous(name string) {
	if b.unclear[name] {
		return
	}
	if b.unclear == nil {
		b.unclear = make(map[string]bool)
	}
	b.unclear[name] = true
	var all []string
	for i := range b.g.services {
		if s := &b.g.services[i]; s.Name == name {
			all = append(all, s.Ref().String())
		}
	}
	b.errorf("name %q is ambiguous, it could be %s; write namespace/name", name, strings.Join(all, " or "))
}

// orderImplicit renumbers implicit nodes by first mention; created[k] is the mention
// that made the k-th of them.
func (b *builder) orderImplicit(created []int) {
	base := len(b.g.spec.Services)
	order := make([]int, len(created)) // new position -> old
	for i := range order {
		order[i] = i
	}
	// A bare mention may precede the full one that it resolves to.
	first := slices.Clone(created)
	for i := len(b.mentions) - 1; i >= 0; i-- {
		if k := int(b.mentions[i].node) - base; k >= 0 {
			first[k] = i
		}
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(first[x], first[y]) })

	moved := make([]NodeID, len(order)) // old position -> new id
	implicit := make([]Service, len(order))
	for to, from := range order {
		moved[from] = NodeID(base + to)
		implicit[to] = b.g.services[base+from]
	}
	copy(b.g.services[base:], implicit)
	for i := range b.mentions {
		if k := int(b.mentions[i].node) - base; k >= 0 {
			b.mentions[i].node = moved[k]
		}
	}
	for k := range implicit {
		b.reindex(&implicit[k], NodeID(base+k))
	}
}

func (b *builder) reindex(s *Service, n NodeID) {
	if b.g.byName[s.Name] == ambiguous {
		b.g.exact[s.Ref()] = n
		return
	}
	b.g.byName[s.Name] = n
}

// markHosts gives implicit places their kind and warns about other implicit nodes.
func (b *builder) markHosts() {
	base := len(b.g.spec.Services)
	for i := range b.mentions {
		if m := &b.mentions[i]; m.host && int(m.node) >= base {
			b.g.services[m.node].Kind = KindHost
		}
	}
	for n := base; n < b.g.Len(); n++ {
		if s := &b.g.services[n]; s.Kind != KindHost {
			b.warnf("service %q is named only by dependencies; declare it under services to give it a kind and an owner", s.Ref())
		}
	}
}

// link turns mentions, taken in the order in which resolveEnds left them, into links.
func (b *builder) link() {
	spec := &b.g.spec
	b.links = make([]link, 0, len(b.mentions)-len(spec.Dependencies))
	b.groupIDs = make(map[groupKey]int32)
	next := 0
	for i := range spec.Services {
		places := spec.Services[i].RunsOn
		group := ""
		if len(places) > 1 {
			group = hostsGroup
		}
		for range places {
			b.addLink(NodeID(i), b.mentions[next].node, ModeHard, group)
			next++
		}
	}
	for i := range spec.Dependencies {
		d := &spec.Dependencies[i]
		b.addLink(b.mentions[next].node, b.mentions[next+1].node, d.Mode, d.Group)
		b.sight(b.mentions[next].node, b.mentions[next+1].node, d.Seen)
		next += 2
	}
	b.mentions = nil
}

func (b *builder) addLink(from, to NodeID, mode Mode, group string) {
	if from == to {
		b.warnf("service %q depends on itself; the dependency is ignored", b.g.Ref(from))
		return
	}
	b.links = append(b.links, link{from: from, to: to, mode: mode, group: b.groupID(from, group)})
}

func (b *builder) groupID(from NodeID, name string) int32 {
	if name == "" {
		return NoGroup
	}
	key := groupKey{from, name}
	id, ok := b.groupIDs[key]
	if !ok {
		id = int32(len(b.g.groups))
		b.groupIDs[key] = id
		b.g.groups = append(b.g.groups, group{from: from, name: name, need: 1, mode: ModeAsync})
	}
	return id
}

// mergeLinks sorts links into rows and folds repeated ones together.
func (b *builder) mergeLinks() {
	links := sortLinks(b.g.Len(), b.links)
	kept := links[:0]
	for _, l := range links {
		if n := len(kept); n > 0 && kept[n-1].from == l.from && kept[n-1].to == l.to {
			b.merge(&kept[n-1], l)
			continue
		}
		kept = append(kept, l)
	}
	b.links = kept
}

// merge keeps the stronger mode, and a redundancy group over none: a source that knows
// of no group (a trace, a metric) does not contradict one that does.
func (b *builder) merge(into *link, l link) {
	into.mode = min(into.mode, l.mode)
	if into.group == NoGroup {
		into.group = l.group
	}
	from, to := b.g.Ref(l.from), b.g.Ref(l.to)
	if l.group != NoGroup && l.group != into.group {
		b.warnf("dependency %q -> %q is in two redundancy groups, %q and %q; the first is used",
			from, to, b.g.groups[into.group].name, b.g.groups[l.group].name)
		return
	}
	b.warnf("dependency %q -> %q is listed more than once; the strongest mode (%s) is used", from, to, into.mode)
}

// fillGroups collects the members and applies the listed needs.
func (b *builder) fillGroups() {
	for i := range b.links {
		l := &b.links[i]
		if l.group == NoGroup {
			continue
		}
		r := &b.g.groups[l.group]
		r.members = append(r.members, l.to)
		r.mode = min(r.mode, l.mode)
	}
	listed := make(map[int32]bool, len(b.g.spec.Groups))
	for _, want := range b.g.spec.Groups {
		b.applyNeed(want, listed)
	}
}

func (b *builder) applyNeed(want Group, listed map[int32]bool) {
	from, ok := b.g.Lookup(want.From)
	if !ok {
		b.warnf("redundancy group %q belongs to %q, which is no service here; it is ignored", want.Name, want.From)
		return
	}
	id, ok := b.groupIDs[groupKey{from, want.Name}]
	if !ok || len(b.g.groups[id].members) == 0 {
		b.warnf("redundancy group %q of %q has no members; name it in the redundancy_group of a dependency", want.Name, want.From)
		return
	}
	if listed[id] {
		b.warnf("redundancy group %q of %q is listed more than once; the first need is used", want.Name, want.From)
		return
	}
	listed[id] = true
	r := &b.g.groups[id]
	if want.Need > len(r.members) {
		b.warnf("redundancy group %q of %q needs %d of %d members; all %d are taken as needed",
			want.Name, want.From, want.Need, len(r.members), len(r.members))
	}
	r.need = max(1, min(want.Need, len(r.members)))
}

// indexAliases makes services findable by their labels. A pair that several services
// share is nobody's, so the order of a map does not show.
func (b *builder) indexAliases() {
	b.g.aliases = make(map[alias]NodeID)
	for i := range b.g.services {
		s := &b.g.services[i]
		for label, value := range s.Labels {
			if value == s.Name || !namesThings(label) {
				continue
			}
			key := alias{label, value}
			if _, shared := b.g.aliases[key]; shared {
				b.g.aliases[key] = None
				continue
			}
			b.g.aliases[key] = NodeID(i)
		}
	}
}
