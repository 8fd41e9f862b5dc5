package correlate

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// This file decides when an incident that has gone quiet is over. The resolve waits for a
// settling period, longer where alerts flap, and for a last look at what was hit.

const (
	// flapsFrom starts of one label set within flapWindow are flapping.
	flapsFrom  = 3
	flapWindow = 2 * time.Hour
	// A flapping alert must have been quiet for flapQuiet of its usual rounds, at most quietMost.
	flapQuiet = 2
	quietMost = time.Hour
)

// flapping is how often, and how regularly, the most restless label set of an incident fired.
type flapping struct {
	it    *item
	times int
	every time.Duration
}

// String says so: "HighLatency on web fired 6 times, every 12m".
func (e *Engine) flappingText(f *flapping) string {
	return fmt.Sprintf("%s on %s fired %d times, every %s", f.it.state.Labels["alertname"], e.nodes.name(f.it.node), f.times, roughly(f.every))
}

// flaps finds the label set of inc that fired most often lately, nil when none flapped.
func (e *Engine) flaps(inc *incident) *flapping {
	since := inc.row.QuietSince.Add(-flapWindow)
	starts := map[string][]*item{}
	for _, it := range inc.items {
		if !it.state.StartsAt.Before(since) {
			starts[it.id.Fingerprint] = append(starts[it.id.Fingerprint], it)
		}
	}
	var worst *flapping
	for _, fingerprint := range sortedKeys(starts) {
		of := starts[fingerprint]
		if len(of) < flapsFrom || worst != nil && len(of) <= worst.times {
			continue
		}
		slices.SortFunc(of, compareItems)
		first, last := of[0].state.StartsAt, of[len(of)-1]
		worst = &flapping{it: last, times: len(of), every: last.state.StartsAt.Sub(first) / time.Duration(len(of)-1)}
	}
	return worst
}

// flapper: it is at least the third start of its label set in its incident, or in that of the
// instance before it, lately.
func (e *Engine) flapper(it *item) bool {
	if it.prev == nil || it.prev.inc == nil {
		return false
	}
	since, times := it.state.StartsAt.Add(-flapWindow), 1
	for p := it.prev; p != nil && p.inc == it.prev.inc && !p.state.StartsAt.Before(since); p = p.prev {
		times++
	}
	return times >= flapsFrom
}

// againBond is the bond of a label set that flaps in the incident of that number. The set is
// part of it: what was bound there before may have moved on with another incident. The
// highest bit tells it from the bonds of [Engine.bind].
func againBond(number uint64, fingerprint string) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%s", number, fingerprint) // it cannot fail
	return 1<<63 | h.Sum64()
}

// rejoin keeps what flaps in the open incident of the instance before it: else the pauses in
// between would make another incident of it, and another page.
func (e *Engine) rejoin(it *item) {
	if it.prev == nil || it.prev.inc == nil || !it.prev.inc.open() || !it.state.Active() {
		return
	}
	inc := it.prev.inc
	if !e.flapper(it) {
		return
	}
	if it.inc == nil {
		e.include(inc, it)
		e.editAlert(it).Incident = inc.row.ID
		e.note(inc, TimelineJoined, "", "joined: "+it.state.Labels["alertname"]+" on "+e.nodes.name(it.node)+" fires again")
		e.unsettle(inc)
		e.countAgain(inc)
	}
	e.bindAgain(inc, it)
}

// cameBack is the incident whose alerts, and no others, fire again in c after all of them had
// ended, while its page is open; nil when there is none. A pause is no failure of its
// own, and no reason for another page, unless something new came with it.
func (s *scene) cameBack(c *cluster) *incident {
	var inc *incident
	var first time.Time
	again, returned := true, map[AlertID]bool{}
	c.set.each(func(k int32) {
		s.with(k, func(it *item) {
			if it.prev == nil || it.prev.inc == nil || inc != nil && it.prev.inc != inc {
				again = false
				return
			}
			inc, returned[it.id] = it.prev.inc, true
			if first.IsZero() || it.state.StartsAt.Before(first) {
				first = it.state.StartsAt
			}
		})
	})
	if !again || inc == nil || !inc.open() || !inc.row.Paging.open() {
		return nil
	}
	for _, it := range inc.items {
		if !returned[it.id] && (it.state.Active() || it.state.EndedAt.After(first)) {
			return nil
		}
	}
	return inc
}

