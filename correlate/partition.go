package correlate

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
)

// cluster is one part of a scene: alerts that one failure explains.
type cluster struct {
	tree    *tree
	set     itemSet         // the tree's alerts, and riders
	whole   bool            // no two origins explain it better than one
	touched itemSet         // the nodes that could explain any of the alerts, see [partitioner.touched]
	over    map[int32]*tree // by origin, see [partitioner.over]
}

// partition divides the scene's alerts among failures. It is a function of the
// set of alerts: their order of arrival plays no part.
//
// Best tree first (the alerts' gains are submodular in the set of origins, so
// greedy choice is close to the best one: Nemhauser, Wolsey and Fisher, 1978),
// then improvement: alerts move to a tree that explains them better, trees that
// one origin explains nearly as well are joined, trees that two explain much
// better are split. Pairwise rules and union-find are never the last word: one hub
// would glue everything together.
func (s *scene) partition() []*cluster {
	p, riders := newPartitioner(s)
	p.greedy()
	p.move()
	p.improve()
	p.relapse()
	p.sweepStorm()
	p.ride(riders)
	slices.SortFunc(p.clusters, func(a, b *cluster) int { return cmp.Compare(firstItem(a), firstItem(b)) })
	return p.clusters
}

func firstItem(c *cluster) int32 {
	for i, w := range c.set {
		if w != 0 {
			return int32(i<<6) + int32(bits.TrailingZeros64(w))
		}
	}
	return math.MaxInt32
}

func lastItem(c *cluster) int32 {
	for i := len(c.set) - 1; i >= 0; i-- {
		if w := c.set[i]; w != 0 {
			return int32(i<<6) + 63 - int32(bits.LeadingZeros64(w))
		}
	}
	return -1
}

// follows: the alert fired before, not long ago or in the incident that it reopened,
// and that instance is at hand.
func (s *scene) follows(it *item) bool {
	if it.prev == nil || !s.has(it.prev) {
		return false
	}
	return it.refire() || it.inc != nil && it.inc == it.prev.inc || it.prev.inc != nil && it.prev.inc.relapsed()
}

func (s *scene) has(it *item) bool {
	_, ok := slices.BinarySearchFunc(s.all, it, compareItems)
	return ok
}

// placeOf is where an alert of the scene is among its items, or the one that it rides with.
func (s *scene) placeOf(it *item) int32 {
	i, _ := slices.BinarySearchFunc(s.all, it, compareItems)
	return s.place(i)
}

// place is the same for the i-th of all its alerts.
func (s *scene) place(i int) int32 {
	if s.stormy() {
		return s.choir.of[i]
	}
	return int32(i)
}

type partitioner struct {
	*scene
	avail     itemSet
	explained [][]int32 // per node: alerts that it could explain, by onset
	cache     map[int32]*tree
	entire    map[int32]*tree // the best tree from a node over all of avail, where that was asked for
	cost      [][]float64     // beside explained: of the cheapest way from the node to the alert
	apart     map[[2]*cluster]bool
	promised  map[string]promise // see [partitioner.promising], by set
	fortune   float64            // see [partitioner.ceiling]; below zero: not known yet
	clusters  []*cluster
}

// newPartitioner tells the scene's evidence from the alerts that merely fired again, the riders.
func newPartitioner(s *scene) (p *partitioner, riders []int32) {
	p = &partitioner{scene: s, avail: newItemSet(len(s.items))}
	for k, it := range s.items {
		if s.follows(it) {
			riders = append(riders, int32(k))
		} else {
			p.avail.add(int32(k))
		}
	}
	p.prepare()
	return p, riders
}

func (p *partitioner) prepare() {
	p.explained, p.cost = make([][]int32, len(p.nodes)), make([][]float64, len(p.nodes))
	p.makeRoom()
	for k, it := range p.items {
		if !p.avail.has(int32(k)) {
			continue
		}
		for _, c := range p.e.explainers(it) {
			for _, r := range c {
				n := p.index[r.node]
				if l := p.explained[n]; len(l) == 0 || l[len(l)-1] != int32(k) {
					p.explained[n], p.cost[n] = append(p.explained[n], int32(k)), append(p.cost[n], r.cost)
				}
			}
		}
	}
	for _, c := range p.clients {
		p.explained[c.node], p.cost[c.node] = p.explained[c.shared], p.cost[c.shared]
	}
	p.cache, p.apart, p.fortune = map[int32]*tree{}, map[[2]*cluster]bool{}, -1
	p.promised = map[string]promise{}
}

