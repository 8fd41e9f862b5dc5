package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// This file decides when an open page rings again, and who else is called. Only what is
// named here rings: how bad it is, whose it is, how much it hit, that nobody has taken it,
// and the steps of the escalation. Whoever has the incident and took it is left alone.

// call is a reason to ring.
type call struct {
	at   time.Time
	page Page
	// step is the key of the escalation's step; empty: a named change or a reminder.
	step string
	// reminder: nothing has changed.
	reminder bool
}

// tripled is by how much the services hit must have grown since the latest ring, to at least wideFrom.
const tripled = 3

// callAt is when the open page of inc rings next if nothing changes; zero: never.
func (e *Engine) callAt(inc *incident) time.Time {
	if c := e.nextCall(inc); c != nil {
		return c.at
	}
	return time.Time{}
}

// callDue rings, if there is a reason still.
func (e *Engine) callDue(inc *incident) {
	c := e.nextCall(inc)
	if c != nil && !c.at.After(e.meta.Now) {
		row := e.editIncident(inc)
		if c.reminder {
			row.Paging.Reminders++
		}
		if c.step != "" {
			row.Escalated = append(slices.Clip(row.Escalated), EscalatedStep{Step: c.step, At: e.meta.Now})
		}
		if said := e.peopleSaid(inc); said != "" {
			c.page.Reason += "; " + said // to those who have it this is the edit
		}
		e.page(inc, &c.page)
	}
	e.judgePaging(inc)
}

// nextCall is the earliest reason to ring, nil when there is none. While nothing that is
// worth a page fires, nobody is called.
func (e *Engine) nextCall(inc *incident) *call {
	if !slices.ContainsFunc(inc.items, e.worthy) {
		return nil
	}
	calls := append(e.changeCalls(inc), e.reminderCall(inc)...)
	calls = append(calls, e.escalationCalls(inc)...)
	for i := range calls {
		c := &calls[i]
		if c.at = maxTime(c.at, e.meta.Now); len(c.page.To) == 0 {
			c.at, _ = e.hours(inc.row, c.at)
		}
	}
	if len(calls) == 0 {
		return nil
	}
	slices.SortStableFunc(calls, func(a, b call) int { return a.at.Compare(b.at) })
	return &calls[0]
}

// changeCalls are the named changes since the latest ring: at once for those who do not
// have the incident, and for the others, as long as nobody has taken it, when the latest ring is old enough.
func (e *Engine) changeCalls(inc *incident) []call {
	row := inc.row
	p := &row.Paging
	var calls []call
	if why := e.worse(inc, p.RangSev, p.RangServices); why != "" && !row.Attended() {
		calls = append(calls, call{at: maxTime(p.RangAt, p.OpenedAt).Add(e.cfg.Policy.RingSpacing), page: Page{Kind: PageRing, Reason: why}})
	}
	at := maxTime(p.OpenedAt, p.UpdatedAt).Add(updateEvery)
	why := e.ownerMoved(row)
	if why == "" {
		why = e.worse(inc, p.NamedSev, len(row.Services))
	}
	if !p.RouteOpensAt.IsZero() {
		calls = append(calls, call{at: p.RouteOpensAt, page: Page{Kind: PageRing, Newcomers: true, Reason: "a route is open again that was " + p.RouteMuted}})
	}
	if why != "" {
		calls = append(calls, call{at: maxTime(at, p.RangAt.Add(updateEvery)), page: Page{Kind: PageRing, Reason: why, Newcomers: true}})
	}
	return calls
}

// worse says how the incident is worse than it was at a ring that named sev and services; empty when it is not.
func (e *Engine) worse(inc *incident, sev Sev, services int) string {
	row := inc.row
	var why string
	switch n := len(row.Services); {
	case sev != SevUnset && row.Sev < sev:
		why = fmt.Sprintf("severity rose from %s to %s: %s", sev, row.Sev, row.SevWhy)
	case services > 0 && n >= tripled*services && n >= wideFrom:
		why = fmt.Sprintf("%s hit, were %d", plural(n, "service"), services)
	default:
		return ""
	}
	if news := e.originNews(row); news != "" {
		why += "; " + news
	}
	return why
}

