package setup

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/ingest/health/blackbox"
	"github.com/headwater-sre/headwater/ingest/health/checker"
	"github.com/headwater-sre/headwater/ingest/health/modules"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Setup is what there is to probe.
type Setup struct {
	// Checks are those of the configuration file.
	Checks []checker.Check
	// Labels makes checks of the topology's labels; nil: not asked for.
	Labels *Labels
	// Prometheus are the servers to ask for results.
	Prometheus []Server
	// Refresh and Concurrency are the checker's.
	Refresh     time.Duration
	Concurrency int
}

// Server is a Prometheus server to ask for results. Its source is made when there is
// somebody to resolve labels.
type Server struct {
	Name, URL         string
	Interval, Timeout time.Duration
	HTTP              config.HTTPClientConfig
	Queries           []Query
}

// Query is one question to such a server.
type Query struct {
	Expr, Check string
	// Resolver has the query's own relabelling; nil: the one for alerts does.
	Resolver *topology.Resolver
}

// Summary says what there is to probe, on one line; empty when there is nothing.
func (s *Setup) Summary() string {
	var parts []string
	if n := len(s.Checks); n == 1 {
		parts = append(parts, "1 check")
	} else if n > 1 {
		parts = append(parts, fmt.Sprintf("%d checks", n))
	}
	if s.Labels != nil {
		parts = append(parts, "checks by topology labels")
	}
	for i := range s.Prometheus {
		parts = append(parts, "results from "+s.Prometheus[i].Name)
	}
	return strings.Join(parts, ", ")
}

// Reader reads the keys of section health that are about probing.
type Reader struct {
	*settings.Values
	// Dir is where relative paths begin.
	Dir string

	setup     Setup
	modules   modules.Set
	exporters map[string]*blackbox.Exporter
	checks    []*entry
	seen      map[checker.Key]strictyaml.Place
}

// NewReader begins the reading of a file.
func NewReader(v *settings.Values, dir string) *Reader {
	return &Reader{Values: v, Dir: dir, modules: modules.Builtin(), exporters: map[string]*blackbox.Exporter{}, seen: map[checker.Key]strictyaml.Place{}}
}

// Fields are the keys, which are [settings.ProbeKeys].
func (r *Reader) Fields() []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "checks", Read: func(n *yaml.Node, path string) { r.List(n, path, r.readCheck) }},
		{Name: "modules", Read: func(n *yaml.Node, path string) { r.modules.Read(r.Values, r.Dir, n, path) }},
		{Name: "module_files", Read: func(n *yaml.Node, path string) { r.List(n, path, r.readModuleFile) }},
		{Name: "labels", Read: r.readLabels},
		{Name: "blackbox", Read: func(n *yaml.Node, path string) { r.List(n, path, r.readExporter) }},
		{Name: "prometheus", Read: func(n *yaml.Node, path string) { r.List(n, path, r.readServer) }},
		{Name: "refresh_interval", Read: func(n *yaml.Node, path string) { r.setup.Refresh = r.period(n, path) }},
		{Name: "concurrency", Read: func(n *yaml.Node, path string) { r.setup.Concurrency = r.Integer(n, path, 1) }},
	}
}

// Complete makes the setup of what was read: checks may name modules that stand below them.
func (r *Reader) Complete() Setup {
	for _, e := range r.checks {
		if c, ok := r.check(e); ok {
			r.setup.Checks = append(r.setup.Checks, c)
		}
	}
	if r.setup.Labels != nil {
		r.setup.Labels.modules = r.modules
	}
	r.setup.Refresh = cmp.Or(r.setup.Refresh, checker.DefaultRefresh)
	r.setup.Concurrency = cmp.Or(r.setup.Concurrency, checker.DefaultConcurrency)
	return r.setup
}

// Modules are the names of the modules that checks can have.
func (r *Reader) Modules() []string { return r.modules.Names() }

// leastInterval keeps a typing error from becoming a flood.
const leastInterval = time.Second

// period reads an interval.
func (r *Reader) period(n *yaml.Node, path string) time.Duration {
	v, ok := r.Duration(n, path)
	if ok && time.Duration(v) < leastInterval {
		r.Bad(n, path, "%s is too short; write at least %s", v, leastInterval)
	}
	return time.Duration(v)
}
