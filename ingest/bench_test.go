package ingest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
)

// null takes everything and keeps nothing: what is left to measure is the intake.
type null struct{}

func (null) Publish(context.Context, correlate.Signal) (uint64, error) { return 1, nil }
func (null) DeadLetter(context.Context, bus.DeadLetter) error          { return nil }

// discard is a ResponseWriter that costs nothing.
type discard struct {
	header http.Header
	code   int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(code int)        { d.code = code }

func BenchmarkWebhook(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("alerts=%d", n), func(b *testing.B) {
			alerts := make([]string, n)
			for i := range alerts {
				alerts[i] = fmt.Sprintf(`{"status":"firing","labels":{"alertname":"HighErrorRate","severity":"critical","cluster":"prod-eu","namespace":"robot-shop","service":"service-%d","pod":"service-%d-6f7d8c9b5-x%04d","container":"app","job":"kubernetes-pods"},`+
					`"annotations":{"summary":"More than 5 %% of the requests fail","runbook_url":"https://runbooks.example/high-error-rate"},"startsAt":"2026-01-05T03:00:12.087Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example:9090/graph?g0.expr=rate&g0.tab=1","fingerprint":"%016x"}`, i%50, i%50, i, i)
			}
			body := group(alerts...)
			in := newIntake(b, Options{Publisher: null{}})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					w := &discard{header: http.Header{}}
					in.ServeHTTP(w, httptest.NewRequest(http.MethodPost, webhook, strings.NewReader(body)))
					if w.code != http.StatusOK {
						b.Errorf("answer %d", w.code)
					}
				}
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/alert")
		})
	}
}
