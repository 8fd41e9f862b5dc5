//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// How long a sender waits for its 200, which says that the alerts are on disk, beside
// what the disk alone takes for as many bytes. For information: nothing here fails
// for being slow.
func TestAcceptanceLatency(t *testing.T) {
	const posts, batch, warmup = 200, 100, 20
	world := newWorld(200, time.Second)
	place := newSite(t, "topology: {files: [topology.yaml]}\n", world.topology())
	h := place.start(t)
	f, err := os.Create(filepath.Join(place.storage, "bare"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	var whole, bare []time.Duration
	size := 0
	for i := range posts {
		body := webhook("latency", batchOf(world, i, batch))
		size = len(body)
		began := time.Now()
		code, answer, err := post(h.web+"/webhook/alertmanager", body)
		whole = append(whole, time.Since(began))
		if err != nil || code != http.StatusOK {
			t.Fatalf("%d %s %v", code, answer, err)
		}
		began = time.Now()
		if _, err := f.WriteString(body); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		bare = append(bare, time.Since(began))
	}
	whole, bare = whole[warmup:], bare[warmup:]
	t.Logf("webhook POST to 200, %d alerts (%d KiB) each: p50 %s, p99 %s", batch, size>>10, quantile(whole, .5), quantile(whole, .99))
	t.Logf("bare write and fsync of the same bytes:       p50 %s, p99 %s", quantile(bare, .5), quantile(bare, .99))
	t.Logf("ratio: p50 %.1f, p99 %.1f", ratio(whole, bare, .5), ratio(whole, bare, .99))
}

// batchOf is the n-th notification: alerts on services all over the world.
func batchOf(w *world, n, size int) []notified {
	group := make([]notified, size)
	for i := range group {
		labels := map[string]string{
			"alertname": "HighLatency", "service": []string{"web", "cart", "api", "db"}[i%4], "namespace": w.cells[(n+i)%len(w.cells)].name,
			"severity": "warning", "instance": fmt.Sprintf("10.%d.%d.1:8080", n, i), "job": "kubernetes-pods", "cluster": "prod-eu",
		}
		group[i] = notified{
			Status: firing, Labels: labels, Annotations: map[string]string{"summary": "latency is above its objective", "runbook_url": "https://runbooks.example.org/latency"},
			StartsAt: time.Now().UTC(), GeneratorURL: "http://prometheus.example.org/graph?g0.expr=latency", Fingerprint: fingerprint(labels),
		}
	}
	return group
}

// quantile of an unsorted list.
func quantile(list []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Microsecond)
}

func ratio(a, b []time.Duration, q float64) float64 {
	return float64(quantile(a, q)) / float64(max(quantile(b, q), time.Microsecond))
}