// bindAgain keeps all instances of it's label set in inc together from now on.
func (e *Engine) bindAgain(inc *incident, it *item) {
	bond := againBond(inc.row.Number, it.id.Fingerprint)
	for _, other := range inc.items {
		if other.id.Fingerprint == it.id.Fingerprint && other.state.Bond != 0 {
			bond = other.state.Bond // what an operator put together stays so
		}
	}
	for _, other := range inc.items {
		if other.id.Fingerprint == it.id.Fingerprint && other.state.Bond != bond {
			e.editAlert(other).Bond = bond
		}
	}
}

// planClose sets when an incident in which nothing fires any more ends.
func (e *Engine) planClose(inc *incident) {
	row := inc.row
	at := time.Time{}
	if !row.QuietSince.IsZero() {
		at = row.QuietSince.Add(e.settling(inc))
	}
	if !at.Equal(row.CloseAt) && (at.IsZero() || at.After(row.CloseAt)) {
		e.editIncident(inc).CloseAt = at
	}
}

// settling is how long an incident must have been quiet to be over.
func (e *Engine) settling(inc *incident) time.Duration {
	if f := e.flaps(inc); f != nil {
		return max(e.cfg.CloseAfter, min(flapQuiet*f.every, quietMost))
	}
	return e.cfg.CloseAfter
}

// resolveHold says why on-call still holds a page of an incident in which nothing fires.
func (e *Engine) resolveHold(inc *incident) Hold {
	row := inc.row
	if row.CloseAt.IsZero() {
		return Hold{}
	}
	h := Hold{Kind: HoldSettling, Until: row.CloseAt, Text: fmt.Sprintf("all %s ended; what fires again by then is the same incident", plural(row.Alerts, "alert"))}
	if row.CloseAt.After(row.QuietSince.Add(e.settling(inc))) {
		h.Kind, h.Text = HoldRecheck, row.Paging.Hold.Text
		return h
	}
	if f := e.flaps(inc); f != nil {
		h.Text = e.flappingText(f) + ": over when it was quiet for longer"
	}
	return h
}

// closeQuiet ends an incident whose last alert ended long enough ago, after a last look at
// the alerts that wait and at the checks of what was hit.
func (e *Engine) closeQuiet(inc *incident) {
	if !e.meta.SettleAt.IsZero() {
		e.settle()
	}
	if at := e.deadlineOf(inc, dueClose); inc.counting || at.IsZero() || at.After(e.meta.Now) {
		return // merged away, or something fires again
	}
	if failing := e.stillFailing(inc); failing != "" && e.meta.Now.Before(inc.row.QuietSince.Add(e.settling(inc)+quietMost)) {
		e.postponeClose(inc, failing)
		return
	}
	text := fmt.Sprintf("all %s ended %s ago", plural(inc.row.Alerts, "alert"), roughly(e.meta.Now.Sub(inc.row.QuietSince)))
	if f := e.flaps(inc); f != nil {
		text += "; " + e.flappingText(f)
	}
	e.note(inc, TimelineEnded, "", text)
	e.closeIncident(inc, text)
}

// postponeClose looks again later because of a check that fails.
func (e *Engine) postponeClose(inc *incident, failing string) {
	row := e.editIncident(inc)
	row.CloseAt = e.meta.Now.Add(max(e.cfg.CloseAfter/2, time.Second))
	text := "not over yet: " + failing
	if row.Paging.Hold.Kind != HoldRecheck {
		e.note(inc, TimelineEnded, "", text)
	}
	if row.Paging.open() {
		row.Paging.Hold = Hold{Kind: HoldRecheck, Text: text, Until: row.CloseAt}
	}
	e.scheduleIncident(inc)
}

// stillFailing names the checks of services in inc that fail and have raised no alert yet: those
// that have are alerts like any other.
func (e *Engine) stillFailing(inc *incident) string {
	var failing []string
	for i := range inc.row.Services {
		n := e.nodes.id(inc.row.Services[i].Service)
		for _, k := range e.checksOf[n] {
			h := e.health[k]
			bad := h.Status == HealthFailing || h.Status == HealthDegraded
			if bad && h.Alert == (AlertID{}) && e.meta.Now.Sub(h.At) <= e.cfg.CloseAfter {
				failing = append(failing, fmt.Sprintf("check %s of %s fails", h.Check, e.nodes.name(n)))
			}
		}
	}
	slices.Sort(failing)
	return strings.Join(failing, ", ")
}
