package acceptance

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// site is the folder of one installation: configuration and storage. Several
// processes may run on it, one after the other.
type site struct {
	dir     string
	storage string
	config  string
}

// newSite writes the configuration files.
func newSite(t testing.TB, config, topology string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{dir: dir, storage: filepath.Join(dir, "data"), config: filepath.Join(dir, "headwater.yaml")}
	write(t, s.config, config)
	write(t, filepath.Join(dir, "topology.yaml"), topology)
	return s
}

// args is the command line for the site, with free ports.
func (s *site) args(more ...string) []string {
	return append([]string{
		"--config.file=" + s.config, "--storage.path=" + s.storage,
		"--web.listen-address=127.0.0.1:0", "--grpc.listen-address=127.0.0.1:0",
		"--log.format=json",
	}, more...)
}

// headwater is a server under test.
type headwater struct {
	*process
	web  string // http://127.0.0.1:<port>
	grpc string // 127.0.0.1:<port>
}

// begin starts a server and does not wait for it.
func (s *site) begin(t testing.TB, more ...string) *headwater {
	t.Helper()
	return &headwater{process: launch(t, "headwater", binary(t, headwaterBinary), s.args(more...)...)}
}

// start starts a server and waits until it is ready.
func (s *site) start(t testing.TB, more ...string) *headwater {
	t.Helper()
	h := s.begin(t, more...)
	h.awaitReady(t)
	return h
}

// awaitReady waits until the server takes alerts and has applied what its stream held.
func (h *headwater) awaitReady(t testing.TB) {
	t.Helper()
	started := h.said(t, "Headwater takes alerts")
	h.web, h.grpc = started["url"], started["grpc"]
	eventually(t, "headwater is ready", patience, func() error {
		return errors.Join(h.alive(), ready(h.web))
	})
}

// ready asks for readiness, as every program of the Prometheus family answers.
func ready(base string) error {
	code, body, err := get(base + "/-/ready")
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%d: %s", code, strings.TrimSpace(body))
	}
	return err
}

// oncall are receivers for a collecting webhook and PagerDuty.
func oncall(hook, pager string) string {
	return fmt.Sprintf(`
receivers:
  - name: oncall
    webhook_configs:
      - url: %s/
        send_resolved: true
    pagerduty_configs:
      - routing_key: key
        url: %s/v2/enqueue
        send_resolved: true
route:
  receiver: oncall
`, hook, pager)
}

// awaitQuiet waits until nothing is to come any more, and returns what the API tells then.
func (h *headwater) awaitQuiet(t testing.TB) *record {
	t.Helper()
	conn := h.dial(t)
	var r *record
	err := poll(2*patience, func() error {
		now, err := readRecord(t.Context(), conn)
		if err != nil {
			return errors.Join(err, h.alive())
		}
		r = now
		return r.quiet()
	})
	switch {
	case r == nil:
		t.Fatalf("the API does not answer: %v", err)
	case err != nil:
		t.Errorf("something is still to come after %s: %v", 2*patience, err) // the audit says what else
	}
	return r
}

// dial connects to the gRPC port.
func (h *headwater) dial(t testing.TB, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)),
	}, options...)
	conn, err := grpc.NewClient(h.grpc, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// client is for requests that must not hang. It does not follow redirects.
var client = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{MaxIdleConnsPerHost: 32},
}

func get(url string) (code int, body string, err error) {
	r, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}

func post(url, body string) (code int, answer string, err error) {
	r, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}
