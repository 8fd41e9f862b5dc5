package correlatetest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Ledger keeps what an engine returned, the way a store does: rows replace rows of
// the same key, and nothing is ever asked of the engine. What it holds can be
// compared with what the engine believes ([Ledger.Snapshot]) and with what the
// engine promises ([Ledger.Check]).
type Ledger struct {
	Meta      correlate.Meta
	Alerts    map[correlate.AlertID]*correlate.AlertState
	Incidents map[string]*correlate.Incident
	// Pages are those of each incident, in the order of decision.
	Pages map[string][]*correlate.Page

	health   map[string]*correlate.HealthState
	changes  map[uint64]*correlate.ChangeState
	stats    map[string]correlate.Stat
	actions  map[uint64]*correlate.ActionItem
	past     map[string]*correlate.Past
	windows  map[uint64]*correlate.Maintenance
	snapshot correlate.Snapshot // Topology only
	problems []string
	fresh    []*correlate.Page // since the latest Check
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{
		Alerts: map[correlate.AlertID]*correlate.AlertState{}, Incidents: map[string]*correlate.Incident{}, Pages: map[string][]*correlate.Page{},
		health: map[string]*correlate.HealthState{}, changes: map[uint64]*correlate.ChangeState{}, stats: map[string]correlate.Stat{}, actions: map[uint64]*correlate.ActionItem{},
		past: map[string]*correlate.Past{}, windows: map[uint64]*correlate.Maintenance{},
	}
}

// Apply takes over what one step changed.
func (l *Ledger) Apply(d *correlate.Delta) {
	l.Meta = d.Meta
	for _, a := range d.Alerts {
		if a.Revision != d.Meta.Pos {
			l.problem("alert %s has revision %d in the delta of %d", a.ID(), a.Revision, d.Meta.Pos)
		}
		l.Alerts[a.ID()] = a
	}
	for _, i := range d.Incidents {
		if i.Revision != d.Meta.Pos {
			l.problem("%s has revision %d in the delta of %d", i.ID, i.Revision, d.Meta.Pos)
		}
		if old := l.Incidents[i.ID]; old != nil && old.Archived && !i.Archived {
			l.problem("%s was archived and is back", i.ID)
		}
		l.Incidents[i.ID] = i
	}
	for _, h := range d.Health {
		if key := h.Service.String() + "\x00" + h.Check; h.Forgotten {
			delete(l.health, key)
		} else {
			l.health[key] = h
		}
	}
	for _, c := range d.Changes {
		l.changes[c.Pos] = c
	}
	for _, a := range d.Actions {
		if a.Revision != d.Meta.Pos {
			l.problem("%s has revision %d in the delta of %d", a.ID, a.Revision, d.Meta.Pos)
		}
		l.actions[a.Number] = a
	}
	for _, w := range d.Maintenance {
		if w.Revision != d.Meta.Pos {
			l.problem("%s has revision %d in the delta of %d", w.ID, w.Revision, d.Meta.Pos)
		}
		l.windows[w.Number] = w
	}
	for _, p := range d.Past {
		if p.Forgotten {
			delete(l.past, p.Incident)
		} else {
			l.past[p.Incident] = p
		}
	}
	for _, s := range d.Stats {
		if s.Count == 0 {
			delete(l.stats, s.Key)
		} else {
			l.stats[s.Key] = s
		}
	}
	if d.Topology != nil {
		l.snapshot.Topology = d.Topology
	}
	for _, p := range d.Pages {
		l.addPage(p)
	}
}

