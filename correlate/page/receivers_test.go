package page

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// collector is a receiver that keeps what it was sent.
type collector struct {
	mu       sync.Mutex
	requests []string // "METHOD path?query\nbody"
	// answers are statuses for the next requests; then 200.
	answers []int
	arrived chan struct{}
}

func newCollector(t *testing.T) (*collector, string) {
	c := &collector{arrived: make(chan struct{}, 1000)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, server.URL
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer func() { c.mu.Unlock(); c.arrived <- struct{}{} }()
	c.requests = append(c.requests, r.Method+" "+r.URL.RequestURI()+"\n"+pretty(body))
	if len(c.answers) > 0 {
		status := c.answers[0]
		c.answers = c.answers[1:]
		w.WriteHeader(status)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/api/chat.") {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true,"channel":"C024","ts":"1773457252.0001"}`)
		return
	}
	fmt.Fprint(w, "ok")
}

func (c *collector) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// waitFor waits for the n-th request of all.
func (c *collector) waitFor(t *testing.T, n int) {
	t.Helper()
	for len(c.all()) < n {
		select {
		case <-c.arrived:
		case <-t.Context().Done():
			t.Fatalf("%d requests, want %d", len(c.all()), n)
		}
	}
}

// pretty lays JSON out for a golden file, without what the clock put in.
func pretty(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return string(body)
	}
	return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(out.String())
}

// deliver runs a pager over the pages, one after the other, until all are done.
func deliver(t *testing.T, yaml string, pages ...*correlate.Page) *memOutbox {
	t.Helper()
	outbox := newOutbox()
	p := start(t, outbox, yaml, Options{})
	for n, page := range pages {
		outbox.add(page)
		settle(t, outbox, p, n+1)
	}
	return outbox
}

// start runs a pager until the test ends.
func start(t *testing.T, outbox *memOutbox, yaml string, opts Options) *Pager {
	t.Helper()
	return startWith(t, outbox, loaded(t, yaml), opts)
}

