package page

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// threeTeams routes a night: on-call, the lead whom an escalation names, and a team that
// asks for notices. KIND stands for the settings of the same integration each.
const threeTeams = `
global: {smtp_smarthost: "127.0.0.1:1", smtp_from: headwater@example.org, smtp_require_tls: false}
receivers:
- {name: nobody}
- {name: on-call, KIND}
- {name: lead, KIND}
- {name: logistics, KIND}
route:
  receiver: on-call
  routes:
  - receiver: nobody
    matchers: [notice="true"]
    routes: [{receiver: logistics, matchers: [team="logistics"]}]
`

// stands are stand-ins that know whose requests they get.
type stands struct {
	mu   sync.Mutex
	whom map[string]string // receiver by the address of its connection
	got  map[string][]string
}

func (s *stands) dialTo(address string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, receiver string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.whom[conn.LocalAddr().String()] = receiver
		}
		return conn, err
	}
}

func (s *stands) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &collector{arrived: make(chan struct{}, 1)}
	c.ServeHTTP(w, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	receiver := s.whom[r.RemoteAddr]
	s.got[receiver] = append(s.got[receiver], strings.TrimRight(c.requests[0], "\n"))
}

// took returns what came since the last time, by receiver.
func (s *stands) took() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = map[string][]string{}
	return got
}

// played delivers the night by a configuration like [threeTeams] and tells what each receiver got,
// page by page.
func played(t *testing.T, yaml string) string {
	t.Helper()
	s := &stands{whom: map[string]string{}, got: map[string][]string{}}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	c, err := LoadConfig([]byte(yaml), t.TempDir(), WithButtons())
	if err != nil {
		t.Fatal(err)
	}
	mail := newMailServer(t)
	err = c.Redirect(StandIns{Dial: s.dialTo(server.Listener.Addr().String()), Mail: func(string) string { return mail.addr }})
	if err != nil {
		t.Fatal(err)
	}
	outbox := newOutbox()
	p := startWith(t, outbox, c, Options{})
	var out strings.Builder
	mails := 0
	for n, page := range night() {
		fmt.Fprintf(&out, "=== page %d (%s)\n", page.Seq, page.Kind)
		outbox.add(page)
		settle(t, outbox, p, n+1)
		got := s.took()
		for _, m := range mail.all()[mails:] {
			subject, text, _ := readMail(t, m)
			to := addressee.FindStringSubmatch(m)[1]
			got[to] = append(got[to], "Subject: "+subject+"\n\n"+text)
			mails++
		}
		for _, receiver := range slices.Sorted(maps.Keys(got)) {
			for _, request := range got[receiver] {
				fmt.Fprintf(&out, "--- to %s\n%s\n", receiver, request)
			}
		}
		for _, d := range outbox.entry(t, "INC-41", page.Seq).Deliveries {
			if d.Skipped != "" {
				fmt.Fprintf(&out, "--- not to %s: %s\n", d.Receiver, d.Skipped)
			}
		}
	}
	return out.String()
}

var addressee = regexp.MustCompile(`(?m)^To: (.*?)@`)

// A night by each kind of integration: what on-call, the lead and the team that was hit get.
func TestNight(t *testing.T) {
	for name, kind := range map[string]string{
		"webhook":   `webhook_configs: [{url: "https://hooks.example.org/headwater"}]`,
		"pagerduty": `pagerduty_configs: [{routing_key: R0}]`,
		"opsgenie":  `opsgenie_configs: [{api_key: K0, update_alerts: true}]`,
		"slack":     `slack_configs: [{api_url: "https://slack.com/api/chat.postMessage", channel: "#incidents", send_resolved: true, update_message: true}]`,
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "night-"+name, dropClock(played(t, strings.ReplaceAll(threeTeams, "KIND", kind))))
		})
	}
	t.Run("email", func(t *testing.T) {
		yaml := threeTeams
		for _, name := range []string{"on-call", "lead", "logistics"} {
			yaml = strings.Replace(yaml, "name: "+name+", KIND", "name: "+name+", email_configs: [{to: "+name+"@example.org, send_resolved: true}]", 1)
		}
		golden(t, "night-email", played(t, yaml))
	})
}

// What services refuse or cut: no page is lost over its length.
func TestNight_StaysWithinTheLimitsOfServices(t *testing.T) {
	requests := regexp.MustCompile(`(?ms)^--- to \S+\n\S+ (\S+)\n(\{.*?\n\})$`)
	limits := map[string]int{"summary": 1024, "message": 130, "description": 15000, "title": 1024, "fallback": 1024, "text": 3000}
	seen := map[string]bool{}
	for _, name := range []string{"pagerduty", "opsgenie", "slack"} {
		for _, m := range requests.FindAllStringSubmatch(readGolden(t, "night-"+name), -1) {
			var body any
			if err := json.Unmarshal([]byte(m[2]), &body); err != nil {
				t.Fatalf("%s %s: %v", name, m[1], err)
			}
			eachText(body, func(key, text string) {
				if most, limited := limits[key]; limited {
					seen[key] = true
					if n := utf8.RuneCountInString(text); n > most {
						t.Errorf("%s: %s has %d characters, more than %d", name, key, n, most)
					}
				}
			})
		}
	}
	if len(seen) != len(limits) {
		t.Errorf("looked at %v only", seen)
	}
}

// eachText calls fn for each member of an object whose value is a text.
func eachText(v any, fn func(key, text string)) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if text, ok := member.(string); ok {
				fn(key, text)
			}
			eachText(member, fn)
		}
	case []any:
		for _, element := range v {
			eachText(element, fn)
		}
	}
}
