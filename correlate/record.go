package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// This file keeps what people write about an incident: who does what in it, what was told
// to whom, where to look. None of it is evidence and none of it pages.

// The roles that most incidents have. Any other name is a role as well.
const (
	RoleCommander      = "incident-commander"  // decides, and keeps everybody on one thing
	RoleTechnicalLead  = "technical-lead"      // finds and fixes
	RoleCommunications = "communications-lead" // tells those outside
)

// roleRank orders roles: the common ones first.
var roleRank = map[string]int{RoleCommander: -3, RoleTechnicalLead: -2, RoleCommunications: -1}

// roleShort are what people write for the common roles.
var roleShort = map[string]string{
	"ic": RoleCommander, "commander": RoleCommander, "tl": RoleTechnicalLead, "tech-lead": RoleTechnicalLead,
	"cl": RoleCommunications, "comms": RoleCommunications, "comms-lead": RoleCommunications,
}

// ParseRole gives the name that a role is kept under: in lower case, words joined by
// hyphens, the usual short forms written out ("ic", "tl", "cl"). Empty when there is no name.
func ParseRole(name string) string {
	name = strings.ToLower(strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), "-"))
	return cmp.Or(roleShort[name], name)
}

// Role is who does what in an incident. A role is held by one person at a time.
type Role struct {
	Name string // see [ParseRole]
	Who  string
	At   time.Time // since when
	By   string    // who said so
}

// Link leads people to something about an incident: a bridge, a chat channel, a dashboard.
type Link struct {
	Title string // one link of each title
	URL   string
	At    time.Time
	By    string // empty: the configuration
}

// What bounds an incident's record.
const (
	maxRoles = 32
	maxLinks = 64
	// maxWritten bounds what people add to a timeline beyond [Config.MaxTimeline].
	maxWritten = 2000
	// recordFor is how long after its end an incident's record can be edited, unless
	// maxRecords younger ones are kept.
	recordFor  = 30 * 24 * time.Hour
	maxRecords = 1000
)

// ofRecord reports whether k is about the record alone, so that an incident may have
// the command long after its alerts were forgotten.
func (k CommandKind) ofRecord() bool {
	switch k {
	case CommandAddNote, CommandSetOrigin, CommandSetSeverity, CommandSetStatus, CommandAssign, CommandAddUpdate, CommandLink:
		return true
	}
	return false
}

func (e *Engine) addNote(inc *incident, c *Command) string {
	return e.write(inc, TimelineNote, c)
}

func (e *Engine) addUpdate(inc *incident, c *Command) string {
	if c.Public {
		rejected := e.write(inc, TimelinePublicUpdate, c)
		if rejected == "" {
			e.publish(inc, c.Text)
		}
		return rejected
	}
	return e.write(inc, TimelineUpdate, c)
}

// write puts a text of a person's into the timeline.
func (e *Engine) write(inc *incident, kind TimelineKind, c *Command) string {
	if len(inc.row.Timeline) >= e.cfg.MaxTimeline+maxWritten {
		return fmt.Sprintf("the timeline of %s is full: it holds %d entries", inc.row.ID, len(inc.row.Timeline))
	}
	e.note(inc, kind, c.Actor, c.Text)
	return ""
}

// assign gives a role to somebody, or with nobody named takes it away.
func (e *Engine) assign(inc *incident, c *Command) string {
	name := ParseRole(c.Role)
	at := slices.IndexFunc(inc.row.Roles, func(r Role) bool { return r.Name == name })
	switch {
	case name == "":
		return "name the role, such as " + RoleCommander
	case c.Who == "" && at < 0:
		return fmt.Sprintf("nobody is %s of %s", name, inc.row.ID)
	case at < 0 && len(inc.row.Roles) >= maxRoles:
		return fmt.Sprintf("%s already has %d roles", inc.row.ID, maxRoles)
	}
	roles := slices.DeleteFunc(slices.Clone(inc.row.Roles), func(r Role) bool { return r.Name == name })
	text := fmt.Sprintf("%s is %s", c.Who, name)
	if c.Who != "" {
		roles = append(roles, Role{Name: name, Who: c.Who, At: e.meta.Now, By: actorOr(c.Actor)})
	} else {
		text = fmt.Sprintf("%s is no longer %s", inc.row.Roles[at].Who, name)
	}
	e.editIncident(inc).Roles = sortRoles(roles)
	e.note(inc, TimelineRole, c.Actor, withText(text, c.Text))
	return ""
}

