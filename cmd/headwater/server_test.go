package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// running is a server under test, on ports of its own.
type running struct {
	*server
	base  string
	up    <-chan struct{} // closed when it takes alerts
	hup   chan os.Signal
	stop  context.CancelFunc
	ended chan error
}

// started starts a server and waits until it takes alerts.
func started(t *testing.T, o serverOptions) *running {
	t.Helper()
	r := launched(t, o)
	waitFor(t, "readiness", func() bool { return r.get(t, "/-/ready").code == http.StatusOK })
	return r
}

// launched starts a server and waits until its web port answers.
func launched(t *testing.T, o serverOptions) *running {
	t.Helper()
	noFile, address := "", []string{"127.0.0.1:0"}
	if o.web == nil {
		o.web = &web.FlagConfig{WebListenAddresses: &address, WebConfigFile: &noFile}
	}
	if o.storagePath == "" {
		o.storagePath = t.TempDir()
	}
	if o.grpcAddress == "" {
		o.grpcAddress = "127.0.0.1:0"
	}
	if o.config == nil {
		o.config = mustParse(t, "")
	}
	r := &running{hup: make(chan os.Signal, 1), ended: make(chan error, 1)}
	o.reload = r.hup
	r.server = newServer(o, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	listening := make(chan struct{})
	r.listening = func() { close(listening) }
	up := make(chan struct{})
	r.started, r.up = func() { close(up) }, up
	go func() { r.ended <- r.run(ctx) }()
	select {
	case <-listening:
		r.base = r.externals.Scheme + "://" + r.web.address().String()
	case err := <-r.ended:
		t.Fatalf("did not start: %v", err)
	}
	t.Cleanup(func() { r.stopped(t) })
	return r
}

// grpc is the address of the gRPC port, once the server takes alerts.
func (r *running) grpc(t *testing.T) string {
	t.Helper()
	select {
	case <-r.up:
	case <-t.Context().Done():
		t.Fatal("the server did not start")
	}
	return r.grpcAddr
}

// stopped stops the server, if it runs, and expects that to succeed.
func (r *running) stopped(t *testing.T) {
	t.Helper()
	r.stop()
	if r.ended == nil {
		return
	}
	if err := <-r.ended; err != nil {
		t.Errorf("stopped with an error: %v", err)
	}
	r.ended = nil
	http.DefaultClient.CloseIdleConnections()
}

type reply struct {
	code int
	body string
}

func (r *running) get(t *testing.T, path string) reply {
	t.Helper()
	return r.do(t, http.MethodGet, path, nil)
}

func (r *running) post(t *testing.T, path string, body any) reply {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return r.do(t, http.MethodPost, path, text)
}

func (r *running) do(t *testing.T, method, path string, body []byte) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // redirects are answers here
	if err != nil {
		return reply{body: err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, string(text)}
}

// metric is a sample of /metrics, by its name and labels as written there.
func (r *running) metric(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(r.get(t, "/metrics").body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// waitFor asks again and again: what is waited for shows itself to clients only, who
// would do the same.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	enough := time.After(30 * time.Second)
	for !done() {
		select {
		case <-again.C:
		case <-enough:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// firing is a webhook of one alert that fires since now.
func firing(name, service string) webhookBody {
	labels := map[string]string{"alertname": name, "service": service, "severity": "critical"}
	return webhookBody{Version: "4", Status: "firing", Receiver: "headwater", Alerts: []webhookAlert{{
		Status: "firing", Labels: labels, Annotations: map[string]string{}, StartsAt: time.Now().UTC(),
		Fingerprint: (&storyAlert{Labels: labels}).fingerprint(),
	}}}
}

// pages collects what a receiver gets.
type pages struct {
	*httptest.Server
	mu   sync.Mutex
	came []string
}

func newPages(t *testing.T) *pages {
	p := new(pages)
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.came = append(p.came, string(text))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pages) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.came)
}

// configured writes a configuration file and loads it.
func configured(t *testing.T, path, text string) *config {
	t.Helper()
	write(t, path, text)
	c, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryFaceOfTheServerAnswers(t *testing.T) {
	r := started(t, serverOptions{})
	for _, tc := range []struct {
		path string
		code int
		says string
	}{
		{"/-/healthy", 200, "healthy"},
		{"/-/ready", 200, "ready"},
		{"/", 200, "<title>Headwater</title>"},
		{"/api/v1/incidents", 200, `"incidents":[]`},
		{"/metrics", 200, "headwater_build_info{"},
		{"/debug/pprof/", 200, "goroutine"},
		{"/incidents/INC-1", 200, `<base href="../">`},
		{"/webhook/alertmanager", 405, ""},
		{"/nothing/here", 404, ""},
	} {
		got := r.get(t, tc.path)
		if got.code != tc.code || !strings.Contains(got.body, tc.says) {
			t.Errorf("GET %s: %d %.200s", tc.path, got.code, got.body)
		}
	}
	if got := r.post(t, "/-/reload", nil); got.code != http.StatusForbidden {
		t.Errorf("reload without --web.enable-lifecycle: %d %s", got.code, got.body)
	}
	// gRPC-Web and Connect, for browsers.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+"/headwater.v1.IncidentService/ListIncidents", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("Connect: %s", resp.Status)
	}
}

func TestAnAlertBecomesAPage(t *testing.T) {
	oncall := newPages(t)
	dir := t.TempDir()
	c := configured(t, filepath.Join(dir, "headwater.yaml"), fmt.Sprintf(`
correlation: {hold: 100ms, settle: 10ms}
receivers: [{name: oncall, webhook_configs: [{url: %q}]}]
`, oncall.URL))
	r := started(t, serverOptions{config: c})
	if got := r.post(t, "/webhook/alertmanager", firing("HighLatency", "cart")); got.code != 200 {
		t.Fatalf("webhook: %d %s", got.code, got.body)
	}
	waitFor(t, "the page", func() bool { return oncall.count() == 1 })
	if got := r.get(t, "/api/v1/incidents/INC-1"); !strings.Contains(got.body, "cart: HighLatency") {
		t.Errorf("incident: %d %s", got.code, got.body)
	}
	if !strings.Contains(oncall.came[0], r.base+"/incidents/INC-1") {
		t.Errorf("the page has no link to the incident: %s", oncall.came[0])
	}
}

func TestReload(t *testing.T) {
	first, second := newPages(t), newPages(t)
	path := filepath.Join(t.TempDir(), "headwater.yaml")
	text := func(hold string, to *pages) string {
		return fmt.Sprintf("correlation: {hold: %s, settle: 10ms}\nreceivers: [{name: oncall, webhook_configs: [{url: %q}]}]\n", hold, to.URL)
	}
	c := configured(t, path, text("1h", first))
	r := started(t, serverOptions{config: c, lifecycle: true})
	r.post(t, "/webhook/alertmanager", firing("HighLatency", "cart"))
	waitFor(t, "the incident", func() bool { return r.get(t, "/api/v1/incidents/INC-1").code == 200 })

	t.Run("a bad file changes nothing", func(t *testing.T) {
		write(t, path, "correlation: {hold: soon}\n")
		got := r.post(t, "/-/reload", nil)
		if got.code != 500 || !strings.Contains(got.body, `headwater.yaml:1: correlation.hold: "soon" is not a duration`) {
			t.Errorf("%d %s", got.code, got.body)
		}
		if v := r.metric(t, "headwater_config_last_reload_successful"); v != "0" {
			t.Errorf("headwater_config_last_reload_successful is %q", v)
		}
		if first.count() != 0 || r.get(t, "/-/ready").code != 200 {
			t.Error("the server did not go on as it was")
		}
	})
	t.Run("new settings and receivers are in force", func(t *testing.T) {
		write(t, path, text("200ms", second))
		if got := r.post(t, "/-/reload", nil); got.code != 200 {
			t.Fatalf("%d %s", got.code, got.body)
		}
		if v := r.metric(t, "headwater_config_last_reload_successful"); v != "1" {
			t.Errorf("headwater_config_last_reload_successful is %q", v)
		}
		// A second alert, because the first one's deadline was set under the old hold.
		r.post(t, "/webhook/alertmanager", firing("DiskFull", "db"))
		waitFor(t, "a page at the new receiver", func() bool { return second.count() > 0 })
		if first.count() != 0 {
			t.Error("the old receiver got a page")
		}
	})
	t.Run("SIGHUP does the same", func(t *testing.T) {
		write(t, path, "surely: wrong\n")
		r.hup <- syscall.SIGHUP
		waitFor(t, "the failed reload", func() bool { return r.metric(t, "headwater_config_last_reload_successful") == "0" })
		write(t, path, text("200ms", second))
		r.hup <- syscall.SIGHUP
		waitFor(t, "the reload", func() bool { return r.metric(t, "headwater_config_last_reload_successful") == "1" })
	})
	t.Run("a command is carried out by whichever engine runs", func(t *testing.T) {
		write(t, path, text("300ms", second))
		var reloading sync.WaitGroup
		reloading.Go(func() { r.post(t, "/-/reload", nil) })
		for i := range 5 {
			if got := r.post(t, "/api/v1/incidents/INC-1/notes", map[string]string{"note": fmt.Sprint("note ", i)}); got.code != 200 {
				t.Errorf("note: %d %s", got.code, got.body)
			}
		}
		reloading.Wait()
	})
}

func TestTheTopologyFileIsFollowed(t *testing.T) {
	dir := t.TempDir()
	graph := filepath.Join(dir, "topology.yaml")
	write(t, graph, "services: [{name: web}]\n")
	c := configured(t, filepath.Join(dir, "headwater.yaml"), "topology: {files: [topology.yaml]}\n")
	storage := filepath.Join(dir, "data")
	r := started(t, serverOptions{config: c, storagePath: storage})
	has := func(name string) func() bool {
		return func() bool { return strings.Contains(r.get(t, "/api/v1/topology").body, `"name":"`+name+`"`) }
	}
	waitFor(t, "the first topology", has("web"))

	write(t, graph, "services: [{name: web}, {name: cart}]\n")
	waitFor(t, "the changed topology", has("cart"))
	published, err := r.bus.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	write(t, graph, "services: [{nam: web}]\n")
	waitFor(t, "the bad file to be noticed", func() bool { return r.metric(t, "headwater_topology_last_load_successful") == "0" })
	if !has("cart")() {
		t.Error("the good topology is gone")
	}
	write(t, graph, "services: [{name: web}, {name: cart}]\n")
	waitFor(t, "the mended file to be noticed", func() bool { return r.metric(t, "headwater_topology_last_load_successful") == "1" })

	// A restart finds the topology in force and publishes nothing.
	r.stopped(t)
	c = configured(t, filepath.Join(dir, "headwater.yaml"), "topology: {files: [topology.yaml]}\n")
	r = started(t, serverOptions{config: c, storagePath: storage})
	waitFor(t, "the topology after a restart", has("cart"))
	if now, err := r.bus.Last(t.Context()); err != nil || now != published {
		t.Errorf("the stream ends at %d, before the restart at %d: %v", now, published, err)
	}
	// Without files there is no topology.
	r.stopped(t)
	c = configured(t, filepath.Join(dir, "headwater.yaml"), "environment: default\n")
	r = started(t, serverOptions{config: c, storagePath: storage})
	waitFor(t, "the empty topology", func() bool { return !has("web")() })
}

// Whatever was answered with 2xx before, while and after the server was asked to stop
// is there after the next start.
func TestAStopLosesNothing(t *testing.T) {
	storage := t.TempDir()
	r := started(t, serverOptions{storagePath: storage})
	var mu sync.Mutex
	var accepted []string
	var senders sync.WaitGroup
	for sender := range 4 {
		senders.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("Alert%dOf%d", i, sender)
				got := r.post(t, "/webhook/alertmanager", firing(name, "cart"))
				if got.code != 200 {
					return
				}
				mu.Lock()
				accepted = append(accepted, name)
				mu.Unlock()
			}
		})
	}
	waitFor(t, "some alerts", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(accepted) > 50
	})
	r.stopped(t)
	senders.Wait()

	r = started(t, serverOptions{storagePath: storage})
	found := map[string]bool{}
	for token := ""; ; {
		var page struct {
			Alerts []struct {
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
			NextPageToken string `json:"next_page_token"`
		}
		got := r.get(t, "/api/v1/alerts?page_size=500&page_token="+token)
		if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.code != 200 {
			t.Fatalf("alerts: %d %s: %v", got.code, got.body, err)
		}
		for _, a := range page.Alerts {
			found[a.Labels["alertname"]] = true
		}
		if token = page.NextPageToken; token == "" {
			break
		}
	}
	for _, name := range accepted {
		if !found[name] {
			t.Errorf("%s was accepted and is gone", name)
		}
	}
	t.Logf("%d accepted, %d found", len(accepted), len(found))
}

