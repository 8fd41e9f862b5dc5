package correlate

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// This file is the naive twin of tree.go and its companions: the same model, searched
// exhaustively. It shares with the engine the numbers of weights.go, the facts of a scene
// (nodes, arcs and what a step costs) and nothing of how trees are found and scored. It
// leaves out what is judged by rules of its own: edge alerts and starvation.

// shape is one hypothesis as plain data: every node but the origin that the failure
// reached, each with the node that it came from, and whether its alerts count.
type shape struct {
	origin int32
	start  float64
	parent map[int32]int32
	via    map[int32]stepKind
	speaks map[int32]bool
}

// outcome is what the formula in the comment of [tree] says about a shape.
type outcome struct {
	score float64
	set   itemSet
}

// twin scores shapes over the alerts in avail. Those in open make a step of load possible.
type twin struct {
	s           *scene
	avail, open itemSet
}

func newTwin(s *scene, avail itemSet) *twin { return &twin{s: s, avail: avail, open: avail} }

// voice is one alert that counts, as the twin sees it.
type voice struct {
	item, node int32
	ref        int32   // the nearest node above it whose alerts count, -1: none
	rest, time float64 // what it is worth: gain and class; time, ≤ 0
	full       float64 // of both, before the many alerts of its service saturate
	share      float64 // in which its time counts
	timed      int32   // the alert whose distance from its cause counts here
	cost       float64 // of that distance, in full
}

func (w *twin) score(h *shape) outcome {
	score := w.originTerms(h)
	loud := map[int32][]voice{}
	for _, n := range h.downwards() {
		if n != h.origin {
			score -= w.stepCost(h, n)
		}
		if n == h.origin || h.speaks[n] {
			loud[n] = w.voices(h, n, loud)
		}
		switch {
		case n == h.origin && len(loud[n]) == 0:
			score -= w.muteCost(n)
			if w.s.ranking {
				score -= w.quiet(n)
			}
		case n != h.origin && len(loud[n]) == 0 && len(w.s.nodes[n].own) == 0:
			score -= w.s.nodes[n].transit
		}
	}
	var all []voice
	for _, n := range h.downwards() {
		all = append(all, loud[n]...)
	}
	slices.SortFunc(all, func(a, b voice) int { return cmp.Compare(a.item, b.item) })
	w.retime(h, all, loud)
	kept, pauses := w.pauses(h, all)
	set := newItemSet(len(w.s.items))
	for _, v := range kept {
		score += v.rest + v.time
		set.add(v.item)
	}
	return outcome{score: score - pauses - w.recoveries(kept) + w.loadMoved(h, kept), set: set}
}

// recoveries is what it costs that parts of what is kept ended at different times.
func (w *twin) recoveries(kept []voice) float64 {
	if w.s.ranking {
		return 0
	}
	type end struct {
		at   float64
		node int32
	}
	var ends []end
	for _, v := range kept {
		at := w.s.ended[v.item] // the alerts of a drawn scene do not fire again
		if at == 0 {
			at = w.s.now - recoveryWait
			for _, kept := range kept {
				at = max(at, w.s.ended[kept.item])
			}
		}
		ends = append(ends, end{at, v.node})
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Compare(a.at, b.at) })
	sides := func(part []end) float64 {
		nodes := map[int32]bool{}
		for _, e := range part {
			nodes[e.node] = true
		}
		return float64(len(nodes))
	}
	cost, from := 0.0, 0
	for i := 1; i < len(ends); i++ {
		if late := ends[i].at - ends[i-1].at - recoveryGrace; late > 0 {
			services := min(sides(ends[from:i]), sides(ends[i:]))
			cost += min(recoveryMost, recoveryFirst+recoveryFold*math.Log(services)) * min(1, late/recoveryScale)
			from = i
		}
	}
	return cost
}

// downwards are the nodes of h, causes before effects.
func (h *shape) downwards() []int32 {
	out := []int32{h.origin}
	for i := 0; i < len(out); i++ {
		var next []int32
		for n, p := range h.parent {
			if p == out[i] {
				next = append(next, n)
			}
		}
		slices.Sort(next)
		out = append(out, next...)
	}
	return out
}

