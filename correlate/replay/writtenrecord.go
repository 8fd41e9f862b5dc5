package replay

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/headwater-sre/headwater/correlate"
)

// writtenRecord is what commands about an incident's record say. In view of which revision
// a command was given is left out: a replay numbers what it reads anew.
type writtenRecord struct {
	Source string       `json:"source,omitempty"`
	Sev    string       `json:"severity,omitempty"`
	Status string       `json:"status,omitempty"`
	Role   string       `json:"role,omitempty"`
	Who    string       `json:"who,omitempty"`
	Public string       `json:"audience,omitempty"`
	Link   *writtenLink `json:"link,omitempty"`
	Item   *writtenItem `json:"action_item,omitempty"`
}

type writtenItem struct {
	ID       string      `json:"id,omitempty"`
	Fields   []string    `json:"fields,omitempty"`
	Text     string      `json:"text,omitempty"`
	Assignee string      `json:"assignee,omitempty"`
	Due      writtenTime `json:"due,omitzero"`
	Priority string      `json:"priority"`
	Status   string      `json:"status"`
}

type writtenLink struct {
	Title string `json:"title"`
	URL   string `json:"url,omitempty"`
}

// audiencePublic marks an update for those outside.
const audiencePublic = "public"

func writeRecord(c *correlate.Command) *writtenRecord {
	out := writtenRecord{Source: c.Source, Role: c.Role, Who: c.Who}
	if c.Sev != correlate.SevUnset {
		out.Sev = c.Sev.String()
	}
	if c.Status != correlate.StatusDetected {
		out.Status = c.Status.String()
	}
	if c.Public {
		out.Public = audiencePublic
	}
	if c.Link != (correlate.LinkTarget{}) {
		out.Link = &writtenLink{Title: c.Link.Title, URL: c.Link.URL}
	}
	if item := writeItem(&c.Item); item.ID != "" || item.Text != "" || len(item.Fields) > 0 {
		out.Item = item
	}
	if out == (writtenRecord{}) {
		return nil
	}
	return &out
}

func writeItem(i *correlate.ActionItemEdit) *writtenItem {
	return &writtenItem{
		ID: i.ID, Fields: i.Fields, Text: i.Text, Assignee: i.Assignee, Due: writtenTime{i.Due},
		Priority: i.Priority.String(), Status: i.Status.String(),
	}
}

// item reads what writeItem wrote.
func (in *scenarioReader) item(o *object) correlate.ActionItemEdit {
	i := correlate.ActionItemEdit{ID: o.optionalText("id"), Text: o.optionalText("text"), Assignee: o.optionalText("assignee"), Due: o.optionalTime("due")}
	i.Priority = word(o, "priority", o.text("priority"), func(s string) (correlate.ActionPriority, error) {
		return oneOf(s, correlate.PriorityLow, correlate.PriorityMedium, correlate.PriorityHigh)
	})
	i.Status = word(o, "status", o.text("status"), func(s string) (correlate.ActionStatus, error) {
		return oneOf(s, correlate.ActionOpen, correlate.ActionInProgress, correlate.ActionDone, correlate.ActionDropped)
	})
	o.list("fields", func(path string, raw json.RawMessage) {
		var field string
		in.d.unmarshal(path, raw, &field, "the name of a field")
		i.Fields = append(i.Fields, field)
	})
	o.done()
	return i
}

// oneOf finds the value of that name.
func oneOf[T fmt.Stringer](name string, values ...T) (T, error) {
	for _, v := range values {
		if v.String() == name {
			return v, nil
		}
	}
	return values[0], fmt.Errorf("want one of %v", values)
}

// record reads into c what writeRecord wrote.
func (in *scenarioReader) record(c *correlate.Command, o *object) {
	c.Source, c.Role, c.Who = o.optionalText("source"), o.optionalText("role"), o.optionalText("who")
	if text := o.optionalText("severity"); text != "" {
		c.Sev = word(o, "severity", text, correlate.ParseSev)
	}
	if text := o.optionalText("status"); text != "" {
		c.Status = word(o, "status", text, correlate.ParseStatus)
	}
	if text := o.optionalText("audience"); text != "" {
		c.Public = word(o, "audience", text, parseAudience)
	}
	if raw := o.take("action_item"); raw != nil {
		c.Item = in.item(in.d.object(o.at("action_item"), raw))
	}
	if raw := o.take("link"); raw != nil {
		l := in.d.object(o.at("link"), raw)
		c.Link = correlate.LinkTarget{Title: l.text("title"), URL: l.optionalText("url")}
		l.done()
	}
	o.done()
}

func parseAudience(s string) (bool, error) {
	if s != audiencePublic {
		return false, errors.New("want public, or nothing")
	}
	return true, nil
}
