package correlate

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/topology"
)

// shop is web and app -> cart -> mysql and redis, reports -> mysql, cart on node-1: small
// enough for every alert to be near every other.
var shop = topology.Spec{
	Version: "1",
	Services: []topology.Service{
		{Name: "mysql", Kind: topology.KindDatabase},
		{Name: "redis", Kind: topology.KindCache},
		{Name: "node-1", Kind: topology.KindHost},
		{Name: "cart", RunsOn: []string{"node-1"}},
	},
	Dependencies: []topology.Dependency{dependency("web", "cart"), dependency("app", "cart"), dependency("cart", "mysql"), dependency("cart", "redis"), dependency("reports", "mysql")},
}

func dependency(from, to string) topology.Dependency {
	return topology.Dependency{From: topology.Ref{Name: from}, To: topology.Ref{Name: to}}
}

// drawTrouble is an engine that heard of alerts, changes and health results in the shop.
func drawTrouble(t *rapid.T) *Engine {
	e, err := New(Config{})
	if err != nil {
		t.Fatalf("new engine: %v", err)
	}
	pos, now := uint64(0), learnedAt
	step := func(s Signal) {
		pos++
		e.Step(Input{Pos: pos, At: now, Signal: s})
	}
	step(&TopologyReport{Source: "file", Spec: shop})
	names := rapid.SampledFrom([]string{"mysql", "redis", "node-1", "cart", "web", "app", "reports"})
	seconds := rapid.IntRange(-600, 600)
	after := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		step(&Change{Service: topology.Ref{Name: names.Draw(t, "changed")}, Kind: "deploy", At: after(-10 * abs(seconds.Draw(t, "ten seconds before")))})
	}
	batch := &AlertBatch{Source: "alertmanager"}
	for i := range rapid.IntRange(1, 9).Draw(t, "alerts") {
		batch.Alerts = append(batch.Alerts, Alert{Fingerprint: fmt.Sprintf("%016x", i), StartsAt: after(-abs(seconds.Draw(t, "seconds ago"))), Labels: map[string]string{
			"alertname": fmt.Sprintf("Rule%d", i), "service": names.Draw(t, "alerting"), "severity": "critical",
			ClassLabel: Class(rapid.IntRange(0, len(classNames)-1).Filter(func(i int) bool { return Class(i) != ClassEdge }).Draw(t, "class")).String(),
		}})
	}
	step(batch)
	for range rapid.IntRange(0, 3).Draw(t, "results") {
		step(&HealthBatch{Results: []HealthResult{{
			Service: topology.Ref{Name: names.Draw(t, "checked")}, Check: "http", At: after(abs(seconds.Draw(t, "seconds later"))),
			Status: HealthStatus(rapid.IntRange(0, 3).Draw(t, "status")),
		}}})
	}
	return e
}

func abs(n int) int { return max(n, -n) }

// rankedAlerts ranks the origins of all alerts that e has, as if they were one incident.
func rankedAlerts(e *Engine) (*partitioner, []ranked) {
	var items []*item
	for _, it := range e.items {
		items = append(items, it)
	}
	p, _ := newPartitioner(e.newScene(items, true))
	ranking, _ := p.rank(p.avail, 5)
	return p, ranking
}

// What is printed is the whole of the difference between two scores: no term is left
// out, none is told twice, and none goes without words.
func TestReasonsAddUpToTheDifferenceOfTheScores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, all := rankedAlerts(drawTrouble(t))
		for i := range all {
			rival, seen, sum := 0.0, map[Term]bool{}, 0.0
			switch {
			case i > 0:
				rival = all[0].tree.score
			case len(all) > 1:
				rival = all[1].tree.score
			}
			for _, r := range p.reasons(all, i) {
				if r.Text == "" || seen[r.Term] {
					t.Errorf("candidate %d: %s %q stands there twice or without words", i, r.Term, r.Text)
				}
				seen[r.Term] = true
				sum += r.Weight
			}
			if diff := all[i].tree.score - rival; math.Abs(diff-sum) > leastWeight*float64(len(termNames)) {
				t.Errorf("candidate %d is %.2f ahead, its reasons come to %.2f: %v", i, diff, sum, p.reasons(all, i))
			}
		}
	})
}

func TestEveryTermOfAScoreHasAReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, all := rankedAlerts(drawTrouble(t))
		for _, r := range all {
			sum := 0.0
			for term := range Term(len(termNames)) {
				sum += r.tree.terms.of(term)
			}
			if math.Abs(sum-r.tree.score) > 1e-9 {
				t.Fatalf("the terms come to %.3f, the score is %.3f", sum, r.tree.score)
			}
		}
	})
}

