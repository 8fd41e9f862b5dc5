package modules

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	httpconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Module is a module with the prober that it makes.
type Module struct {
	probe.Module
	Prober probe.Prober
	// Place is where it was written, zero for one that is built in.
	Place strictyaml.Place
}

// Set is modules by their names.
type Set map[string]*Module

// Names are the names of the modules, sorted.
func (s Set) Names() []string { return slices.Sorted(maps.Keys(s)) }

// builtin is what a newcomer needs, in the syntax that he will write. IPv4 is preferred,
// because that is what most clusters' services have.
const builtin = `
http_2xx: {prober: http, http: {preferred_ip_protocol: ip4}}
http_post_2xx: {prober: http, http: {preferred_ip_protocol: ip4, method: POST}}
tcp_connect: {prober: tcp, tcp: {preferred_ip_protocol: ip4}}
tls_connect: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls: true}}
grpc: {prober: grpc, grpc: {preferred_ip_protocol: ip4, tls: true}}
grpc_plain: {prober: grpc, grpc: {preferred_ip_protocol: ip4}}
icmp: {prober: icmp, icmp: {preferred_ip_protocol: ip4}}
`

// Builtin are the modules that need not be written down. One of the same name in the
// configuration takes its place.
func Builtin() Set {
	s, v := Set{}, settings.NewValues("built-in modules")
	s.Read(v, ".", v.Document(builtin), "")
	if err := v.Err(); err != nil {
		panic(err) // a test reads them
	}
	for _, m := range s {
		m.Place = strictyaml.Place{}
	}
	return s
}

// ReadFile adds the modules of a file such as blackbox.yml. Paths in it begin at its folder.
func (s Set) ReadFile(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		var failed *os.PathError
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	v := settings.NewValues(name)
	root := v.Document(string(text))
	if root != nil {
		v.Mapping(root, "", []strictyaml.Field{
			{Name: "modules", Read: func(n *yaml.Node, path string) { s.Read(v, filepath.Dir(name), n, path) }},
		})
	}
	return v.Err()
}

// Read adds the modules of a mapping by name. Relative paths begin at dir.
func (s Set) Read(v *settings.Values, dir string, n *yaml.Node, path string) {
	n = strictyaml.Target(n)
	if strictyaml.IsNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		v.Bad(n, path, "is %s; write modules by name: {http_2xx: {prober: http}}", v.Describe(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		s.add(v, dir, n.Content[i], n.Content[i+1], strictyaml.Join(path, n.Content[i].Value))
	}
}

func (s Set) add(v *settings.Values, dir string, key, n *yaml.Node, path string) {
	if before := s[key.Value]; before != nil && before.Place.Line > 0 {
		v.Bad(key, path, "was already given at %s; remove one or rename it", before.Place)
		return
	}
	problems := v.Count()
	r := reader{Values: v, dir: dir}
	r.read(n, path)
	if v.Count() != problems {
		return
	}
	prober, err := probe.New(&r.m)
	if err != nil {
		v.Bad(key, path, "%s", err)
		return
	}
	s[key.Value] = &Module{Module: r.m, Prober: prober, Place: v.At(key)}
}

// reader reads one module.
type reader struct {
	*settings.Values
	dir string
	m   probe.Module
}

func (r *reader) read(n *yaml.Node, path string) {
	r.m.HTTP.Client = httpconfig.DefaultHTTPClientConfig
	r.Mapping(n, path, []strictyaml.Field{
		{Name: "prober", Read: r.kind},
		{Name: "timeout", Read: func(n *yaml.Node, path string) { r.m.Timeout = r.timeout(n, path) }},
		{Name: "http", Read: r.http},
		{Name: "tcp", Read: r.tcp},
		{Name: "grpc", Read: r.grpc},
		{Name: "dns", Read: r.dns},
		{Name: "icmp", Read: r.icmp},
		{Name: "unix", Read: func(n *yaml.Node, path string) { r.unsupported(n, path) }},
	})
	if r.m.Kind == "" && strictyaml.Target(n).Kind == yaml.MappingNode && !hasKey(n, "prober") {
		r.Bad(n, path, "has no prober; write prober: http, tcp, grpc, dns or icmp")
	}
}

func hasKey(n *yaml.Node, name string) bool {
	n = strictyaml.Target(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

func (r *reader) kind(n *yaml.Node, path string) {
	const want = "one of http, tcp, grpc, dns, icmp"
	s, ok := r.Scalar(n, path, want)
	switch {
	case !ok:
	case s == "unix":
		r.unsupported(n, path)
	case !slices.Contains(probe.Kinds, probe.Kind(s)):
		r.Bad(n, path, "unknown prober %q; write %s", s, want)
	default:
		r.m.Kind = probe.Kind(s)
	}
}

// unsupported says so of what blackbox_exporter can do and we cannot.
func (r *reader) unsupported(n *yaml.Node, path string) {
	r.Bad(n, path, "Headwater's own probes cannot do this; remove it, or ask a deployed blackbox_exporter (health.blackbox, and via: at the check)")
}

// oneOf reads a word.
func (r *reader) oneOf(n *yaml.Node, path string, words ...string) string {
	want := "one of " + strings.Join(words, ", ")
	s, ok := r.Scalar(n, path, want)
	if ok && !slices.Contains(words, s) {
		r.Bad(n, path, "%q is not %s", s, want)
	}
	return s
}
