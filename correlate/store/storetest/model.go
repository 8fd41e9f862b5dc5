package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
)

// testModel drives a store and the model with the same random operations.
func testModel(t *testing.T, durable bool, open func(testing.TB, string) Store) {
	root, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir := filepath.Join(root, strconv.Itoa(n))
		m := &machine{t: rt, ctx: t.Context(), real: open(t, dir), model: NewMemory(), gen: newGenerator()}
		defer func() { m.must(m.real.Close()); _ = os.RemoveAll(dir) }()
		actions := map[string]func(*rapid.T){
			"commit":  m.commit,
			"repeat":  m.repeat,
			"deliver": m.deliver,
			"read":    m.read,
		}
		if durable {
			actions["reopen"] = func(*rapid.T) {
				m.must(m.real.Close())
				m.real = open(t, dir)
				m.model.onDisk = len(m.model.pages)
			}
		}
		rt.Repeat(actions)
		m.compare()
	})
}

// machine is a store and its model side by side.
type machine struct {
	t     *rapid.T
	ctx   context.Context
	real  Store
	model *Memory
	gen   *generator
	last  []*correlate.Delta
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) commit(t *rapid.T) {
	m.last = nil
	for range rapid.IntRange(0, 3).Draw(t, "deltas") {
		m.last = append(m.last, m.gen.delta(t))
	}
	m.repeat(t)
}

func (m *machine) repeat(t *rapid.T) {
	sync := rapid.Bool().Draw(t, "sync")
	m.must(m.real.Commit(m.ctx, m.last, sync))
	m.must(m.model.Commit(m.ctx, m.last, sync))
}

func (m *machine) deliver(t *rapid.T) {
	key := correlate.PageKey{Incident: fmt.Sprint("INC-", rapid.IntRange(1, 6).Draw(t, "incident")), Seq: rapid.Uint64Range(1, 4).Draw(t, "seq")}
	deliveries := []correlate.Delivery{{Receiver: "team", Integration: "slack", Attempts: rapid.IntRange(1, 9).Draw(t, "attempts")}}
	done, superseded := rapid.Bool().Draw(t, "done"), rapid.Bool().Draw(t, "superseded")
	got := m.real.RecordDelivery(m.ctx, key, deliveries, done, superseded)
	want := m.model.RecordDelivery(m.ctx, key, deliveries, done, superseded)
	m.same("error of RecordDelivery", errorKind(got), errorKind(want))
}

func (m *machine) read(t *rapid.T) {
	m.compare()
	before := rapid.Uint64Range(0, 7).Draw(t, "before")
	m.same("incidents", scanned(m, m.real.ScanIncidents, before), scanned(m, m.model.ScanIncidents, before))
	after := rapid.Uint64Range(0, m.gen.pos+1).Draw(t, "after")
	m.same("changed incidents", scanned(m, m.real.ChangedIncidents, after), scanned(m, m.model.ChangedIncidents, after))
	m.same("changes", scanned(m, m.real.ScanChanges, after), scanned(m, m.model.ScanChanges, after))

	scan := store.AlertScan{IncludeArchived: rapid.Bool().Draw(t, "archived")}
	if n := rapid.IntRange(0, 6).Draw(t, "of incident"); n > 0 {
		scan.Incident = fmt.Sprint("INC-", n)
	}
	id := correlate.AlertID{Fingerprint: m.gen.name(t), StartsAt: Epoch.UnixNano()}
	if rapid.Bool().Draw(t, "resume") {
		scan.After = id
	}
	m.same("alerts", scanned(m, m.real.ScanAlerts, scan), scanned(m, m.model.ScanAlerts, scan))
	got, gotRev, gotErr := m.real.Alert(m.ctx, id)
	want, wantRev, wantErr := m.model.Alert(m.ctx, id)
	m.same("alert", []any{got, gotRev, errorKind(gotErr)}, []any{want, wantRev, errorKind(wantErr)})

	m.noticeSyncs()
	limit := rapid.IntRange(0, 3).Draw(t, "limit")
	gotPages, err := m.real.PendingPages(m.ctx, limit)
	m.must(err)
	wantPages, err := m.model.PendingPages(m.ctx, limit)
	m.must(err)
	m.same("pending pages", gotPages, wantPages)
}

