// Package cascade makes a picture of an incident: where it began, the way it took and how
// long that was, what was passed in silence, what it could also have been, what works and
// so is not to blame, and what will probably be hit next.
//
// [Draw] decides what is in the picture and gives it its place; [Cascade.SVG] and
// [Cascade.Mermaid] set it, and a dashboard may draw it itself. All of it is pure: the same
// incident, graph and checks give the same picture.
package cascade

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/layout"
)

// Role is what a service is in the picture.
type Role uint8

// The roles.
const (
	RoleOrigin  Role = iota // the best candidate for where it began
	RoleSuspect             // another candidate, which shows nothing itself
	RoleHit                 // has alerts of the incident
	RolePassed              // shows nothing, and the failure went through it
	RoleCleared             // what failed depends on it, and its checks have passed all the time
	RoleNext                // depends on what failed and shows nothing yet
)

var roleNames = [...]string{"origin", "suspect", "hit", "passed", "cleared", "next"}

// String returns the lower-case name.
func (r Role) String() string { return nameOf(roleNames[:], int(r)) }

// Link is what an edge tells.
type Link uint8

// The kinds of edges. All lead from a service to one that depends on it or suffered by it.
const (
	LinkTook     Link = iota // a step of the way that the failure took
	LinkSuspect              // the way it would have taken from another candidate
	LinkDepends              // a dependency between services that were hit, which explains nothing
	LinkCleared              // a dependency on what works
	LinkPossible             // a step that it may take next
)

var linkNames = [...]string{"took", "suspect", "depends", "cleared", "possible"}

// String returns the lower-case name.
func (l Link) String() string { return nameOf(linkNames[:], int(l)) }

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}

// Node is one service in the picture.
type Node struct {
	Service topology.Ref
	Name    string // as briefly as is unambiguous in the incident
	Kind    topology.Kind
	Owner   string
	Role    Role
	// Probability, 0 to 1, that it began here; 0 for what is no candidate.
	Probability float64
	// Silent: it has no alert of its own.
	Silent bool
	// Of its alerts in the incident; 0 for what has none.
	Severity       correlate.Severity
	Alerts, Firing int
	// Since is its earliest onset, After how long after the incident's, and Order its place
	// among the services that were hit, from 1. All are zero for what has no alert.
	Since time.Time
	After time.Duration
	Order int
	// Passing: it has health checks, and all of them have passed since before it began.
	Passing bool
	// Places are what it runs on, by name.
	Places []string
	Box    layout.Box
}

// Edge is one arrow of the picture.
type Edge struct {
	From, To int // indices of [Cascade.Nodes]
	Link     Link
	// Kind is how the failure spreads on a step that it took, as [correlate.PathEdge.Kind].
	Kind string
	// Delay is from onset to onset; 0: not known.
	Delay time.Duration
	// Points lead from border to border, a point wherever the line turns.
	Points []layout.Point
}

// Cascade is the picture of an incident.
type Cascade struct {
	Incident *correlate.Incident
	Nodes    []Node // origin first, then by role, onset and name
	Edges    []Edge // in the order in which the failure took them, then by their ends
	// Width and Height hold all of it; it begins at 0.
	Width, Height float64
	Layers        int
	// Left counts the services that were hit and are not drawn, see [maxNodes].
	Left      int
	Direction layout.Direction
}

// State is what a cascade is drawn from.
type State struct {
	Incident *correlate.Incident
	// Graph is the one in force. The incident may have been judged by another.
	Graph *topology.Graph
	// Health are the checks, in any order.
	Health    []*correlate.HealthState
	Direction layout.Direction
}

const (
	// maxNodes bounds a picture. Services that were hit last are left out.
	maxNodes = 300
	// maxCleared bounds what works, by how much of what failed depends on it.
	maxCleared = 6
	// suspectAt is the probability from which the runner-up is drawn, and doubtAt that from
	// which a service that was hit is said to be a candidate.
	suspectAt = 0.02
	doubtAt   = 0.05
)

// Draw makes the picture.
func Draw(s State) *Cascade {
	p := &painter{State: s, at: map[topology.Ref]int{}, name: s.Incident.Names()}
	p.c = &Cascade{Incident: s.Incident, Direction: s.Direction}
	p.addOrigin()
	p.addHit()
	p.addWay()
	p.addSuspects()
	p.addCleared()
	p.addNext()
	p.addUnexplained()
	p.describe()
	p.arrange()
	return p.c
}

// painter is a cascade that is being drawn.
type painter struct {
	State
	c    *Cascade
	at   map[topology.Ref]int // index of the node
	name func(topology.Ref) string
}

