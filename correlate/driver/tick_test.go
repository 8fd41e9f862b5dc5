package driver_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestADeadlineIsMetByATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(r.options())
		began := time.Now()
		r.stream.publish(do("deadline in 10s"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.stream.ticks) != 1 || r.stream.ticks[0].Sub(began) != 10*time.Second {
			t.Errorf("ticks at %v, want one at the deadline", since(began, r.stream.ticks))
		}
		r.finish()
	})
}

func TestADeadlineOfThePastIsMetAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.publish(do("deadline in 10s"))
		time.Sleep(time.Hour)
		began := time.Now()
		r.start(r.options())
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.stream.ticks) != 1 || !r.stream.ticks[0].Equal(began) {
			t.Errorf("ticks at %v, want one at once", since(began, r.stream.ticks))
		}
		r.finish()
	})
}

func TestWhoPacesTheDriverTicksInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		o := r.options()
		o.Paced = true
		r.start(o)
		began := time.Now()
		if at, ok := r.NextDeadline(); ok {
			t.Errorf("a deadline at %v before there is one", at)
		}
		r.stream.publish(do("deadline in 10s"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.stream.attempts) != 0 {
			t.Errorf("ticks at %v, want none", since(began, r.stream.attempts))
		}
		if at, ok := r.NextDeadline(); !ok || at.Sub(began) != 10*time.Second {
			t.Errorf("next deadline %v %v, want after 10s", at, ok)
		}
		r.finish()
	})
}

func TestTicksAreRetriedWithGrowingPausesAndOneLogLine(t *testing.T) {
	for name, lost := range map[string]bool{"refused": false, "stored, then reported as failed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var logged bytes.Buffer
				o := r.options()
				o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
				r.stream.tickErr, r.stream.lostTick = errDown, lost
				r.start(o)
				r.stream.publish(do("deadline in 10s"))
				time.Sleep(70 * time.Second)
				synctest.Wait()
				attempts := len(r.stream.attempts)
				if lost && attempts != 1 {
					t.Errorf("%d attempts though the first one arrived", attempts)
				}
				if !lost && (attempts < 10 || attempts > 25) {
					t.Errorf("%d attempts in a minute", attempts)
				}
				if n := strings.Count(logged.String(), "tick could not be published"); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, &logged)
				}
				r.stream.set(func() { r.stream.tickErr = nil })
				r.stream.publish(do("deadline in 10s"))
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if last := r.stream.ticks[len(r.stream.ticks)-1]; time.Since(last) > 10*time.Second {
					t.Errorf("no tick after the recovery: %v", r.stream.ticks)
				}
				r.finish()
			})
		})
	}
}

// The deadline is a time of the stream's clock, which may differ from ours.
func TestTicksFollowTheStreamsClock(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": time.Minute, "behind": -time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.stream.skew = skew
				r.start(r.options())
				began := time.Now()
				r.stream.publish(do("deadline in 10s"))
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				met := r.stream.ticks[len(r.stream.ticks)-1].Sub(began)
				if met < 10*time.Second || met > 11*time.Second {
					t.Errorf("deadline was met after %v, want 10s", met)
				}
				if n := len(r.stream.ticks); n > 1000 {
					t.Errorf("%d ticks", n)
				}
				r.finish()
			})
		})
	}
}

func since(began time.Time, times []time.Time) []time.Duration {
	var out []time.Duration
	for _, t := range times {
		out = append(out, t.Sub(began))
	}
	return out
}
