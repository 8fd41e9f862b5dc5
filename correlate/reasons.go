package correlate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// This file says in words why a candidate is the origin, or is not.

// reasons says why candidate i and not the best of the others, as weights of
// evidence. They add up to the difference of the two scores.
func (p *partitioner) reasons(all []ranked, i int) []Reason {
	mine := all[i].tree
	var other *tree
	switch {
	case i > 0:
		other = all[0].tree
	case len(all) > 1:
		other = all[1].tree
	default:
		other = &tree{origin: mine.origin}
	}
	a, b := mine.terms, other.terms
	var out []Reason
	add := func(weight float64, text string) {
		if math.Abs(weight) >= .1 && text != "" {
			out = append(out, Reason{Text: text, Weight: weight})
		}
	}
	order := a.time + a.pause - b.time - b.pause
	add(a.alerts+a.own+a.steps+a.silent-b.alerts-b.own-b.steps-b.silent+order, p.wayText(mine)+p.orderText(mine, order))
	add(a.class-b.class, p.classText(mine, a.class-b.class))
	add(a.change-b.change, p.changeText(mine, other, a.change-b.change))
	add(a.health-b.health, p.healthText(mine, other))
	add(a.quiet-b.quiet, p.quietText(mine, a.quiet-b.quiet))
	if from := p.surgeAbove(mine); a.load > 0 && from != "" {
		add(a.load-b.load, "load moved here from "+from)
	}
	slices.SortStableFunc(out, func(x, y Reason) int { return cmp.Compare(y.Weight, x.Weight) })
	return out
}

func (p *partitioner) name(n int32) string { return p.e.nodes.name(p.nodes[n].id) }

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

func (p *partitioner) classText(t *tree, weight float64) string {
	for _, a := range t.attached {
		it := p.items[a.item]
		if a.node == t.origin && math.Abs(a.class) >= .3 {
			if a.class > 0 {
				return fmt.Sprintf("its own %s is the symptom of a cause, not of a victim", it.state.Labels["alertname"])
			}
			return fmt.Sprintf("its own %s is rather the symptom of a victim", it.state.Labels["alertname"])
		}
	}
	if weight > 0 {
		return "the symptoms elsewhere are those of victims"
	}
	return "some symptoms elsewhere look like causes of their own"
}

// orderText adds what the order of the alerts says of the way.
func (p *partitioner) orderText(t *tree, weight float64) string {
	switch {
	case len(t.attached) < 2 || math.Abs(weight) < .3:
		return ""
	case weight < 0:
		return ", but their order fits another origin better"
	}
	first, last := math.Inf(1), math.Inf(-1)
	for _, a := range t.attached {
		first, last = min(first, p.onset[a.item]), max(last, p.onset[a.item])
	}
	return fmt.Sprintf(", in the order that fits, within %s", roughly(time.Duration((last-first)*float64(time.Second))))
}

func (p *partitioner) changeText(t, other *tree, weight float64) string {
	text := func(c int32, start float64) string {
		best, out := 0.0, ""
		for _, ch := range p.e.changesOf[p.nodes[c].id] {
			before := p.at(start).Sub(ch.At).Seconds()
			if w := changeWeight(before, true); w > best {
				best = w
				out = fmt.Sprintf("%s of %s %s before the first symptom", kindOf(ch.Kind), p.name(c), roughly(time.Duration(max(before, 0)*float64(time.Second))))
				if ch.Summary != "" {
					out += " (" + ch.Summary + ")"
				}
			}
		}
		return out
	}
	if s := text(t.origin, t.start); s != "" && weight > 0 {
		return s
	}
	if s := text(other.origin, other.start); s != "" {
		return s + ", which speaks for " + p.name(other.origin)
	}
	return ""
}

func kindOf(kind string) string {
	if kind == "" {
		return "change"
	}
	return kind
}

func (p *partitioner) healthText(t, other *tree) string {
	if check, status := p.checkAfter(t); check != "" {
		return fmt.Sprintf("its health check %s is %s", check, status)
	}
	check, status := p.checkAfter(other)
	switch {
	case check == "":
		return ""
	case status == HealthPassing:
		return fmt.Sprintf("health check %s of %s passes: %s itself is up", check, p.name(other.origin), p.name(other.origin))
	}
	return fmt.Sprintf("health check %s of %s is %s, which speaks for %s", check, p.name(other.origin), status, p.name(other.origin))
}

// checkAfter is the first health check of t's origin with a result after the trouble began.
func (p *partitioner) checkAfter(t *tree) (check string, status HealthStatus) {
	for _, k := range p.e.checksOf[p.nodes[t.origin].id] {
		if h := p.e.health[k]; h.At.After(p.at(t.start)) && h.Status != HealthUnknown {
			return h.Check, h.Status
		}
	}
	return "", HealthUnknown
}

func (p *partitioner) quietText(t *tree, weight float64) string {
	quiet, all := 0, 0
	for _, edge := range p.e.nodes.in(p.nodes[t.origin].id) {
		all++
		if !p.e.alerting(nodeID(edge.Node)) {
			quiet++
		}
	}
	switch {
	case weight < 0:
		return fmt.Sprintf("%d of %s show nothing", quiet, plural(all, "direct dependent"))
	case all == 0:
		return "nothing else depends on it"
	case quiet == 0:
		return "all that depend on it directly are hit"
	}
	return fmt.Sprintf("%d of %s are hit", all-quiet, plural(all, "direct dependent"))
}
