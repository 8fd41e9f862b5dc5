package correlate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

func (e *Engine) applyAlerts(b *AlertBatch) {
	for i := range b.Alerts {
		a := &b.Alerts[i]
		switch known := e.items[a.ID()]; {
		case known != nil:
			e.again(known, a, b)
		case a.Status == Firing && e.continues(a, b):
		case a.Status == Resolved && e.resolvesOther(a):
		default:
			e.first(a, b)
		}
	}
	if b.Truncated > 0 {
		e.countTruncated(b)
	}
}

// continues folds a firing alert into the live instance of its label set. A label
// set fires once at a time. Prometheus's API merges overlapping alerts and keeps the
// earliest start, as Alertmanager does, and so do alerts that name an end to come,
// which is how senders of events say "for a while"; a webhook that names a later start
// tells that the instance before it ended unnoticed.
func (e *Engine) continues(a *Alert, b *AlertBatch) bool {
	last := e.latest[a.Fingerprint]
	if last == nil || !last.state.Active() || !last.state.StartsAt.Before(a.StartsAt) {
		return false
	}
	same := a.StartsAt.Truncate(time.Millisecond).Equal(last.state.StartsAt) // as an Alertmanager's API has it
	if same || b.Source == SourcePrometheus || !a.EndsAt.IsZero() {
		e.again(last, a, b)
		return true
	}
	e.end(last, minTime(a.StartsAt, e.meta.Now))
	return false
}

// resolvesOther ends the live instance of the label set when a resolve names a
// start that we never saw: senders that lost their state do so. A resolve is never dropped.
func (e *Engine) resolvesOther(a *Alert) bool {
	last := e.latest[a.Fingerprint]
	if last == nil || !last.state.Active() || a.StartsAt.Before(last.state.StartsAt) {
		return false
	}
	e.end(last, e.endOf(a))
	return true
}

// again applies news of a known instance. Old news changes nothing.
func (e *Engine) again(it *item, a *Alert, b *AlertBatch) {
	row := it.state
	switch {
	case a.Status == Resolved:
		if row.Active() {
			e.end(it, e.endOf(a))
			if b.Source == SourceReconciliation {
				e.noteOn(it, "ended: "+senderName(b)+" no longer has it")
			}
		}
		return
	case !row.Active() && (it.inc == nil || it.inc.row.State != IncidentOpen || !e.meta.Now.After(row.EndedAt)):
		return // late duplicate of something that is over
	case !row.Active():
		e.revive(it)
	}
	row = e.editAlert(it)
	row.LastSeen, row.EndsAt, row.SenderURL = e.meta.Now, a.EndsAt, b.ExternalURL
	if len(a.Annotations) > 0 {
		row.Annotations = a.Annotations
	}
	if b.knowsMutes() {
		e.mute(it, a.Muted)
	}
	e.scheduleExpiry(it)
}

// mute notes why its Alertmanager tells nobody of an alert, or, without a reason, that it does again.
func (e *Engine) mute(it *item, reason string) {
	was := it.state.Muted
	if was == reason {
		return
	}
	e.editAlert(it).Muted = reason
	switch {
	case it.inc == nil:
		return
	case was == "":
		e.noteOn(it, "muted: "+reason)
	case reason == "":
		e.noteOn(it, "no longer muted")
	}
	e.countAgain(it.inc)
}

// noteOn tells in the timeline of its incident what became of an alert.
func (e *Engine) noteOn(it *item, text string) {
	if it.inc != nil {
		e.note(it.inc, TimelineJoined, "", it.state.Labels["alertname"]+" on "+it.state.Service.String()+" "+text)
	}
}

// senderName names the sender of b in sentences.
func senderName(b *AlertBatch) string {
	if b.ExternalURL == "" {
		return "its Alertmanager"
	}
	return b.ExternalURL
}

// revive: the same instance fires again after a resolve, as when its sender had
// lost sight of it for a while.
func (e *Engine) revive(it *item) {
	row := e.editAlert(it)
	row.Status, row.EndedAt, row.Maintenance = Firing, time.Time{}, e.maintainedText(it)
	e.countAgain(it.inc)
}

