package correlate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// This file says in words why a candidate is the origin, or is not: a reason for each
// [Term] of the score. What is compared are sums of logarithms of likelihoods, so a
// reason's weight is what I. J. Good calls a weight of evidence ("Weight of evidence: a
// brief survey", Bayesian Statistics 2, 1985): W(H : E) = ln P(E|H) / P(E|not H), with
// the best other candidate in the place of "not H".

// leastWeight is the weight from which a reason is worth telling, in nats: a tenth moves 50 % to 52 %.
const leastWeight = .1

// contest compares a candidate with the best of the others.
type contest struct {
	*partitioner
	mine, other *tree
	alone       bool // there is no other; its terms are all 0
}

func (p *partitioner) contest(all []ranked, i int) contest {
	mine := all[i].tree
	switch {
	case i > 0:
		return contest{p, mine, all[0].tree, false}
	case len(all) > 1:
		return contest{p, mine, all[1].tree, false}
	}
	return contest{p, mine, &tree{origin: mine.origin}, true}
}

// reasons says why candidate i and not the best of the others, strongest for it first.
// The weights add up to the difference of the two scores, but for terms that weigh
// less than leastWeight.
func (p *partitioner) reasons(all []ranked, i int) []Reason {
	c := p.contest(all, i)
	var out []Reason
	for term := TermWay; int(term) < len(termNames); term++ {
		weight := c.mine.terms.of(term) - c.other.terms.of(term)
		if math.Abs(weight) >= leastWeight {
			out = append(out, Reason{Term: term, Text: c.text(term, weight), Weight: weight})
		}
	}
	slices.SortStableFunc(out, func(x, y Reason) int { return cmp.Compare(y.Weight, x.Weight) })
	return out
}

// of is the part of the score that a reason tells of. The terms that have a reason sum to [terms.sum].
func (t terms) of(term Term) float64 {
	switch term {
	case TermWay:
		return t.alerts + t.own + t.steps + t.silent
	case TermOrder:
		return t.time + t.pause
	case TermClass:
		return t.class
	case TermChange:
		return t.change
	case TermHealth:
		return t.health
	case TermQuiet:
		return t.quiet
	case TermLoad:
		return t.load
	case TermUnspecified, TermSaid:
	}
	return 0
}

// text says what the weight of a term comes from.
func (c contest) text(term Term, weight float64) string {
	switch term {
	case TermWay:
		return c.wayText(c.mine)
	case TermOrder:
		return c.orderText(weight)
	case TermClass:
		return c.classText(weight)
	case TermChange:
		return c.changeText(weight)
	case TermHealth:
		return c.healthText(weight)
	case TermQuiet:
		return c.quietText(weight)
	case TermLoad:
		return c.loadText(weight)
	case TermUnspecified, TermSaid:
	}
	return ""
}

func (p *partitioner) name(n int32) string { return p.e.nodes.name(p.nodes[n].id) }

// rival is the name of the best other candidate.
func (c contest) rival() string { return c.name(c.other.origin) }

// wayText tells what the candidate explains, and along what.
func (p *partitioner) wayText(t *tree) string {
	own := 0
	for _, a := range t.attached {
		if a.node == t.origin && !p.items[a.item].edge() {
			own++
		}
	}
	if own == t.set.count() && own > 0 {
		return plural(own, "alert") + " of its own"
	}
	var reached, loaded []string
	for _, st := range t.steps {
		switch {
		case st.cause != t.origin:
		case st.kind == stepOverload:
			loaded = append(loaded, p.name(st.effect))
		default:
			reached = append(reached, p.name(st.effect))
		}
	}
	text := fmt.Sprintf("explains %d of %s", t.set.count(), plural(p.avail.count(), "alert"))
	if t.silent {
		text = "has no alert of its own; " + text
	}
	if len(reached) > 0 {
		text += " through " + listed(reached)
	}
	if len(loaded) > 0 {
		text += ", by load on " + listed(loaded)
	}
	return text
}

