package correlate_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/correlatetest"
	"github.com/headwater-sre/headwater/topology"
)

func newEngine(t require, cfg correlate.Config) *correlate.Engine {
	e, err := correlate.New(cfg)
	if err != nil {
		t.Fatalf("new engine: %v", err)
	}
	return e
}

// require is what *testing.T, *testing.B and *rapid.T have in common.
type require interface{ Fatalf(string, ...any) }

func restore(t require, cfg correlate.Config, s *correlate.Snapshot) *correlate.Engine {
	e, err := correlate.Restore(cfg, s)
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	return e
}

// encode is a row or delta byte by byte: everything in it, in a fixed form.
func encode(t require, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return string(b)
}

func play(e *correlate.Engine, inputs []correlate.Input) []*correlate.Delta {
	var out []*correlate.Delta
	for _, in := range inputs {
		out = append(out, e.Step(in))
	}
	return out
}

// ledgerOf plays inputs into a fresh engine and keeps what it returned.
func ledgerOf(t require, cfg correlate.Config, inputs []correlate.Input) *correlatetest.Ledger {
	l := correlatetest.NewLedger()
	for _, d := range play(newEngine(t, cfg), inputs) {
		l.Apply(d)
	}
	return l
}

// expiring is a configuration under which alerts also end for want of news.
var expiring = correlate.Config{StaleAfter: 7 * time.Minute}

// watchful is a configuration under which on-call is reminded, and others are called.
var watchful = correlate.Config{StaleAfter: 40 * time.Minute, Policy: correlate.Policy{
	RingSpacing: 2 * time.Minute, Reminder: 4 * time.Minute,
	Escalation: []correlate.EscalationPolicy{{Steps: []correlate.EscalationStep{
		{After: 3 * time.Minute, When: correlate.EscalateUnacknowledged, To: []string{"secondary"}},
		{After: 5 * time.Minute, When: correlate.EscalateNoProgress, To: []string{"lead"}},
		{When: correlate.EscalateCriticalFunction, To: []string{"duty manager"}},
		{After: 20 * time.Minute, To: []string{"management"}},
	}}},
}}

// turns is a calendar: routes are muted in the first third of each half-hour, and it is day in the second quarter of each hour.
type turns struct{}

func (turns) Routes(_ map[string]string, at time.Time) correlate.RouteHours {
	begun := at.Truncate(30 * time.Minute)
	if at.Sub(begun) < 10*time.Minute {
		return correlate.RouteHours{Muted: "muted by turns", OpensAt: begun.Add(10 * time.Minute)}
	}
	return correlate.RouteHours{Open: true, Muted: "muted by others", OpensAt: begun.Add(40 * time.Minute)}
}

func (turns) Within(_ string, at time.Time) (in bool, change time.Time) {
	hour := at.Truncate(time.Hour)
	switch quarter := at.Sub(hour) / (15 * time.Minute); {
	case quarter < 1:
		return false, hour.Add(15 * time.Minute)
	case quarter < 2:
		return true, hour.Add(30 * time.Minute)
	}
	return false, hour.Add(75 * time.Minute)
}

// timely is a configuration under which pages wait for hours.
var timely = correlate.Config{Calendar: turns{}, Policy: correlate.Policy{
	Maintenance: []correlate.RecurringMaintenance{{Name: "backups", Interval: "day", Services: []topology.Ref{{Name: "s1"}}, Dependents: true}},
	Reminder:    4 * time.Minute, Daytime: correlate.Daytime{Interval: "day", Sevs: []correlate.Sev{correlate.Sev2, correlate.Sev3}},
}}

func drawConfig(t *rapid.T) correlate.Config {
	return rapid.SampledFrom([]correlate.Config{{}, expiring, watchful, timely, {Hold: 2 * time.Minute, Settle: 3 * time.Second, Linker: twoLinks{}, Notices: true, StatusPages: true}}).Draw(t, "config")
}

func TestTheSameInputsGiveTheSameDeltas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, inputs := drawConfig(t), drawHistory(t)
		one, two := newEngine(t, cfg), newEngine(t, cfg)
		for i, in := range inputs {
			if diff := cmp.Diff(one.Step(in), two.Step(in)); diff != "" {
				t.Fatalf("input %d: the second engine differs:\n%s", i, diff)
			}
		}
	})
}

// An engine that is restored before every single input decides what one that was
// never restored decides. That covers each possible cut.
func TestAnEngineRestoredAtAnyCutGoesOnAsIfNothingHadHappened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkRestored(t, drawConfig(t), drawHistory(t)) })
}

func TestCorrectionsAndWhatWasLearnedSurviveARestoreAtAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkRestored(t, drawConfig(t), drawCorrections(t)) })
}

