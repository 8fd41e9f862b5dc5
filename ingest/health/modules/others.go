package modules

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

func (r *reader) tcp(n *yaml.Node, path string) {
	m := &r.m.TCP
	r.Mapping(n, path, slices.Concat(r.family(&m.Family), []strictyaml.Field{
		r.source(&m.Source),
		{Name: "query_response", Read: func(n *yaml.Node, path string) { r.List(n, path, r.step) }},
		r.boolean("tls", &m.TLS),
		{Name: "tls_config", Read: func(n *yaml.Node, path string) { m.TLSConfig = r.TLSConfig(n, path, r.dir) }},
	}))
}

func (r *reader) step(n *yaml.Node, path string) {
	var s probe.TCPStep
	r.Mapping(n, path, []strictyaml.Field{
		{Name: "expect", Read: func(n *yaml.Node, path string) { s.Expect = r.regexp(n, path) }},
		{Name: "send", Read: func(n *yaml.Node, path string) { s.Send, _ = r.Scalar(n, path, "a line to send") }},
		r.boolean("starttls", &s.StartTLS),
		{Name: "expect_bytes", Read: r.unsupported},
		{Name: "labels", Read: r.unsupported},
	})
	r.m.TCP.Steps = append(r.m.TCP.Steps, s)
}

func (r *reader) grpc(n *yaml.Node, path string) {
	m := &r.m.GRPC
	r.Mapping(n, path, slices.Concat(r.family(&m.Family), []strictyaml.Field{
		{Name: "service", Read: func(n *yaml.Node, path string) {
			if !strictyaml.IsNull(n) && strictyaml.Target(n).Value != "" { // empty: the server as a whole
				m.Service, _ = r.Scalar(n, path, "a service such as shop.v1.Cart")
			}
		}},
		r.boolean("tls", &m.TLS),
		{Name: "tls_config", Read: func(n *yaml.Node, path string) { m.TLSConfig = r.TLSConfig(n, path, r.dir) }},
		{Name: "metadata", Read: func(n *yaml.Node, path string) {
			m.Metadata = map[string][]string{}
			r.pairs(n, path, "lists of values by name: {authorization: [Bearer x]}", func(key string, n *yaml.Node, path string) {
				m.Metadata[key] = r.texts(n, path, "a value")
			})
		}},
	}))
}

func (r *reader) dns(n *yaml.Node, path string) {
	m := &r.m.DNS
	recursion := true
	r.Mapping(n, path, slices.Concat(r.family(&m.Family), []strictyaml.Field{
		r.source(&m.Source),
		{Name: "transport_protocol", Read: func(n *yaml.Node, path string) { m.Transport = r.oneOf(n, path, "udp", "tcp") }},
		r.boolean("dns_over_tls", &m.OverTLS),
		{Name: "tls_config", Read: func(n *yaml.Node, path string) { m.TLSConfig = r.TLSConfig(n, path, r.dir) }},
		{Name: "query_name", Read: func(n *yaml.Node, path string) { m.Name, _ = r.Scalar(n, path, "a name such as shop.example.com") }},
		{Name: "query_type", Read: func(n *yaml.Node, path string) {
			m.Type = lookUp(r, n, path, dns.StringToType, "a record type such as A or SRV")
		}},
		{Name: "query_class", Read: func(n *yaml.Node, path string) {
			m.Class = lookUp(r, n, path, dns.StringToClass, "a class such as IN")
		}},
		r.boolean("recursion_desired", &recursion),
		{Name: "valid_rcodes", Read: func(n *yaml.Node, path string) {
			r.List(n, path, func(n *yaml.Node, path string) {
				m.Answer.Codes = append(m.Answer.Codes, lookUp(r, n, path, dns.StringToRcode, "a code such as NOERROR or NXDOMAIN"))
			})
		}},
		r.records("validate_answer_rrs", &m.Answer.Records),
		r.records("validate_authority_rrs", &m.Answer.Authority),
		r.records("validate_additional_rrs", &m.Answer.Additional),
	}))
	m.NoRecursion = !recursion
}

func (r *reader) records(name string, into *probe.DNSRecords) strictyaml.Field {
	return strictyaml.Field{Name: name, Read: func(n *yaml.Node, path string) {
		r.Mapping(n, path, []strictyaml.Field{
			r.regexps("fail_if_matches_regexp", &into.FailIfAny),
			r.regexps("fail_if_all_match_regexp", &into.FailIfAll),
			r.regexps("fail_if_not_matches_regexp", &into.FailIfAnyNot),
			r.regexps("fail_if_none_matches_regexp", &into.FailIfNone),
		})
	}}
}

// lookUp reads one of DNS's own words.
func lookUp[V any](r *reader, n *yaml.Node, path string, words map[string]V, want string) V {
	s, ok := r.Scalar(n, path, want)
	v, known := words[strings.ToUpper(s)]
	if ok && !known {
		r.Bad(n, path, "%q is not %s", s, want)
	}
	return v
}

func (r *reader) icmp(n *yaml.Node, path string) {
	m := &r.m.ICMP
	r.Mapping(n, path, slices.Concat(r.family(&m.Family), []strictyaml.Field{
		r.source(&m.Source),
		{Name: "payload_size", Read: func(n *yaml.Node, path string) { m.PayloadSize = r.Integer(n, path, 0) }},
		{Name: "ttl", Read: func(n *yaml.Node, path string) { m.TTL = r.Integer(n, path, 0) }},
		{Name: "dont_fragment", Read: r.unsupportedUnless("false")},
	}))
}
