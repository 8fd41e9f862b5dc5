package page

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	httpconfig "github.com/prometheus/common/config"
)

// Whatever address a receiver has, even one that its library knows by heart, the page
// goes to the stand-in.
func TestRedirect_NothingGoesWhereTheConfigurationSays(t *testing.T) {
	const yaml = `
global: {http_config: {proxy_url: "http://127.0.0.1:1/"}}
receivers:
- name: chat
  slack_configs: [{api_url: "https://slack.com/api/chat.postMessage", http_config: {authorization: {credentials: x}, proxy_url: "http://127.0.0.1:1/"}, channel: c, send_resolved: true, update_message: true}]
- name: on-call
  pagerduty_configs: [{routing_key: x}]
  email_configs: [{to: a@example.org, from: b@example.org, smarthost: "mail.example.org:465", auth_username: x, auth_password: y, send_resolved: true}]
route: {receiver: on-call, routes: [{receiver: chat, continue: true}, {receiver: on-call}]}
`
	var mu sync.Mutex
	var asked []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Host+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true,"channel":"C024","ts":"1773457252.0001"}`))
	}))
	defer server.Close()
	mail := newMailServer(t)
	c := loaded(t, yaml)
	err := c.Redirect(StandIns{
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
		Mail: func(string) string { return mail.addr },
	})
	if err != nil {
		t.Fatal(err)
	}
	outbox := newOutbox()
	p := startWith(t, outbox, c, Options{})
	for n, page := range story() {
		outbox.add(page)
		settle(t, outbox, p, n+1)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(asked)
	if got := strings.Join(slices.Compact(asked), " "); got != "events.pagerduty.com/v2/enqueue slack.com/api/chat.postMessage slack.com/api/chat.update" {
		t.Errorf("asked for %s", got)
	}
	if n := len(mail.all()); n != 2 {
		t.Errorf("%d mails, want the opening and the end", n)
	}
}

// Status pages are told nothing either, with or without receivers beside them.
func TestRedirect_StatusPagesAreNotTold(t *testing.T) {
	c, err := LoadConfig(nil, t.TempDir(), WithStatusPages([]StatusPage{{URL: "https://status.example.org/hook", HTTP: httpconfig.HTTPClientConfig{
		ProxyConfig: httpconfig.ProxyConfig{ProxyURL: httpconfig.URL{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}}},
	}}}))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 1)
	dial := func(_ context.Context, receiver string) (net.Conn, error) {
		asked <- receiver
		return nil, errDown
	}
	if err := c.Redirect(StandIns{Dial: dial}); err != nil {
		t.Fatal(err)
	}
	r := routed(t, c)
	if len(r.outside) != 1 {
		t.Fatalf("%d status pages", len(r.outside))
	}
	if _, err := r.targets[r.outside[0]].status.post(t.Context(), collapse()); err == nil {
		t.Error("it was told")
	}
	if got := <-asked; !slices.Contains(c.Addressees(), got) {
		t.Errorf("asked for %q, which is none of %v", got, c.Addressees())
	}
}

func TestRedirect_RefusesWhoCannotBeRedirected(t *testing.T) {
	c := loaded(t, `receivers: [{name: text, sns_configs: [{phone_number: "+1", sigv4: {region: eu-west-1}}]}]`)
	if err := c.Redirect(StandIns{}); err == nil || !strings.Contains(err.Error(), `receiver "text": sns_configs`) {
		t.Errorf("%v", err)
	}
}