func (w *twin) originTerms(h *shape) float64 {
	id := w.s.nodes[h.origin].id
	change := w.s.e.changeBoost(id, w.s.at(h.start), w.s.ranking)
	health := w.s.e.healthWeight(id, w.s.at(h.start))
	if w.s.ranking {
		return change + health
	}
	if w.s.nodes[h.origin].place {
		return change + healthGrouping*health - w.quiet(h.origin)
	}
	return change + healthGrouping*health
}

// quiet is what the dependents of n cost that show nothing, n having failed.
func (w *twin) quiet(n int32) float64 {
	cost := 0.0
	for _, edge := range w.s.e.nodes.in(w.s.nodes[n].id) {
		caller := nodeID(edge.Node)
		if slices.ContainsFunc(w.s.items, func(it *item) bool { return it.node == caller }) {
			continue
		}
		reaches := math.Exp(-w.s.e.nodes.stepCost(caller, w.s.nodes[n].id, edge))
		cost += -math.Log(1 - quietFactor*coverage(w.s.e.nodes.kind(caller))*reaches)
	}
	return min(cost, quietCap)
}

func (w *twin) muteCost(n int32) float64 {
	if slices.ContainsFunc(w.s.clients, func(c client) bool { return c.node == n }) {
		return 0
	}
	return w.s.nodes[n].mute
}

func (w *twin) loadMoved(h *shape, kept []voice) float64 {
	if !w.s.ranking || !w.s.nodes[h.origin].shared {
		return 0
	}
	for _, v := range kept {
		if v.node != h.origin && w.class(v.item) == ClassSurge && w.s.onset[v.item] <= h.start+lateScale {
			return loadMoved
		}
	}
	return 0
}

func (w *twin) class(k int32) Class { return w.s.items[k].state.Class }

// stepCost is what it costs that the failure came to n the way it did. A host or a
// zone that it passes answers for those on it that show nothing.
func (w *twin) stepCost(h *shape, n int32) float64 {
	quiet := 0.0
	if w.s.nodes[n].place {
		quiet = quietOnWay * w.quiet(n)
	}
	if h.via[n] == stepOverload {
		cost, _ := w.overload(h, h.parent[n], n, w.surging(h, h.parent[n]))
		return cost + quiet
	}
	for _, a := range w.s.nodes[h.parent[n]].up {
		if a.to == n {
			return a.cost + quiet
		}
	}
	return math.Inf(1)
}

// surging: u reports a surge, or what moved load onto it did.
func (w *twin) surging(h *shape, u int32) bool {
	return w.reports(u, ClassSurge) || u != h.origin && h.via[u] == stepOverload && w.surging(h, h.parent[u])
}

func (w *twin) reports(u int32, c Class) bool {
	return slices.ContainsFunc(w.s.nodes[u].own, func(k int32) bool { return w.open.has(k) && w.class(k) == c })
}

// overload is what a step of load from u onto v costs, which u calls.
func (w *twin) overload(h *shape, u, v int32, surging bool) (float64, bool) {
	from, to := &w.s.nodes[u], &w.s.nodes[v]
	lostCache := w.s.nodes[h.origin].kind.String() == "cache" && to.kind.String() == "database" &&
		slices.ContainsFunc(w.s.nodes[h.origin].up, func(a arc) bool { return a.to == u })
	switch {
	case surging:
		return costOverloadSurge, true
	case w.seenByClients(v):
		return costSeenByClients, true
	case !to.shared:
		return 0, false
	case u == h.origin && w.s.ranking && w.s.e.changeBoost(from.id, w.s.at(h.start), true) > 0:
		return costOverloadLeak, true
	case w.reports(u, ClassClientPool):
		return costOverloadPool, true
	case lostCache:
		return costOverloadFallback, true
	case u == h.origin:
		return costOverloadShared, true
	}
	return 0, false
}

// seenByClients: v alerts, and all of it was measured where v is called from.
func (w *twin) seenByClients(v int32) bool {
	return w.loud(v) && !slices.ContainsFunc(w.s.nodes[v].own, func(k int32) bool { return w.open.has(k) && !w.s.items[k].atClients })
}

// overloadable: load may move from u onto v at all.
func (w *twin) overloadable(h *shape, u, v int32) bool {
	if w.s.nodes[v].place {
		return false
	}
	if u != h.origin && !w.loud(u) || !w.loud(v) && (u != h.origin || !w.s.nodes[v].shared) {
		return false
	}
	_, ok := w.overload(h, u, v, true) // whether load surges is seen when all ways are known
	return ok
}

