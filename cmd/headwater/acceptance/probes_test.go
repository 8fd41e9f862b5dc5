//go:build acceptance

package acceptance

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Two thousand checks at 15 s, of the kinds that people have, take less than a fifth of
// one core: `make probes` prints the figure. The targets are this process; what is
// measured is the server, with its stream and store.
const (
	probedChecks   = 2000
	probedInterval = 15 * time.Second
	probedShare    = 0.20
)

// fleet is what is probed.
type fleet struct {
	web, secured, rpc string
	trust             string      // a file that vouches for secured
	down              atomic.Bool // web answers 503 below /some, and below /hangs never
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case f.down.Load() && r.URL.Path == "/some":
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		case f.down.Load() && r.URL.Path == "/hangs":
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `{"status": "ok", "version": "1.8.2"}`)
	})
	plain, secured := httptest.NewServer(h), httptest.NewUnstartedServer(h)
	secured.EnableHTTP2, secured.TLS = true, &tls.Config{}
	secured.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secured.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secured.Close)
	f.web, f.secured = plain.URL, secured.URL
	f.trust = filepath.Join(t.TempDir(), "ca.pem")
	write(t, f.trust, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secured.Certificate().Raw})))

	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, health.NewServer())
	f.rpc = listen(t, func(l net.Listener) { _ = s.Serve(l) }, s.Stop)
	return f
}

// listen serves on a port of its own until the test ends.
func listen(t *testing.T, serve func(net.Listener), stop func()) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); serve(l) }()
	t.Cleanup(func() { l.Close(); stop(); <-done })
	return l.Addr().String()
}

// config is the checks: six in ten ask over HTTP, the others in all the other ways.
func (f *fleet) config() (config, topology string) {
	var checks, services strings.Builder
	for i := range probedChecks {
		service := fmt.Sprintf("s%03d", i%400)
		if i < 400 {
			fmt.Fprintf(&services, "  - {name: %s, namespace: shop}\n", service)
		}
		module, target := "http_2xx", f.web+"/health"
		switch i % 40 {
		case 0, 1, 2, 3:
			module, target = "https", f.secured+"/health"
		case 4, 5, 6, 7, 8, 9:
			module, target = "tcp_connect", strings.TrimPrefix(f.web, "http://")
		case 10, 11:
			module, target = "grpc_plain", f.rpc
		case 12, 13:
			module, target = "icmp", "127.0.0.1"
		case 14:
			target = f.web + "/hangs"
		case 15:
			target = f.web + "/some"
		case 16, 17, 18, 19:
			module = "body"
		}
		fmt.Fprintf(&checks, "    - {service: shop/%s, check: c%d, module: %s, target: '%s', interval: %s, timeout: 5s}\n", service, i/400, module, target, probedInterval)
	}
	return fmt.Sprintf(`topology: {files: [topology.yaml]}
health:
  modules:
    https: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_not_ssl: true, tls_config: {ca_file: %s}}}
    body: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ['"status": "ok"']}}
  checks:
%s`, f.trust, checks.String()), "services:\n" + services.String()
}

func TestAcceptanceProbesCostLittle(t *testing.T) {
	seconds := 60
	if v := os.Getenv("HEADWATER_PROBE_SECONDS"); v != "" {
		var err error
		if seconds, err = strconv.Atoi(v); err != nil {
			t.Fatalf("HEADWATER_PROBE_SECONDS: %v", err)
		}
	}
	f := newFleet(t)
	s := newSite(t, "", "")
	config, topology := f.config()
	write(t, s.config, config)
	write(t, filepath.Join(s.dir, "topology.yaml"), topology)
	h := s.start(t)
	eventually(t, "every check has a result", 3*probedInterval, func() error {
		m := metricsOf(t, h.web)
		if passing := m[`headwater_probe_checks{status="passing"}`]; passing < 0.94*probedChecks { // all but ICMP, where that is not allowed
			return fmt.Errorf("%v pass", passing)
		}
		return nil
	})
	quiet := h.cost(t, time.Duration(seconds)*time.Second)
	t.Logf("all as usual:           %s", quiet)

	f.down.Store(true)
	eventually(t, "an incident is under way", 10*probedInterval, func() error {
		m := metricsOf(t, h.web)
		degraded, failing := m[`headwater_probe_checks{status="degraded"}`], m[`headwater_probe_checks{status="failing"}`]
		if degraded < probedChecks/40 || failing < probedChecks/40 || m["headwater_probe_attention"] != 1 {
			return fmt.Errorf("%v are degraded, %v failing, attention %v", degraded, failing, m["headwater_probe_attention"])
		}
		return nil
	})
	busy := h.cost(t, time.Duration(seconds)*time.Second/2)
	t.Logf("an incident under way:  %s", busy)
	for name, c := range map[string]cost{"as usual": quiet, "with an incident under way": busy} {
		if c.share >= probedShare {
			t.Errorf("%s: %.1f %% of one core, want less than %.0f %%", name, 100*c.share, 100*probedShare)
		}
		if c.missed > 0 || c.rate < 0.95*probedChecks/probedInterval.Seconds() {
			t.Errorf("%s: %.1f probes a second and %v turns missed", name, c.rate, c.missed)
		}
	}
}

// cost is what a while of probing took.
type cost struct {
	share             float64 // of one core
	rate              float64 // probes a second
	published         float64 // results a second that went to the stream
	missed            float64
	memory, goroutine float64
}

func (c cost) String() string {
	return fmt.Sprintf("%.1f %% of one core, %.0f probes/s, %.1f results/s published, %.0f MiB, %.0f goroutines",
		100*c.share, c.rate, c.published, c.memory/(1<<20), c.goroutine)
}

// cost looks at the server's own metrics before and after a while.
func (h *headwater) cost(t *testing.T, during time.Duration) cost {
	t.Helper()
	before, began := metricsOf(t, h.web), time.Now()
	time.Sleep(during) // a while is what is measured
	after, passed := metricsOf(t, h.web), time.Since(began).Seconds()
	rate := func(prefix string) (sum float64) {
		for name, v := range after {
			if strings.HasPrefix(name, prefix) {
				sum += v - before[name]
			}
		}
		return sum / passed
	}
	return cost{
		share: rate("process_cpu_seconds_total"), rate: rate("headwater_probe_results_total"), published: rate("headwater_probe_published_total"),
		missed: rate("headwater_probe_missed_total"), memory: after["process_resident_memory_bytes"], goroutine: after["go_goroutines"],
	}
}

// metricsOf reads /metrics: values by name and labels.
func metricsOf(t *testing.T, base string) map[string]float64 {
	t.Helper()
	_, body, err := get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), "} ")
		if ok {
			name += "}"
		} else {
			name, value, _ = strings.Cut(lines.Text(), " ")
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = v
		}
	}
	return all
}
