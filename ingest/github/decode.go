// Package github decodes GitHub's webhooks about deployments: the events deployment and
// deployment_status.
//
// It is pure; whoever receives the request checks its signature. Which of the events are
// sent is chosen at GitHub. Each deployment is a change of the service that the repository is
// mapped to, by default the one of its name: when it is created, when it succeeded, and when
// it failed. Other states of it, and other events, tell of no change and say so in a note.
package github

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/topology"
)

// Source is the value of [correlate.Change.Source].
const Source = "github"

// The headers of a webhook that matter here.
const (
	EventHeader     = "X-GitHub-Event"
	SignatureHeader = "X-Hub-Signature-256"
)

// Options say which deployments are changes, and of what.
type Options struct {
	// Names maps repositories, as "owner/name", to services.
	Names change.Names
	// Environments, unless empty, are those whose deployments are taken.
	Environments []string
}

// delivery is what is read of a body.
type delivery struct {
	repository, owner string // its name alone, and with its owner

	environment, sha, ref, task, creator, page string
	created                                    time.Time

	state, statusEnvironment, target, log string
	updated                               time.Time
}

// Decode returns the change that a webhook tells of, or a note on why it tells of none;
// event is the value of [EventHeader]. The error is a [*body.Error].
func Decode(event string, text []byte, o Options) (changes []*correlate.Change, note string, err error) {
	if event != "deployment" && event != "deployment_status" {
		return nil, fmt.Sprintf("event %s tells of no deployment; choose deployments and deployment statuses", body.Quote(event)), nil
	}
	r := body.NewReader(text)
	start := r.Offset()
	var d delivery
	err = r.Object(func(key string) error { return d.member(r, key) })
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return nil, "", err
	case d.owner == "":
		return nil, "", body.Within("repository.full_name", r.Errorf(start, "missing"))
	case event == "deployment_status" && d.state == "":
		return nil, "", body.Within("deployment_status.state", r.Errorf(start, "missing"))
	}
	c, note := d.change(event, o)
	if c == nil {
		return nil, note, nil
	}
	if err := change.Admit(c); err != nil {
		return nil, "", r.Place(start, err)
	}
	return []*correlate.Change{c}, "", nil
}

func (d *delivery) member(r *body.Reader, key string) error {
	switch key {
	case "repository":
		return r.Fields(body.Fields{"name": r.Text(&d.repository), "full_name": r.Text(&d.owner), "html_url": r.Text(&d.page)})
	case "deployment":
		return r.Fields(body.Fields{
			"environment": r.Text(&d.environment), "sha": r.Text(&d.sha), "ref": r.Text(&d.ref), "task": r.Text(&d.task), "created_at": r.Moment(&d.created),
			"creator": func() error { return r.Fields(body.Fields{"login": r.Text(&d.creator)}) },
		})
	case "deployment_status":
		return r.Fields(body.Fields{
			"state": r.Text(&d.state), "environment": r.Text(&d.statusEnvironment), "target_url": r.Text(&d.target), "log_url": r.Text(&d.log),
			"updated_at": r.Moment(&d.updated),
		})
	}
	return r.Skip()
}

func (d *delivery) change(event string, o Options) (c *correlate.Change, note string) {
	if d.statusEnvironment != "" {
		d.environment = d.statusEnvironment
	}
	if len(o.Environments) > 0 && !slices.Contains(o.Environments, d.environment) {
		return nil, fmt.Sprintf("environment %s is not one of the source's", body.Quote(d.environment))
	}
	service, found := o.Names.Find(d.owner)
	switch {
	case found && service.IsZero():
		return nil, fmt.Sprintf("repository %s: not taken, by the source's services", d.owner)
	case !found:
		service = topology.Ref{Name: d.repository}
	}
	verb, at := "deployment started", d.created
	if event == "deployment_status" {
		at = d.updated
		switch d.state {
		case "success":
			verb = "deployed"
		case "failure", "error":
			verb = "deployment failed"
		default:
			return nil, fmt.Sprintf("state %s of a deployment is no change yet", body.Quote(d.state))
		}
	}
	kind := "deploy"
	if strings.Contains(d.task, "rollback") {
		kind = "rollback"
	}
	return &correlate.Change{Service: service, Kind: kind, Summary: d.summary(verb), Link: d.link(), At: at, Source: Source}, ""
}

// summary is such as "deployed main (8f14e45f) to production, by alice".
func (d *delivery) summary(verb string) string {
	text := verb + " " + d.ref
	if len(d.sha) >= 8 && d.sha != d.ref {
		text += " (" + d.sha[:8] + ")"
	}
	if d.environment != "" {
		text += " to " + d.environment
	}
	if d.creator != "" {
		text += ", by " + d.creator
	}
	return text
}

func (d *delivery) link() string {
	for _, l := range []string{d.target, d.log, d.page} {
		if l = change.OnlyLink(l); l != "" {
			return l
		}
	}
	return ""
}
