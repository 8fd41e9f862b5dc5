package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// settle places the alerts that wait and judges anew the incidents that they, or
// other news, bear upon.
func (e *Engine) settle() {
	e.meta.SettleAt = time.Time{}
	items, touched := e.toJudge()
	if len(items) == 0 {
		return
	}
	scene, clusters := e.divide(items)
	defer scene.close()
	plan := e.match(scene, clusters, touched)
	news := map[string]*incident{}
	for i, c := range clusters {
		e.fill(plan.incident[i], scene, c, plan.fresh[i], news)
	}
	for _, m := range plan.merges {
		e.mergeInto(m.gone, m.into, "", "one failure explains both")
		news[m.into.row.ID] = m.into
	}
	for _, inc := range touched {
		if inc.row.Unsettled {
			news[inc.row.ID] = inc
		}
	}
	for _, inc := range sortedIncidents(news) {
		if !inc.open() || len(inc.items) == 0 {
			continue
		}
		if scene.isWhole(inc) {
			e.judgeIn(inc, scene.forRanking())
		} else {
			e.judge(inc)
		}
	}
}

// settleHorizon is how long after its latest new alert an incident can still
// claim an alert elsewhere: beyond it, the pause costs more than any alert gains.
const settleHorizon = 10 * time.Minute

// toJudge collects the alerts that wait, the incidents whose evidence changed, and
// the open incidents near them in graph and time. At most maxSceneAlerts alerts are
// judged together, where what waits and each incident count as at most maxEvidence, since the others are echoes: beyond that, incidents whose evidence changed wait for the next
// settling, and of those near the ones with the oldest news are left as they are.
func (e *Engine) toJudge() ([]*item, []*incident) {
	items := e.waiting()
	share := min(len(items), maxEvidence)
	near, seen := e.newNodeSet(), map[site]bool{}
	defer e.giveBack(near)
	look := func(it *item) {
		at := it.site()
		if seen[at] {
			return
		}
		seen[at] = true
		for _, c := range e.explainersAt(at) {
			for _, r := range c {
				near.add(r.node)
			}
		}
	}
	var picked []*incident
	for _, inc := range e.stillUnsettled() {
		if len(items) > 0 && share+inc.share() > maxSceneAlerts {
			e.askSettle()
			break
		}
		picked = append(picked, inc)
		items = append(items, inc.items...)
		share += inc.share()
	}
	if len(items) == 0 {
		return nil, nil
	}
	for _, it := range items {
		look(it)
	}
	earliest := slices.MinFunc(items, compareItems).began
	rest := slices.DeleteFunc(e.incidentsNear(near), func(inc *incident) bool {
		return !inc.open() || inc.row.Unsettled || !e.bearsOn(inc, near, earliest) // the unsettled ones are picked, or wait
	})
	slices.SortFunc(rest, func(a, b *incident) int {
		return cmp.Or(newest(b).Compare(newest(a)), cmp.Compare(a.row.Number, b.row.Number))
	})
	for _, inc := range rest {
		if share+inc.share() > maxSceneAlerts {
			break
		}
		picked = append(picked, inc)
		items = append(items, inc.items...)
		share += inc.share()
	}
	return items, sortIncidents(picked)
}

// share is what the incident counts against the alerts that one settling takes.
func (i *incident) share() int { return min(len(i.items), maxEvidence) }

// stillUnsettled are the open incidents whose evidence changed since they were judged.
func (e *Engine) stillUnsettled() []*incident {
	slices.SortFunc(e.unsettled, func(a, b *incident) int { return cmp.Compare(a.row.Number, b.row.Number) })
	e.unsettled = slices.DeleteFunc(slices.Compact(e.unsettled), func(inc *incident) bool {
		return !inc.open() || !inc.row.Unsettled || e.incidents[inc.row.ID] != inc
	})
	return slices.Clone(e.unsettled)
}

