package correlate

import (
	"cmp"
	"math"
	"slices"
)

// ranked is one candidate for the origin of an incident.
type ranked struct {
	node        int32
	probability float64
	standing    standing
	tree        *tree // of those that are kept
}

// rank scores every node that could explain the incident and turns scores into
// probabilities: a softmax over the candidates, with a share u for "none of these",
//
//	p = (1 - u) · exp(score/temper) / Σ exp(score/temper)
//
// Its temperature makes the leader's figure mean what it says on simulated cascades
// (Guo et al., "On calibration of modern neural networks", 2017: one temperature for
// all keeps their order, and candidates with equal scores stay equal);
// docs/correlation.md has the reliability table.
//
// avail are the alerts that are evidence: all but those that merely fired again.
func (p *partitioner) rank(avail itemSet, keep int) (out []ranked, unknown float64) {
	best := math.Inf(-1)
	var leaders []*tree // the best so far, as many as are kept, best first
	for _, c := range p.contenders(avail, stormRanked) {
		if c.bound < best-rankHorizon {
			break
		}
		t := p.bestFrom(c.node, avail)
		if t == nil || t.set.count() == 0 {
			continue
		}
		best = max(best, t.score)
		out = append(out, ranked{node: c.node, standing: t.standing()})
		leaders = p.lead(leaders, t, keep)
	}
	slices.SortFunc(out, func(a, b ranked) int {
		switch {
		case a.standing.ahead(b.standing):
			return -1
		case b.standing.ahead(a.standing):
			return 1
		}
		return cmp.Compare(a.node, b.node)
	})
	sum := 0.0
	for i := range out {
		out[i].probability = math.Exp((out[i].standing.score - best) / rankTemper)
		sum += out[i].probability
	}
	for i := range out {
		out[i].probability *= (1 - unknownShare) / sum
	}
	unknown = unknownShare
	if len(out) == 0 {
		unknown = 1
	}
	if len(out) > keep {
		for _, r := range out[keep:] {
			unknown += r.probability
		}
		out = out[:keep]
	}
	for i := range out {
		out[i].tree = p.treeOf(out[i].node, leaders, avail)
	}
	return out, unknown
}

// lead puts t among the leaders and gives back the one that is none any more.
func (p *partitioner) lead(leaders []*tree, t *tree, keep int) []*tree {
	at := len(leaders)
	for at > 0 && better(t, leaders[at-1]) {
		at--
	}
	leaders = slices.Insert(leaders, at, t)
	if len(leaders) > keep {
		p.scratch.giveBack(leaders[keep])
		leaders = leaders[:keep]
	}
	return leaders
}

// treeOf is the best tree from n over avail, one of the leaders if it is among them.
func (p *partitioner) treeOf(n int32, leaders []*tree, avail itemSet) *tree {
	for _, t := range leaders {
		if t.origin == n {
			return t
		}
	}
	return p.bestFrom(n, avail)
}

// rankHorizon: a candidate this many nats behind is left out; its share would be below one in a thousand.
const rankHorizon = 14
