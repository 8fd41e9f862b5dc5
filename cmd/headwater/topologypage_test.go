package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// What docs/topology.md shows of the configuration file can be pasted into one. A block
// that is indented goes on where entries of topology.prometheus are.
func TestTheTopologyPageCanBePastedFrom(t *testing.T) {
	page, err := os.ReadFile("../../docs/topology.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := written(t, map[string]string{
		"topology.yaml":               "services: []\n",
		"docker-compose.yaml":         "services: {}\n",
		"docker-compose.prod.yaml":    "services: {}\n",
		"catalog/a/catalog-info.yaml": "{apiVersion: backstage.io/v1alpha1, kind: Component, metadata: {name: web}}\n",
	})
	pasted := 0
	for _, m := range yamlBlock.FindAllSubmatch(page, -1) {
		text := string(m[1])
		switch {
		case strings.HasPrefix(text, "    - "):
			text = "topology:\n  prometheus:\n" + text
		case strings.HasPrefix(text, "      relabel_configs:"):
			text = "topology:\n  prometheus:\n    - url: http://prometheus:9090\n      preset: istio\n" + text
		case !strings.HasPrefix(text, "topology:"):
			continue
		}
		text = strings.ReplaceAll(text, "      tls_config: {ca_file: ca.pem}\n", "") // read when the source is made
		if _, err := parseConfig(filepath.Join(dir, "headwater.yaml"), []byte(text)); err != nil {
			t.Errorf("%v, in\n%s", err, text)
		}
		pasted++
	}
	if pasted < 6 {
		t.Errorf("only %d blocks of the page were tried", pasted)
	}
}