// waiting are the alerts that are in no incident yet, by start, at most
// maxSceneAlerts of them. The rest waits for the next settling, which is asked for at once.
func (e *Engine) waiting() []*item {
	e.pending = slices.DeleteFunc(e.pending, func(it *item) bool {
		return it.inc != nil || it.state.Fate.Kind != FatePending || e.items[it.id] != it
	})
	if len(e.pending) <= maxSceneAlerts {
		return slices.Clone(e.pending)
	}
	slices.SortFunc(e.pending, compareItems)
	e.askSettle()
	return slices.Clone(e.pending[:maxSceneAlerts])
}

// newest is the start of the latest alert.
func newest(inc *incident) time.Time {
	items := inc.sorted()
	if len(items) == 0 {
		return time.Time{}
	}
	return items[len(items)-1].began
}

// bearsOn: one of the incident's alerts shares a possible origin with those to be
// placed, and its news is not too old to matter.
func (e *Engine) bearsOn(inc *incident, near *nodeSet, earliest time.Time) bool {
	for at := range inc.sites {
		if near.has[at.node] {
			return true
		}
	}
	return earliest.Sub(newest(inc)) <= settleHorizon && e.explainsAny(near, inc)
}

// plan says which incident each cluster continues.
type plan struct {
	incident []*incident // by cluster
	fresh    []bool      // the incident is new
	merges   []merger
}

type merger struct{ gone, into *incident }

// match lets each cluster continue the incident that it holds most of; alerts of
// an opening page weigh more, so that the incident on-call knows keeps its name.
// An incident that no cluster continues was swallowed whole: it is merged.
func (e *Engine) match(s *scene, clusters []*cluster, touched []*incident) plan {
	type claim struct {
		cluster, weight int
		inc             *incident
	}
	var claims []claim
	weights := make([]map[string]int, len(clusters))
	for i, c := range clusters {
		weights[i] = map[string]int{}
		c.set.each(func(k int32) {
			s.with(k, func(it *item) {
				if it.inc == nil {
					return
				}
				w := 1
				if it.state.Opening {
					w = openingWeight
				}
				weights[i][it.inc.row.ID] += w
			})
		})
		for _, inc := range touched {
			if w := weights[i][inc.row.ID]; w > 0 {
				claims = append(claims, claim{i, w, inc})
			}
		}
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.inc.row.Number, b.inc.row.Number), cmp.Compare(a.cluster, b.cluster))
	})
	p := plan{incident: make([]*incident, len(clusters)), fresh: make([]bool, len(clusters))}
	continued := map[string]bool{}
	for _, c := range claims {
		if p.incident[c.cluster] == nil && !continued[c.inc.row.ID] {
			p.incident[c.cluster] = c.inc
			continued[c.inc.row.ID] = true
		}
	}
	// What a page told of and is over by now does not become an incident that no page told of.
	for _, c := range claims {
		if p.incident[c.cluster] == nil && c.inc.row.Paging.Opens > 0 && s.over(clusters[c.cluster]) {
			p.incident[c.cluster] = c.inc
		}
	}
	for i, c := range clusters {
		if p.incident[i] == nil {
			p.incident[i] = s.cameBack(c)
		}
	}
	for i := range clusters {
		if p.incident[i] == nil {
			p.incident[i], p.fresh[i] = e.openIncident(), true
		}
	}
	for _, inc := range touched {
		if !continued[inc.row.ID] {
			e.planMerge(&p, weights, inc)
		}
	}
	return p
}

