package settings

import (
	"errors"
	"regexp"

	httpconfig "github.com/prometheus/common/config"
	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Boolean reads true or false.
func (d *Values) Boolean(n *yaml.Node, path string) bool {
	s, ok := d.Scalar(n, path, "true or false")
	if !ok {
		return false
	}
	if s != "true" && s != "false" {
		d.Bad(n, path, "%q is not true or false", s)
	}
	return s == "true"
}

// httpClientKeys are the keys of an HTTP client in Prometheus's configuration files.
var httpClientKeys = []string{
	"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "tls_config", "follow_redirects",
	"enable_http2", "proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header", "http_headers",
}

// HTTPClient collects the keys of Prometheus's http_config from a mapping that has
// others too.
type HTTPClient struct {
	v    *Values
	keys yaml.Node
}

// HTTPClient begins the reading of one client.
func (d *Values) HTTPClient() *HTTPClient {
	return &HTTPClient{v: d, keys: yaml.Node{Kind: yaml.MappingNode}}
}

// Fields are the client's keys. Prometheus's library reads each by itself, because it
// knows the lines only of a text that nobody wrote.
func (h *HTTPClient) Fields() []strictyaml.Field {
	fields := make([]strictyaml.Field, 0, len(httpClientKeys))
	for _, key := range httpClientKeys {
		fields = append(fields, strictyaml.Field{Name: key, Read: func(n *yaml.Node, path string) {
			pair := []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, strictyaml.Target(n)}
			one := httpconfig.DefaultHTTPClientConfig
			if h.v.library(n, path, &yaml.Node{Kind: yaml.MappingNode, Content: pair}, &one, "http_config") {
				h.keys.Content = append(h.keys.Content, pair...)
			}
		}})
	}
	return fields
}

// Config is what the keys amount to, with relative paths beginning at dir. n and path are
// the mapping's: some mistakes are of several keys together.
func (h *HTTPClient) Config(n *yaml.Node, path, dir string) httpconfig.HTTPClientConfig {
	c, err := h.Build(dir)
	if err != nil {
		h.v.Bad(n, path, "%v", err)
	}
	return c
}

// Build is Config for who reports mistakes himself: the error names no line.
func (h *HTTPClient) Build(dir string) (httpconfig.HTTPClientConfig, error) {
	c := httpconfig.DefaultHTTPClientConfig
	if err := readAs(&h.keys, &c); err != nil {
		return c, errors.New(strictyaml.LibraryText(err))
	}
	c.SetDirectory(dir)
	return c, nil
}

// TLSConfig reads a tls_config of Prometheus's, with relative paths beginning at dir.
func (d *Values) TLSConfig(n *yaml.Node, path, dir string) httpconfig.TLSConfig {
	var c httpconfig.TLSConfig
	d.library(n, path, n, &c, "tls_config")
	c.SetDirectory(dir)
	return c
}

var unknownKey = regexp.MustCompile(`^field (\S+) not found in type \S+$`)

// library has what reads, which is n or holds it, read by Prometheus's library, and
// reports whether that went well. Its only error is put at the line of what it names.
func (d *Values) library(n *yaml.Node, path string, what *yaml.Node, into any, kind string) bool {
	err := readAs(what, into)
	if err == nil {
		return true
	}
	reason := strictyaml.LibraryText(err)
	m := unknownKey.FindStringSubmatch(reason)
	if m == nil {
		d.Bad(n, path, "%s", reason)
		return false
	}
	if key := keyNode(n, m[1]); key != nil {
		n = key
	}
	d.Bad(n, path, "unknown key %q; the keys are those of Prometheus's %s", m[1], kind)
	return false
}

// readAs has Prometheus's YAML library read n, which is another than ours.
func readAs(n *yaml.Node, into any) error {
	text, err := yaml.Marshal(n)
	if err == nil {
		err = yamlv2.UnmarshalStrict(text, into)
	}
	return err
}

// keyNode is a key of that name in a mapping or in one that it holds.
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
