package correlate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// judge works out what an incident is: ranked origins with reasons, the way the
// failure took, who is hit and who is next.
func (e *Engine) judge(inc *incident) {
	s := e.newScene(inc.sorted(), true)
	defer s.close()
	e.judgeIn(inc, s)
}

// judgeIn is judge in the scene of the incident's alerts.
func (e *Engine) judgeIn(inc *incident, s *scene) {
	p, _ := newPartitioner(s)
	ranking, unknown := p.rank(p.avail, e.cfg.MaxOrigins)
	ranking, unknown = p.heed(inc.row.SetOrigin, ranking, unknown)

	row := e.editIncident(inc)
	row.Unsettled = false
	row.TopologyVersion = e.meta.TopologyVersion
	before := row.Origin()
	row.Origins, row.Unknown = nil, unknown
	for i, r := range ranking {
		row.Origins = append(row.Origins, e.originOf(p, ranking, i, r))
	}
	e.sayWhoSetOrigin(inc)
	e.describe(inc, p, ranking)
	e.regrade(inc)
	e.recount(inc)
	if o := row.Origin(); o != nil && before != nil && o.Service != before.Service && !row.originSet() {
		e.note(inc, TimelineOrigin, "", fmt.Sprintf("probable origin is now %s (%d %%), was %s", e.short(o.Service), percent(o.Probability), e.short(before.Service)))
	}
}

func percent(p float64) int { return int(math.Round(100 * p)) }

func (e *Engine) originOf(p *partitioner, all []ranked, i int, r ranked) Origin {
	id := p.nodes[r.node].id
	return Origin{
		Service: e.nodes.ref(id), Kind: e.nodes.kind(id), Owner: e.nodes.owner(id),
		Probability: r.probability, Silent: r.tree.silent, SilenceCost: p.silenceCost(r.tree), Reasons: p.reasons(all, i),
	}
}

// silenceCost is what t pays for having no alert at its origin: its silence, less that
// of the nodes that it passed and half of that of those where only calls fail.
func (s *scene) silenceCost(t *tree) float64 {
	if !t.silent {
		return 0
	}
	cost := s.nodes[t.origin].mute
	switch {
	case s.isClient(t.origin):
		return 0
	case slices.ContainsFunc(t.attached, func(a attachment) bool { return a.node == t.origin }):
		return cost / 2
	}
	return cost
}

// describe fills the parts of the row that follow from the leading tree.
func (e *Engine) describe(inc *incident, p *partitioner, ranking []ranked) {
	s, row := p.scene, e.editIncident(inc)
	row.Severity, row.StartedAt = SeverityNone, s.epoch
	for _, it := range s.all {
		row.Severity = max(row.Severity, it.state.Severity)
	}
	row.Path, row.NextHit, row.Gaps = nil, nil, nil
	distance, left := map[nodeID]int{}, slices.Clone(p.avail)
	if len(ranking) > 0 {
		t := ranking[0].tree
		left.subtract(t.set)
		row.Path = p.path(t, distance)
		row.NextHit = e.nextHit(s, t)
		row.Gaps = e.gaps(s, ranking)
	}
	row.Services = e.impacts(s, distance, left)
	row.Changes = e.changesNear(s, ranking, distance)
	row.Runbooks = e.runbooks(row, s)
	row.SeenBefore = e.recall(row)
	row.Title = title(row, s)
}

// roleNames are the words for what became of the effect of a step.
var roleNames = [...]string{roleOrigin: "origin", roleVictim: "victim", roleOfHost: "hosted", roleStarved: "starved", roleLoaded: "loaded"}

// String returns the word that the API uses.
func (r role) String() string { return nameOf(roleNames[:], int(r)) }

// effectOf is the role in which a step leaves its effect.
func (s *scene) effectOf(st treeStep) role {
	switch {
	case st.kind == stepOverload:
		return roleLoaded
	case st.kind == stepStarve:
		return roleStarved
	case s.nodes[st.cause].place && !s.nodes[st.effect].place:
		return roleOfHost
	}
	return roleVictim
}

// passing is the part of the cost of t's step i that its cause shows nothing. It is
// charged once, on the step by which the failure first went on from there: that follows
// the one which led there, see [scene.commit].
func (s *scene) passing(t *tree, i int) float64 {
	cause := t.steps[i].cause
	if i == 0 || t.steps[i].kind == stepStarve || t.steps[i-1].effect != cause ||
		slices.ContainsFunc(t.attached, func(a attachment) bool { return a.node == cause }) {
		return 0
	}
	return s.nodes[cause].transit
}