func checkRestored(t *rapid.T, cfg correlate.Config, inputs []correlate.Input) {
	steady, restored := newEngine(t, cfg), newEngine(t, cfg)
	ledger := correlatetest.NewLedger()
	for i, in := range inputs {
		want, got := steady.Step(in), restored.Step(in)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("input %d: the restored engine differs:\n%s", i, diff)
		}
		ledger.Apply(want)
		snapshot := steady.Snapshot()
		if diff := cmp.Diff(snapshot, ledger.Snapshot(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("after input %d the union of the deltas is not the snapshot (-snapshot +deltas):\n%s", i, diff)
		}
		restored = restore(t, cfg, ledger.Snapshot())
		wantAt, wantOK := steady.NextDeadline()
		gotAt, gotOK := restored.NextDeadline()
		if !wantAt.Equal(gotAt) || wantOK != gotOK {
			t.Fatalf("after input %d: next deadline %s %t, restored %s %t", i, wantAt, wantOK, gotAt, gotOK)
		}
	}
}

// The order of a snapshot's rows says nothing.
func TestASnapshotsRowsMayComeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inputs := drawHistory(t)
		cut := rapid.IntRange(1, len(inputs)).Draw(t, "cut")
		e := newEngine(t, correlate.Config{})
		play(e, inputs[:cut])
		s := e.Snapshot()
		s.Alerts = rapid.Permutation(s.Alerts).Draw(t, "alerts")
		s.Incidents = rapid.Permutation(s.Incidents).Draw(t, "incidents")
		s.Health = rapid.Permutation(s.Health).Draw(t, "health")
		s.Changes = rapid.Permutation(s.Changes).Draw(t, "changes")
		s.Stats = rapid.Permutation(s.Stats).Draw(t, "stats")
		s.Actions = rapid.Permutation(s.Actions).Draw(t, "action items")
		s.Past = rapid.Permutation(s.Past).Draw(t, "past")
		shuffled := restore(t, correlate.Config{}, s)
		if diff := cmp.Diff(play(e, inputs[cut:]), play(shuffled, inputs[cut:])); diff != "" {
			t.Fatalf("from cut %d on (-snapshot +shuffled):\n%s", cut, diff)
		}
	})
}

func TestAnInputThatComesAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, inputs := drawConfig(t), drawHistory(t)
		e := newEngine(t, cfg)
		for i, in := range inputs {
			d := e.Step(in)
			before := encode(t, e.Snapshot())
			old := inputs[rapid.IntRange(0, i).Draw(t, "old")]
			old.At = old.At.Add(rapid.SampledFrom(pauses).Draw(t, "late"))
			if diff := cmp.Diff(&correlate.Delta{Meta: d.Meta}, e.Step(old)); diff != "" {
				t.Fatalf("position %d again after %d:\n%s", old.Pos, in.Pos, diff)
			}
			if after := encode(t, e.Snapshot()); before != after {
				t.Fatalf("position %d again after %d: the state changed", old.Pos, in.Pos)
			}
		}
	})
}

// sameBut compares ledgers without what a further notification of old news, or a
// further tick, may change: when something was last seen, and positions.
func sameBut(a, b *correlatetest.Ledger) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(correlatetest.Ledger{}), cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(correlate.AlertState{}, "LastSeen", "Revision"),
		cmpopts.IgnoreFields(correlate.Incident{}, "UpdatedAt", "Revision"),
		cmpopts.IgnoreFields(correlate.HealthState{}, "Revision"),
		cmpopts.IgnoreFields(correlate.Maintenance{}, "Revision"),
		cmpopts.IgnoreFields(correlate.Meta{}, "Pos", "Now"))
}

// Alertmanager sends the whole group again whenever anything in it changes, and
// two of them in high availability send everything twice.
func TestANotificationThatComesTwiceChangesOnlyWhenItWasLastSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inputs := drawHistory(t)
		var twice []correlate.Input
		for _, in := range inputs {
			twice = append(twice, in)
			if b, ok := in.Signal.(*correlate.AlertBatch); ok {
				again := *b
				if b.Truncated == 0 { // what was left out is put down to the first alert that was not
					again.Alerts = rapid.Permutation(b.Alerts).Draw(t, "order")
				}
				twice = append(twice, correlate.Input{Pos: in.Pos + 1, At: in.At, Signal: &again})
			}
		}
		if diff := sameBut(ledgerOf(t, correlate.Config{}, inputs), ledgerOf(t, correlate.Config{}, twice)); diff != "" {
			t.Fatalf("-once +twice:\n%s", diff)
		}
	})
}

