package blackbox

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/health/probe"
)

// exporter answers /probe with the file of the module's name.
func exporter(t *testing.T) *Exporter {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		module := r.URL.Query().Get("module")
		switch {
		case r.URL.Path != "/blackbox/probe" || r.URL.Query().Get("target") != "http://shop/?a=b&c=d" || r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds") == "":
			http.Error(w, "not as a probe should be: "+r.URL.String(), http.StatusTeapot)
		case module == "metrics":
			w.Write([]byte("go_goroutines 7\n"))
		case module == "page":
			w.Write([]byte("<html>hello</html>"))
		case module == "hangs":
			<-r.Context().Done()
		default:
			text, err := os.ReadFile(filepath.Join("testdata", module+".prom"))
			if err != nil {
				http.Error(w, `Unknown module "`+module+`"`, http.StatusBadRequest)
				return
			}
			w.Write(text)
		}
	}))
	t.Cleanup(s.Close)
	e, err := New(s.URL+"/blackbox", config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAnExporterProbesInOurPlace(t *testing.T) {
	e := exporter(t)
	for _, c := range []struct {
		module  string
		status  correlate.HealthStatus
		message string
	}{
		{"http-passing", correlate.HealthPassing, ""},
		{"http-503", correlate.HealthDegraded, "answered HTTP 503, which the module does not accept"},
		{"http-regexp", correlate.HealthDegraded, "answered HTTP 200, and a regular expression of the module rejects the answer"},
		{"icmp-failing", correlate.HealthFailing, "debug=true"},
		{"no-such-module", correlate.HealthUnknown, `answered 400 Bad Request: Unknown module "no-such-module"`},
		{"metrics", correlate.HealthUnknown, "is that the address of a blackbox_exporter?"},
		{"page", correlate.HealthUnknown, "its answer is no metrics"},
		{"hangs", correlate.HealthUnknown, "context deadline exceeded"},
	} {
		t.Run(c.module, func(t *testing.T) {
			within := 10 * time.Second
			if c.module == "hangs" {
				within = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			p := e.Prober(c.module)
			if err := p.Check("http://shop/?a=b&c=d"); err != nil {
				t.Fatal(err)
			}
			got := p.Probe(ctx, "http://shop/?a=b&c=d")
			if got.Status != c.status || !strings.Contains(got.Message, c.message) || (got.Message == "") != (c.message == "") || got.Duration <= 0 {
				t.Errorf("got %s %q after %s", got.Status, got.Message, got.Duration)
			}
		})
	}
}

func TestTheExportersFiguresAreTaken(t *testing.T) {
	got := exporter(t).Prober("http-passing").Probe(deadline(t), "http://shop/?a=b&c=d")
	want := probe.Result{Status: correlate.HealthPassing, Duration: 123 * time.Millisecond, CertificateExpires: time.Unix(1_800_000_000, 0)}
	want.Phases = [probe.PhaseCount]time.Duration{time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 50 * time.Millisecond, 2 * time.Millisecond}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestAnExporterThatIsAwayBlamesNoTarget(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	e, err := New(s.URL, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	got := e.Prober("http_2xx").Probe(deadline(t), "http://shop")
	if got.Status != correlate.HealthUnknown || !strings.Contains(got.Message, "blackbox_exporter at 127.0.0.1:") || !strings.Contains(got.Message, "connection refused") {
		t.Errorf("got %s %q", got.Status, got.Message)
	}
	if _, err := New("blackbox:9115", config.DefaultHTTPClientConfig); err == nil {
		t.Error("an address without a scheme was accepted")
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.prom")
	if err != nil || len(files) == 0 {
		f.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		families, err := Parse(text)
		if err != nil {
			return
		}
		r := read(families)
		if (r.Status == correlate.HealthPassing) != (r.Message == "") || r.Duration < 0 {
			t.Errorf("read %+v", r)
		}
	})
}
