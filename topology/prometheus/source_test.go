package prometheus

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// otelSource asks nobody: its answers are given to learn.
func otelSource(t testing.TB, span time.Duration) *Source {
	t.Helper()
	edges, err := Preset("otel")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSource(Options{Name: "otel", Edges: edges, Range: span})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func calls(client, server string, value float64) *model.Sample {
	return &model.Sample{Metric: model.Metric{"client": model.LabelValue(client), "server": model.LabelValue(server)}, Value: model.SampleValue(value)}
}

// lastMoved is a sample of a history that was asked for at now.
func lastMoved(client, server string, now, at time.Time) *model.Sample {
	s := calls(client, server, float64(at.UnixMilli())/1000)
	s.Timestamp = model.TimeFromUnixNano(now.UnixNano())
	return s
}

// ages are the edges of a report and how long ago they were last at work.
func ages(r discovery.Report, now time.Time) map[string]time.Duration {
	m := map[string]time.Duration{}
	for _, d := range r.Dependencies {
		m[d.From.Name+" -> "+d.To.Name] = now.Sub(d.Seen[0].LastSeen).Round(time.Second)
	}
	return m
}

var begun = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

func TestAQuietHourLosesNoEdgeAndADeadOneAges(t *testing.T) {
	s := otelSource(t, 2*time.Hour)
	s.learn(begun, model.Vector{calls("web", "cart", 5), calls("web", "old", 1)}, nil, nil)
	for _, c := range []struct {
		after   time.Duration
		current model.Vector
		want    map[string]time.Duration
	}{
		{time.Hour, nil, map[string]time.Duration{"web -> cart": time.Hour, "web -> old": time.Hour}},
		{90 * time.Minute, model.Vector{calls("web", "cart", 1)}, map[string]time.Duration{"web -> cart": 0, "web -> old": 90 * time.Minute}},
		{2 * time.Hour, nil, map[string]time.Duration{"web -> cart": 30 * time.Minute, "web -> old": 2 * time.Hour}},
		{2*time.Hour + time.Second, nil, map[string]time.Duration{"web -> cart": 30*time.Minute + time.Second}},
	} {
		now := begun.Add(c.after)
		if diff := cmp.Diff(c.want, ages(s.learn(now, c.current, nil, nil), now)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", c.after, diff)
		}
	}
}

func TestACounterThatLingersWithoutMovingKeepsNoEdge(t *testing.T) {
	s := otelSource(t, time.Hour)
	s.learn(begun, model.Vector{calls("web", "cart", 1)}, nil, nil)
	now := begun.Add(61 * time.Minute)
	if got := ages(s.learn(now, model.Vector{calls("web", "cart", 0)}, nil, nil), now); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestTheTimeBeforeTheStartIsLearntByTheServersClock(t *testing.T) {
	s := otelSource(t, 6*time.Hour)
	server := begun.Add(-17 * time.Minute) // its clock is behind
	got := ages(s.learn(begun, model.Vector{calls("web", "cart", 1)}, nil, model.Vector{
		lastMoved("web", "cart", server, server.Add(-time.Hour)),
		lastMoved("nightly", "mysql", server, server.Add(-5*time.Hour)),
		lastMoved("gone", "mysql", server, server.Add(-7*time.Hour)),
	}), begun)
	want := map[string]time.Duration{"web -> cart": 0, "nightly -> mysql": 5 * time.Hour}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestALullChangesNoNames(t *testing.T) {
	edges, err := Preset("istio")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSource(Options{Edges: edges})
	if err != nil {
		t.Fatal(err)
	}
	to := func(workload string) *model.Sample {
		return &model.Sample{Value: 1, Metric: model.Metric{
			"source_canonical_service": "web", "source_workload": "web",
			"destination_canonical_service": "reviews", "destination_workload": model.LabelValue(workload),
		}}
	}
	first := s.learn(begun, model.Vector{to("reviews-v1"), to("reviews-v2")}, nil, nil)
	second := s.learn(begun.Add(time.Minute), model.Vector{to("reviews-v2")}, nil, nil)
	if diff := cmp.Diff(first.Services[0].Aliases, second.Services[0].Aliases); diff != "" || len(first.Services[0].Aliases) != 2 {
		t.Errorf("aliases were %v, are %v", first.Services[0].Aliases, second.Services[0].Aliases)
	}
}

func TestHistoryIsAskedForAtTheStartAndAfterAGap(t *testing.T) {
	var asked []string
	down := false
	client := server(t, func(query string) []byte {
		asked = append(asked, query)
		if down {
			return nil
		}
		return []byte(`{"status":"success","data":{"resultType":"vector","result":[]}}`)
	})
	s, err := NewSource(Options{Client: client, Edges: Edges{Query: "rate(x[$window])"}, Window: 50 * time.Millisecond, Range: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() string {
		asked = nil
		_, err := s.Fetch(context.Background())
		if (err != nil) != down {
			t.Fatal(err)
		}
		return strings.Join(asked, "\n")
	}
	if got, want := fetch(), "rate(x[50ms])\nmax_over_time(timestamp((rate(x[1s])) > 0)[1m:1s])"; got != want {
		t.Errorf("at the start asked %s", got)
	}
	s.asked = time.Now()
	if got := fetch(); got != "rate(x[50ms])" {
		t.Errorf("then asked %s", got)
	}
	down = true
	s.asked = time.Now().Add(-10 * time.Second)
	fetch()
	down = false
	if got := fetch(); !strings.Contains(got, "max_over_time(timestamp((rate(x[50ms])) > 0)[10s") {
		t.Errorf("after a gap asked %s", got)
	}
}

func TestErrorsSayWhatWasAskedAndTheWayOut(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		code             int
	}{
		{"what is no Prometheus", "<html>", "is this the address of a Prometheus server?", 404},
		{"a page in place of an answer", "<html>", "ask Prometheus: ", 200},
		{"a query that Prometheus does not take", `{"status":"error","errorType":"bad_data","error":"parse error: unexpected x"}`, "query x: bad_data: parse error: unexpected x", 400},
		{"a scalar", `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`, "query x: the answer is a scalar, no vector", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.code)
				_, _ = w.Write([]byte(c.body))
			}))
			defer web.Close()
			client, err := NewClient(web.URL, config.DefaultHTTPClientConfig)
			if err != nil {
				t.Fatal(err)
			}
			s, err := NewSource(Options{Client: client, Edges: Edges{Query: "x"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = s.Fetch(context.Background()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestSamplesThatCannotBeMappedAreToldNotDropped(t *testing.T) {
	s, err := NewSource(Options{Edges: Edges{Query: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	r := s.learn(begun, model.Vector{calls("web", "cart", 1), calls("a", "b", 1)}, nil, nil)
	want := `2 of 2 samples were left out or not understood, such as {client="a", server="b"} has no __source__ and no __destination__ after relabelling`
	if len(r.Warnings) != 1 || r.Warnings[0].Text != want || len(r.Dependencies) != 0 {
		t.Errorf("got %v", r)
	}
}

// The order of an answer is the server's affair.
func TestTheOrderOfSamplesDoesNotMatter(t *testing.T) {
	name := rapid.SampledFrom([]string{"", "web", "cart", "user", "redis"})
	sample := rapid.Custom(func(t *rapid.T) *model.Sample {
		s := calls(name.Draw(t, "client"), name.Draw(t, "server"), float64(rapid.IntRange(-1, 3).Draw(t, "value")))
		s.Metric["connection_type"] = model.LabelValue(rapid.SampledFrom([]string{"", "virtual_node", "database", "messaging_system"}).Draw(t, "type"))
		return s
	})
	rapid.Check(t, func(rt *rapid.T) {
		answer := rapid.SliceOfN(sample, 0, 12).Draw(rt, "answer")
		shuffled := rapid.Permutation(answer).Draw(rt, "shuffled")
		one := otelSource(t, time.Hour).learn(begun, answer, answer, nil)
		other := otelSource(t, time.Hour).learn(begun, shuffled, shuffled, nil)
		if diff := cmp.Diff(one, other); diff != "" {
			rt.Error(diff)
		}
	})
}

// Whatever a server answers, it makes a graph.
func FuzzAnswer(f *testing.F) {
	for _, p := range presets() {
		rec := open(f, p.Name)
		var answer struct {
			Data struct{ Result json.RawMessage }
		}
		if err := json.Unmarshal(rec.section("query"), &answer); err != nil {
			f.Fatal(err)
		}
		f.Add(p.Name, []byte(answer.Data.Result))
	}
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		edges, err := Preset(name)
		var answer model.Vector
		if err != nil || json.Unmarshal(body, &answer) != nil {
			t.Skip()
		}
		for _, s := range answer {
			if s == nil {
				t.Skip() // the client library gives none
			}
		}
		s, err := NewSource(Options{Edges: edges})
		if err != nil {
			t.Fatal(err)
		}
		r := s.learn(begun, answer, answer, answer)
		g, _, err := topology.Build(topology.Spec{Services: r.Services, Dependencies: r.Dependencies, Groups: r.Groups})
		if err != nil {
			t.Fatal(err)
		}
		if g.Len() != len(r.Services) {
			t.Errorf("%d services make %d nodes: an edge names one that is not listed", len(r.Services), g.Len())
		}
	})
}

// The same for kube-state-metrics.
func FuzzPlacement(f *testing.F) {
	rec := open(f, KubernetesPreset)
	result := func(section string) []byte {
		var answer struct {
			Data struct{ Result json.RawMessage }
		}
		if err := json.Unmarshal(rec.section(section), &answer); err != nil {
			f.Fatal(err)
		}
		return answer.Data.Result
	}
	f.Add(result("pods"), result("owners"), result("nodes"), result("zones"))
	f.Fuzz(func(t *testing.T, pods, owners, nodes, zones []byte) {
		var p placement
		for _, x := range []struct {
			body []byte
			into *model.Vector
		}{{pods, &p.pods}, {owners, &p.owners}, {nodes, &p.nodes}, {zones, &p.zones}} {
			if json.Unmarshal(x.body, x.into) != nil {
				t.Skip()
			}
			for _, s := range *x.into {
				if s == nil {
					t.Skip()
				}
			}
		}
		r := p.report()
		if _, _, err := topology.Build(topology.Spec{Services: r.Services}); err != nil {
			t.Fatal(err)
		}
	})
}
