package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/headwater-sre/headwater/correlate"
)

func pageOf(d *correlate.Delta) []*correlate.Page {
	return []*correlate.Page{{Incident: *d.Incidents[0], Seq: 1, At: time.Now()}}
}

// archived is a delta that archives incident 1 with an alert and a change, and leaves incident 2.
func archived(pos uint64) []*correlate.Delta {
	d := rowsAt(pos, 2, 400<<10)[0] // large enough to be kept in parts
	d.Incidents[0].Archived = true
	d.Alerts = []*correlate.AlertState{
		{Alert: correlate.Alert{Fingerprint: "old"}, Incident: "INC-1", Archived: true},
		{Alert: correlate.Alert{Fingerprint: "new"}, Incident: "INC-2"},
	}
	d.Changes = []*correlate.ChangeState{{Pos: 1, Archived: true}, {Pos: 2}}
	return []*correlate.Delta{d}
}

// seen is what can be read of history and of the present.
func seen(t *testing.T, s *Store) string {
	t.Helper()
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	_, err1 := s.ScanIncidents(t.Context(), 0, func(i *correlate.Incident) bool { add("%s", i.ID); return true })
	_, err2 := s.ChangedIncidents(t.Context(), 0, func(i *correlate.Incident) bool { add("r%d", i.Number); return true })
	_, err3 := s.ScanAlerts(t.Context(), AlertScan{IncludeArchived: true}, func(a *correlate.AlertState) bool { add("%s", a.Fingerprint); return true })
	_, err4 := s.ScanAlerts(t.Context(), AlertScan{Incident: "INC-1", IncludeArchived: true}, func(a *correlate.AlertState) bool { add("of 1: %s", a.Fingerprint); return true })
	_, err5 := s.ScanChanges(t.Context(), 0, func(c *correlate.ChangeState) bool { add("c%d", c.Pos); return true })
	pages, err6 := s.Pages(t.Context(), "INC-1")
	for _, p := range pages {
		add("page %d", p.Page.Seq)
	}
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(out)
}

func TestHistoryExpiresAndThePresentDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Options{InMemory: true, Retention: RetainAll(24 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		d := rowsAt(1, 2, 400<<10)
		d[0].Pages = append(pageOf(d[0]), &correlate.Page{Incident: *d[0].Incidents[0], Seq: 2, At: time.Now()})
		must(t, s.Commit(t.Context(), d, true))
		must(t, s.RecordDelivery(t.Context(), d[0].Pages[0].Key(), nil, true, false))
		must(t, s.Commit(t.Context(), archived(2), true))

		const all = "[INC-2 INC-1 r1 r2 new old of 1: old c2 c1 page 1 page 2]"
		if got := seen(t, s); got != all {
			t.Errorf("at once: %s\nwant     %s", got, all)
		}
		time.Sleep(23 * time.Second)
		if got := seen(t, s); got != all {
			t.Errorf("after 23 s: %s\nwant       %s", got, all)
		}
		time.Sleep(2 * time.Second)
		if got, want := seen(t, s), "[INC-2 r2 new c2 page 2]"; got != want {
			t.Errorf("after 25 s: %s\nwant       %s: a page that is not done stays", got, want)
		}
		if _, _, err := s.Incident(t.Context(), "INC-1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("Incident: %v, want ErrNotFound", err)
		}
		must(t, s.RecordDelivery(t.Context(), d[0].Pages[1].Key(), nil, true, false))
		time.Sleep(25 * time.Second)
		if got, want := seen(t, s), "[INC-2 r2 new c2]"; got != want {
			t.Errorf("long after the last page: %s\nwant %s", got, want)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSweepRemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Options{InMemory: true, Retention: RetainAll(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		must(t, s.Commit(t.Context(), rowsAt(1, 2, 400<<10), true))
		must(t, s.Commit(t.Context(), archived(2), true))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if n := s.countExpired(); n != 0 {
			t.Errorf("%d rows expired at once", n)
		}
		time.Sleep(30 * time.Minute)
		expected := s.countExpired()
		if expected < 6 {
			t.Errorf("%d rows expired after half an hour", expected)
		}
		before := seen(t, s)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := s.countExpired(); n != 0 {
			t.Errorf("%d of %d expired rows are left after a sweep", n, expected)
		}
		if after := seen(t, s); after != before {
			t.Errorf("the sweep changed what is seen from %s to %s", before, after)
		}
		cancel()
		must(t, <-done)
	})
}

func (s *Store) countExpired() (n int) {
	_, _ = s.view(context.Background(), func(txn *badger.Txn) error {
		n = len(expired(txn, nil, 1_000_000))
		return nil
	})
	return n
}

func TestHistoryForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Options{InMemory: true, Retention: RetainAll(-1)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		must(t, s.Commit(t.Context(), archived(2), true))
		before := seen(t, s)
		time.Sleep(10 * time.Minute) // badger wakes up every 50 ms, so years would take minutes
		if after := seen(t, s); after != before {
			t.Errorf("after ten minutes: %s\nwant %s", after, before)
		}
	})
}

