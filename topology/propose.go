package topology

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// Proposal is relabelling that finds services of the graph in alerts that named none.
type Proposal struct {
	// Rules are meant to follow those that the resolver has.
	Rules []*relabel.Config
	// YAML is the rules as the items of relabel_configs, indented by four spaces.
	YAML string
	// Label is the label that the names are in.
	Label string
	// Maps are the indices of the label sets that the rules find a service for.
	Maps []int
	// Services are what they find, each once, by name.
	Services []Ref
}

// The bounds of [Resolver.Propose].
const (
	// maxShapes bounds the ways to cut names out of values that are tried in full.
	maxShapes = 40
	// maxSegments bounds what may stand before and behind a name, and its own parts.
	maxSegments = 6
)

// With is a resolver that applies more rules after its own.
func (r *Resolver) With(rules ...*relabel.Config) (*Resolver, error) {
	return NewResolver(ResolverConfig{Relabel: slices.Concat(r.relabel, rules)})
}

// Propose looks for the label in which most of the lost label sets name a service of
// the graph, whole or with something before or behind it, and makes the rule that says
// so. The rule is tried before it is proposed: it is counted for what the resolver finds
// with it, it must not name what the graph does not have in a quarter of its cases, and
// it must not change what any of the found label sets, which need none, resolve to.
//
// A name with an addition is believed only when two services or more are named with the
// same addition, and the addition does not make another component of it: cart-db is not
// cart. Two services it takes as well where another label names something already, if
// nothing that the graph has. The answer is a function of the arguments.
func (r *Resolver) Propose(g *Graph, lost, found []map[string]string) (Proposal, bool) {
	if g.Len() == 0 {
		return Proposal{}, false
	}
	var best trial
	for _, s := range shapesIn(g, lost) {
		t, ok := r.try(g, s, lost, found)
		if ok && (best.mapped == nil || t.compare(&best) < 0) {
			best = t
		}
	}
	if best.mapped == nil {
		return Proposal{}, false
	}
	return Proposal{
		Rules: best.rules, YAML: relabelYAML(best.rules), Label: best.label, Maps: best.mapped,
		Services: slices.SortedFunc(maps.Keys(best.services), func(a, b Ref) int { return cmp.Compare(a.String(), b.String()) }),
	}, true
}

// shape is a way to cut a name out of a label's value.
type shape struct {
	label, regex string
	whole        bool // the value is the name
	lower        bool // it is written in capitals
	loose        int  // how much of what stands around the name may be anything
}

// trial is what comes of a shape.
type trial struct {
	shape
	rules    []*relabel.Config
	mapped   []int
	services map[Ref]bool
}

// compare is below zero when t is better: it finds more, then it assumes less.
func (t *trial) compare(o *trial) int {
	assumes := func(t *trial) int {
		if t.whole {
			return -1
		}
		return t.loose
	}
	return cmp.Or(cmp.Compare(len(o.mapped), len(t.mapped)), cmp.Compare(assumes(t), assumes(o)),
		cmp.Compare(len(o.services), len(t.services)), cmp.Compare(t.label, o.label), cmp.Compare(t.regex, o.regex))
}

// shapesIn are the shapes that name services in most label sets, best first.
func shapesIn(g *Graph, lost []map[string]string) []shape {
	counts := map[shape]int{}
	for _, labels := range lost {
		for label, value := range labels {
			if label == "alertname" || notIdentifying[label] || strings.HasPrefix(label, "__") || saysNothing(value) {
				continue
			}
			for s := range shapesOf(g, label, value) {
				counts[s]++
			}
		}
	}
	order := slices.SortedFunc(maps.Keys(counts), func(a, b shape) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.loose, b.loose), cmp.Compare(a.label, b.label), cmp.Compare(a.regex, b.regex))
	})
	return order[:min(len(order), maxShapes)]
}

// separators part the words of a value.
const separators = "-_./:|@ "

// shapesOf are all shapes that find a node's name in a value.
func shapesOf(g *Graph, label, value string) map[shape]bool {
	out := map[shape]bool{}
	starts, ends := []int{0}, []int{len(value)}
	for i := range len(value) {
		if strings.IndexByte(separators, value[i]) >= 0 {
			starts, ends = append(starts, i+1), append(ends, i)
		}
	}
	for before, start := range starts {
		for _, end := range ends {
			if start >= end || before > maxSegments || !knownName(g, value[start:end]) {
				continue
			}
			prefix, suffix, lower := value[:start], value[end:], value[start:end] != strings.ToLower(value[start:end])
			if prefix == "" && suffix == "" {
				out[shape{label: label, regex: "(.+)", whole: true, lower: lower}] = true
				continue
			}
			if otherComponent(suffix) || segments(suffix) > maxSegments {
				continue
			}
			for loose := range 4 {
				p, s := regexp.QuoteMeta(prefix), regexp.QuoteMeta(suffix)
				if loose&1 != 0 {
					p = anySegments(prefix)
				}
				if loose&2 != 0 {
					s = anySegments(suffix)
				}
				out[shape{label: label, regex: p + "(.+)" + s, lower: lower, loose: loose}] = true
			}
		}
	}
	return out
}

func knownName(g *Graph, name string) bool {
	_, ok := matchName(g, name, "")
	return ok && strings.Trim(name, "0123456789") != ""
}

func segments(s string) int {
	return len(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(separators, r) }))
}

// otherComponent reports whether what follows a name makes another thing of it.
func otherComponent(suffix string) bool {
	parts := strings.FieldsFunc(suffix, func(r rune) bool { return strings.ContainsRune(separators, r) })
	return slices.ContainsFunc(parts, func(p string) bool { return components[strings.ToLower(p)] })
}

// anySegments keeps the separators of an affix and lets its words be any.
func anySegments(affix string) string {
	var b strings.Builder
	word := false
	for i := range len(affix) {
		if strings.IndexByte(separators, affix[i]) < 0 {
			if !word {
				b.WriteString("[^" + separatorClass + "]+")
			}
			word = true
			continue
		}
		b.WriteString(regexp.QuoteMeta(affix[i : i+1]))
		word = false
	}
	return b.String()
}

// separatorClass is separators within a class of a regular expression.
const separatorClass = `-_./:|@ `

// try runs a shape's rules over all label sets.
func (r *Resolver) try(g *Graph, s shape, lost, found []map[string]string) (trial, bool) {
	t := trial{shape: s, services: map[Ref]bool{}}
	var err error
	if t.rules, err = s.rules(); err != nil {
		return t, false
	}
	with, err := r.With(t.rules...)
	if err != nil {
		return t, false
	}
	strange, firm := 0, s.whole
	for i, labels := range lost {
		before, after := r.Resolve(g, labels), with.Resolve(g, labels)
		_, known := g.Lookup(after.Service)
		switch {
		case known && after.Mapped:
			t.mapped = append(t.mapped, i)
			t.services[after.Service] = true
			firm = firm && !before.Mapped
		case after.Service != before.Service:
			strange++
		}
	}
	if len(t.mapped) == 0 || strange*3 > len(t.mapped) || !firm && len(t.services) < 2 {
		return t, false
	}
	for _, labels := range found {
		before, after := r.Resolve(g, labels), with.Resolve(g, labels)
		if before.Service != after.Service || before.Source != after.Source {
			return t, false
		}
	}
	return t, true
}

// rules are the shape as relabelling.
func (s *shape) rules() ([]*relabel.Config, error) {
	re, err := relabel.NewRegexp(s.regex)
	if err != nil {
		return nil, err
	}
	take := relabel.DefaultRelabelConfig
	take.SourceLabels, take.Regex, take.TargetLabel = model.LabelNames{model.LabelName(s.label)}, re, TargetService
	out := []*relabel.Config{&take}
	if s.lower {
		fold := relabel.DefaultRelabelConfig
		fold.SourceLabels, fold.Action, fold.TargetLabel = model.LabelNames{TargetService}, relabel.Lowercase, TargetService
		out = append(out, &fold)
	}
	return out, nil
}

var plainLabel = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// relabelYAML writes rules as made by [shape.rules].
func relabelYAML(rules []*relabel.Config) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	var b strings.Builder
	for _, c := range rules {
		label := string(c.SourceLabels[0])
		if !plainLabel.MatchString(label) {
			label = quote(label)
		}
		b.WriteString("    - source_labels: [" + label + "]\n")
		if c.Action == relabel.Lowercase {
			b.WriteString("      action: lowercase\n")
		} else {
			b.WriteString("      regex: " + quote(c.Regex.String()) + "\n")
		}
		b.WriteString("      target_label: " + c.TargetLabel + "\n")
	}
	return b.String()
}
