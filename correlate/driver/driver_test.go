package driver_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEntriesAreSteppedOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.repeat = 2
		for range 1000 {
			r.stream.publish(do("nothing"))
		}
		r.start(r.options())
		if got := r.record.positions(); !slices.Equal(got, upTo(1000)) {
			t.Errorf("stepped %d positions, want 1 to 1000 in order", len(got))
		}
		next := uint64(1)
		for _, c := range r.disk.log() {
			if c.first != next || c.last-c.first >= 256 {
				t.Errorf("a commit of %d to %d where %d was due", c.first, c.last, next)
			}
			next = c.last + 1
		}
		r.finish()
	})
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.publish(do("nothing"), do("nothing"))
		r.start(r.options()).finish()
		r.stream.publish(do("nothing"))
		r.start(r.options()).finish()
		if got := r.record.positions(); !slices.Equal(got, upTo(3)) {
			t.Errorf("stepped %v, want each once", got)
		}
	})
}

func TestAPageIsSyncedAtOnceAndTheRestWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).start(newRig(t).options())
		r.finish()

		r = newRig(t)
		r.start(r.options())
		r.stream.publish(do("nothing"))
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		r.stream.publish(do("nothing"))
		synctest.Wait()
		if pages := len(r.disk.log()); pages != 2 || r.disk.log()[0].sync {
			t.Errorf("commits %+v, want two without sync", r.disk.log())
		}
		time.Sleep(700*time.Millisecond + 1)
		synctest.Wait()
		if log := r.disk.log(); len(log) != 3 || !log[2].sync || log[2].last != 0 {
			t.Errorf("commits %+v, want a bare sync one second after the first", log)
		}
		time.Sleep(time.Hour)
		r.stream.publish(do("page"))
		synctest.Wait()
		if log := r.disk.log(); len(log) != 4 || !log[3].sync || log[3].last != 3 {
			t.Errorf("commits %+v, want a synced one for the page and nothing in the quiet hour", log)
		}
		r.finish()
		if n := len(r.disk.log()); n != 4 {
			t.Errorf("%d commits after the stop, want no sync when all is synced", n)
		}
	})
}

func TestStopSyncsWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(r.options())
		r.stream.publish(do("nothing"))
		synctest.Wait()
		r.finish()
		log := r.disk.log()
		if last := log[len(log)-1]; !last.sync || last.last != 0 {
			t.Errorf("last commit %+v, want a bare sync", last)
		}
		if r.stream.following != 0 {
			t.Error("the stream is still followed after Run has returned")
		}
		if _, err := r.Wait(t.Context(), 99); !errors.Is(err, driver.ErrStopped) {
			t.Errorf("Wait after the stop: %v, want ErrStopped", err)
		}
	})
}

func TestCommitFailureHoldsEverythingUntilItSucceeds(t *testing.T) {
	for name, after := range map[string]bool{"refused": false, "done, then reported as failed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var logged bytes.Buffer
				o := r.options()
				o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
				r.start(o)
				r.disk.fail(errDown, after)
				r.stream.publish(do("page"))
				synctest.Wait()
				r.stream.publish(do("page"), do("reject"))
				time.Sleep(time.Minute)
				synctest.Wait()

				if got := r.record.positions(); !slices.Equal(got, upTo(1)) {
					t.Errorf("stepped %v while the commit of 1 fails", got)
				}
				if err := r.Ready(); !errors.Is(err, errDown) {
					t.Errorf("Ready: %v, want the failure", err)
				}
				soon, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := r.Wait(soon, 1); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Wait: %v, want nothing published", err)
				}
				attempts := len(r.disk.log())
				if attempts < 8 || attempts > 30 {
					t.Errorf("%d attempts in a minute, want a growing pause up to 5 s", attempts)
				}
				if n := strings.Count(logged.String(), "commit failed"); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, &logged)
				}

				r.disk.fail(nil, false)
				time.Sleep(6 * time.Second)
				synctest.Wait()
				if text, err := r.Wait(t.Context(), 3); err != nil || text != "no to 3" {
					t.Errorf("Wait: %q, %v", text, err)
				}
				if err := r.Ready(); err != nil {
					t.Errorf("Ready after the recovery: %v", err)
				}
				pages, err := r.disk.PendingPages(t.Context(), 0)
				if err != nil || len(pages) != 2 {
					t.Errorf("%d pages, %v, want each once", len(pages), err)
				}
				r.finish()
			})
		})
	}
}

func TestStopWhileCommitsFailReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.disk.fail(errDown, false)
		r.stream.publish(do("page"))
		r.start(r.options())
		before := time.Now()
		if err := r.ended(); err != nil {
			t.Errorf("Run: %v, want nil: the stream will deliver it again", err)
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("stopping took %v", took)
		}
		if snap, err := r.disk.Load(t.Context()); err != nil || snap.Meta.Pos != 0 {
			t.Errorf("position %d on disk, %v", snap.Meta.Pos, err)
		}
	})
}

type permanent struct{ error }

func (permanent) Permanent() bool { return true }

// A stop that comes while the state is still being loaded is a stop, not a failure.
func TestStopBeforeTheEngineIsRestored(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d, err := driver.New(driver.Options{Source: newStream(), Store: stoppedStore{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// stoppedStore does what a store does when its caller has gone.
type stoppedStore struct{ driver.Store }

func (stoppedStore) Load(ctx context.Context) (*correlate.Snapshot, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAPermanentStoreErrorEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		failure := permanent{errDown}
		r.disk.fail(failure, false)
		r.stream.publish(do("page"))
		r.start(r.options())
		if err := <-r.done; !errors.Is(err, failure) {
			t.Errorf("Run: %v, want the store's error", err)
		}
		if err := r.Ready(); !errors.Is(err, failure) {
			t.Errorf("Ready: %v", err)
		}
	})
}

// brokenStream ends by itself.
type brokenStream struct {
	*stream
	err error
}

func (s brokenStream) Follow(context.Context, uint64, chan<- correlate.Input) error { return s.err }

func TestAStreamThatEndsEndsRun(t *testing.T) {
	for name, cause := range map[string]error{"with an error": errDown, "without one": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				o := r.options()
				o.Source = brokenStream{r.stream, cause}
				r.start(o)
				err := <-r.done
				if err == nil || cause != nil && !errors.Is(err, cause) {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.publish(do("reject"), do("nothing"))
		r.start(r.options())
		for pos, want := range map[uint64]string{1: "no to 1", 2: ""} {
			if got, err := r.Wait(t.Context(), pos); got != want || err != nil {
				t.Errorf("Wait(%d) = %q, %v, want %q", pos, got, err, want)
			}
		}
		type answer struct {
			text string
			err  error
		}
		answers := make(chan answer, 1)
		go func() {
			text, err := r.Wait(t.Context(), 4)
			answers <- answer{text, err}
		}()
		r.stream.publish(do("nothing"))
		synctest.Wait()
		if len(answers) > 0 {
			t.Error("Wait(4) returned at position 3")
		}
		r.stream.publish(do("reject"))
		if got := <-answers; got != (answer{"no to 4", nil}) {
			t.Errorf("Wait(4) = %+v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Wait(ctx, 5); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait with an ended context: %v", err)
		}
		r.finish()
	})
}

func TestOldRejectionsAreForgottenNewOnesAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(r.options())
		for range 1500 {
			r.stream.publish(do("reject"))
		}
		synctest.Wait()
		for pos, want := range map[uint64]string{1: "", 476: "", 477: "no to 477", 1500: "no to 1500"} {
			if got, err := r.Wait(t.Context(), pos); got != want || err != nil {
				t.Errorf("Wait(%d) = %q, %v, want %q", pos, got, err, want)
			}
		}
		r.finish()
	})
}

func TestReadyOnceCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.publish(do("page"), do("page"))
		r.stream.lastErr = errDown
		r.start(r.options())
		if err := r.Ready(); err == nil {
			t.Error("ready while the stream's end is unknown")
		}
		r.stream.set(func() { r.stream.lastErr = nil })
		time.Sleep(time.Second)
		synctest.Wait()
		if err := r.Ready(); err != nil {
			t.Errorf("Ready: %v", err)
		}
		if lag := r.Lag(); lag != (driver.Lag{}) {
			t.Errorf("lag %+v, want none", lag)
		}
		r.finish()
	})
}

// deafStream has entries that it does not send.
type deafStream struct{ *stream }

func (deafStream) Follow(ctx context.Context, _ uint64, _ chan<- correlate.Input) error {
	<-ctx.Done()
	return nil
}

func TestNotReadyWhenNothingArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		o := r.options()
		o.Source = deafStream{r.stream}
		r.start(o)
		if err := r.Ready(); err != nil {
			t.Errorf("at the end of an empty stream: %v", err)
		}
		r.stream.publish(do("nothing"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := r.Ready(); err != nil {
			t.Errorf("10 s behind: %v", err)
		}
		if lag := r.Lag(); lag.Entries != 1 {
			t.Errorf("lag %+v, want 1 entry", lag)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if err := r.Ready(); err == nil {
			t.Error("ready after 40 s without progress")
		}
		r.finish()
	})
}

func TestAPoisonedEntryIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.publish(do("page"), do("panic"), do("page"))
		reg := prometheus.NewRegistry()
		o := r.options()
		o.Registerer = reg
		r.start(o)
		if text, err := r.Wait(t.Context(), 2); err != nil || !strings.Contains(text, "set aside") {
			t.Errorf("Wait(2) = %q, %v", text, err)
		}
		if _, err := r.Wait(t.Context(), 3); err != nil {
			t.Errorf("Wait(3): %v", err)
		}
		if got := r.record.positions(); !slices.Equal(got, []uint64{1, 2, 2, 3}) {
			t.Errorf("stepped %v, want the poison again as a tick", got)
		}
		if len(r.kept) != 1 || r.kept[0].Pos != 2 {
			t.Errorf("kept %v, want entry 2", r.kept)
		}
		if pages, err := r.disk.PendingPages(t.Context(), 0); err != nil || len(pages) != 2 {
			t.Errorf("%d pages, %v, want those before and after", len(pages), err)
		}
		if got := metric(t, reg, "headwater_engine_quarantined_entries_total"); got != 1 {
			t.Errorf("metric says %v set aside", got)
		}
		r.finish()
		r.start(r.options()).finish()
		if got := len(r.record.positions()); got != 4 {
			t.Errorf("%d steps after a restart, want no second try", got)
		}
	})
}

// metric is the value of a counter or gauge without labels, or of the first with labels.
func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestAPoisonedStateEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.publish(do("panic for ever"))
		r.start(r.options())
		if err := <-r.done; err == nil || !strings.Contains(err.Error(), "on a tick in its place") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestMetricNamesAreStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		reg := prometheus.NewRegistry()
		o := r.options()
		o.Registerer = reg
		r.stream.publish(do("page"), do("reject"))
		r.start(o).finish()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range families {
			names = append(names, f.GetName())
		}
		want := []string{
			"headwater_driver_applied_entries_total",
			"headwater_driver_batch_entries",
			"headwater_driver_commit_failures_total",
			"headwater_driver_lag_entries",
			"headwater_driver_lag_seconds",
			"headwater_driver_position",
			"headwater_engine_quarantined_entries_total",
			"headwater_engine_rejected_entries_total",
			"headwater_engine_step_duration_seconds",
			"headwater_incident_events_total",
			"headwater_incidents_open",
			"headwater_pages_decided_total",
		}
		if !slices.Equal(names, want) {
			t.Errorf("metrics %q, want %q", names, want)
		}
		if got := metric(t, reg, "headwater_incidents_open"); got != 1 {
			t.Errorf("%v incidents open, want 1", got)
		}
		if got := metric(t, reg, "headwater_engine_rejected_entries_total"); got != 1 {
			t.Errorf("%v rejections, want 1", got)
		}
	})
}
