package checker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// turns counts what a scheduler does, by task.
type turns map[string][]time.Duration

// play runs tasks for a while and says when each had its turns, from the beginning.
func play(t *testing.T, places int, during time.Duration, tasks ...*task) (turns, *scheduler) {
	t.Helper()
	began := time.Now()
	seen := make(chan func(turns), 100_000)
	for _, k := range tasks {
		work, id := k.run, k.id
		k.run = func(ctx context.Context) {
			at := time.Since(began)
			seen <- func(all turns) { all[id] = append(all[id], at) }
			work(ctx)
		}
	}
	s := newScheduler(places, newMetrics(nil))
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); s.loop(ctx) }()
	s.replaced <- tasks
	<-done
	close(seen)
	all := turns{}
	for note := range seen {
		note(all)
	}
	return all, s
}

// value is that of a metric with one.
func value(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 1 {
		t.Fatalf("gathered %v, %v", families, err)
	}
	m := families[0].GetMetric()[0]
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func quick(context.Context) {}

func hanging(ctx context.Context) { <-ctx.Done() }

func newTask(id string, run func(context.Context)) *task {
	return &task{id: id, interval: 15 * time.Second, timeout: 10 * time.Second, run: run}
}

func TestTasksAreSpreadOverTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tasks []*task
		for i := range 2000 {
			tasks = append(tasks, newTask(fmt.Sprint("check ", i), quick))
		}
		all, _ := play(t, 500, 60*time.Second, tasks...)
		var perSecond [60]int
		for id, at := range all {
			if len(at) != 4 {
				t.Errorf("%s had %d turns in a minute", id, len(at))
			}
			for i := 1; i < len(at); i++ {
				if at[i]-at[i-1] != 15*time.Second {
					t.Errorf("%s had its turns at %v", id, at)
				}
			}
			for _, a := range at {
				perSecond[int(a.Seconds())%60]++
			}
		}
		for second, n := range perSecond {
			if n < 80 || n > 190 {
				t.Errorf("second %d had %d turns of 133 that it should have", second, n)
			}
		}
	})
}

func TestARestartMovesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, _ := play(t, 1, 15*time.Second, newTask("a", quick))
		time.Sleep(7 * time.Second) // down for a while
		after, _ := play(t, 1, 15*time.Second, newTask("a", quick))
		if got, want := (after["a"][0]+22*time.Second)%(15*time.Second), before["a"][0]; got != want {
			t.Errorf("its turn was %s into the interval, and is %s", want, got)
		}
	})
}

func TestALongIntervalBeginsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daily := newTask("daily", quick)
		daily.interval = 24 * time.Hour
		all, _ := play(t, 1, 48*time.Hour, daily)
		at := all["daily"]
		if len(at) != 3 || at[0] > firstTurn || at[2]-at[1] != 24*time.Hour {
			t.Errorf("turns at %v", at)
		}
	})
}

// Ninety targets that never answer share ten places with ten that do.
func TestTargetsThatHangDelayEachOtherAndNotTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tasks []*task
		for i := range 90 {
			tasks = append(tasks, newTask(fmt.Sprint("hanging ", i), hanging))
		}
		for i := range 10 {
			tasks = append(tasks, newTask(fmt.Sprint("quick ", i), quick))
		}
		all, s := play(t, 10, 10*time.Minute, tasks...)
		hung := 0
		for i := range 90 {
			hung += len(all[fmt.Sprint("hanging ", i)])
		}
		// Half of the places, ten seconds a turn.
		if hung < 250 || hung > 400 {
			t.Errorf("targets that hang had %d turns in ten minutes", hung)
		}
		for i := range 10 {
			at := all[fmt.Sprint("quick ", i)]
			late := 0
			for j := 1; j < len(at); j++ {
				if gap := at[j] - at[j-1]; at[j] > 2*time.Minute && gap != 15*time.Second {
					late++
				}
			}
			if late > 0 || len(at) < 30 {
				t.Errorf("quick %d had %d turns, %d of them late once the others were known", i, len(at), late)
			}
		}
		if missed := value(t, s.metrics.missed); missed < 1000 {
			t.Errorf("%v turns were missed; ninety hanging targets leave out most of 3600", missed)
		}
	})
}

func TestATaskRunsOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, most := 0, 0
		stubborn := newTask("stubborn", func(context.Context) { // it does not obey its context
			running++
			most = max(most, running)
			time.Sleep(40 * time.Second)
			running--
		})
		play(t, 5, 3*time.Minute, stubborn)
		if most != 1 {
			t.Errorf("%d ran at once", most)
		}
	})
}

func TestAReloadLeavesTurnsWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		note := func(context.Context) { at = append(at, time.Since(began)) }
		s := newScheduler(1, newMetrics(nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan struct{})
		go func() { defer close(done); s.loop(ctx) }()
		for range 6 { // a reload each ten seconds
			s.replaced <- []*task{newTask("a", note)}
			time.Sleep(10 * time.Second)
		}
		<-done
		if len(at) != 4 || at[3]-at[0] != 45*time.Second {
			t.Errorf("turns at %v", at)
		}
	})
}