func (l *Ledger) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// addPage insists on numbers without gaps, on the order open, update or ring …, resolve, and
// on a number of its own for each ring.
func (l *Ledger) addPage(p *correlate.Page) {
	id := p.Incident.ID
	before := l.Pages[id]
	if p.Seq != uint64(len(before))+1 {
		l.problem("%s: page %d follows page %d", id, p.Seq, len(before))
	}
	open := l.Open(id)
	if p.Kind != correlate.PageOpen && !p.Kind.Aside() && !open {
		l.problem("%s: page %d (%s) although none is open", id, p.Seq, p.Kind)
	}
	if p.Kind == correlate.PageOpen && open {
		l.problem("%s: page %d opens what is open", id, p.Seq)
	}
	if rings := p.Incident.Paging.Rings; p.Kind.Rings() && p.Ring != rings || !p.Kind.Rings() && p.Ring != 0 {
		l.problem("%s: page %d (%s) is ring %d of %d", id, p.Seq, p.Kind, p.Ring, rings)
	}
	for _, earlier := range before {
		if p.Ring > 0 && earlier.Ring == p.Ring {
			l.problem("%s: pages %d and %d are both ring %d", id, earlier.Seq, p.Seq, p.Ring)
		}
	}
	l.Pages[id] = append(before, p)
	l.fresh = append(l.fresh, p)
}

// Open reports whether on-call holds a page of the incident that was not resolved.
func (l *Ledger) Open(id string) bool {
	for _, p := range slices.Backward(l.Pages[id]) {
		if !p.Kind.Aside() {
			return p.Kind != correlate.PageResolve
		}
	}
	return false
}

// Count is how many pages of a kind there were, over all incidents.
func (l *Ledger) Count(kind correlate.PageKind) int {
	n := 0
	for _, pages := range l.Pages {
		for _, p := range pages {
			if p.Kind == kind {
				n++
			}
		}
	}
	return n
}

// Numbered lists the incidents by number.
func (l *Ledger) Numbered() []*correlate.Incident {
	return slices.SortedFunc(maps.Values(l.Incidents), func(a, b *correlate.Incident) int { return int(a.Number) - int(b.Number) })
}

// Members lists an incident's alerts, archived ones included, by start.
func (l *Ledger) Members(id string) []*correlate.AlertState {
	return slices.DeleteFunc(l.sortedAlerts(), func(a *correlate.AlertState) bool { return a.Incident != id })
}

