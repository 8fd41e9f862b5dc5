package correlate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// This file says what learned figures mean and how far they move the score: the
// arithmetic that [Engine] and [Figures] share.

// FigureKind is what a learned figure is about.
type FigureKind uint8

// The kinds of learned figures.
const (
	FigureAny      FigureKind = iota // selects all kinds
	FigureCoverage                   // of a service: how often it raised an alert of its own when it was impaired
	FigureEdge                       // of a dependency "caller -> callee": how often the caller was hit when the callee failed
	FigureNoise                      // of an alert rule, by its name: how often it fired outside of any cascade
	FigureAlerted                    // of a service: alerts about it, ever
)

var figureNames = [...]string{"any", "coverage", "edge", "noise", "alerted"}

// String returns the lower-case name.
func (k FigureKind) String() string { return nameOf(figureNames[:], int(k)) }

// ParseFigureKind is the inverse of [FigureKind.String].
func ParseFigureKind(s string) (FigureKind, error) {
	if i := slices.Index(figureNames[:], s); i >= 0 {
		return FigureKind(i), nil
	}
	return FigureAny, fmt.Errorf("kind of learned figures %q: want one of %q", s, figureNames)
}

// FigureSelection selects learned figures.
type FigureSelection struct {
	Kind    FigureKind
	Subject string // as in [Figure.Subject]; empty: all subjects
}

// The first words of the keys of stats. A Beta posterior needs two of them: what spoke for and what against.
const (
	keySpoke   = "spoke"   // coverage, for
	keySilent  = "silent"  // coverage, against
	keyCarried = "carried" // edge, for
	keyHeld    = "held"    // edge, against
	keyNoise   = "noise"
	keyAlerted = "alerted"
	keySince   = "since" // not a figure: when counting noise began
)

var figureOfKey = map[string]struct {
	kind    FigureKind
	against bool
}{
	keySpoke: {kind: FigureCoverage}, keySilent: {FigureCoverage, true},
	keyCarried: {kind: FigureEdge}, keyHeld: {FigureEdge, true},
	keyNoise: {kind: FigureNoise}, keySince: {kind: FigureNoise}, keyAlerted: {kind: FigureAlerted},
}

// statKey is the key of what was seen of a subject.
func statKey(word, subject string) string { return word + "/" + subject }

// figureOf is the inverse of statKey.
func figureOf(key string) (word, subject string, kind FigureKind, against bool) {
	word, subject, _ = strings.Cut(key, "/")
	f := figureOfKey[word]
	return word, subject, f.kind, f.against
}

// selects reports whether the stat of the key is part of the selection.
func (s FigureSelection) selects(key string) bool {
	_, subject, kind, _ := figureOf(key)
	return (s.Kind == FigureAny || s.Kind == kind) && (s.Subject == "" || s.Subject == subject)
}

// nothing says that nothing of the selection was learned.
func (s FigureSelection) nothing() string {
	text := "nothing was learned"
	if s.Kind != FigureAny {
		text += " of kind " + s.Kind.String()
	}
	if s.Subject != "" {
		text += fmt.Sprintf(" about %q", s.Subject)
	}
	return text
}

// edgeSeparator parts caller and callee in the subject of an edge.
const edgeSeparator = " -> "

func edgeSubject(caller, callee topology.Ref) string {
	return caller.String() + edgeSeparator + callee.String()
}

const (
	// halfLife is how long it takes until what was seen counts half.
	halfLife = 90 * 24 * time.Hour
	// priorStrength is how many observations the prior is worth: a figure moves off it slowly.
	priorStrength = 12.0
	// learnedReach bounds how far a learned probability moves from its prior, in nats of
	// log odds: no history makes a silent service certain to be well.
	learnedReach = 1.5
	// noisePerService is the rate of firings outside of cascades, a day and a service, that
	// the gain of an alert allows for; a rule is allowed one a day whatever the size of the graph.
	noisePerService = .01
	// noiseDays is how many days at that rate the prior is worth.
	noiseDays = 10.0
	// noiseReach bounds what noise takes off an alert's gain, nats.
	noiseReach = 3.0
)

// observed is how much was seen of something, and when it was last seen.
type observed struct {
	count float64
	at    time.Time
}

// by is the count as it is remembered at now.
func (o observed) by(now time.Time) float64 {
	if o.count == 0 {
		return 0
	}
	return o.count * math.Exp2(-max(0, now.Sub(o.at).Hours())/halfLife.Hours())
}

// tally is what was seen for and against a probability.
type tally struct{ yes, no observed }

func (t *tally) side(against bool) *observed {
	if against {
		return &t.no
	}
	return &t.yes
}

