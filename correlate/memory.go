package correlate

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// This file remembers incidents that are over, so that the next one of the kind says so:
// how often, how long it took, what ended it, what was to be done and is not. What is
// remembered is in [Past] rows, one for each incident that ended; docs/formulas.md has
// the measure of likeness. None of it is evidence.

// Past is an incident that ended, as far as the next one of the kind wants to know it.
type Past struct {
	Incident string
	Number   uint64
	// Origin is where it began, when that was known or said; else zero.
	Origin topology.Ref
	// Suspects are its candidates of suspectAt and more, best first, Origin among them; at most maxSuspects.
	Suspects []topology.Ref
	// Services are those that it hit, by name; of many those that were hit first, at most maxPastServices.
	Services []topology.Ref
	// StartedAt is its earliest onset, EndedAt the end of its last alert.
	StartedAt, EndedAt time.Time
	// EndedBy is the incident's [Incident.Remedy], cut to maxRemedy letters.
	EndedBy string
	// Forgotten: it is too long ago, or the incident came back; the row goes.
	Forgotten bool
}

// SeenBefore is what was remembered of incidents like one, when that was last judged.
type SeenBefore struct {
	// Times is how often there was one like it in [MemoryReach].
	Times int
	// Typical is how long they lasted: the median, of two the longer.
	Typical time.Duration
	// Latest are the last of them, newest first, at most maxRecalled.
	Latest []Recurrence
	// OpenItems are action items of any of them that have not ended, the oldest first, at most
	// maxOpenItems; OpenItemCount is how many there are.
	OpenItems     []OpenItem
	OpenItemCount int
}

// Recurrence is an earlier incident like another.
type Recurrence struct {
	Incident string
	EndedAt  time.Time
	Lasted   time.Duration
	// EndedBy is what people said ended it; empty: it ended by itself, by all that was said.
	EndedBy string
	// SameOrigin: it began at the same service.
	SameOrigin bool
	// Overlap is how much the two have in common of the services that they hit, 0 to 1.
	Overlap float64
}

// OpenItem is an action item that an earlier incident left.
type OpenItem struct {
	ID, Text, Assignee string
}

// MemoryReach is how long an incident is remembered after its end.
const MemoryReach = 90 * 24 * time.Hour

const (
	// maxPast bounds the incidents that are remembered; beyond, the oldest are forgotten.
	maxPast         = 2000
	maxPastServices = 64
	maxSuspects     = 3
	// suspectAt is the probability from which a candidate may be what two incidents have in common.
	suspectAt = .1
	// alikeAt is the overlap from which incidents with a common candidate are alike, and
	// alikeServices how many services they must have in common then: one is the same
	// gateway above all that fails.
	alikeAt       = .5
	alikeServices = 2
	maxRecalled   = 5
	maxOpenItems  = 5
	maxRemedy     = 200 // letters of what is quoted from an earlier incident
)

// memory is what is remembered.
type memory struct {
	past map[string]*Past // by incident
	// by lists them by their candidates. It follows from past.
	by map[topology.Ref][]*Past
}

func newMemory() memory { return memory{map[string]*Past{}, map[topology.Ref][]*Past{}} }

// enter adds p to what is looked up.
func (m *memory) enter(p *Past) {
	m.past[p.Incident] = p
	for _, r := range p.Suspects {
		m.by[r] = append(m.by[r], p)
	}
}

// drop is the inverse of enter.
func (m *memory) drop(id string) {
	p := m.past[id]
	delete(m.past, id)
	for _, r := range p.Suspects {
		if m.by[r] = slices.DeleteFunc(m.by[r], func(o *Past) bool { return o == p }); len(m.by[r]) == 0 {
			delete(m.by, r)
		}
	}
}

