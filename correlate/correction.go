package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// This file carries out what operators say against the engine's opinion: where an
// incident began, which incidents are one failure, which alerts are another. apart.go
// keeps it in force when alerts are divided anew.

// OriginStatement is an operator's word about where an incident began.
type OriginStatement struct {
	Service topology.Ref
	At      time.Time
	By      string
	Note    string // may be empty
	// Named are the candidates that the evidence had when somebody first said so, best first:
	// what to hold the word against, for the candidates have followed it since.
	Named []topology.Ref
}

// Parting keeps an incident and another apart. Each of the two rows holds one.
type Parting struct {
	Incident string // id of the other one
	At       time.Time
	By       string // who divided them; empty: the engine
}

// final: only an operator ends it, with a merge. What the engine divided it may join again
// when alerts that came later show that the two are one failure.
func (p *Parting) final() bool { return p.By != "" }

// statedWeight is the weight of an operator's word among the reasons, in nats: more than any evidence comes to.
const statedWeight = 20.0

func (e *Engine) setOrigin(inc *incident, c *Command) string {
	if c.Service.IsZero() {
		return e.withdrawOrigin(inc, c)
	}
	service, ok := e.serviceOf(inc, c.Service)
	if !ok {
		return fmt.Sprintf("the graph has no service %q and %s none of that name; where several share a name, write namespace/name", c.Service, inc.row.ID)
	}
	verb := "origin set to"
	if o := inc.row.Origin(); o != nil && o.Service == service {
		verb = "origin confirmed:"
	}
	named := inc.row.named()
	row := e.editIncident(inc)
	row.SetOrigin = &OriginStatement{Service: service, At: e.meta.Now, By: actorOr(c.Actor), Note: c.Text, Named: named}
	e.note(inc, TimelineOrigin, c.Actor, withText(verb+" "+e.short(service), c.Text))
	if inc.row.Status < StatusIdentified {
		e.progress(inc, StatusIdentified, c.Actor, "")
	}
	if row.Archived { // its alerts are forgotten: there is nothing to judge it by
		row.Origins, row.Unknown = saidFirst(row.Origins, e.origin(inc, service)), 0
		e.sayWhoSetOrigin(inc)
		return ""
	}
	e.judge(inc)
	return ""
}

// named are the candidates that the evidence has, or had before somebody said otherwise.
func (i *Incident) named() []topology.Ref {
	if i.SetOrigin != nil {
		return i.SetOrigin.Named
	}
	var named []topology.Ref
	for k := range i.Origins {
		named = append(named, i.Origins[k].Service)
	}
	return named
}

// saidFirst are the candidates once an operator has said that it was this one.
func saidFirst(candidates []Origin, said Origin) []Origin {
	out := []Origin{said}
	for _, o := range candidates {
		if o.Service == said.Service {
			out[0] = o
			out[0].Probability = 1
			// What stands first in the reasons is what was said before, when something was.
			out[0].Reasons = slices.DeleteFunc(slices.Clone(o.Reasons), func(r Reason) bool { return r.Term == TermSaid })
			continue
		}
		o.Probability = 0
		o.Reasons = slices.DeleteFunc(slices.Clone(o.Reasons), func(r Reason) bool { return r.Term == TermSaid })
		out = append(out, o)
	}
	return out
}

// origin is the candidate that a service is by an operator's word alone.
func (e *Engine) origin(inc *incident, service topology.Ref) Origin {
	n := e.nodes.id(service)
	return Origin{Service: service, Kind: e.nodes.kind(n), Owner: e.nodes.owner(n), Probability: 1, Silent: !inc.at(n)}
}

func (e *Engine) withdrawOrigin(inc *incident, c *Command) string {
	switch {
	case inc.row.SetOrigin == nil:
		return fmt.Sprintf("the origin of %s was not set by anybody", inc.row.ID)
	case !inc.open():
		return fmt.Sprintf("%s is already resolved: its origin can be set, no longer judged", inc.row.ID)
	}
	e.editIncident(inc).SetOrigin = nil
	e.note(inc, TimelineOrigin, c.Actor, withText("origin left to the evidence again", c.Text))
	e.judge(inc)
	return ""
}

// serviceOf finds a service of the graph, or one outside of it that the incident knows.
func (e *Engine) serviceOf(inc *incident, named topology.Ref) (topology.Ref, bool) {
	if n, ok := e.graph.Lookup(named); ok {
		return e.graph.Ref(n), true
	}
	for _, s := range inc.row.Services {
		if s.Service == named {
			return named, true
		}
	}
	return topology.Ref{}, false
}

