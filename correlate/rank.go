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
	tree        *tree
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
	for _, c := range p.contenders(avail, stormRanked) {
		if c.bound < best-rankHorizon {
			break
		}
		t := p.bestFrom(c.node, avail)
		if t == nil || t.set.count() == 0 {
			continue
		}
		best = max(best, t.score)
		out = append(out, ranked{node: c.node, tree: t})
	}
	slices.SortFunc(out, func(a, b ranked) int {
		switch {
		case better(a.tree, b.tree):
			return -1
		case better(b.tree, a.tree):
			return 1
		}
		return cmp.Compare(a.node, b.node)
	})
	sum := 0.0
	for i := range out {
		out[i].probability = math.Exp((out[i].tree.score - best) / rankTemper)
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
	return out, unknown
}

// rankHorizon: a candidate this many nats behind is left out; its share would be below one in a thousand.
const rankHorizon = 14
