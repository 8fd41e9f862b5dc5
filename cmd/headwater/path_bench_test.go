package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/ingest"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/topology"
)

// BenchmarkPath measures the whole path in process: a webhook's body decoded, made
// durable in the stream (one fsync), stepped by the engine and committed to the
// store, up to where a reader sees it. It reports the share of a bare write and fsync
// of the same bytes, measured in the same run.
func BenchmarkPath(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("alerts=%d", size), func(b *testing.B) { benchmarkPath(b, size) })
	}
}

func benchmarkPath(b *testing.B, size int) {
	handler, applied := startPath(b)
	var spent, bare time.Duration
	file, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		body := benchBody(i, size)
		begun := time.Now()
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/webhook/alertmanager", strings.NewReader(body)))
		var answer struct{ Position uint64 }
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusOK {
			b.Fatalf("answer %d %s: %v", rec.Code, rec.Body, err)
		}
		applied(answer.Position)
		spent += time.Since(begun)

		b.StopTimer()
		begun = time.Now()
		if _, err := file.WriteString(body); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(begun)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/alert")
	b.ReportMetric(float64(spent)/float64(bare), "times-a-bare-fsync")
}

// startPath wires stream, engine, store and intake as the server does.
func startPath(b *testing.B) (http.Handler, func(uint64)) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := bus.Open(ctx, bus.Options{StoreDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	d, err := driver.New(driver.Options{Source: stream, Store: st})
	if err != nil {
		b.Fatal(err)
	}
	intake, err := ingest.New(ingest.Options{Publisher: stream})
	if err != nil {
		b.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			b.Error(err)
		}
		stream.Close()
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	if _, err := stream.Publish(ctx, &correlate.TopologyReport{Source: "bench", Spec: pathTopology()}); err != nil {
		b.Fatal(err)
	}
	return intake, func(pos uint64) {
		if _, err := d.Wait(ctx, pos); err != nil {
			b.Fatal(err)
		}
	}
}

// pathTopology is 50 independent stacks of a frontend, an API and a database.
func pathTopology() topology.Spec {
	spec := topology.Spec{Version: "bench"}
	for i := range 50 {
		web, api, db := fmt.Sprintf("web-%d", i), fmt.Sprintf("api-%d", i), fmt.Sprintf("db-%d", i)
		spec.Services = append(spec.Services, topology.Service{Name: web}, topology.Service{Name: api}, topology.Service{Name: db, Kind: topology.KindDatabase})
		spec.Dependencies = append(spec.Dependencies,
			topology.Dependency{From: topology.Ref{Name: web}, To: topology.Ref{Name: api}},
			topology.Dependency{From: topology.Ref{Name: api}, To: topology.Ref{Name: db}})
	}
	return spec
}

// benchBody is a notification of size alerts, in part seen before: ten label sets per service, firing and ending in turn.
func benchBody(round, size int) string {
	alerts := make([]string, size)
	for k := range alerts {
		n := round*size + k
		status, ends := "firing", "0001-01-01T00:00:00Z"
		starts := time.Now().UTC().Truncate(time.Minute)
		if n/1500%2 == 1 {
			status, ends = "resolved", starts.Add(time.Second).Format(time.RFC3339)
		}
		alerts[k] = fmt.Sprintf(`{"status":%q,"labels":{"alertname":"HighErrorRate","service":"api-%d","route":"/r/%d","severity":"warning"},"annotations":{"summary":"errors"},"startsAt":%q,"endsAt":%q,"generatorURL":""}`,
			status, n%50, n/50%30, starts.Format(time.RFC3339), ends)
	}
	return `{"version":"4","groupKey":"{}:{}","receiver":"headwater","status":"firing","alerts":[` + strings.Join(alerts, ",") + `]}`
}
