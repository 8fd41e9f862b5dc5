package setup

import (
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// Facts are what the server knows of itself.
type Facts struct {
	Started time.Time
	// Resolver is the one that the engine goes by.
	Resolver *topology.Resolver
	Paging   Paging
	Rules    []RuleSet
	// Alertmanagers are those that are asked what they hold.
	Alertmanagers []Alertmanager
}

// Paging is where pages go.
type Paging struct {
	LogOnly bool
	// Integrations are all ways to send, by receiver.
	Integrations []Integration
	// Empty are receivers that a route leads to and that have no integration.
	Empty []string
}

// Integration is one way to send of one receiver.
type Integration struct {
	Receiver, Name string
	Index          int
	SendResolved   bool
	// FailingSince and Error are of failures in a row since it last worked; zero: it works.
	FailingSince time.Time
	Error        string
}

// Alertmanager is one that is asked what it holds.
type Alertmanager struct {
	Name string // its address
	// FailingSince and Error are of failures in a row; zero: it answers.
	FailingSince time.Time
	Error        string
}

// RuleSet is what one Prometheus server has in alerting rules.
type RuleSet struct {
	Server string
	Err    error // it could not be asked; Rules are empty
	Rules  []Rule
}

// Rule is an alerting rule.
type Rule struct {
	Name   string
	Query  string
	Labels map[string]string // those that the rule sets
}

// State is all that findings are made of. What it points to is not changed.
type State struct {
	Facts
	Now time.Time

	Graph      *topology.Graph // nil: there is none
	Sources    []discovery.Status
	LookAlikes []discovery.LookAlike

	Alerts  []*correlate.AlertState // of the last [AlertWindow], history included
	Health  []*correlate.HealthState
	Figures []correlate.Figure
	Pages   []*correlate.OutboxEntry // of the latest incidents
}

// AlertWindow is how far back alerts are looked at.
const AlertWindow = 14 * 24 * time.Hour

// Examine finds what is amiss.
func Examine(s *State) Report {
	e := &examination{State: s, told: map[Kind]int{}, left: map[string]int{}}
	e.gather()
	e.paging()
	e.intake()
	e.sources()
	e.mapping()
	e.graph()
	e.coverage()
	e.runbooks()
	e.finish()
	return e.Report
}

// examination is one Examine.
type examination struct {
	*State
	Report

	told  map[Kind]int
	left  map[string]int // findings that were left out, by what they are about
	order []string       // of left

	about map[topology.Ref][]*correlate.AlertState // alerts by their service, mapped ones alone
	lost  []*correlate.AlertState                  // those that name no service of the graph
	found []*correlate.AlertState                  // the others

	// proposed are services that a finding has an edge for.
	proposed map[topology.Ref]bool
}

// gather sorts the alerts by what they name, by the rules of today: a rule that was
// mended since an alert came is not proposed again.
func (e *examination) gather() {
	e.about, e.proposed = map[topology.Ref][]*correlate.AlertState{}, map[topology.Ref]bool{}
	if e.Resolver == nil {
		e.Resolver, _ = topology.NewResolver(topology.ResolverConfig{}) // without rules none can be wrong
	}
	for _, a := range e.Alerts {
		res := e.Resolver.Resolve(e.Graph, a.Labels)
		if res.Mapped {
			e.about[res.Service] = append(e.about[res.Service], a)
		}
		if res.Mapped && e.knows(res.Service) {
			e.found = append(e.found, a)
		} else if a.Severity != correlate.SeverityNone {
			e.lost = append(e.lost, a)
		}
	}
}

func (e *examination) knows(ref topology.Ref) bool {
	_, ok := e.Graph.Lookup(ref)
	return ok
}
