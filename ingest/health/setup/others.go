package setup

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/ingest/health/blackbox"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

func (r *Reader) readModuleFile(n *yaml.Node, path string) {
	name, ok := r.Scalar(n, path, "the path of a file such as blackbox.yml")
	if !ok {
		return
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.Dir, name)
	}
	if _, err := os.Stat(name); err != nil {
		r.Bad(n, path, "%v; a relative path begins at the folder of this file", err)
		return
	}
	if err := r.modules.ReadFile(name); err != nil {
		for _, line := range settings.ErrorLines(err) {
			r.Add(lineError(line))
		}
	}
}

// lineError is an error that names its place already.
type lineError string

func (e lineError) Error() string { return string(e) }

func (r *Reader) readExporter(n *yaml.Node, path string) {
	name, url := "blackbox", ""
	client := r.HTTPClient()
	problems := r.Count()
	r.Mapping(n, path, append(client.Fields(),
		strictyaml.Field{Name: "name", Read: func(n *yaml.Node, path string) { name, _ = r.Scalar(n, path, "a name for the exporter") }},
		strictyaml.Field{Name: "url", Read: func(n *yaml.Node, path string) { url, _ = r.Scalar(n, path, "a URL such as http://blackbox:9115") }},
	))
	how := client.Config(n, path, r.Dir)
	if r.Count() != problems {
		return
	}
	switch x, err := blackbox.New(url, how); {
	case err != nil:
		r.Bad(n, path, "url: %v", err)
	case r.exporters[name] != nil:
		r.Bad(n, path, "there is an exporter %q already; give this one another name", name)
	default:
		r.exporters[name] = x
	}
}

// defaultQueries are what a Prometheus server that others probe with knows anyway.
var defaultQueries = []Query{{Expr: "probe_success", Check: "probe"}, {Expr: "up", Check: "up"}}

func (r *Reader) readServer(n *yaml.Node, path string) {
	s, client := Server{Name: "prometheus", Interval: 30 * time.Second}, r.HTTPClient()
	problems := r.Count()
	r.Mapping(n, path, append(client.Fields(),
		strictyaml.Field{Name: "name", Read: func(n *yaml.Node, path string) { s.Name, _ = r.Scalar(n, path, "a name for the server") }},
		strictyaml.Field{Name: "url", Read: func(n *yaml.Node, path string) { s.URL, _ = r.Scalar(n, path, "a URL such as http://prometheus:9090") }},
		strictyaml.Field{Name: "interval", Read: func(n *yaml.Node, path string) { s.Interval = r.period(n, path) }},
		strictyaml.Field{Name: "timeout", Read: func(n *yaml.Node, path string) { s.Timeout = r.span(n, path) }},
		strictyaml.Field{Name: "queries", Read: func(n *yaml.Node, path string) {
			r.List(n, path, func(n *yaml.Node, path string) { r.readQuery(n, path, &s) })
		}},
	))
	s.Timeout = cmp.Or(s.Timeout, min(10*time.Second, 2*s.Interval/3))
	if len(s.Queries) == 0 {
		s.Queries = defaultQueries
	}
	s.HTTP = client.Config(n, path, r.Dir)
	switch {
	case r.Count() != problems:
		return
	case !strings.HasPrefix(s.URL, "http://") && !strings.HasPrefix(s.URL, "https://"):
		r.Bad(n, path, "url: %q is no URL; write one such as http://prometheus:9090", s.URL)
	case s.Timeout >= s.Interval:
		r.Bad(n, path, "its timeout (%s) is not shorter than its interval (%s)", s.Timeout, s.Interval)
	case slices.ContainsFunc(r.setup.Prometheus, func(o Server) bool { return o.Name == s.Name }):
		r.Bad(n, path, "there is a server %q already; give this one another name", s.Name)
	}
	r.setup.Prometheus = append(r.setup.Prometheus, s)
}

func (r *Reader) readQuery(n *yaml.Node, path string, s *Server) {
	var q Query
	var rules topology.ResolverConfig
	problems := r.Count()
	r.Mapping(n, path, []strictyaml.Field{
		{Name: "query", Read: func(n *yaml.Node, path string) { q.Expr, _ = r.Scalar(n, path, "a PromQL query such as up") }},
		{Name: "check", Read: func(n *yaml.Node, path string) { q.Check, _ = r.Scalar(n, path, "a name for the check") }},
		{Name: "relabel_configs", Read: func(n *yaml.Node, path string) {
			r.List(n, path, func(n *yaml.Node, path string) {
				if rule, ok := r.Relabel(n, path); ok {
					rules.Relabel = append(rules.Relabel, rule)
				}
			})
		}},
	})
	switch {
	case r.Count() != problems:
		return
	case q.Expr == "" || q.Check == "" || len(q.Check) > maxText:
		r.Bad(n, path, "needs both query and check; write {query: 'probe_success{job=\"blackbox\"}', check: probe}")
		return
	}
	if len(rules.Relabel) > 0 {
		resolver, err := topology.NewResolver(rules)
		if err != nil {
			r.Bad(n, path, "%v", err)
			return
		}
		q.Resolver = resolver
	}
	s.Queries = append(s.Queries, q)
}
