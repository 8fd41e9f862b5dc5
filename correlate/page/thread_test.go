package page

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// slackBot is a configuration with a bot's token, which can edit and answer.
const slackBot = `
receivers:
- name: chat
  slack_configs:
  - {api_url: "https://slack.com/api/chat.postMessage", http_config: {authorization: {credentials: x}}, channel: "#incidents", send_resolved: true, update_message: true}
route: {receiver: chat}
`

// slackApp is a configuration whose messages go to a collector in the place of Slack.
func slackApp(t *testing.T, c http.Handler) *Config {
	t.Helper()
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	config, err := LoadConfig([]byte(slackBot), t.TempDir(), WithButtons())
	if err != nil {
		t.Fatal(err)
	}
	err = config.Redirect(StandIns{
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
		Mail: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// The first message is edited, its thread tells what is new, and the button goes when
// somebody has it.
func TestSlackThread(t *testing.T) {
	c := &collector{arrived: make(chan struct{}, 1000)}
	outbox := newOutbox()
	p := startWith(t, outbox, slackApp(t, c), Options{})
	for n, page := range story() {
		outbox.add(page)
		settle(t, outbox, p, n+1)
	}
	golden(t, "slack-thread", strings.Join(c.all(), "\n"))
}

func TestSlackThread_WaitsAsLongAsSlackSays(t *testing.T) {
	c := &collector{arrived: make(chan struct{}, 1000)}
	limited := 0
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limited++; limited == 3 { // the first answer in the thread
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		c.ServeHTTP(w, r)
	})
	outbox := newOutbox(collapse())
	p := startWith(t, outbox, slackApp(t, handler), Options{})
	settle(t, outbox, p, 1)
	outbox.add(spread())
	eventually(t, func() bool { return len(p.Status().Failing) > 0 })
	if f := p.Status().Failing[0]; f.Refused || !strings.Contains(f.Error, "7s") {
		t.Errorf("failure %+v", f)
	}
}

func TestRetryAfter_IsBounded(t *testing.T) {
	for header, want := range map[string]time.Duration{"": time.Second, "30": 30 * time.Second, "-1": time.Second, "soon": time.Second, "99999": maxRetryAfter} {
		h := http.Header{}
		h.Set("Retry-After", header)
		if got := retryAfter(h).after; got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestThreadText_TellsWhatPeopleDidSinceTheLatestPage(t *testing.T) {
	p := spread()
	p.Incident.Timeline = nil
	at := func(minute int, kind correlate.TimelineKind, actor, text string) {
		p.Incident.Timeline = append(p.Incident.Timeline, correlate.TimelineEntry{At: began.Add(time.Duration(minute) * time.Minute), Kind: kind, Actor: actor, Text: text})
	}
	at(3, correlate.TimelineNote, "ada", "before the page")
	at(5, correlate.TimelineAcked, "ada", "acknowledged")
	at(6, correlate.TimelineJoined, "", "the engine's own")
	at(7, correlate.TimelinePublicUpdate, "cleo", "orders may <fail> & we know")
	at(11, correlate.TimelineNote, "ada", "after this page was decided")
	want := "*New: 9 services hit, was 6*\n03:05  ada: acknowledged\n03:07  cleo: told those outside: orders may &lt;fail&gt; &amp; we know"
	if got := threadText(p, began.Add(4*time.Minute)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p.Reason = "ada: acknowledged"
	if got, want := threadText(p, began.Add(4*time.Minute)), strings.TrimPrefix(want, "*New: 9 services hit, was 6*\n"); got != want {
		t.Errorf("an entry that is the reason is told twice:\n%s\nwant\n%s", got, want)
	}
	for i := range 500 {
		at(8, correlate.TimelineNote, "ada", fmt.Sprint(strings.Repeat("z", 200), i))
	}
	if got := threadText(p, began); len([]rune(got)) > maxReply || !strings.Contains(got, "earlier entries are in the timeline") {
		t.Errorf("%d runes: %.200s", len([]rune(got)), got)
	}
}
