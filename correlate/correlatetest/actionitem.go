package correlatetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// plan reads "[INC-1|AI-1] [by who] text" with the fields of an action item as options.
func (p *player) plan(verb string, plain []string, opts map[string]string, now time.Time) (correlate.Signal, error) {
	c := &correlate.Command{Kind: correlate.CommandAddActionItem, Item: correlate.ActionItemEdit{Priority: correlate.PriorityMedium}}
	subject := strings.Join(signature(c, plain), " ")
	if verb == "action-item" {
		c.Incident, c.Item.Text, c.Text = subject, c.Text, ""
	} else {
		c.Kind, c.Item.ID = correlate.CommandEditActionItem, subject
	}
	for field, value := range opts {
		if err := p.setItem(c, field, value, now); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (p *player) setItem(c *correlate.Command, field, value string, now time.Time) (err error) {
	switch field {
	case "revision":
		for _, a := range p.ledger.Snapshot().Actions {
			if a.ID == c.Item.ID && value == "old" {
				c.IfRevision = a.Revision - 1
			} else if a.ID == c.Item.ID {
				c.IfRevision = a.Revision
			}
		}
		return nil
	case "assignee":
		c.Item.Assignee = value
	case "due":
		var in time.Duration
		in, err = time.ParseDuration(value)
		c.Item.Due = now.Add(in)
	case "priority":
		c.Item.Priority, err = named(value, correlate.PriorityLow, correlate.PriorityMedium, correlate.PriorityHigh)
	case "status":
		c.Item.Status, err = named(value, correlate.ActionOpen, correlate.ActionInProgress, correlate.ActionDone, correlate.ActionDropped)
	default:
		err = fmt.Errorf("an action item has no %s", field)
	}
	c.Item.Fields = append(c.Item.Fields, field)
	return err
}

// named finds the value of that name.
func named[T fmt.Stringer](name string, values ...T) (T, error) {
	for _, v := range values {
		if v.String() == name {
			return v, nil
		}
	}
	return values[0], fmt.Errorf("%q is none of %v", name, values)
}

// actionItem checks status, assignee and incident of an action item, as far as they are given.
func (q *question) actionItem() error {
	if len(q.args) < 2 {
		return fmt.Errorf("want action-item AI-<n> <status> [<assignee> [<incident>]]")
	}
	for _, a := range q.ledger.actions {
		if a.ID != q.args[0] {
			continue
		}
		have := []string{a.ID, a.Status.String(), a.Assignee, a.Incident}
		if got := strings.Join(have[:min(len(q.args), len(have))], " "); got != strings.Join(q.args, " ") {
			q.no("it is %s", strings.Join(have, " "))
		}
		return nil
	}
	q.no("there is no %s", q.args[0])
	return nil
}