// makeRoom lets the lists of what each node explains grow without moving.
func (p *partitioner) makeRoom() {
	room, total := make([]int32, len(p.nodes)), 0
	p.avail.each(func(k int32) {
		for _, c := range p.e.explainers(p.items[k]) {
			total += len(c)
			for _, r := range c {
				room[p.index[r.node]]++
			}
		}
	})
	items, costs := make([]int32, total), make([]float64, total)
	for n, most := range room {
		p.explained[n], items = items[:0:most], items[most:]
		p.cost[n], costs = costs[:0:most], costs[most:]
	}
}

// bound is an upper bound on the score of any tree from n over the alerts in set:
// every gain in full, nothing for the way.
func (p *partitioner) bound(n int32, set itemSet) float64 {
	sum, last := 0.0, noNode
	for _, k := range p.explained[n] {
		if !set.has(k) {
			continue
		}
		it := p.items[k]
		if it.node == last {
			sum += (it.gain + mostClass) * repeatFactor
		} else {
			sum += it.gain + mostClass
		}
		last = it.node
	}
	if sum == 0 {
		return 0
	}
	return sum + changeWeight(0, true) + healthFailing + loadMoved
}

// mostClass is the most that the kind of a symptom is worth in any role.
var mostClass = func() float64 {
	most := 0.0
	for _, w := range classWeight {
		most = max(most, w.origin, w.victim, w.starved, w.ofHost, w.loaded)
	}
	return most
}()

// greedy takes the best tree until no alert is left.
func (p *partitioner) greedy() {
	left := slices.Clone(p.avail)
	for left.count() > 0 {
		best := p.best(left, p.cache)
		if best == nil {
			break
		}
		if p.entire == nil {
			p.entire = maps.Clone(p.cache)
		}
		p.clusters = append(p.clusters, &cluster{tree: best, set: slices.Clone(best.set)})
		left.subtract(best.set)
		for n, t := range p.cache {
			if t.set.intersects(best.set) {
				delete(p.cache, n)
			}
		}
	}
	left.each(func(k int32) { p.clusters = append(p.clusters, p.alone(k)) })
}

// alone is the part of an alert that nothing else explains: its own service, whatever the score.
func (p *partitioner) alone(k int32) *cluster {
	set := newItemSet(len(p.items))
	set.add(k)
	t := p.grow(p.index[p.items[k].node], p.onset[k], set)
	return &cluster{tree: t, set: set}
}

// best is the best tree over the alerts in set, nil when none explains any. Trees in cache are taken as they are.
func (p *partitioner) best(set itemSet, cache map[int32]*tree) *tree {
	var best *tree
	for _, c := range p.contenders(set, stormCandidates) {
		if best != nil && c.bound <= best.score {
			break
		}
		if p.appraise(set); best != nil && p.ceilingFrom(c.node) < best.score-hopeless {
			continue
		}
		t := cache[c.node]
		if t == nil {
			t = p.bestFrom(c.node, set)
			if cache != nil {
				cache[c.node] = t
			}
		}
		if t.set.count() > 0 && (best == nil || better(t, best)) {
			best, t = t, best
		}
		if cache == nil {
			p.scratch.giveBack(t)
		}
	}
	return best
}

// better orders trees: by score, and for equal scores alerting origins first, then by node, so that the choice is total.
func better(a, b *tree) bool { return a.standing().ahead(b.standing()) }

// standing is what trees are compared by.
type standing struct {
	score  float64
	silent bool
	origin int32
}

func (t *tree) standing() standing { return standing{t.score, t.silent, t.origin} }

func (a standing) ahead(b standing) bool {
	if math.Abs(a.score-b.score) > 1e-9 {
		return a.score > b.score
	}
	if a.silent != b.silent {
		return b.silent
	}
	return a.origin < b.origin
}

type candidate struct {
	node  int32
	bound float64
}

// candidates are the nodes that could explain something in set, most promising first.
func (p *partitioner) candidates(set itemSet) []candidate {
	var out []candidate
	for n := range p.nodes {
		if b := p.bound(int32(n), set); b > 0 {
			out = append(out, candidate{int32(n), b})
		}
	}
	slices.SortFunc(out, compareCandidates)
	return out
}

// contenders are the candidates to try for the best tree: all of them, in a storm the most promising ones.
func (p *partitioner) contenders(set itemSet, most int) []candidate {
	if !p.stormy() {
		return p.candidates(set)
	}
	out := p.mostPromisingOf(set, most)
	for i := range out {
		out[i].bound = p.bound(out[i].node, set)
	}
	slices.SortFunc(out, compareCandidates)
	return out
}

func compareCandidates(a, b candidate) int {
	if a.bound != b.bound {
		return cmp.Compare(b.bound, a.bound)
	}
	return cmp.Compare(a.node, b.node)
}

