package reply

import (
	"fmt"
	"strings"

	"github.com/headwater-sre/headwater/ingest/body"
)

// Opsgenie is the value of [Reply.Service].
const Opsgenie = "opsgenie"

// opsgenieKinds are the actions that say something of an incident.
var opsgenieKinds = map[string]Kind{
	"Acknowledge": Acknowledged, "UnAcknowledge": Unacknowledged, "AddNote": Noted, "Close": Resolved,
}

// DecodeOpsgenie decodes what Opsgenie's webhook integration posts, or says in a note why
// it tells of no reply. The error is a [*body.Error].
func DecodeOpsgenie(text []byte) (replies []Reply, note string, err error) {
	r := body.NewReader(text)
	start := r.Offset()
	var action, by, alias, who, said string
	err = r.Fields(body.Fields{
		"action": r.Text(&action),
		"source": func() error { return r.Fields(body.Fields{"type": r.Text(&by)}) },
		"alert": func() error {
			return r.Fields(body.Fields{"alias": r.Text(&alias), "username": r.Text(&who), "note": r.Text(&said)})
		},
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, "", err
	}
	kind, known := opsgenieKinds[action]
	switch {
	case action == "":
		return nil, "", body.Within("action", r.Errorf(start, "missing: want what the webhook integration posts"))
	case !known:
		return nil, fmt.Sprintf("action %.64s: nothing for an incident", action), nil
	case strings.EqualFold(by, "API") || strings.EqualFold(by, "system"):
		return nil, fmt.Sprintf("action %s: by no person", action), nil
	case !isKey(alias):
		return nil, fmt.Sprintf("action %s: of an alert that no page of ours opened", action), nil
	case kind == Noted && said == "":
		return nil, "an empty note", nil
	}
	return []Reply{Reply{Kind: kind, Service: Opsgenie, Key: alias, Actor: who, Text: said}.tidy()}, "", nil
}
