package replay

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// maxTicks bounds the deadlines that may pass between two events, and after the
// last one. An engine needs a handful per open incident; one that keeps asking
// would otherwise never let a replay end.
const maxTicks = 100_000

// stepper is the part of the engine that a replay needs.
type stepper interface {
	Step(in correlate.Input) *correlate.Delta
	NextDeadline() (time.Time, bool)
}

// Run replays s through a new engine and returns what it decided.
//
// The topology is the first input, at the time of the first event. Every event
// is an input of its own at its own time. Between events, and after the last
// one until nothing is due any more, deadlines pass by ticks at exactly the
// time the engine named. Run fails when the engine refuses the configuration or
// a topology, and when it asks for more than 100,000 deadlines between two events. A
// refused command is none of its business.
func Run(s *Scenario, cfg correlate.Config) (*Result, error) {
	engine, err := correlate.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", s.Name, err)
	}
	return run(s, engine)
}

func run(s *Scenario, engine stepper) (*Result, error) {
	p := &player{engine: engine, seen: newCollection()}
	p.stats = Stats{Events: len(s.Events), Span: s.Span()}
	if err := p.play(s); err != nil {
		return nil, fmt.Errorf("replay %s: %w", s.Name, err)
	}
	res := p.seen.result(s)
	res.Stats = p.stats
	return res, nil
}

// player feeds one scenario to one engine.
type player struct {
	engine stepper
	pos    uint64
	seen   *collection
	stats  Stats
	// watch is told of every step; nil: nobody is.
	watch func(correlate.Input, *correlate.Delta)
}

func (p *player) play(s *Scenario) error {
	if len(s.Events) == 0 {
		return nil
	}
	report := &correlate.TopologyReport{Source: signalSource, Spec: s.Topology}
	if refused := p.step(s.Events[0].At, report); refused != "" {
		return fmt.Errorf("topology: the engine refused it: %s", refused)
	}
	for i, ev := range s.Events {
		due := func(t time.Time) bool { return !t.After(ev.At) }
		if err := p.passDeadlines(due); err != nil {
			return fmt.Errorf("before events[%d]: %w", i, err)
		}
		if refused := p.step(ev.At, ev.Signal); refused != "" && !mayBeRefused(ev.Signal) {
			return fmt.Errorf("events[%d]: the engine refused it: %s", i, refused)
		}
	}
	if err := p.passDeadlines(func(time.Time) bool { return true }); err != nil {
		return fmt.Errorf("after the last event: %w", err)
	}
	return nil
}

// mayBeRefused: a server goes on after a command that comes too late, so a replay of
// what it saw does as well.
func mayBeRefused(sig correlate.Signal) bool {
	_, is := sig.(*correlate.Command)
	return is
}

// step returns why the engine did not carry the signal out; empty when it did.
func (p *player) step(at time.Time, sig correlate.Signal) (refused string) {
	p.pos++
	in := correlate.Input{Pos: p.pos, At: at, Signal: sig}
	d := p.engine.Step(in)
	p.seen.add(d)
	if p.watch != nil {
		p.watch(in, d)
	}
	return d.Rejected
}

// passDeadlines ticks until the engine's next deadline is not due, or there is none.
func (p *player) passDeadlines(due func(time.Time) bool) error {
	for range maxTicks {
		at, ok := p.engine.NextDeadline()
		if !ok || !due(at) {
			return nil
		}
		p.stats.Ticks++
		p.step(at, correlate.Tick{})
	}
	at, _ := p.engine.NextDeadline()
	return fmt.Errorf("the engine still has a deadline, at %s, after %d of them", at.Format(time.RFC3339Nano), maxTicks)
}

// collection is the latest row of everything, as a store would hold it.
type collection struct {
	incidents map[string]*correlate.Incident
	alerts    map[correlate.AlertID]*correlate.AlertState
	pages     map[string][]*correlate.Page // by incident, as decided
}

func newCollection() *collection {
	return &collection{
		incidents: map[string]*correlate.Incident{},
		alerts:    map[correlate.AlertID]*correlate.AlertState{},
		pages:     map[string][]*correlate.Page{},
	}
}

func (c *collection) add(d *correlate.Delta) {
	for _, i := range d.Incidents {
		c.incidents[i.ID] = i
	}
	for _, a := range d.Alerts {
		c.alerts[a.ID()] = a
	}
	for _, p := range d.Pages {
		c.pages[p.Incident.ID] = append(c.pages[p.Incident.ID], p)
	}
}

// result turns the rows into what a result file says, in s's names.
func (c *collection) result(s *Scenario) *Result {
	members := c.members(s)
	res := &Result{Incidents: make([]Incident, 0, len(c.incidents))}
	for _, i := range c.byNumber() {
		inc := Incident{
			ID:         i.ID,
			OpenedAt:   Time{i.OpenedAt},
			Alerts:     append([]string{}, members[i.ID]...),
			Origins:    s.origins(i.Origins),
			Pages:      make([]Page, 0, len(c.pages[i.ID])),
			MergedInto: i.MergedInto,
		}
		for _, p := range c.pages[i.ID] {
			inc.Pages = append(inc.Pages, Page{At: Time{p.At}, Kind: p.Kind.String(), Origins: s.origins(p.Incident.Origins)})
		}
		res.Incidents = append(res.Incidents, inc)
	}
	return res
}

func (c *collection) byNumber() []*correlate.Incident {
	all := make([]*correlate.Incident, 0, len(c.incidents))
	for _, i := range c.incidents {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *correlate.Incident) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// members lists each incident's alert instances in the scenario's order. Two
// spellings of one start are one instance, listed by the first.
func (c *collection) members(s *Scenario) map[string][]string {
	members := map[string][]string{}
	listed := map[correlate.AlertID]bool{}
	for _, inst := range s.instances {
		a, ok := c.alerts[inst.id]
		if !ok || a.Incident == "" || listed[inst.id] {
			continue
		}
		listed[inst.id] = true
		members[a.Incident] = append(members[a.Incident], inst.name)
	}
	return members
}

// origins writes candidates by the scenario's names. A candidate that it does
// not know, such as an alert that maps to no service, goes by its own.
func (s *Scenario) origins(from []correlate.Origin) []Origin {
	to := make([]Origin, 0, len(from))
	for _, o := range from {
		to = append(to, Origin{Service: s.written(o.Service), Probability: o.Probability})
	}
	return to
}

func (s *Scenario) written(r topology.Ref) string {
	if name, ok := s.services[r]; ok {
		return name
	}
	return r.String()
}