// path lists the steps of tree t and measures each node's distance from the origin.
func (s *scene) path(t *tree, distance map[nodeID]int) []PathEdge {
	onset := map[int32]float64{}
	for _, a := range t.attached {
		if on, ok := onset[a.node]; !ok || s.onset[a.item] < on {
			onset[a.node] = s.onset[a.item]
		}
	}
	distance[s.nodes[t.origin].id] = 0
	var out []PathEdge
	for i, st := range t.steps {
		cause, effect := s.nodes[st.cause].id, s.nodes[st.effect].id
		distance[effect] = distance[cause] + 1
		passing := s.passing(t, i)
		edge := PathEdge{
			Cause: s.e.nodes.ref(cause), Effect: s.e.nodes.ref(effect), Kind: st.kind.String(),
			Role: s.effectOf(st).String(), Cost: st.cost - passing, Passing: passing,
		}
		from, ok1 := onset[st.cause]
		to, ok2 := onset[st.effect]
		if ok1 && ok2 {
			edge.Delay = time.Duration((to - from) * float64(time.Second))
		}
		out = append(out, edge)
	}
	return out
}

// maxNext bounds the services named as next to be hit.
const maxNext = 5

// nextHit ranks the services that depend on what failed and show nothing yet by the
// probability that it reaches them.
func (e *Engine) nextHit(s *scene, t *tree) []topology.Ref {
	member := map[nodeID]bool{s.nodes[t.origin].id: true}
	for _, st := range t.steps {
		member[s.nodes[st.effect].id] = true
	}
	spared := map[nodeID]float64{} // probability that none of the failed ones reaches it
	for _, n := range sortedNodes(member) {
		for i, edge := range e.nodes.in(n) {
			caller := nodeID(edge.Node)
			if i == quietSample {
				break
			}
			if member[caller] || e.alerting(caller) {
				continue
			}
			left, ok := spared[caller]
			if !ok {
				left = 1
			}
			spared[caller] = left * (1 - math.Exp(-e.stepCostOf(caller, n, edge)))
		}
	}
	next := sortedNodes(spared)
	slices.SortStableFunc(next, func(a, b nodeID) int { return cmp.Compare(spared[a], spared[b]) })
	var out []topology.Ref
	for _, n := range next[:min(len(next), maxNext)] {
		out = append(out, e.nodes.ref(n))
	}
	return out
}

func sortedNodes[V any](m map[nodeID]V) []nodeID {
	out := make([]nodeID, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// gaps names likely origins that nothing watches: a silent one that has never
// alerted and has no health check could not have told us.
func (e *Engine) gaps(s *scene, ranking []ranked) []string {
	var out []string
	outside := map[string][]string{}
	for i, r := range ranking {
		if i == 3 || i > 0 && r.probability < gapShown {
			break
		}
		n := &s.nodes[r.node]
		if !r.tree.silent || n.kind.IsPlace() || len(e.checksOf[n.id]) > 0 {
			continue
		}
		ref := e.nodes.ref(n.id)
		if isUnregistered(ref.Name) {
			outside[ref.Name] = append(outside[ref.Name], e.failingCallers(n.id)...)
			continue
		}
		if e.stats[statKey(keyAlerted, ref.String())].Count > 0 {
			continue
		}
		out = append(out, fmt.Sprintf("nothing watches %s: it has never alerted and has no health check", e.nodes.name(n.id)))
	}
	return append(out, e.unregistered(s, outside)...)
}

// failingCallers names what depends on n directly and has alerts.
func (e *Engine) failingCallers(n nodeID) []string {
	var out []string
	for _, edge := range e.nodes.in(n) {
		if caller := nodeID(edge.Node); e.alerting(caller) {
			out = append(out, e.nodes.name(caller))
		}
	}
	return out
}

// gapShown: a gap is named for the leading origin and for rivals that a page would mention.
const gapShown = .2

// unregistered says which services call what the mesh only knows as "outside": those
// of callers, by the name that the mesh has for it, and those whose alerts say so.
func (e *Engine) unregistered(s *scene, callers map[string][]string) []string {
	for _, it := range s.all {
		name := it.state.Service.Name
		if !isUnregistered(name) {
			continue
		}
		caller := "something"
		if !it.state.Caller.IsZero() {
			caller = e.short(it.state.Caller)
		}
		if !slices.Contains(callers[name], caller) {
			callers[name] = append(callers[name], caller)
		}
	}
	var out []string
	for _, name := range sortedKeys(callers) {
		verb := "call"
		if len(callers[name]) == 1 {
			verb = "calls"
		}
		out = append(out, fmt.Sprintf("%s %s %s, a host without a service entry in the mesh: register it (kind: ServiceEntry, with its host and port) to see it by name", listed(callers[name]), verb, name))
	}
	return out
}

// isUnregistered: Istio reports calls to hosts outside its registry under these names.
func isUnregistered(name string) bool {
	return name == "PassthroughCluster" || name == "BlackHoleCluster"
}

// impacts lists the services hit: the origin first, then by onset. left are the alerts
// that the leading origin does not explain.
func (e *Engine) impacts(s *scene, distance map[nodeID]int, left itemSet) []ServiceImpact {
	at := map[nodeID]*ServiceImpact{}
	var order []nodeID
	for i, it := range s.all {
		k := s.place(i)
		n := it.hit()
		im := at[n]
		if im == nil {
			im = &ServiceImpact{Service: e.nodes.ref(n), Kind: e.nodes.kind(n), Owner: e.nodes.owner(n), Since: it.state.StartsAt, Distance: -1}
			if d, ok := distance[n]; ok {
				im.Distance = d
			}
			at[n] = im
			order = append(order, n)
		}
		im.Alerts++
		if it.state.Active() {
			im.Firing++
		}
		if left.has(k) {
			im.Unexplained++
		}
		im.Severity = max(im.Severity, it.state.Severity)
	}
	out := make([]ServiceImpact, 0, len(order))
	for _, n := range order {
		out = append(out, *at[n])
	}
	slices.SortStableFunc(out, func(a, b ServiceImpact) int {
		if a.Distance == 0 || b.Distance == 0 {
			return cmp.Compare(b2i(b.Distance == 0), b2i(a.Distance == 0))
		}
		return 0
	})
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// maxChangesShown bounds the changes listed with an incident.
const maxChangesShown = 5

// changesNear lists changes on the likely origins and along the way, latest first.
func (e *Engine) changesNear(s *scene, ranking []ranked, distance map[nodeID]int) []Change {
	relevant := map[nodeID]bool{}
	for n := range distance {
		relevant[n] = true
	}
	for i, r := range ranking {
		if i < 3 {
			relevant[s.nodes[r.node].id] = true
		}
	}
	if len(ranking) > 0 { // a client may have done it to what it shares with the others
		for i, edge := range e.nodes.in(s.nodes[ranking[0].node].id) {
			if i < quietSample {
				relevant[nodeID(edge.Node)] = true
			}
		}
	}
	var found []*ChangeState
	for _, n := range sortedNodes(relevant) {
		for _, c := range e.changesOf[n] {
			if c.At.Before(s.epoch.Add(5*time.Minute)) && s.epoch.Sub(c.At) <= changesKept {
				found = append(found, c)
			}
		}
	}
	slices.SortFunc(found, func(a, b *ChangeState) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Pos, b.Pos)) })
	var out []Change
	for _, c := range found[:min(len(found), maxChangesShown)] {
		out = append(out, c.Change)
	}
	return out
}

