package setup

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// This file finds pairs of services that keep alerting together although the graph has
// no way from one to the other. It counts episodes, not alerts: however many alerts a
// service raises within ten minutes of each other, that is one.

const (
	// episodeGap is the quiet time that ends an episode.
	episodeGap = 10 * time.Minute
	// together is how near to each other two episodes begin that count as one failure.
	together = 3 * time.Minute
	// pairLeast is how often a pair must have alerted together.
	pairLeast = 3
	// pairShare is the least share of the rarer one's episodes that were together.
	pairShare = .6
	// pairBeyondChance is how many times more often than two that know nothing of each
	// other would.
	pairBeyondChance = 4.0
	// maxEpisodes bounds the work: a service that alerts all the time is no partner.
	maxEpisodes = 500
)

// episode is a time in which a service alerted.
type episode struct {
	node  topology.NodeID
	began time.Time
	last  time.Time
	// incident that the first alert is in; empty: none yet.
	incident string
}

// couple is two services and how often they alerted together.
type couple struct {
	a, b          topology.NodeID // a < b
	times, aFirst int
	apart         int // times in different incidents
	last          time.Time
}

// missingEdges proposes dependencies between such pairs.
func (e *examination) missingEdges() {
	if e.Graph.Len() == 0 {
		return
	}
	episodes, of := e.episodes()
	span := AlertWindow
	if len(episodes) > 0 {
		span = max(e.Now.Sub(episodes[0].began), time.Hour)
	}
	var strong []couple
	for _, c := range meetings(episodes) {
		rarer, other := min(of[c.a], of[c.b]), max(of[c.a], of[c.b])
		chance := float64(rarer) * min(1, float64(other)*2*together.Hours()/span.Hours())
		if c.times >= pairLeast && float64(c.times) >= pairShare*float64(rarer) && float64(c.times) >= pairBeyondChance*chance && e.unexplained(&c) {
			strong = append(strong, c)
		}
	}
	slices.SortFunc(strong, func(x, y couple) int {
		return cmp.Or(cmp.Compare(y.times, x.times), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	var out []Finding
	for _, c := range strong {
		out = append(out, e.missingEdge(&c))
	}
	e.add("services that alert together", out...)
}

// episodes are those of services of the graph, by their beginning, and how many each has.
func (e *examination) episodes() ([]episode, map[topology.NodeID]int) {
	var all []episode
	of := map[topology.NodeID]int{}
	for ref, alerts := range e.about {
		n, known := e.Graph.Lookup(ref)
		if !known || place(e.Graph.Service(n).Kind) {
			continue
		}
		mine := episodesOf(n, alerts)
		if len(mine) <= maxEpisodes {
			all = append(all, mine...)
			of[n] += len(mine)
		}
	}
	slices.SortFunc(all, func(a, b episode) int {
		return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.node, b.node))
	})
	return all, of
}

func episodesOf(n topology.NodeID, alerts []*correlate.AlertState) []episode {
	byStart := slices.Clone(alerts)
	slices.SortFunc(byStart, func(a, b *correlate.AlertState) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	var out []episode
	for _, a := range byStart {
		if a.Severity == correlate.SeverityNone || a.Class == correlate.ClassChore {
			continue
		}
		if len(out) == 0 || a.StartsAt.Sub(out[len(out)-1].last) > episodeGap {
			out = append(out, episode{node: n, began: a.StartsAt, incident: a.Incident})
		}
		out[len(out)-1].last = a.StartsAt
	}
	return out
}

// meetings counts the pairs that began together.
func meetings(episodes []episode) []couple {
	type pair struct{ a, b topology.NodeID }
	counts := map[pair]*couple{}
	for i := range episodes {
		first := &episodes[i]
		for j := i + 1; j < len(episodes) && episodes[j].began.Sub(first.began) <= together; j++ {
			second := &episodes[j]
			if first.node == second.node {
				continue
			}
			key := pair{min(first.node, second.node), max(first.node, second.node)}
			c := counts[key]
			if c == nil {
				c = &couple{a: key.a, b: key.b}
				counts[key] = c
			}
			c.times++
			c.last = later(c.last, second.began)
			switch {
			case first.began.Equal(second.began):
			case first.node == c.a:
				c.aFirst++
			default:
				c.aFirst--
			}
			if first.incident != second.incident {
				c.apart++
			}
		}
	}
	out := make([]couple, 0, len(counts))
	for _, c := range counts {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(x, y couple) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
	return out
}

// unexplained: no failure of one can reach the other, and none of a third service
// reached both, as far as the graph knows.
func (e *examination) unexplained(c *couple) bool {
	if c.apart*2 < c.times && e.joined(c.a, c.b) {
		return false // they mostly were in one incident, which the graph made of them
	}
	for _, hop := range e.Graph.Dependencies(c.a, 0) {
		if hop.Node == c.b {
			return false
		}
	}
	for _, hop := range e.Graph.Dependents(c.a, 0) {
		if hop.Node == c.b {
			return false
		}
	}
	return true
}

// joined reports whether any way, whatever its direction, leads from one node to another.
func (e *examination) joined(from, to topology.NodeID) bool {
	seen := map[topology.NodeID]bool{from: true}
	for queue := []topology.NodeID{from}; len(queue) > 0; queue = queue[1:] {
		for _, d := range slices.Concat(e.Graph.Out(queue[0]), e.Graph.In(queue[0])) {
			if d.Node == to {
				return true
			}
			if !seen[d.Node] {
				seen[d.Node] = true
				queue = append(queue, d.Node)
			}
		}
	}
	return false
}

func (e *examination) missingEdge(c *couple) Finding {
	caller, callee, sure := e.direction(c)
	e.proposed[e.Graph.Ref(caller)], e.proposed[e.Graph.Ref(callee)] = true, true
	from, to := e.Graph.Name(caller), e.Graph.Name(callee)
	f := Finding{
		Kind: MissingEdge, Severity: Warning, Subject: from + " -> " + to,
		Title:    fmt.Sprintf("%s and %s keep alerting together, and the graph has no way between them", from, to),
		Evidence: []Evidence{{Text: fmt.Sprintf("episodes that began within %s of each other", minutes(together)), Count: c.times, Last: c.last}},
		Why:      "Each failure of both becomes two incidents and two pages, and the origin of the second is wrong.",
		Remedy:   fmt.Sprintf("If %s calls %s, which mostly alerted first, add the dependency.", from, to),
		Snippet:  &Snippet{Target: topologyFile, Text: fmt.Sprintf("dependencies:\n  - {from: %s, to: %s, mode: hard}\n", quoted(from), quoted(to))},
	}
	if c.apart > 0 {
		f.Evidence = append(f.Evidence, Evidence{Text: "of these, as two incidents", Count: c.apart})
	}
	if !sure {
		f.Remedy = fmt.Sprintf("If %s calls %s, add the dependency; if it is the other way round, turn it. Which alerts first does not tell.", from, to)
	}
	return f
}

func minutes(d time.Duration) string { return plural(int(d.Minutes()), "minute") }

// direction guesses which of two depends on the other: failures travel from the callee
// to the caller, and stores call nobody.
func (e *examination) direction(c *couple) (caller, callee topology.NodeID, sure bool) {
	if a, b := store(e.Graph.Service(c.a).Kind), store(e.Graph.Service(c.b).Kind); a != b {
		if a {
			return c.b, c.a, true
		}
		return c.a, c.b, true
	}
	sure = 2*max(c.aFirst, -c.aFirst) >= c.times
	if c.aFirst > 0 {
		return c.b, c.a, sure
	}
	return c.a, c.b, sure
}

// store reports whether services of the kind are called and call nobody.
func store(k topology.Kind) bool {
	return k == topology.KindDatabase || k == topology.KindCache || k == topology.KindQueue || k == topology.KindExternal
}
