package correlatetest

import (
	"fmt"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// operate reads "INC-1 [by who] [text]".
func operate(verb string, plain []string) (correlate.Signal, error) {
	if len(plain) == 0 {
		return nil, fmt.Errorf("want %s INC-<n> [by <who>] [\"text\"]", verb)
	}
	c := &correlate.Command{Incident: plain[0], Kind: map[string]correlate.CommandKind{
		"acknowledge": correlate.CommandAcknowledge, "resolve": correlate.CommandResolve, "note": correlate.CommandAddNote,
	}[verb]}
	if before := signature(c, plain[1:]); len(before) > 0 {
		c.Text = strings.Join(plain[1:], " ") // no signature at the front, so all of it is text
		c.Actor = ""
	}
	return c, nil
}

// signature takes "by who" and what follows off the words of a command.
func signature(c *correlate.Command, words []string) (before []string) {
	for i, w := range words {
		if w == "by" && i+1 < len(words) {
			c.Actor, c.Text = words[i+1], strings.Join(words[i+2:], " ")
			return words[:i]
		}
	}
	return words
}

// correct reads "INC-1 <what> … [by who] [text]": a service, an incident, or the services that leave.
func (p *player) correct(verb string, plain []string, alert string) (correlate.Signal, error) {
	c := &correlate.Command{}
	args := signature(c, plain)
	if len(args) == 0 || verb == "merge" && len(args) != 2 || verb == "set-origin" && len(args) > 2 {
		return nil, fmt.Errorf("want set-origin INC-<n> [<service>], merge INC-<n> INC-<m> or split INC-<n> <service> … [alert=<AlertName>]")
	}
	c.Incident, args = args[0], args[1:]
	switch verb {
	case "set-origin":
		c.Kind = correlate.CommandSetOrigin
		if len(args) == 1 {
			c.Service = topology.ParseRef(args[0])
		}
	case "merge":
		c.Kind, c.Into = correlate.CommandMerge, args[0]
	case "split":
		c.Kind = correlate.CommandSplit
		for _, name := range args {
			c.Services = append(c.Services, topology.ParseRef(name))
		}
		if alert != "" {
			c.Alerts, c.Services = p.alertsOf(c.Incident, alert, c.Services), nil
		}
	}
	return c, nil
}

// alertsOf are an incident's alerts of that name on the services.
func (p *player) alertsOf(incident, alert string, services []topology.Ref) []correlate.AlertID {
	var out []correlate.AlertID
	for _, a := range p.ledger.Members(incident) {
		for _, s := range services {
			if n, ok := p.engine.Graph().Lookup(s); a.Labels["alertname"] == alert && (a.Service == s || ok && a.Service == p.engine.Graph().Ref(n)) {
				out = append(out, a.ID())
			}
		}
	}
	return out
}

// forget reads "[kind [subject]]".
func forget(plain []string) (correlate.Signal, error) {
	c := &correlate.Command{Kind: correlate.CommandResetLearned, Actor: "oncall"}
	if len(plain) > 0 {
		var err error
		if c.Learned.Kind, err = correlate.ParseFigureKind(plain[0]); err != nil {
			return nil, err
		}
		c.Learned.Subject = strings.Join(plain[1:], " ")
	}
	return c, nil
}

// showLearned prints what was learned, without the counts of alerts.
func (p *player) showLearned() {
	for _, f := range correlate.Figures(p.ledger.Snapshot().Stats, p.engine.Graph(), p.now) {
		if f.Kind != correlate.FigureAlerted {
			p.screen.print(p.now, "%s %s: %.2f, else %.2f; %s", f.Kind, f.Subject, f.Estimate, f.Prior, &f)
		}
	}
}