// first records an instance that was never seen before. One that arrives already
// resolved is evidence all the same.
func (e *Engine) first(a *Alert, b *AlertBatch) {
	r := e.cfg.Resolver.Resolve(e.graph, a.Labels)
	row := &AlertState{
		Alert: *a, Sender: b.Source, SenderURL: b.ExternalURL, Service: r.Service, Caller: r.Source, Mapped: r.Mapped, MappedBy: r.How,
		Class: e.classOf(a), Severity: ParseSeverity(a.Labels["severity"]),
		FirstSeen: e.meta.Now, LastSeen: e.meta.Now,
	}
	if r.Edge {
		row.Class = edgeClass(row.Class)
	} else {
		row.Caller = topology.Ref{}
	}
	if a.Status == Resolved {
		row.EndedAt = e.endOf(a)
	}
	it := e.newItem(row)
	e.touch(it)
	e.place(it)
	row.Maintenance = e.maintainedText(it)
	if row.Mapped {
		e.countAlert(row.Service)
	}
	e.admit(it)
	e.scheduleExpiry(it)
}

// edgeClass: an alert with two ends is about the calls between them, whatever else its name says.
func edgeClass(c Class) Class {
	switch c {
	case ClassError, ClassOther, ClassCrash, ClassDown, ClassUnready:
		return ClassEdge
	}
	return c
}

// admit decides whether the alert is evidence, and asks for a settling if it is.
func (e *Engine) admit(it *item) {
	row := it.state
	switch {
	case row.Severity == SeverityNone:
		e.setFate(it, FateBelowSeverity, "severity none: says nothing about a failure")
	case it.chronic(&e.cfg):
		e.setFate(it, FateChronic, fmt.Sprintf("had been firing for %s when it was first seen: listed, no evidence of something new",
			roughly(row.FirstSeen.Sub(row.StartsAt))))
	default:
		if e.counts(it) {
			e.live[it.node]++
		}
		e.setFate(it, FatePending, "waits for its companions")
		e.reopenFor(it)
		e.rejoin(it)
		if it.inc == nil {
			e.pending = append(e.pending, it)
		}
		e.askSettle()
	}
}

// endOf is when a resolved alert ended, never in the future.
func (e *Engine) endOf(a *Alert) time.Time {
	if a.EndsAt.IsZero() || a.EndsAt.After(e.meta.Now) {
		return e.meta.Now
	}
	return a.EndsAt
}

func (e *Engine) end(it *item, at time.Time) {
	row := e.editAlert(it)
	if at.Before(row.StartsAt) {
		at = row.StartsAt
	}
	row.Status, row.EndedAt, row.EndsAt = Resolved, at, at
	row.LastSeen = e.meta.Now
	if it.inc != nil {
		e.countAgain(it.inc)
		return
	}
	e.scheduleExpiry(it)
}

// forget drops an alert from the live state; its row stays as history.
func (e *Engine) forget(it *item) {
	if it.state.Fate.Kind == FateChronic {
		e.observeNoise(it.state.Labels["alertname"], 1)
	}
	row := e.editAlert(it)
	row.Archived = true
	e.unlink(it)
}

// expire ends a firing alert that nobody confirmed, and forgets one that ended outside any incident.
func (e *Engine) expire(it *item) {
	if !it.state.Active() {
		e.forget(it)
		return
	}
	text := "ended: its sender has not confirmed it"
	if it.state.EndsAt.IsZero() {
		text = fmt.Sprintf("ended: no news of it for %s", roughly(e.cfg.StaleAfter))
	}
	e.end(it, e.expiryOf(it))
	e.noteOn(it, text)
}

