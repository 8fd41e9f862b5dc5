package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/topology"
)

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened opens a store that is closed at the end of the test.
func opened(t *testing.T, open func(testing.TB, string) Store) Store {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Delta returns a delta at pos with one open incident, one alert of it and, if
// asked, the incident's page number pos.
func Delta(pos uint64, page bool) *correlate.Delta {
	inc := &correlate.Incident{ID: fmt.Sprint("INC-", pos), Number: pos, Revision: pos, OpenedAt: Epoch}
	alert := &correlate.AlertState{
		Alert:    correlate.Alert{Fingerprint: fmt.Sprintf("%016x", pos), StartsAt: Epoch, Labels: map[string]string{"alertname": "Down"}},
		Incident: inc.ID,
		Revision: pos,
	}
	d := &correlate.Delta{Meta: correlate.Meta{Pos: pos, Now: Epoch}, Alerts: []*correlate.AlertState{alert}, Incidents: []*correlate.Incident{inc}}
	if page {
		d.Pages = []*correlate.Page{{Incident: *inc, Seq: 1, At: Epoch}}
	}
	return d
}

func testEmpty(t *testing.T, open func(testing.TB, string) Store) {
	s := opened(t, open)
	snap, err := s.Load(t.Context())
	check(t, err)
	if diff := Diff(&correlate.Snapshot{}, snap); diff != "" {
		t.Errorf("snapshot of an empty store:\n%s", diff)
	}
	if _, _, err := s.Incident(t.Context(), "INC-1"); !isNotFound(err) {
		t.Errorf("Incident: %v, want ErrNotFound", err)
	}
	for _, id := range []string{"", "1", "INC-", "INC-01", "INC-1x", "INC--1"} {
		if _, _, err := s.Incident(t.Context(), id); !isNotFound(err) {
			t.Errorf("Incident(%q): %v, want ErrNotFound", id, err)
		}
	}
	if g, rev := s.Graph(); g.Len() != 0 || rev != 0 {
		t.Errorf("Graph: %d nodes at revision %d", g.Len(), rev)
	}
}

// testSnapshots commits pairs of rows that must always be equal, and reads meanwhile.
func testSnapshots(t *testing.T, open func(testing.TB, string) Store) {
	s := opened(t, open)
	const rounds = 60
	commit := func(pos uint64) error {
		d := &correlate.Delta{Meta: correlate.Meta{Pos: pos}}
		pad := ""
		if pos%20 == 0 { // every twentieth commit is too large for one transaction
			pad = string(make([]byte, 300<<10))
		}
		for n := uint64(1); n <= 9; n++ {
			d.Incidents = append(d.Incidents, &correlate.Incident{ID: fmt.Sprint("INC-", n), Number: n, Revision: pos, Title: pad})
		}
		return s.Commit(t.Context(), []*correlate.Delta{d}, false)
	}
	check(t, commit(1))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				rows := 0
				var torn uint64
				rev, err := s.ScanIncidents(context.Background(), 0, func(i *correlate.Incident) bool {
					rows++
					torn = i.Revision
					return true
				})
				if err != nil || rows != 9 || torn != rev {
					t.Errorf("%d rows of revision %d at revision %d: %v", rows, torn, rev, err)
					return
				}
			}
		})
	}
	for pos := uint64(2); pos <= rounds; pos++ {
		if err := commit(pos); err != nil {
			t.Error(err)
			break
		}
	}
	cancel()
	wg.Wait()
}

func testPagesWait(t *testing.T, open func(testing.TB, string) Store) {
	s := opened(t, open)
	check(t, s.Commit(t.Context(), []*correlate.Delta{Delta(1, true)}, false))
	if got, err := s.PendingPages(t.Context(), 0); err != nil || len(got) != 0 {
		t.Errorf("before the sync: %d pages, %v", len(got), err)
	}
	check(t, s.Commit(t.Context(), nil, true))
	got, err := s.PendingPages(t.Context(), 0)
	if err != nil || len(got) != 1 || got[0].Page.Incident.ID != "INC-1" {
		t.Errorf("after the sync: %v, %v", got, err)
	}
}

func testRepeatedCommit(t *testing.T, open func(testing.TB, string) Store) {
	s := opened(t, open)
	deltas := []*correlate.Delta{Delta(1, true), Delta(2, true)}
	check(t, s.Commit(t.Context(), deltas, true))
	sent := []correlate.Delivery{{Receiver: "team", Integration: "slack", Attempts: 2, SentAt: Epoch}}
	check(t, s.RecordDelivery(t.Context(), deltas[0].Pages[0].Key(), sent, true, false))
	check(t, s.Commit(t.Context(), deltas, true))

	pending, err := s.PendingPages(t.Context(), 0)
	check(t, err)
	if len(pending) != 1 || pending[0].Page.Incident.ID != "INC-2" {
		t.Errorf("pending after the repetition: %v", pending)
	}
	pages, err := s.Pages(t.Context(), "INC-1")
	check(t, err)
	if len(pages) != 1 || !pages[0].Done || Diff(sent, pages[0].Deliveries) != "" {
		t.Errorf("deliveries after the repetition: %+v", pages)
	}
}

func testChanged(t *testing.T, open func(testing.TB, string) Store) {
	s := opened(t, open)
	from0, from5 := s.Changed(0), s.Changed(5)
	if isClosed(from0) {
		t.Fatal("closed before there was a commit")
	}
	check(t, s.Commit(t.Context(), []*correlate.Delta{Delta(5, false)}, false))
	if !isClosed(from0) {
		t.Error("Changed(0) is open at revision 5")
	}
	if isClosed(from5) {
		t.Error("Changed(5) is closed at revision 5")
	}
	if !isClosed(s.Changed(4)) {
		t.Error("Changed(4) is not closed at once at revision 5")
	}
	check(t, s.Commit(t.Context(), []*correlate.Delta{Delta(6, false)}, true))
	if !isClosed(from5) {
		t.Error("Changed(5) is open at revision 6")
	}
}

func testGraph(t *testing.T, open func(testing.TB, string) Store) {
	s := opened(t, open)
	d := Delta(3, false)
	d.Topology = &topology.Spec{Version: "v1", Services: []topology.Service{{Name: "web"}}}
	check(t, s.Commit(t.Context(), []*correlate.Delta{d, Delta(4, false)}, false))
	first, rev := s.Graph()
	if first.Version() != "v1" || rev != 4 {
		t.Errorf("graph %q at revision %d, want v1 at 4", first.Version(), rev)
	}
	check(t, s.Commit(t.Context(), []*correlate.Delta{Delta(5, false)}, false))
	if again, rev := s.Graph(); again != first || rev != 5 {
		t.Errorf("a commit without topology rebuilt the graph, or revision %d is not 5", rev)
	}
}

func testClosed(t *testing.T, open func(testing.TB, string) Store) {
	s := open(t, t.TempDir())
	check(t, s.Close())
	if _, err := s.Load(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Load: %v, want ErrClosed", err)
	}
	if err := s.Commit(t.Context(), []*correlate.Delta{Delta(1, true)}, true); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Commit: %v, want ErrClosed", err)
	}
	if err := s.RecordDelivery(t.Context(), correlate.PageKey{Incident: "INC-1", Seq: 1}, nil, true, false); !errors.Is(err, store.ErrClosed) {
		t.Errorf("RecordDelivery: %v, want ErrClosed", err)
	}
	check(t, s.Close())
}
