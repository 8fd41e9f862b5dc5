package prometheus

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

var rewrite = flag.Bool("rewrite", false, "write what came out into the testdata")

// recorded is a file of testdata: what a server answered, and what is made of it.
type recorded struct {
	path    string
	archive *txtar.Archive
}

func open(t testing.TB, name string) *recorded {
	t.Helper()
	path := filepath.Join("testdata", name+".txtar")
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &recorded{path, archive}
}

func (r *recorded) section(name string) []byte {
	for _, f := range r.archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// compare holds what came out against the file's last section.
func (r *recorded) compare(t *testing.T, got string) {
	t.Helper()
	want := &r.archive.Files[len(r.archive.Files)-1]
	if *rewrite {
		want.Data = []byte(got)
		if err := os.WriteFile(r.path, txtar.Format(r.archive), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(want.Data), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", r.path, diff)
	}
}

// server answers queries as a Prometheus does. answer returns nil for what it does not know.
func server(t testing.TB, answer func(query string) []byte) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := answer(r.FormValue("query"))
		if r.URL.Path != "/api/v1/query" || body == nil {
			http.Error(w, "nothing is here", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	c, err := NewClient(s.URL, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tell is a report for people, its times as ages.
func tell(r *discovery.Report, now time.Time) string {
	var b strings.Builder
	for i := range r.Services {
		s := &r.Services[i]
		fmt.Fprintf(&b, "%s %s", s.Kind, s.Ref())
		if len(s.Aliases) > 0 {
			fmt.Fprintf(&b, ", also %s", strings.Join(s.Aliases, " "))
		}
		if len(s.RunsOn) > 0 {
			fmt.Fprintf(&b, ", on %s", strings.Join(s.RunsOn, " "))
		}
		b.WriteString("\n")
	}
	for i := range r.Dependencies {
		d := &r.Dependencies[i]
		fmt.Fprintf(&b, "%s -> %s %s%s\n", d.From, d.To, d.Mode, sighting(d.Seen[0], now))
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w.Text)
	}
	return b.String()
}

func sighting(s topology.Sighting, now time.Time) string {
	text := ""
	if s.RequestsPerSecond.Known {
		text += fmt.Sprintf(", %.4g/s", s.RequestsPerSecond.Value)
	}
	if s.ErrorRatio.Known {
		text += fmt.Sprintf(", %.3g %% errors", 100*s.ErrorRatio.Value)
	}
	if age := now.Sub(s.LastSeen).Round(time.Minute); age > 0 {
		text += fmt.Sprintf(", %s ago", age)
	}
	return text
}

func TestPresetsReadWhatTheirSendersSend(t *testing.T) {
	for _, p := range presets() {
		t.Run(p.Name, func(t *testing.T) {
			edges, err := Preset(p.Name)
			if err != nil {
				t.Fatal(err)
			}
			rec := open(t, p.Name)
			var asked []string
			client := server(t, func(query string) []byte {
				asked = append(asked, query)
				switch {
				case strings.HasPrefix(query, "max_over_time("):
					return rec.section("history")
				case len(asked) == 2 && edges.ErrorQuery != "":
					return rec.section("errors")
				}
				return rec.section("query")
			})
			s, err := NewSource(Options{Name: "test", Client: client, Edges: edges, Matchers: []string{`cluster="prod"`}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Fetch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			rec.compare(t, tell(&r, time.Now()))
			for _, q := range asked {
				if strings.Contains(q, "$") || !strings.Contains(q, `cluster="prod",`) {
					t.Errorf("asked %s", q)
				}
			}
			if _, _, err := topology.Build(topology.Spec{Services: r.Services, Dependencies: r.Dependencies}); err != nil {
				t.Errorf("no graph can be built of it: %v", err)
			}
		})
	}
}

func TestPlacementIsReadFromKubeStateMetrics(t *testing.T) {
	rec := open(t, KubernetesPreset)
	client := server(t, func(query string) []byte {
		for _, c := range []struct{ metric, section string }{
			{"kube_pod_info", "pods"}, {"kube_replicaset_owner", "owners"}, {"kube_node_info", "nodes"}, {"kube_node_labels", "zones"},
		} {
			if strings.Contains(query, c.metric) {
				return rec.section(c.section)
			}
		}
		return nil
	})
	k, err := NewKubernetes(KubernetesOptions{Name: "k8s", Client: client})
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Fetch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	rec.compare(t, tell(&r, time.Now()))
	if _, warnings, err := topology.Build(topology.Spec{Services: r.Services}); err != nil || len(warnings) > 0 {
		t.Errorf("built with %v, %v", warnings, err)
	}
}