// The record of an incident can be edited after its alerts are history: the row stays what
// the engine restores from until it is no longer kept.
func TestAKeptRecordIsRestored(t *testing.T) {
	s := openFault(t, t.TempDir(), nil)
	kept := func(pos uint64, note string, keep bool) {
		t.Helper()
		row := &correlate.Incident{ID: "INC-1", Number: 1, State: correlate.IncidentResolved, Status: correlate.StatusClosed, Archived: true, Kept: keep, Revision: pos}
		row.Timeline = []correlate.TimelineEntry{{Text: note}}
		if err := s.Commit(t.Context(), []*correlate.Delta{{Meta: correlate.Meta{Pos: pos}, Incidents: []*correlate.Incident{row}}}, true); err != nil {
			t.Fatal(err)
		}
	}
	load := func() []*correlate.Incident {
		t.Helper()
		snapshot, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Incidents
	}
	kept(1, "ended", true)
	kept(2, "closed", true)
	if rows := load(); len(rows) != 1 || rows[0].Timeline[0].Text != "closed" {
		t.Fatalf("a kept record is loaded as %v", rows)
	}
	kept(3, "closed", false)
	if rows := load(); len(rows) != 0 {
		t.Errorf("what is no longer kept is loaded as %v", rows)
	}
	if i, _, err := s.Incident(t.Context(), "INC-1"); err != nil || i.Status != correlate.StatusClosed {
		t.Errorf("as history it is %v, %v", i, err)
	}
}

func TestRowsOlderThanStatusesHaveTheOneOfTheirState(t *testing.T) {
	for state, want := range map[correlate.IncidentState]correlate.Status{
		correlate.IncidentOpen: correlate.StatusDetected, correlate.IncidentResolved: correlate.StatusResolved,
	} {
		row := incidentToProto(&correlate.Incident{State: state})
		row.Status = 0
		if got := incidentFromProto(row).Status; got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
}

func TestActionItemsAreLiveUntilTheyAreArchived(t *testing.T) {
	s := openFault(t, t.TempDir(), nil)
	put := func(pos uint64, items ...*correlate.ActionItem) {
		t.Helper()
		if err := s.Commit(t.Context(), []*correlate.Delta{{Meta: correlate.Meta{Pos: pos, LastActionItem: 2}, Actions: items}}, true); err != nil {
			t.Fatal(err)
		}
	}
	put(1, &correlate.ActionItem{ID: "AI-1", Number: 1, Text: "one"}, &correlate.ActionItem{ID: "AI-2", Number: 2, Text: "two"})
	put(2, &correlate.ActionItem{ID: "AI-1", Number: 1, Text: "one", Status: correlate.ActionDone, Archived: true})
	snapshot, err := s.Load(t.Context())
	if err != nil || len(snapshot.Actions) != 1 || snapshot.Actions[0].ID != "AI-2" || snapshot.Meta.LastActionItem != 2 {
		t.Errorf("loaded %v, %v", snapshot.Actions, err)
	}
	var all []string
	if _, err := s.ScanActionItems(t.Context(), func(a *correlate.ActionItem) bool { all = append(all, a.ID); return true }); err != nil || fmt.Sprint(all) != "[AI-2 AI-1]" {
		t.Errorf("scanned %v, %v", all, err)
	}
	if a, _, err := s.ActionItem(t.Context(), "AI-1"); err != nil || a.Status != correlate.ActionDone {
		t.Errorf("as history it is %v, %v", a, err)
	}
	if _, _, err := s.ActionItem(t.Context(), "AI-3"); !errors.Is(err, ErrNotFound) {
		t.Errorf("one that there is not: %v", err)
	}
}

func TestWindowsOfMaintenanceAreLiveUntilTheyAreOver(t *testing.T) {
	s := openFault(t, t.TempDir(), nil)
	put := func(pos uint64, windows ...*correlate.Maintenance) {
		t.Helper()
		must(t, s.Commit(t.Context(), []*correlate.Delta{{Meta: correlate.Meta{Pos: pos, LastMaintenance: 2}, Maintenance: windows}}, true))
	}
	put(1, &correlate.Maintenance{ID: "MW-1", Number: 1, Reason: "one"}, &correlate.Maintenance{ID: "MW-2", Number: 2, Reason: "two"})
	put(2, &correlate.Maintenance{ID: "MW-1", Number: 1, Reason: "one", EndedBy: "ann", Archived: true})
	snapshot, err := s.Load(t.Context())
	if err != nil || len(snapshot.Maintenance) != 1 || snapshot.Maintenance[0].ID != "MW-2" || snapshot.Meta.LastMaintenance != 2 {
		t.Errorf("loaded %v, %v", snapshot.Maintenance, err)
	}
	var all []string
	if _, err := s.ScanMaintenance(t.Context(), func(w *correlate.Maintenance) bool { all = append(all, w.ID); return true }); err != nil || fmt.Sprint(all) != "[MW-2 MW-1]" {
		t.Errorf("scanned %v, %v", all, err)
	}
	if w, _, err := s.Maintenance(t.Context(), "MW-1"); err != nil || w.EndedBy != "ann" {
		t.Errorf("as history it is %v, %v", w, err)
	}
	if _, _, err := s.Maintenance(t.Context(), "MW-3"); !errors.Is(err, ErrNotFound) {
		t.Errorf("one that there is not: %v", err)
	}
}

func TestEachKindOfHistoryHasItsOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := RetainAll(time.Minute)
		r.Alerts, r.Changes, r.Incidents = 20*time.Second, -1, 40*time.Second
		s, err := Open(Options{InMemory: true, Retention: r})
		must(t, err)
		defer s.Close()
		d := rowsAt(1, 1, 400<<10)
		d[0].Pages = pageOf(d[0])
		must(t, s.Commit(t.Context(), d, true))
		must(t, s.RecordDelivery(t.Context(), d[0].Pages[0].Key(), nil, true, false))
		must(t, s.Commit(t.Context(), archived(1), true))
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{19 * time.Second, "[INC-2 INC-1 r1 r2 new old of 1: old c2 c1 page 1]"},
			{2 * time.Second, "[INC-2 INC-1 r1 r2 new c2 c1 page 1]"},
			{20 * time.Second, "[INC-2 r2 new c2 c1 page 1]"},
			{20 * time.Second, "[INC-2 r2 new c2 c1]"},
		} {
			time.Sleep(step.after)
			if got := seen(t, s); got != step.want {
				t.Errorf("%s later: %s, want %s", step.after, got, step.want)
			}
		}
	})
}