// planMerge finds the cluster that took most of inc's alerts. The incident that
// on-call was paged for keeps its id; of two equals the older one does.
func (e *Engine) planMerge(p *plan, weights []map[string]int, inc *incident) {
	best := -1
	for i := range weights {
		if w := weights[i][inc.row.ID]; w > 0 && (best < 0 || w > weights[best][inc.row.ID]) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	into := p.incident[best]
	if survives(inc, into) {
		for i := range p.incident {
			if p.incident[i] == into {
				p.incident[i] = inc
			}
		}
		for i := range p.merges {
			if p.merges[i].into == into {
				p.merges[i].into = inc
			}
		}
		inc, into = into, inc
	}
	p.merges = append(p.merges, merger{gone: inc, into: into})
}

func survives(a, b *incident) bool {
	if pagedA, pagedB := a.row.Paging.Opens > 0, b.row.Paging.Opens > 0; pagedA != pagedB {
		return pagedA
	}
	return a.row.Number < b.row.Number
}

func (e *Engine) openIncident() *incident {
	number := e.meta.NextIncident
	e.meta.NextIncident++
	row := &Incident{
		ID: incidentID(number), Number: number, OpenedAt: e.meta.Now, UpdatedAt: e.meta.Now,
		Environment: e.cfg.Environment, TopologyVersion: e.meta.TopologyVersion,
	}
	inc := &incident{row: row, sites: map[site]int{}}
	e.incidents[row.ID] = inc
	e.touchIncident(inc)
	return inc
}

// fill moves the cluster's alerts into inc and adds to news every incident that it changed.
func (e *Engine) fill(inc *incident, s *scene, c *cluster, fresh bool, news map[string]*incident) {
	joined := map[string]int{}
	moved := map[string]int{}
	born := fresh && len(inc.items) == 0 // else it took the place of a new one
	var left []*incident
	take := func(it *item) {
		if it.inc == inc {
			return
		}
		news[inc.row.ID] = inc
		if it.inc != nil {
			news[it.inc.row.ID] = it.inc
			if moved[it.inc.row.ID]++; moved[it.inc.row.ID] == 1 {
				left = append(left, it.inc)
				e.countAgain(it.inc)
			}
		} else {
			joined[e.nodes.name(it.node)]++
		}
		e.include(inc, it)
		e.editAlert(it).Incident = inc.row.ID
	}
	c.set.each(func(k int32) { s.with(k, take) })
	for _, other := range left {
		e.release(other)
	}
	if born {
		e.divided(inc, left)
	}
	switch {
	case fresh && len(moved) > 0:
		e.note(inc, TimelineSplit, "", "separated from "+strings.Join(sortedKeys(moved), ", ")+": another failure explains these alerts better")
	case fresh:
		e.note(inc, TimelineOpened, "", "opened: "+counted(joined))
	case len(joined) > 0:
		e.note(inc, TimelineJoined, "", "joined: "+counted(joined))
	}
}

// mergeInto lets gone go on as into, because of why; actor is the operator who said so, empty for the engine.
func (e *Engine) mergeInto(gone, into *incident, actor, why string) {
	for _, it := range gone.sorted() { // alerts that another cluster did not take
		e.include(into, it)
		e.editAlert(it).Incident = into.row.ID
	}
	e.evict(gone)
	row := e.editIncident(gone)
	text := "merged into " + into.row.ID
	e.note(gone, TimelineMerged, actor, withText(text, why))
	row.State, row.MergedInto, row.Firing, row.Unsettled = IncidentMerged, into.row.ID, 0, false
	row.ResolvedAt, row.Archived = e.meta.Now, true
	row.Paging.endWaits()
	if actor != "" {
		text += " by " + actor
	}
	e.resolvePage(gone, withText(text, why))
	e.publish(gone, "This goes on as "+into.row.ID+".")
	delete(e.incidents, row.ID)
	kept := e.editIncident(into)
	kept.Merged = append(slices.Clip(kept.Merged), row.ID)
	kept.Merged = append(kept.Merged, row.Merged...)
	if kept.Ack == nil {
		kept.Ack = row.Ack
	}
	e.succeed(gone, into, actor)
	e.note(into, TimelineMerged, actor, withText(row.ID+" merged into this one", why))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// counted renders "cart (2 alerts), web (1 alert)", at most six names.
func counted(m map[string]int) string {
	names := sortedKeys(m)
	var parts []string
	for i, n := range names {
		if i == 6 {
			parts = append(parts, "and "+plural(len(names)-6, "more service"))
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", n, plural(m[n], "alert")))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
