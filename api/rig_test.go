package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/health"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var startOfTests = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

// rig is a server on a real store, in memory. Its stream is a line: each signal is
// applied and committed before Publish returns.
type rig struct {
	*Server
	store    *store.Store
	stream   *line
	registry *prometheus.Registry
}

func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	st, err := store.Open(store.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{store: st, stream: newLine(t, st), registry: prometheus.NewRegistry()}
	options := Options{
		Reader: st, Commands: r.stream, Waiter: r.stream, Health: r.stream,
		Logger: slog.New(slog.DiscardHandler), Registerer: r.registry,
	}
	for _, c := range change {
		c(&options)
	}
	if r.Server, err = NewServer(options); err != nil {
		t.Fatal(err)
	}
	return r
}

// serve makes the server reachable in process.
func (r *rig) serve(t testing.TB) (*grpc.Server, *Loopback) {
	t.Helper()
	srv := r.NewGRPC()
	conn, err := NewLoopback(srv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Stop()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		srv.Stop()
	})
	return srv, conn
}

func (r *rig) incidents(t testing.TB) pb.IncidentServiceClient {
	_, conn := r.serve(t)
	return pb.NewIncidentServiceClient(conn)
}

// put commits rows at the next revision and returns it.
func (r *rig) put(t testing.TB, rows ...any) uint64 {
	t.Helper()
	return r.stream.put(t, rows...)
}

// line is the shortest possible stream, with the real engine at its end. It can fail
// both ways: refuse, or do it and then report failure.
type line struct {
	mu       sync.Mutex
	store    *store.Store
	engine   *correlate.Engine
	pos      uint64
	now      time.Time
	rejected map[uint64]string

	refuse   error        // Publish does nothing and says this
	lie      error        // Publish does it and says this
	waitErr  func() error // what Wait returns; nil: it succeeds
	beforeIt func()       // runs between Publish's call and its effect
}

func newLine(t testing.TB, st *store.Store) *line {
	engine, err := correlate.New(correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &line{store: st, engine: engine, now: startOfTests, rejected: map[uint64]string{}}
}

func (l *line) Publish(ctx context.Context, signal correlate.Signal) (uint64, error) {
	if l.beforeIt != nil {
		l.beforeIt()
	}
	if l.refuse != nil {
		return 0, l.refuse
	}
	pos, err := l.step(ctx, time.Second, signal)
	return pos, errors.Join(err, l.lie)
}

func (l *line) Report(ctx context.Context, batch *correlate.HealthBatch) (uint64, error) {
	for i := range batch.Results {
		var bad *body.Error
		if errors.As(body.Within(fmt.Sprintf("results[%d]", i), health.Admit(&batch.Results[i])), &bad) {
			return 0, &badField{bad}
		}
	}
	return l.Publish(ctx, batch)
}

func (l *line) Wait(_ context.Context, pos uint64) (string, error) {
	if l.waitErr != nil {
		return "", l.waitErr()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rejected[pos], nil
}

// step applies a signal some time after the one before.
func (l *line) step(ctx context.Context, later time.Duration, signal correlate.Signal) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pos++
	l.now = l.now.Add(later)
	delta := l.engine.Step(correlate.Input{Pos: l.pos, At: l.now, Signal: signal})
	if delta.Rejected != "" {
		l.rejected[l.pos] = delta.Rejected
	}
	return l.pos, l.store.Commit(ctx, []*correlate.Delta{delta}, true)
}

// feed applies a signal of a test.
func (l *line) feed(t testing.TB, later time.Duration, signal correlate.Signal) {
	t.Helper()
	if _, err := l.step(context.Background(), later, signal); err != nil {
		t.Fatal(err)
	}
}

// put commits rows without the engine.
func (l *line) put(t testing.TB, rows ...any) uint64 {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pos++
	delta := &correlate.Delta{Meta: correlate.Meta{Pos: l.pos, Now: l.now}}
	for _, row := range rows {
		switch row := row.(type) {
		case *correlate.Incident:
			row.Revision = l.pos
			delta.Incidents = append(delta.Incidents, row)
		case *correlate.AlertState:
			row.Revision = l.pos
			delta.Alerts = append(delta.Alerts, row)
		case *correlate.HealthState:
			row.Revision = l.pos
			delta.Health = append(delta.Health, row)
		case *correlate.Page:
			delta.Pages = append(delta.Pages, row)
		case *topology.Spec:
			delta.Topology = row
		default:
			t.Fatalf("put: %T", row)
		}
	}
	if err := l.store.Commit(context.Background(), []*correlate.Delta{delta}, true); err != nil {
		t.Fatal(err)
	}
	return l.pos
}

// badField is an error as the intake reports it.
type badField struct{ cause *body.Error }

func (e *badField) Error() string { return e.cause.Reason }
func (e *badField) Field() string { return e.cause.Field }

// newIncident is an incident that the tests of reading need; n is its number.
func newIncident(n uint64, change ...func(*correlate.Incident)) *correlate.Incident {
	at := startOfTests.Add(time.Duration(n) * time.Minute)
	i := &correlate.Incident{
		ID: fmt.Sprintf("INC-%d", n), Number: n, Severity: correlate.SeverityError,
		StartedAt: at.Add(-30 * time.Second), OpenedAt: at, UpdatedAt: at,
		Origins:  []correlate.Origin{{Service: topology.Ref{Namespace: "shop", Name: "mysql"}, Probability: 0.87, Owner: "storage", Silent: true, Reasons: []correlate.Reason{{Text: "both callers fail", Weight: 5.1}}}},
		Services: []correlate.ServiceImpact{{Service: topology.Ref{Namespace: "shop", Name: "cart"}, Alerts: 2, Firing: 2, Severity: correlate.SeverityError, Since: at, Distance: 1}},
		Alerts:   2, Firing: 2, Environment: "prod",
		Timeline: []correlate.TimelineEntry{{At: at, Kind: correlate.TimelineOpened, Text: "opened"}},
	}
	for _, c := range change {
		c(i)
	}
	return i
}

func newAlert(n int, incident string, change ...func(*correlate.AlertState)) *correlate.AlertState {
	at := startOfTests.Add(time.Duration(n) * time.Second)
	a := &correlate.AlertState{
		Alert: correlate.Alert{
			Fingerprint: fmt.Sprintf("%016x", n+1), StartsAt: at,
			Labels: map[string]string{"alertname": "HighLatency", "service": "cart", "n": fmt.Sprint(n)},
		},
		Sender: "alertmanager", Service: topology.Ref{Namespace: "shop", Name: "cart"}, Mapped: true,
		Class: correlate.ClassLatency, Severity: correlate.SeverityWarning, FirstSeen: at, LastSeen: at,
		Incident: incident, Fate: correlate.Fate{Kind: correlate.FatePaged, Text: "in " + incident + ", which was paged", At: at},
	}
	for _, c := range change {
		c(a)
	}
	return a
}
