package page

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

func TestWebhook_503ThenAcceptedIsOnePage(t *testing.T) {
	c, addr := newCollector(t)
	c.answers = []int{http.StatusServiceUnavailable, http.StatusBadGateway}
	outbox := newOutbox(collapse())
	p := start(t, outbox, `receivers: [{name: x, webhook_configs: [{url: "`+addr+`"}]}]`, Options{RetryMin: time.Millisecond})
	settle(t, outbox, p, 1)
	if n := len(c.all()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	if d := outbox.entry(t, "INC-41", 1).Deliveries[0]; d.Attempts != 3 || d.SentAt.IsZero() {
		t.Errorf("record %+v", d)
	}
}

func TestWebhook_404IsRefusedAndTriedAgainLater(t *testing.T) {
	c, addr := newCollector(t)
	c.answers = []int{http.StatusNotFound}
	outbox := newOutbox(collapse())
	p := start(t, outbox, `receivers: [{name: x, webhook_configs: [{url: "`+addr+`/secret"}]}]`, Options{RefusedMin: time.Millisecond})
	settle(t, outbox, p, 1)
	if n := len(c.all()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestErrors_DoNotTellAnAddress(t *testing.T) {
	outbox := newOutbox(collapse())
	p := start(t, outbox, `receivers: [{name: x, pagerduty_configs: [{routing_key: x, url: "http://127.0.0.1:1/secret"}]}]`, Options{})
	eventually(t, func() bool { return len(p.Status().Failing) > 0 })
	if f := p.Status().Failing[0]; strings.Contains(f.Error, "secret") || f.Refused {
		t.Errorf("failure %+v", f)
	}
}

// A mail server that accepts a connection and says nothing is not bound by our
// deadline: the notifier waits. It must be alone in that.
func TestEmail_AServerThatHangsHoldsUpNobodyElse(t *testing.T) {
	server := newMailServer(t)
	server.hold()
	c, addr := newCollector(t)
	yaml := fmt.Sprintf(`
receivers:
- name: x
  webhook_configs: [{url: "%s"}]
  email_configs: [{to: a@example.org, from: b@example.org, smarthost: "%s", require_tls: false, send_resolved: true}]
`, addr, server.addr)
	outbox := newOutbox()
	p := start(t, outbox, yaml, Options{PerIntegration: 2})
	for i := range 5 {
		for _, page := range []*correlate.Page{collapse(), over()} {
			page.Incident.ID = fmt.Sprintf("INC-%d", i)
			outbox.add(page)
		}
	}
	c.waitFor(t, 10)
	if n := len(server.all()); n != 0 {
		t.Errorf("%d mails from a server that hangs", n)
	}
	server.release()
	settle(t, outbox, p, 10)
	if n := len(server.all()); n != 10 {
		t.Errorf("%d mails, want 10", n)
	}
}

func TestMetrics_NamesAreAContract(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	m.delivered(target{"r", "slack", 0}, resultSent)
	m.duration.WithLabelValues("slack").Observe(1)
	m.inFlight.WithLabelValues("slack").Inc()
	m.oldest.Store(time.Now().Add(-time.Minute).UnixNano())
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names strings.Builder
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		fmt.Fprintf(&names, "%s{%s} %s\n", f.GetName(), strings.Join(labels, ","), f.GetType())
		if f.GetName() == "headwater_page_oldest_pending_seconds" && f.GetMetric()[0].GetGauge().GetValue() < 60 {
			t.Errorf("oldest %v", f.GetMetric()[0])
		}
	}
	golden(t, "metrics", names.String())
}

func TestNew_RefusesToRunWithoutAnOutbox(t *testing.T) {
	if _, err := New(Options{Config: loaded(t, "")}); err == nil {
		t.Error("no error")
	}
}

// eventually waits for something that the pager does on its own.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; !ok(); n++ {
		if n > 4000 {
			t.Fatal("it did not happen")
		}
		<-tick.C
	}
}