func (w *twin) alerting(n int32) bool { return w.avail.hasAny(w.s.nodes[n].own) }
func (w *twin) loud(n int32) bool     { return w.open.hasAny(w.s.nodes[n].own) }

// classGain is how much likelier the class of k is at n than anywhere.
func (w *twin) classGain(h *shape, k, n int32) float64 {
	c := classWeight[w.class(k)]
	switch {
	case n == h.origin:
		return c.origin
	case h.via[n] == stepOverload:
		return c.loaded
	case w.s.nodes[h.parent[n]].place && !w.s.nodes[n].place:
		return c.ofHost
	}
	return c.victim
}

// ref is the nearest node above n whose alerts count, -1: none.
func (h *shape) ref(n int32, loud map[int32][]voice) int32 {
	for n != h.origin {
		if n = h.parent[n]; len(loud[n]) > 0 {
			return n
		}
	}
	return -1
}

// voices are the alerts of n that are worth something, one observation together: the
// best in full with the delay of the first, the others in part.
func (w *twin) voices(h *shape, n int32, loud map[int32][]voice) []voice {
	var out []voice
	ref := h.ref(n, loud)
	for _, k := range w.s.nodes[n].own { // by onset
		if !w.avail.has(k) {
			continue
		}
		v := voice{item: k, node: n, ref: ref, share: 1, timed: k}
		class := w.classGain(h, k, n)
		switch {
		case len(out) > 0:
			v.cost = w.delay(k, w.s.onset[out[len(out)-1].item], 0)
			if w.s.onset[k]-w.s.onset[out[0].item] > lateSymptom {
				class = 0
			}
		case ref >= 0:
			v.cost = w.delay(k, w.s.onset[w.lastBefore(loud[ref], k)], w.endOf(loud[ref]))
		default:
			v.cost = w.delay(k, h.start, 0)
		}
		v.rest, v.time = w.s.items[k].gain+class, -v.cost
		if v.full = v.rest + v.time; v.full > 0 {
			out = append(out, v)
		}
	}
	return oneObservation(out)
}

func oneObservation(vs []voice) []voice {
	if len(vs) < 2 {
		return vs
	}
	best := 0
	for i, v := range vs {
		if v.full > vs[best].full {
			best = i
		}
	}
	if best > 0 {
		vs[best].time += vs[0].time
		vs[best].cost, vs[best].timed = vs[0].cost, vs[0].timed
		vs[0].time, vs[0].cost = 0, 0
	}
	all := min(1, repeatsCount/repeatFactor/float64(len(vs)-1))
	for i := range vs {
		if i == best {
			continue
		}
		vs[i].full = repeatFactor * (vs[i].rest + vs[i].time)
		vs[i].share = repeatFactor * all
		vs[i].rest *= vs[i].share
		vs[i].time *= vs[i].share
	}
	return vs
}

// lastBefore is the latest of vs that did not begin after k, else the first.
func (w *twin) lastBefore(vs []voice, k int32) int32 {
	last := vs[0].item
	for _, v := range vs {
		if w.s.onset[v.item] <= w.s.onset[k] {
			last = v.item
		}
	}
	return last
}

// endOf is when the last of vs ended, 0 while one lasts.
func (w *twin) endOf(vs []voice) float64 {
	end := 0.0
	for _, v := range vs {
		if w.s.ended[v.item] == 0 {
			return 0
		}
		end = max(end, w.s.ended[v.item])
	}
	return end
}

// delay is what it costs that k began when it did, its cause having begun at on and ended at end.
func (w *twin) delay(k int32, on, end float64) float64 {
	d := w.s.onset[k] - on
	cost := math.Log(1 + max(d, 0)/max(lateScale, w.s.quantum))
	if d < 0 {
		cost = -d / max(earlyScale, w.s.quantum)
	}
	if after := w.s.onset[k] - end - afterEndGrace; end > 0 && after > 0 {
		cost += min(afterEndCap, after/afterEndScale)
	}
	limit := timeCapGroup
	if w.s.ranking {
		limit = timeCapRank
	}
	return min(cost, limit)
}