// heed puts the origin that an operator named before all others. Nil is returned when
// no tree from there explains anything: the graph misses the way.
func (p *partitioner) heed(said *OriginStatement, ranking []ranked, unknown float64) ([]ranked, float64) {
	if said == nil {
		return ranking, unknown
	}
	id := p.e.nodes.id(said.Service)
	if int(id) >= len(p.index) || p.index[id] < 0 {
		return nil, 0
	}
	first := ranked{node: p.index[id], probability: 1}
	rest := make([]ranked, 0, len(ranking))
	for _, r := range ranking {
		if r.node == first.node {
			first.tree = r.tree
			continue
		}
		r.probability = 0
		rest = append(rest, r)
	}
	if first.tree == nil {
		first.tree = p.bestFrom(first.node, p.avail)
	}
	if first.tree == nil {
		return nil, 0
	}
	return append([]ranked{first}, rest[:min(len(rest), p.e.cfg.MaxOrigins-1)]...), 0
}

// sayWhoSetOrigin completes the origins of an incident whose first one is an operator's word.
func (e *Engine) sayWhoSetOrigin(inc *incident) {
	row := e.editIncident(inc)
	said := row.SetOrigin
	if said == nil {
		return
	}
	service := e.nodes.ref(e.nodes.id(said.Service))
	if len(row.Origins) == 0 || row.Origins[0].Service != service {
		row.Origins = []Origin{e.origin(inc, service)}
	}
	o := &row.Origins[0]
	o.Reasons = append([]Reason{{Term: TermSaid, Text: withText("set by "+said.By, said.Note), Weight: statedWeight}}, o.Reasons...)
}

// originSet reports whether the first candidate is an operator's word.
func (i *Incident) originSet() bool { return i.SetOrigin != nil && len(i.Origins) > 0 }

// mergeCommand makes one incident of two. Which of them goes on is not the operator's
// to choose: it is the one that on-call was paged for.
func (e *Engine) mergeCommand(inc *incident, c *Command) string {
	other := e.incidents[c.Into]
	switch {
	case other == nil:
		return fmt.Sprintf("no incident %q is open or recently ended", c.Into)
	case other == inc:
		return fmt.Sprintf("%s cannot be merged into itself", c.Incident)
	case !inc.open():
		return fmt.Sprintf("%s is already resolved", c.Incident)
	case !other.open():
		return fmt.Sprintf("%s is already resolved", c.Into)
	}
	gone, into := inc, other
	if survives(gone, into) {
		gone, into = into, gone
	}
	e.mergeInto(gone, into, actorOr(c.Actor), c.Text)
	e.judge(into)
	return ""
}

// bind has alerts stay together from now on, because the incident of that number was
// merged or split off. Each is once at most, so no two decisions share a bond.
func (e *Engine) bind(items []*item, number uint64, merged bool) {
	bond := 2 * number
	if merged {
		bond++
	}
	for _, it := range items {
		e.editAlert(it).Bond = bond
	}
}

// splitCommand moves alerts into an incident of their own.
func (e *Engine) splitCommand(inc *incident, c *Command) string {
	return e.takeOut(inc, c, "split")
}

// detachCommand is a split after which the alerts that leave are no reason to page: they
// came along, and somebody looked at them.
func (e *Engine) detachCommand(inc *incident, c *Command) string {
	return e.takeOut(inc, c, "detached")
}

// takeOut moves the alerts that c names into an incident of their own, and says in verb what was done.
func (e *Engine) takeOut(inc *incident, c *Command, verb string) string {
	if !inc.open() {
		return fmt.Sprintf("%s is already resolved", c.Incident)
	}
	chosen, refusal := e.chosen(inc, c)
	if refusal != "" {
		return refusal
	}
	if c.Kind == CommandDetach {
		for _, it := range chosen {
			e.editAlert(it).Detached = "detached from " + inc.row.ID + " by " + actorOr(c.Actor)
		}
	}
	fresh := e.openIncident()
	for _, it := range chosen {
		e.include(fresh, it)
		e.editAlert(it).Incident = fresh.row.ID
	}
	e.bind(chosen, fresh.row.Number, false)
	e.release(inc)
	row := e.editIncident(fresh)
	row.SplitFrom, row.Ack = inc.row.ID, inc.row.Ack
	e.inheritPartings(fresh, inc)
	e.part(fresh, inc, Parting{At: e.meta.Now, By: actorOr(c.Actor)})
	e.note(fresh, TimelineSplit, c.Actor, withText(verb+" from "+inc.row.ID, c.Text))
	e.note(inc, TimelineSplit, c.Actor, withText(fmt.Sprintf("%s %s as %s", plural(len(chosen), "alert"), strings.Replace(verb, "split", "split off", 1), fresh.row.ID), c.Text))
	e.judge(inc)
	e.judge(fresh)
	return ""
}

