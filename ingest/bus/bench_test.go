package bus

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// benchBatch is n alerts as kube-prometheus would send them.
func benchBatch(n int) *correlate.AlertBatch {
	b := &correlate.AlertBatch{Source: "alertmanager", Receiver: "headwater", GroupKey: `{}:{namespace="shop"}`, ExternalURL: "http://alertmanager:9093"}
	for i := range n {
		pod := fmt.Sprintf("cart-%d", i)
		b.Alerts = append(b.Alerts, correlate.Alert{
			Fingerprint: fmt.Sprintf("%016x", i),
			Labels: map[string]string{
				"alertname": "KubePodCrashLooping", "cluster": "prod-eu", "container": "cart", "endpoint": "http",
				"instance": "10.0.0.7:8080", "job": "kube-state-metrics", "namespace": "shop", "pod": pod,
				"prometheus": "monitoring/k8s", "severity": "warning",
			},
			Annotations: map[string]string{
				"description": "Pod shop/" + pod + " (cart) is in waiting state (reason: CrashLoopBackOff).",
				"runbook_url": "https://runbooks.example/kubepodcrashlooping", "summary": "Pod is crash looping.",
			},
			StartsAt:     time.Unix(1_800_000_000, int64(i)).UTC(),
			GeneratorURL: "http://prometheus:9090/graph?g0.expr=max_over_time",
		})
	}
	return b
}

func perAlert(b *testing.B, alerts int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*alerts), "ns/alert")
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("alerts=%d", n), func(b *testing.B) {
			batch, now := benchBatch(n), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encodeEntry(batch, now); err != nil {
					b.Fatal(err)
				}
			}
			perAlert(b, n)
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("alerts=%d", n), func(b *testing.B) {
			data, err := encodeEntry(benchBatch(n), time.Now())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := decodeEntry(data); err != nil {
					b.Fatal(err)
				}
			}
			perAlert(b, n)
		})
	}
}

func openBench(b *testing.B) *Bus {
	b.Helper()
	bus, err := Open(b.Context(), Options{StoreDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(bus.Close)
	return bus
}

var benchStart atomic.Int64 // makes every batch a new one

func publishBench(b *testing.B, bus *Bus, batch correlate.AlertBatch) {
	alerts := make([]correlate.Alert, len(batch.Alerts))
	copy(alerts, batch.Alerts)
	alerts[0].StartsAt = time.Unix(0, benchStart.Add(1))
	batch.Alerts = alerts
	if _, err := bus.Publish(context.Background(), &batch); err != nil {
		b.Error(err)
	}
}

// BenchmarkPublish is durable: each operation ends with a synced write.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct{ publishers, alerts int }{{1, 1}, {64, 1}, {1, 100}, {64, 100}} {
		b.Run(fmt.Sprintf("publishers=%d/alerts=%d", c.publishers, c.alerts), func(b *testing.B) {
			bus, batch := openBench(b), benchBatch(c.alerts)
			b.ReportAllocs()
			b.SetParallelism(max(1, c.publishers/2)) // times GOMAXPROCS, which is 2 where this was measured
			b.ResetTimer()
			if c.publishers == 1 {
				for range b.N {
					publishBench(b, bus, *batch)
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						publishBench(b, bus, *batch)
					}
				})
			}
			perAlert(b, c.alerts)
		})
	}
}

// BenchmarkFollow reads entries of one alert that are already in the stream.
func BenchmarkFollow(b *testing.B) {
	bus, batch := openBench(b), benchBatch(1)
	const entries = 2000
	for range entries {
		publishBench(b, bus, *batch)
	}
	out := make(chan correlate.Input, 256)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += entries {
		ctx, cancel := context.WithCancel(b.Context())
		result := make(chan error, 1)
		go func() { result <- bus.Follow(ctx, 0, out) }()
		for range min(entries, b.N-done) {
			<-out
		}
		cancel()
		for running := true; running; {
			select {
			case <-out:
			case err := <-result:
				if err != nil {
					b.Fatal(err)
				}
				running = false
			}
		}
		for len(out) > 0 {
			<-out
		}
	}
}
