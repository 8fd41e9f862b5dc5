package replay

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// narrator turns the steps of a replay into lines. Inputs that come shortly one
// after another share a line; what changes nothing, such as an alert that is sent
// again or a check that goes on passing, is left out. Decisions are told in the
// engine's own words, those of the incident's timeline.
type narrator struct {
	s        *Scenario
	told     []tellLine
	heard    []heardGroup                      // since the last line
	heardAt  time.Time                         // of the first of them
	active   map[correlate.AlertID]bool        // alerts that were told to fire
	checks   map[string]correlate.HealthStatus // by service and check
	timeline map[string]int                    // entries told, by incident
	origins  map[string]string                 // told last, by incident
	rows     map[correlate.AlertID]*correlate.AlertState
	graphs   int
}

type tellLine struct {
	at      time.Time
	decided bool
	text    string
}

// heardGroup is what was heard of one sort: "fires cart", with the names of what did.
type heardGroup struct {
	what string
	of   []string
}

// companions is how long inputs share a line.
const companions = 15 * time.Second

func newNarrator(s *Scenario) narrator {
	return narrator{
		s: s, active: map[correlate.AlertID]bool{}, checks: map[string]correlate.HealthStatus{},
		timeline: map[string]int{}, origins: map[string]string{}, rows: map[correlate.AlertID]*correlate.AlertState{},
	}
}

// step takes note of one input and of what came of it. Deadlines that the input let
// pass were decided before it was looked at.
func (n *narrator) step(in correlate.Input, d *correlate.Delta) {
	for _, a := range d.Alerts {
		n.rows[a.ID()] = a
	}
	n.decisions(d, func(at time.Time) bool { return at.Before(in.At) })
	n.hear(in)
	if d.Rejected != "" {
		n.flush()
		n.told = append(n.told, tellLine{at: in.At, decided: true, text: "refused: " + d.Rejected})
	}
	n.decisions(d, func(time.Time) bool { return true })
}

func (n *narrator) hear(in correlate.Input) {
	if len(n.heard) > 0 && in.At.Sub(n.heardAt) > companions {
		n.flush()
	}
	switch sig := in.Signal.(type) {
	case *correlate.AlertBatch:
		for i := range sig.Alerts {
			n.hearAlert(in.At, &sig.Alerts[i])
		}
	case *correlate.HealthBatch:
		for i := range sig.Results {
			n.hearHealth(in.At, &sig.Results[i])
		}
	case *correlate.Change:
		n.add(in.At, "changed: "+n.s.written(sig.Service), strings.TrimSpace(sig.Kind+" "+sig.Summary))
	case *correlate.Command:
		n.add(in.At, "command: "+sig.Incident, strings.TrimSpace(sig.Kind.String()+" "+sig.Text))
	case *correlate.TopologyReport:
		if n.graphs++; n.graphs > 1 { // the first is the scenario's own
			n.add(in.At, "topology:", fmt.Sprintf("%s, %s", counted(len(sig.Spec.Services), "service"), counted(len(sig.Spec.Dependencies), "dependency")))
		}
	}
}

func (n *narrator) hearAlert(at time.Time, a *correlate.Alert) {
	id := a.ID()
	firing := a.Status == correlate.Firing
	if n.active[id] == firing {
		return
	}
	n.active[id] = firing
	about := ""
	if row := n.rows[id]; row != nil {
		about = " " + n.s.written(row.Service)
	}
	if firing {
		n.add(at, "fires:"+about, alertName(a))
	} else {
		n.add(at, "ends:"+about, alertName(a))
	}
}

func (n *narrator) hearHealth(at time.Time, r *correlate.HealthResult) {
	key := n.s.written(r.Service) + " " + r.Check
	before, known := n.checks[key]
	n.checks[key] = r.Status
	if before == r.Status || !known && r.Status == correlate.HealthPassing {
		return
	}
	n.add(at, "health: "+strings.TrimSpace(key), r.Status.String())
}

func (n *narrator) add(at time.Time, what, of string) {
	if len(n.heard) == 0 {
		n.heardAt = at
	}
	i := slices.IndexFunc(n.heard, func(g heardGroup) bool { return g.what == what })
	if i < 0 {
		i, n.heard = len(n.heard), append(n.heard, heardGroup{what: what})
	}
	n.heard[i].of = append(n.heard[i].of, of)
}

// flush writes what was heard as one line for each verb.
func (n *narrator) flush() {
	var verbs []string
	groups := map[string][]string{}
	for _, g := range n.heard {
		verb, about, _ := strings.Cut(g.what, ":")
		if groups[verb] == nil {
			verbs = append(verbs, verb)
		}
		groups[verb] = append(groups[verb], strings.TrimSpace(about)+" "+strings.Join(folded(g.of), ", "))
	}
	for _, verb := range verbs {
		n.told = append(n.told, tellLine{at: n.heardAt, text: verb + ": " + strings.Join(groups[verb], " · ")})
	}
	n.heard = nil
}

// folded counts equal words.
func folded(words []string) []string {
	var order []string
	count := map[string]int{}
	for _, w := range words {
		if count[w]++; count[w] == 1 {
			order = append(order, w)
		}
	}
	for i, w := range order {
		if count[w] > 1 {
			order[i] = fmt.Sprintf("%s (%d)", w, count[w])
		}
	}
	return order
}

// decisions tells the new timeline entries of the delta's incidents that are due.
func (n *narrator) decisions(d *correlate.Delta, due func(time.Time) bool) {
	for _, i := range d.Incidents {
		for k := n.timeline[i.ID]; k < len(i.Timeline) && due(i.Timeline[k].At); k++ {
			n.timeline[i.ID] = k + 1
			n.flush()
			n.decide(d, i, i.Timeline[k])
		}
	}
}

func (n *narrator) decide(d *correlate.Delta, i *correlate.Incident, entry correlate.TimelineEntry) {
	text := i.ID + " " + entry.Text
	if entry.Actor != "" {
		text += " (" + entry.Actor + ")"
	}
	n.told = append(n.told, tellLine{at: entry.At, decided: true, text: text})
	switch entry.Kind {
	case correlate.TimelineOpened, correlate.TimelineOrigin, correlate.TimelineMerged:
		n.say(entry.At, i)
	case correlate.TimelinePage:
		for _, p := range d.Pages {
			if p.Incident.ID == i.ID && p.At.Equal(entry.At) {
				n.say(entry.At, &p.Incident)
			}
		}
	}
}

// namedOrigins is how many candidates a line of the story names.
const namedOrigins = 4

// say adds the ranking of the moment, unless it was the last thing said about the incident.
func (n *narrator) say(at time.Time, i *correlate.Incident) {
	var parts []string
	for _, o := range i.Origins[:min(namedOrigins, len(i.Origins))] {
		parts = append(parts, n.s.written(o.Service)+" "+percent(o.Probability))
	}
	text := fmt.Sprintf("%s origin: %s", i.ID, strings.Join(append(parts, "unknown "+percent(i.Unknown)), ", "))
	if n.origins[i.ID] != text {
		n.origins[i.ID] = text
		n.told = append(n.told, tellLine{at: at, decided: true, text: text})
	}
}

// lines are all that is to be told, in the order of time.
func (n *narrator) lines() []tellLine {
	n.flush()
	slices.SortStableFunc(n.told, func(a, b tellLine) int { return a.at.Compare(b.at) })
	return n.told
}
