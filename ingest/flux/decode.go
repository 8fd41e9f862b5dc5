// Package flux decodes the events of Flux's notification-controller, as its generic and
// generic-hmac providers send them.
//
// It is pure. What the helm-controller installed, upgraded or rolled back, and what the
// kustomize-controller says that it changed, are changes; other events (sources
// fetched, nothing new, progress) tell of none, and say so in a note.
//
// The kustomize-controller lists the objects that it changed: each workload among them is
// a service by its own name.
package flux

import (
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/topology"
)

// Source is the value of [correlate.Change.Source].
const Source = "flux"

// event is what is read of an event.
type event struct {
	kind, name, namespace     string // of the involved object
	reason, message, revision string
	at                        time.Time
}

// Decode returns the changes that an event tells of, or a note on why it tells of none.
// The names of objects, as "namespace/name", are mapped by names. The error is a [*body.Error].
func Decode(text []byte, names change.Names) (changes []*correlate.Change, note string, err error) {
	r := body.NewReader(text)
	start := r.Offset()
	var ev event
	err = r.Object(func(key string) error { return ev.member(r, key) })
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return nil, "", err
	case ev.kind == "" || ev.name == "":
		return nil, "", body.Within("involvedObject", r.Errorf(start, "missing: want an event of Flux's generic provider"))
	}
	told := ev.changes()
	if len(told) == 0 {
		return nil, fmt.Sprintf("%s %s/%s: %s tells of no change", ev.kind, ev.namespace, ev.name, ev.reason), nil
	}
	if ref, found := names.Find(ev.namespace + "/" + ev.name); found {
		if ref.IsZero() {
			return nil, fmt.Sprintf("%s %s/%s: not taken, by the source's services", ev.kind, ev.namespace, ev.name), nil
		}
		told = told[:1]
		told[0].Service = ref
	}
	for _, c := range told {
		c.At, c.Source = ev.at, Source
		if err := change.Admit(c); err != nil {
			return nil, "", r.Place(start, err)
		}
	}
	return told, "", nil
}

func (ev *event) member(r *body.Reader, key string) error {
	switch key {
	case "involvedObject":
		return r.Fields(body.Fields{"kind": r.Text(&ev.kind), "name": r.Text(&ev.name), "namespace": r.Text(&ev.namespace)})
	case "reason":
		return r.Text(&ev.reason)()
	case "message":
		return r.Text(&ev.message)()
	case "timestamp":
		return r.Moment(&ev.at)()
	case "metadata":
		if r.Null() {
			return nil
		}
		return r.Object(func(key string) error {
			// "revision", or with the controller's group before it.
			if key == "revision" || strings.HasSuffix(key, "/revision") {
				return r.Text(&ev.revision)()
			}
			return r.Skip()
		})
	}
	return r.Skip()
}

// changes are what the event tells of, without time and source.
func (ev *event) changes() []*correlate.Change {
	object := topology.Ref{Namespace: ev.namespace, Name: ev.name}
	switch ev.kind + "/" + ev.reason {
	case "HelmRelease/InstallSucceeded", "HelmRelease/UpgradeSucceeded":
		return []*correlate.Change{{Service: object, Kind: "deploy", Summary: ev.title("released")}}
	case "HelmRelease/RollbackSucceeded":
		return []*correlate.Change{{Service: object, Kind: "rollback", Summary: ev.title("rolled back")}}
	case "HelmRelease/InstallFailed", "HelmRelease/UpgradeFailed", "HelmRelease/RollbackFailed", "Kustomization/HealthCheckFailed":
		return []*correlate.Change{{Service: object, Kind: "deploy", Summary: ev.title("failed") + ": " + ev.message}}
	case "Kustomization/Progressing":
		return ev.applied(object)
	}
	return nil
}

// title is the object, what became of it and at which revision.
func (ev *event) title(verb string) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", ev.kind, ev.name, verb, ev.revision))
}

// applied reads the list of changed objects, one on a line: "Deployment/shop/payment configured".
func (ev *event) applied(object topology.Ref) (changes []*correlate.Change) {
	configured := false
	for line := range strings.Lines(ev.message) {
		what, verb, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb != "configured" && verb != "created" && verb != "deleted" {
			continue
		}
		parts := strings.Split(what, "/")
		if len(parts) != 3 || !change.IsWorkload(parts[0]) {
			configured = true
			continue
		}
		if len(changes) == change.MaxChanges {
			break
		}
		changes = append(changes, &correlate.Change{
			Service: topology.Ref{Namespace: parts[1], Name: parts[2]}, Kind: "deploy", Summary: ev.title("applied") + ": " + what + " " + verb,
		})
	}
	if len(changes) == 0 && configured {
		return []*correlate.Change{{Service: object, Kind: "config", Summary: ev.title("applied")}}
	}
	return changes
}
