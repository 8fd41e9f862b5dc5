package modules

import (
	"net"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// This file reads the values that several probers share.

func (r *reader) timeout(n *yaml.Node, path string) time.Duration {
	v, ok := r.Duration(n, path)
	if ok && v == 0 {
		r.Bad(n, path, "0s leaves no time for an answer; write a duration such as 5s")
	}
	return time.Duration(v)
}

// family are the keys by which one of a name's addresses is picked.
func (r *reader) family(into *probe.Family) []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "preferred_ip_protocol", Read: func(n *yaml.Node, path string) { into.IPv4 = r.oneOf(n, path, "ip4", "ip6") == "ip4" }},
		{Name: "ip_protocol_fallback", Read: func(n *yaml.Node, path string) { into.Strict = !r.Boolean(n, path) }},
	}
}

func (r *reader) source(into *net.IP) strictyaml.Field {
	return strictyaml.Field{Name: "source_ip_address", Read: func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path, "an address such as 10.0.0.7")
		if *into = net.ParseIP(s); ok && *into == nil {
			r.Bad(n, path, "%q is no IP address", s)
		}
	}}
}

func (r *reader) boolean(name string, into *bool) strictyaml.Field {
	return strictyaml.Field{Name: name, Read: func(n *yaml.Node, path string) { *into = r.Boolean(n, path) }}
}

// regexps reads a list of regular expressions.
func (r *reader) regexps(name string, into *[]*regexp.Regexp) strictyaml.Field {
	return strictyaml.Field{Name: name, Read: func(n *yaml.Node, path string) {
		r.List(n, path, func(n *yaml.Node, path string) {
			if re := r.regexp(n, path); re != nil {
				*into = append(*into, re)
			}
		})
	}}
}

func (r *reader) regexp(n *yaml.Node, path string) *regexp.Regexp {
	s, ok := r.Scalar(n, path, "a regular expression")
	if !ok {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		r.Bad(n, path, "%v; see https://github.com/google/re2/wiki/Syntax", err)
		return nil
	}
	return re
}

// texts reads a list of texts.
func (r *reader) texts(n *yaml.Node, path, want string) (all []string) {
	r.List(n, path, func(n *yaml.Node, path string) {
		if s, ok := r.Scalar(n, path, want); ok {
			all = append(all, s)
		}
	})
	return all
}

// pairs hands on the keys and values of a mapping whose keys are the user's.
func (r *reader) pairs(n *yaml.Node, path, want string, each func(key string, n *yaml.Node, path string)) {
	n = strictyaml.Target(n)
	if strictyaml.IsNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.Bad(n, path, "is %s; write %s", r.Describe(n), want)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		each(n.Content[i].Value, n.Content[i+1], strictyaml.Join(path, n.Content[i].Value))
	}
}
