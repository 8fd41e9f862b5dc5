package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
)

// prometheus is a real one. It can go away and come back at the same address.
type prometheus struct {
	*process
	dir string
	web string // http://127.0.0.1:<port>
}

// prometheusConfig scrapes an exporter that stands for many targets, whose labels it keeps.
const prometheusConfig = `
global:
  scrape_interval: 250ms
  scrape_timeout: 250ms
  evaluation_interval: 500ms
scrape_configs:
  - job_name: mesh
    honor_labels: true
    static_configs: [{targets: ['%s']}]
`

// newPrometheus is one that has an address and is not started.
func newPrometheus(t testing.TB) *prometheus {
	t.Helper()
	return &prometheus{dir: t.TempDir(), web: "http://" + freePort(t)}
}

func (p *prometheus) configure(t testing.TB, config, rules string) {
	t.Helper()
	write(t, filepath.Join(p.dir, "prometheus.yml"), config)
	write(t, filepath.Join(p.dir, "rules.yml"), rules)
}

func (p *prometheus) start(t testing.TB) {
	t.Helper()
	p.process = launch(t, "prometheus", binary(t, prometheusBinary),
		"--config.file="+filepath.Join(p.dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(p.dir, "data"),
		"--web.listen-address="+p.web[len("http://"):], "--log.format=json")
	eventually(t, "prometheus is ready", patience, func() error { return errors.Join(p.alive(), ready(p.web)) })
}

// query returns the values of an instant query.
func (p *prometheus) query(promQL string) ([]string, error) {
	code, body, err := get(p.web + "/api/v1/query?query=" + url.QueryEscape(promQL))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != 200 {
		return nil, fmt.Errorf("query %s: %d: %s", promQL, code, body)
	}
	var values []string
	for _, r := range answer.Data.Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values, nil
}
