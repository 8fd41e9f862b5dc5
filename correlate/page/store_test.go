package page_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/topology"
)

// The engine's pages, through the store, at a receiver: three services that depend
// on a database which nothing watches.
func TestOutbox_OfTheStore(t *testing.T) {
	got := make(chan [2]string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			Status            string
			CommonAnnotations map[string]string
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		got <- [2]string{body.Status, body.CommonAnnotations["summary"]}
	}))
	t.Cleanup(receiver.Close)
	s, err := store.Open(store.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	config, err := page.LoadConfig([]byte(`receivers: [{name: x, webhook_configs: [{url: "`+receiver.URL+`"}]}]`), ".")
	if err != nil {
		t.Fatal(err)
	}
	p, err := page.New(page.Options{Config: config, Outbox: s})
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

	engine, err := correlate.New(correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	now, pos := time.Now().Add(-time.Hour), uint64(0)
	var pages []*correlate.Page
	step := func(after time.Duration, sig correlate.Signal) {
		now, pos = now.Add(after), pos+1
		d := engine.Step(correlate.Input{Pos: pos, At: now, Signal: sig})
		if err := s.Commit(ctx, []*correlate.Delta{d}, true); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, d.Pages...)
	}
	step(0, &correlate.TopologyReport{Spec: spec("mysql", "shipping", "ratings", "cart")})
	batch := &correlate.AlertBatch{Source: "test", Alerts: []correlate.Alert{alertOn("shipping", now), alertOn("ratings", now), alertOn("cart", now)}}
	step(time.Second, batch)
	step(time.Minute, correlate.Tick{})
	if len(pages) != 1 {
		t.Fatalf("the engine decided %d pages, want the opening one", len(pages))
	}
	if first := <-got; first != [2]string{"firing", pages[0].Incident.Headline()} {
		t.Errorf("received %q", first)
	}

	ended := *batch
	ended.Alerts = slices.Clone(batch.Alerts)
	for i := range ended.Alerts {
		ended.Alerts[i].Status, ended.Alerts[i].EndsAt = correlate.Resolved, now
	}
	step(time.Second, &ended)
	for range 30 {
		step(time.Minute, correlate.Tick{})
	}
	if last := <-got; last != [2]string{"resolved", page.Title(pages[len(pages)-1])} {
		t.Errorf("received %q", last)
	}
	for s.Revision() > 0 {
		pending, err := s.PendingPages(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(pending) == 0 {
			break
		}
	}
	entries, err := s.Pages(ctx, pages[0].Incident.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Done || len(e.Deliveries) != 1 || e.Page.Kind != correlate.PageUpdate && e.Deliveries[0].SentAt.IsZero() {
			t.Errorf("page %d: %+v", e.Page.Seq, e)
		}
	}
}

func spec(to string, from ...string) topology.Spec {
	s := topology.Spec{Version: "1", Services: []topology.Service{{Name: to, Kind: topology.KindDatabase, Owner: "storage"}}}
	for _, f := range from {
		s.Services = append(s.Services, topology.Service{Name: f})
		s.Dependencies = append(s.Dependencies, topology.Dependency{From: topology.Ref{Name: f}, To: topology.Ref{Name: to}})
	}
	return s
}

func alertOn(service string, at time.Time) correlate.Alert {
	return correlate.Alert{
		Fingerprint: "fp-" + service, Labels: map[string]string{"alertname": "HighErrorRate", "service": service, "severity": "critical"},
		Annotations: map[string]string{"summary": service + " fails"}, StartsAt: at,
	}
}
