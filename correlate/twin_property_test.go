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

// small is how large a drawn world may be: exhaustive search has its price.
type small struct{ services, alerts, perService int }

// drawScene draws a small graph, alerts on it, and what else is evidence.
func drawScene(t *rapid.T, size small, ranking bool) *scene {
	e, err := New(Config{})
	if err != nil {
		t.Fatalf("new engine: %v", err)
	}
	now := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	pos := uint64(0)
	step := func(s Signal) {
		pos++
		e.Step(Input{Pos: pos, At: now, Signal: s})
	}
	graph, names := drawSmallGraph(t, size.services)
	step(&TopologyReport{Source: "test", Spec: graph})
	if rapid.IntRange(0, 2).Draw(t, "change") == 0 {
		ago := rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute, 30 * time.Hour}).Draw(t, "ago")
		step(&Change{Service: drawOf(t, names), Kind: "deploy", At: now.Add(-ago)})
	}
	if rapid.IntRange(0, 2).Draw(t, "check") == 0 {
		status := rapid.SampledFrom([]HealthStatus{HealthPassing, HealthFailing}).Draw(t, "status")
		step(&HealthBatch{Source: "probe", Results: []HealthResult{{Service: drawOf(t, names), Status: status, At: now}}})
	}
	step(drawAlerts(t, names, size, now))
	items := make([]*item, 0, len(e.items))
	for _, it := range e.items {
		items = append(items, it)
	}
	return e.newScene(items, ranking)
}

func drawOf(t *rapid.T, names []string) topology.Ref {
	return topology.Ref{Name: rapid.SampledFrom(names).Draw(t, "of")}
}

