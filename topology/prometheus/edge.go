package prometheus

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/headwater-sre/headwater/topology"
)

// The target labels beside those of package topology.
const (
	targetSourceKind         = "__source_kind__"
	targetDestinationKind    = "__destination_kind__"
	targetSourceAliases      = "__source_aliases__"
	targetDestinationAliases = "__destination_aliases__"
	targetMode               = "__mode__"
	targetReporter           = "__reporter__"
)

// pair names an edge.
type pair struct{ from, to topology.Ref }

func (p pair) compare(o pair) int {
	return cmp.Or(compareRefs(p.from, o.from), compareRefs(p.to, o.to))
}

func compareRefs(a, b topology.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// end is what a sample says of one end of an edge.
type end struct {
	kind    topology.Kind
	aliases []string
}

// mapped is what a sample's labels mean.
type mapped struct {
	pair
	source, destination end
	mode                topology.Mode
	reporter            string
}

// mapper maps labels by relabelling rules that were validated. It remembers what it
// mapped in this refresh and the one before, which is nearly all of the next one: rules
// are many regular expressions. Not safe for concurrent use.
type mapper struct {
	rules       []*relabel.Config
	known, last map[model.Fingerprint]mapping
}

// mapping is what [mapper.work] made of a metric.
type mapping struct {
	metric model.Metric
	edge   mapped
	keep   bool
	err    error
}

// newMapper keeps copies of the rules, because validating changes them.
func newMapper(rules []*relabel.Config) (*mapper, error) {
	m := &mapper{known: map[model.Fingerprint]mapping{}}
	for i, r := range rules {
		own := *r
		if err := own.Validate(model.UTF8Validation); err != nil {
			return nil, fmt.Errorf("relabel_configs[%d]: %w", i, err)
		}
		m.rules = append(m.rules, &own)
	}
	return m, nil
}

// turn begins a refresh: what the last one did not need is forgotten.
func (m *mapper) turn() { m.known, m.last = make(map[model.Fingerprint]mapping, len(m.known)), m.known }

// edge maps one sample's labels. It returns false for what a rule drops and for calls of
// a service to itself, and an error for what cannot be mapped.
func (m *mapper) edge(metric model.Metric) (mapped, bool, error) {
	id := metric.Fingerprint()
	k, ok := m.known[id]
	if !ok || !k.metric.Equal(metric) {
		if k, ok = m.last[id]; !ok || !k.metric.Equal(metric) {
			k = mapping{metric: metric}
			k.edge, k.keep, k.err = m.work(metric)
		}
		m.known[id] = k
	}
	return k.edge, k.keep, k.err
}

// work applies the rules.
func (m *mapper) work(metric model.Metric) (mapped, bool, error) {
	b := labels.NewBuilder(labels.EmptyLabels())
	for name, value := range metric {
		b.Set(string(name), string(value))
	}
	if !relabel.ProcessBuilder(b, m.rules...) {
		return mapped{}, false, nil
	}
	e := mapped{
		pair: pair{
			from: topology.Ref{Namespace: b.Get(topology.TargetSourceNamespace), Name: b.Get(topology.TargetSource)},
			to:   topology.Ref{Namespace: b.Get(topology.TargetDestinationNamespace), Name: b.Get(topology.TargetDestination)},
		},
		reporter: b.Get(targetReporter),
	}
	if e.from.Name == "" || e.to.Name == "" {
		return mapped{}, false, fmt.Errorf("has no %s after relabelling", absent(e.from.Name == "", e.to.Name == ""))
	}
	var errs [3]error
	e.source.kind, errs[0] = topology.ParseKind(b.Get(targetSourceKind))
	e.destination.kind, errs[1] = topology.ParseKind(b.Get(targetDestinationKind))
	e.mode, errs[2] = topology.ParseMode(b.Get(targetMode))
	e.source.aliases = aliases(b.Get(targetSourceAliases), e.from)
	e.destination.aliases = aliases(b.Get(targetDestinationAliases), e.to)
	return e, e.from != e.to, cmp.Or(errs[0], errs[1], errs[2])
}

func absent(source, destination bool) string {
	switch {
	case source && destination:
		return topology.TargetSource + " and no " + topology.TargetDestination
	case source:
		return topology.TargetSource
	}
	return topology.TargetDestination
}

// aliases reads names that are separated as relabelling joins labels, and sorts them. An
// alias is in its service's namespace. Meshes write "unknown" for what they do not know.
func aliases(text string, of topology.Ref) []string {
	var all []string
	for name := range strings.SplitSeq(text, ";") {
		if name == "" || name == "unknown" || name == of.Name {
			continue
		}
		all = append(all, topology.Ref{Namespace: of.Namespace, Name: name}.String())
	}
	slices.Sort(all)
	return slices.Clip(slices.Compact(all)) // who adds to it must not write into it
}

// traffic is what the samples of one answer say of an edge.
type traffic struct {
	mapped
	value float64 // of the reporter with the largest
}

// collected is one answer, mapped.
type collected struct {
	edges    map[pair]*traffic
	unmapped int
	problem  string // of the first sample that was left out
}

// collect maps an answer. Values at or below zero, and those that are no numbers, say
// that nothing is known.
func (m *mapper) collect(answer model.Vector) collected {
	c := collected{edges: map[pair]*traffic{}}
	sums := map[pair]map[string]float64{} // by reporter
	for _, s := range answer {
		v := float64(s.Value)
		if !(v > 0) {
			continue
		}
		e, keep, err := m.edge(s.Metric)
		if err != nil {
			c.leaveOut(s.Metric, err)
		}
		if !keep {
			continue
		}
		t := c.edges[e.pair]
		if t == nil {
			t = &traffic{mapped: e}
			c.edges[e.pair], sums[e.pair] = t, map[string]float64{}
		}
		t.join(&e)
		sums[e.pair][e.reporter] += v
		t.value = max(t.value, sums[e.pair][e.reporter])
	}
	return c
}

func (c *collected) leaveOut(metric model.Metric, err error) {
	text := fmt.Sprintf("%s %v", metric, err)
	if c.unmapped == 0 || text < c.problem { // the order of an answer must not show
		c.problem = text
	}
	c.unmapped++
}

// join adds what another sample says of the same edge.
func (t *traffic) join(e *mapped) {
	t.source.join(&e.source)
	t.destination.join(&e.destination)
	t.mode = min(t.mode, e.mode)
}

func (e *end) join(o *end) {
	e.kind = max(e.kind, o.kind) // plain services come first in the order of kinds
	for _, a := range o.aliases {
		if i, found := slices.BinarySearch(e.aliases, a); !found {
			e.aliases = slices.Insert(e.aliases, i, a)
		}
	}
}
