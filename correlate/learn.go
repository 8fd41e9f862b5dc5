package correlate

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// This file learns from incidents that are over, and from nothing else, once each: at
// the moment when an ended incident can no longer be reopened or corrected. What was
// learned is in [Stat] rows; the score asks for it in [Engine.coverageOf],
// [Engine.edgeFactor] and [Engine.noiseOf], which answer with the prior where nothing
// was learned. figures.go has the arithmetic.
//
// To learn from one's own conclusions feeds mistakes back. Three things bound it: only
// what leads clearly is learned from; priors are worth a dozen observations and are
// left by learnedReach at most; and what an operator said counts statedTimes.

const (
	// learnAt is the probability from which the engine believes its own first candidate.
	learnAt = .8
	// statedTimes is how often an origin counts that an operator named.
	statedTimes = 5.0
	// maxLessons bounds the failed services of one incident that are learned from.
	maxLessons = 32
	// maxFirings bounds how often one incident counts as noise of a rule.
	maxFirings = 20.0
	// maxStats bounds the figures of an environment. When it is met, a tenth of them go:
	// those that changed longest ago.
	maxStats = 100_000
)

// learnedFigures are the stats by what asks for them. They follow from the stats and the graph.
type learnedFigures struct {
	coverage map[nodeID]tally
	edges    map[[2]nodeID]tally // caller, callee
	noise    map[string]observed
	since    time.Time // counting noise began
}

// indexLearned rebuilds the index.
func (e *Engine) indexLearned() {
	e.learned = learnedFigures{coverage: map[nodeID]tally{}, edges: map[[2]nodeID]tally{}, noise: map[string]observed{}}
	for _, st := range e.stats {
		e.enterStat(st) // each has a place of its own, so their order does not matter
	}
}

// enterStat brings the index up to date with a stat. Figures of services that the graph
// does not have are kept but not indexed: such nodes come and go.
func (e *Engine) enterStat(st Stat) {
	word, subject, kind, against := figureOf(st.Key)
	seen := observed{st.Count, st.At}
	switch {
	case word == keySince:
		e.learned.since = st.At
	case kind == FigureNoise:
		e.learned.noise[subject] = seen
	case kind == FigureCoverage:
		if n, ok := e.nodes.exactly(subject); ok {
			t := e.learned.coverage[n]
			*t.side(against) = seen
			e.learned.coverage[n] = t
		}
	case kind == FigureEdge:
		if caller, callee, _, ok := e.nodes.dependency(subject); ok {
			key := [2]nodeID{caller, callee}
			t := e.learned.edges[key]
			*t.side(against) = seen
			e.learned.edges[key] = t
		}
	}
}

// coverageOf is the probability that n raises an alert of its own when it is impaired.
func (e *Engine) coverageOf(n nodeID) float64 {
	prior := priors[e.nodes.kind(n)].coverage
	if len(e.learned.coverage) == 0 {
		return prior
	}
	if t, ok := e.learned.coverage[n]; ok {
		return t.posterior(prior, e.meta.Now)
	}
	return prior
}

// silenceOf is what it costs, in nats, that n failed and raised no alert.
func (e *Engine) silenceOf(n nodeID) float64 {
	if _, ok := e.learned.coverage[n]; ok {
		return -math.Log(1 - e.coverageOf(n))
	}
	return priors[e.nodes.kind(n)].silence
}

// muteOf is what it costs, in nats, that a failure began at n, which raised no alert.
func (e *Engine) muteOf(n nodeID) float64 {
	kind := e.nodes.kind(n)
	if t, ok := e.learned.coverage[n]; ok {
		return -math.Log(1 - t.posterior(originCoverage(kind), e.meta.Now))
	}
	return priors[kind].mute
}

// priors are what is thought of each kind of node as long as nothing was learned, worked out once: a
// scene asks for hundreds of them.
var priors = func() (of [math.MaxUint8 + 1]struct{ coverage, silence, mute float64 }) {
	for k := range of {
		kind := topology.Kind(k)
		began := originCoverage(kind)
		of[k].coverage, of[k].silence, of[k].mute = coverage(kind), silence(kind), -math.Log(1-began)
	}
	return of
}()

