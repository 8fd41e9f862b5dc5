// Package argocd decodes what Argo CD's notifications say of an application that was
// synchronised: the Application object itself, as a template sends it with toJson.
//
// It is pure. Argo CD has no body of its own for webhooks: docs/intake.md has the template
// that this package reads. The object may also come without anything around it.
//
// An operation that came to an end is a change of every workload (Deployment,
// StatefulSet, DaemonSet, Rollout) that it touched, by their own names; when it touched
// none, or when a rule of the configuration names the application, of one service.
package argocd

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
const Source = "argocd"

// application is what is read of an Application.
type application struct {
	name, namespace string // destination's namespace
	url             string

	phase, message, revision string
	finished                 time.Time
	dryRun                   bool
	resources                []resource
}

// resource is an object that the operation applied.
type resource struct{ kind, name, namespace, message string }

// Decode returns the changes that a notification tells of, or a note on why it tells of
// none: an operation that still runs, or that changed nothing. The names of applications
// are mapped by names. The error is a [*body.Error].
func Decode(text []byte, names change.Names) (changes []*correlate.Change, note string, err error) {
	r := body.NewReader(text)
	start := r.Offset()
	var app application
	if err := app.read(r); err != nil {
		return nil, "", err
	}
	if err := r.End(); err != nil {
		return nil, "", err
	}
	if app.name == "" {
		return nil, "", body.Within("app.metadata.name", r.Errorf(start, "missing: want the Application as the template in docs/intake.md sends it"))
	}
	kind, verb := "deploy", "synced to "+short(app.revision)
	switch app.phase {
	case "Succeeded":
	case "Failed", "Error":
		verb = strings.ToLower("sync "+app.phase) + ": " + app.message
	default:
		return nil, fmt.Sprintf("application %s: operation phase %q: nothing is over yet", app.name, app.phase), nil
	}
	if app.dryRun {
		return nil, fmt.Sprintf("application %s: a dry run", app.name), nil
	}
	services, note := app.services(names)
	for _, s := range services {
		c := &correlate.Change{
			Service: s, Kind: kind, Summary: app.name + " " + strings.TrimSpace(verb), Link: change.OnlyLink(app.url), At: app.finished, Source: Source,
		}
		if err := change.Admit(c); err != nil {
			return nil, "", r.Place(start, err)
		}
		changes = append(changes, c)
	}
	return changes, note, nil
}

// services are those that the operation changed.
func (a *application) services(names change.Names) (services []topology.Ref, note string) {
	if ref, found := names.Find(a.name); found {
		if ref.IsZero() {
			return nil, fmt.Sprintf("application %s: not taken, by the source's services", a.name)
		}
		return []topology.Ref{ref}, ""
	}
	touched := false
	for _, o := range a.resources {
		if strings.HasSuffix(o.message, " unchanged") {
			continue
		}
		touched = true
		if change.IsWorkload(o.kind) && len(services) < change.MaxChanges {
			services = append(services, topology.Ref{Namespace: o.namespace, Name: o.name})
		}
	}
	switch {
	case len(services) > 0:
		return services, ""
	case !touched && len(a.resources) > 0:
		return nil, fmt.Sprintf("application %s: nothing was changed", a.name)
	}
	return []topology.Ref{{Namespace: a.namespace, Name: a.name}}, ""
}

// short is a commit as people read it; other revisions, such as a chart's version, stay whole.
func short(revision string) string {
	if len(revision) != 40 || strings.Trim(revision, "0123456789abcdef") != "" {
		return revision
	}
	return revision[:8]
}

// read reads the application, or the object around it.
func (a *application) read(r *body.Reader) error {
	object := a.fields(r)
	object["app"] = func() error { return r.Fields(a.fields(r)) }
	object["url"] = r.Text(&a.url)
	return r.Object(func(key string) error {
		if read, ok := object[key]; ok {
			return read()
		}
		return r.Skip()
	})
}

func (a *application) fields(r *body.Reader) body.Fields {
	return body.Fields{
		"metadata": func() error { return r.Fields(body.Fields{"name": r.Text(&a.name)}) },
		"spec": func() error {
			return r.Fields(body.Fields{"destination": func() error {
				return r.Fields(body.Fields{"namespace": r.Text(&a.namespace)})
			}})
		},
		"status": func() error {
			return r.Fields(body.Fields{"operationState": func() error { return r.Fields(a.operation(r)) }})
		},
	}
}

func (a *application) operation(r *body.Reader) body.Fields {
	return body.Fields{
		"phase":      r.Text(&a.phase),
		"message":    r.Text(&a.message),
		"finishedAt": r.Moment(&a.finished),
		"operation": func() error {
			return r.Fields(body.Fields{"sync": func() error {
				return r.Fields(body.Fields{"dryRun": func() error {
					text, err := r.Raw()
					a.dryRun = text == "true"
					return err
				}})
			}})
		},
		"syncResult": func() error {
			return r.Fields(body.Fields{
				"revision":  r.Text(&a.revision),
				"resources": func() error { return a.readResources(r) },
			})
		},
	}
}

func (a *application) readResources(r *body.Reader) error {
	if r.Null() {
		return nil
	}
	return r.Array(func(int) error {
		var o resource
		err := r.Fields(body.Fields{"kind": r.Text(&o.kind), "name": r.Text(&o.name), "namespace": r.Text(&o.namespace), "message": r.Text(&o.message)})
		if err == nil {
			a.resources = append(a.resources, o)
		}
		return err
	})
}