func TestAFailingPartStopsTheServer(t *testing.T) {
	r := started(t, serverOptions{})
	r.parts.fail("some part", fmt.Errorf("it broke"))
	err := <-r.ended
	r.ended = nil
	if err == nil || err.Error() != "some part: it broke" {
		t.Errorf("ended with %v", err)
	}
}

func TestASecondServerOnTheSameStorageIsRefused(t *testing.T) {
	storage := t.TempDir()
	first := started(t, serverOptions{storagePath: storage})
	address, noFile := []string{"127.0.0.1:0"}, ""
	second := newServer(serverOptions{
		config: mustParse(t, ""), storagePath: storage, web: &web.FlagConfig{WebListenAddresses: &address, WebConfigFile: &noFile},
	}, slog.New(slog.DiscardHandler))
	err := second.run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "--storage.path="+storage+": ") || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("the second server: %v", err)
	}
	if got := first.get(t, "/-/ready"); got.code != http.StatusOK {
		t.Errorf("the first server: %d %s", got.code, got.body)
	}
}

// A watch would stay for ever; a stop ends it.
func TestAStopDoesNotWaitForWatches(t *testing.T) {
	r := started(t, serverOptions{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/api/v1/incidents:watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the watch says nothing: %v", err)
	}
	began := time.Now()
	r.stopped(t)
	if took := time.Since(began); took > stopTimeout {
		t.Errorf("the stop took %v", took)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("the watch did not end well: %v", err)
	}
}
