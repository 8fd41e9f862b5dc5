package correlate

import (
	"cmp"
	"maps"
	"slices"

	"github.com/headwater-sre/headwater/topology"
)

// stepState is what one step touched. Rows are copied on their first edit of a
// step, so whatever was handed out before stays as it was.
type stepState struct {
	alerts      []*item     // in the order of their first edit; their touched is the step's position
	incidents   []*incident // likewise
	health      map[checkKey]bool
	changes     []*ChangeState
	stats       map[string]bool
	topology    *topology.Spec
	pages       []*Page
	imports     []*Import
	rejected    string
	recount     []*incident // their counting is set
	actions     map[string]*ActionItem
	maintenance map[string]*Maintenance
	past        map[string]bool
	source      string // of the command that is being carried out
}

// countAgain brings inc's counters up to date before the step ends: its alerts ended or moved.
func (e *Engine) countAgain(inc *incident) {
	if !inc.counting {
		inc.counting = true
		e.step.recount = append(e.step.recount, inc)
	}
}

// flushCounts brings incidents whose alerts ended or moved up to date.
func (e *Engine) flushCounts() {
	for len(e.step.recount) > 0 {
		pending := sortIncidents(e.step.recount)
		e.step.recount = nil
		for _, inc := range pending {
			inc.counting = false
		}
		for _, inc := range pending {
			e.recount(inc)
		}
	}
}

// finish turns what the step touched into a delta, in a fixed order.
func (e *Engine) finish() *Delta {
	e.sweepNodes()
	d := &Delta{Meta: e.meta, Changes: e.step.changes, Topology: e.step.topology, Pages: e.step.pages, Imports: e.step.imports, Rejected: e.step.rejected}
	d.Alerts = e.touchedAlerts()
	for _, inc := range sortIncidents(e.step.incidents) {
		e.relink(inc)
		inc.row.Revision = e.meta.Pos
		d.Incidents = append(d.Incidents, inc.row)
	}
	for _, k := range slices.SortedFunc(maps.Keys(e.step.health), checkKey.compare) {
		h := e.health[k]
		if h == nil {
			h = &HealthState{Service: k.service, Check: k.check, Forgotten: true}
		}
		h.Revision = e.meta.Pos
		d.Health = append(d.Health, h)
	}
	for _, k := range slices.Sorted(maps.Keys(e.step.stats)) {
		st, ok := e.stats[k]
		if !ok {
			st = Stat{Key: k, At: e.meta.Now} // forgotten
		}
		d.Stats = append(d.Stats, st)
	}
	if len(e.step.maintenance) > 0 {
		d.Maintenance = sortedMaintenance(e.step.maintenance)
	}
	if len(e.step.actions) > 0 {
		d.Actions = sortedActions(e.step.actions)
	}
	if len(e.step.past) > 0 {
		d.Past = e.touchedPast()
	}
	e.reset()
	return d
}

// touchedAlerts are the rows of the alerts that the step touched, in their order. An
// instance that was forgotten and seen again in one step has one row, the later one.
func (e *Engine) touchedAlerts() []*AlertState {
	items := e.step.alerts
	if len(items) == 0 {
		return nil
	}
	slices.SortStableFunc(items, compareItems)
	rows := make([]*AlertState, 0, len(items))
	for i, it := range items {
		if i+1 < len(items) && items[i+1].id == it.id {
			continue
		}
		it.state.Revision = e.meta.Pos
		rows = append(rows, it.state)
	}
	return rows
}

// reset forgets what the step touched. The lists keep their room for the next one.
func (e *Engine) reset() {
	alerts, incidents := e.step.alerts, e.step.incidents
	clear(alerts)
	clear(incidents)
	e.step = stepState{alerts: alerts[:0], incidents: incidents[:0]}
}

// sortIncidents sorts list by number, in place.
func sortIncidents(list []*incident) []*incident {
	slices.SortFunc(list, func(a, b *incident) int { return cmp.Compare(a.row.Number, b.row.Number) })
	return list
}

func sortedIncidents(m map[string]*incident) []*incident {
	return sortIncidents(slices.Collect(maps.Values(m)))
}

// touch notes that it's row is the step's own to change.
func (e *Engine) touch(it *item) {
	it.touched = e.meta.Pos
	e.step.alerts = append(e.step.alerts, it)
}

// editAlert returns it's row for changing.
func (e *Engine) editAlert(it *item) *AlertState {
	if it.touched != e.meta.Pos {
		row := *it.state
		it.state = &row
		e.touch(it)
	}
	return it.state
}

// editIncident returns inc's row for changing. Slices in it must be replaced, never written to.
func (e *Engine) editIncident(inc *incident) *Incident {
	if inc.touched != e.meta.Pos {
		row := *inc.row
		inc.row = &row
		e.touchIncident(inc)
	}
	inc.row.UpdatedAt = e.meta.Now
	return inc.row
}

func (e *Engine) touchIncident(inc *incident) {
	inc.touched = e.meta.Pos
	e.step.incidents = append(e.step.incidents, inc)
}

func (e *Engine) editHealth(k checkKey) *HealthState {
	if !e.step.health[k] {
		row := *e.health[k]
		e.health[k] = &row
		e.touchHealth(k)
	}
	return e.health[k]
}

func (e *Engine) touchHealth(k checkKey) {
	if e.step.health == nil {
		e.step.health = map[checkKey]bool{}
	}
	e.step.health[k] = true
}

// note adds an entry to inc's timeline.
func (e *Engine) note(inc *incident, kind TimelineKind, actor, text string) {
	row := e.editIncident(inc)
	if len(row.Timeline) >= e.cfg.MaxTimeline && (kind == TimelineJoined || kind == TimelineOrigin) {
		return
	}
	entry := TimelineEntry{At: e.meta.Now, Kind: kind, Text: text, Actor: actor}
	if actor != "" {
		entry.Source = e.step.source
	}
	inc.timeline = append(inc.timeline, entry)
	row.Timeline = slices.Clip(inc.timeline) // what lies behind it is not the row's
}