// What was to stay for ever, or for long, goes when the retention of today has passed; what
// is live, and what was to go earlier, is left alone.
func TestAShorterRetentionHoldsForWhatIsThere(t *testing.T) {
	for name, before := range map[string]Retention{"for ever": RetainAll(-1), "for long": RetainAll(24 * time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := Open(Options{InMemory: true, Retention: before})
				must(t, err)
				defer s.Close()
				d := rowsAt(1, 2, 400<<10)
				second := &correlate.Page{Incident: *d[0].Incidents[0], Seq: 2, At: time.Now()}
				other := &correlate.Page{Incident: *d[0].Incidents[1], Seq: 1, At: time.Now()}
				d[0].Pages = append(pageOf(d[0]), second, other)
				must(t, s.Commit(t.Context(), d, true))
				for _, p := range []correlate.PageKey{d[0].Pages[0].Key(), other.Key()} { // the second is not done
					must(t, s.RecordDelivery(t.Context(), p, nil, true, false))
				}
				must(t, s.Commit(t.Context(), archived(2), true))
				all := seen(t, s)

				s.opts.Retention = RetainAll(30 * time.Second)
				for range 2 { // twice as good as once
					_, err = s.shorten(t.Context())
					must(t, err)
				}
				if got := seen(t, s); got != all {
					t.Errorf("at once: %s\nwant     %s", got, all)
				}
				time.Sleep(31 * time.Second)
				if got, want := seen(t, s), "[INC-2 r2 new c2 page 2]"; got != want {
					t.Errorf("after 31 s: %s\nwant       %s", got, want)
				}
				if pages, err := s.Pages(t.Context(), "INC-2"); err != nil || len(pages) != 1 {
					t.Errorf("pages of the live incident: %v, %v", pages, err)
				}
			})
		})
	}
}

func TestALongerRetentionLeavesOldEndsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Options{InMemory: true, Retention: RetainAll(30 * time.Second)})
		must(t, err)
		defer s.Close()
		must(t, s.Commit(t.Context(), rowsAt(1, 1, 10), true))
		must(t, s.Commit(t.Context(), archived(1), true))
		s.opts.Retention = RetainAll(time.Hour)
		if n, err := s.shorten(t.Context()); n != 0 || err != nil {
			t.Errorf("changed %d entries, %v", n, err)
		}
		time.Sleep(31 * time.Second)
		if got := seen(t, s); got != "[INC-2 r2 new c2]" {
			t.Errorf("after its end: %s", got)
		}
	})
}
