package modules

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/alecthomas/units"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

func (r *reader) http(n *yaml.Node, path string) {
	m, client := &r.m.HTTP, r.HTTPClient()
	noFollow := false
	fields := slices.Concat(r.family(&m.Family), r.httpRequest(m), r.httpAnswer(&m.Answer), client.Fields(), []strictyaml.Field{
		r.boolean("no_follow_redirects", &noFollow), // blackbox_exporter's old name, the other way round
		{Name: "skip_resolve_phase_with_proxy", Read: func(n *yaml.Node, path string) {
			r.Boolean(n, path) // behind a proxy, names are always the proxy's to look up
		}},
		{Name: "fail_if_body_json_matches_cel", Read: r.unsupported},
		{Name: "fail_if_body_json_not_matches_cel", Read: r.unsupported},
		{Name: "enable_http3", Read: r.unsupportedUnless("false")},
	})
	r.Mapping(n, path, fields)
	m.Client = client.Config(n, path, r.dir)
	if noFollow {
		m.Client.FollowRedirects = false
	}
}

// unsupportedUnless accepts a key whose value asks for nothing.
func (r *reader) unsupportedUnless(harmless string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		if strictyaml.Target(n).Value != harmless {
			r.unsupported(n, path)
		}
	}
}

func (r *reader) httpRequest(m *probe.HTTP) []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "method", Read: func(n *yaml.Node, path string) { m.Method, _ = r.Scalar(n, path, "a method such as GET") }},
		{Name: "headers", Read: func(n *yaml.Node, path string) {
			m.Headers = map[string]string{}
			r.pairs(n, path, "headers by name: {Accept: application/json}", func(key string, n *yaml.Node, path string) {
				m.Headers[key], _ = r.Scalar(n, path, "a header's value")
			})
		}},
		{Name: "body", Read: func(n *yaml.Node, path string) { m.Body, _ = r.Scalar(n, path, "the body to send") }},
		{Name: "body_file", Read: func(n *yaml.Node, path string) { m.Body = r.file(n, path) }},
		{Name: "compression", Read: func(n *yaml.Node, path string) { m.Compression = r.compression(n, path) }},
		{Name: "body_size_limit", Read: func(n *yaml.Node, path string) { m.BodyLimit = r.size(n, path) }},
	}
}

func (r *reader) compression(n *yaml.Node, path string) string {
	if strictyaml.Target(n).Value == "br" {
		r.unsupported(n, path)
		return ""
	}
	return r.oneOf(n, path, "gzip", "deflate", "identity")
}

func (r *reader) httpAnswer(a *probe.HTTPAnswer) []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "valid_status_codes", Read: func(n *yaml.Node, path string) {
			r.List(n, path, func(n *yaml.Node, path string) { a.Statuses = append(a.Statuses, r.Integer(n, path, 100)) })
		}},
		{Name: "valid_http_versions", Read: func(n *yaml.Node, path string) { a.Versions = r.texts(n, path, "a version such as HTTP/2.0") }},
		r.boolean("fail_if_ssl", &a.NoTLS),
		r.boolean("fail_if_not_ssl", &a.NeedTLS),
		r.regexps("fail_if_body_matches_regexp", &a.BodyBad),
		r.regexps("fail_if_body_not_matches_regexp", &a.BodyGood),
		{Name: "fail_if_header_matches", Read: func(n *yaml.Node, path string) { a.HeaderBad = r.headerMatches(n, path) }},
		{Name: "fail_if_header_not_matches", Read: func(n *yaml.Node, path string) { a.HeaderGood = r.headerMatches(n, path) }},
	}
}

func (r *reader) headerMatches(n *yaml.Node, path string) (all []probe.HeaderMatch) {
	r.List(n, path, func(n *yaml.Node, path string) {
		var m probe.HeaderMatch
		problems := r.Count()
		r.Mapping(n, path, []strictyaml.Field{
			{Name: "header", Read: func(n *yaml.Node, path string) { m.Header, _ = r.Scalar(n, path, "the header's name") }},
			{Name: "regexp", Read: func(n *yaml.Node, path string) { m.Regexp = r.regexp(n, path) }},
			r.boolean("allow_missing", &m.AllowMissing),
		})
		switch {
		case r.Count() != problems:
		case m.Header == "" || m.Regexp == nil:
			r.Bad(n, path, "needs both header and regexp; write {header: Server, regexp: '^nginx'}")
		default:
			all = append(all, m)
		}
	})
	return all
}

func (r *reader) file(n *yaml.Node, path string) string {
	name, ok := r.Scalar(n, path, "the path of a file")
	if !ok {
		return ""
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.dir, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		r.Bad(n, path, "%v", err)
	}
	return string(text)
}

func (r *reader) size(n *yaml.Node, path string) int64 {
	const want = "a size such as 10MB"
	s, ok := r.Scalar(n, path, want)
	if !ok || s == "0" {
		return 0
	}
	v, err := units.ParseBase2Bytes(s)
	if err != nil || v < 0 {
		r.Bad(n, path, "%q is not %s", s, want)
	}
	return int64(v)
}
