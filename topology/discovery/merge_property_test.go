package discovery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/topology"
)

func drawRef(t *rapid.T, label string) topology.Ref {
	r := topology.Ref{
		Namespace: rapid.SampledFrom([]string{"", "", "n", "m"}).Draw(t, label+" namespace"),
		Name:      rapid.SampledFrom([]string{"a", "b", "c", "d", "a-svc", "e"}).Draw(t, label),
	}
	if r.Namespace != "" && rapid.IntRange(0, 9).Draw(t, label+" as host") == 0 {
		return topology.Ref{Name: r.Name + "." + r.Namespace + ".svc.cluster.local"}
	}
	return r
}

func drawVoice(t *rapid.T, source string, declared bool) Voice {
	v := Voice{Source: source, Declared: declared}
	texts := func(label string) []string {
		var out []string
		for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, label+"s") {
			out = append(out, drawRef(t, label).String())
		}
		return out
	}
	known := map[topology.Ref]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "services") {
		r := drawRef(t, "service")
		if known[r] {
			continue
		}
		known[r] = true
		s := topology.Service{
			Name: r.Name, Namespace: r.Namespace, Aliases: texts("alias"),
			Owner: rapid.SampledFrom([]string{"", source}).Draw(t, "owner"), Kind: topology.Kind(rapid.IntRange(0, 2).Draw(t, "kind")),
		}
		if rapid.IntRange(0, 3).Draw(t, "has a job") == 0 {
			s.Labels = map[string]string{"job": drawRef(t, "job").Name, "source": source}
		}
		if rapid.IntRange(0, 3).Draw(t, "runs somewhere") == 0 {
			s.RunsOn = []string{rapid.SampledFrom([]string{"h1", "h2", "a"}).Draw(t, "host")}
		}
		v.Services = append(v.Services, s)
	}
	edges := map[edge]bool{}
	for range rapid.IntRange(0, 5).Draw(t, "dependencies") {
		d := topology.Dependency{
			From: drawRef(t, "from"), To: drawRef(t, "to"), Mode: topology.Mode(rapid.IntRange(0, 2).Draw(t, "mode")),
			Group: rapid.SampledFrom([]string{"", "", "g"}).Draw(t, "group"),
		}
		if !edges[edgeOf(&d)] {
			edges[edgeOf(&d)] = true
			v.Dependencies = append(v.Dependencies, d)
		}
	}
	if declared {
		return v
	}
	return standing{}.next(source, Report{Services: v.Services, Dependencies: v.Dependencies}, seenAt, time.Hour).voice(source, false)
}

func drawVoices(t *rapid.T) []Voice {
	var out []Voice
	for i := range rapid.IntRange(0, 4).Draw(t, "voices") {
		out = append(out, drawVoice(t, fmt.Sprint("s", i), i == 0))
	}
	return out
}

// twin finds out who meets whom the obvious way: all pairs of entities are looked at for
// each kind of evidence, and clusters are lists.
type twin struct {
	entities []entity
	of       []int // cluster of each entity
}

func newTwin(m *meeting) *twin {
	w := &twin{entities: m.entities, of: make([]int, len(m.entities))}
	for i := range w.of {
		w.of[i] = i
	}
	n := len(w.entities)
	pairs := func(fn func(i, j int)) {
		for i := range n {
			for j := range n {
				fn(i, j)
			}
		}
	}
	pairs(func(i, j int) {
		if w.entities[i].key == w.entities[j].key {
			w.join(i, j, 0)
		}
	})
	for i := range n {
		for _, a := range w.entities[i].aliases {
			for j := range n {
				if w.entities[j].key == a && !w.own(i, a) {
					w.join(i, j, min(w.entities[i].voice, w.entities[j].voice)+1)
				}
			}
		}
	}
	for i := range n {
		for _, a := range w.entities[i].aliases {
			if w.isName(a) || w.twiceInAVoice(a) {
				continue
			}
			for j := i + 1; j < n; j++ {
				if slices.Contains(w.entities[j].aliases, a) {
					w.join(i, j, 99)
				}
			}
		}
	}
	for i := range n {
		key := w.entities[i].key
		if key.Namespace != "" {
			continue
		}
		w.only(i, key)
		for j := range n {
			if o := w.entities[j].key; o.Namespace != "" && o.Name+"."+o.Namespace == key.Name {
				w.join(i, j, 99)
			}
		}
	}
	for i := range n {
		for _, a := range w.entities[i].aliases {
			if !w.own(i, a) && !w.isName(a) {
				w.only(i, a)
			}
		}
	}
	claimed := make([]int, len(w.of)) // clusters before any job counted
	copy(claimed, w.of)
	for i := range n {
		for _, job := range w.entities[i].jobs {
			holders := map[int]bool{}
			for j := range n {
				if slices.Contains(w.entities[j].jobs, job) {
					holders[claimed[j]] = true
				}
			}
			if len(holders) > 1 || w.own(i, job) {
				continue
			}
			met := false
			for j := range n {
				if !met && w.entities[j].key == job {
					w.join(i, j, 99)
					met = true
				}
			}
			if !met {
				w.only(i, job)
			}
		}
	}
	return w
}