// countTruncated keeps how many alerts the sender left out of the notification, on
// the first alert that it did send: they are of the same group, so most likely of the same incident.
func (e *Engine) countTruncated(b *AlertBatch) {
	for i := range b.Alerts {
		it := e.items[b.Alerts[i].ID()]
		if it == nil || !e.evidence(it) {
			continue
		}
		if b.Truncated > it.state.Truncated {
			e.editAlert(it).Truncated = b.Truncated
			if it.inc != nil {
				e.countAgain(it.inc)
			}
		}
		return
	}
}

func (e *Engine) setFate(it *item, kind FateKind, text string) {
	if it.state.Fate.Kind == kind && it.state.Fate.Text == text {
		return
	}
	e.editAlert(it).Fate = Fate{Kind: kind, Text: text, At: e.meta.Now}
}

// askSettle makes sure that a settling comes. The more alerts are live, the more
// of them one settling may take together: a storm is judged in strides.
func (e *Engine) askSettle() {
	if !e.meta.SettleAt.IsZero() {
		return
	}
	stride := 1 + len(e.items)/100
	wait := min(time.Duration(stride)*e.cfg.Settle, max(maxSettle, e.cfg.Settle))
	e.meta.SettleAt = e.meta.Now.Add(wait)
}

// maxSettle bounds the stride.
const maxSettle = 5 * time.Second

func (e *Engine) applyChange(c *Change) {
	row := &ChangeState{Change: *c, Pos: e.meta.Pos}
	if row.At.IsZero() {
		row.At = e.meta.Now
	}
	e.forgetOldChanges()
	e.changes = append(e.changes, row)
	e.step.changes = append(e.step.changes, row)
	n := e.nodes.id(c.Service)
	e.changesOf[n] = append(e.changesOf[n], row)
	e.unsettleAround(n)
}

// changesKept is how long a change event stays at hand as possible evidence.
const changesKept = 3 * 24 * time.Hour

// maxChanges bounds the change events at hand; the oldest go first.
const maxChanges = 10_000

func (e *Engine) forgetOldChanges() {
	cut := 0
	for cut < len(e.changes) && (e.meta.Now.Sub(e.changes[cut].At) > changesKept || len(e.changes)-cut >= maxChanges) {
		old := *e.changes[cut]
		old.Archived = true
		e.step.changes = append(e.step.changes, &old)
		n := e.nodes.id(old.Service)
		e.changesOf[n] = slices.DeleteFunc(e.changesOf[n], func(c *ChangeState) bool { return c.Pos == old.Pos })
		cut++
	}
	e.changes = slices.Clone(e.changes[cut:])
}

// unsettleAround asks for a new judgement of the open incidents that node n could explain.
func (e *Engine) unsettleAround(n nodeID) {
	near := e.newNodeSet()
	defer e.giveBack(near)
	near.add(n)
	for _, inc := range e.incidentsNear(near) {
		if inc.open() && !inc.row.Unsettled && e.explainsAny(near, inc) {
			e.unsettle(inc)
			e.askSettle()
		}
	}
}

// explainsAny: a node of near could explain an alert of inc.
func (e *Engine) explainsAny(near *nodeSet, inc *incident) bool {
	for at := range inc.sites {
		for _, c := range e.explainersAt(at) {
			if slices.ContainsFunc(c, func(r reach) bool { return near.has[r.node] }) {
				return true
			}
		}
	}
	return false
}

func (e *Engine) applyTopology(r *TopologyReport) string {
	spec := r.Spec
	if e.spec != nil && spec.Version == e.spec.Version && topology.SameGraph(&spec, e.spec) {
		e.spec, e.step.topology = &spec, &spec // who saw what when is kept, and judges nothing
		return ""
	}
	graph, _, err := topology.Build(spec)
	if err != nil {
		return fmt.Sprintf("topology version %q of %s: %v", spec.Version, r.Source, err)
	}
	e.adopt(&spec, graph)
	e.step.topology = &spec
	for _, it := range slices.SortedFunc(maps.Values(e.items), compareItems) {
		e.resolveAgain(it)
	}
	e.reindex()
	for _, inc := range sortedIncidents(e.incidents) {
		if inc.open() {
			e.unsettle(inc)
			e.askSettle()
		}
	}
	if len(e.windows) > 0 {
		e.applyMaintenance()
	}
	return ""
}

