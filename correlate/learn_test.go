package correlate

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/topology"
)

var learnedAt = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)

// taught is an engine with these figures, on the graph web -> cart -> mysql, reports -> mysql.
func taught(t require, figures map[string]float64) *Engine {
	ref := func(name string) topology.Ref { return topology.Ref{Name: name} }
	s := &Snapshot{Meta: Meta{Pos: 1, Now: learnedAt}, Topology: &topology.Spec{
		Version: "1", Services: []topology.Service{{Name: "mysql", Kind: topology.KindDatabase}},
		Dependencies: []topology.Dependency{{From: ref("web"), To: ref("cart")}, {From: ref("cart"), To: ref("mysql")}, {From: ref("reports"), To: ref("mysql")}},
	}}
	for key, count := range figures {
		s.Stats = append(s.Stats, Stat{Key: key, Count: count, At: learnedAt})
	}
	e, err := Restore(Config{}, s)
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	return e
}

type require interface{ Fatalf(string, ...any) }

func (e *Engine) nodeOf(name string) nodeID { return e.nodes.id(topology.Ref{Name: name}) }

func TestWithNothingLearnedTheEngineGoesByItsPriors(t *testing.T) {
	e := taught(t, nil)
	for _, name := range []string{"mysql", "cart", "nowhere"} {
		n := e.nodeOf(name)
		kind := e.nodes.kind(n)
		if got := e.coverageOf(n); got != coverage(kind) {
			t.Errorf("coverage of %s: %v, the prior is %v", name, got, coverage(kind))
		}
		if got := e.silenceOf(n); got != silence(kind) {
			t.Errorf("silence of %s: %v, the prior is %v", name, got, silence(kind))
		}
	}
	if got := e.edgeFactor(e.nodeOf("cart"), e.nodeOf("mysql"), .7); got != .7 {
		t.Errorf("cart -> mysql: %v, the prior is .7", got)
	}
	if got := e.noiseOf("SlowQueries"); got != 0 {
		t.Errorf("noise of a rule that was never noise: %v", got)
	}
}

func TestWhatWasSeenMovesTheFigures(t *testing.T) {
	e := taught(t, map[string]float64{
		"silent/mysql": 20, "spoke/cart": 20, "carried/cart -> mysql": 20, "held/reports -> mysql": 20, "since/": 1, "noise/SlowQueries": 200,
		"silent/gone": 7, "carried/cart -> gone": 7, // not in the graph
	})
	for _, c := range []struct {
		what       string
		got, prior float64
		up         bool
	}{
		{"coverage of mysql, silent in 20 failures", e.coverageOf(e.nodeOf("mysql")), coverage(topology.KindDatabase), false},
		{"coverage of cart, which spoke in 20", e.coverageOf(e.nodeOf("cart")), coverage(topology.KindService), true},
		{"cart -> mysql, carried 20 times", e.edgeFactor(e.nodeOf("cart"), e.nodeOf("mysql"), .7), .7, true},
		{"reports -> mysql, held 20 times", e.edgeFactor(e.nodeOf("reports"), e.nodeOf("mysql"), .7), .7, false},
		{"noise of SlowQueries, 200 times", e.noiseOf("SlowQueries"), 0, true},
	} {
		if c.up && c.got <= c.prior || !c.up && c.got >= c.prior {
			t.Errorf("%s: %.3f, the prior is %.3f", c.what, c.got, c.prior)
		}
	}
	before := &AlertState{Alert: Alert{Labels: map[string]string{"alertname": "Other"}}, Class: ClassLatency, Severity: SeverityCritical}
	noisy := &AlertState{Alert: Alert{Labels: map[string]string{"alertname": "SlowQueries"}}, Class: ClassLatency, Severity: SeverityCritical}
	if e.gainOf(noisy) >= e.gainOf(before) || e.gainOf(noisy) < leastGain {
		t.Errorf("gain of a noisy rule %.2f, of another %.2f", e.gainOf(noisy), e.gainOf(before))
	}
}

