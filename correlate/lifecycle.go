package correlate

import (
	"fmt"
	"time"
)

// recount brings inc's counters in line with its alerts, after alerts ended or moved,
// and its paging in line with both.
func (e *Engine) recount(inc *incident) {
	if !inc.open() {
		return
	}
	row := e.editIncident(inc)
	row.Alerts, row.Firing, row.Muted = len(inc.items), 0, 0
	last := row.OpenedAt
	firing := map[nodeID]int{}
	for _, it := range inc.items {
		row.Truncated = max(row.Truncated, it.state.Truncated)
		if it.state.Active() {
			row.Firing++
			firing[it.hit()]++
			if it.state.Muted != "" || it.state.Maintenance != "" {
				row.Muted++
			}
		} else if it.state.EndedAt.After(last) {
			last = it.state.EndedAt
		}
	}
	services := make([]ServiceImpact, len(row.Services))
	for i, s := range row.Services {
		s.Firing = firing[e.nodes.id(s.Service)]
		services[i] = s
	}
	row.Services = services
	row.QuietSince = time.Time{}
	if row.Firing == 0 {
		row.QuietSince = minTime(last, e.meta.Now)
	}
	e.planClose(inc)
	e.planReview(inc, firing)
	e.judgePaging(inc)
	e.scheduleIncident(inc)
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (e *Engine) closeIncident(inc *incident, why string) {
	row := e.editIncident(inc)
	row.State, row.ResolvedAt, row.Status = IncidentResolved, e.meta.Now, StatusResolved
	e.resolvePage(inc, why)
	e.publish(inc, "")
	row.Paging.endWaits()
	row.CloseAt, row.Unsettled = time.Time{}, false
	for _, it := range inc.items {
		if !it.edge() && e.evidence(it) {
			e.live[it.node]--
		}
		e.fateAtEnd(it, why)
	}
	e.remember(inc)
	e.scheduleIncident(inc)
}

// archive forgets an ended incident; its rows stay as history.
func (e *Engine) archive(inc *incident) {
	e.learnFrom(inc)
	for _, it := range inc.sorted() {
		e.forget(it)
	}
	e.editIncident(inc).Archived = true
	delete(e.incidents, inc.row.ID)
	e.evict(inc)
	e.keepRecord(inc)
}

// maxExtraNodes bounds the nodes kept for services outside the graph beyond those that live alerts need.
const maxExtraNodes = 10_000

// sweepNodes forgets nodes outside the graph that nothing refers to any more: each
// alert that names no service has one of its own.
func (e *Engine) sweepNodes() {
	if len(e.nodes.extra) > maxExtraNodes+2*len(e.items)+len(e.health) {
		e.adopt(e.spec, e.graph)
		e.reindex()
	}
}

// reopenFor brings back the incident of the instance before it, when that ended
// only recently. The alert then belongs to it without further thought.
func (e *Engine) reopenFor(it *item) {
	if it.prev == nil || it.prev.inc == nil || it.prev.inc.row.State != IncidentResolved || !it.state.Active() {
		return
	}
	inc := it.prev.inc
	ended := inc.row.ResolvedAt
	e.reopen(inc, it, StatusDetected)
	e.include(inc, it)
	e.editAlert(it).Incident = inc.row.ID
	e.note(inc, TimelineReopened, "", fmt.Sprintf("reopened: %s on %s fired again %s after it had ended",
		it.state.Labels["alertname"], e.nodes.name(it.node), roughly(e.meta.Now.Sub(ended))))
	e.countAgain(inc)
}

// reopen makes an ended incident an open one, of the status given. The alert for which it
// comes back, nil if there is none, is counted already.
func (e *Engine) reopen(inc *incident, counted *item, status Status) {
	row := e.editIncident(inc)
	row.State, row.ResolvedAt, row.QuietSince, row.ResolvedBy = IncidentOpen, time.Time{}, time.Time{}, ""
	row.Ack, row.Closed, row.Status, row.Remedy = nil, nil, status, ""
	e.remember(inc)
	e.publish(inc, "")
	e.unsettle(inc)
	for _, old := range inc.items {
		if e.counts(old) && old != counted {
			e.live[old.node]++
		}
	}
}

// roughly renders a duration for people: two units at most.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return trimZero(d.Round(time.Second).String(), "0s")
	case d < 48*time.Hour:
		return trimZero(trimZero(d.Round(time.Minute).String(), "0s"), "0m")
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func trimZero(s, unit string) string {
	if n := len(s) - len(unit); n > 0 && s[n:] == unit && (s[n-1] < '0' || s[n-1] > '9') {
		return s[:n]
	}
	return s
}