// edgeFactor is the probability that a failure of to, on which from depends, is felt by from.
func (e *Engine) edgeFactor(from, to nodeID, prior float64) float64 {
	if t, ok := e.learned.edges[[2]nodeID{from, to}]; ok {
		return t.posterior(prior, e.meta.Now)
	}
	return prior
}

// stepCostOf is what the step from callee to caller costs, in nats.
func (e *Engine) stepCostOf(caller, callee nodeID, edge topology.Edge) float64 {
	cost := e.nodes.stepCost(caller, callee, edge)
	if len(e.learned.edges) == 0 {
		return cost
	}
	if _, ok := e.learned.edges[[2]nodeID{caller, callee}]; ok {
		return -math.Log(e.edgeFactor(caller, callee, math.Exp(-cost)))
	}
	return cost
}

// noiseOf is what the rule's firings outside of cascades take off the gain of its alerts, in nats; 0 when there are few.
func (e *Engine) noiseOf(rule string) float64 {
	seen, ok := e.learned.noise[rule]
	if !ok {
		return 0
	}
	return noiseLoss(noiseRate(seen, e.learned.since, e.meta.Now, e.graph.Len()))
}

// leastGain is what an alert is worth however noisy its rule.
const leastGain = .5

// gainOf is what it is worth to explain an alert, before roles and time.
func (e *Engine) gainOf(row *AlertState) float64 {
	gain := row.Class.gain(row.Severity)
	if len(e.learned.noise) == 0 {
		return gain
	}
	if loss := e.noiseOf(row.Labels["alertname"]); loss > 0 {
		return max(gain-loss, min(gain, leastGain))
	}
	return gain
}

// learnFrom takes what an incident that is over teaches.
func (e *Engine) learnFrom(inc *incident) {
	if inc.row.State != IncidentResolved {
		return
	}
	if inc.wasNoise() {
		firings := map[string]float64{}
		for _, it := range inc.items {
			firings[it.state.Labels["alertname"]]++
		}
		for _, rule := range sortedKeys(firings) {
			e.observeNoise(rule, min(firings[rule], maxFirings))
		}
		return
	}
	weight := inc.trust()
	if weight == 0 {
		return
	}
	l := e.newLesson(inc, weight)
	for _, n := range e.failedIn(inc) {
		l.observeCoverage(n)
		l.observeCallers(n)
	}
}

// wasNoise: it hit one service, nothing followed, it ended by itself, and nobody took it up.
func (i *incident) wasNoise() bool {
	row := i.row
	if len(row.Services) != 1 || row.Ack != nil || row.ResolvedBy != "" || row.SetOrigin != nil || len(row.Path) > 0 {
		return false
	}
	o := row.Origin()
	return o == nil || o.Service == row.Services[0].Service
}

// trust is how much the incident's origin is to be believed, 0: not at all.
func (i *incident) trust() float64 {
	switch o := i.row.Origin(); {
	case i.row.SetOrigin != nil:
		return statedTimes
	case o == nil || o.Probability < learnAt:
		return 0
	}
	return 1
}

// failedIn are the services of the graph that failed in inc by other evidence than an
// alert of their own: the origin, when something followed or an operator named it, and
// those on the way through which the failure went on. By name.
func (e *Engine) failedIn(inc *incident) []nodeID {
	row := inc.row
	cause := map[nodeID]nodeID{}
	for _, p := range row.Path {
		if p.Kind == stepDepends.String() || p.Kind == stepRunsOn.String() {
			cause[e.nodes.id(p.Effect)] = e.nodes.id(p.Cause)
		}
	}
	failed := map[nodeID]bool{}
	for _, it := range inc.items {
		n := it.hit()
		for range len(cause) { // a tree; the bound is for a damaged row
			c, ok := cause[n]
			if !ok {
				break
			}
			failed[c], n = true, c
		}
	}
	if o := row.Origin(); o != nil && row.SetOrigin != nil {
		failed[e.nodes.id(o.Service)] = true
	}
	out := slices.DeleteFunc(slices.Collect(maps.Keys(failed)), func(n nodeID) bool { return !e.nodes.known(n) })
	slices.SortFunc(out, e.nodes.compareNames)
	return out[:min(len(out), maxLessons)]
}

