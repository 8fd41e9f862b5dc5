package correlate

import (
	"slices"
	"time"
)

// Linker says where to look at an incident: dashboards and the like, by the templates of a
// configuration. It is pure: the same incident has the same links. It reads of an incident
// what [Incident.RouteLabels] say, its origin and its times, and nothing else.
type Linker interface {
	Links(*Incident) []LinkTarget
}

// Configured reports whether the link comes from the configuration, not from a person.
func (l *Link) Configured() bool { return l.By == "" }

// linkedFor is what a linker reads: while it stays, so do the links.
type linkedFor struct {
	service, kind, owner string
	severity             Severity
	sev                  Sev
	started, ended       time.Time
}

func linkedForOf(row *Incident) linkedFor {
	now := linkedFor{severity: row.Severity, sev: row.Sev, started: row.StartedAt, ended: row.ResolvedAt}
	if o := row.Origin(); o != nil {
		now.service, now.kind, now.owner = o.Service.String(), o.Kind.String(), o.Owner
	}
	return now
}

// relink brings the configured links of an incident, whose row is the step's own, in line
// with what is known of it. A person's link of the same title stands in place of a configured one.
func (e *Engine) relink(inc *incident) {
	now := linkedForOf(inc.row)
	if e.cfg.Linker == nil || inc.linkedFor == now {
		return
	}
	inc.linkedFor = now
	links := slices.DeleteFunc(slices.Clone(inc.row.Links), func(l Link) bool { return l.Configured() })
	for i, t := range e.cfg.Linker.Links(inc.row) {
		if !slices.ContainsFunc(links, func(l Link) bool { return l.Title == t.Title }) {
			links = slices.Insert(links, min(i, len(links)), Link{Title: t.Title, URL: t.URL, At: inc.row.OpenedAt})
		}
	}
	if !slices.EqualFunc(links, inc.row.Links, sameLink) {
		inc.row.Links = links
	}
}

func sameLink(a, b Link) bool {
	return a.Title == b.Title && a.URL == b.URL && a.By == b.By && a.At.Equal(b.At)
}