// ownerMoved says that the origin is another team's than the one that was rung, by more than
// half the probability or by an operator's word; empty when it is not.
func (e *Engine) ownerMoved(row *Incident) string {
	o := row.Origin()
	if o == nil || row.Paging.Rings == 0 || o.Owner == "" || o.Owner == row.Paging.RangOwner || o.Probability <= 0.5 {
		return ""
	}
	return fmt.Sprintf("the origin is %s of %s (%s), %s was paged first", e.short(o.Service), o.Owner, Percent(o.Probability), cmp.Or(row.Paging.RangOwner, "no team"))
}

// reminderCall rings again as long as nobody has taken the incident.
func (e *Engine) reminderCall(inc *incident) []call {
	p, policy := &inc.row.Paging, &e.cfg.Policy
	if policy.Reminder == 0 || inc.row.Attended() || p.Reminders >= policy.Reminders {
		return nil
	}
	why := fmt.Sprintf("reminder %d of %d: nobody has acknowledged", p.Reminders+1, policy.Reminders)
	return []call{{at: maxTime(p.RangAt, p.OpenedAt).Add(policy.Reminder), page: Page{Kind: PageRing, Reason: why}, reminder: true}}
}

// escalationCalls are the steps that are not taken yet and whose condition holds, of the
// first policy that matches the incident.
func (e *Engine) escalationCalls(inc *incident) []call {
	labels := inc.row.RouteLabels()
	i := slices.IndexFunc(e.cfg.Policy.Escalation, func(p EscalationPolicy) bool { return matchesAll(p.Matchers, labels) })
	if i < 0 {
		return nil
	}
	var calls []call
	for k := range e.cfg.Policy.Escalation[i].Steps {
		step := &e.cfg.Policy.Escalation[i].Steps[k]
		taken := slices.ContainsFunc(inc.row.Escalated, func(t EscalatedStep) bool { return t.Step == step.key() })
		if c := e.stepCall(inc, step); c != nil && !taken {
			c.step, c.page.Kind, c.page.To = step.key(), PageEscalate, step.To
			calls = append(calls, *c)
		}
	}
	return calls
}

// stepCall is when a step is taken and why, nil when its condition does not hold.
func (e *Engine) stepCall(inc *incident, step *EscalationStep) *call {
	row := inc.row
	c := &call{at: row.Paging.OpenedAt.Add(step.After)}
	switch step.When {
	case EscalateUnacknowledged:
		if row.Attended() {
			return nil
		}
		c.page.Reason = "nobody has acknowledged for " + roughly(step.After)
	case EscalateNoProgress:
		since, by := row.progressAt()
		c.at = since.Add(step.After)
		c.page.Reason = fmt.Sprintf("no progress for %s: nobody has written anything since the page", roughly(step.After))
		if by != "" {
			c.page.Reason = fmt.Sprintf("no progress for %s: the latest entry is %s's", roughly(step.After), by)
		}
	case EscalateCriticalFunction:
		what := e.criticalFunction(row)
		if what == "" {
			return nil
		}
		c.page.Reason = what
	case EscalateAlways:
		c.page.Reason = fmt.Sprintf("it has been open for %s", roughly(step.After))
	}
	return c
}

// progressAt is when a person last did anything in it since the page, and who; the page's own time and nobody else.
func (i *Incident) progressAt() (at time.Time, by string) {
	for k := len(i.Timeline) - 1; k >= 0; k-- {
		t := &i.Timeline[k]
		if t.At.Before(i.Paging.OpenedAt) {
			break
		}
		if t.Actor != "" {
			return t.At, t.Actor
		}
	}
	return i.Paging.OpenedAt, ""
}

// criticalLabel on a service makes it a critical function whatever its tier.
const criticalLabel = "critical_function"

// criticalFunction names the first service hit that the business cannot do without; empty when there is none.
func (e *Engine) criticalFunction(row *Incident) string {
	for i := range row.Services {
		n := e.nodes.id(row.Services[i].Service)
		switch {
		case e.nodes.tier(n) == vitalTier:
			return fmt.Sprintf("%s is hit, a critical function (tier %d)", e.nodes.name(n), vitalTier)
		case e.nodes.label(n, criticalLabel) == "true":
			return e.nodes.name(n) + " is hit, a critical function"
		}
	}
	return ""
}
