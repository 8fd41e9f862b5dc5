package discovery

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/topology"
)

// entity is one thing as one voice names it.
type entity struct {
	voice   int
	ref     topology.Ref // as the voice writes it
	key     topology.Ref // as names are compared: host names of a cluster are namespace/name
	service *topology.Service
	place   bool // no service of the voice, but a place that others run on
	aliases []topology.Ref
	jobs    []topology.Ref // names that its labels give it
}

// meeting finds out which entities are one node. Kinds of evidence are gone through
// from the strongest to the weakest; a link that would make one of what a higher source
// keeps apart is refused, and what remains apart but looks alike is reported.
type meeting struct {
	voices   []Voice
	entities []entity
	byName   []map[topology.Ref]int // of each voice: its entities by their refs

	parent  []int         // union-find over entities; the root is the first of its cluster
	members map[int][]int // of roots of more than one member, ascending
	byKey   map[topology.Ref][]int
	named   map[string][]int // by bare name
	refused []LookAlike
}

func meet(voices []Voice) *meeting {
	m := &meeting{voices: voices, members: map[int][]int{}, byKey: map[topology.Ref][]int{}, named: map[string][]int{}}
	for v := range voices {
		m.hear(v)
	}
	m.parent = make([]int, len(m.entities))
	for i := range m.entities {
		m.parent[i] = i
		key := m.entities[i].key
		m.byKey[key] = append(m.byKey[key], i)
		m.named[key.Name] = append(m.named[key.Name], i)
	}
	m.bySameName()
	m.byAlias()
	m.bySharedAlias()
	m.byNamespace()
	m.byLooseAlias()
	m.byJob()
	return m
}

// keyOf is the form in which names are compared.
func keyOf(r topology.Ref) topology.Ref {
	if k, ok := topology.ClusterRef(r.Name); ok {
		return k
	}
	return r
}

// hear lists the entities of one voice: its services, then what only its dependencies
// and places name, full names before bare ones as [topology.Build] does.
func (m *meeting) hear(v int) {
	voice, begin := &m.voices[v], len(m.entities)
	names := map[topology.Ref]int{}
	m.byName = append(m.byName, names)
	bare := map[string][]int{}
	alias := map[topology.Ref]int{}
	add := func(e entity) {
		i := len(m.entities)
		e.voice, e.key = v, keyOf(e.ref)
		names[e.ref] = i
		bare[e.key.Name] = append(bare[e.key.Name], i)
		m.entities = append(m.entities, e)
	}
	for i := range voice.Services {
		s := &voice.Services[i]
		if _, twice := names[s.Ref()]; !twice {
			add(entity{ref: s.Ref(), service: s, aliases: aliasesOf(s), jobs: jobsOf(s)})
		}
	}
	for i := begin; i < len(m.entities); i++ {
		for _, a := range m.entities[i].aliases {
			alias[a] = i
		}
	}
	mention := func(r topology.Ref, place bool) {
		if _, known := names[r]; known || r.Name == "" {
			return
		}
		if a, ok := alias[r]; ok {
			names[r] = a
			return
		}
		var fits []int
		for _, i := range bare[keyOf(r).Name] {
			if have := m.entities[i].key.Namespace; have == "" || r.Namespace == "" || have == r.Namespace {
				fits = append(fits, i)
			}
		}
		if len(fits) == 1 {
			names[r] = fits[0]
			return
		}
		add(entity{ref: r, place: place})
	}
	for _, full := range []bool{true, false} {
		for i := range voice.Services {
			for _, place := range voice.Services[i].RunsOn {
				if r := topology.ParseRef(place); (r.Namespace != "") == full {
					mention(r, true)
				}
			}
		}
		for i := range voice.Dependencies {
			for _, r := range []topology.Ref{voice.Dependencies[i].From, voice.Dependencies[i].To} {
				if (r.Namespace != "") == full {
					mention(r, false)
				}
			}
		}
	}
}