// However much was seen, and whatever the prior: a posterior lies between its prior and what
// was seen, within reach, and what is long ago counts for nothing.
func TestPosteriorsAreBounded(t *testing.T) {
	logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
	rapid.Check(t, func(t *rapid.T) {
		prior := rapid.Float64Range(.02, .98).Draw(t, "prior")
		yes, no := rapid.Float64Range(0, 1e6).Draw(t, "yes"), rapid.Float64Range(0, 1e6).Draw(t, "no")
		seen := tally{yes: observed{yes, learnedAt}, no: observed{no, learnedAt}}
		p := seen.posterior(prior, learnedAt)
		if d := math.Abs(logit(p) - logit(prior)); d > learnedReach+1e-9 {
			t.Fatalf("prior %v, posterior %v: moved by %v nats", prior, p, d)
		}
		if share := yes / (yes + no); yes+no > 0 && (p < min(prior, share)-1e-9 || p > max(prior, share)+1e-9) {
			t.Fatalf("prior %v, seen %v, posterior %v is not between them", prior, share, p)
		}
		late := seen.posterior(prior, learnedAt.Add(100*halfLife))
		if math.Abs(late-prior) > 1e-9 {
			t.Fatalf("a hundred half-lives later: %v, prior %v", late, prior)
		}
		services := rapid.IntRange(0, 1e5).Draw(t, "services")
		rate, rated := noiseRate(observed{yes, learnedAt}, learnedAt.Add(-time.Duration(no)*time.Minute), learnedAt, services)
		if loss := noiseLoss(rate, rated); loss < 0 || loss > noiseReach || rate <= rated && loss != 0 {
			t.Fatalf("rate %v, prior %v: takes off %v nats", rate, rated, loss)
		}
	})
}

func TestOneObservationMovesAFigureLittle(t *testing.T) {
	p := tally{no: observed{1, learnedAt}}.posterior(.7, learnedAt)
	if p > .7-.03 || p < .7-.07 {
		t.Errorf("coverage of .7 after one silent failure: %.3f, want between .63 and .67", p)
	}
}

func TestHalfIsForgottenAfterAHalfLife(t *testing.T) {
	if got := (observed{8, learnedAt}).by(learnedAt.Add(halfLife)); math.Abs(got-4) > 1e-9 {
		t.Errorf("8 observations a half-life ago count %v", got)
	}
	e := taught(t, map[string]float64{"silent/mysql": 8})
	e.meta.Now = learnedAt.Add(halfLife)
	e.observe("silent/mysql", 1)
	if st := e.stats["silent/mysql"]; math.Abs(st.Count-5) > 1e-9 || !st.At.Equal(e.meta.Now) {
		t.Errorf("8 a half-life ago and 1 now: %v at %s", st.Count, st.At)
	}
}

func TestResetFiguresAreThePriorsAgain(t *testing.T) {
	figures := map[string]float64{"silent/mysql": 20, "spoke/cart": 3, "carried/cart -> mysql": 20, "since/": 1, "noise/SlowQueries": 500, "alerted/cart": 2}
	for _, c := range []struct {
		selection FigureSelection
		left      int
	}{
		{FigureSelection{Kind: FigureCoverage, Subject: "mysql"}, 5},
		{FigureSelection{Kind: FigureCoverage}, 4},
		{FigureSelection{Kind: FigureNoise}, 4},
		{FigureSelection{Subject: "cart"}, 4},
		{FigureSelection{}, 0},
	} {
		e := taught(t, figures)
		d := e.Step(Input{Pos: 2, At: learnedAt, Signal: &Command{Kind: CommandResetLearned, Learned: c.selection}})
		if d.Rejected != "" || len(e.stats) != c.left || len(d.Stats) != len(figures)-c.left {
			t.Errorf("%+v: %q, %d figures are left, %d rows were written; want %d left", c.selection, d.Rejected, len(e.stats), len(d.Stats), c.left)
		}
		for _, st := range d.Stats {
			if st.Count != 0 {
				t.Errorf("%+v: the row of %s is to go and has count %v", c.selection, st.Key, st.Count)
			}
		}
		if got := e.coverageOf(e.nodeOf("mysql")); c.selection.selects("silent/mysql") != (got == coverage(topology.KindDatabase)) {
			t.Errorf("%+v: coverage of mysql is %v", c.selection, got)
		}
	}
	e := taught(t, nil)
	for want, selection := range map[string]FigureSelection{
		"nothing was learned": {}, "nothing was learned of kind noise": {Kind: FigureNoise}, `nothing was learned of kind coverage about "cart"`: {Kind: FigureCoverage, Subject: "cart"},
	} {
		if got := e.resetLearned(selection); got != want {
			t.Errorf("%+v: refused with %q, want %q", selection, got, want)
		}
	}
}