// resolveAgain finds the service of a live alert on the new graph. Health alerts name theirs outright.
func (e *Engine) resolveAgain(it *item) {
	if it.state.Sender == healthSender {
		return
	}
	r := e.cfg.Resolver.Resolve(e.graph, it.state.Labels)
	if r.Service == it.state.Service && r.Mapped == it.state.Mapped {
		return
	}
	row := e.editAlert(it)
	row.Service, row.Mapped, row.MappedBy = r.Service, r.Mapped, r.How
	if row.Caller = r.Source; !r.Edge {
		row.Caller = topology.Ref{}
	}
}

func (e *Engine) applyCommand(c *Command) string {
	if c.Kind == CommandResetLearned {
		return e.resetLearned(c.Learned)
	}
	e.step.source = c.Source
	defer func() { e.step.source = "" }()
	switch c.Kind {
	case CommandAddMaintenance:
		return e.addMaintenance(c)
	case CommandEndMaintenance:
		return e.endMaintenance(c)
	case CommandAddActionItem:
		return e.addActionItem(c)
	case CommandEditActionItem:
		return e.editActionItem(c)
	}
	return e.applyToIncident(c)
}

func (e *Engine) applyToIncident(c *Command) string {
	inc := e.incidents[c.Incident]
	if inc == nil {
		inc = e.records[c.Incident]
	}
	carryOut := carriers[c.Kind]
	switch {
	case inc == nil:
		return fmt.Sprintf("no incident %q is open or recently ended", c.Incident)
	case carryOut == nil:
		return fmt.Sprintf("unknown command %s", c.Kind)
	case c.IfRevision != 0 && c.IfRevision != inc.row.Revision:
		return fmt.Sprintf("%s has changed: it is at revision %d, no longer at %d", c.Incident, inc.row.Revision, c.IfRevision)
	case inc.row.Archived && !c.Kind.ofRecord():
		return fmt.Sprintf("%s ended more than %s ago: its record can be edited, no longer its alerts", c.Incident, roughly(e.cfg.ReopenWithin))
	}
	refusal := carryOut(e, inc, c)
	if refusal == "" {
		e.judgePaging(inc) // what people do ends reminders, is progress, and may be worth an edit
	}
	if inc.row.State == IncidentResolved {
		e.remember(inc) // what was said of it after its end
	}
	return refusal
}

// carriers carry out the commands about an incident. Each says why it did not; empty: it did.
var carriers = map[CommandKind]func(*Engine, *incident, *Command) string{
	CommandAcknowledge: (*Engine).acknowledge,
	CommandResolve:     (*Engine).resolveCommand,
	CommandAddNote:     (*Engine).addNote,
	CommandSetOrigin:   (*Engine).setOrigin,
	CommandMerge:       (*Engine).mergeCommand,
	CommandSplit:       (*Engine).splitCommand,
	CommandDetach:      (*Engine).detachCommand,
	CommandSetSeverity: (*Engine).setSev,
	CommandSetStatus:   (*Engine).setStatus,
	CommandAssign:      (*Engine).assign,
	CommandAddUpdate:   (*Engine).addUpdate,
	CommandLink:        (*Engine).link,
}

func (e *Engine) acknowledge(inc *incident, c *Command) string {
	if !inc.open() {
		return fmt.Sprintf("%s is already resolved", c.Incident)
	}
	row := e.editIncident(inc)
	row.Ack = &Acknowledgement{At: e.meta.Now, By: actorOr(c.Actor), Note: c.Text}
	e.note(inc, TimelineAcked, c.Actor, withText("acknowledged", c.Text))
	return ""
}

func actorOr(actor string) string {
	if actor == "" {
		return "somebody"
	}
	return actor
}

func withText(verb, text string) string {
	if text == "" {
		return verb
	}
	return verb + ": " + text
}
