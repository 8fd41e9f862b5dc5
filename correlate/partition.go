package correlate

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"
)

// cluster is one part of a scene: alerts that one failure explains.
type cluster struct {
	tree   *tree
	set    itemSet // the tree's alerts, and riders
	riders []int32 // alerts that fired again, or were swept along by a storm
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
	p := &partitioner{scene: s, avail: newItemSet(len(s.items))}
	var riders []int32
	for k, it := range s.items {
		if s.follows(it) {
			riders = append(riders, int32(k))
		} else {
			p.avail.add(int32(k))
		}
	}
	p.prepare()
	p.greedy()
	p.move()
	p.merge()
	p.split()
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

// follows: the alert fired before, not long ago or in the incident that it reopened,
// and that instance is at hand.
func (s *scene) follows(it *item) bool {
	if it.prev == nil || !s.has(it.prev) {
		return false
	}
	return it.refire() || it.inc != nil && it.inc == it.prev.inc || it.prev.inc != nil && it.prev.inc.relapsed()
}

func (s *scene) has(it *item) bool {
	_, ok := slices.BinarySearchFunc(s.items, it, compareItems)
	return ok
}

type partitioner struct {
	*scene
	avail     itemSet
	explained [][]int32 // per node: alerts that it could explain, by onset
	cache     map[int32]*tree
	clusters  []*cluster
}

func (p *partitioner) prepare() {
	p.explained = make([][]int32, len(p.nodes))
	for k, it := range p.items {
		if !p.avail.has(int32(k)) {
			continue
		}
		for _, c := range p.e.explainers(it) {
			for _, r := range c {
				n := p.index[r.node]
				if l := p.explained[n]; len(l) == 0 || l[len(l)-1] != int32(k) {
					p.explained[n] = append(p.explained[n], int32(k))
				}
			}
		}
	}
	for _, c := range p.clients {
		p.explained[c.node] = p.explained[c.shared]
	}
	p.cache = map[int32]*tree{}
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
			sum += (it.gain + 2) * repeatFactor
		} else {
			sum += it.gain + 2
		}
		last = it.node
	}
	if sum == 0 {
		return 0
	}
	return sum + math.Log(21) + healthFailing
}

