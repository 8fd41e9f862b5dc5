package driver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
	"github.com/headwater-sre/headwater/correlate/store/storetest"
	"github.com/headwater-sre/headwater/topology"
)

// The real engine, stopped and started at random moments, with entries sent
// twice, commits that fail either way and ticks of its own, ends in the very state
// that one undisturbed engine reaches on the same stream.
func TestDisturbancesLeaveNoTrace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure string
		synctest.Test(t, func(t *testing.T) { failure = disturb(t, rt) })
		if failure != "" {
			rt.Fatal(failure)
		}
	})
}

func disturb(t *testing.T, rt *rapid.T) string {
	r := newRig(t)
	o := driver.Options{Source: r.stream, Store: r.disk}
	r.stream.publish(&correlate.TopologyReport{Source: "test", Spec: topology.Spec{
		Version:      "v1",
		Services:     []topology.Service{{Name: "web"}, {Name: "cart"}, {Name: "db"}},
		Dependencies: []topology.Dependency{dependency("web", "cart"), dependency("cart", "db")},
	}})
	r.start(o)
	for range rapid.IntRange(1, 12).Draw(rt, "events") {
		switch rapid.IntRange(0, 5).Draw(rt, "event") {
		case 0:
			if err := r.ended(); err != nil && !errors.Is(err, errDown) { // the last sync may have failed
				return err.Error()
			}
			r.stream.repeat = rapid.IntRange(0, 1).Draw(rt, "repeat")
			r.start(o)
		case 1:
			r.disk.fail(errDown, rapid.Bool().Draw(rt, "after"))
		case 2:
			r.disk.fail(nil, false)
		default:
			r.stream.publish(alerts(rt))
		}
		time.Sleep(time.Duration(rapid.IntRange(0, 40).Draw(rt, "seconds")) * time.Second)
		synctest.Wait()
	}
	r.disk.fail(nil, false)
	time.Sleep(10 * time.Second)
	synctest.Wait()
	r.finish()

	twin, err := correlate.New(correlate.Config{})
	if err != nil {
		return err.Error()
	}
	pages := 0
	for _, in := range r.stream.entries {
		pages += len(twin.Step(in).Pages)
	}
	got, err := r.disk.Load(context.Background())
	if err != nil {
		return err.Error()
	}
	want := twin.Snapshot()
	if diff := storetest.Diff(want, got); diff != "" {
		return "state differs from an undisturbed run:\n" + diff
	}
	if pending, err := r.disk.PendingPages(context.Background(), 0); err != nil || len(pending) != pages {
		return fmt.Sprintf("%d pages are in the outbox and %d were decided: %v", len(pending), pages, err)
	}
	return ""
}

func dependency(from, to string) topology.Dependency {
	return topology.Dependency{From: topology.Ref{Name: from}, To: topology.Ref{Name: to}}
}

func alerts(rt *rapid.T) *correlate.AlertBatch {
	b := &correlate.AlertBatch{Source: "alertmanager"}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 2), 1, 3, rapid.ID).Draw(rt, "alerts") {
		service := []string{"web", "cart", "db"}[n]
		a := correlate.Alert{
			Fingerprint: fmt.Sprintf("%016d", n),
			Labels:      map[string]string{"alertname": "HighErrorRate", "service": service, "severity": "critical"},
			StartsAt:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), // when a bubble's clock begins
		}
		if rapid.IntRange(0, 3).Draw(rt, "resolved") == 0 {
			a.Status, a.EndsAt = correlate.Resolved, time.Now().UTC()
		}
		b.Alerts = append(b.Alerts, a)
	}
	return b
}