// sortRoles sorts roles in place.
func sortRoles(roles []Role) []Role {
	slices.SortFunc(roles, func(a, b Role) int {
		return cmp.Or(cmp.Compare(roleRank[a.Name], roleRank[b.Name]), cmp.Compare(a.Name, b.Name))
	})
	return roles
}

// link sets where a title leads, or without an address removes it.
func (e *Engine) link(inc *incident, c *Command) string {
	at := slices.IndexFunc(inc.row.Links, func(l Link) bool { return l.Title == c.Link.Title })
	has := at >= 0
	switch {
	case c.Link.Title == "":
		return "give the link a title, such as bridge"
	case c.Link.URL == "" && !has:
		return fmt.Sprintf("%s has no link %q", inc.row.ID, c.Link.Title)
	case c.Link.URL == "" && inc.row.Links[at].Configured():
		return fmt.Sprintf("link %q comes from the section links of the configuration; give it another address, or change it there", c.Link.Title)
	case !has && len(inc.row.Links) >= maxLinks:
		return fmt.Sprintf("%s already has %d links", inc.row.ID, maxLinks)
	}
	links := slices.DeleteFunc(slices.Clone(inc.row.Links), func(l Link) bool { return l.Title == c.Link.Title })
	text := "link " + c.Link.Title + " removed"
	if c.Link.URL != "" {
		links = append(links, Link{Title: c.Link.Title, URL: c.Link.URL, At: e.meta.Now, By: actorOr(c.Actor)})
		text = "link " + c.Link.Title + ": " + c.Link.URL
	}
	e.editIncident(inc).Links = links
	inc.linkedFor = linkedFor{} // a configured one may return
	e.note(inc, TimelineLink, c.Actor, withText(text, c.Text))
	return ""
}

// inheritRecord hands what people said of gone on to the incident that it was merged
// into, where that has nothing of its own. What gone's timeline tells stays with gone.
func (e *Engine) inheritRecord(gone, into *incident) {
	from, row := gone.row, e.editIncident(into)
	if row.SetSev == nil {
		row.SetSev = from.SetSev
	}
	if into.open() && from.Status < StatusResolved {
		row.Status = max(row.Status, from.Status)
	}
	roles := slices.Clone(row.Roles)
	for _, r := range from.Roles {
		if len(roles) < maxRoles && !slices.ContainsFunc(roles, func(have Role) bool { return have.Name == r.Name }) {
			roles = append(roles, r)
		}
	}
	row.Roles = sortRoles(roles)
	links := slices.Clone(row.Links)
	for _, l := range from.Links {
		if len(links) < maxLinks && !l.Configured() && !slices.ContainsFunc(links, func(have Link) bool { return have.Title == l.Title }) {
			links = append(links, l)
		}
	}
	row.Links, into.linkedFor = links, linkedFor{}
	if row.Remedy == "" {
		row.Remedy = from.Remedy
	}
	for _, o := range from.Informed {
		if !slices.Contains(row.Informed, o) {
			row.Informed = append(slices.Clip(row.Informed), o)
		}
	}
	e.moveActionItems(from.ID, row.ID)
	e.regrade(into)
}

// keepRecord keeps the row of an incident that the engine has forgotten otherwise, so
// that people can go on writing to it.
func (e *Engine) keepRecord(inc *incident) {
	e.editIncident(inc).Kept = true
	e.records[inc.row.ID] = inc
	kept := sortedIncidents(e.records)
	for i, old := range kept {
		if len(kept)-i > maxRecords || e.meta.Now.Sub(old.row.ResolvedAt) > recordFor {
			e.editIncident(old).Kept = false
			delete(e.records, old.row.ID)
		}
	}
}
