package reply

import (
	"fmt"

	"github.com/headwater-sre/headwater/ingest/body"
)

// PagerDuty is the value of [Reply.Service].
const PagerDuty = "pagerduty"

// PagerDutySignature is the header with PagerDuty's signatures, see [PagerDutySigned].
const PagerDutySignature = "X-PagerDuty-Signature"

// pagerDutyEvent is what is read of an event of PagerDuty's webhooks, version 3.
type pagerDutyEvent struct {
	kind         string
	agent, who   string // the agent's type and name; empty: nobody
	key, address string // of the incident
	number       string
	content      string // of a note
}

// DecodePagerDuty decodes one event of a webhook subscription, version 3, or says in a
// note why it tells of no reply. The error is a [*body.Error].
func DecodePagerDuty(text []byte) (replies []Reply, note string, err error) {
	r := body.NewReader(text)
	start := r.Offset()
	var ev pagerDutyEvent
	if err := r.Fields(body.Fields{"event": func() error { return r.Fields(ev.fields(r)) }}); err != nil {
		return nil, "", err
	}
	if err := r.End(); err != nil {
		return nil, "", err
	}
	if ev.kind == "" {
		return nil, "", body.Within("event.event_type", r.Errorf(start, "missing: want an event of a webhook subscription, version 3"))
	}
	return ev.replies()
}

func (ev *pagerDutyEvent) fields(r *body.Reader) body.Fields {
	reference := func() error {
		return r.Fields(body.Fields{"html_url": r.Text(&ev.address)})
	}
	return body.Fields{
		"event_type": r.Text(&ev.kind),
		"agent":      func() error { return r.Fields(body.Fields{"type": r.Text(&ev.agent), "summary": r.Text(&ev.who)}) },
		"data": func() error {
			return r.Fields(body.Fields{
				"incident_key": r.Text(&ev.key), "html_url": r.Text(&ev.address), "content": r.Text(&ev.content),
				"incident": reference, // of a note
				"number": func() error {
					text, err := r.Raw()
					ev.number = text
					return err
				},
			})
		},
	}
}

// pagerDutyKinds are the events that say something of an incident.
var pagerDutyKinds = map[string]Kind{
	"incident.triggered":      Shown,
	"incident.acknowledged":   Acknowledged,
	"incident.unacknowledged": Unacknowledged,
	"incident.annotated":      Noted,
	"incident.resolved":       Resolved,
}

func (ev *pagerDutyEvent) replies() ([]Reply, string, error) {
	kind, known := pagerDutyKinds[ev.kind]
	switch {
	case !known:
		return nil, fmt.Sprintf("event %.64s: nothing for an incident", ev.kind), nil
	case kind != Shown && kind != Unacknowledged && ev.agent != "user_reference":
		return nil, fmt.Sprintf("event %s: by no person", ev.kind), nil
	case kind == Noted && ev.address == "" || kind != Noted && !isKey(ev.key):
		return nil, fmt.Sprintf("event %s: of an incident that no page of ours opened", ev.kind), nil
	case kind == Noted && ev.content == "":
		return nil, "an empty note", nil
	}
	shown := Reply{Kind: Shown, Service: PagerDuty, Key: ev.key, Address: webAddress(ev.address), Title: "PagerDuty " + ev.number}.tidy()
	said := Reply{Kind: kind, Service: PagerDuty, Key: ev.key, Actor: ev.who, Text: ev.content}.tidy()
	switch {
	case kind == Noted:
		said.Key, said.Address = "", ev.address
		return []Reply{said}, "", nil
	case kind == Shown:
		return linkOnly(shown)
	case kind != Acknowledged || shown.Address == "":
		return []Reply{said}, "", nil
	}
	// A subscription may send acknowledgements alone; the link is worth having then, too.
	return []Reply{shown, said}, "", nil
}

func linkOnly(shown Reply) ([]Reply, string, error) {
	if shown.Address == "" {
		return nil, "an incident without an address", nil
	}
	return []Reply{shown}, "", nil
}