// node returns the index of a service's node, and adds it in that role when there is none.
// -1: the picture is full.
func (p *painter) node(r topology.Ref, role Role) int {
	if i, ok := p.at[r]; ok {
		return i
	}
	if len(p.c.Nodes) >= maxNodes {
		return -1
	}
	p.at[r] = len(p.c.Nodes)
	p.c.Nodes = append(p.c.Nodes, Node{Service: r, Name: p.name(r), Role: role, Silent: true})
	return p.at[r]
}

func (p *painter) addOrigin() {
	if o := p.Incident.Origin(); o != nil {
		p.node(o.Service, RoleOrigin)
	}
}

// addHit adds the services with alerts, the first to alert first.
func (p *painter) addHit() {
	hit := slices.DeleteFunc(slices.Clone(p.Incident.Services), func(s correlate.ServiceImpact) bool { return s.Alerts == 0 })
	byOnset := func(a, b correlate.ServiceImpact) int {
		return cmp.Or(a.Since.Compare(b.Since), compareRefs(a.Service, b.Service))
	}
	slices.SortFunc(hit, byOnset)
	for order, s := range hit {
		i := p.node(s.Service, RoleHit)
		if i < 0 {
			p.c.Left++
			continue
		}
		n := &p.c.Nodes[i]
		n.Silent, n.Severity, n.Alerts, n.Firing = false, s.Severity, s.Alerts, s.Firing
		n.Since, n.Order, n.After = s.Since, order+1, max(s.Since.Sub(p.Incident.StartedAt), 0)
	}
}

