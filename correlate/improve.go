package correlate

import (
	"cmp"
	"math"
	"slices"
)

// This file improves a greedy partition: alerts change sides, parts are joined and divided.

// maxRounds bounds how often parts are joined and divided in turn.
const maxRounds = 3

// improve joins parts and divides them until neither gains anything.
func (p *partitioner) improve() {
	p.merge()
	for range maxRounds {
		if !p.split() {
			return
		}
		p.merge()
	}
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
	if from == nil || from.set.count() < 2 || !p.claimed(k, from) {
		return false
	}
	rest := slices.Clone(from.set)
	rest.remove(k)
	without := p.regrow(rest, anyScore, from.tree.origin)
	for _, to := range p.clusters {
		if to == from || !slices.Contains(p.explained[to.tree.origin], k) {
			continue
		}
		more := slices.Clone(to.set)
		more.add(k)
		with := p.regrow(more, anyScore, to.tree.origin)
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

// claimed: the origin of another part than from could explain k.
func (p *partitioner) claimed(k int32, from *cluster) bool {
	return slices.ContainsFunc(p.clusters, func(c *cluster) bool {
		return c != from && slices.Contains(p.explained[c.tree.origin], k)
	})
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
	p.apart = map[[2]*cluster]bool{}
	for again := true; again; {
		again = false
		slices.SortFunc(p.clusters, func(a, b *cluster) int {
			return cmp.Or(cmp.Compare(b.set.count(), a.set.count()), cmp.Compare(firstItem(a), firstItem(b)))
		})
		for i := 0; i < len(p.clusters); i++ {
			for j := len(p.clusters) - 1; j > i; j-- {
				a, b := p.clusters[i], p.clusters[j]
				if !p.touched(a).intersects(p.touched(b)) || p.apart[[2]*cluster{a, b}] {
					continue // in a wide scene most pairs share no origin
				}
				var t *tree
				if !p.pausesApart(a, b) {
					t = p.joint(a, b)
				}
				if t == nil {
					p.apart[[2]*cluster{a, b}] = true
				} else {
					p.clusters[i] = &cluster{tree: t, set: a.set.union(b.set), touched: p.touched(a).union(p.touched(b))}
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
	two := a.tree.score + b.tree.score - p.overlap(a.tree, b.tree) - p.furtherOrigin(union)
	t := p.regrow(union, two, origins...)
	if t == nil || p.strays(t, union) > 0 || t.score <= two {
		return nil
	}
	return t
}

// pausesApart: so much time lies between two parts that no tree holds alerts of both,
// and neither is about the other's services alone. That is the case for most pairs when
// the incidents of a whole day are judged at once.
func (p *partitioner) pausesApart(a, b *cluster) bool {
	if firstItem(b) < firstItem(a) {
		a, b = b, a
	}
	pause := p.onset[firstItem(b)] - p.onset[lastItem(a)]
	if gapSameNode*(pause-gapGraceSlow)/max(gapScale, p.quantum) < maxDetour {
		return false
	}
	return p.strangers(a, b) && p.strangers(b, a)
}

// strangers: an alert of b is about services that no alert of a is about.
func (p *partitioner) strangers(a, b *cluster) bool {
	known := map[nodeID]bool{}
	a.set.each(func(k int32) { known[p.items[k].node], known[p.items[k].hit()] = true, true })
	strange := false
	b.set.each(func(k int32) { strange = strange || !known[p.items[k].node] && !known[p.items[k].hit()] })
	return strange
}

// strays counts the alerts of set that t does not explain, but for further alerts of services
// that it explains: those come along, although they add nothing to the score.
func (p *partitioner) strays(t *tree, set itemSet) int {
	member := map[int32]bool{}
	for _, a := range t.attached {
		member[a.node] = true
	}
	n := 0
	set.each(func(k int32) {
		if !t.set.has(k) && !member[p.index[p.items[k].hit()]] && !member[p.index[p.items[k].node]] {
			n++
		}
	})
	return n
}

// overlap is what two trees count twice: one service in one trouble is one
// observation, also when its alerts are divided between them. Without it, dividing
// would always gain: a service's further alerts count in part within one tree and in full in
// another. Less is counted twice where the service recovered from one long before the other. What kind the later symptoms are counts for nothing where one tree would take
// them for late ones, see lateSymptom.
func (p *partitioner) overlap(a, b *tree) float64 {
	inA, inB := p.observed(a), p.observed(b)
	sum, counted := 0.0, map[int32]bool{}
	for _, y := range b.attached {
		x, y1 := inA[y.node], inB[y.node]
		if x.worth <= 0 || counted[y.node] || !p.oneTrouble(a, y) {
			continue
		}
		counted[y.node] = true
		twice := min(x.worth, y1.worth)
		if p.recoveredApart(x, y1) {
			twice *= recoveryApart
		}
		sum += twice
		if x.first < y1.first {
			x, y1 = y1, x
		}
		if x.first-y1.first > lateSymptom {
			sum += max(0, x.class)
		}
	}
	return sum
}

// observation is what a tree makes of one service.
type observation struct {
	worth, class float64 // of all its alerts
	first        float64 // the earliest onset
	// recovers and recovered are when the first and the last of its alerts ended for good.
	recovers, recovered float64
}

func (p *partitioner) observed(t *tree) map[int32]observation {
	m := make(map[int32]observation, len(t.attached))
	for _, x := range t.attached {
		o, ok := m[x.node]
		if on := p.onset[x.item]; !ok || on < o.first {
			o.first = on
		}
		if end := p.recovered[x.item]; ok {
			o.recovers, o.recovered = min(o.recovers, end), max(o.recovered, end)
		} else {
			o.recovers, o.recovered = end, end
		}
		o.worth += x.value
		o.class += x.class
		m[x.node] = o
	}
	return m
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
	both := slices.Clone(p.touched(a))
	for i, w := range p.touched(b) {
		both[i] &= w
	}
	both.each(func(n int32) { out = append(out, candidate{n, p.bound(n, union)}) })
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
		if i == p.tries(maxJoint) {
			break
		}
		nodes = append(nodes, c.node)
	}
	return nodes
}

// touched is the set of nodes that could explain any of c's alerts.
func (p *partitioner) touched(c *cluster) itemSet {
	if c.touched == nil {
		c.touched = newItemSet(len(p.nodes))
		for n, l := range p.explained {
			if c.set.hasAny(l) {
				c.touched.add(int32(n))
			}
		}
	}
	return c.touched
}

// maxVisits bounds the work of one partition: once its trees were grown through so many
// nodes, no further part is divided.
const maxVisits = 500_000

// split divides parts that two origins explain much better than one.
func (p *partitioner) split() (divided bool) {
	for i := 0; i < len(p.clusters); i++ {
		c := p.clusters[i]
		if c.whole || c.set.count() < 2 {
			continue
		}
		if p.scratch.visits > maxVisits {
			return divided // what is left stays whole, until the next settling at least
		}
		d := p.twoOrigins(c)
		if d.gain <= 0 || d.gain <= p.countedTwice(c, d) {
			c.whole = true
			continue
		}
		first := slices.Clone(c.set)
		first.subtract(d.second.set)
		p.clusters[i] = &cluster{tree: d.first, set: first}
		p.clusters = append(p.clusters, &cluster{tree: d.second, set: slices.Clone(d.second.set)})
		divided = true
		i-- // what is left may be more than one failure still
	}
	return divided
}

// division is a part in two. What neither tree explains stays with the first.
type division struct {
	first, second *tree
	gain          float64 // over the undivided part and a further origin, nats
}

const (
	maxSplit  = 12  // second origins tried for one part
	maxStrays = 2   // alerts that neither of two origins explains
	strayCost = 1.0 // … each at this price
)

// twoOrigins looks for the best division of c: at the dearest steps and pauses of its
// tree, see cut.go, and with the most promising other origins.
func (p *partitioner) twoOrigins(c *cluster) division {
	var best division
	for _, part := range p.cuts(c) {
		second := p.promising(part, anyScore)
		if second == nil {
			continue
		}
		p.consider(c, second, &best)
		p.consider(c, p.over(c, second.origin), &best)
	}
	tried := 0
	for _, cand := range p.contenders(c.set, stormCandidates) {
		if tried == p.tries(maxSplit) {
			break
		}
		if cand.node == c.tree.origin {
			continue
		}
		tried++
		p.consider(c, p.over(c, cand.node), &best)
	}
	return best
}

// over is the best tree from n over all of c.
func (p *partitioner) over(c *cluster, n int32) *tree {
	if t := p.entire[n]; t != nil && c.set.equal(p.avail) {
		return t
	}
	if t := c.over[n]; t != nil {
		return t
	}
	t := p.bestFrom(n, c.set)
	if c.over == nil {
		c.over = map[int32]*tree{}
	}
	c.over[n] = t
	return t
}

// consider weighs the division of c into what second explains and the rest.
func (p *partitioner) consider(c *cluster, second *tree, best *division) {
	rest := slices.Clone(c.set)
	rest.subtract(second.set)
	if second.set.count() == 0 || rest.count() == 0 {
		return
	}
	price := c.tree.score + p.furtherOrigin(c.set)
	floor := best.gain + price - second.score + leastOverlap(second)
	if p.ceiling(rest) < floor-hopeless {
		return // whatever explains the rest, it cannot be worth a second origin
	}
	first := p.promising(rest, floor-hopeless)
	if first == nil {
		return
	}
	strays := p.strays(first, rest)
	if strays > maxStrays {
		return
	}
	gain := first.score + second.score - p.overlap(first, second) - strayCost*float64(strays) - price
	if gain > best.gain {
		*best = division{first, second, gain}
	}
}

// furtherOrigin is what it costs that the alerts in set have one more origin than needed. The
// more services are hit, the more places there are at which something may look like a failure
// of its own, so the price grows with the logarithm of their number.
func (p *partitioner) furtherOrigin(set itemSet) float64 {
	services := map[nodeID]bool{}
	set.each(func(k int32) { services[p.items[k].hit()] = true })
	return addOrigin + addPerFold*math.Log1p(float64(len(services))/addServices)
}

// countedTwice is what dividing c makes the other parts count twice.
func (p *partitioner) countedTwice(c *cluster, d division) float64 {
	sum := 0.0
	for _, o := range p.clusters {
		if o != c {
			sum += p.overlap(d.first, o.tree) + p.overlap(d.second, o.tree) - p.overlap(c.tree, o.tree)
		}
	}
	return sum
}