// lesson is an incident as it is learned from.
type lesson struct {
	e          *Engine
	weight     float64
	spoke, hit map[nodeID]bool    // had an alert of its own; suffered
	way        map[[2]nodeID]bool // cause, effect
}

func (e *Engine) newLesson(inc *incident, weight float64) *lesson {
	l := &lesson{e: e, weight: weight, spoke: map[nodeID]bool{}, hit: map[nodeID]bool{}, way: map[[2]nodeID]bool{}}
	for _, it := range inc.items {
		l.hit[it.hit()] = true
		if !it.edge() {
			l.spoke[it.node] = true
		}
	}
	for _, p := range inc.row.Path {
		l.way[[2]nodeID{e.nodes.id(p.Cause), e.nodes.id(p.Effect)}] = true
	}
	return l
}

// observeCoverage: n failed. Did it say so?
func (l *lesson) observeCoverage(n nodeID) {
	word := keySilent
	if l.spoke[n] {
		word = keySpoke
	}
	l.e.observe(statKey(word, l.e.nodes.ref(n).String()), l.weight)
}

// observeCallers: callee failed. Which of those that depend on it directly were hit? A
// caller that has never alerted says nothing by its silence.
func (l *lesson) observeCallers(callee nodeID) {
	e := l.e
	for i, edge := range e.nodes.in(callee) {
		if i == quietSample {
			return
		}
		caller := nodeID(edge.Node)
		ref := e.nodes.ref(caller)
		word := keyCarried
		if !l.hit[caller] && !l.way[[2]nodeID{callee, caller}] {
			if word = keyHeld; e.stats[statKey(keyAlerted, ref.String())].Count == 0 {
				continue
			}
		}
		e.observe(statKey(word, edgeSubject(ref, e.nodes.ref(callee))), l.weight)
	}
}

func (e *Engine) observeNoise(rule string, times float64) {
	if e.learned.since.IsZero() {
		e.putStat(keySince+"/", 1)
	}
	e.observe(statKey(keyNoise, rule), times)
}

// observe adds to a figure, after forgetting what time takes from it.
func (e *Engine) observe(key string, weight float64) {
	old := e.stats[key]
	e.putStat(key, observed{old.Count, old.At}.by(e.meta.Now)+weight)
}

// countAlert notes that the service has alerted.
func (e *Engine) countAlert(service topology.Ref) {
	key := statKey(keyAlerted, service.String())
	e.putStat(key, e.stats[key].Count+1)
}

func (e *Engine) putStat(key string, count float64) {
	if _, known := e.stats[key]; !known && len(e.stats) >= maxStats {
		e.evictStats()
	}
	st := Stat{Key: key, Count: count, At: e.meta.Now}
	e.stats[key] = st
	e.enterStat(st)
	e.touchStat(key)
}

func (e *Engine) touchStat(key string) {
	if e.step.stats == nil {
		e.step.stats = map[string]bool{}
	}
	e.step.stats[key] = true
}

// evictStats makes room: the figures that changed longest ago go.
func (e *Engine) evictStats() {
	old := slices.SortedFunc(maps.Values(e.stats), func(a, b Stat) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key)) })
	old = slices.DeleteFunc(old, func(st Stat) bool { return st.Key == keySince+"/" })
	for _, st := range old[:len(old)/10] {
		e.dropStat(st.Key)
	}
	e.indexLearned()
}

func (e *Engine) dropStat(key string) {
	delete(e.stats, key)
	e.touchStat(key)
}

// resetLearned forgets the selected figures.
func (e *Engine) resetLearned(s FigureSelection) string {
	found := false
	for key := range e.stats {
		if s.selects(key) {
			e.dropStat(key)
			found = true
		}
	}
	if !found {
		return s.nothing()
	}
	e.indexLearned()
	return ""
}