// maxRunbooks bounds the runbook links of an incident.
const maxRunbooks = 5

func (e *Engine) runbooks(row *Incident, s *scene) []string {
	var out []string
	add := func(link string) {
		if link != "" && len(out) < maxRunbooks && !slices.Contains(out, link) {
			out = append(out, link)
		}
	}
	if o := row.Origin(); o != nil {
		if n, ok := e.graph.Lookup(o.Service); ok {
			add(e.graph.Service(n).Runbook)
		}
		for _, it := range s.all {
			if it.state.Service == o.Service {
				add(it.state.Annotations["runbook_url"])
			}
		}
	}
	for _, it := range s.all {
		add(it.state.Annotations["runbook_url"])
	}
	return out
}

// title is the name of the most telling alert: the origin's own, else the worst, else the first.
func title(row *Incident, s *scene) string {
	best := s.all[0]
	score := func(it *item) int {
		n := int(it.state.Severity)
		if o := row.Origin(); o != nil && it.state.Service == o.Service && !it.edge() {
			n += 10
		}
		return n
	}
	for _, it := range s.all[1:] {
		if score(it) > score(best) {
			best = it
		}
	}
	return best.state.Labels["alertname"]
}

// changeBoost is what recent changes on n add to its being the origin of a failure
// that began at start: up to ln 21, decaying with the time between. When origins are
// ranked, and only then, changes of the last days count a little too.
func (e *Engine) changeBoost(n nodeID, start time.Time, ranking bool) float64 {
	best := 0.0
	for _, c := range e.changesOf[n] {
		best = max(best, changeWeight(start.Sub(c.At).Seconds(), ranking))
	}
	return best
}

// changeWeight is the weight of a change t seconds before the first symptom,
//
//	ln(1 + 20·exp(-t/changeScale) + leakOdds·exp(-t/leakScale))
//
// where the first part ends at changeHorizon and the second counts in rankings only. The
// shape is an assumption that simulated cascades bear out.
func changeWeight(before float64, ranking bool) float64 {
	if before < -changeLate {
		return 0
	}
	before = max(before, 0)
	odds := 0.0
	if before <= changeHorizon {
		odds = 20 * math.Exp(-before/changeScale)
	}
	if ranking {
		odds += leakOdds * math.Exp(-before/leakScale)
	}
	return math.Log1p(odds)
}

// changeLate forgives clocks and evaluation delay: a change this much after the first symptom still counts, s.
const changeLate = 60.0