func compareRefs(a, b topology.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// addWay adds the steps that the failure took, and what it passed in silence. Where load
// or traffic went through services that show nothing and are in no step, the origin stands
// for them.
func (p *painter) addWay() {
	effects := map[topology.Ref]bool{}
	for _, step := range p.Incident.Path {
		effects[step.Effect] = true
	}
	for _, step := range p.Incident.Path {
		cause := step.Cause
		if o := p.Incident.Origin(); o != nil && !effects[cause] {
			cause = o.Service
		}
		from, to := p.node(cause, RolePassed), p.node(step.Effect, RolePassed)
		p.edge(Edge{From: from, To: to, Link: LinkTook, Kind: step.Kind, Delay: step.Delay})
	}
}

// edge adds an edge unless one of its ends is not drawn.
func (p *painter) edge(e Edge) {
	if e.From >= 0 && e.To >= 0 && e.From != e.To {
		p.c.Edges = append(p.c.Edges, e)
	}
}

// addSuspects gives candidates their probabilities, and adds the runner-up when it is not
// drawn yet, with what depends on it.
func (p *painter) addSuspects() {
	for rank, o := range p.Incident.Origins {
		i, drawn := p.at[o.Service]
		if !drawn {
			if rank != 1 || o.Probability < suspectAt {
				continue
			}
			if i = p.node(o.Service, RoleSuspect); i < 0 {
				continue
			}
			p.linkDependents(i, LinkSuspect)
		}
		p.c.Nodes[i].Probability = o.Probability
	}
}

// linkDependents adds an edge from node i to each that was hit and depends on it.
func (p *painter) linkDependents(i int, link Link) {
	n, ok := p.Graph.Lookup(p.c.Nodes[i].Service)
	if !ok {
		return
	}
	for _, e := range p.Graph.In(n) {
		if j, drawn := p.at[p.Graph.Ref(e.Node)]; drawn && p.failed(j) {
			p.edge(Edge{From: i, To: j, Link: link})
		}
	}
}

// failed reports whether the failure got to node i, by all we know.
func (p *painter) failed(i int) bool {
	switch p.c.Nodes[i].Role {
	case RoleOrigin, RoleHit, RolePassed:
		return true
	}
	return false
}

// addCleared adds what the failed services depend on and whose checks have passed all the time.
func (p *painter) addCleared() {
	passing := p.passing()
	needed := map[topology.Ref]int{} // by how many of those that failed
	for i := range p.c.Nodes {
		n, ok := p.Graph.Lookup(p.c.Nodes[i].Service)
		if p.c.Nodes[i].Passing = passing[p.c.Nodes[i].Service]; !ok || !p.failed(i) {
			continue
		}
		for _, e := range p.Graph.Out(n) {
			r := p.Graph.Ref(e.Node)
			if _, drawn := p.at[r]; !drawn && passing[r] && !p.Graph.Service(e.Node).Kind.IsPlace() {
				needed[r]++
			}
		}
	}
	refs := make([]topology.Ref, 0, len(needed))
	for r := range needed {
		refs = append(refs, r)
	}
	slices.SortFunc(refs, func(a, b topology.Ref) int { return cmp.Or(cmp.Compare(needed[b], needed[a]), compareRefs(a, b)) })
	for _, r := range refs[:min(len(refs), maxCleared)] {
		if i := p.node(r, RoleCleared); i >= 0 {
			p.c.Nodes[i].Passing = true
			p.linkDependents(i, LinkCleared)
		}
	}
}

// passing are the services with checks all of which have passed from before the incident
// began until after: what passes again, or was not looked at since, clears nobody.
func (p *painter) passing() map[topology.Ref]bool {
	began, out := p.Incident.StartedAt, map[topology.Ref]bool{}
	for _, h := range p.Health {
		if h.Status == correlate.HealthUnknown {
			continue
		}
		ok := h.Status == correlate.HealthPassing && !h.Since.After(began) && h.At.After(began)
		before, seen := out[h.Service]
		out[h.Service] = ok && (before || !seen)
	}
	return out
}

// addNext adds what may be hit next while the incident goes on.
func (p *painter) addNext() {
	if p.Incident.State != correlate.IncidentOpen {
		return
	}
	for _, r := range p.Incident.NextHit {
		if _, drawn := p.at[r]; drawn {
			continue
		}
		if i := p.node(r, RoleNext); i >= 0 {
			p.linkNeeded(i, LinkPossible)
		}
	}
}

// linkNeeded adds an edge to node i from each that failed and that it depends on.
func (p *painter) linkNeeded(i int, link Link) {
	n, ok := p.Graph.Lookup(p.c.Nodes[i].Service)
	if !ok {
		return
	}
	for _, e := range p.Graph.Out(n) {
		if j, drawn := p.at[p.Graph.Ref(e.Node)]; drawn && p.failed(j) {
			p.edge(Edge{From: j, To: i, Link: link})
		}
	}
}

// addUnexplained ties services that were hit, and to which no step leads, to what they
// depend on, so that they do not float.
func (p *painter) addUnexplained() {
	led := make([]bool, len(p.c.Nodes))
	for _, e := range p.c.Edges {
		led[e.To] = led[e.To] || e.Link == LinkTook
	}
	for i := range led {
		if n := &p.c.Nodes[i]; !led[i] && n.Role == RoleHit {
			p.linkNeeded(i, LinkDepends)
		}
	}
}

// describe adds what the graph says.
func (p *painter) describe() {
	for i := range p.c.Nodes {
		n := &p.c.Nodes[i]
		id, ok := p.Graph.Lookup(n.Service)
		if !ok {
			continue
		}
		s := p.Graph.Service(id)
		n.Kind, n.Owner = s.Kind, s.Owner
		for _, place := range s.RunsOn {
			n.Places = append(n.Places, topology.ParseRef(place).Name)
		}
	}
	for _, o := range p.Incident.Origins {
		if i, drawn := p.at[o.Service]; drawn {
			p.c.Nodes[i].Kind, p.c.Nodes[i].Owner = o.Kind, o.Owner
		}
	}
}

// arrange sorts nodes and edges and gives them their places.
func (p *painter) arrange() {
	order := make([]int, len(p.c.Nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := &p.c.Nodes[a], &p.c.Nodes[b]
		return cmp.Or(cmp.Compare(rank[x.Role], rank[y.Role]), cmp.Compare(x.Order, y.Order), compareRefs(x.Service, y.Service))
	})
	nodes, to := make([]Node, len(order)), make([]int, len(order))
	for i, from := range order {
		nodes[i], to[from] = p.c.Nodes[from], i
	}
	p.c.Nodes = nodes
	for i, e := range p.c.Edges {
		p.c.Edges[i].From, p.c.Edges[i].To = to[e.From], to[e.To]
	}
	slices.SortStableFunc(p.c.Edges, func(a, b Edge) int {
		if a.Link == LinkTook && b.Link == LinkTook {
			return 0 // as the path has them
		}
		return cmp.Or(cmp.Compare(a.Link, b.Link), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	p.c.place()
}

// rank orders the roles as people look for them.
var rank = [...]int{RoleOrigin: 0, RoleHit: 1, RolePassed: 2, RoleSuspect: 3, RoleCleared: 4, RoleNext: 5}

// place gives nodes and edges their places.
func (c *Cascade) place() {
	boxes, lines := make([]layout.Node, len(c.Nodes)), make([]layout.Edge, len(c.Edges))
	width := 0.0
	for i := range c.Nodes {
		width = max(width, c.Nodes[i].width())
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		boxes[i] = layout.Node{Key: n.Service.String(), Width: width, Height: n.height()}
	}
	for i, e := range c.Edges {
		lines[i] = layout.Edge{From: e.From, To: e.To, Weight: 1}
		if e.Link == LinkTook {
			lines[i].Weight = 3
		}
	}
	options := layout.Options{Direction: c.Direction}
	if c.Direction == layout.Right {
		options.LayerGap = delayGap
	}
	picture := layout.Draw(boxes, lines, options)
	c.Width, c.Height, c.Layers = picture.Width, picture.Height, picture.Layers
	for i := range c.Nodes {
		c.Nodes[i].Box = picture.Boxes[i]
	}
	for i := range c.Edges {
		c.Edges[i].Points = picture.Routes[i].Points
	}
}