// remember brings what is remembered in line with an incident that ended, came back, or
// was written about after its end.
func (e *Engine) remember(inc *incident) {
	row := inc.row
	was := e.memory.past[row.ID]
	if row.State != IncidentResolved {
		if was != nil {
			e.forgetPast(row.ID)
		}
		return
	}
	is := pastOf(row)
	if was != nil {
		if samePast(was, is) {
			return
		}
		e.memory.drop(row.ID)
	}
	e.memory.enter(is)
	e.touchPast(row.ID)
	e.trimPast()
}

// pastOf is what an incident leaves.
func pastOf(row *Incident) *Past {
	p := &Past{Incident: row.ID, Number: row.Number, StartedAt: row.StartedAt, EndedAt: row.EndedAt(), EndedBy: cutText(row.Remedy, maxRemedy)}
	if row.originSet() || row.OriginKnown() {
		p.Origin = row.Origin().Service
	}
	p.Suspects = row.suspects()
	p.Services = row.hit()
	return p
}

// EndedAt is when the last alert of an incident that is over ended; when it was called
// over, if one fires still; zero while it goes on.
func (i *Incident) EndedAt() time.Time {
	if i.State == IncidentOpen || i.QuietSince.IsZero() {
		return i.ResolvedAt
	}
	return i.QuietSince
}

// suspects are the candidates that count for likeness, best first.
func (i *Incident) suspects() []topology.Ref {
	var out []topology.Ref
	for n, o := range i.Origins {
		if n < maxSuspects && o.Probability >= suspectAt {
			out = append(out, o.Service)
		}
	}
	return out
}

// hit are the services with alerts, by name.
func (i *Incident) hit() []topology.Ref {
	var hit []ServiceImpact
	for _, s := range i.Services {
		if s.Alerts > 0 {
			hit = append(hit, s)
		}
	}
	slices.SortFunc(hit, func(a, b ServiceImpact) int {
		return cmp.Or(a.Since.Compare(b.Since), compareRefs(a.Service, b.Service))
	})
	var out []topology.Ref
	for _, s := range hit[:min(len(hit), maxPastServices)] {
		out = append(out, s.Service)
	}
	slices.SortFunc(out, compareRefs)
	return out
}

func samePast(a, b *Past) bool {
	return a.Origin == b.Origin && a.StartedAt.Equal(b.StartedAt) && a.EndedAt.Equal(b.EndedAt) && a.EndedBy == b.EndedBy &&
		slices.Equal(a.Suspects, b.Suspects) && slices.Equal(a.Services, b.Services)
}

// trimPast forgets what ended too long before the latest end, and the oldest of too many.
// It asks the rows and not the clock, so that it does not matter when it is done.
func (e *Engine) trimPast() {
	byEnd := slices.SortedFunc(maps.Values(e.memory.past), func(a, b *Past) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.Number, b.Number))
	})
	latest := byEnd[len(byEnd)-1].EndedAt
	for i, p := range byEnd {
		if len(byEnd)-i <= maxPast && latest.Sub(p.EndedAt) <= MemoryReach {
			return
		}
		e.forgetPast(p.Incident)
	}
}

func (e *Engine) forgetPast(id string) {
	e.memory.drop(id)
	e.touchPast(id)
}

func (e *Engine) touchPast(id string) {
	if e.step.past == nil {
		e.step.past = map[string]bool{}
	}
	e.step.past[id] = true
}

// touchedPast are the rows of what the step remembered or forgot, by number.
func (e *Engine) touchedPast() []*Past {
	rows := make([]*Past, 0, len(e.step.past))
	for id := range e.step.past {
		p := e.memory.past[id]
		if p == nil {
			p = &Past{Incident: id, Number: incidentNumber(id), Forgotten: true}
		}
		rows = append(rows, p)
	}
	return sortPast(rows)
}

// sortPast sorts rows in place.
func sortPast(rows []*Past) []*Past {
	slices.SortFunc(rows, func(a, b *Past) int { return cmp.Compare(a.Number, b.Number) })
	return rows
}

