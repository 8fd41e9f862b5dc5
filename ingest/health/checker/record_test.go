package checker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

var someKey = Key{topology.Ref{Namespace: "shop", Name: "web"}, "page"}

var statusOf = map[rune]correlate.HealthStatus{
	'+': correlate.HealthPassing, '~': correlate.HealthDegraded, '-': correlate.HealthFailing, '?': correlate.HealthUnknown,
}

// feed gives a record one result each fifteen seconds and writes down which were published,
// with what they count for.
func feed(statuses string, def thresholds, refresh time.Duration) string {
	var r record
	var out []string
	at := time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)
	for i, s := range statuses {
		o := Observation{Key: someKey, Status: statusOf[s], At: at.Add(time.Duration(i) * 15 * time.Second)}
		if why := r.take(&o, def, refresh, false); why != notYet {
			out = append(out, fmt.Sprintf("%d%c x%d %s", i, s, r.publish(time.Hour).Count, why))
		}
	}
	return strings.Join(out, ", ")
}

func TestWhatSaysNothingNewIsPublishedNowAndThen(t *testing.T) {
	for _, c := range []struct{ point, statuses, want string }{
		{"all is well", "+++++++++", "0+ x1 changed, 1+ x1 counting, 5+ x4 refresh"},
		{"it fails, often enough to be counted", "++---++", "0+ x1 changed, 1+ x1 counting, 2- x1 changed, 3- x1 counting, 4- x1 counting, 5+ x1 changed, 6+ x1 counting"},
		{"it goes on failing", "---------", "0- x1 changed, 1- x1 counting, 2- x1 counting, 6- x4 refresh"},
		{"it fails in two ways, which count together", "~-~-~", "0~ x1 changed, 1- x1 changed, 2~ x1 changed, 3- x1 changed, 4~ x1 changed"},
		{"it gets worse when it was bad for long", "~~~~~--", "0~ x1 changed, 1~ x1 counting, 2~ x1 counting, 5- x1 changed"},
		{"it flaps", "+-+-+", "0+ x1 changed, 1- x1 changed, 2+ x1 changed, 3- x1 changed, 4+ x1 changed"},
		{"nothing is known for a while", "+???+", "0+ x1 changed, 1? x1 changed, 4+ x1 changed"},
	} {
		if got := feed(c.statuses, thresholds{3, 2}, time.Minute); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.point, c.statuses, got, c.want)
		}
	}
}

// engineOf plays results to an engine and says after each whether the check has an alert.
type engineOf struct {
	e   *correlate.Engine
	pos uint64
}

func (e *engineOf) hear(t *rapid.T, r correlate.HealthResult) {
	e.pos++
	e.e.Step(correlate.Input{Pos: e.pos, At: r.At, Signal: &correlate.HealthBatch{Results: []correlate.HealthResult{r}}})
}

func (e *engineOf) state() string {
	for _, h := range e.e.Snapshot().Health {
		return fmt.Sprintf("%s, alert %t", h.Status, h.Alert != correlate.AlertID{})
	}
	return "nothing"
}

// An engine that hears only what is published raises and ends alerts at the same result
// as one that hears each.
func TestWhoHearsWhatIsPublishedKnowsAsMuchAsWhoHearsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		def := thresholds{rapid.IntRange(1, 4).Draw(t, "failures"), rapid.IntRange(1, 4).Draw(t, "successes")}
		newEngine := func() *engineOf {
			e, err := correlate.New(correlate.Config{FailureThreshold: def.failure, SuccessThreshold: def.success})
			if err != nil {
				t.Fatal(err)
			}
			return &engineOf{e: e}
		}
		all, published := newEngine(), newEngine()
		var r record
		at := time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)
		var statuses strings.Builder
		for range rapid.IntRange(1, 60).Draw(t, "results") {
			s := rapid.SampledFrom([]rune("++++~--?")).Draw(t, "status")
			fmt.Fprintf(&statuses, "%c", s)
			at = at.Add(15 * time.Second)
			o := Observation{Key: someKey, Status: statusOf[s], At: at}
			all.hear(t, correlate.HealthResult{Service: o.Service, Check: o.Check, Status: o.Status, At: at})
			if r.take(&o, def, time.Minute, rapid.IntRange(0, 9).Draw(t, "attention") == 0) != notYet {
				published.hear(t, r.publish(time.Hour))
			}
			if got, want := published.state(), all.state(); got != want {
				t.Fatalf("after %s with thresholds %+v: %s, and who heard all knows %s", statuses.String(), def, got, want)
			}
		}
	})
}

func TestWhatWaitsForTheStreamIsFoldedAndBounded(t *testing.T) {
	b := newOutbox()
	result := func(check string, s rune) correlate.HealthResult {
		return correlate.HealthResult{Service: someKey.Service, Check: check, Status: statusOf[s], Count: 1}
	}
	dropped := 0
	for _, s := range "+---+-+~" {
		if b.add(result("a", s)) {
			dropped++
		}
	}
	b.add(result("b", '+'))
	b.add(result("b", '+'))
	var got []string
	for _, r := range b.take() {
		got = append(got, fmt.Sprintf("%s %s x%d", r.Check, r.Status, r.Count))
	}
	if want := "a passing x1|a failing x1|a passing x1|a degraded x1|b passing x2"; strings.Join(got, "|") != want || dropped != 2 || !b.empty() || len(b.take()) != 0 {
		t.Errorf("got %s, %d dropped", strings.Join(got, "|"), dropped)
	}
}