// noticeSyncs: a store may put a decision on disk before it is told to, and then shows it;
// that it shows none that is not on disk is [testPagesWait]'s to find.
func (m *machine) noticeSyncs() {
	m.t.Helper()
	pending, err := m.real.PendingPages(m.ctx, 0)
	m.must(err)
	if n := len(pending); n > 0 {
		m.model.noticeOnDisk(pending[n-1].Page.Key())
	}
}

// compare looks at everything that needs no arguments, or few.
func (m *machine) compare() {
	m.t.Helper()
	got, err := m.real.Load(m.ctx)
	m.must(err)
	want, err := m.model.Load(m.ctx)
	m.must(err)
	m.same("snapshot", got, want)
	m.same("revision", m.real.Revision(), m.model.Revision())
	gotGraph, _ := m.real.Graph()
	wantGraph, _ := m.model.Graph()
	m.same("graph", gotGraph.Version(), wantGraph.Version())
	m.same("health", scanned(m, health(m.real), 0), scanned(m, health(m.model), 0))
	m.same("stats", scanned(m, stats(m.real), 0), scanned(m, stats(m.model), 0))
	for n := range 8 {
		id := fmt.Sprint("INC-", n)
		got, gotRev, gotErr := m.real.Incident(m.ctx, id)
		want, wantRev, wantErr := m.model.Incident(m.ctx, id)
		m.same("incident", []any{got, gotRev, errorKind(gotErr)}, []any{want, wantRev, errorKind(wantErr)})
		gotPages, err := m.real.Pages(m.ctx, id)
		m.must(err)
		wantPages, err := m.model.Pages(m.ctx, id)
		m.must(err)
		m.same("pages", gotPages, wantPages)
	}
}

func (m *machine) same(what string, got, want any) {
	m.t.Helper()
	if diff := Diff(want, got); diff != "" {
		if len(diff) > 4000 {
			diff = diff[:4000] + "…"
		}
		m.t.Fatalf("%s differs (-model +store):\n%s", what, diff)
	}
}

// Diff compares rows as the contract sees them: nil and empty are the same, and
// so are two times that name the same instant.
func Diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(time.Time.Equal))
}

func health(s Store) func(context.Context, int, func(*correlate.HealthState) bool) (uint64, error) {
	return func(ctx context.Context, _ int, fn func(*correlate.HealthState) bool) (uint64, error) {
		return s.ScanHealth(ctx, fn)
	}
}

// stats sorts: a store is free to choose their order.
func stats(s Store) func(context.Context, int, func(correlate.Stat) bool) (uint64, error) {
	return func(ctx context.Context, _ int, fn func(correlate.Stat) bool) (uint64, error) {
		var all []correlate.Stat
		revision, err := s.ScanStats(ctx, func(st correlate.Stat) bool { all = append(all, st); return true })
		slices.SortFunc(all, func(a, b correlate.Stat) int { return strings.Compare(a.Key, b.Key) })
		for _, st := range all {
			fn(st)
		}
		return revision, err
	}
}

// result is what a scan yields.
type result[R any] struct {
	Rows     []R
	Revision uint64
}

func scanned[A, R any](m *machine, scan func(context.Context, A, func(R) bool) (uint64, error), arg A) result[R] {
	m.t.Helper()
	var out result[R]
	var err error
	out.Revision, err = scan(m.ctx, arg, func(r R) bool {
		out.Rows = append(out.Rows, r)
		return true
	})
	m.must(err)
	return out
}

func errorKind(err error) string {
	switch {
	case err == nil:
		return "none"
	case isNotFound(err):
		return "not found"
	}
	return err.Error()
}