func (w *twin) own(i int, name topology.Ref) bool {
	return slices.ContainsFunc(w.entities, func(e entity) bool { return e.voice == w.entities[i].voice && e.key == name })
}

func (w *twin) isName(r topology.Ref) bool {
	return slices.ContainsFunc(w.entities, func(e entity) bool { return e.key == r })
}

func (w *twin) twiceInAVoice(alias topology.Ref) bool {
	for i := range w.entities {
		for j := range i {
			if w.entities[i].voice == w.entities[j].voice && slices.Contains(w.entities[i].aliases, alias) && slices.Contains(w.entities[j].aliases, alias) {
				return true
			}
		}
	}
	return false
}

func (w *twin) join(a, b, by int) {
	from, into := max(w.of[a], w.of[b]), min(w.of[a], w.of[b])
	for i := range w.of {
		for j := range w.of {
			if from != into && w.of[i] == from && w.of[j] == into && w.entities[i].voice == w.entities[j].voice && w.entities[i].voice < by {
				return
			}
		}
	}
	for i := range w.of {
		if w.of[i] == from {
			w.of[i] = into
		}
	}
}

// only joins i with the one other cluster that could have the name.
func (w *twin) only(i int, name topology.Ref) {
	fits := map[int]int{}
	for j, e := range w.entities {
		if e.key.Name == name.Name && (e.key.Namespace == "") != (name.Namespace == "") && w.of[j] != w.of[i] {
			fits[w.of[j]] = j
		}
	}
	if len(fits) != 1 {
		return
	}
	for cluster, j := range fits {
		if a, b := w.namespace(w.of[i]), w.namespace(cluster); a == "" || b == "" || a == b {
			w.join(i, j, 99)
		}
	}
}

func (w *twin) namespace(cluster int) string {
	for i, e := range w.entities {
		if w.of[i] == cluster && e.key.Namespace != "" {
			return e.key.Namespace
		}
	}
	return ""
}

func TestNamesMeetAsTheyDoInTheNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := meet(drawVoices(t))
		want := newTwin(m).of
		got := make([]int, len(m.entities))
		for i := range got {
			got[i] = m.root(i)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			for i, e := range m.entities {
				t.Logf("%d: voice %d %s = %v jobs %v: twin %d, meeting %d", i, e.voice, e.ref, e.aliases, e.jobs, want[i], got[i])
			}
			t.Fatal(diff)
		}
	})
}

func TestAnyVoicesMakeAGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		voices := drawVoices(t)
		got := Merge(voices)
		g, _, err := topology.Build(got.Spec)
		if err != nil {
			t.Fatalf("%v\n%s", err, show(&got.Spec))
		}
		if len(got.LookAlikes) > maxLookAlikes {
			t.Fatalf("%d look alike", len(got.LookAlikes))
		}
		m := meet(voices)
		for v := range voices {
			for i := range voices[v].Dependencies {
				checkEdge(t, g, m, v, &voices[v].Dependencies[i])
			}
			for i := range voices[v].Services {
				checkService(t, g, m, v, &voices[v].Services[i])
			}
		}
	})
}

// node is what the graph has for what a voice calls by a name.
func node(t *rapid.T, g *topology.Graph, m *meeting, v int, r topology.Ref) topology.NodeID {
	i, ok := m.find(v, r)
	if !ok {
		t.Fatalf("%s of voice %d is nothing", r, v)
	}
	e := &m.entities[m.root(i)]
	name := e.key
	if m.voices[e.voice].Declared {
		name = e.ref
	}
	n, ok := g.Lookup(name)
	if !ok || g.Ref(n) != name {
		t.Fatalf("%s of voice %d should be %s, found is %v", r, v, name, ok)
	}
	return n
}

