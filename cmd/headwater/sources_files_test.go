package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// written puts files into a folder of the test's own.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFileSourcesAndJaegerAreRead(t *testing.T) {
	dir := written(t, map[string]string{
		"docker-compose.yaml":    "services: {web: {depends_on: [db]}, db: {image: postgres}}\n",
		"override.yaml":          "services: {web: {depends_on: [cache]}, cache: {image: redis}}\n",
		"cat/a/catalog.yaml":     "{apiVersion: backstage.io/v1alpha1, kind: Component, metadata: {name: web}, spec: {dependsOn: ['resource:db']}}\n",
		"cat/b/catalog.yaml":     "{apiVersion: backstage.io/v1alpha1, kind: Resource, metadata: {name: db}, spec: {type: database}}\n",
		"cat/b/mkdocs-site.yaml": "not: a catalogue\n",
	})
	c, err := parseConfig(filepath.Join(dir, "h.yaml"), []byte(`
topology:
  compose:
    - docker-compose.yaml
    - {name: both, namespace: shop, files: [docker-compose.yaml, override.yaml], refresh_interval: 5s}
  backstage: ['cat/*/catalog.yaml']
  jaeger: [{url: http://jaeger:16686/base, lookback: 2d}]
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name  string
		edges int
		ttl   time.Duration
	}{{"compose:docker-compose.yaml", 1, 0}, {"both", 2, 0}, {"backstage:cat/*/catalog.yaml", 1, 0}, {"jaeger", -1, 24 * time.Hour}}
	if len(c.sources) != len(want) {
		t.Fatalf("%d sources", len(c.sources))
	}
	for i, w := range want {
		s := c.sources[i]
		if s.Source.Name() != w.name || s.TTL != w.ttl || s.Declared != (w.edges >= 0) {
			t.Errorf("source %d is %s, TTL %s, declared %t", i, s.Source.Name(), s.TTL, s.Declared)
		}
		if w.edges < 0 {
			continue
		}
		r, err := s.Source.Fetch(t.Context())
		if err != nil || len(r.Dependencies) != w.edges {
			t.Errorf("%s: %d dependencies, %v", w.name, len(r.Dependencies), err)
		}
	}
}

func TestFileSourceErrorsNameLineFieldAndTheWayOut(t *testing.T) {
	dir := written(t, map[string]string{"bad.yaml": "services:\n  web: {depends_on: 5}\n"})
	for point, c := range map[string]struct{ in, want string }{
		"no file":         {"{compose: [none.yaml]}", `h.yaml:1: topology.compose[0]: "` + filepath.Join(dir, "none.yaml") + `": no such file or directory; a relative path begins at the folder of this file`},
		"nothing matches": {"{backstage: ['*.yml']}", `h.yaml:1: topology.backstage[0]: no file matches "` + filepath.Join(dir, "*.yml") + `"`},
		"no files":        {"{compose: [{namespace: a}]}", `h.yaml:1: topology.compose[0]: names no files; add files: [docker-compose.yaml]`},
		"what is wrong":   {"{compose: [bad.yaml]}", `h.yaml:1: topology.compose[0]: ` + filepath.Join(dir, "bad.yaml") + `:2: `},
		"no catalogue":    {"{backstage: [{files: [bad.yaml]}]}", `h.yaml:1: topology.backstage[0]: ` + filepath.Join(dir, "bad.yaml") + `:1: is no entity of Backstage's catalogue`},
		"no Jaeger":       {"{jaeger: [{lookback: 1h}]}", `h.yaml:1: topology.jaeger[0]: has no url; add url: http://jaeger-query:16686`},
		"no time to look": {"{jaeger: [{url: 'http://j', lookback: 1s}]}", `h.yaml:1: topology.jaeger[0].lookback: 1s is too short to find a call in; write at least 1m`},
		"a key from afar": {"{jaeger: [{url: 'http://j', preset: istio}]}", `h.yaml:1: topology.jaeger[0]: unknown key "preset"`},
	} {
		_, err := parseConfig(filepath.Join(dir, "h.yaml"), []byte("topology: "+c.in+"\n"))
		if err == nil || !strings.HasPrefix(strings.TrimPrefix(err.Error(), dir+"/"), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", point, err, c.want)
		}
	}
}
