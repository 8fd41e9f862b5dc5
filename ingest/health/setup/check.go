package setup

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/health/checker"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Defaults of checks.
const (
	DefaultInterval = 15 * time.Second
	DefaultTimeout  = 5 * time.Second
	DefaultModule   = "http_2xx"
)

// maxText bounds names, as the intake does.
const maxText = 128

// sourceFile is the source of checks that the configuration file has.
const sourceFile = "configuration"

// entry is one element of health.checks as written.
type entry struct {
	node  *yaml.Node
	path  string
	via   string
	check checker.Check
}

func (r *Reader) readCheck(n *yaml.Node, path string) {
	e := &entry{node: n, path: path}
	c := &e.check
	var service, namespace string
	text := func(into *string, want string) func(*yaml.Node, string) {
		return func(n *yaml.Node, path string) {
			*into, _ = r.Scalar(n, path, want)
			if len(*into) > maxText && into != &c.Target {
				r.Bad(n, path, "is longer than %d bytes", maxText)
			}
		}
	}
	problems := r.Count()
	r.Mapping(n, path, []strictyaml.Field{
		{Name: "service", Read: text(&service, "a service, with its namespace when it has one: shop/payment")},
		{Name: "namespace", Read: text(&namespace, "the service's namespace")},
		{Name: "check", Read: text(&c.Check, "a name for the check")},
		{Name: "module", Read: text(&c.Module, "a module such as http_2xx")},
		{Name: "via", Read: text(&e.via, "the name of an entry of health.blackbox")},
		{Name: "target", Read: text(&c.Target, "what is probed, such as http://payment:8080/health")},
		{Name: "interval", Read: func(n *yaml.Node, path string) { c.Interval = r.period(n, path) }},
		{Name: "timeout", Read: func(n *yaml.Node, path string) { c.Timeout = r.span(n, path) }},
		{Name: "failure_threshold", Read: func(n *yaml.Node, path string) { c.FailureThreshold = r.threshold(n, path) }},
		{Name: "success_threshold", Read: func(n *yaml.Node, path string) { c.SuccessThreshold = r.threshold(n, path) }},
		{Name: "slow_after", Read: func(n *yaml.Node, path string) { c.SlowAfter = r.span(n, path) }},
		{Name: "certificate_warning", Read: func(n *yaml.Node, path string) { c.CertificateWarning = r.span(n, path) }},
	})
	if r.Count() != problems {
		return
	}
	if service == "" || c.Target == "" {
		r.Bad(n, path, "needs both service and target; write {service: payment, target: http://payment:8080/health}")
		return
	}
	c.Service = topology.ParseRef(service)
	if namespace != "" {
		c.Service = topology.Ref{Namespace: namespace, Name: service}
	}
	r.checks = append(r.checks, e)
}

func (r *Reader) threshold(n *yaml.Node, path string) int {
	v := r.Integer(n, path, 1)
	if v > 1000 {
		r.Bad(n, path, "%d results in a row would take too long; write at most 1000", v)
	}
	return v
}

func (r *Reader) span(n *yaml.Node, path string) time.Duration {
	v, ok := r.Duration(n, path)
	if ok && v == 0 {
		r.Bad(n, path, "0s makes no sense here; leave it out, or write a duration such as 2s")
	}
	return time.Duration(v)
}

// check completes an entry with its module.
func (r *Reader) check(e *entry) (checker.Check, bool) {
	c := &e.check
	c.Module = cmp.Or(c.Module, DefaultModule)
	c.Check = cmp.Or(c.Check, c.Module)
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	c.Source = sourceFile
	problems := r.Count()
	if e.via != "" {
		r.byExporter(e)
	} else {
		r.byModule(e)
	}
	if r.Count() != problems {
		return *c, false
	}
	if err := c.Prober.Check(c.Target); err != nil {
		r.Bad(e.node, e.path, "target %q of a %s probe: %v", c.Target, c.Kind, err)
	}
	c.Timeout = cmp.Or(c.Timeout, min(DefaultTimeout, 2*c.Interval/3))
	if c.Timeout >= c.Interval {
		r.Bad(e.node, e.path, "its timeout (%s) is not shorter than its interval (%s), so a target that hangs would be asked all the time; write a longer interval or a shorter timeout", c.Timeout, c.Interval)
	}
	if first, twice := r.seen[c.Key]; twice {
		r.Bad(e.node, e.path, "%s already has a check %s, on line %d; give one of them another name with check:", c.Service, c.Check, first.Line)
	} else {
		r.seen[c.Key] = r.At(e.node)
	}
	return *c, r.Count() == problems
}

func (r *Reader) byModule(e *entry) {
	c := &e.check
	m := r.modules[c.Module]
	if m == nil {
		r.Bad(e.node, e.path, "there is no module %q; there are %s", c.Module, strings.Join(r.modules.Names(), ", "))
		return
	}
	c.Prober, c.Kind, c.Timeout = m.Prober, string(m.Kind), cmp.Or(c.Timeout, m.Timeout)
}

// kindBlackbox is the kind of probes by way of an exporter.
const kindBlackbox = "blackbox"

func (r *Reader) byExporter(e *entry) {
	c := &e.check
	x := r.exporters[e.via]
	if x == nil {
		names := slices.Sorted(maps.Keys(r.exporters))
		if len(names) == 0 {
			r.Bad(e.node, e.path, "via %q: there is no such exporter; add health.blackbox: [{name: %s, url: http://blackbox:9115}]", e.via, e.via)
			return
		}
		r.Bad(e.node, e.path, "via %q: there is no such exporter; there are %s", e.via, strings.Join(names, ", "))
		return
	}
	c.Prober, c.Kind, c.Source = x.Prober(c.Module), kindBlackbox, sourceFile+", via "+e.via
}