// checkEdge: each dependency that somebody reports is one of the graph, and the first
// of those who report it decides.
func checkEdge(t *rapid.T, g *topology.Graph, m *meeting, v int, d *topology.Dependency) {
	a, _ := m.find(v, d.From)
	b, _ := m.find(v, d.To)
	if m.root(a) == m.root(b) {
		return
	}
	from, to := node(t, g, m, v, d.From), node(t, g, m, v, d.To)
	i := slices.IndexFunc(g.Out(from), func(e topology.Edge) bool { return e.Node == to })
	if i < 0 {
		t.Fatalf("%s -> %s of voice %d is lost", d.From, d.To, v)
	}
	seen := g.Seen(from, to)
	if !slices.ContainsFunc(seen, func(s topology.Sighting) bool { return s.Source == m.voices[v].Source }) {
		t.Fatalf("%s -> %s: %s is not among %v", d.From, d.To, m.voices[v].Source, seen)
	}
	if m.voices[v].Declared && len(seen) == 1 && g.Out(from)[i].Mode > d.Mode {
		t.Fatalf("%s -> %s became weaker than declared", d.From, d.To)
	}
}

// checkService: a property that a voice has and none above it is the graph's.
func checkService(t *rapid.T, g *topology.Graph, m *meeting, v int, s *topology.Service) {
	at, _ := m.find(v, s.Ref())
	owner := ""
	for _, i := range m.cluster(m.root(at)) {
		if e := &m.entities[i]; owner == "" && e.service != nil {
			owner = e.service.Owner
		}
	}
	got := g.Service(node(t, g, m, v, s.Ref()))
	if got.Owner != owner {
		t.Fatalf("%s of voice %d: owner %q, want %q", s.Ref(), v, got.Owner, owner)
	}
	if !slices.ContainsFunc(got.Seen, func(x topology.Sighting) bool { return x.Source == m.voices[v].Source }) {
		t.Fatalf("%s: %s is not among %v", s.Ref(), m.voices[v].Source, got.Seen)
	}
}

func TestMergeIsAFunctionOfWhatIsSaidNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		voices := drawVoices(t)
		first, second := Merge(voices), Merge(voices)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
		if first.Spec.Version != topology.Digest(&first.Spec) {
			t.Fatal("the version is not the content's")
		}
	})
}

// A file that is complete is not changed by what is measured, but for what it leaves open.
func TestWhatIsDeclaredStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		voices := drawVoices(t)
		if len(voices) == 0 {
			t.Skip("nobody")
		}
		alone, all := Merge(voices[:1]), Merge(voices)
		for _, d := range alone.Spec.Dependencies {
			if !slices.ContainsFunc(all.Spec.Dependencies, func(o topology.Dependency) bool {
				return o.From == d.From && o.To == d.To && o.Mode == d.Mode && o.Group == d.Group
			}) && !joined(voices, d) {
				t.Fatalf("%v is another in\n%s", d, show(&all.Spec))
			}
		}
		for i := range alone.Spec.Services {
			want := &alone.Spec.Services[i]
			k := slices.IndexFunc(all.Spec.Services, func(o topology.Service) bool { return o.Ref() == want.Ref() })
			if k < 0 {
				t.Fatalf("%s is lost in\n%s", want.Ref(), show(&all.Spec))
			}
			listed := slices.ContainsFunc(voices[0].Services, func(o topology.Service) bool { return o.Ref() == want.Ref() })
			if got := &all.Spec.Services[k]; listed && (want.Owner != "" && got.Owner != want.Owner || want.Kind != 0 && got.Kind != want.Kind) {
				t.Fatalf("%s: %+v became %+v", want.Ref(), want, got)
			}
		}
	})
}

// joined reports whether other sources know the ends of a declared dependency, which
// the declared voice only mentions, as one service.
func joined(voices []Voice, d topology.Dependency) bool {
	m := meet(voices)
	from, _ := m.find(0, d.From)
	to, _ := m.find(0, d.To)
	return m.root(from) == m.root(to)
}

func TestRecallGivesEveryStandingBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		voices := drawVoices(t)
		spec := Merge(voices).Spec
		var said []standing
		for _, v := range voices {
			s := standing{services: v.Services, dependencies: v.Dependencies, groups: v.Groups}
			said = append(said, s)
			if r, needed := s.report(&spec, v.Source); needed && !v.Declared {
				spec.Reports = append(spec.Reports, r)
			}
		}
		for i, v := range voices {
			if v.Declared {
				continue
			}
			got, ok := recall(&spec, v.Source)
			if !ok && len(said[i].services) == 0 {
				continue
			}
			if !ok || !sameStanding(got, said[i]) {
				t.Fatalf("%s came back as %v, %v\n%s", v.Source, got, ok, show(&spec))
			}
		}
	})
}