// When there are too many figures, those that changed longest ago make room.
func TestFiguresAreBounded(t *testing.T) {
	e := taught(t, nil)
	for i := range maxStats + 1 {
		e.meta.Now = learnedAt.Add(time.Duration(i) * time.Second)
		e.countAlert(topology.Ref{Name: fmt.Sprintf("svc-%06d", i)})
		if i == 0 {
			e.observeNoise("SlowQueries", 1)
		}
	}
	if n := len(e.stats); n > maxStats {
		t.Errorf("%d figures, the bound is %d", n, maxStats)
	}
	if _, ok := e.stats[keySince+"/"]; !ok {
		t.Error("when counting noise began was forgotten")
	}
	if _, old := e.stats["alerted/svc-000001"]; old {
		t.Error("what changed longest ago is still there")
	}
	if _, late := e.stats[fmt.Sprintf("alerted/svc-%06d", maxStats)]; !late {
		t.Error("what came last is not there")
	}
	if d := e.finish(); len(d.Stats) < maxStats {
		t.Errorf("%d rows were written, for figures that came and that went", len(d.Stats))
	}
}

// closed is an incident that is over, judged as given.
func closed(e *Engine, row Incident, alerts ...string) *incident {
	row.State = IncidentResolved
	inc := &incident{row: &row, sites: map[site]int{}}
	for i, name := range alerts {
		it := e.newItem(&AlertState{
			Alert: Alert{Fingerprint: fmt.Sprintf("%016x", i), StartsAt: learnedAt, Labels: map[string]string{"alertname": "HighErrorRate"}}, Service: topology.Ref{Name: name},
		})
		e.place(it)
		inc.items = append(inc.items, it)
		row.Services = append(row.Services, ServiceImpact{Service: topology.Ref{Name: name}})
	}
	return inc
}

func TestWhatAnIncidentTeaches(t *testing.T) {
	ref := func(name string) topology.Ref { return topology.Ref{Name: name} }
	way := []PathEdge{{Cause: ref("mysql"), Effect: ref("cart"), Kind: "depends"}, {Cause: ref("cart"), Effect: ref("web"), Kind: "depends"}}
	sure, unsure := []Origin{{Service: ref("mysql"), Probability: .9}}, []Origin{{Service: ref("mysql"), Probability: .6}}
	for name, c := range map[string]struct {
		row    Incident
		alerts []string
		want   map[string]float64
	}{
		"a silent origin that was all but certain": {
			Incident{Origins: sure, Path: way},
			[]string{"cart", "web"},
			map[string]float64{"silent/mysql": 1, "spoke/cart": 1, "carried/cart -> mysql": 1, "carried/web -> cart": 1, "held/reports -> mysql": 1},
		},
		"one that was silent on the way": {
			Incident{Origins: sure, Path: way},
			[]string{"mysql", "web"},
			map[string]float64{"spoke/mysql": 1, "silent/cart": 1, "carried/cart -> mysql": 1, "carried/web -> cart": 1, "held/reports -> mysql": 1},
		},
		"an origin that nobody was sure of": {Incident{Origins: unsure, Path: way}, []string{"cart", "web"}, nil},
		"an origin that an operator named": {
			Incident{Origins: unsure, SetOrigin: &OriginStatement{Service: ref("mysql")}},
			[]string{"cart"},
			map[string]float64{"silent/mysql": 5, "carried/cart -> mysql": 5, "held/reports -> mysql": 5},
		},
		"a service alone": {
			Incident{Origins: []Origin{{Service: ref("cart"), Probability: .9}}},
			[]string{"cart"},
			map[string]float64{"noise/HighErrorRate": 1, "since/": 1},
		},
		"a service alone, whose failure somebody took up": {
			Incident{Origins: []Origin{{Service: ref("cart"), Probability: .9}}, Ack: &Acknowledgement{}},
			[]string{"cart"},
			nil,
		},
		"load that moved is no failure of what it moved from": {
			Incident{Origins: sure, Path: []PathEdge{{Cause: ref("mysql"), Effect: ref("cart"), Kind: "overload"}}},
			[]string{"cart", "mysql"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := taught(t, map[string]float64{"alerted/reports": 1})
			e.learnFrom(closed(e, c.row, c.alerts...))
			delete(e.stats, "alerted/reports")
			for key, want := range c.want {
				if got := e.stats[key].Count; got != want {
					t.Errorf("%s: %v, want %v", key, got, want)
				}
			}
			for key, st := range e.stats {
				if c.want[key] == 0 {
					t.Errorf("learned %s %v, which it does not teach", key, st.Count)
				}
			}
		})
	}
}

