package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is how far people have come with an incident. [IncidentState] is where the
// failure stands; the two agree: resolved and closed incidents are those that have ended.
type Status uint8

// The statuses, in the order in which an incident passes them.
const (
	StatusDetected      Status = iota // nobody has said anything yet; set when it opens, and when it comes back
	StatusInvestigating               // somebody looks for the cause
	StatusIdentified                  // the cause is known; set also when an operator says where it began
	StatusMitigating                  // something is done about it
	StatusResolved                    // over: its alerts ended, or somebody said so
	StatusClosed                      // nothing is left to do; said by people only
)

var statusNames = [...]string{"detected", "investigating", "identified", "mitigating", "resolved", "closed"}

// String returns the lower-case name.
func (s Status) String() string { return nameOf(statusNames[:], int(s)) }

// ParseStatus is the inverse of [Status.String].
func ParseStatus(name string) (Status, error) {
	if i := slices.Index(statusNames[:], strings.ToLower(name)); i >= 0 {
		return Status(i), nil
	}
	return 0, fmt.Errorf("status %q: want one of %s", name, strings.Join(statusNames[:], ", "))
}

// Closure says who closed an incident, and why.
type Closure struct {
	At   time.Time
	By   string
	Note string // never empty
}

// nextStatuses are what people may make of each status. People go back, too: the first
// cause that was found is often not the one.
var nextStatuses = [...][]Status{
	StatusDetected:      {StatusInvestigating, StatusIdentified, StatusMitigating, StatusResolved},
	StatusInvestigating: {StatusIdentified, StatusMitigating, StatusResolved},
	StatusIdentified:    {StatusInvestigating, StatusMitigating, StatusResolved},
	StatusMitigating:    {StatusInvestigating, StatusIdentified, StatusResolved},
	StatusResolved:      {StatusInvestigating, StatusClosed},
	StatusClosed:        {StatusInvestigating},
}

// NextStatuses lists what people may set an incident of status s to.
func (s Status) NextStatuses() []Status {
	if int(s) < len(nextStatuses) {
		return slices.Clone(nextStatuses[s])
	}
	return nil
}

func (e *Engine) setStatus(inc *incident, c *Command) string {
	is := inc.row.Status
	if !slices.Contains(is.NextStatuses(), c.Status) {
		return fmt.Sprintf("%s is %s and cannot become %s; it can become %s", inc.row.ID, is, c.Status, orList(is.NextStatuses()))
	}
	switch {
	case c.Status == StatusResolved:
		return e.resolveCommand(inc, c)
	case c.Status == StatusClosed:
		return e.closeCommand(inc, c)
	case !inc.open():
		return e.reopenCommand(inc, c)
	}
	if c.Status == StatusMitigating {
		e.noteRemedy(inc, c.Text)
	}
	e.progress(inc, c.Status, c.Actor, c.Text)
	return ""
}

// progress moves an open incident to a status and says so.
func (e *Engine) progress(inc *incident, to Status, actor, text string) {
	was := inc.row.Status
	e.editIncident(inc).Status = to
	e.note(inc, TimelineStatus, actor, withText(fmt.Sprintf("%s, was %s", to, was), text))
	e.publish(inc, "")
}

// noteRemedy keeps what somebody said will end, or ended, an incident.
func (e *Engine) noteRemedy(inc *incident, text string) {
	if text = strings.TrimSpace(text); text != "" {
		e.editIncident(inc).Remedy = text
	}
}

func orList(statuses []Status) string {
	var names []string
	for _, s := range statuses {
		names = append(names, s.String())
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

func (e *Engine) resolveCommand(inc *incident, c *Command) string {
	if !inc.open() {
		return fmt.Sprintf("%s is already %s", c.Incident, inc.row.Status)
	}
	e.editIncident(inc).ResolvedBy = actorOr(c.Actor)
	e.noteRemedy(inc, c.Text)
	e.note(inc, TimelineEnded, c.Actor, withText("resolved", c.Text))
	e.closeIncident(inc, "resolved by "+actorOr(c.Actor))
	return ""
}

func (e *Engine) closeCommand(inc *incident, c *Command) string {
	if strings.TrimSpace(c.Text) == "" {
		return fmt.Sprintf("say why %s can be closed", inc.row.ID)
	}
	row := e.editIncident(inc)
	row.Status, row.Closed = StatusClosed, &Closure{At: e.meta.Now, By: actorOr(c.Actor), Note: c.Text}
	if row.Remedy == "" {
		e.noteRemedy(inc, c.Text)
	}
	e.note(inc, TimelineClosed, c.Actor, withText("closed", c.Text))
	return ""
}

// reopenCommand takes back that an incident is over, while something of it fires. Else it
// would end again at once; an alert that returns reopens it by itself.
func (e *Engine) reopenCommand(inc *incident, c *Command) string {
	if inc.row.Archived {
		return fmt.Sprintf("%s ended more than %s ago; what fires now is another incident", inc.row.ID, roughly(e.cfg.ReopenWithin))
	}
	if !slices.ContainsFunc(inc.items, func(it *item) bool { return it.state.Active() }) {
		return fmt.Sprintf("no alert of %s fires; one that returns within %s of its end reopens it", inc.row.ID, roughly(e.cfg.ReopenWithin))
	}
	e.reopen(inc, nil, StatusInvestigating)
	e.note(inc, TimelineReopened, c.Actor, withText("reopened", c.Text))
	e.askSettle()
	e.countAgain(inc)
	return ""
}
