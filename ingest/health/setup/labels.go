package setup

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/health/checker"
	"github.com/headwater-sre/headwater/ingest/health/modules"
	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// The labels of a service that make a check of it. With _NAME behind each they make a
// check of that name, so that a service can have several.
const (
	LabelTarget   = "headwater_probe_target"
	LabelModule   = "headwater_probe_module"
	LabelInterval = "headwater_probe_interval"
)

// sourceLabel is the source of checks that labels make.
const sourceLabel = "topology label"

// Labels makes checks of the labels of services. It is not safe for concurrent use.
type Labels struct {
	hosts    []string // patterns: shop.example.com, *.shop.svc
	networks []netip.Prefix
	all      bool

	modules modules.Set
	probers map[string]probe.Prober // by module, held to what is allowed
}

func (r *Reader) readLabels(n *yaml.Node, path string) {
	l := &Labels{probers: map[string]probe.Prober{}}
	r.Mapping(n, path, []strictyaml.Field{
		{Name: "allow", Read: func(n *yaml.Node, path string) {
			r.List(n, path, func(n *yaml.Node, path string) { r.readAllowed(n, path, l) })
		}},
	})
	if !l.all && len(l.hosts)+len(l.networks) == 0 && strictyaml.Target(n).Kind == yaml.MappingNode {
		r.Bad(n, path, "allows no target; write {allow: ['*.shop.svc.cluster.local', 10.0.0.0/8]}, or ['*'] for all")
	}
	r.setup.Labels = l
}

func (r *Reader) readAllowed(n *yaml.Node, path string, l *Labels) {
	const want = "a host such as *.shop.svc.cluster.local or a network such as 10.0.0.0/8"
	s, ok := r.Scalar(n, path, want)
	if !ok {
		return
	}
	switch p, err := netip.ParsePrefix(s); {
	case s == "*":
		l.all = true
	case err == nil:
		l.networks = append(l.networks, p.Masked())
	case strings.ContainsAny(s, "/: ") || strings.Contains(strings.TrimPrefix(s, "*."), "*"):
		r.Bad(n, path, "%q is not %s", s, want)
	default:
		l.hosts = append(l.hosts, strings.ToLower(s))
	}
}

// Allowed reports whether host, a name or an address, may be probed because a label says so.
func (l *Labels) Allowed(host string) bool {
	if l.all {
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return slices.ContainsFunc(l.networks, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return slices.ContainsFunc(l.hosts, func(pattern string) bool {
		if suffix, wild := strings.CutPrefix(pattern, "*"); wild {
			return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
		}
		return host == pattern
	})
}

// Checks are what the labels of g's services ask for, but for those that taken has. What
// is wrong with a label is told, and its check left out.
func (l *Labels) Checks(g *topology.Graph, taken []checker.Check) (checks []checker.Check, problems []error) {
	seen := make(map[checker.Key]bool, len(taken))
	for i := range taken {
		seen[taken[i].Key] = true
	}
	for i := range g.Len() {
		s := g.Service(topology.NodeID(i))
		for _, suffix := range suffixes(s.Labels) {
			c, err := l.check(s, suffix)
			switch {
			case err != nil:
				problems = append(problems, fmt.Errorf("service %s: %w", s.Ref(), err))
			case !seen[c.Key]:
				seen[c.Key] = true
				checks = append(checks, c)
			}
		}
	}
	return checks, problems
}

// suffixes are what stands behind [LabelTarget] in a service's labels, sorted.
func suffixes(labels map[string]string) (all []string) {
	for name := range labels {
		if suffix, ok := strings.CutPrefix(name, LabelTarget); ok && (suffix == "" || suffix[0] == '_' && len(suffix) > 1) {
			all = append(all, suffix)
		}
	}
	slices.Sort(all)
	return all
}

func (l *Labels) check(s *topology.Service, suffix string) (checker.Check, error) {
	module := cmp.Or(s.Labels[LabelModule+suffix], DefaultModule)
	c := checker.Check{
		Key:    checker.Key{Service: s.Ref(), Check: cmp.Or(strings.TrimPrefix(suffix, "_"), module)},
		Target: s.Labels[LabelTarget+suffix], Module: module, Source: sourceLabel, Interval: DefaultInterval,
	}
	if text := s.Labels[LabelInterval+suffix]; text != "" {
		v, err := model.ParseDuration(text)
		if err != nil || time.Duration(v) < leastInterval {
			return c, fmt.Errorf("label %s: %q is not a duration of at least %s, such as 30s", LabelInterval+suffix, text, leastInterval)
		}
		c.Interval = time.Duration(v)
	}
	m := l.modules[module]
	if m == nil {
		return c, fmt.Errorf("label %s: there is no module %q", LabelModule+suffix, module)
	}
	c.Kind = string(m.Kind)
	c.Timeout = cmp.Or(m.Timeout, min(DefaultTimeout, 2*c.Interval/3))
	if c.Timeout >= c.Interval {
		return c, fmt.Errorf("label %s: the timeout of module %s (%s) is not shorter than the interval (%s)", LabelInterval+suffix, module, c.Timeout, c.Interval)
	}
	var err error
	if c.Prober, err = l.prober(module, m); err != nil {
		return c, err
	}
	if err := c.Prober.Check(c.Target); err != nil {
		return c, fmt.Errorf("label %s: %w", LabelTarget+suffix, err)
	}
	if host := hostOf(c.Target); !l.Allowed(host) || len(c.Check) > maxText {
		return c, fmt.Errorf("label %s: health.labels.allow does not have %q", LabelTarget+suffix, host)
	}
	return c, nil
}

// prober is the module's, held to the list when the target sends it elsewhere.
func (l *Labels) prober(name string, m *modules.Module) (probe.Prober, error) {
	if m.Kind != probe.KindHTTP || l.all {
		return m.Prober, nil
	}
	if p := l.probers[name]; p != nil {
		return p, nil
	}
	held := m.Module
	held.HTTP.Allow = l.Allowed
	p, err := probe.New(&held)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	l.probers[name] = p
	return p, nil
}

// hostOf is the host of a target that its prober has accepted.
func hostOf(target string) string {
	if _, rest, ok := strings.Cut(target, "://"); ok {
		if u, err := url.Parse("http://" + rest); err == nil {
			return u.Hostname()
		}
	}
	if u, err := url.Parse("http://" + target); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	if host, _, err := net.SplitHostPort(target); err == nil {
		return host
	}
	return target
}
