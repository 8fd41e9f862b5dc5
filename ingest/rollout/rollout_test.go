package rollout

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/change"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func recorded(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "vector.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decoded(t testing.TB, text string) []sample {
	t.Helper()
	samples, err := decodeVector([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

func told(changes []*correlate.Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, c.Service.String()+" "+c.Kind+": "+c.Summary)
	}
	return strings.Join(parts, "; ")
}

func TestWhatChangedFromOneLookToTheNext(t *testing.T) {
	text := recorded(t)
	metric := func(name, label, value string) string {
		return `{"metric":{"__name__":"` + name + `","` + label + `","namespace":"shop"},"value":[1,"` + value + `"]}`
	}
	with := func(extra string) string { return strings.Replace(text, `"result":[`, `"result":[`+extra+`,`, 1) }
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	for _, tc := range []struct {
		point, next string
		edit        func(*tracker)
		want        string
	}{
		{"nothing", text, nil, ""},
		{"a deployment", edit(`"7"`, `"9"`), nil, "shop/payment deploy: deployment changed: generation 9, was 7"},
		{"a stateful set and a daemon set", edit(`"2"`, `"3"`, `"11"`, `"12"`), nil, "kube-system/node-agent deploy: daemonset changed: generation 12, was 11; shop/mysql deploy: statefulset changed: generation 3, was 2"},
		{"the controller has caught up", edit(`"6"`, `"7"`), nil, ""},
		{"scale alone", edit(`"7"`, `"8"`, `"3"`, `"5"`), nil, ""},
		{"scale alone, when wanted", edit(`"7"`, `"8"`, `"3"`, `"5"`), func(t *tracker) { t.scale = true }, "shop/payment scale: deployment scaled from 3 to 5 replicas"},
		{"scale and more", edit(`"7"`, `"9"`, `"3"`, `"5"`), nil, "shop/payment deploy: deployment changed: generation 9, was 7"},
		{"made anew", edit(`"7"`, `"1"`, `"6"`, `"1"`), nil, "shop/payment deploy: deployment created anew"},
		{"new", with(metric("kube_deployment_metadata_generation", `deployment":"cart`, "1")), nil, "shop/cart deploy: deployment created"},
		{"scraped twice", with(metric("kube_deployment_metadata_generation", `deployment":"payment`, "6")), nil, ""},
		{"a rule names the service", edit(`"7"`, `"9"`), func(t *tracker) {
			t.names = change.Names{{Match: regexp.MustCompile(`shop/(.+)`), Service: "prod/$1"}}
		}, "prod/payment deploy: deployment changed: generation 9, was 7"},
		{"a rule leaves it out", edit(`"7"`, `"9"`), func(t *tracker) { t.names = change.Names{{Match: regexp.MustCompile(`.*`)}} }, ""},
		{"nothing is there for a while", `{"status":"success","data":{"resultType":"vector","result":[]}}`, nil, ""},
	} {
		t.Run(tc.point, func(t *testing.T) {
			var tr tracker
			if tc.edit != nil {
				tc.edit(&tr)
			}
			if got := tr.look(decoded(t, text), noon); got != nil {
				t.Errorf("the first look: %s", told(got))
			}
			got := tr.look(decoded(t, tc.next), noon.Add(time.Minute))
			if told(got) != tc.want {
				t.Errorf("\n got %s\nwant %s", told(got), tc.want)
			}
			for _, c := range got {
				if !c.At.Equal(noon.Add(time.Minute)) || c.Source != Source {
					t.Errorf("change %+v", c)
				}
			}
			if again := tr.look(decoded(t, tc.next), noon.Add(2*time.Minute)); again != nil {
				t.Errorf("told twice: %s", told(again))
			}
		})
	}
}

func TestAWorkloadIsRememberedThroughAGapAndNotForEver(t *testing.T) {
	var tr tracker
	tr.look(decoded(t, recorded(t)), noon)
	tr.look(nil, noon.Add(time.Hour))
	if got := tr.look(decoded(t, recorded(t)), noon.Add(2*time.Hour)); got != nil {
		t.Errorf("after a gap: %s", told(got))
	}
	tr.look(nil, noon.Add(30*time.Hour))
	if len(tr.states) != 0 {
		t.Errorf("remembers %d workloads", len(tr.states))
	}
}

func TestAnswersThatAreNoneNameTheField(t *testing.T) {
	for text, want := range map[string]string{
		`{"status":"error","errorType":"bad_data","error":"parse error"}`:                                 `status: want success, got "error": parse error (line 1, byte 0)`,
		`{"status":"success","data":{"resultType":"matrix","result":[]}}`:                                 `data.resultType: want vector, got "matrix" (line 1, byte 0)`,
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"many"]}]}}`: `data.result[0].value[1]: want a number in quotes, got "many" (line 1, byte 84)`,
		`<html>`: "want an object, got '<' (line 1, byte 0)",
	} {
		if _, err := decodeVector([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
}

// stream keeps what is published, and can refuse.
type stream struct {
	mu      sync.Mutex
	changes []*correlate.Change
	refuse  error
	room    int // how many it takes before it refuses; 0: no bound
}

func (s *stream) Publish(_ context.Context, sig correlate.Signal) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return 0, s.refuse
	}
	if s.room > 0 && len(s.changes) == s.room {
		return 0, errors.New("full")
	}
	s.changes = append(s.changes, sig.(*correlate.Change))
	return uint64(len(s.changes)), nil
}

func TestTheFirstLookIsAtWhatWasSeenBefore(t *testing.T) {
	text := recorded(t)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("time"))
		if want := `{__name__=~"kube_(deployment|statefulset|daemonset)_(metadata_generation|status_observed_generation)|kube_deployment_spec_replicas|kube_statefulset_replicas",cluster="prod"}`; r.FormValue("query") != want {
			t.Errorf("query %s", r.FormValue("query"))
		}
		if r.FormValue("time") != "" {
			_, _ = w.Write([]byte(text))
			return
		}
		_, _ = w.Write([]byte(strings.Replace(text, `"7"`, `"8"`, 1)))
	}))
	defer server.Close()
	s := &stream{refuse: errors.New("down")}
	w := New(s, time.Now().Add(-10*time.Minute), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	one, err := newWatch(Server{URL: server.URL + "/", Timeout: 5 * time.Second, Matchers: `cluster="prod"`}, w.since, w)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.look(t.Context()); err == nil {
		t.Error("nothing could be stored, and no error")
	}
	s.refuse = nil
	for range 2 {
		if err := one.look(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if told(s.changes) != "shop/payment deploy: deployment changed: generation 8, was 7" {
		t.Errorf("changes %s", told(s.changes))
	}
	if len(asked) != 4 || asked[0] == "" || slices.Contains(asked[1:], asked[0]) {
		t.Errorf("asked for %q", asked)
	}
}

// Storing fails between two rollouts of one look: each is told once, with the time at which it was seen.
func TestNothingIsToldTwiceWhenStoringFailsHalfWay(t *testing.T) {
	now := time.Now().UTC()
	s := &stream{room: 1}
	w := New(s, now, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	one, err := newWatch(Server{URL: "http://127.0.0.1:1", Timeout: time.Second}, now, w)
	if err != nil {
		t.Fatal(err)
	}
	one.unsent = []*correlate.Change{{Summary: "first", At: now}, {Summary: "second", At: now}}
	if err := one.look(t.Context()); err == nil || len(s.changes) != 1 {
		t.Errorf("half of it was stored: %v, %v", s.changes, err)
	}
	s.room = 0
	if err := one.look(t.Context()); err == nil { // the server cannot be asked
		t.Error("nobody answered, and no error")
	}
	if len(s.changes) != 2 || s.changes[0].Summary != "first" || s.changes[1].Summary != "second" || !s.changes[1].At.Equal(now) {
		t.Errorf("stored %v", s.changes)
	}
}

func TestRunAsksAndStops(t *testing.T) {
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()
	w := New(&stream{}, time.Time{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := w.Apply([]Server{{URL: server.URL, Interval: time.Millisecond, Timeout: time.Second}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	<-asked
	<-asked
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// FuzzDecodeVector: no answer makes a look panic, and every error is one about the body.
func FuzzDecodeVector(f *testing.F) {
	f.Add([]byte(recorded(f)))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"kube_deployment_metadata_generation","deployment":"a"},"value":[0,"NaN"]}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		samples, err := decodeVector(text)
		var bad *body.Error
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("not about the body: %v", err)
		}
		var tr tracker
		tr.look(nil, noon)
		for _, c := range tr.look(samples, noon) {
			if err := change.Admit(c); err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		}
	})
}