func drawSmallGraph(t *rapid.T, most int) (topology.Spec, []string) {
	spec := topology.Spec{Version: "1"}
	kinds := []topology.Kind{topology.KindService, topology.KindService, topology.KindService, topology.KindDatabase, topology.KindCache, topology.KindQueue, topology.KindExternal}
	host := rapid.IntRange(0, 3).Draw(t, "host") == 0
	n := rapid.IntRange(3, most).Draw(t, "services")
	var names []string
	for i := range n {
		s := topology.Service{Name: fmt.Sprintf("s%d", i), Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		if host && i == n-1 {
			s = topology.Service{Name: "host", Kind: topology.KindHost}
		} else if host && rapid.Bool().Draw(t, "on the host") {
			s.RunsOn = []string{"host"}
		}
		spec.Services, names = append(spec.Services, s), append(names, s.Name)
	}
	for range rapid.IntRange(n-1, 2*n).Draw(t, "dependencies") {
		d := topology.Dependency{From: drawOf(t, names), To: drawOf(t, names), Group: rapid.SampledFrom([]string{"", "", "", "group"}).Draw(t, "group")}
		d.Mode = rapid.SampledFrom([]topology.Mode{topology.ModeHard, topology.ModeHard, topology.ModeSoft, topology.ModeAsync}).Draw(t, "mode")
		if d.From != d.To && d.From.Name != "host" && d.To.Name != "host" {
			spec.Dependencies = append(spec.Dependencies, d)
		}
	}
	return spec, names
}

// symptoms are the classes that the twin knows.
var symptoms = []Class{
	ClassOther, ClassCrash, ClassError, ClassError, ClassLatency, ClassSaturation, ClassSurge,
	ClassLag, ClassClientPool, ClassProbe, ClassChore, ClassDown, ClassUnready,
}

// delays between the first alert and another, s.
var delays = []int{0, 0, 5, 20, 45, 90, 130, 200, 400}

func drawAlerts(t *rapid.T, names []string, size small, now time.Time) *AlertBatch {
	b := &AlertBatch{Source: "alertmanager"}
	on := map[string]int{}
	for i := range rapid.IntRange(2, size.alerts).Draw(t, "alerts") {
		service := drawOf(t, names).Name
		if on[service]++; on[service] > size.perService {
			continue
		}
		a := Alert{
			Fingerprint: fmt.Sprintf("%016x", i), StartsAt: now.Add(time.Duration(rapid.SampledFrom(delays).Draw(t, "delay")-600) * time.Second),
			Labels: map[string]string{
				"service": service, "alertname": "A",
				ClassLabel: rapid.SampledFrom(symptoms).Draw(t, "class").String(),
				"severity": rapid.SampledFrom([]string{"critical", "warning", "info"}).Draw(t, "severity"),
			},
		}
		if rapid.IntRange(0, 4).Draw(t, "at clients") == 0 {
			a.Labels["reporter"] = "source"
		}
		if rapid.IntRange(0, 3).Draw(t, "over") == 0 {
			a.Status, a.EndsAt = Resolved, a.StartsAt.Add(time.Duration(rapid.SampledFrom([]int{10, 120, 300, 450}).Draw(t, "lasted"))*time.Second)
		}
		b.Alerts = append(b.Alerts, a)
	}
	return b
}

// shapeOf is a tree that the engine grew, as plain data.
func shapeOf(t *tree) *shape {
	h := &shape{origin: t.origin, start: t.start, parent: map[int32]int32{}, via: map[int32]stepKind{}, speaks: map[int32]bool{}}
	for _, st := range t.steps {
		h.parent[st.effect], h.via[st.effect] = st.cause, st.kind
	}
	for _, a := range t.attached {
		h.speaks[a.node] = true
	}
	return h
}

// describe renders a scene for the report of a failure.
func describe(s *scene) string {
	out := ""
	for i, n := range s.nodes {
		out += fmt.Sprintf("%d %s %s", i, s.e.nodes.ref(n.id), n.kind)
		for _, a := range n.down {
			out += fmt.Sprintf(" -> %d (%.2f)", a.to, a.cost)
		}
		out += "\n"
	}
	for k, it := range s.items {
		out += fmt.Sprintf("  alert %d: %s %s %s at %.0f s ended %.0f, at clients %v\n", k, it.state.Service, it.state.Class, it.state.Severity, s.onset[k], s.ended[k], it.atClients)
	}
	return out
}

func divisionOf(clusters []*cluster) string {
	out := ""
	for _, c := range clusters {
		out += fmt.Sprintf("[%v from %d at %.0f s by %+v: %.4f, %v %+v] ", c.set.list(), c.tree.origin, c.tree.start, c.tree.steps, c.tree.score, c.tree.set.list(), c.tree.terms)
	}
	return out
}

const rounding = 1e-6

// medium is what one tree is searched in, tiny what all divisions are: each service has one
// alert there, so that nothing is counted twice.
var (
	medium = small{services: 6, alerts: 7, perService: 3}
	tiny   = small{services: 5, alerts: 5, perService: 1}
)

// drawTree lets the engine grow a tree from some origin and onset.
func drawTree(t *rapid.T, s *scene) *tree {
	origin := rapid.IntRange(0, len(s.nodes)-1).Draw(t, "origin")
	start := rapid.SampledFrom(s.onset).Draw(t, "start")
	return s.grow(int32(origin), start, everything(s))
}

func TestATreesScoreIsWhatTheFormulaSays(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, medium, rapid.Bool().Draw(t, "ranking"))
		clear(s.scratch.dropped)
		tree := drawTree(t, s)
		if s.scratch.dropped.count() > 0 {
			return // the way to an alert that a pause took away is paid for all the same
		}
		compared++
		w := newTwin(s, everything(s))
		if said := w.score(shapeOf(tree)); math.Abs(said.score-tree.score) > rounding || !said.set.equal(tree.set) {
			t.Fatalf("from %d at %.0f s by %+v: score %.6f, by the formula %.6f; alerts %v, by the formula %v\n%+v\n%s",
				tree.origin, tree.start, tree.steps, tree.score, said.score, tree.set.list(), said.set.list(), tree.terms, describe(s))
		}
	})
	if compared < enough(50) {
		t.Errorf("only %d trees could be compared", compared)
	}
}

func TestNoTreeIsBetterThanTheBestOfAllTrees(t *testing.T) {
	for _, ranking := range []bool{false, true} {
		var gap gaps
		rapid.Check(t, func(t *rapid.T) {
			s := drawScene(t, medium, ranking)
			w := newTwin(s, everything(s))
			tree := drawTree(t, s)
			best := w.best(tree.origin, tree.start)
			if tree.score > best.score+rounding {
				t.Fatalf("from %d at %.0f s by %+v: score %.6f over %v, the best of all trees has %.6f over %v\n%s",
					tree.origin, tree.start, tree.steps, tree.score, tree.set.list(), best.score, best.set.list(), describe(s))
			}
			gap.add(best.score - tree.score)
		})
		gap.check(t, "tree", .8, .85)
	}
}