func (l *Ledger) sortedAlerts() []*correlate.AlertState {
	return slices.SortedFunc(maps.Values(l.Alerts), func(a, b *correlate.AlertState) int {
		if c := a.StartsAt.Compare(b.StartsAt); c != 0 {
			return c
		}
		return compareText(a.Fingerprint, b.Fingerprint)
	})
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Snapshot is what a store would restore from: the union of all rows that are not
// archived, in the order of [correlate.Engine.Snapshot].
func (l *Ledger) Snapshot() *correlate.Snapshot {
	s := &correlate.Snapshot{Meta: l.Meta, Topology: l.snapshot.Topology}
	if s.Topology == nil {
		s.Topology = emptySpec()
	}
	for _, a := range l.sortedAlerts() {
		if !a.Archived {
			s.Alerts = append(s.Alerts, a)
		}
	}
	for _, i := range l.Numbered() {
		if !i.Archived || i.Kept {
			s.Incidents = append(s.Incidents, i)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(l.health)) {
		s.Health = append(s.Health, l.health[k])
	}
	for _, p := range slices.Sorted(maps.Keys(l.changes)) {
		if c := l.changes[p]; !c.Archived {
			s.Changes = append(s.Changes, c)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(l.actions)) {
		if a := l.actions[n]; !a.Archived {
			s.Actions = append(s.Actions, a)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(l.windows)) {
		if w := l.windows[n]; !w.Archived {
			s.Maintenance = append(s.Maintenance, w)
		}
	}
	s.Past = slices.SortedFunc(maps.Values(l.past), func(a, b *correlate.Past) int { return cmp.Compare(a.Number, b.Number) })
	for _, k := range slices.Sorted(maps.Keys(l.stats)) {
		s.Stats = append(s.Stats, l.stats[k])
	}
	return s
}

// maxSettle is the longest that an alert may wait for its companions, whatever the storm.
const maxSettle = 5 * time.Second

// Check lists what the rows hold against the engine's promises, between two
// steps. next is [correlate.Engine.NextDeadline]. Empty: nothing.
func (l *Ledger) Check(cfg correlate.Config, next time.Time, due bool) []string {
	out := l.problems
	l.problems = nil
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if due && !next.After(l.Meta.Now) {
		add("at %s a deadline of %s is still to be met", stamp(l.Meta.Now), stamp(next))
	}
	l.checkPages(cfg, add)
	counts := map[string]*count{}
	bonds := map[uint64]string{}
	for _, a := range l.sortedAlerts() {
		if a.Archived {
			continue
		}
		if a.Incident != "" {
			c := counts[a.Incident]
			if c == nil {
				c = &count{}
				counts[a.Incident] = c
			}
			c.add(a)
		}
		if where, known := bonds[a.Bond]; a.Bond != 0 && known && where != a.Incident {
			add("alerts that were bound together are in %s and in %s", where, a.Incident)
		}
		bonds[a.Bond] = a.Incident
		l.checkAlert(&cfg, a, add)
	}
	for _, i := range l.Numbered() {
		if !i.Archived {
			l.checkIncident(i, counts[i.ID], add)
			l.checkCorrections(i, add)
		}
		if i.State != correlate.IncidentOpen && l.Open(i.ID) {
			add("%s is %s and on-call was never told", i.ID, i.State)
		}
	}
	return out
}

// count is an incident's alerts, counted again.
type count struct{ alerts, firing int }

func (c *count) add(a *correlate.AlertState) {
	c.alerts++
	if a.Active() {
		c.firing++
	}
}

// checkAlert: an alert that is evidence is in one incident that holds it, or says
// in words why it is in none, and none waits longer than promised.
func (l *Ledger) checkAlert(cfg *correlate.Config, a *correlate.AlertState, add func(string, ...any)) {
	name := fmt.Sprintf("alert %s on %s", a.Labels["alertname"], a.Service)
	if a.Fate.Text == "" {
		add("%s has no fate", name)
	}
	if a.Incident == "" {
		switch a.Fate.Kind {
		case correlate.FatePending:
			if l.Meta.SettleAt.IsZero() {
				add("%s waits and nothing is due", name)
			}
		case correlate.FateChronic, correlate.FateBelowSeverity:
			if !a.Active() && l.Meta.Now.Sub(a.LastSeen) > remembered(cfg) {
				add("%s ended in no incident and is remembered forever", name)
			}
		case correlate.FateHeld, correlate.FatePaged, correlate.FateFlapping, correlate.FateNotPaged, correlate.FateMuted:
			add("%s is in no incident but %s: %s", name, a.Fate.Kind, a.Fate.Text)
		}
	} else if i := l.Incidents[a.Incident]; i == nil || i.Archived || i.State == correlate.IncidentMerged {
		add("%s is in %s, which holds nothing", name, a.Incident)
	} else if a.Fate.Kind == correlate.FatePending && i.State == correlate.IncidentOpen && !i.Unsettled {
		add("%s is in %s and still waits for a judgement", name, a.Incident)
	}
	waited := l.Meta.Now.Sub(a.FirstSeen)
	settle := max(maxSettle, cfg.Settle)
	if a.Fate.Kind == correlate.FatePending && waited > settle {
		add("%s waits for its companions for %s", name, waited)
	}
	hold := cfg.Hold
	if hold == 0 {
		hold = 30 * time.Second
	}
	if i := l.Incidents[a.Incident]; a.Fate.Kind == correlate.FateHeld && worthy(cfg, a) && i != nil && i.Paging.Opens == 0 && i.Paging.Hold.Kind <= correlate.HoldCompanions && waited > hold+settle {
		add("%s is held for a page for %s", name, waited)
	}
}

// remembered is how long an alert that was in no incident is kept after its end.
func remembered(cfg *correlate.Config) time.Duration {
	if cfg.ReopenWithin > 0 {
		return cfg.ReopenWithin
	}
	return 30 * time.Minute
}

// worthy reports whether the alert alone must reach on-call. One that fires again
// in an incident that on-call saw end need not.
func worthy(cfg *correlate.Config, a *correlate.AlertState) bool {
	may := a.Severity >= correlate.SeverityWarning
	if cfg.PageSeverities != nil {
		may = slices.Contains(cfg.PageSeverities, a.Severity)
	}
	return a.Active() && a.Muted == "" && a.Maintenance == "" && may && (a.Class != correlate.ClassChore || a.Severity > correlate.SeverityWarning)
}

// checkCorrections: what operators said is in force, and both sides of a division know of it.
func (l *Ledger) checkCorrections(i *correlate.Incident, add func(string, ...any)) {
	for _, p := range i.Apart {
		other := l.Incidents[p.Incident]
		if other == i {
			add("%s is kept apart from itself", i.ID)
		}
		if !other.Archived && !slices.ContainsFunc(other.Apart, func(q correlate.Parting) bool { return q.Incident == i.ID }) {
			add("%s is kept apart from %s, which does not know", i.ID, p.Incident)
		}
	}
	if said := i.SetOrigin; said != nil && i.State == correlate.IncidentOpen && (len(i.Origins) == 0 || i.Origins[0].Probability != 1) {
		add("the origin of %s was set to %s and is %v", i.ID, said.Service, i.Origins)
	}
}

func (l *Ledger) checkIncident(i *correlate.Incident, c *count, add func(string, ...any)) {
	if c == nil {
		c = &count{}
	}
	if i.State != correlate.IncidentOpen {
		return
	}
	if c.alerts == 0 {
		add("%s is open and empty", i.ID)
	}
	if i.Alerts != c.alerts || i.Firing != c.firing {
		add("%s counts %d alerts and %d firing; it holds %d and %d", i.ID, i.Alerts, i.Firing, c.alerts, c.firing)
	}
	if (i.Firing == 0) != !i.QuietSince.IsZero() {
		add("%s: %d firing, quiet since %s", i.ID, i.Firing, i.QuietSince)
	}
	if i.Unsettled {
		if l.Meta.SettleAt.IsZero() {
			add("%s is unsettled and nothing is due", i.ID)
		}
		return
	}
	alerts, firing := 0, 0
	for _, s := range i.Services {
		alerts, firing = alerts+s.Alerts, firing+s.Firing
	}
	if alerts != c.alerts || firing != c.firing {
		add("the services of %s count %d alerts and %d firing; it holds %d and %d", i.ID, alerts, firing, c.alerts, c.firing)
	}
	sum, last := i.Unknown, 1.0
	for _, o := range i.Origins {
		if o.Probability > last+1e-9 || o.Probability < 0 || math.IsNaN(o.Probability) {
			add("%s: origins are not ranked: %v after %v", i.ID, o.Probability, last)
		}
		sum, last = sum+o.Probability, o.Probability
	}
	if sum > 1+1e-9 || i.Unknown < 0 {
		add("%s: probabilities sum to %v", i.ID, sum)
	}
	if int(i.Paging.Seq) != len(l.Pages[i.ID]) {
		add("%s counts %d pages; there were %d", i.ID, i.Paging.Seq, len(l.Pages[i.ID]))
	}
	if h := i.Paging.Hold; h.Kind > correlate.HoldCompanions && h.Until.Before(l.Meta.Now) {
		add("%s is held until %s (%s), which has passed", i.ID, stamp(h.Until), h.Text)
	}
	if !i.Paging.UpdateDueAt.IsZero() && !l.Open(i.ID) {
		add("%s has an update due and on-call holds no page", i.ID)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }
