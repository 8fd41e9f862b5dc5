package correlate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// This file mutes pages during maintenance: windows that people declare, and recurring ones
// of the configuration. They mute alerts, never incidents: what fires in a window is in an
// incident like anything else, and pages when the window ends and it still fires.

// Maintenance is a window that somebody declared. An alert is in it when all matchers fit
// and, where services are named, it is about one of them.
type Maintenance struct {
	ID     string // MW-<number>
	Number uint64 // in the order of declaration
	// Matchers are of the alert's labels, as [ParseMatcher] reads them.
	Matchers []string
	Services []topology.Ref
	// Dependents: all that depends on the services, directly or not, is in it too.
	Dependents bool
	// From and Until bound it: Until is no longer in it.
	From, Until time.Time
	Reason      string
	CreatedAt   time.Time
	CreatedBy   string
	// EndedAt is when somebody ended it before its time, and EndedBy who; zero: nobody did.
	EndedAt time.Time
	EndedBy string
	// CreatedRevision is the stream position that brought it.
	CreatedRevision uint64
	Archived        bool // it is over, and the row is history
	Revision        uint64
}

// MaintenanceEdit is a new window, or the ID of one to end.
type MaintenanceEdit struct {
	ID         string
	Matchers   []string
	Services   []topology.Ref
	Dependents bool
	// From is when it begins; zero: at once.
	From, Until time.Time
}

// RecurringMaintenance is a window of the configuration, during a time interval of the [Calendar].
type RecurringMaintenance struct {
	Name       string
	Interval   string
	Matchers   []Matcher
	Services   []topology.Ref
	Dependents bool
	Reason     string
}

const (
	// maxMaintenance bounds the windows that are not over.
	maxMaintenance = 1000
	// longestMaintenance is the longest window: beyond it the alert should be silenced, or its rule changed.
	longestMaintenance = 30 * 24 * time.Hour
	// maxDependents bounds the services that depend on those of one window.
	maxDependents = 10_000
)

func maintenanceID(number uint64) string { return fmt.Sprintf("MW-%d", number) }

// MaintenanceNumber is the number of the window that has id; false when none can have it.
func MaintenanceNumber(id string) (uint64, bool) { return numberIn("MW-", id) }

// activeWindow is a window in which the engine's time lies.
type activeWindow struct {
	matchers   []Matcher
	services   []topology.Ref
	dependents bool
	until      time.Time
	text       string
	nodes      map[nodeID]bool // of services; nil until asked for
}

func (e *Engine) addMaintenance(c *Command) string {
	w := &c.Window
	from := w.From
	if from.IsZero() {
		from = e.meta.Now
	}
	switch {
	case len(w.Matchers)+len(w.Services) == 0:
		return "name services or matchers: a window over everything would mute every page"
	case strings.TrimSpace(c.Text) == "":
		return "say why"
	case !w.Until.After(from) || !w.Until.After(e.meta.Now):
		return fmt.Sprintf("it must end after it begins, and after now (%s)", e.meta.Now.UTC().Format(time.RFC3339))
	case w.Until.Sub(from) > longestMaintenance:
		return fmt.Sprintf("it may last %s at most", roughly(longestMaintenance))
	case len(e.maintenance) >= maxMaintenance:
		return fmt.Sprintf("there are %d windows already", maxMaintenance)
	}
	row := &Maintenance{From: from, Until: w.Until, Dependents: w.Dependents, Reason: c.Text, CreatedAt: e.meta.Now, CreatedBy: actorOr(c.Actor), CreatedRevision: e.meta.Pos}
	for _, text := range w.Matchers {
		m, err := ParseMatcher(text)
		if err != nil {
			return err.Error()
		}
		row.Matchers = append(row.Matchers, m.String())
	}
	for _, named := range w.Services {
		n, ok := e.graph.Lookup(named)
		if !ok {
			return fmt.Sprintf("the graph has no service %q; where several share a name, write namespace/name", named)
		}
		row.Services = append(row.Services, e.graph.Ref(n))
	}
	e.meta.LastMaintenance++
	row.Number = e.meta.LastMaintenance
	row.ID = maintenanceID(row.Number)
	e.putMaintenance(row)
	e.applyMaintenance()
	return ""
}

func (e *Engine) endMaintenance(c *Command) string {
	known := e.maintenance[c.Window.ID]
	switch {
	case known == nil:
		return fmt.Sprintf("no maintenance window %q is under way or to come", c.Window.ID)
	case c.IfRevision != 0 && c.IfRevision != known.Revision:
		return fmt.Sprintf("%s has changed: it is at revision %d, no longer at %d", known.ID, known.Revision, c.IfRevision)
	}
	row := *known
	row.EndedAt, row.EndedBy = e.meta.Now, actorOr(c.Actor)
	e.putMaintenance(&row)
	e.applyMaintenance()
	return ""
}

func (e *Engine) putMaintenance(row *Maintenance) {
	row.Revision = e.meta.Pos
	e.maintenance[row.ID] = row
	if e.step.maintenance == nil {
		e.step.maintenance = map[string]*Maintenance{}
	}
	e.step.maintenance[row.ID] = row
}

func sortedMaintenance(m map[string]*Maintenance) []*Maintenance {
	return slices.SortedFunc(maps.Values(m), func(a, b *Maintenance) int { return cmp.Compare(a.Number, b.Number) })
}

