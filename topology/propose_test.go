package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
	"pgregory.net/rapid"
)

func TestARuleIsProposedForTheLabelThatNamesServices(t *testing.T) {
	g := shopGraph(t)
	for name, test := range map[string]struct {
		lost, found []string
		want        string // label and expression; empty: nothing is proposed
		maps        []int
	}{
		"a label that nobody knows, with the whole name": {
			lost: []string{`alertname="A" component_ref="cart"`, `alertname="B" component_ref="mysql" dc="eu"`, `alertname="C" dc="eu"`},
			want: `component_ref (.+)`, maps: []int{0, 1},
		},
		"something stands around the name, always the same": {
			lost: []string{`alertname="A" comp="prod-cart-blue"`, `alertname="A" comp="prod-web-blue"`},
			want: `comp prod-(.+)-blue`, maps: []int{0, 1},
		},
		"something stands around the name, each time another": {
			lost: []string{`alertname="A" comp="prod:cart:7f"`, `alertname="A" comp="test:web:1c"`, `alertname="A" comp="test:payment:99"`},
			want: `comp [^-_./:|@ ]+:(.+):[^-_./:|@ ]+`, maps: []int{0, 1, 2},
		},
		"the name is written in capitals": {
			lost: []string{`alertname="A" comp="SHIPPING"`, `alertname="A" comp="WEB"`},
			want: `comp (.+)`, maps: []int{0, 1},
		},
		"of two labels the one that says more": {
			lost: []string{`alertname="A" x="cart" y="web"`, `alertname="A" y="payment"`},
			want: `y (.+)`, maps: []int{0, 1},
		},
		"one name with an addition could be anything": {lost: []string{`alertname="A" comp="cart-eu"`, `alertname="B" comp="cart-eu" x="1"`}},
		"a component of its own is not the service":   {lost: []string{`alertname="A" comp="x-cart-db"`, `alertname="A" comp="x-web-db"`}},
		"most values are nobody's":                    {lost: []string{`alertname="A" comp="cart"`, `alertname="A" comp="a"`, `alertname="A" comp="b"`}},
		"a team may be called like one service":       {lost: []string{`alertname="A" service="billing" team="web"`}},
		"another label names what nobody knows, twice wrong": {
			lost: []string{`alertname="A" job="x1" comp="web"`, `alertname="A" job="x2" comp="cart"`},
			want: `comp (.+)`, maps: []int{0, 1},
		},
		"a replica's name tells reports apart, not things": {lost: []string{`alertname="A" replica="cart"`, `alertname="A" replica="web"`}},
		"alerts that need no rule would change": {
			lost: []string{`alertname="A" team="cart"`}, found: []string{`alertname="B" service="mysql" team="web"`},
		},
		"alerts that need no rule stay what they are": {
			lost: []string{`alertname="A" comp="cart"`}, found: []string{`alertname="B" service="mysql" comp="mysql"`},
			want: `comp (.+)`, maps: []int{0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := plainResolver(t)
			p, ok := r.Propose(g, parseSets(test.lost), parseSets(test.found))
			got := ""
			if ok {
				got = p.Label + " " + p.Rules[0].Regex.String()
			}
			if got != test.want || !slices.Equal(p.Maps, test.maps) {
				t.Errorf("proposed %q for %v, want %q for %v", got, p.Maps, test.want, test.maps)
			}
			if ok {
				sameAsWritten(t, &p)
			}
		})
	}
}

func TestWithoutAGraphNothingIsProposed(t *testing.T) {
	if p, ok := plainResolver(t).Propose(nil, parseSets([]string{`alertname="A" comp="cart"`}), nil); ok {
		t.Errorf("proposed %+v", p)
	}
}

