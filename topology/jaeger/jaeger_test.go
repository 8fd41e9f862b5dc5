package jaeger

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

func recorded(t testing.TB) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/dependencies.json")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func edges(r discovery.Report) []string {
	var all []string
	for _, d := range r.Dependencies {
		all = append(all, d.From.String()+" -> "+d.To.String())
	}
	return all
}

func TestDependenciesAreReadOnce(t *testing.T) {
	r, err := Decode(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"customer -> mysql", "driver -> redis-manual", "frontend -> customer", "frontend -> driver", "frontend -> route"}
	if diff := cmp.Diff(want, edges(r)); diff != "" {
		t.Error(diff)
	}
	if len(r.Services) != 6 {
		t.Errorf("services %v", r.Services)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].Text != "1 of 9 edges name no service at one end" {
		t.Errorf("warnings %v", r.Warnings)
	}
}

func TestJaegerIsAskedForTheLookback(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		end, err := strconv.ParseInt(r.FormValue("endTs"), 10, 64)
		if r.URL.Path != "/jaeger/api/dependencies" || err != nil || time.Since(time.UnixMilli(end)) > time.Minute || r.FormValue("lookback") != "3600000" {
			t.Errorf("asked %s", r.URL)
		}
		if user, _, _ := r.BasicAuth(); user != "map" {
			t.Errorf("asked as %q", user)
		}
		_, _ = w.Write(recorded(t))
	}))
	defer web.Close()
	how := config.DefaultHTTPClientConfig
	how.BasicAuth = &config.BasicAuth{Username: "map"}
	s, err := NewSource(Options{Name: "jaeger", URL: web.URL + "/jaeger", HTTPClient: how, Lookback: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Fetch(context.Background())
	if err != nil || len(r.Dependencies) != 5 {
		t.Errorf("got %v, %v", edges(r), err)
	}
}

func TestWhatIsNoAnswerIsAnErrorWithTheWayOut(t *testing.T) {
	for _, c := range []struct {
		code       int
		body, want string
	}{
		{404, "404 page not found", "404 Not Found; is this the address of Jaeger's query service"},
		{200, "<!doctype html>", "the answer is not the JSON of Jaeger's dependencies API"},
		{200, `{"data":null,"errors":[{"code":500,"msg":"no such index"}]}`, "jaeger answered: no such index"},
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.code)
			_, _ = w.Write([]byte(c.body))
		}))
		s, err := NewSource(Options{URL: web.URL, HTTPClient: config.DefaultHTTPClientConfig})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Fetch(context.Background()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.body, err, c.want)
		}
		web.Close()
	}
}

func TestTheSameFailureIsToldInTheSameWords(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close() // nobody listens there any more
	s, err := NewSource(Options{URL: web.URL, HTTPClient: config.DefaultHTTPClientConfig})
	if err != nil {
		t.Fatal(err)
	}
	_, first := s.Fetch(context.Background())
	s.lookback = time.Minute // as a later time, this changes the address
	if _, second := s.Fetch(context.Background()); first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("told %v, then %v", first, second)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(recorded(f))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Decode(body)
		if err != nil {
			return
		}
		g, _, err := topology.Build(topology.Spec{Services: r.Services, Dependencies: r.Dependencies})
		if err != nil {
			t.Fatal(err)
		}
		if g.Len() != len(r.Services) || g.EdgeCount() != len(r.Dependencies) {
			t.Errorf("%d services and %d dependencies make %d nodes and %d edges", len(r.Services), len(r.Dependencies), g.Len(), g.EdgeCount())
		}
	})
}