// A tick changes nothing but the moment at which a result is known: an engine that is
// stepped at each of its deadlines decides what one decides that sleeps through them.
func TestDeadlinesPassAtTheirOwnTimeHoweverLateTheTick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, inputs := drawConfig(t), drawHistory(t)
		e, prompt := newEngine(t, cfg), correlatetest.NewLedger()
		for _, in := range inputs {
			for pos := in.Pos - stride + 2; ; pos++ {
				at, ok := e.NextDeadline()
				if !ok || at.After(in.At) {
					break
				}
				if pos == in.Pos {
					t.Fatalf("before input %d: still something due at %s after %d ticks", in.Pos, at, stride)
				}
				prompt.Apply(e.Step(correlate.Input{Pos: pos, At: at, Signal: correlate.Tick{}}))
			}
			prompt.Apply(e.Step(in))
		}
		if diff := sameBut(ledgerOf(t, cfg, inputs), prompt); diff != "" {
			t.Fatalf("-late +prompt:\n%s", diff)
		}
	})
}

// Alerts that arrive within the settling time are divided the same way, whatever the order.
func TestLesson15_TheOrderOfArrivalWithinTheSettlingTimeDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		graph := drawTopology(t, 1)
		var alerts []correlate.Alert
		for i := range rapid.IntRange(2, 14).Draw(t, "alerts") {
			s := &labelSet{labels: drawLabels(t, i)}
			s.starts = epoch.Add(-rapid.SampledFrom([]time.Duration{0, 3 * time.Second, 40 * time.Second, 2 * time.Minute, 5 * time.Minute}).Draw(t, "age"))
			alerts = append(alerts, s.alert(time.Time{}))
		}
		arrive := func(order []correlate.Alert, size int) string {
			inputs := []correlate.Input{{Pos: 1, At: epoch, Signal: graph}}
			for batch := range slices.Chunk(order, size) {
				inputs = append(inputs, correlate.Input{Pos: uint64(len(inputs) + 1), At: epoch, Signal: &correlate.AlertBatch{Alerts: batch}})
			}
			inputs = append(inputs, correlate.Input{Pos: 100, At: epoch.Add(4 * time.Minute)})
			return partition(ledgerOf(t, correlate.Config{}, inputs))
		}
		want := arrive(alerts, len(alerts))
		got := arrive(rapid.Permutation(alerts).Draw(t, "order"), rapid.IntRange(1, len(alerts)).Draw(t, "batch"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-in order +permuted:\n%s", diff)
		}
	})
}

// partition renders which alerts are together, under which id and origin.
func partition(l *correlatetest.Ledger) string {
	var b strings.Builder
	for _, i := range l.Numbered() {
		fmt.Fprintf(&b, "%s %s", i.ID, i.State)
		if o := i.Origin(); o != nil {
			fmt.Fprintf(&b, " origin %s %.6f", o.Service, o.Probability)
		}
		for _, a := range l.Members(i.ID) {
			fmt.Fprintf(&b, " %s", a.Fingerprint[12:])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// What was handed out is the receiver's: no later step changes it.
func TestWhatAStepReturnedNeverChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, inputs := drawConfig(t), drawHistory(t)
		e := newEngine(t, cfg)
		var deltas []*correlate.Delta
		var snapshots []*correlate.Snapshot
		var then []string
		for _, in := range inputs {
			deltas, snapshots = append(deltas, e.Step(in)), append(snapshots, e.Snapshot())
			then = append(then, encode(t, deltas[len(deltas)-1])+encode(t, snapshots[len(snapshots)-1]))
		}
		for i := range deltas {
			if now := encode(t, deltas[i]) + encode(t, snapshots[i]); now != then[i] {
				t.Fatalf("the delta or the snapshot of input %d changed after it was handed out (-then +now):\n%s", i, cmp.Diff(then[i], now))
			}
		}
	})
}

// The promises that can be read from the rows hold after every step, and when
// everything has ended the engine is quiet, has forgotten everything, and on-call
// was told of the end of all that on-call was told of.
func TestThePromisesHoldAfterEveryStep(t *testing.T) {
	rapid.Check(t, checkPromises)
}

func TestThePromisesHoldWhateverOperatorsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { promisesHold(t, drawConfig(t), drawCorrections(t)) })
}