// The path on an incident says what its steps and its silences cost: all that was
// taken off the way.
func TestAPathCostsWhatTheScoreTookOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, all := rankedAlerts(drawTrouble(t))
		for _, r := range all {
			cost := p.silenceCost(r.tree)
			for _, edge := range p.path(r.tree, map[nodeID]int{}) {
				if edge.Cost < 0 || edge.Passing < 0 {
					t.Fatalf("a step that is a gain: %+v", edge)
				}
				cost += edge.Cost + edge.Passing
			}
			if want := -r.tree.terms.steps - r.tree.terms.silent; math.Abs(cost-want) > 1e-9 {
				t.Fatalf("the path costs %.3f, the score took off %.3f", cost, want)
			}
		}
	})
}

// incidentAfter is the only incident once the alerts have settled and an operator has
// named its origin, unless that is empty.
func incidentAfter(t *testing.T, origin string, alerts ...Alert) *Incident {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	e.Step(Input{Pos: 1, At: learnedAt, Signal: &TopologyReport{Source: "file", Spec: shop}})
	e.Step(Input{Pos: 2, At: learnedAt, Signal: &AlertBatch{Alerts: alerts}})
	e.Step(Input{Pos: 3, At: learnedAt.Add(10 * time.Second), Signal: Tick{}})
	if origin != "" {
		e.Step(Input{Pos: 4, At: learnedAt.Add(20 * time.Second), Signal: &Command{Kind: CommandSetOrigin, Incident: "INC-1", Service: topology.Ref{Name: origin}}})
	}
	list := sortedIncidents(e.incidents)
	if len(list) != 1 {
		t.Fatalf("%d incidents, want 1", len(list))
	}
	return list[0].row
}

func alertOn(service, name string, after time.Duration) Alert {
	return Alert{
		Fingerprint: fmt.Sprintf("%016x", len(service)*1000+len(name)), StartsAt: learnedAt.Add(after - time.Minute),
		Labels: map[string]string{"alertname": name, "service": service, "severity": "critical"},
	}
}

func TestAStepSaysHowLikelyItWasAndWhatItLeft(t *testing.T) {
	inc := incidentAfter(t, "", alertOn("mysql", "DiskFull", 0), alertOn("web", "HighErrorRate", 20*time.Second), alertOn("app", "HighErrorRate", 25*time.Second))
	at := slices.IndexFunc(inc.Path, func(e PathEdge) bool { return e.Cause.Name == "mysql" })
	if at < 0 || inc.Path[at].Effect.Name != "cart" {
		t.Fatalf("the path is %+v", inc.Path)
	}
	hard := inc.Path[at]
	if hard.Role != "victim" || math.Abs(hard.Cost-costHard) > 1e-9 || hard.Passing != 0 {
		t.Errorf("the step from mysql to cart: %+v", hard)
	}
	passing := 0
	for _, edge := range inc.Path {
		if edge.Passing > 0 {
			passing++
			if edge.Cause.Name != "cart" || math.Abs(edge.Passing-silence(topology.KindService)) > 1e-9 {
				t.Errorf("only cart was passed in silence, once: %+v", edge)
			}
		}
	}
	if passing != 1 {
		t.Errorf("cart's silence was charged %d times", passing)
	}
}

func TestAlertsThatTheOriginDoesNotExplainAreCounted(t *testing.T) {
	alerts := []Alert{alertOn("mysql", "DiskFull", 0), alertOn("cart", "HighErrorRate", 10*time.Second), alertOn("web", "HighErrorRate", 20*time.Second)}
	left := func(inc *Incident) (out []string) {
		for _, s := range inc.Services {
			if s.Unexplained > 0 {
				out = append(out, fmt.Sprintf("%s %d of %d", s.Service, s.Unexplained, s.Alerts))
			}
		}
		return out
	}
	if got := left(incidentAfter(t, "", alerts...)); got != nil {
		t.Errorf("mysql explains everything, yet these are left: %v", got)
	}
	if got := left(incidentAfter(t, "node-1", alerts...)); !slices.Equal(got, []string{"mysql 1 of 1"}) {
		t.Errorf("a failure of node-1 does not reach mysql: left are %v", got)
	}
}

func TestTermsHaveWords(t *testing.T) {
	seen := map[string]bool{}
	for term := range Term(len(termNames)) {
		if w := term.String(); w == "" || seen[w] {
			t.Errorf("term %d is called %q", term, w)
		}
		seen[term.String()] = true
	}
}
