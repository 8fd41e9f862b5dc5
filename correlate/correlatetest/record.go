package correlatetest

import (
	"fmt"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// write reads "INC-1 <what> … [by who] [text]" of the commands about an incident's record.
func (p *player) write(verb string, plain []string, opts map[string]string) (correlate.Signal, error) {
	c := &correlate.Command{}
	args := signature(c, plain)
	least := map[string]int{"severity": 2, "status": 2, "assign": 2, "link": 2, "update": 1, "public-update": 1, "detach": 2}[verb]
	if len(args) < least || (least == 2 && len(args) > 3 && verb != "detach") {
		return nil, fmt.Errorf("want %s INC-<n> …, see the package's comment", verb)
	}
	c.Incident, args = args[0], append(args[1:], "", "")
	if err := p.expect(c, opts["revision"]); err != nil {
		return nil, err
	}
	var err error
	switch verb {
	case "severity":
		c.Kind = correlate.CommandSetSeverity
		if args[0] != "automatic" {
			c.Sev, err = correlate.ParseSev(args[0])
		}
	case "status":
		c.Kind = correlate.CommandSetStatus
		c.Status, err = correlate.ParseStatus(args[0])
	case "assign":
		c.Kind, c.Role, c.Who = correlate.CommandAssign, args[0], args[1]
	case "link":
		c.Kind, c.Link = correlate.CommandLink, correlate.LinkTarget{Title: args[0], URL: args[1]}
	case "update", "public-update":
		c.Kind, c.Public = correlate.CommandAddUpdate, verb == "public-update"
	case "detach":
		c.Kind = correlate.CommandDetach
		for _, name := range args[:len(args)-2] {
			c.Services = append(c.Services, topology.ParseRef(name))
		}
		if alert := opts["alert"]; alert != "" {
			c.Alerts, c.Services = p.alertsOf(c.Incident, alert, c.Services), nil
		}
	}
	return c, err
}

// expect has the command name the revision in view of which it is given.
func (p *player) expect(c *correlate.Command, which string) error {
	i := p.ledger.Incidents[c.Incident]
	switch {
	case which == "":
	case i == nil:
		return fmt.Errorf("there is no %s to have a revision", c.Incident)
	case which == "current":
		c.IfRevision = i.Revision
	case which == "old":
		c.IfRevision = i.Revision - 1
	default:
		return fmt.Errorf("revision=%s: want current or old", which)
	}
	return nil
}

func (q *question) sev() error {
	if i := q.incident(); i != nil && i.Sev.String() != q.word() {
		q.no("%s is %s: %s", i.ID, i.Sev, i.SevWhy)
	}
	return nil
}

func (q *question) status() error {
	if i := q.incident(); i != nil && i.Status.String() != q.word() {
		q.no("%s is %s", i.ID, i.Status)
	}
	return nil
}

// role checks who has a role; with nobody named, that nobody has.
func (q *question) role() error {
	i := q.incident()
	if i == nil {
		return nil
	}
	var have, who string
	for _, r := range i.Roles {
		if r.Name == correlate.ParseRole(q.word()) {
			have = r.Who
		}
	}
	if len(q.args) > 1 {
		who = q.args[1]
	}
	if have != who {
		q.no("%s has %q there", i.ID, have)
	}
	return nil
}

// linked checks where a title leads; with no address, that there is no such link.
func (q *question) linked() error {
	i := q.incident()
	if i == nil {
		return nil
	}
	have := ""
	for _, l := range i.Links {
		if l.Title == q.word() {
			have = l.URL
		}
	}
	if want := strings.Join(q.args[1:], ""); have != want {
		q.no("it leads to %q", have)
	}
	return nil
}