// posterior is the mean of the Beta posterior whose prior has the given mean, within
// learnedReach of it in log odds: with n for priorStrength,
//
//	(n·prior + yes) / (n + yes + no)
func (t tally) posterior(prior float64, now time.Time) float64 {
	yes, no := t.yes.by(now), t.no.by(now)
	p := (priorStrength*prior + yes) / (priorStrength + yes + no)
	odds := math.Log(prior / (1 - prior))
	return logistic(min(max(math.Log(p/(1-p)), odds-learnedReach), odds+learnedReach))
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// noiseRate is the mean of the Gamma posterior of firings a day outside of cascades, and
// of its prior, in a graph of so many services. Forgetting bounds the days that count.
func noiseRate(seen observed, since, now time.Time, services int) (rate, prior float64) {
	prior = max(1, noisePerService*float64(services))
	mean := halfLife.Hours() / 24 / math.Ln2
	days := mean * (1 - math.Exp2(-max(0, now.Sub(since).Hours())/halfLife.Hours()))
	return (noiseDays*prior + seen.by(now)) / (noiseDays + days), prior
}

// noiseLoss is what a rate above its prior takes off the gain of an alert, nats.
func noiseLoss(rate, prior float64) float64 {
	return min(max(0, math.Log(rate/prior)), noiseReach)
}

// Figure is one learned figure, for people.
type Figure struct {
	Kind    FigureKind
	Subject string // "namespace/name" or "name", "caller -> callee", or an alert's name
	// For and Against are what was seen, after forgetting. Against is 0 where there is no such thing.
	For, Against float64
	// Estimate is what the engine goes by and Prior what it would go by otherwise: of
	// coverage and edges probabilities, 0..1; of noise firings a day; of alerted 0.
	Estimate, Prior float64
	// Loss is what noise takes off the gain of the rule's alerts, nats.
	Loss float64
	// Known is false when the graph does not have the subject any more, or does not have it
	// under this name: the figure is kept, and nothing goes by it.
	Known bool
	// At is when it last changed.
	At time.Time
}

// Figures reads stats under a graph at a time, by kind and subject.
func Figures(stats []Stat, graph *topology.Graph, now time.Time) []Figure {
	nodes := newNodeSpace(graph)
	since := time.Time{}
	type name struct {
		kind    FigureKind
		subject string
	}
	tallies := map[name]tally{}
	for _, st := range stats {
		word, subject, kind, against := figureOf(st.Key)
		switch {
		case word == keySince:
			since = st.At
		case kind != FigureAny:
			t := tallies[name{kind, subject}]
			*t.side(against) = observed{st.Count, st.At}
			tallies[name{kind, subject}] = t
		}
	}
	out := make([]Figure, 0, len(tallies))
	for n, t := range tallies {
		f := Figure{Kind: n.kind, Subject: n.subject, At: maxTime(t.yes.at, t.no.at), Known: true}
		f.read(t, nodes, since, now)
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Figure) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject)) })
	return out
}

func (f *Figure) read(t tally, nodes *nodeSpace, since, now time.Time) {
	f.For, f.Against = t.yes.by(now), t.no.by(now)
	switch f.Kind {
	case FigureCoverage:
		n, ok := nodes.exactly(f.Subject)
		if f.Known = ok; ok {
			f.Prior = coverage(nodes.kind(n))
			f.Estimate = t.posterior(f.Prior, now)
		}
	case FigureEdge:
		caller, callee, edge, ok := nodes.dependency(f.Subject)
		if f.Known = ok; ok {
			f.Prior = math.Exp(-nodes.stepCost(caller, callee, edge))
			f.Estimate = t.posterior(f.Prior, now)
		}
	case FigureNoise:
		f.Estimate, f.Prior = noiseRate(t.yes, since, now, nodes.graph.Len())
		f.Loss = noiseLoss(f.Estimate, f.Prior)
	case FigureAlerted, FigureAny:
		f.For = t.yes.count // what was ever seen is not forgotten
	}
}

// exactly finds the node of the graph that has this very name.
func (s *nodeSpace) exactly(name string) (nodeID, bool) {
	n, ok := s.graph.Lookup(topology.ParseRef(name))
	if !ok || s.graph.Ref(n).String() != name {
		return noNode, false
	}
	return nodeID(n), true
}

// dependency finds the edge of the graph that a subject names.
func (s *nodeSpace) dependency(subject string) (caller, callee nodeID, edge topology.Edge, ok bool) {
	from, to, _ := strings.Cut(subject, edgeSeparator)
	caller, ok1 := s.exactly(from)
	callee, ok2 := s.exactly(to)
	if !ok1 || !ok2 {
		return noNode, noNode, topology.Edge{}, false
	}
	for _, e := range s.out(caller) {
		if nodeID(e.Node) == callee {
			return caller, callee, e, true
		}
	}
	return noNode, noNode, topology.Edge{}, false
}

// String says what the figure means.
func (f *Figure) String() string {
	times := func(n float64) string { return fmt.Sprintf("%.3g", n) }
	switch f.Kind {
	case FigureCoverage:
		return fmt.Sprintf("raised an alert of its own in %s of %s failures that it was part of", times(f.For), times(f.For+f.Against))
	case FigureEdge:
		return fmt.Sprintf("the caller was hit in %s of %s failures of the callee", times(f.For), times(f.For+f.Against))
	case FigureNoise:
		return fmt.Sprintf("fired %s times outside of any cascade, or %s a day; allowed for are %s", times(f.For), times(f.Estimate), times(f.Prior))
	case FigureAlerted, FigureAny:
	}
	return plural(int(f.For), "alert") + " about it, ever"
}
