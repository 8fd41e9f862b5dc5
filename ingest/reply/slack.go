package reply

import (
	"fmt"
	"net/url"
	"regexp"

	"github.com/headwater-sre/headwater/ingest/body"
)

// Slack is the value of [Reply.Service].
const Slack = "slack"

// The headers by which Slack signs, see [SlackSigned].
const (
	SlackSignature = "X-Slack-Signature"
	SlackTimestamp = "X-Slack-Request-Timestamp"
)

// AcknowledgeAction is the name of the button that acknowledges; its value is the incident's id.
const AcknowledgeAction = "headwater_acknowledge"

var incidentID = regexp.MustCompile(`^INC-[1-9][0-9]{0,18}$`)

// DecodeSlack decodes what Slack posts when somebody presses a button: a form whose field
// payload is JSON of the type interactive_message (buttons of attachments) or block_actions.
// It says in a note why that is no reply. The error is a [*body.Error].
func DecodeSlack(text []byte) (replies []Reply, note string, err error) {
	form, err := url.ParseQuery(string(text))
	if err != nil || !form.Has("payload") {
		return nil, "", &body.Error{Field: "payload", Reason: "missing: want a form with the field payload, as Slack's interactivity posts it", Line: 1}
	}
	r := body.NewReader([]byte(form.Get("payload")))
	var kind, name, username string
	var actions []slackAction
	err = r.Fields(body.Fields{
		"type":    r.Text(&kind),
		"user":    func() error { return r.Fields(body.Fields{"name": r.Text(&name), "username": r.Text(&username)}) },
		"actions": func() (err error) { actions, err = readSlackActions(r); return err },
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, "", body.Within("payload", err)
	}
	if username != "" {
		name = username // of block_actions; there, name is a former one
	}
	for _, a := range actions {
		if (a.name == AcknowledgeAction || a.id == AcknowledgeAction) && incidentID.MatchString(a.value) {
			replies = append(replies, Reply{Kind: Acknowledged, Service: Slack, Incident: a.value, Actor: name}.tidy())
		}
	}
	if len(replies) == 0 {
		note = fmt.Sprintf("%.64q holds no action of ours", kind)
	}
	return replies[:min(len(replies), 1)], note, nil
}

// slackAction is a button that was pressed: name of attachments, id of blocks.
type slackAction struct{ name, id, value string }

func readSlackActions(r *body.Reader) (actions []slackAction, err error) {
	if r.Null() {
		return nil, nil
	}
	err = r.Array(func(int) error {
		var a slackAction
		err := r.Fields(body.Fields{"name": r.Text(&a.name), "action_id": r.Text(&a.id), "value": r.Text(&a.value)})
		if len(actions) < maxActions {
			actions = append(actions, a)
		}
		return err
	})
	return actions, err
}

// maxActions is far more than can be pressed at once.
const maxActions = 16
