package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPrometheusSourcesAreReadWithTheirClients(t *testing.T) {
	asked := make(chan *http.Request, 10)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked <- r
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"caller":"web","callee":"cart"},"value":[1,"2"]}]}}`))
	}))
	defer web.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig(filepath.Join(dir, "h.yaml"), []byte(`
topology:
  prometheus:
    - url: `+web.URL+`
      name: calls
      query: sum by (caller, callee) (rate(calls_total{$matchers}[$window]))
      matchers: ['cluster="prod"']
      window: 1m
      relabel_configs:
        - {source_labels: [caller], target_label: __source__}
        - {source_labels: [callee], target_label: __destination__}
      basic_auth: {username: map, password_file: password}
      http_headers: {X-Scope-OrgID: {values: [team]}}
    - {url: `+web.URL+`, preset: istio, ttl: 12h}
    - {url: `+web.URL+`, preset: kubernetes}
`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range c.sources {
		names = append(names, s.Source.Name())
	}
	if got := strings.Join(names, " "); got != "calls istio kubernetes" {
		t.Fatalf("sources %s", got)
	}
	if c.sources[0].TTL != 6*time.Hour || c.sources[1].TTL != 12*time.Hour {
		t.Errorf("TTLs are %s and %s", c.sources[0].TTL, c.sources[1].TTL)
	}
	r, err := c.sources[0].Source.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Dependencies) != 1 || r.Dependencies[0].From.Name != "web" || r.Dependencies[0].To.Name != "cart" {
		t.Errorf("reported %+v", r)
	}
	first := <-asked
	if user, password, _ := first.BasicAuth(); user != "map" || password != "secret" {
		t.Errorf("asked as %s:%s", user, password)
	}
	if first.Header.Get("X-Scope-OrgID") != "team" {
		t.Errorf("asked with %v", first.Header)
	}
	if got := first.FormValue("query"); got != `sum by (caller, callee) (rate(calls_total{cluster="prod",}[1m]))` {
		t.Errorf("asked %s", got)
	}
}

func TestPrometheusSourceErrorsNameLineFieldAndTheWayOut(t *testing.T) {
	for point, c := range map[string]struct{ in, want string }{
		"no url":                  {"{preset: istio}", `h.yaml:3: topology.prometheus[0]: has no url; add url: http://prometheus:9090`},
		"no URL":                  {"{url: prometheus, preset: istio}", `h.yaml:3: topology.prometheus[0].url: "prometheus" is no URL of a web server; write one such as http://prometheus:9090`},
		"a preset from nowhere":   {"{url: 'http://p', preset: isto}", `h.yaml:3: topology.prometheus[0].preset: unknown preset "isto"; use one of istio, istio-tcp, otel,`},
		"nothing to ask":          {"{url: 'http://p'}", `h.yaml:3: topology.prometheus[0]: has neither preset nor query; add preset: istio`},
		"no mapping":              {"{url: 'http://p', query: x}", `h.yaml:3: topology.prometheus[0]: has a query and no relabel_configs;`},
		"two things to ask":       {"{url: 'http://p', preset: istio, query: x}", `h.yaml:3: topology.prometheus[0]: has both a preset and a query of its own;`},
		"no PromQL":               {"{url: 'http://p', query: 'sum(x'}", `h.yaml:3: topology.prometheus[0].query: character 4: "(" is never closed`},
		"no matcher":              {"{url: 'http://p', preset: istio, matchers: [prod]}", `h.yaml:3: topology.prometheus[0].matchers[0]: "prod" is no label matcher;`},
		"a range within a window": {"{url: 'http://p', preset: istio, window: 5m, range: 1m}", `h.yaml:3: topology.prometheus[0]: the range (1m0s) is shorter than the window (5m0s)`},
		"placement has no edges":  {"{url: 'http://p', preset: kubernetes, range: 1h}", `h.yaml:3: topology.prometheus[0]: range means nothing to the preset kubernetes`},
		"an unknown key":          {"{url: 'http://p', preset: istio, tls: {}}", `h.yaml:3: topology.prometheus[0]: unknown key "tls"`},
		"an unknown key within":   {"{url: 'http://p', preset: istio,\n       tls_config: {ca_cert: x}}", `h.yaml:4: topology.prometheus[0].tls_config: unknown key "ca_cert"; the keys are those of Prometheus's http_config`},
		"two ways to log in":      {"{url: 'http://p', preset: istio, bearer_token: a, basic_auth: {username: b}}", `h.yaml:3: topology.prometheus[0]: at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured`},
		"a rule from nowhere":     {"{url: 'http://p', preset: istio, relabel_configs: [{source: [a]}]}", `h.yaml:3: topology.prometheus[0].relabel_configs[0]: unknown key "source"`},
		"the same twice":          {"{url: 'http://p', preset: istio}\n    - {url: 'http://q', preset: istio}", `h.yaml:4: topology.prometheus[1]: another source is called "istio" too; give one of them another name`},
	} {
		_, err := parseConfig("h.yaml", []byte("topology:\n  prometheus:\n    - "+c.in+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", point, err, c.want)
		}
	}
}