func startWith(t *testing.T, outbox *memOutbox, c *Config, opts Options) *Pager {
	t.Helper()
	opts.Config, opts.Outbox = c, outbox
	opts.ExternalURL, _ = url.Parse(here + "/")
	p, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

func loaded(t *testing.T, yaml string) *Config {
	t.Helper()
	c, err := LoadConfig([]byte(yaml), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// settle waits until the outbox has nothing pending.
func settle(t *testing.T, outbox *memOutbox, p *Pager, pages int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	for !outbox.allDone() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("page %d is not delivered: %+v", pages, p.Status())
		}
	}
}

func story() []*correlate.Page { return []*correlate.Page{collapse(), spread(), over()} }

func TestWebhook(t *testing.T) {
	c, addr := newCollector(t)
	deliver(t, fmt.Sprintf(`
receivers:
- name: automation
  webhook_configs:
  - url: %s/hook
route: {receiver: automation, group_by: [severity]}
`, addr), story()...)
	golden(t, "webhook", strings.Join(c.all(), "\n"))
}

func TestSlack(t *testing.T) {
	c, addr := newCollector(t)
	outbox := deliver(t, fmt.Sprintf(`
global: {slack_api_url: "%s/services/T/B/x"}
receivers:
- name: chat
  slack_configs:
  - {channel: "#incidents", send_resolved: true}
route: {receiver: chat}
`, addr), story()...)
	golden(t, "slack", strings.Join(c.all(), "\n"))
	if d := outbox.entry(t, "INC-41", 2).Deliveries[0]; !strings.Contains(d.Skipped, "update_message") || !d.SentAt.IsZero() {
		t.Errorf("the update: %+v", d)
	}
}

func TestPagerDuty(t *testing.T) {
	c, addr := newCollector(t)
	deliver(t, fmt.Sprintf(`
receivers:
- name: on-call
  pagerduty_configs:
  - {routing_key: R0, url: "%s/v2/enqueue", details: {team: "{{ .CommonLabels.team }}"}}
route: {receiver: on-call}
`, addr), story()...)
	golden(t, "pagerduty", strings.Join(c.all(), "\n"))
	keys := regexp.MustCompile(`"dedup_key": "(\w+)"`).FindAllStringSubmatch(strings.Join(c.all(), ""), -1)
	if len(keys) != 3 || keys[0][1] != keys[1][1] || keys[1][1] != keys[2][1] {
		t.Errorf("deduplication keys %v, want three alike", keys)
	}
}

func TestOpsgenie(t *testing.T) {
	c, addr := newCollector(t)
	deliver(t, fmt.Sprintf(`
receivers:
- name: on-call
  opsgenie_configs:
  - {api_key: K0, api_url: "%s/", update_alerts: true, priority: '{{ if eq .CommonLabels.severity "critical" }}P1{{ else }}P3{{ end }}'}
route: {receiver: on-call}
`, addr), story()...)
	golden(t, "opsgenie", strings.Join(c.all(), "\n"))
}

// The other chat and paging services of the library: what they are sent is what we
// mean them to show, and nothing that they refuse.
func TestOtherReceivers(t *testing.T) {
	c, addr := newCollector(t)
	for name, section := range map[string]string{
		"victorops":  `victorops_configs: [{api_key: K0, api_url: "` + addr + `/vo", routing_key: db}]`,
		"discord":    `discord_configs: [{webhook_url: "` + addr + `/discord"}]`,
		"msteamsv2":  `msteamsv2_configs: [{webhook_url: "` + addr + `/teams"}]`,
		"msteams":    `msteams_configs: [{webhook_url: "` + addr + `/oldteams"}]`,
		"mattermost": `mattermost_configs: [{webhook_url: "` + addr + `/mattermost"}]`,
		"webex":      `webex_configs: [{api_url: "` + addr + `/webex", room_id: R0, http_config: {authorization: {credentials: x}}}]`,
		"incidentio": `incidentio_configs: [{url: "` + addr + `/incidentio", alert_source_token: x}]`,
		"rocketchat": `rocketchat_configs: [{api_url: "` + addr + `/rocketchat", token: x, token_id: y, channel: "#a"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			c.mu.Lock()
			c.requests = nil
			c.mu.Unlock()
			outbox := newOutbox(collapse())
			p := start(t, outbox, "receivers: [{name: r, "+section+"}]\nroute: {receiver: r}\n", Options{})
			c.waitFor(t, 1)
			golden(t, name, dropClock(c.all()[0]))
			_ = p
		})
	}
}

var clock = regexp.MustCompile(`"(state_start_time|timestamp|startsAt)": ("[^"]*"|\d+)`)

func dropClock(s string) string { return clock.ReplaceAllString(s, `"$1": 0`) }

func TestEmail(t *testing.T) {
	server := newMailServer(t)
	deliver(t, fmt.Sprintf(`
global: {smtp_smarthost: "%s", smtp_from: headwater@example.org, smtp_require_tls: false}
receivers:
- name: mail
  labels: {headwater_updates: always}
  email_configs: [{to: on-call@example.org, send_resolved: true}]
route: {receiver: mail}
`, server.addr), append(story(), lone())...)
	var out strings.Builder
	for i, m := range server.all() {
		subject, text, html := readMail(t, m)
		fmt.Fprintf(&out, "Subject: %s\n\n%s\n", subject, text)
		golden(t, fmt.Sprintf("email-%d", i+1), html)
		if dir := os.Getenv("HEADWATER_MAIL_DIR"); dir != "" { // to look at them in a browser
			if err := os.WriteFile(fmt.Sprintf("%s/mail-%d.html", dir, i+1), []byte(html), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden(t, "email", out.String())
}

func readMail(t *testing.T, raw string) (subject, text, html string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return subject, text, html
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		content := strings.ReplaceAll(string(body), "\r\n", "\n")
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			html = content
		} else {
			text = content
		}
	}
}

// mailServer takes mail over SMTP.
type mailServer struct {
	addr string
	mu   sync.Mutex
	got  []string
	// silent is closed when the server may speak.
	silent chan struct{}
	held   bool
}

// hold makes the server accept connections and say nothing until it is released.
func (s *mailServer) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent, s.held = make(chan struct{}), true
}

func (s *mailServer) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		close(s.silent)
		s.held = false
	}
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{addr: l.Addr().String()}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { defer conn.Close(); s.talk(conn) })
		}
	})
	t.Cleanup(func() { s.release(); l.Close(); open.Wait() })
	return s
}

func (s *mailServer) talk(conn net.Conn) {
	s.mu.Lock()
	silent := s.silent
	s.mu.Unlock()
	if silent != nil {
		<-silent
	}
	in := bufio.NewScanner(conn)
	say := func(line string) { fmt.Fprint(conn, line+"\r\n") }
	say("220 test")
	var message strings.Builder
	data := false
	for in.Scan() {
		line := in.Text()
		switch {
		case data && line == ".":
			data = false
			s.mu.Lock()
			s.got = append(s.got, message.String())
			s.mu.Unlock()
			message.Reset()
			say("250 taken")
		case data:
			message.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
		case line == "DATA":
			data = true
			say("354 go on")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *mailServer) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}
