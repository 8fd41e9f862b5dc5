package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/ingest/health/checker"
	"github.com/headwater-sre/headwater/topology"
)

// byJob resolves what the topology of these tests knows.
func byJob(labels map[string]string) (topology.Ref, bool) {
	name, known := strings.CutPrefix(labels["job"], "shop/")
	return topology.Ref{Namespace: "shop", Name: name}, known
}

// server is a Prometheus that knows two queries.
func server(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := map[string]string{"up": "up.json", "probe_success": "probe_success.json"}[r.FormValue("query")]
		if name == "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"status": "error", "errorType": "bad_data", "error": "parse error"}`)
			return
		}
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(text)
	}))
	t.Cleanup(s.Close)
	return s
}

func told(all []checker.Observation) string {
	var out []string
	for _, o := range all {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s at %s %s", o.Key, o.Status, o.At.Format("15:04:05"), o.Message)))
	}
	return strings.Join(out, "\n")
}

func TestSamplesOfAServiceAreOneResult(t *testing.T) {
	unmapped := prometheus.NewCounter(prometheus.CounterOpts{Name: "unmapped"})
	s, err := New(Options{
		Name: "prometheus", URL: server(t).URL, HTTP: config.DefaultHTTPClientConfig, Unmapped: unmapped,
		Queries: []Query{{Expr: "probe_success", Check: "probe", Resolve: byJob}, {Expr: "up", Check: "up", Resolve: byJob}},
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const want = `shop/payment probe failing at 03:00:12 down: http://payment:8080/health
shop/cart up degraded at 03:00:12 5 of 6 down: cart-1, cart-2, cart-3 and 2 more
shop/payment up passing at 03:00:12
shop/web up failing at 03:00:12 down: 10.0.0.7:9100`
	if got := told(all); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(unmapped)
	families, err := reg.Gather()
	if err != nil || families[0].GetMetric()[0].GetCounter().GetValue() != 1 {
		t.Errorf("one sample is about nothing that we know; counted %v", families)
	}
}

func TestAQueryThatFailsIsNoResult(t *testing.T) {
	web := server(t)
	poll := func(url, expr string) string {
		s, err := New(Options{Name: "p", URL: url, HTTP: config.DefaultHTTPClientConfig, Queries: []Query{{Expr: "up", Check: "up", Resolve: byJob}, {Expr: expr, Check: "x", Resolve: byJob}}})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Poll(t.Context())
		if len(all) > 0 || err == nil {
			t.Errorf("%q: got %s, %v", expr, told(all), err)
			return ""
		}
		return err.Error()
	}
	if got := poll(web.URL, "up ="); !strings.Contains(got, "query up =: bad_data: parse error") {
		t.Error(got)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if got := poll(other.URL, "up"); !strings.Contains(got, "is this the address of a Prometheus server?") {
		t.Error(got)
	}
}
