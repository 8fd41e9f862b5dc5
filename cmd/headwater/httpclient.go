package main

import (
	"fmt"
	"net/url"

	httpconfig "github.com/prometheus/common/config"
	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// httpClientKeys are the keys of an HTTP client in Prometheus's configuration files.
var httpClientKeys = []string{
	"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "tls_config", "follow_redirects",
	"enable_http2", "proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header", "http_headers",
}

// httpClient collects an HTTP client's keys from a mapping that has others too.
type httpClient struct {
	p      *configParser
	values yaml.Node
}

func newHTTPClient(p *configParser) *httpClient {
	return &httpClient{p: p, values: yaml.Node{Kind: yaml.MappingNode}}
}

// fields are the client's keys. Prometheus's library reads each by itself, because it
// knows lines only of a text that nobody wrote.
func (h *httpClient) fields() []strictyaml.Field {
	var fields []strictyaml.Field
	for _, key := range httpClientKeys {
		fields = append(fields, strictyaml.Field{Name: key, Read: func(n *yaml.Node, path string) {
			pair := []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, strictyaml.Target(n)}
			if _, err := readHTTPClient(&yaml.Node{Kind: yaml.MappingNode, Content: pair}); err != nil {
				h.bad(n, path, err)
				return
			}
			h.values.Content = append(h.values.Content, pair...)
		}})
	}
	return fields
}

// bad reports what the library says of one key, at the line of what it names.
func (h *httpClient) bad(n *yaml.Node, path string, err error) {
	text := strictyaml.LibraryText(err)
	m := unknownKey.FindStringSubmatch(text)
	if m == nil {
		h.p.Bad(n, path, "%s", text)
		return
	}
	if key := keyNode(n, m[1]); key != nil {
		n = key
	}
	h.p.Bad(n, path, "unknown key %q; the keys are those of Prometheus's http_config", m[1])
}

// keyNode is a key of that name in a mapping or one that it holds.
func keyNode(n *yaml.Node, name string) *yaml.Node {
	n = strictyaml.Target(n)
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Value == name {
			return child
		}
		if found := keyNode(child, name); found != nil {
			return found
		}
	}
	return nil
}

// config is what the keys amount to, with paths relative to the configuration file.
func (h *httpClient) config() (httpconfig.HTTPClientConfig, error) {
	c, err := readHTTPClient(&h.values)
	if err != nil {
		return c, fmt.Errorf("%s", strictyaml.LibraryText(err))
	}
	c.SetDirectory(h.p.c.dir())
	return c, nil
}

func readHTTPClient(n *yaml.Node) (httpconfig.HTTPClientConfig, error) {
	c := httpconfig.DefaultHTTPClientConfig
	text, err := yaml.Marshal(n)
	if err == nil {
		err = yamlv2.UnmarshalStrict(text, &c)
	}
	return c, err
}

// webAddress reads the URL of a server.
func (p *configParser) webAddress(n *yaml.Node, path, example string) string {
	s, ok := p.Scalar(n, path, "a URL such as "+example)
	if !ok {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		p.Bad(n, path, "%q is no URL of a web server; write one such as %s", s, example)
		return ""
	}
	return s
}