// retime measures each alert from the cause that fits it best: when origins are not ranked,
// from any dependency in the tree that alerted no later and not because of it; what a silent
// database, cache or queue reached directly, from the symptom before it.
func (w *twin) retime(h *shape, all []voice, loud map[int32][]voice) {
	if len(all) < 2 {
		return
	}
	deep := len(loud[h.origin]) == 0 && w.s.nodes[h.origin].shared
	before := int32(-1)
	for i := range all {
		v := &all[i]
		if v.time == 0 || v.node == h.origin {
			continue
		}
		best := v.cost
		if !w.s.ranking {
			best = w.nearest(h, v, loud)
		}
		if deep && v.ref < 0 {
			if before >= 0 {
				best = min(best, w.delay(v.timed, w.s.onset[before], 0))
			}
			before = v.item
		}
		v.time += (v.cost - best) * v.share
	}
}

// nearest is the least that the time of v costs, measured from the dependencies of its
// service. Two that call each other and fail at once excuse neither.
func (w *twin) nearest(h *shape, v *voice, loud map[int32][]voice) float64 {
	best, at := v.cost, w.s.onset[v.timed]
	for _, a := range w.s.nodes[v.node].down {
		vs := loud[a.to]
		if len(vs) == 0 || w.s.onset[vs[0].item] > at || h.under(a.to, v.node) {
			continue
		}
		cause := w.s.onset[w.lastBefore(vs, v.timed)]
		mutual := slices.ContainsFunc(w.s.nodes[v.node].up, func(b arc) bool { return b.to == a.to })
		if cause < at || !mutual {
			best = min(best, w.delay(v.timed, cause, w.endOf(vs)))
		}
	}
	return best
}

// under: the failure came to n by way of above.
func (h *shape) under(n, above int32) bool {
	for ; n != h.origin; n = h.parent[n] {
		if n == above {
			return true
		}
	}
	return n == above
}

// pauses is what the pauses between alerts, which are by onset, cost, and the alerts
// that they leave.
func (w *twin) pauses(h *shape, all []voice) (kept []voice, cost float64) {
	if len(all) < 2 {
		return all, 0
	}
	for _, v := range all {
		if len(kept) > 0 {
			pause := w.pause(h, kept, v)
			if pause > 0 && pause >= v.full {
				continue
			}
			cost += pause
		}
		kept = append(kept, v)
	}
	return kept, cost
}

func (w *twin) pause(h *shape, before []voice, v voice) float64 {
	grace := gapGrace
	if c := w.class(v.item); c == ClassTrafficGone || c == ClassLag {
		grace = gapGraceSlow
	}
	on := w.s.onset[v.item]
	pause := max(0, on-w.s.onset[before[len(before)-1].item]-grace) / max(gapScale, w.s.quantum)
	if slices.ContainsFunc(before, func(b voice) bool {
		lasting := w.s.ended[b.item] == 0 || w.s.ended[b.item] >= on
		return lasting && (b.node == v.node || b.node == v.ref || b.node == h.origin)
	}) {
		pause *= gapSameNode
	}
	return pause
}

// shapes calls f with every shape from origin and start that could be the best one: each
// way over the arcs to each set of nodes, with each choice of those whose alerts count.
// Ways that end in a node without a word cost and explain nothing.
func (w *twin) shapes(origin int32, start float64, f func(*shape)) {
	h := &shape{origin: origin, start: start, parent: map[int32]int32{}, via: map[int32]stepKind{}, speaks: map[int32]bool{}}
	w.extend(h, 0, f)
}

// extend decides about node n and all after it: not reached, or reached from each
// neighbour, in silence or not. Whether all ways lead to the origin is seen at the end.
func (w *twin) extend(h *shape, n int32, f func(*shape)) {
	if int(n) == len(w.s.nodes) {
		if w.sound(h) {
			f(h)
		}
		return
	}
	w.extend(h, n+1, f)
	if n == h.origin {
		return
	}
	for _, from := range w.causes(h, n) {
		h.parent[n], h.via[n] = from.node, from.kind
		w.extend(h, n+1, f)
		if w.alerting(n) {
			h.speaks[n] = true
			w.extend(h, n+1, f)
			delete(h.speaks, n)
		}
		delete(h.parent, n)
		delete(h.via, n)
	}
}

type origination struct {
	node int32
	kind stepKind
}