// listed renders at most three names as "a, b and c".
func listed(names []string) string {
	if n := len(names); n > 3 {
		names = append(slices.Clone(names[:2]), fmt.Sprintf("%d more", n-2))
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// ownSymptom is the alert at t's origin whose kind tells the most of whose symptom it is.
func (p *partitioner) ownSymptom(t *tree) (name string, class float64) {
	for _, a := range t.attached {
		if a.node == t.origin && math.Abs(a.class) > math.Abs(class) {
			name, class = p.items[a.item].state.Labels["alertname"], a.class
		}
	}
	return name, class
}

// tellingClass is the weight from which the kind of one symptom is named, in nats.
const tellingClass = .3

func (c contest) classText(weight float64) string {
	mine, of := c.ownSymptom(c.mine)
	his, ofHis := c.ownSymptom(c.other)
	switch {
	case weight > 0 && of >= tellingClass:
		return fmt.Sprintf("its own %s is the symptom of a cause, not of a victim", mine)
	case weight < 0 && of <= -tellingClass:
		return fmt.Sprintf("its own %s is rather the symptom of a victim", mine)
	case weight > 0 && ofHis <= -tellingClass:
		return fmt.Sprintf("%s of %s is rather the symptom of a victim", his, c.rival())
	case weight < 0 && ofHis >= tellingClass:
		return fmt.Sprintf("%s of %s is the symptom of a cause, not of a victim", his, c.rival())
	case weight > 0:
		return "the symptoms elsewhere are those of victims"
	}
	return "some symptoms elsewhere look like causes of their own"
}

// outOfOrder is what the times of a tree cost when its alerts did not come in the order of its steps, in nats.
const outOfOrder = 1.5

// orderText tells whom the order of the alerts speaks for.
func (c contest) orderText(weight float64) string {
	t := c.mine.terms
	switch {
	case c.alone:
		return "some of the alerts began late, early or after a pause"
	case weight < 0:
		return "the order of the alerts fits " + c.rival() + " better"
	case t.time+t.pause < -outOfOrder || len(c.mine.attached) < 2:
		return "the order of the alerts fits " + c.rival() + " worse"
	}
	first, last := math.Inf(1), math.Inf(-1)
	for _, a := range c.mine.attached {
		first, last = min(first, c.onset[a.item]), max(last, c.onset[a.item])
	}
	return fmt.Sprintf("the alerts began in the order that fits, within %s", roughly(time.Duration((last-first)*float64(time.Second))))
}

func (c contest) changeText(weight float64) string {
	if weight > 0 {
		return c.lastChange(c.mine)
	}
	return c.lastChange(c.other) + ", which speaks for " + c.rival()
}

// lastChange tells of the change of t's origin that weighs most.
func (p *partitioner) lastChange(t *tree) string {
	best, out := 0.0, ""
	for _, ch := range p.e.changesOf[p.nodes[t.origin].id] {
		before := p.at(t.start).Sub(ch.At).Seconds()
		if w := changeWeight(before, true); w > best {
			best = w
			out = fmt.Sprintf("%s of %s %s before the first symptom", cmp.Or(ch.Kind, "change"), p.name(t.origin), roughly(time.Duration(max(before, 0)*float64(time.Second))))
			if ch.Summary != "" {
				out += " (" + ch.Summary + ")"
			}
		}
	}
	return out
}

// healthText names the check that weighs: of the candidate, unless it is the other's
// that makes the difference.
func (c contest) healthText(weight float64) string {
	if mine := c.mine.terms.health; mine != 0 && (mine > 0) == (weight > 0) {
		check, status := c.tellingCheck(c.mine)
		return fmt.Sprintf("its health check %s is %s", check, status)
	}
	check, status := c.tellingCheck(c.other)
	if weight > 0 {
		return fmt.Sprintf("health check %s of %s passes: %s itself is up", check, c.rival(), c.rival())
	}
	return fmt.Sprintf("health check %s of %s is %s, which speaks for %s", check, c.rival(), status, c.rival())
}

// tellingCheck is the first health check of t's origin that the origin's weight comes from.
func (p *partitioner) tellingCheck(t *tree) (check string, status HealthStatus) {
	for _, k := range p.e.checksOf[p.nodes[t.origin].id] {
		h := p.e.health[k]
		if !h.At.After(p.at(t.start)) || h.Status == HealthUnknown || h.Status == HealthFailing && h.Alert != (AlertID{}) {
			continue
		}
		if (h.Status == HealthPassing) == (t.terms.health < 0) {
			return h.Check, h.Status
		}
	}
	return "", HealthUnknown
}

func (c contest) quietText(weight float64) string {
	quiet, all := 0, 0
	for _, edge := range c.e.nodes.in(c.nodes[c.mine.origin].id) {
		all++
		if !c.e.alerting(nodeID(edge.Node)) {
			quiet++
		}
	}
	switch {
	case weight < 0 && quiet == 0:
		return "of what else runs on the hosts that the failure passed, much shows nothing"
	case weight < 0:
		return fmt.Sprintf("%d of %s show nothing", quiet, plural(all, "direct dependent"))
	case all == 0:
		return "nothing else depends on it"
	case quiet == 0:
		return "all that depend on it directly are hit"
	}
	return fmt.Sprintf("%d of %s are hit", all-quiet, plural(all, "direct dependent"))
}

func (c contest) loadText(weight float64) string {
	if weight > 0 {
		return "load moved here from " + c.surgeAbove(c.mine)
	}
	return fmt.Sprintf("load moved to %s from %s", c.rival(), c.surgeAbove(c.other))
}
