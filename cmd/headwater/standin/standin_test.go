package standin

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func opened(t *testing.T) *Receivers {
	t.Helper()
	r, err := New([]string{"oncall"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// post sends a body to a receiver as if it were at the address.
func post(t *testing.T, r *Receivers, method, url, body string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return r.Dial(ctx, "oncall") },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func sendMail(r *Receivers, subject string) error {
	return smtp.SendMail(r.Mail("oncall"), nil, "a@example.org", []string{"b@example.org"}, []byte("Subject: "+subject+"\r\n\r\nhello\r\n"))
}

// What people behind a receiver notice: a trigger rings unless its key is open, and what
// was never open cannot end.
func TestTheAccountIsWhatPeopleNotice(t *testing.T) {
	r := opened(t)
	event := func(action, key string) string {
		return fmt.Sprintf(`{"event_action":%q,"dedup_key":%q,"payload":{"summary":"title of %s"}}`, action, key, key)
	}
	hook := func(kind, incident string) string {
		return fmt.Sprintf(`{"groupKey":"k","alerts":[{"labels":{"incident":%q},"annotations":{"kind":%q,"summary":"s"}}]}`, incident, kind)
	}
	const pd, genie, chat = "https://events.pagerduty.com/v2/enqueue", "https://api.opsgenie.com/v2/alerts", "https://slack.com/api/chat."
	for _, s := range []struct{ method, url, body string }{
		{"POST", pd, event("trigger", "a")},
		{"POST", pd, event("trigger", "a")}, // an edit
		{"POST", pd, event("trigger", "b")},
		{"POST", pd, event("resolve", "a")},
		{"POST", pd, event("resolve", "a")}, // once more, which changes nothing
		{"POST", pd, event("resolve", "c")}, // never heard of
		{"POST", genie, `{"alias":"x","message":"m"}`},
		{"PUT", genie + "/x/message?identifierType=alias", `{"message":"n"}`},
		{"POST", genie + "/x/close?identifierType=alias", `{}`},
		{"POST", "http://hook.example.org/", hook("open", "INC-1")},
		{"POST", "http://hook.example.org/", hook("update", "INC-1")},
		{"POST", "http://hook.example.org/", hook("resolved", "INC-1")},
		{"POST", "http://hook.example.org/", hook("notice", "INC-1")},
		{"POST", chat + "postMessage", `{"text":"t"}`},
		{"POST", chat + "update", `{"text":"t"}`},
	} {
		if code := post(t, r, s.method, s.url, s.body); code/100 != 2 {
			t.Errorf("%s %s: %d", s.method, s.url, code)
		}
	}
	if err := sendMail(r, "=?utf-8?q?caf=C3=A9?="); err != nil {
		t.Error(err)
	}
	want := Account{Rang: 4, Edited: 4, Ended: 3, Told: 3, Open: []string{"title of b"}, Strange: []string{"an end of what was never open: title of c"}}
	if diff := cmp.Diff(want, r.Account("oncall")); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

func TestAReceiverThatIsDownTakesNothing(t *testing.T) {
	r := opened(t)
	r.Break("oncall", true)
	if code := post(t, r, "POST", "https://events.pagerduty.com/v2/enqueue", `{"event_action":"trigger","dedup_key":"a"}`); code != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", code)
	}
	if err := sendMail(r, "x"); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("mail: %v", err)
	}
	r.Break("oncall", false)
	if err := sendMail(r, "x"); err != nil {
		t.Errorf("mail: %v", err)
	}
	if diff := cmp.Diff(Account{Told: 1, Refused: 2}, r.Account("oncall")); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}