// causes are the nodes from which a failure could come to n, each with how.
func (w *twin) causes(h *shape, n int32) []origination {
	var out []origination
	for _, a := range w.s.nodes[n].down {
		kind := stepDepends
		if w.s.nodes[a.to].place {
			kind = stepRunsOn
		}
		out = append(out, origination{a.to, kind})
	}
	for _, a := range w.s.nodes[n].up {
		if w.overloadable(h, a.to, n) {
			out = append(out, origination{a.to, stepOverload})
		}
	}
	return out
}

// sound: h is a tree, none of its ways ends in silence, and load moves once on each at most.
func (w *twin) sound(h *shape) bool {
	order := h.downwards()
	if len(order) != len(h.parent)+1 {
		return false // a circle, or a node that hangs on nothing
	}
	leads := map[int32]bool{}
	for _, n := range order[1:] {
		leads[h.parent[n]] = true
	}
	for _, n := range order[1:] {
		if !h.speaks[n] && !leads[n] || h.via[n] == stepOverload && !w.loads(h, n) {
			return false
		}
	}
	return true
}

// loads: load can move onto n from the node above it. It moves once on each way, but a
// surge goes on.
func (w *twin) loads(h *shape, n int32) bool {
	u := h.parent[n]
	surge := u != h.origin && h.via[u] == stepOverload && w.surging(h, h.parent[u])
	for m := u; m != h.origin && !surge; m = h.parent[m] {
		if h.via[m] == stepOverload {
			return false
		}
	}
	_, ok := w.overload(h, u, n, w.surging(h, u))
	return ok
}

// best is the best tree from origin and start.
func (w *twin) best(origin int32, start float64) outcome {
	best := outcome{score: math.Inf(-1)}
	w.shapes(origin, start, func(h *shape) {
		if o := w.score(h); o.score > best.score {
			best = o
		}
	})
	return best
}

// bestFrom is the best tree from origin, whatever its onset.
func (w *twin) bestFrom(origin int32, starts []float64) outcome {
	best := outcome{score: math.Inf(-1)}
	for _, start := range starts {
		if o := w.best(origin, start); o.score > best.score {
			best = o
		}
	}
	return best
}

// divisions is the best score of all divisions of the alerts into parts: the sum of the parts'
// trees, less what each division of something in two costs.
func divisions(s *scene) float64 {
	n := len(s.items)
	part := make([]float64, 1<<n)
	for mask := 1; mask < 1<<n; mask++ {
		part[mask] = partScore(s, mask)
	}
	return bestDivision(part, func(mask int) int { return bits.OnesCount(uint(mask)) })
}

// bestDivision divides what is in the last mask; part is what a mask is worth undivided,
// services how many services it is about.
func bestDivision(part []float64, services func(mask int) int) float64 {
	best := slices.Clone(part)
	for mask := 1; mask < len(part); mask++ {
		price := addOrigin + addPerFold*math.Log1p(float64(services(mask))/addServices)
		for sub := (mask - 1) & mask; sub > 0; sub = (sub - 1) & mask {
			best[mask] = max(best[mask], best[sub]+best[mask^sub]-price)
		}
	}
	return best[len(part)-1]
}

// partScore is the score of the best tree over the alerts in mask that explains all of
// them, or all but a few at a price. An alert that a pause took away, and that another part
// holds, may have opened a way of the engine's.
func partScore(s *scene, mask int) float64 {
	set := newItemSet(len(s.items))
	for k := range s.items {
		if mask&(1<<k) != 0 {
			set.add(int32(k))
		}
	}
	w := newTwin(s, set)
	strict := w.explain()
	w.open = everything(s)
	return max(strict, w.explain())
}

func (w *twin) explain() float64 {
	s, best := w.s, math.Inf(-1)
	for origin := range s.nodes {
		for _, start := range onsets(s) {
			w.shapes(int32(origin), start, func(h *shape) {
				o := w.score(h)
				if strays := w.avail.count() - o.set.count(); strays <= maxStrays {
					best = max(best, o.score-strayCost*float64(strays))
				}
			})
		}
	}
	return best
}

func everything(s *scene) itemSet {
	set := newItemSet(len(s.items))
	for k := range s.items {
		set.add(int32(k))
	}
	return set
}

// onsets are the times at which a failure may have begun.
func onsets(s *scene) []float64 {
	return slices.Compact(slices.Clone(s.onset)) // they are in order
}