// chosen are the alerts of inc that a split names, by start, each with the other
// firings of its label set in inc: one rule on one thing is in one failure.
func (e *Engine) chosen(inc *incident, c *Command) (chosen []*item, refusal string) {
	labelSets, services := map[string]bool{}, map[nodeID]bool{}
	for _, id := range c.Alerts {
		it := e.items[id]
		if it == nil || it.inc != inc {
			return nil, fmt.Sprintf("%s has no alert %s", c.Incident, id)
		}
		labelSets[id.Fingerprint] = true
	}
	for _, named := range c.Services {
		service, ok := e.serviceOf(inc, named)
		n := e.nodes.id(service)
		if !ok || !slices.ContainsFunc(inc.items, func(it *item) bool { return it.hit() == n }) {
			return nil, fmt.Sprintf("%s has no alert on service %q", c.Incident, named)
		}
		services[n] = true
	}
	for _, it := range inc.items {
		if services[it.hit()] {
			labelSets[it.id.Fingerprint] = true
		}
	}
	for _, it := range inc.sorted() {
		if labelSets[it.id.Fingerprint] {
			chosen = append(chosen, it)
		}
	}
	switch len(chosen) {
	case 0:
		return nil, "a split must name the alerts or the services that leave"
	case len(inc.items):
		return nil, fmt.Sprintf("a split must leave something behind: these are all %s of %s", plural(len(chosen), "alert"), c.Incident)
	}
	return chosen, ""
}

// maxPartings bounds the incidents that one is kept apart from; beyond it the engine's own, oldest first, are forgotten.
const maxPartings = 64

// part keeps a and b apart. Of two partings of a pair the stronger one stays.
func (e *Engine) part(a, b *incident, how Parting) {
	if p := a.row.partingFrom(b.row.ID); a == b || p != nil && (p.final() || !how.final()) {
		return
	}
	for _, pair := range [2][2]*incident{{a, b}, {b, a}} {
		e.dropParting(pair[0], pair[1].row.ID)
		e.boundPartings(pair[0])
		row := e.editIncident(pair[0])
		how.Incident = pair[1].row.ID
		row.Apart = append(slices.Clip(row.Apart), how)
	}
}

// boundPartings makes room for one more.
func (e *Engine) boundPartings(inc *incident) {
	apart := inc.row.Apart
	if len(apart) < maxPartings {
		return
	}
	weakest := apart[max(0, slices.IndexFunc(apart, func(p Parting) bool { return !p.final() }))].Incident
	e.dropParting(inc, weakest)
	if other := e.incidents[weakest]; other != nil {
		e.dropParting(other, inc.row.ID)
	}
}

func (e *Engine) dropParting(inc *incident, other string) {
	if inc.row.partingFrom(other) != nil {
		row := e.editIncident(inc)
		row.Apart = slices.DeleteFunc(slices.Clone(row.Apart), func(p Parting) bool { return p.Incident == other })
	}
}

// partingFrom is what keeps i apart from the other incident, nil when nothing does.
func (i *Incident) partingFrom(other string) *Parting {
	for k := range i.Apart {
		if i.Apart[k].Incident == other {
			return &i.Apart[k]
		}
	}
	return nil
}

// inheritPartings keeps heir apart from all that from is kept apart from.
func (e *Engine) inheritPartings(heir, from *incident) {
	for _, p := range from.row.Apart {
		if other := e.incidents[p.Incident]; other != nil {
			e.part(heir, other, p)
		}
	}
}

// endPartings lets go of everything that keeps gone apart from others.
func (e *Engine) endPartings(gone *incident) {
	for _, p := range gone.row.Apart {
		if other := e.incidents[p.Incident]; other != nil {
			e.dropParting(other, gone.row.ID)
		}
	}
	e.editIncident(gone).Apart = nil
}

// maxRejoins is how often the engine may join what it divided and still divide it again:
// on-call must not see two pages become one and two again all night. A lower bound pages
// less and joins hasty divisions for good. On the suite of "make gate", 2 instead of 6
// takes opening pages per fault from 1.50 to 1.43, and the calibration error from .28 to .34.
const maxRejoins = 2

// succeed hands what was said and decided about gone on to the incident that it was
// merged into. The alerts of both stay together when an operator merged them, or when
// the engine has changed its mind often enough.
func (e *Engine) succeed(gone, into *incident, actor string) {
	if into.row.partingFrom(gone.row.ID) != nil {
		e.editIncident(into).Rejoined = max(into.row.Rejoined, gone.row.Rejoined) + 1
	}
	if actor != "" || into.row.Rejoined > maxRejoins {
		e.bind(into.items, gone.row.Number, true)
	}
	if row := e.editIncident(into); row.SetOrigin == nil {
		row.SetOrigin = gone.row.SetOrigin
	}
	e.inheritRecord(gone, into)
	former := gone.row.Apart
	e.endPartings(gone)
	for _, p := range former {
		if other := e.incidents[p.Incident]; other != nil {
			e.part(into, other, p)
		}
	}
}

// divided remembers that the engine took the alerts of fresh out of the incidents in
// from: what on-call holds two pages of does not become one and two again in turns.
func (e *Engine) divided(fresh *incident, from []*incident) {
	for _, source := range sortIncidents(from) {
		row := e.editIncident(fresh)
		if row.SplitFrom == "" {
			row.SplitFrom = source.row.ID
		}
		for _, p := range source.row.Apart {
			if other := e.incidents[p.Incident]; other != nil && !slices.Contains(from, other) {
				e.part(fresh, other, p)
			}
		}
		if source.row.Paging.open() && len(source.items) > 0 {
			e.part(fresh, source, Parting{At: e.meta.Now})
		}
	}
}