// applyMaintenance brings alerts in line with the windows, at the boundary of one or after a change.
func (e *Engine) applyMaintenance() {
	for _, w := range sortedMaintenance(e.maintenance) {
		if !w.EndedAt.IsZero() || !w.Until.After(e.meta.Now) {
			row := *w
			row.Archived = true
			e.putMaintenance(&row)
			delete(e.maintenance, row.ID)
		}
	}
	e.planMaintenance()
	changed := map[*incident]*muting{}
	for _, it := range slices.SortedFunc(maps.Values(e.items), compareItems) {
		was, now := it.state.Maintenance, e.maintainedText(it)
		if !it.state.Active() || was == now {
			continue
		}
		e.editAlert(it).Maintenance = now
		if it.inc == nil {
			continue
		}
		if changed[it.inc] == nil {
			changed[it.inc] = &muting{}
		}
		changed[it.inc].count(was, now)
		e.countAgain(it.inc)
	}
	for _, inc := range sortIncidents(slices.Collect(maps.Keys(changed))) {
		for _, text := range changed[inc].texts() {
			e.note(inc, TimelineJoined, "", text)
		}
	}
}

// muting counts the alerts of an incident that came into windows, and that left them.
type muting struct {
	in, out           int
	inWords, outWords string
}

func (m *muting) count(was, now string) {
	if now != "" {
		m.in, m.inWords = m.in+1, now
	} else {
		m.out, m.outWords = m.out+1, was
	}
}

func (m *muting) texts() []string {
	var out []string
	if m.in > 0 {
		out = append(out, fmt.Sprintf("%s muted: %s", plural(m.in, "alert"), m.inWords))
	}
	if m.out > 0 {
		out = append(out, fmt.Sprintf("%s no longer muted, and firing: %s is over", plural(m.out, "alert"), m.outWords))
	}
	return out
}

// planMaintenance finds the windows that are under way, and when that changes.
func (e *Engine) planMaintenance() {
	e.windows, e.windowsUntil = nil, time.Time{}
	boundary := func(at time.Time) {
		if at.After(e.meta.Now) && (e.windowsUntil.IsZero() || at.Before(e.windowsUntil)) {
			e.windowsUntil = at
		}
	}
	for _, w := range sortedMaintenance(e.maintenance) {
		boundary(w.From)
		boundary(w.Until)
		if w.From.After(e.meta.Now) {
			continue
		}
		active := activeWindow{services: w.Services, dependents: w.Dependents, until: w.Until, text: windowText(w.ID, w.Until, w.Reason, w.CreatedBy)}
		for _, text := range w.Matchers {
			if m, err := ParseMatcher(text); err == nil { // it was read when the window was declared
				active.matchers = append(active.matchers, m)
			}
		}
		e.windows = append(e.windows, active)
	}
	e.planRecurring(boundary)
	if !e.windowsUntil.IsZero() {
		e.due.push(due{at: e.windowsUntil, kind: dueMaintenance})
	}
}

func (e *Engine) planRecurring(boundary func(time.Time)) {
	if e.cfg.Calendar == nil || e.meta.Now.IsZero() {
		return
	}
	for i := range e.cfg.Policy.Maintenance {
		r := &e.cfg.Policy.Maintenance[i]
		in, change := e.cfg.Calendar.Within(r.Interval, e.meta.Now)
		boundary(change)
		if in {
			e.windows = append(e.windows, activeWindow{
				matchers: r.Matchers, services: r.Services, dependents: r.Dependents, until: change, text: windowText(r.Name, change, r.Reason, ""),
			})
		}
	}
}

func windowText(name string, until time.Time, reason, by string) string {
	text := "maintenance " + name
	if !until.IsZero() {
		text += " until " + until.UTC().Format("2 Jan 15:04 MST")
	}
	text = withText(text, reason)
	if by != "" {
		text += " (" + by + ")"
	}
	return text
}

// maintainedText says in which window the alert is; empty: in none.
func (e *Engine) maintainedText(it *item) string {
	if w := e.maintainedBy(it); w != nil {
		return w.text
	}
	return ""
}

func (e *Engine) maintainedBy(it *item) *activeWindow {
	for i := range e.windows {
		if w := &e.windows[i]; matchesAll(w.matchers, it.state.Labels) && (len(w.services) == 0 || e.nodesOf(w)[it.hit()]) {
			return w
		}
	}
	return nil
}

// nodesOf are the nodes of a window's services.
func (e *Engine) nodesOf(w *activeWindow) map[nodeID]bool {
	if w.nodes != nil {
		return w.nodes
	}
	w.nodes = map[nodeID]bool{}
	var queue []nodeID
	add := func(n nodeID) {
		if !w.nodes[n] && len(w.nodes) < maxDependents {
			w.nodes[n] = true
			queue = append(queue, n)
		}
	}
	for _, ref := range w.services {
		add(e.nodes.id(ref))
	}
	for len(queue) > 0 && w.dependents {
		n := queue[0]
		queue = queue[1:]
		for _, edge := range e.nodes.in(n) {
			add(nodeID(edge.Node))
		}
	}
	return w.nodes
}

// maintenanceHold says that a page would be due but for a window; nothing when it would not.
func (e *Engine) maintenanceHold(inc *incident) Hold {
	var hold Hold
	for _, it := range inc.sorted() {
		if it.state.Maintenance == "" || !it.state.Active() {
			continue
		}
		bare := *it.state
		bare.Maintenance = ""
		if w := e.maintainedBy(it); w != nil && e.pageable(&bare) && e.news(inc, it) && (hold.Kind == HoldNone || w.until.Before(hold.Until)) {
			hold = Hold{Kind: HoldMaintenance, Text: w.text, Until: w.until}
		}
	}
	return hold
}

// otherwiseMaintained: the row says otherwise than the windows that are under way.
func (e *Engine) otherwiseMaintained(row *AlertState) bool {
	it := e.items[row.ID()]
	return it != nil && row.Active() && row.Maintenance != e.maintainedText(it)
}
