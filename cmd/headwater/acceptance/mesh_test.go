package acceptance

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mesh is an exporter that replays what the proxies, tracers and cluster of a small
// system tell Prometheus. Its counters move by their rates as time goes by.
type mesh struct {
	*httptest.Server

	mu     sync.Mutex
	at     time.Time
	series map[string]*series
}

// series is a counter that moves, or a gauge, whose rate is zero.
type series struct{ value, perSecond float64 }

func newMesh(t testing.TB) *mesh {
	m := &mesh{at: time.Now(), series: map[string]*series{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, m.page())
	}))
	t.Cleanup(m.Close)
	return m
}

// address is what Prometheus is told to scrape.
func (m *mesh) address() string { return strings.TrimPrefix(m.URL, "http://") }

func (m *mesh) page() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.move()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(m.series)) {
		fmt.Fprintf(&b, "%s %f\n", id, m.series[id].value)
	}
	return b.String()
}

// move brings the counters up to now. The caller holds mu.
func (m *mesh) move() {
	now := time.Now()
	for _, s := range m.series {
		s.value += s.perSecond * now.Sub(m.at).Seconds()
	}
	m.at = now
}

// flow sets how fast a counter moves from now on. It begins above zero, as counters do
// that Prometheus meets at work.
func (m *mesh) flow(id string, perSecond float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.move()
	if m.series[id] == nil {
		m.series[id] = &series{value: 1}
	}
	m.series[id].perSecond = perSecond
}

func (m *mesh) gauge(id string, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.series[id] = &series{value: value}
}

// istio is an edge between two workloads with sidecars, as the caller's counts it.
func istio(metric, from, to, more string) string {
	return fmt.Sprintf(`%s{reporter="source",source_workload=%q,source_workload_namespace="shop",source_canonical_service=%q,`+
		`destination_workload=%q,destination_workload_namespace="shop",destination_canonical_service=%q,`+
		`destination_service_name=%q,destination_service_namespace="shop"%s}`, metric, from, from, to, to, to, more)
}

// outside is an edge to what has no sidecar: a Kubernetes service, a service entry's
// host, or nothing that is registered.
func outside(metric, from, service, namespace, more string) string {
	return fmt.Sprintf(`%s{reporter="source",source_workload=%q,source_workload_namespace="shop",source_canonical_service=%q,`+
		`destination_workload="unknown",destination_workload_namespace="unknown",destination_canonical_service="unknown",`+
		`destination_service_name=%q,destination_service_namespace=%q%s}`, metric, from, from, service, namespace, more)
}

// The metrics of Istio.
const (
	requests = "istio_requests_total"
	sent     = "istio_tcp_sent_bytes_total"
	received = "istio_tcp_received_bytes_total"
)

const answered = `,response_code="200"`