func FuzzStep(f *testing.F) {
	for _, seed := range []string{"", "\x01\x02\x03\x04", strings.Repeat("\x00\x10\xff", 60), strings.Repeat("burst of alerts", 30)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(rapid.MakeFuzz(checkPromises))
}

func checkPromises(t *rapid.T) { promisesHold(t, drawConfig(t), drawHistory(t)) }

func promisesHold(t *rapid.T, cfg correlate.Config, inputs []correlate.Input) {
	e, l := newEngine(t, cfg), correlatetest.NewLedger()
	step := func(in correlate.Input) {
		l.Apply(e.Step(in))
		at, ok := e.NextDeadline()
		if problems := l.Check(cfg, at, ok); len(problems) > 0 {
			t.Fatalf("after position %d (%T at %s):\n%s", in.Pos, in.Signal, in.At.Sub(epoch), strings.Join(problems, "\n"))
		}
	}
	for _, in := range inputs {
		step(in)
	}
	last := inputs[len(inputs)-1]
	step(correlate.Input{Pos: last.Pos + 1, At: last.At, Signal: allResolved(l)})
	step(correlate.Input{Pos: last.Pos + 2, At: last.At, Signal: allHealthy(e)})
	for i := range 8 {
		step(correlate.Input{Pos: last.Pos + 3 + uint64(i), At: last.At.Add(time.Duration(i*20) * time.Minute), Signal: correlate.Tick{}})
	}
	step(correlate.Input{Pos: last.Pos + 11, At: last.At.Add(24 * time.Hour), Signal: correlate.Tick{}})
	if at, ok := e.NextDeadline(); ok && len(cfg.Policy.Maintenance) == 0 { // which recurs for ever
		t.Fatalf("all is over and something is due at %s", at)
	}
	s := e.Snapshot()
	if len(s.Alerts)+len(s.Health) > 0 {
		t.Fatalf("all is over and %d alerts and %d checks are still remembered, such as %s", len(s.Alerts), len(s.Health), encode(t, s.Alerts))
	}
	for _, i := range s.Incidents {
		if !i.Archived || !i.Kept {
			t.Fatalf("all is over and more than the record of %s is still remembered", i.ID)
		}
	}
	if n := len(l.Snapshot().Health); n > 0 {
		t.Fatalf("the engine forgot all checks and the rows still have %d", n)
	}
	for id := range l.Pages {
		if l.Open(id) {
			t.Fatalf("all is over and on-call still holds a page of %s", id)
		}
	}
}

func allResolved(l *correlatetest.Ledger) *correlate.AlertBatch {
	b := &correlate.AlertBatch{Source: "alertmanager"}
	for _, a := range l.Snapshot().Alerts {
		if a.Active() && a.Sender != "health" {
			over := a.Alert
			over.Status, over.EndsAt = correlate.Resolved, l.Meta.Now
			b.Alerts = append(b.Alerts, over)
		}
	}
	return b
}

func allHealthy(e *correlate.Engine) *correlate.HealthBatch {
	b := &correlate.HealthBatch{Source: "probe"}
	for _, h := range e.Snapshot().Health {
		b.Results = append(b.Results, correlate.HealthResult{Service: h.Service, Check: h.Check, Status: correlate.HealthPassing, Count: 2})
	}
	return b
}

// The first notification of a storm is the one most likely to be cut short.
func TestWhatTheFirstNotificationLeftOutIsCountedWithItsIncident(t *testing.T) {
	s := &labelSet{labels: map[string]string{"__fp": "00000000000000aa", "alertname": "HighErrorRate", "service": "web", "severity": "critical"}, starts: epoch}
	l := ledgerOf(t, correlate.Config{}, []correlate.Input{
		{Pos: 1, At: epoch, Signal: &correlate.AlertBatch{Alerts: []correlate.Alert{s.alert(time.Time{})}, Truncated: 41}},
		{Pos: 2, At: epoch.Add(5 * time.Second)},
	})
	if got := l.Incidents["INC-1"].Truncated; got != 41 {
		t.Errorf("the sender left out 41 alerts; the incident says %d", got)
	}
}

func TestCommandsThatCannotBeCarriedOutSayWhy(t *testing.T) {
	e := newEngine(t, correlate.Config{})
	for _, c := range []*correlate.Command{
		{Kind: correlate.CommandAcknowledge, Incident: "INC-7"},
		{Kind: correlate.CommandUnknown, Incident: "INC-7"},
	} {
		pos := e.Snapshot().Meta.Pos + 1
		if d := e.Step(correlate.Input{Pos: pos, At: epoch, Signal: c}); d.Rejected == "" {
			t.Errorf("%s of an incident that does not exist was not refused", c.Kind)
		}
	}
	bad := topology.Spec{Services: []topology.Service{{Name: "a"}, {Name: "a"}}}
	if d := e.Step(correlate.Input{Pos: 9, At: epoch, Signal: &correlate.TopologyReport{Source: "test", Spec: bad}}); d.Rejected == "" || d.Topology != nil {
		t.Errorf("a graph that names a service twice was taken: %q", d.Rejected)
	}
}
