package correlatetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// screen writes down, in lines, what steps changed.
type screen struct {
	p     *player
	out   []string
	joins []joining // not written yet: they are counted together
}

// joining is alerts that joined one incident.
type joining struct {
	incident string
	from, to time.Time
	services map[string]int
}

func newScreen(p *player) *screen { return &screen{p: p} }

func (s *screen) lines() []string {
	s.flush()
	return s.out
}

func clock(at time.Time) string { return at.Sub(beginning).Round(time.Millisecond).String() }

// flush writes the alerts that joined since the last other line.
func (s *screen) flush() {
	for _, j := range s.joins {
		when := clock(j.from)
		if !j.to.Equal(j.from) {
			when += ".." + clock(j.to)
		}
		s.out = append(s.out, fmt.Sprintf("%-6s joined %s: %s", when, j.incident, tally(j.services)))
	}
	s.joins = nil
}

func (s *screen) print(at time.Time, format string, args ...any) {
	s.flush()
	s.out = append(s.out, fmt.Sprintf("%-6s %s", clock(at), fmt.Sprintf(format, args...)))
}

// tally renders "cart, web x3".
func tally(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] > 1 {
			name = fmt.Sprintf("%s x%d", name, m[name])
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

// show writes what d changed; the ledger still holds what was before.
func (s *screen) show(d *correlate.Delta) {
	now := d.Meta.Now
	if d.Rejected != "" {
		s.print(now, "rejected: %s", d.Rejected)
	}
	entered, moved := s.entries(d)
	for _, i := range d.Incidents {
		s.incident(now, i, entered[i.ID])
	}
	for _, id := range slices.Sorted(maps.Keys(moved)) {
		s.print(now, "moved %s: %s", id, tally(moved[id]))
	}
	for _, page := range d.Pages {
		s.page(page)
	}
	for _, i := range d.Incidents {
		before := s.p.ledger.Incidents[i.ID]
		if i.State == correlate.IncidentResolved && (before == nil || before.State != i.State) {
			s.print(now, "ended %s", i.ID)
		}
	}
}

// entries counts the alerts that are in an incident now and were in none, or in another, before.
func (s *screen) entries(d *correlate.Delta) (entered, moved map[string]map[string]int) {
	entered, moved = map[string]map[string]int{}, map[string]map[string]int{}
	add := func(m map[string]map[string]int, key, service string) {
		if m[key] == nil {
			m[key] = map[string]int{}
		}
		m[key][service]++
	}
	for _, a := range d.Alerts {
		before, name := s.p.ledger.Alerts[a.ID()], s.p.name(a.Service)
		if !a.Caller.IsZero() {
			name = s.p.name(a.Caller) + "->" + name
		}
		switch {
		case a.Incident == "" || before != nil && before.Incident == a.Incident:
		case before == nil || before.Incident == "":
			add(entered, a.Incident, name)
		case s.mergedNow(d, before.Incident):
		default:
			add(moved, before.Incident+" => "+a.Incident, name)
		}
	}
	return entered, moved
}

func (s *screen) mergedNow(d *correlate.Delta, id string) bool {
	return slices.ContainsFunc(d.Incidents, func(i *correlate.Incident) bool { return i.ID == id && i.State == correlate.IncidentMerged })
}

func (s *screen) incident(now time.Time, i *correlate.Incident, joined map[string]int) {
	before := s.p.ledger.Incidents[i.ID]
	switch {
	case i.State == correlate.IncidentMerged:
		if before == nil || before.State != i.State {
			s.print(now, "merged %s into %s", i.ID, i.MergedInto)
		}
		return
	case before == nil && len(joined) == 0:
		s.print(now, "separated %s: origin %s", i.ID, s.p.originText(i))
	case before == nil:
		s.print(now, "opened %s: %s; origin %s", i.ID, tally(joined), s.p.originText(i))
		joined = nil
	case before.State == correlate.IncidentResolved && i.State == correlate.IncidentOpen:
		s.print(now, "reopened %s: %s", i.ID, tally(joined))
		joined = nil
	}
	if len(joined) > 0 {
		s.join(now, i.ID, joined)
	}
	if before == nil || i.State != correlate.IncidentOpen {
		return
	}
	if was, is := originOf(before), originOf(i); was != is && !is.IsZero() && !was.IsZero() {
		s.print(now, "origin %s: %s, was %s", i.ID, s.p.originText(i), s.p.name(was))
	}
	if before.Ack == nil && i.Ack != nil {
		s.print(now, "acknowledged %s by %s", i.ID, i.Ack.By)
	}
}

func (s *screen) join(now time.Time, id string, services map[string]int) {
	for k := range s.joins {
		if j := &s.joins[k]; j.incident == id {
			j.to = now
			for name, n := range services {
				j.services[name] += n
			}
			return
		}
	}
	s.joins = append(s.joins, joining{incident: id, from: now, to: now, services: services})
}

func (s *screen) page(page *correlate.Page) {
	i := &page.Incident
	switch page.Kind {
	case correlate.PageOpen:
		s.print(page.At, "PAGE %s: origin %s", i.ID, s.p.originText(i))
		for _, g := range i.Gaps {
			s.print(page.At, "  gap: %s", g)
		}
	case correlate.PageUpdate:
		s.print(page.At, "update %s: %s", i.ID, page.Reason)
	case correlate.PageResolve:
		s.print(page.At, "resolve %s", i.ID)
	case correlate.PageRing:
		who := ""
		if page.Newcomers {
			who = " for newcomers"
		}
		s.print(page.At, "RING %s%s: %s", i.ID, who, page.Reason)
	case correlate.PageEscalate:
		s.print(page.At, "ESCALATE %s to %s: %s", i.ID, strings.Join(page.To, ", "), page.Reason)
	case correlate.PageNotice:
		s.print(page.At, "notice %s to %s: %s", i.ID, strings.Join(slices.Concat(page.To, page.Owners), ", "), page.Reason)
	case correlate.PagePublicUpdate:
		s.print(page.At, "public %s: %s", i.ID, cmp.Or(page.Reason, i.Status.String()))
	}
}

func originOf(i *correlate.Incident) topology.Ref {
	if o := i.Origin(); o != nil {
		return o.Service
	}
	return topology.Ref{}
}

// originText renders the leading candidate, and the second when it is not far behind.
func (p *player) originText(i *correlate.Incident) string {
	if len(i.Origins) == 0 {
		return "unknown"
	}
	text := p.candidate(&i.Origins[0])
	if len(i.Origins) > 1 && band(i.Origins[0].Probability) != "high" {
		text += ", or " + p.name(i.Origins[1].Service)
	}
	return text
}

func (p *player) candidate(o *correlate.Origin) string {
	name := p.name(o.Service)
	if o.Silent {
		name += " silent"
	}
	return name + " (" + band(o.Probability) + ")"
}

// The bands of probability. Stories that sit on a border say so with a want.
const highFrom, mediumFrom = 0.7, 0.4

func band(probability float64) string {
	switch {
	case probability >= highFrom:
		return "high"
	case probability >= mediumFrom:
		return "medium"
	}
	return "low"
}

// name is the shortest name that is unambiguous.
func (p *player) name(r topology.Ref) string {
	g := p.engine.Graph()
	if n, ok := g.Lookup(r); ok {
		return g.Name(n)
	}
	return r.String()
}

// show prints an incident, or the fates of all alerts.
func (p *player) show(args []string) error {
	if len(args) == 1 && args[0] == "fates" {
		p.showFates()
		return nil
	}
	if len(args) == 1 && args[0] == "learned" {
		p.showLearned()
		return nil
	}
	if len(args) == 0 || p.ledger.Incidents[args[0]] == nil {
		return fmt.Errorf("want show INC-<n> [exact], show fates or show learned")
	}
	i := p.ledger.Incidents[args[0]]
	exact := len(args) > 1 && args[1] == "exact"
	s := p.screen
	s.print(p.now, "%s %s %s, %d alerts, %d firing, on %d services", i.ID, i.State, i.Severity, i.Alerts, i.Firing, len(i.Services))
	for k := range i.Origins[:min(len(i.Origins), 3)] {
		o := &i.Origins[k]
		s.print(p.now, "  %d. %s", k+1, p.candidate(o))
		if !exact {
			continue
		}
		s.print(p.now, "     %s", correlate.Percent(o.Probability))
		for _, r := range o.Reasons {
			s.print(p.now, "     %s", r)
		}
	}
	for _, e := range i.Path {
		s.print(p.now, "  way: %s -> %s %s", p.name(e.Cause), p.name(e.Effect), e.Kind)
	}
	for _, c := range i.Changes {
		s.print(p.now, "  change: %s %s %s", p.name(c.Service), c.Kind, c.Summary)
	}
	return nil
}

func (p *player) showFates() {
	count := map[string]int{}
	for _, a := range p.ledger.Alerts {
		count[fmt.Sprintf("%s %s: %s, %s", p.name(a.Service), a.Labels["alertname"], a.Fate.Kind, a.Fate.Text)]++
	}
	for _, k := range slices.Sorted(maps.Keys(count)) {
		if count[k] > 1 {
			p.screen.print(p.now, "%s x%d", k, count[k])
		} else {
			p.screen.print(p.now, "%s", k)
		}
	}
}
