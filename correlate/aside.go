package correlate

import (
	"slices"
	"strings"
)

// This file decides the pages that are for others than on-call: one notice to each team
// whose service was hit, and what people tell those outside. Neither rings, and neither
// changes what on-call's receivers show.

// inform gives notice of a paged incident to the owners of services that it hit: once to
// each, and not to whoever was paged for it, as the owner of its origin.
func (e *Engine) inform(inc *incident) {
	if !e.cfg.Notices || !inc.open() || !inc.row.Paging.open() {
		return
	}
	informed := slices.Clone(inc.row.Informed)
	if o := inc.row.Origin(); o != nil && o.Owner != "" && (len(informed) == 0 || o.Probability >= probableAt) && !slices.Contains(informed, o.Owner) {
		informed = append(informed, o.Owner)
	}
	paged := len(informed)
	hit := map[string][]string{}
	for _, s := range inc.row.Services {
		if s.Owner != "" && !slices.Contains(informed[:paged], s.Owner) && e.suffers(inc, &s) {
			hit[s.Owner] = append(hit[s.Owner], e.short(s.Service))
		}
	}
	owners := sortedKeys(hit)
	informed = append(informed, owners...)
	if slices.Equal(informed, inc.row.Informed) {
		return
	}
	e.editIncident(inc).Informed = informed
	if len(owners) == 0 {
		return
	}
	e.page(inc, &Page{Kind: PageNotice, Reason: noticeText(inc.row, hit, owners), Owners: owners})
}

// suffers reports whether a service has an alert that would be worth a page: one that is
// silenced, or under maintenance, is no reason to tell its owner.
func (e *Engine) suffers(inc *incident, s *ServiceImpact) bool {
	return slices.ContainsFunc(inc.items, func(it *item) bool { return it.state.Service == s.Service && e.worthy(it) })
}

func noticeText(row *Incident, hit map[string][]string, owners []string) string {
	var parts []string
	for _, o := range owners {
		parts = append(parts, listed(hit[o])+" of "+o)
	}
	verb := " are hit"
	if len(owners) == 1 && len(hit[owners[0]]) == 1 {
		verb = " is hit"
	}
	text := listed(parts) + verb
	if o := row.Origin(); o != nil && o.Owner != "" {
		text += "; " + o.Owner + " was paged"
	}
	return text
}

// isPublic reports whether those outside were told of the incident.
func (i *Incident) isPublic() bool {
	return slices.ContainsFunc(i.Timeline, func(t TimelineEntry) bool { return t.Kind == TimelinePublicUpdate })
}

// publish tells those outside what people wrote for them or, without a text, how far the
// incident has come. Of an incident nobody told them of, they learn nothing.
func (e *Engine) publish(inc *incident, text string) {
	if !e.cfg.StatusPages || !inc.row.isPublic() {
		return
	}
	// The timeline has the text already, and no alert is for those outside.
	row := e.editIncident(inc)
	row.Paging.Seq++
	e.step.pages = append(e.step.pages, &Page{
		Incident: *row, Seq: row.Paging.Seq, Kind: PagePublicUpdate, At: e.meta.Now, Reason: strings.TrimSpace(text),
	})
}
