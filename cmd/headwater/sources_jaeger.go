package main

import (
	"cmp"
	"errors"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/jaeger"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

const exampleJaeger = "http://jaeger-query:16686"

// jaegerKind are the entries of topology.jaeger. Jaeger's larger installations count
// calls once a day; the map bridges a day on which they did not.
var jaegerKind = sourceKind{
	key:      "jaeger",
	defaults: discovery.Config{RefreshInterval: 5 * time.Minute, TTL: jaeger.DefaultLookback},
	entry: func(p *configParser) ([]strictyaml.Field, func(string) (discovery.Source, error)) {
		var o jaeger.Options
		http := newHTTPClient(p)
		keys := append([]strictyaml.Field{
			{Name: "url", Read: func(n *yaml.Node, path string) { o.URL = p.webAddress(n, path, exampleJaeger) }},
			{Name: "lookback", Read: func(n *yaml.Node, path string) {
				v, ok := p.Duration(n, path)
				if ok && time.Duration(v) < time.Minute {
					p.Bad(n, path, "%s is too short to find a call in; write at least 1m", v)
				}
				o.Lookback = time.Duration(v)
			}},
		}, http.fields()...)
		return keys, func(name string) (discovery.Source, error) {
			if o.URL == "" {
				return nil, errors.New("has no url; add url: " + exampleJaeger)
			}
			how, err := http.config()
			if err != nil {
				return nil, err
			}
			o.Name, o.HTTPClient = cmp.Or(name, "jaeger"), how
			return jaeger.NewSource(o)
		}
	},
}
