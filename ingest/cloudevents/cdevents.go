package cloudevents

import (
	"fmt"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/topology"
)

// ChangeSource is the value of [correlate.Change.Source] of what CDEvents tell of.
const ChangeSource = "cdevents"

// changeKinds are CDEvents' predicates of a service, as kinds of changes.
var changeKinds = map[string]string{"deployed": "deploy", "upgraded": "deploy", "rolledback": "rollback", "removed": "remove", "published": "publish"}

// Change returns the change that a CDEvent (cdevents.dev) about a service tells of, its
// name mapped by names; a nil change comes with a note on why there is none. The error is a [*body.Error].
func Change(ev *Event, names change.Names) (c *correlate.Change, note string, err error) {
	rest, isCD := strings.CutPrefix(ev.Type, "dev.cdevents.service.")
	predicate, _, _ := strings.Cut(rest, ".")
	kind, known := changeKinds[predicate]
	if !isCD || !known {
		return nil, fmt.Sprintf("type %s is none that is known without a mapping", body.Quote(ev.Type)), nil
	}
	r := body.NewReader(ev.Data)
	start := r.Offset()
	var id, environment, artifact string
	err = r.Fields(body.Fields{"subject": func() error {
		return r.Fields(body.Fields{"id": r.Text(&id), "content": func() error {
			return r.Fields(body.Fields{
				"artifactId":  r.Text(&artifact),
				"environment": func() error { return r.Fields(body.Fields{"id": r.Text(&environment)}) },
			})
		}})
	}})
	if err == nil {
		err = r.End()
	}
	if err == nil && id == "" {
		err = body.Within("subject.id", r.Errorf(start, "missing: want a CDEvent"))
	}
	if err != nil {
		return nil, "", body.Within("data", err)
	}
	service, found := names.Find(id)
	switch {
	case found && service.IsZero():
		return nil, fmt.Sprintf("service %s: not taken, by the source's services", body.Quote(id)), nil
	case !found:
		service = topology.ParseRef(id)
	}
	summary := predicate
	if environment != "" {
		summary += " in " + environment
	}
	if artifact != "" {
		summary += ": " + artifact
	}
	c = &correlate.Change{Service: service, Kind: kind, Summary: summary, At: ev.Time, Source: ChangeSource}
	if err := change.Admit(c); err != nil {
		return nil, "", body.Within("data", r.Place(start, err))
	}
	return c, "", nil
}