// What is proposed is kept to, whatever the labels: the rules as they are written find a
// service of the graph for all that they are said to, and change nothing else.
func TestProposalsHold(t *testing.T) {
	g := shopGraph(t)
	names := []string{"cart", "web", "mysql", "payment", "nobody", "redis-cart", "orders-db", "x9"}
	set := rapid.Custom(func(t *rapid.T) map[string]string {
		labels := map[string]string{"alertname": rapid.SampledFrom([]string{"A", "B"}).Draw(t, "alertname")}
		for _, l := range []string{"comp", "owner_ref", "service", "it's"} {
			if rapid.Bool().Draw(t, "has "+l) {
				parts := []string{rapid.SampledFrom([]string{"", "prod-", "eu.", "a:b:"}).Draw(t, "prefix"), rapid.SampledFrom(names).Draw(t, "name"), rapid.SampledFrom([]string{"", "-v1", ":7", "-db"}).Draw(t, "suffix")}
				labels[l] = strings.Join(parts, "")
			}
		}
		return labels
	})
	rapid.Check(t, func(t *rapid.T) {
		r, err := NewResolver(ResolverConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var lost, found []map[string]string
		for _, labels := range rapid.SliceOfN(set, 1, 12).Draw(t, "sets") {
			res := r.Resolve(g, labels)
			if _, known := g.Lookup(res.Service); known && res.Mapped {
				found = append(found, labels)
			} else {
				lost = append(lost, labels)
			}
		}
		p, ok := r.Propose(g, lost, found)
		again, _ := r.Propose(g, lost, found)
		if p.YAML != again.YAML {
			t.Fatalf("proposed twice, differently:\n%s%s", p.YAML, again.YAML)
		}
		if !ok {
			return
		}
		with, err := NewResolver(ResolverConfig{Relabel: written(t, p.YAML)})
		if err != nil {
			t.Fatal(err)
		}
		for i, labels := range lost {
			if _, known := g.Lookup(with.Resolve(g, labels).Service); known != slices.Contains(p.Maps, i) {
				t.Errorf("%v: finds a service: %t, said so: %t\n%s", labels, known, !known, p.YAML)
			}
		}
		for _, labels := range found {
			if before, after := r.Resolve(g, labels), with.Resolve(g, labels); before.Service != after.Service {
				t.Errorf("%v was about %s and is about %s\n%s", labels, before.Service, after.Service, p.YAML)
			}
		}
	})
}

func plainResolver(t testing.TB) *Resolver {
	t.Helper()
	r, err := NewResolver(ResolverConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parseSets(lines []string) []map[string]string {
	var out []map[string]string
	for _, l := range lines {
		out = append(out, parseLabels(l))
	}
	return out
}

// written reads rules as a configuration file has them.
func written(t interface{ Fatalf(string, ...any) }, text string) []*relabel.Config {
	var rules []*relabel.Config
	if err := yaml.UnmarshalStrict([]byte(text), &rules); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return rules
}

func sameAsWritten(t *testing.T, p *Proposal) {
	t.Helper()
	show := func(rules []*relabel.Config) (out []string) {
		for _, c := range rules {
			out = append(out, fmt.Sprint(c.SourceLabels, c.Regex.String(), c.TargetLabel, c.Action, c.Replacement, c.Separator))
		}
		return out
	}
	if diff := cmp.Diff(show(p.Rules), show(written(t, p.YAML))); diff != "" {
		t.Errorf("the YAML says something else:\n%s\n%s", p.YAML, diff)
	}
}

func TestAResolverWithMoreRulesIsAnother(t *testing.T) {
	g := shopGraph(t)
	r := plainResolver(t)
	with, err := r.With(written(t, "- {source_labels: [comp], regex: (.+), target_label: __service__}")...)
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"alertname": "A", "comp": "cart"}
	if got := with.Resolve(g, maps.Clone(labels)).Service.Name; got != "cart" {
		t.Errorf("with the rule it is about %s", got)
	}
	if r.Resolve(g, labels).Mapped {
		t.Error("the resolver itself changed")
	}
}
