package replay

import (
	"errors"

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
	if out == (writtenRecord{}) {
		return nil
	}
	return &out
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