func aliasesOf(s *topology.Service) []topology.Ref {
	var out []topology.Ref
	for _, a := range s.Aliases {
		key := keyOf(topology.ParseRef(a))
		if key.Name != "" && key != keyOf(s.Ref()) && !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}

// jobLabels name what a service runs as, where that is not its own name.
var jobLabels = []string{"job", "service", "service_name", "workload", "deployment", "statefulset", "daemonset"}

func jobsOf(s *topology.Service) []topology.Ref {
	var out []topology.Ref
	for _, label := range jobLabels {
		r := topology.ParseRef(s.Labels[label])
		if r.Name == "" || r.Name == s.Name || slices.Contains(out, r) {
			continue
		}
		if r.Namespace == "" {
			r.Namespace = s.Namespace
		}
		out = append(out, r)
	}
	return out
}

func (m *meeting) root(i int) int {
	for m.parent[i] != i {
		i = m.parent[i]
	}
	return i
}

// cluster lists the entities that are one node with root.
func (m *meeting) cluster(root int) []int {
	if c, ok := m.members[root]; ok {
		return c
	}
	return []int{root}
}

// unite makes one node of the clusters of two entities, unless a voice before by knows
// them apart. It reports whether they are one now.
func (m *meeting) unite(a, b, by int) bool {
	a, b = m.root(a), m.root(b)
	if a == b {
		return true
	}
	if m.apart(a, b, by) {
		return false
	}
	first, second := min(a, b), max(a, b)
	all := slices.Concat(m.cluster(first), m.cluster(second))
	if !slices.IsSorted(all) {
		slices.Sort(all)
	}
	m.parent[second] = first
	m.members[first] = all
	delete(m.members, second)
	return true
}

// apart reports whether a voice before by knows both clusters.
func (m *meeting) apart(a, b, by int) bool {
	for _, x := range m.cluster(a) {
		for _, y := range m.cluster(b) {
			if v := m.entities[x].voice; v == m.entities[y].voice && v < by {
				return true
			}
		}
	}
	return false
}

// Which voices can deny that two are one, where that does not depend on who says it.
const (
	anyVoice = math.MaxInt
	noVoice  = 0
)

// bySameName: the same namespace and name are the same thing, whoever says it.
func (m *meeting) bySameName() {
	for i := range m.entities {
		for _, j := range m.byKey[m.entities[i].key] {
			m.unite(i, j, noVoice)
		}
	}
}

// ownName reports whether the voice of an entity has another entity of that very name:
// then its alias or label says nothing about it.
func (m *meeting) ownName(e *entity, name topology.Ref) bool {
	return slices.ContainsFunc(m.byKey[name], func(j int) bool { return m.entities[j].voice == e.voice })
}

// byAlias: one source says that the name which another one uses is an alias. Several
// workloads of one source may all be the one service of a higher source that they claim
// to be, or that it says they are; the higher of the two, and those above it, can deny it.
func (m *meeting) byAlias() {
	for i := range m.entities {
		e := &m.entities[i]
		for _, a := range e.aliases {
			if m.ownName(e, a) {
				continue
			}
			for _, j := range m.byKey[a] {
				if !m.unite(i, j, min(e.voice, m.entities[j].voice)+1) {
					m.refuse(i, j, "alias "+a.String())
				}
			}
		}
	}
}

// bySharedAlias: two sources give the same alias to what they call differently.
func (m *meeting) bySharedAlias() {
	holders := map[topology.Ref][]int{}
	for i := range m.entities {
		for _, a := range m.entities[i].aliases {
			holders[a] = append(holders[a], i)
		}
	}
	for i := range m.entities {
		for _, a := range m.entities[i].aliases {
			if len(m.byKey[a]) > 0 || m.sharedInOneVoice(holders[a]) {
				continue
			}
			for _, j := range holders[a] {
				if j > i && !m.unite(i, j, anyVoice) {
					m.refuse(i, j, "alias "+a.String())
				}
			}
		}
	}
}

func (m *meeting) sharedInOneVoice(holders []int) bool {
	seen := map[int]bool{}
	for _, i := range holders {
		if seen[m.entities[i].voice] {
			return true
		}
		seen[m.entities[i].voice] = true
	}
	return false
}

// byNamespace: a bare name is the only full one that it can be.
func (m *meeting) byNamespace() {
	for i := range m.entities {
		key := m.entities[i].key
		if key.Namespace != "" {
			continue
		}
		m.loosely(i, key, "without a namespace it could be any of these")
		if name, namespace, ok := strings.Cut(key.Name, "."); ok { // cart.shop, as inside a cluster
			for _, j := range m.byKey[topology.Ref{Namespace: namespace, Name: name}] {
				m.unite(i, j, anyVoice)
			}
		}
	}
}

// maxCandidates bounds what is reported of a name that could be many.
const maxCandidates = 4

// loosely unites i with the only other cluster that has the name, when one of the two
// leaves out the namespace.
func (m *meeting) loosely(i int, name topology.Ref, why string) {
	var roots []int
	for _, j := range m.named[name.Name] {
		have := m.entities[j].key.Namespace
		r := m.root(j)
		if have == name.Namespace || have != "" && name.Namespace != "" || r == m.root(i) || slices.Contains(roots, r) {
			continue
		}
		if roots = append(roots, r); len(roots) == maxCandidates {
			break // unclear enough
		}
	}
	switch {
	case len(roots) == 1 && m.oneNamespace(i, roots[0]):
		if !m.unite(i, roots[0], anyVoice) {
			m.refuse(i, roots[0], why)
		}
	case len(roots) > 1:
		for _, r := range roots {
			m.refuse(i, r, why)
		}
	}
}

// oneNamespace reports whether two clusters are not known to be in different namespaces.
func (m *meeting) oneNamespace(a, b int) bool {
	x, y := m.namespaceOf(m.root(a)), m.namespaceOf(m.root(b))
	return x == "" || y == "" || x == y
}

func (m *meeting) namespaceOf(root int) string {
	for _, i := range m.cluster(root) {
		if ns := m.entities[i].key.Namespace; ns != "" {
			return ns
		}
	}
	return ""
}

// byLooseAlias: as byAlias, where one of the two leaves out the namespace.
func (m *meeting) byLooseAlias() {
	for i := range m.entities {
		e := &m.entities[i]
		for _, a := range e.aliases {
			if !m.ownName(e, a) && len(m.byKey[a]) == 0 {
				m.loosely(i, a, "alias "+a.String())
			}
		}
	}
}

// byJob: the label under which a service is scraped, or the workload that it runs as,
// is the name that another source has for it.
func (m *meeting) byJob() {
	claims := map[topology.Ref][]int{} // by job, the roots of who has it
	for i := range m.entities {
		for _, j := range m.entities[i].jobs {
			if r := m.root(i); len(claims[j]) < 2 && !slices.Contains(claims[j], r) { // two are too many
				claims[j] = append(claims[j], r)
			}
		}
	}
	for i := range m.entities {
		e := &m.entities[i]
		for _, job := range e.jobs {
			if len(claims[job]) > 1 || m.ownName(e, job) {
				continue
			}
			if same := m.byKey[job]; len(same) > 0 {
				m.unite(i, same[0], anyVoice)
				continue
			}
			m.loosely(i, job, "label "+job.String())
		}
	}
}

func (m *meeting) refuse(i, j int, why string) {
	if len(m.refused) == maxRefused {
		return
	}
	m.refused = append(m.refused, LookAlike{A: m.seenAs(i), B: m.seenAs(j), Why: why})
}

// maxRefused bounds what is remembered for the report.
const maxRefused = 10 * maxLookAlikes

// roots are the first entities of each cluster, in order.
func (m *meeting) roots() []int {
	var out []int
	for i := range m.entities {
		if m.root(i) == i {
			out = append(out, i)
		}
	}
	return out
}

// find is the entity that a voice means by a name of its own.
func (m *meeting) find(voice int, r topology.Ref) (int, bool) {
	i, ok := m.byName[voice][r]
	return i, ok
}

func compareRefs(a, b topology.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
