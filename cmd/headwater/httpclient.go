package main

import (
	"net/url"

	httpconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// httpClient collects an HTTP client's keys, with paths relative to the configuration file.
type httpClient struct {
	keys *settings.HTTPClient
	dir  string
}

func newHTTPClient(p *configParser) *httpClient { return &httpClient{p.HTTPClient(), p.c.dir()} }

func (h *httpClient) fields() []strictyaml.Field { return h.keys.Fields() }

func (h *httpClient) config() (httpconfig.HTTPClientConfig, error) { return h.keys.Build(h.dir) }

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
