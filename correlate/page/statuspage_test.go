package page

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	httpconfig "github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
)

// told is a public update, or a move of the status when it has no text.
func told(seq uint64, after time.Duration, status correlate.Status, text string) *correlate.Page {
	p := spread()
	p.Seq, p.Kind, p.At, p.Reason, p.Alerts = seq, correlate.PagePublicUpdate, began.Add(after), text, nil
	p.Incident.Status = status
	if status == correlate.StatusResolved {
		p.Incident.State = correlate.IncidentResolved
	}
	return p
}

func statusPages(t *testing.T, address string) *Config {
	t.Helper()
	c, err := LoadConfig(nil, t.TempDir(), WithStatusPages([]StatusPage{{URL: address, HTTP: httpconfig.DefaultHTTPClientConfig}}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Those outside read what was written for them, and nothing of the inside.
func TestStatusPage(t *testing.T) {
	var mu sync.Mutex
	var got []string
	answers := []int{http.StatusServiceUnavailable}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if len(answers) > 0 {
			w.WriteHeader(answers[0])
			answers = answers[1:]
			return
		}
		got = append(got, fmt.Sprintf("%s %s\nIdempotency-Key: %s\n%s", r.Method, r.URL, r.Header.Get("Idempotency-Key"), pretty(body)))
	}))
	defer server.Close()
	outbox := newOutbox()
	p := startWith(t, outbox, statusPages(t, server.URL), Options{RetryMin: time.Millisecond})
	for n, page := range []*correlate.Page{
		told(4, 12*time.Minute, correlate.StatusInvestigating, "Orders may fail. We are working on it.\nNext update at 03:30 UTC."),
		told(6, 15*time.Minute, correlate.StatusMitigating, ""),
		told(9, 30*time.Minute, correlate.StatusResolved, ""),
	} {
		outbox.add(page)
		settle(t, outbox, p, n+1)
	}
	text := strings.Join(got, "\n")
	golden(t, "status-page", text)
	for _, inside := range []string{"mysql", "shipping", "grace", "storage", "prod-eu", "HighLatency"} {
		if strings.Contains(text, inside) {
			t.Errorf("those outside learn of %q", inside)
		}
	}
}

func TestStatusPage_TheStatusIsOneOfFour(t *testing.T) {
	quiet := correlate.Incident{QuietSince: began}
	for want, inc := range map[string]correlate.Incident{
		"investigating": {Status: correlate.StatusDetected},
		"identified":    {Status: correlate.StatusMitigating},
		"monitoring":    quiet,
		"resolved":      {State: correlate.IncidentMerged},
	} {
		if got := publicStatus(&inc); got != want {
			t.Errorf("%+v: %s, want %s", inc.Status, got, want)
		}
	}
}

// A status page that is down holds up no receiver, and what is refused is said.
func TestStatusPage_RefusedIsTriedAgainLater(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such page", http.StatusGone) }))
	defer server.Close()
	p := startWith(t, newOutbox(told(1, time.Minute, correlate.StatusDetected, "x")), statusPages(t, server.URL), Options{})
	eventually(t, func() bool { return len(p.Status().Failing) > 0 })
	if f := p.Status().Failing[0]; !f.Refused || f.Error != "status page says 410 Gone: no such page" || f.Integration != "status-page" {
		t.Errorf("failure %+v", f)
	}
}