// The tree of the best origin is the one that counts. Measured over 10,000 drawn scenes: the best tree of
// one origin and onset is found in 93 %, that of the best origin in 93 %, the best division in 88 %; the gap is
// within one nat in 96 %. What growing node by node misses are two alerts of which neither is worth
// the way alone, and nodes whose late alert makes those behind them seem early.
func TestTheBestTreeIsMostlyFound(t *testing.T) {
	for _, ranking := range []bool{false, true} {
		var gap gaps
		rapid.Check(t, func(t *rapid.T) {
			s := drawScene(t, medium, ranking)
			p, _ := newPartitioner(s)
			w := newTwin(s, p.avail)
			found, best := math.Inf(-1), math.Inf(-1)
			for c := range s.nodes {
				if len(p.explained[c]) > 0 {
					found = max(found, p.bestFrom(int32(c), p.avail).score)
				}
				best = max(best, w.bestFrom(int32(c), onsets(s)).score)
			}
			if found > best+rounding {
				t.Fatalf("found %.6f, best %.6f\n%s", found, best, describe(s))
			}
			gap.add(best - found)
		})
		gap.check(t, "best tree", .8, .85)
	}
}

func TestNoDivisionIsBetterThanTheBestOfAllDivisions(t *testing.T) {
	var gap gaps
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, tiny, false)
		p, _ := newPartitioner(s)
		p.greedy()
		p.move()
		p.improve()
		found, best := worthOf(p.clusters), divisions(s)
		if found > best+rounding {
			t.Fatalf("found %.6f in %s, best %.6f\n%s", found, divisionOf(p.clusters), best, describe(s))
		}
		gap.add(best - found)
	})
	gap.check(t, "division", .72, .82)
}

// worthOf is what a division is worth that the engine found.
func worthOf(clusters []*cluster) float64 {
	part := slices.Repeat([]float64{math.Inf(-1)}, 1<<len(clusters))
	for i, c := range clusters {
		part[1<<i] = c.tree.score - strayCost*float64(c.set.count()-c.tree.set.count())
	}
	return bestDivision(part, func(mask int) int {
		n := 0
		for i, c := range clusters {
			if mask&(1<<i) != 0 {
				n += c.set.count()
			}
		}
		return n
	})
}

// Where the engine finds the best tree of each candidate, its probabilities are the softmax of the
// twin's scores.
func TestProbabilitiesAreTheSoftmaxOfTheScores(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, medium, true)
		p, _ := newPartitioner(s)
		ranking, unknown := p.rank(p.avail, len(s.nodes))
		w := newTwin(s, p.avail)
		odds, sum := map[int32]float64{}, 0.0
		for c := range s.nodes {
			if starts := p.starts(int32(c), p.avail); len(starts) > 0 {
				if o := w.bestFrom(int32(c), starts); o.set.count() > 0 {
					odds[int32(c)] = math.Exp(o.score / rankTemper)
					sum += odds[int32(c)]
				}
			}
		}
		total, missing := unknown, sum
		for _, r := range ranking {
			total += r.probability
			missing -= odds[r.node]
			if math.Abs(rankTemper*math.Log(odds[r.node])-r.tree.score) > rounding {
				return // the tree of one is not the best one
			}
		}
		if missing > rounding*sum {
			return // nor is that of one for which nothing was found
		}
		compared++
		if math.Abs(total-1) > rounding {
			t.Fatalf("probabilities sum to %f", total)
		}
		for _, r := range ranking {
			if want := (1 - unknownShare) * odds[r.node] / sum; math.Abs(want-r.probability) > 1e-5 {
				t.Fatalf("%d: probability %f, want %f\n%s", r.node, r.probability, want, describe(s))
			}
		}
	})
	if compared < enough(20) {
		t.Errorf("only %d rankings could be compared", compared)
	}
}