// greedy takes the best tree until no alert is left.
func (p *partitioner) greedy() {
	left := slices.Clone(p.avail)
	for left.count() > 0 {
		best := p.best(left, p.cache)
		if best == nil {
			break
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
	for _, c := range p.candidates(set) {
		if best != nil && c.bound <= best.score {
			break
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
func better(a, b *tree) bool {
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
	slices.SortFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.bound, a.bound), cmp.Compare(a.node, b.node))
	})
	return out
}

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
	if len(out) > maxStarts {
		out = out[:maxStarts]
	}
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

// regrow is the best tree over set from the given origins only.
func (p *partitioner) regrow(set itemSet, origins ...int32) *tree {
	var best *tree
	for _, c := range origins {
		t := p.bestFrom(c, set)
		if t != nil && (best == nil || better(t, best)) {
			best, t = t, best
		}
		p.scratch.giveBack(t)
	}
	return best
}

// move lets alerts change to a tree that explains them better, in two rounds.
func (p *partitioner) move() {
	if len(p.clusters) < 2 || p.avail.count() > maxMoveAlerts {
		return
	}
	for range 2 {
		moved := false
		for _, k := range p.avail.list() {
			moved = p.moveOne(k) || moved
		}
		if !moved {
			return
		}
	}
}

func (p *partitioner) moveOne(k int32) bool {
	from := p.holder(k)
	if from == nil || from.set.count() < 2 {
		return false
	}
	rest := slices.Clone(from.set)
	rest.remove(k)
	without := p.regrow(rest, from.tree.origin)
	for _, to := range p.clusters {
		if to == from || !slices.Contains(p.explained[to.tree.origin], k) {
			continue
		}
		more := slices.Clone(to.set)
		more.add(k)
		with := p.regrow(more, to.tree.origin)
		if with == nil || without == nil || !with.set.equal(more) || !without.set.equal(rest) {
			continue
		}
		if with.score+without.score > to.tree.score+from.tree.score+1e-6 {
			from.tree, from.set, to.tree, to.set = without, rest, with, more
			return true
		}
	}
	return false
}

func (p *partitioner) holder(k int32) *cluster {
	for _, c := range p.clusters {
		if c.set.has(k) {
			return c
		}
	}
	return nil
}

// merge joins parts that one origin explains nearly as well as two: failures are
// rarer than consequences.
func (p *partitioner) merge() {
	for again := true; again; {
		again = false
		slices.SortFunc(p.clusters, func(a, b *cluster) int {
			return cmp.Or(cmp.Compare(b.set.count(), a.set.count()), cmp.Compare(firstItem(a), firstItem(b)))
		})
		for i := 0; i < len(p.clusters); i++ {
			for j := len(p.clusters) - 1; j > i; j-- {
				a, b := p.clusters[i], p.clusters[j]
				if t := p.joint(a, b); t != nil {
					p.clusters[i] = &cluster{tree: t, set: a.set.union(b.set)}
					p.clusters = slices.Delete(p.clusters, j, j+1)
					again = true
				}
			}
		}
	}
}

// joint is the tree that explains both parts, nil when two are better.
func (p *partitioner) joint(a, b *cluster) *tree {
	union := a.set.union(b.set)
	origins := p.shared(a, b, union)
	if len(origins) == 0 {
		return nil
	}
	t := p.regrow(union, origins...)
	if t == nil || !p.carries(t, union) || t.score <= a.tree.score+b.tree.score-p.overlap(a.tree, b.tree)-addOrigin {
		return nil
	}
	return t
}

// carries reports whether t explains set but for further alerts of services that it
// explains: those come along, although they add nothing to the score.
func (p *partitioner) carries(t *tree, set itemSet) bool {
	member := map[int32]bool{}
	for _, a := range t.attached {
		member[a.node] = true
	}
	ok := true
	set.each(func(k int32) {
		if !t.set.has(k) && !member[p.index[p.items[k].hit()]] && !member[p.index[p.items[k].node]] {
			ok = false
		}
	})
	return ok
}

// overlap is what two trees count twice: one service in one trouble is one
// observation, also when its alerts are divided between them. Without it, dividing
// would always gain: a service's further alerts count in part within one tree and in full in another.
func (p *partitioner) overlap(a, b *tree) float64 {
	worth := func(t *tree) map[int32]float64 {
		m := map[int32]float64{}
		for _, x := range t.attached {
			m[x.node] += x.value
		}
		return m
	}
	inA, inB := worth(a), worth(b)
	sum, counted := 0.0, map[int32]bool{}
	for _, y := range b.attached {
		if inA[y.node] > 0 && !counted[y.node] && p.oneTrouble(a, y) {
			counted[y.node] = true
			sum += min(inA[y.node], inB[y.node])
		}
	}
	return sum
}

// oneTrouble: an alert of t at y's service fired at the same time as y.
func (p *partitioner) oneTrouble(t *tree, y attachment) bool {
	for _, x := range t.attached {
		if x.node == y.node && p.firingAt(x.item, p.onset[y.item]) || x.node == y.node && p.firingAt(y.item, p.onset[x.item]) {
			return true
		}
	}
	return false
}

func (p *partitioner) firingAt(k int32, at float64) bool {
	return p.onset[k] <= at && (p.ended[k] == 0 || p.ended[k] >= at)
}

// maxJoint bounds the origins tried for two parts together.
const maxJoint = 8

// shared are origins that could explain alerts of both parts, most promising first.
func (p *partitioner) shared(a, b *cluster, union itemSet) []int32 {
	var out []candidate
	for n := range p.nodes {
		if p.touches(int32(n), a.set) && p.touches(int32(n), b.set) {
			out = append(out, candidate{int32(n), p.bound(int32(n), union)})
		}
	}
	slices.SortFunc(out, func(x, y candidate) int {
		xo, yo := x.node == a.tree.origin || x.node == b.tree.origin, y.node == a.tree.origin || y.node == b.tree.origin
		if xo != yo {
			if xo {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(y.bound, x.bound), cmp.Compare(x.node, y.node))
	})
	var nodes []int32
	for i, c := range out {
		if i == maxJoint {
			break
		}
		nodes = append(nodes, c.node)
	}
	return nodes
}

func (p *partitioner) touches(n int32, set itemSet) bool {
	return slices.ContainsFunc(p.explained[n], set.has)
}

// split divides a part that two origins explain much better than one.
func (p *partitioner) split() {
	for i := 0; i < len(p.clusters); i++ {
		c := p.clusters[i]
		if c.set.count() < 2 {
			continue
		}
		if one, two := p.twoOrigins(c); one != nil {
			p.clusters[i] = &cluster{tree: one, set: slices.Clone(one.set)}
			p.clusters = append(p.clusters, &cluster{tree: two, set: slices.Clone(two.set)})
		}
	}
}

// maxSplit bounds the second origins tried for one part.
const maxSplit = 12

func (p *partitioner) twoOrigins(c *cluster) (one, two *tree) {
	best := c.tree.score + splitOrigin
	tried := 0
	for _, cand := range p.candidates(c.set) {
		if tried == maxSplit {
			break
		}
		if cand.node == c.tree.origin {
			continue
		}
		tried++
		second := p.bestFrom(cand.node, c.set)
		rest := slices.Clone(c.set)
		rest.subtract(second.set)
		if rest.count() == 0 || second.set.count() == 0 {
			continue
		}
		first := p.best(rest, nil)
		if first == nil || !first.set.equal(rest) {
			continue
		}
		if both := first.score + second.score - p.overlap(first, second); both > best {
			best, one, two = both, first, second
		}
	}
	return one, two
}

// sweepStorm hands single alerts that began in the middle of a storm, close to it
// in the graph, to that storm: the graph misses edges, and a storm does not.
func (p *partitioner) sweepStorm() {
	var kept []*cluster
	for _, c := range p.clusters {
		if c.set.count() == 1 {
			if storm := p.stormNear(c); storm != nil {
				k := firstItem(c)
				storm.set.add(k)
				storm.riders = append(storm.riders, k)
				continue
			}
		}
		kept = append(kept, c)
	}
	p.clusters = kept
}

func (p *partitioner) stormNear(c *cluster) *cluster {
	k := firstItem(c)
	if p.items[k].state.Class == ClassChore {
		return nil
	}
	near := p.within(p.index[p.items[k].node], 2)
	for _, storm := range p.clusters {
		if storm == c || storm.tree.set.count() < leakMinAlerts {
			continue
		}
		for _, a := range storm.tree.attached {
			if math.Abs(p.onset[a.item]-p.onset[k]) <= leakWithin && near[a.node] {
				return storm
			}
		}
	}
	return nil
}

func (p *partitioner) within(n int32, hops int) map[int32]bool {
	near, edge := map[int32]bool{n: true}, []int32{n}
	for range hops {
		var next []int32
		for _, m := range edge {
			for _, arcs := range [][]arc{p.nodes[m].up, p.nodes[m].down} {
				for _, a := range arcs {
					if !near[a.to] && !p.nodes[a.to].kind.IsPlace() {
						near[a.to] = true
						next = append(next, a.to)
					}
				}
			}
		}
		edge = next
	}
	return near
}

// ride lets an alert that fired again follow its earlier instance. What fires
// again is rarely news, and taken as fresh evidence it would keep its old failure
// alive until the next one is swallowed.
func (p *partitioner) ride(riders []int32) {
	slices.SortFunc(riders, compareOnset(p.scene))
	for _, k := range riders {
		prev, _ := slices.BinarySearchFunc(p.items, p.items[k].prev, compareItems)
		c := p.holder(int32(prev))
		if c == nil {
			c = p.alone(k)
			p.clusters = append(p.clusters, c)
			continue
		}
		c.set.add(k)
		c.riders = append(c.riders, k)
	}
}

// at converts a time of the scene.
func (s *scene) at(seconds float64) time.Time {
	return s.epoch.Add(time.Duration(seconds * float64(time.Second)))
}
