package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/prometheus"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

const exampleURL = "http://prometheus:9090"

// prometheusKind are the entries of topology.prometheus. An edge outlives a quiet
// night's maintenance window, but not the day on which it was taken away.
var prometheusKind = sourceKind{
	key:      "prometheus",
	defaults: discovery.Config{TTL: prometheus.DefaultRange},
	entry: func(p *configParser) ([]strictyaml.Field, func(string) (discovery.Source, error)) {
		e := &prometheusEntry{p: p, http: newHTTPClient(p)}
		return append(e.fields(), e.http.fields()...), e.source
	},
}

// prometheusEntry is one entry while it is read.
type prometheusEntry struct {
	p      *configParser
	http   *httpClient
	url    string
	preset string
	own    prometheus.Edges // what the entry says beside or in place of the preset
	given  map[string]bool  // keys that only make sense with edges

	matchers     []string
	window, span time.Duration
}

func (e *prometheusEntry) fields() []strictyaml.Field {
	p := e.p
	e.given = map[string]bool{}
	return []strictyaml.Field{
		{Name: "url", Read: func(n *yaml.Node, path string) { e.url = p.webAddress(n, path, exampleURL) }},
		{Name: "preset", Read: e.readPreset},
		{Name: "query", Read: e.readQuery("query", &e.own.Query)},
		{Name: "error_query", Read: e.readQuery("error_query", &e.own.ErrorQuery)},
		{Name: "unit", Read: func(n *yaml.Node, path string) {
			e.given["unit"] = true
			e.own.Unit, _ = p.Scalar(n, path, "what the query counts: requests, bytes, …")
		}},
		{Name: "matchers", Read: func(n *yaml.Node, path string) { p.List(n, path, e.readMatcher) }},
		{Name: "window", Read: e.readSpan("window", &e.window)},
		{Name: "range", Read: func(n *yaml.Node, path string) {
			e.given["range"] = true
			e.readSpan("range", &e.span)(n, path)
		}},
		{Name: "relabel_configs", Read: func(n *yaml.Node, path string) {
			e.given["relabel_configs"] = true
			p.List(n, path, func(n *yaml.Node, path string) {
				if rule, ok := p.Relabel(n, path); ok {
					e.own.Relabel = append(e.own.Relabel, rule)
				}
			})
		}},
	}
}

func (e *prometheusEntry) readPreset(n *yaml.Node, path string) {
	name, ok := e.p.Scalar(n, path, "a preset such as istio")
	if !ok {
		return
	}
	if _, err := prometheus.Preset(name); err != nil && name != prometheus.KubernetesPreset {
		e.p.Bad(n, path, "%v", err)
		return
	}
	e.preset = name
}

func (e *prometheusEntry) readQuery(key string, into *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		e.given[key] = true
		query, ok := e.p.Scalar(n, path, "a PromQL query")
		if !ok {
			return
		}
		if err := prometheus.CheckQuery(query); err != nil {
			e.p.Bad(n, path, "%v", err)
		}
		*into = query
	}
}

func (e *prometheusEntry) readMatcher(n *yaml.Node, path string) {
	text, ok := e.p.Scalar(n, path, `a label matcher such as 'cluster="prod-eu"'`)
	if !ok {
		return
	}
	if err := prometheus.CheckMatcher(text); err != nil {
		e.p.Bad(n, path, "%v", err)
	}
	e.matchers = append(e.matchers, text)
}

func (e *prometheusEntry) readSpan(key string, into *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		v, ok := e.p.Duration(n, path)
		if ok && time.Duration(v) < time.Second {
			e.p.Bad(n, path, "%s is too short for a %s; write at least 1s", v, key)
		}
		*into = time.Duration(v)
	}
}

// source makes the source when all keys were good.
func (e *prometheusEntry) source(name string) (discovery.Source, error) {
	if e.url == "" {
		return nil, errors.New("has no url; add url: " + exampleURL)
	}
	how, err := e.http.config()
	if err != nil {
		return nil, err
	}
	client, err := prometheus.NewClient(e.url, how)
	if err != nil {
		return nil, err
	}
	if e.preset == prometheus.KubernetesPreset {
		return e.kubernetes(name, client)
	}
	edges, err := e.edges()
	if err != nil {
		return nil, err
	}
	if e.span > 0 && e.span < max(e.window, time.Second) {
		return nil, fmt.Errorf("the range (%s) is shorter than the window (%s); edges would come and go with every lull", e.span, e.window)
	}
	return prometheus.NewSource(prometheus.Options{
		Name: cmp.Or(name, e.preset, "prometheus"), Client: client, Edges: edges, Matchers: e.matchers, Window: e.window, Range: e.span,
	})
}

func (e *prometheusEntry) kubernetes(name string, client *prometheus.Client) (discovery.Source, error) {
	for _, key := range []string{"query", "error_query", "unit", "range", "relabel_configs"} {
		if e.given[key] {
			return nil, fmt.Errorf("%s means nothing to the preset kubernetes, which reads placement and no edges; remove it", key)
		}
	}
	return prometheus.NewKubernetes(prometheus.KubernetesOptions{
		Name: cmp.Or(name, e.preset), Client: client, Matchers: e.matchers, Window: e.window,
	})
}

// edges is the preset with the entry's own rules after its rules, or all the entry's own.
func (e *prometheusEntry) edges() (prometheus.Edges, error) {
	switch {
	case e.preset == "" && e.own.Query == "":
		return prometheus.Edges{}, errors.New("has neither preset nor query; add preset: istio, or a query that yields a sample for a caller and a callee")
	case e.preset == "" && len(e.own.Relabel) == 0:
		return prometheus.Edges{}, errors.New("has a query and no relabel_configs; add rules that set __source__ and __destination__ to the names of caller and callee")
	case e.preset == "":
		return e.own, nil
	case e.given["query"] || e.given["error_query"] || e.given["unit"]:
		return prometheus.Edges{}, errors.New("has both a preset and a query of its own; remove one: relabel_configs are what a preset can be changed by")
	}
	edges, err := prometheus.Preset(e.preset)
	edges.Relabel = slices.Concat(edges.Relabel, e.own.Relabel)
	return edges, err
}
