package prometheus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// Defaults of [Options].
const (
	DefaultWindow = 5 * time.Minute
	DefaultRange  = 6 * time.Hour
)

// Options say what a source asks, and of whom.
type Options struct {
	Name     string // of the source
	Client   *Client
	Edges    Edges
	Matchers []string // put where the queries have $matchers, such as cluster="prod-eu"

	// Window is the time that a rate is taken over: at least twice the scrape interval,
	// better four times. Default [DefaultWindow].
	Window time.Duration
	// Range is how far back an edge is looked for. It is reported as long as it was at
	// work within it. Default [DefaultRange].
	Range time.Duration
}

// Source learns edges from a Prometheus server.
type Source struct {
	name          string
	client        *Client
	mapper        *mapper
	edges         Edges
	matchers      []string
	query, errors string // as asked; errors may be empty
	window, span  time.Duration

	// These belong to Fetch.
	known map[pair]*known
	asked time.Time // when the last fetch succeeded
}

// known is an edge that was at work within the range.
type known struct {
	traffic
	at time.Time // when it was last
}

// NewSource checks the queries and makes a source.
func NewSource(o Options) (*Source, error) {
	m, err := newMapper(o.Edges.Relabel)
	if err != nil {
		return nil, err
	}
	s := &Source{
		name: o.Name, client: o.Client, mapper: m, edges: o.Edges, matchers: o.Matchers,
		window: o.Window, span: o.Range, known: map[pair]*known{},
	}
	if s.window <= 0 {
		s.window = DefaultWindow
	}
	if s.span <= 0 {
		s.span = DefaultRange
	}
	if err := check(o.Edges.Query, o.Matchers); err != nil {
		return nil, err
	}
	s.query = expand(o.Edges.Query, s.window, o.Matchers)
	if o.Edges.ErrorQuery != "" {
		if err := CheckQuery(o.Edges.ErrorQuery); err != nil {
			return nil, fmt.Errorf("error_query: %w", err)
		}
		s.errors = expand(o.Edges.ErrorQuery, s.window, o.Matchers)
	}
	return s, nil
}

func check(query string, matchers []string) error {
	if err := CheckQuery(query); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	for _, m := range matchers {
		if err := CheckMatcher(m); err != nil {
			return fmt.Errorf("matchers: %w", err)
		}
	}
	return nil
}

// Name implements [discovery.Source].
func (s *Source) Name() string { return s.name }

// Fetch implements [discovery.Source]. It learns nothing unless all answers came.
func (s *Source) Fetch(ctx context.Context) (discovery.Report, error) {
	now := time.Now()
	q := inquiry{ctx: ctx, client: s.client}
	current := q.vector(s.query)
	var failing, earlier model.Vector
	if s.errors != "" {
		failing = q.vector(s.errors)
	}
	if gap := now.Sub(s.asked); gap > s.window {
		earlier = q.vector(s.look(gap))
	}
	if q.err != nil {
		return discovery.Report{}, q.err
	}
	s.asked = now
	r := s.learn(now, current, failing, earlier)
	r.Warnings = append(r.Warnings, q.warnings...)
	return r, nil
}

// look is the query for what happened in the time that nobody asked about.
func (s *Source) look(gap time.Duration) string {
	span := s.span
	if gap < span {
		span = min(span, gap+s.window)
	}
	step := historyStep(span, s.window)
	return history(expand(s.edges.Query, step, s.matchers), span, step)
}

// learn takes in the answers of one fetch and tells all that is known.
func (s *Source) learn(now time.Time, current, failing, earlier model.Vector) discovery.Report {
	s.mapper.turn()
	working := s.mapper.collect(current)
	s.remember(now, earlier)
	for _, k := range s.known {
		k.value = 0
	}
	for p, t := range working.edges {
		if before := s.known[p]; before != nil {
			t.join(&before.mapped) // what an edge was called stays with it, or the map would change with every lull
		}
		s.known[p] = &known{traffic: *t, at: now}
	}
	maps.DeleteFunc(s.known, func(_ pair, k *known) bool { return now.Sub(k.at) > s.span })

	r := report(s.known)
	failed := s.mapper.collect(failing)
	if s.edges.requests() {
		for i := range r.Dependencies {
			d := &r.Dependencies[i]
			s.measure(d, &failed)
		}
	}
	if n := working.unmapped; n > 0 {
		r.Warnings = append(r.Warnings, topology.Warning{Text: fmt.Sprintf("%d of %d samples were left out or not understood, such as %s", n, len(current), working.problem)})
	}
	return r
}

// remember takes in when edges were last at work, as told by [history]. A server's clock
// may differ from ours, so only its ages are taken.
func (s *Source) remember(now time.Time, earlier model.Vector) {
	for _, sample := range earlier {
		age := time.Duration((float64(sample.Timestamp)/1000 - float64(sample.Value)) * float64(time.Second))
		e, keep, err := s.mapper.edge(sample.Metric)
		if !keep || err != nil || age > s.span {
			continue
		}
		at := now.Add(-max(age, 0))
		k := s.known[e.pair]
		if k == nil {
			k = &known{traffic: traffic{mapped: e}, at: at}
			s.known[e.pair] = k
		}
		k.join(&e)
		if k.at.Before(at) {
			k.at = at
		}
	}
}

// measure sets a dependency's rate and error ratio.
func (s *Source) measure(d *topology.Dependency, failed *collected) {
	p := pair{d.From, d.To}
	rate := s.known[p].value
	seen := &d.Seen[0]
	seen.RequestsPerSecond = topology.Measured(rate)
	if s.errors == "" || rate == 0 {
		return
	}
	bad := 0.0
	if t := failed.edges[p]; t != nil {
		bad = t.value
	}
	seen.ErrorRatio = topology.Measured(min(1, bad/rate))
}

// report tells what is known, in the order of names.
func report(edges map[pair]*known) discovery.Report {
	var r discovery.Report
	nodes := map[topology.Ref]*node{}
	for _, p := range slices.SortedFunc(maps.Keys(edges), pair.compare) {
		k := edges[p]
		note(nodes, p.from, &k.source, k.at)
		note(nodes, p.to, &k.destination, k.at)
		r.Dependencies = append(r.Dependencies, topology.Dependency{
			From: p.from, To: p.to, Mode: k.mode, Seen: []topology.Sighting{{LastSeen: k.at}},
		})
	}
	for _, ref := range slices.SortedFunc(maps.Keys(nodes), compareRefs) {
		n := nodes[ref]
		r.Services = append(r.Services, topology.Service{
			Name: ref.Name, Namespace: ref.Namespace, Kind: n.kind, Aliases: n.aliases,
			Seen: []topology.Sighting{{LastSeen: n.at}},
		})
	}
	return r
}

// node is a service that edges name.
type node struct {
	end
	at time.Time
}

func note(nodes map[topology.Ref]*node, ref topology.Ref, e *end, at time.Time) {
	n := nodes[ref]
	if n == nil {
		n = &node{at: at}
		nodes[ref] = n
	}
	n.join(e)
	if n.at.Before(at) {
		n.at = at
	}
}