// recall says what is remembered of incidents like row, which ended before it opened.
func (e *Engine) recall(row *Incident) SeenBefore {
	if len(e.memory.past) == 0 {
		return SeenBefore{}
	}
	now, seen := pastOf(row), map[string]bool{row.ID: true}
	var alike []*Past
	for _, suspect := range now.Suspects {
		for _, p := range e.memory.by[suspect] {
			if seen[p.Incident] || p.EndedAt.After(row.OpenedAt) || row.OpenedAt.Sub(p.EndedAt) > MemoryReach {
				continue
			}
			if seen[p.Incident] = true; p.like(now) {
				alike = append(alike, p)
			}
		}
	}
	if len(alike) == 0 {
		return SeenBefore{}
	}
	slices.SortFunc(alike, func(a, b *Past) int { return cmp.Or(b.EndedAt.Compare(a.EndedAt), cmp.Compare(b.Number, a.Number)) })
	before := SeenBefore{Times: len(alike), Typical: typical(alike)}
	for _, p := range alike[:min(len(alike), maxRecalled)] {
		before.Latest = append(before.Latest, p.recurrence(now))
	}
	e.recallOpenItems(&before, alike)
	return before
}

// typical is how long they lasted: the median, of two the longer.
func typical(alike []*Past) time.Duration {
	lasted := make([]time.Duration, len(alike))
	for i, p := range alike {
		lasted[i] = p.lasted()
	}
	slices.Sort(lasted)
	return lasted[len(lasted)/2]
}

func (p *Past) lasted() time.Duration { return max(p.EndedAt.Sub(p.StartedAt), 0) }

func (p *Past) sameOrigin(now *Past) bool { return !p.Origin.IsZero() && p.Origin == now.Origin }

// like reports whether p, which has a candidate in common with now, is like it.
func (p *Past) like(now *Past) bool {
	if p.sameOrigin(now) {
		return true
	}
	common, overlap := overlapOf(p.Services, now.Services)
	return common >= alikeServices && overlap >= alikeAt
}

// recurrence tells of p what now has to know.
func (p *Past) recurrence(now *Past) Recurrence {
	_, overlap := overlapOf(p.Services, now.Services)
	return Recurrence{
		Incident: p.Incident, EndedAt: p.EndedAt, Lasted: p.lasted(), EndedBy: p.EndedBy,
		SameOrigin: p.sameOrigin(now), Overlap: overlap,
	}
}

// overlapOf counts what two sorted lists have in common, and measures it against all that
// is in either (P. Jaccard, 1901).
func overlapOf(a, b []topology.Ref) (common int, overlap float64) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch order := compareRefs(a[i], b[j]); {
		case order < 0:
			i++
		case order > 0:
			j++
		default:
			common, i, j = common+1, i+1, j+1
		}
	}
	if all := len(a) + len(b) - common; all > 0 {
		overlap = float64(common) / float64(all)
	}
	return common, overlap
}

// recallOpenItems adds what is still to be done after any of the incidents.
func (e *Engine) recallOpenItems(before *SeenBefore, alike []*Past) {
	if len(e.actions) == 0 {
		return
	}
	of := map[string]bool{}
	for _, p := range alike {
		of[p.Incident] = true
	}
	for _, a := range sortedActions(e.actions) {
		if a.Status.ended() || !of[a.Incident] {
			continue
		}
		if before.OpenItemCount++; len(before.OpenItems) < maxOpenItems {
			before.OpenItems = append(before.OpenItems, OpenItem{ID: a.ID, Text: cutText(a.Text, maxRemedy), Assignee: a.Assignee})
		}
	}
}

// recallAbout brings what open incidents say of an earlier one up to date: its action items changed.
func (e *Engine) recallAbout(id string) {
	if e.memory.past[id] == nil {
		return
	}
	for _, inc := range sortedIncidents(e.incidents) {
		if inc.open() && inc.row.SeenBefore.Times > 0 {
			e.editIncident(inc).SeenBefore = e.recall(inc.row)
		}
	}
}

// cutText is a text in at most n letters.
func cutText(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}
