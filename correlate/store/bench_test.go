package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/correlate/store/storetest"
	"github.com/headwater-sre/headwater/topology"
)

// alertAt is an alert of ordinary size: ten labels, two annotations.
func alertAt(n int, revision uint64) *correlate.AlertState {
	service := fmt.Sprint("service-", n%300)
	return &correlate.AlertState{
		Alert: correlate.Alert{
			Fingerprint: fmt.Sprintf("%016x", n),
			Labels: map[string]string{
				"alertname": "HighErrorRate", "severity": "critical", "cluster": "prod-eu-1", "namespace": "shop", "service": service,
				"pod": service + "-6d5f7c9b4d-x2x9z", "container": service, "job": "kubernetes-pods", "instance": "10.12.33.7:8080", "team": "checkout",
			},
			Annotations: map[string]string{
				"summary":     service + " answers 12 % of its requests with an error",
				"runbook_url": "https://runbooks.example.com/" + service,
			},
			StartsAt:     storetest.Epoch.Add(time.Duration(n) * time.Millisecond),
			GeneratorURL: "https://prometheus.example.com/graph?g0.expr=sum%28rate%28http_requests_total%29%29",
		},
		Service:  topology.Ref{Namespace: "shop", Name: service},
		Mapped:   true,
		MappedBy: "label service",
		Severity: correlate.SeverityCritical,
		Incident: fmt.Sprint("INC-", n%40+1),
		Fate:     correlate.Fate{Kind: correlate.FateHeld, Text: "waits for the page of the incident", At: storetest.Epoch},
		Revision: revision,
	}
}

// stormAt is what a step changes that brings n alerts: the alerts, and one incident with some history.
func stormAt(pos uint64, n int) *correlate.Delta {
	d := &correlate.Delta{Meta: correlate.Meta{Pos: pos, Now: storetest.Epoch}, Incidents: []*correlate.Incident{incidentAt(pos%40+1, pos)}}
	for i := range n {
		d.Alerts = append(d.Alerts, alertAt(int(pos)*n+i, pos))
	}
	return d
}

func incidentAt(number, revision uint64) *correlate.Incident {
	inc := &correlate.Incident{ID: fmt.Sprint("INC-", number), Number: number, Revision: revision, Title: "mysql is the probable origin"}
	for i := range 20 {
		inc.Timeline = append(inc.Timeline, correlate.TimelineEntry{At: storetest.Epoch, Kind: correlate.TimelineJoined, Text: "cart joined with 3 alerts"})
		inc.Services = append(inc.Services, correlate.ServiceImpact{Service: topology.Ref{Namespace: "shop", Name: fmt.Sprint("service-", i)}, Alerts: 3})
	}
	return inc
}

func benchStore(b *testing.B) *store.Store {
	s := open(b, store.Options{Dir: b.TempDir()})
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func BenchmarkCommit(b *testing.B) {
	for _, alerts := range []int{1, 100, 10_000} {
		for _, sync := range []bool{false, true} {
			b.Run(fmt.Sprintf("alerts=%d/sync=%v", alerts, sync), func(b *testing.B) {
				s := benchStore(b)
				pos := uint64(0)
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					pos++
					deltas := []*correlate.Delta{stormAt(pos, alerts)}
					b.StartTimer()
					if err := s.Commit(context.Background(), deltas, sync); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(alerts), "ns/alert")
			})
		}
	}
}

// filled has 100,000 live alerts in 40 incidents.
func filled(b *testing.B) *store.Store {
	s := benchStore(b)
	for pos := uint64(1); pos <= 100; pos++ {
		if err := s.Commit(context.Background(), []*correlate.Delta{stormAt(pos, 1000)}, false); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkLoad(b *testing.B) {
	s := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		snap, err := s.Load(context.Background())
		if err != nil || len(snap.Alerts) != 100_000 {
			b.Fatalf("%d alerts, %v", len(snap.Alerts), err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, store.Options{Dir: dir})
	for pos := uint64(1); pos <= 100; pos++ {
		if err := s.Commit(context.Background(), []*correlate.Delta{stormAt(pos, 1000)}, false); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		s = open(b, store.Options{Dir: dir})
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRead(b *testing.B) {
	s := filled(b)
	ctx := context.Background()
	b.Run("list 40 incidents", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.ScanIncidents(ctx, 0, func(*correlate.Incident) bool { return true }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one incident", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := s.Incident(ctx, "INC-17"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("2500 alerts of an incident", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if _, err := s.ScanAlerts(ctx, store.AlertScan{Incident: "INC-17"}, func(*correlate.AlertState) bool { n++; return true }); err != nil || n != 2500 {
				b.Fatalf("%d alerts, %v", n, err)
			}
		}
	})
	b.Run("what changed since the last revision but one", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if _, err := s.ChangedIncidents(ctx, s.Revision()-1, func(*correlate.Incident) bool { n++; return true }); err != nil || n != 1 {
				b.Fatalf("%d incidents, %v", n, err)
			}
		}
	})
}

// BenchmarkWatch is one commit and its arrival at 100 watchers, each of which reads what changed.
func BenchmarkWatch(b *testing.B) {
	s := benchStore(b)
	arrived := make(chan error, 100)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 100 {
		go func() {
			var rev uint64
			for {
				select {
				case <-s.Changed(rev):
				case <-ctx.Done():
					return
				}
				var err error
				rev, err = s.ChangedIncidents(ctx, rev, func(*correlate.Incident) bool { return true })
				arrived <- err
			}
		}()
	}
	pos := uint64(0)
	for b.Loop() {
		pos++
		if err := s.Commit(ctx, []*correlate.Delta{stormAt(pos, 1)}, false); err != nil {
			b.Fatal(err)
		}
		for range 100 {
			if err := <-arrived; err != nil {
				b.Fatal(err)
			}
		}
	}
}