// A caller that has never alerted says nothing by its silence.
func TestTheSilenceOfTheUnwatchedTeachesNothing(t *testing.T) {
	e := taught(t, nil)
	ref := func(name string) topology.Ref { return topology.Ref{Name: name} }
	inc := closed(e, Incident{Origins: []Origin{{Service: ref("mysql"), Probability: .9}}, Path: []PathEdge{{Cause: ref("mysql"), Effect: ref("cart"), Kind: "depends"}}}, "cart", "mysql")
	e.learnFrom(inc)
	if st, ok := e.stats["held/reports -> mysql"]; ok {
		t.Errorf("reports has never alerted, and its silence was counted: %v", st)
	}
	if e.stats["carried/cart -> mysql"].Count != 1 {
		t.Error("cart was hit, and that was not counted")
	}
}

func TestFiguresSayWhatTheyMean(t *testing.T) {
	e := taught(t, map[string]float64{"silent/mysql": 6, "spoke/mysql": 2, "carried/cart -> mysql": 3, "since/": 1, "noise/SlowQueries": 40, "alerted/cart": 1, "spoke/gone": 1})
	var stats []Stat
	for _, st := range e.stats {
		stats = append(stats, st)
	}
	got := Figures(stats, e.graph, learnedAt)
	want := []struct {
		kind     FigureKind
		subject  string
		text     string
		estimate float64
		known    bool
	}{
		{FigureCoverage, "gone", "raised an alert of its own in 1 of 1 failures that it was part of", 0, false},
		{FigureCoverage, "mysql", "raised an alert of its own in 2 of 8 failures that it was part of", e.coverageOf(e.nodeOf("mysql")), true},
		{FigureEdge, "cart -> mysql", "the caller was hit in 3 of 3 failures of the callee", e.edgeFactor(e.nodeOf("cart"), e.nodeOf("mysql"), .7), true},
		{FigureNoise, "SlowQueries", "fired 40 times outside of any cascade, or 5 a day; allowed for are 1", 5, true},
		{FigureAlerted, "cart", "1 alert about it, ever", 0, true},
	}
	if len(got) != len(want) {
		t.Fatalf("%d figures, want %d: %v", len(got), len(want), got)
	}
	for i, w := range want {
		if f := got[i]; f.Kind != w.kind || f.Subject != w.subject || f.String() != w.text || math.Abs(f.Estimate-w.estimate) > 1e-9 || f.Known != w.known {
			t.Errorf("%s %s: %q, goes by %.3f, known %t; want %s %s: %q, %.3f, %t", f.Kind, f.Subject, f.String(), f.Estimate, f.Known, w.kind, w.subject, w.text, w.estimate, w.known)
		}
	}
	for _, f := range got {
		if f.Kind == FigureNoise && f.Loss != e.noiseOf(f.Subject) {
			t.Errorf("noise is said to take off %v and takes off %v", f.Loss, e.noiseOf(f.Subject))
		}
	}
}