// maxPromising bounds the origins tried for a part of a part.
const maxPromising = 16

// promising is the best tree over set from the origins that promise most: like
// [partitioner.best], which asks all of them, but for the many small sets of [partitioner.split].
// It is nil when no tree explains any, or none scores floor.
func (p *partitioner) promising(set itemSet, floor float64) *tree {
	key := set.key()
	known, ok := p.promised[key]
	if ok && (known.tree != nil || known.floor <= floor) {
		if known.tree != nil && known.tree.score < floor {
			return nil
		}
		return known.tree
	}
	t := p.mostPromising(set, floor)
	if ok || len(p.promised) < maxPromised {
		p.promised[key] = promise{t, floor}
	}
	return t
}

// promise is what is known of the best tree over a set: the tree, or that none scores floor.
type promise struct {
	tree  *tree
	floor float64
}

// maxPromised bounds the trees that one partition remembers; beyond it they are grown again.
const maxPromised = 1024

func (p *partitioner) mostPromising(set itemSet, floor float64) *tree {
	var origins []int32
	for _, c := range p.mostPromisingOf(set, p.tries(maxPromising)) {
		origins = append(origins, c.node)
	}
	t := p.regrow(set, floor, origins...)
	if t == nil || t.set.count() == 0 || t.score < floor {
		p.scratch.giveBack(t)
		return nil
	}
	return t
}

// mostPromisingOf are the origins that promise most, at most so many.
func (p *partitioner) mostPromisingOf(set itemSet, most int) []candidate {
	out := make([]candidate, 0, most+1) // in order
	for n := range p.nodes {
		c := candidate{int32(n), p.promise(int32(n), set)}
		if c.bound <= 0 || len(out) == most && compareCandidates(out[most-1], c) < 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, c, compareCandidates)
		out = slices.Insert(out, at, c)
		out = out[:min(len(out), most)]
	}
	return out
}

// promise guesses the score of the best tree from n over the alerts in set: their gains,
// less a part of each way, since ways are shared, and the whole of the longest.
func (p *partitioner) promise(n int32, set itemSet) float64 {
	sum, longest, last := 0.0, 0.0, noNode
	for i, k := range p.explained[n] {
		if !set.has(k) {
			continue
		}
		it, cost := p.items[k], p.cost[n][i]
		if it.node == last {
			sum += it.gain * repeatFactor
		} else {
			sum += max(0, it.gain-wayShare*cost)
			longest = max(longest, cost)
		}
		if p.index[it.node] == n {
			sum += ownPromise
		}
		last = it.node
	}
	return sum - longest
}

// anyScore is no bound.
var anyScore = math.Inf(-1)

const (
	wayShare   = 0.87
	ownPromise = 1.0
)

// bestFrom tries the possible onsets of a failure at c and returns the best tree.
func (p *partitioner) bestFrom(c int32, set itemSet) *tree {
	var best *tree
	for _, start := range p.starts(c, set) {
		t := p.grow(c, start, set)
		if best == nil || t.score > best.score+1e-9 {
			best, t = t, best
		}
		p.scratch.giveBack(t)
	}
	return best
}

// starts are the onsets worth trying for a failure at c: the beginning of each
// burst among the alerts that it could explain, and its own first alert. The
// origin's own alert may come later than its victims': a rule on latency or memory
// takes longer to fire than one on errors.
func (p *partitioner) starts(c int32, set itemSet) []float64 {
	var out []float64
	last := math.Inf(-1)
	for _, k := range p.explained[c] {
		if !set.has(k) {
			continue
		}
		if on := p.onset[k]; on-last > gapGrace {
			out = append(out, on)
		}
		last = max(last, p.onset[k])
	}
	out = out[:min(len(out), p.tries(maxStarts))]
	for _, k := range p.nodes[c].own {
		if set.has(k) {
			if !slices.Contains(out, p.onset[k]) {
				out = append(out, p.onset[k])
			}
			break
		}
	}
	return out
}

// regrow is the best tree over set from the given origins only. Where no tree can score
// floor, it need not be the best, or be grown at all.
func (p *partitioner) regrow(set itemSet, floor float64, origins ...int32) *tree {
	var best *tree
	p.appraise(set)
	for _, c := range origins {
		if p.ceilingFrom(c) < floor-hopeless {
			continue
		}
		t := p.bestFrom(c, set)
		if t != nil && (best == nil || better(t, best)) {
			best, t = t, best
			floor = max(floor, best.score)
		}
		p.scratch.giveBack(t)
	}
	return best
}