// The bounds that spare work are bounds. Load that moves can lead a tree to alerts that its origin
// is no candidate for; how promising an origin is does not count them.
func TestBoundsChangeNoResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, medium, rapid.Bool().Draw(t, "ranking"))
		p, _ := newPartitioner(s)
		tree := drawTree(t, s)
		loads := slices.ContainsFunc(tree.steps, func(st treeStep) bool { return st.kind == stepOverload })
		if bound := p.bound(tree.origin, p.avail); bound > 0 && bound < tree.score && !loads {
			t.Errorf("no tree from %d is better than %.4f, it is said, and one has %.4f: %+v\n%s", tree.origin, bound, tree.score, tree.terms, describe(s))
		}
		if most := p.ceiling(p.avail); most < tree.score-rounding {
			t.Errorf("no tree is better than %.4f, it is said, and one has %.4f: %+v\n%s", most, tree.score, tree.terms, describe(s))
		}
		if most := p.ceilingFrom(tree.origin); most < tree.score-rounding {
			t.Errorf("no tree from %d is better than %.4f, it is said, and one has %.4f: %+v\n%s", tree.origin, most, tree.score, tree.terms, describe(s))
		}
		s.bearings.taken = false
		for n := range s.outlook.hope {
			s.outlook.hope[n] = math.Inf(-1)
		}
		if whole := s.grow(tree.origin, tree.start, p.avail); whole.score != tree.score || !whole.set.equal(tree.set) {
			t.Errorf("ways that lead nowhere would have led to %.6f and %v, not to %.6f and %v\n%s", whole.score, whole.set.list(), tree.score, tree.set.list(), describe(s))
		}
	})
}

// enough is how many of the draws of a property must be good for something; rapid draws a fifth of them in short tests.
func enough(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// gaps collects how far the engine stays behind the twin, in nats.
type gaps struct{ list []float64 }

func (g *gaps) add(gap float64) { g.list = append(g.list, max(0, gap)) }

// check demands that the best was found in a share of the cases, and within one nat in another.
func (g *gaps) check(t *testing.T, what string, found, near float64) {
	if t.Failed() {
		return
	}
	slices.Sort(g.list)
	upTo := func(gap float64) float64 {
		n, _ := slices.BinarySearch(g.list, gap)
		return float64(n) / float64(len(g.list))
	}
	n := len(g.list)
	t.Logf("%s: best found in %.1f %% of %d, within a nat in %.1f %%, 99 %% within %.2f, worst %.2f", what, 100*upTo(rounding), n, 100*upTo(1), g.list[n*99/100], g.list[n-1])
	if n < 100 {
		return // too few to tell a share by
	}
	if upTo(rounding) < found || upTo(1) < near {
		t.Errorf("%s: best found in %.1f %%, within a nat in %.1f %%; want %.0f and %.0f %%", what, 100*upTo(rounding), 100*upTo(1), 100*found, 100*near)
	}
}

// What could explain an alert is found by the cheapest way as a whole: the sum of all its steps,
// not the best last one, and whichever way was looked at first.
func TestLesson05_TheWholeWayCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, medium, false)
		space := s.e.nodes
		var walk func(start, n nodeID, cost float64, passed map[nodeID]bool, least map[nodeID]float64)
		walk = func(start, n nodeID, cost float64, passed map[nodeID]bool, least map[nodeID]float64) {
			if known, ok := least[n]; !ok || cost < known {
				least[n] = cost
			}
			transit := 0.0
			if n != start {
				transit = silence(space.kind(n)) / 2
			}
			passed[n] = true
			for _, edge := range space.out(n) {
				to := nodeID(edge.Node)
				if total := cost + transit + space.stepCost(n, to, edge); !passed[to] && total <= closureCost {
					walk(start, to, total, passed, least)
				}
			}
			delete(passed, n)
		}
		for _, it := range s.items {
			least := map[nodeID]float64{}
			walk(it.node, it.node, 0, map[nodeID]bool{}, least)
			got := s.e.closureOf(it.node)
			if len(got) != len(least) {
				t.Fatalf("%d nodes could explain an alert at %s, want %d", len(got), space.name(it.node), len(least))
			}
			for _, r := range got {
				if math.Abs(r.cost-least[r.node]) > rounding {
					t.Fatalf("%s explains an alert at %s at %.4f, want %.4f", space.name(r.node), space.name(it.node), r.cost, least[r.node])
				}
			}
		}
	})
}
