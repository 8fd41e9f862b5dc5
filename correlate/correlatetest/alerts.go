package correlatetest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// sender is the story's Alertmanager: it knows what fires.
type sender struct {
	firing []*correlate.Alert // in the order of their first firing
}

// fire makes the alert of a firing command, known from now on as firing.
func (s *sender) fire(g *topology.Graph, args []string, now time.Time) (*correlate.AlertBatch, error) {
	plain, opts := options(args)
	if len(plain) == 0 {
		return nil, fmt.Errorf("firing what?")
	}
	a := &correlate.Alert{Annotations: map[string]string{}, StartsAt: now}
	for _, o := range []struct{ option, annotation string }{{"summary", "summary"}, {"runbook", "runbook_url"}} {
		if v, ok := opts[o.option]; ok {
			a.Annotations[o.annotation] = v
			delete(opts, o.option)
		}
	}
	began, err := takeDuration(opts, "began")
	if err != nil {
		return nil, err
	}
	a.StartsAt = now.Add(began)
	if a.Labels, err = labelsOf(g, plain, opts); err != nil {
		return nil, err
	}
	a.Fingerprint = fingerprint(a.Labels)
	for _, known := range s.firing {
		if known.Fingerprint == a.Fingerprint {
			return nil, fmt.Errorf("%s fires already: give it a label of its own, resolve it, or write resend", a.Labels["alertname"])
		}
	}
	s.firing = append(s.firing, a)
	return notification(a), nil
}

func takeDuration(opts map[string]string, name string) (time.Duration, error) {
	text, ok := opts[name]
	if !ok {
		return 0, nil
	}
	delete(opts, name)
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// labelsOf makes the label set from "{…}" or from "service AlertName [severity] [label=value …]".
func labelsOf(g *topology.Graph, plain []string, opts map[string]string) (map[string]string, error) {
	if strings.HasPrefix(plain[0], "{") {
		if len(plain) > 1 || len(opts) > 0 {
			return nil, fmt.Errorf("behind {…} only began, summary and runbook may stand, not %v %v", plain[1:], opts)
		}
		return labels(plain[0])
	}
	if len(plain) < 2 || len(plain) > 3 {
		return nil, fmt.Errorf("want <service> <AlertName> [severity], got %q", plain)
	}
	ref := topology.ParseRef(plain[0])
	if n, ok := g.Lookup(ref); ok {
		ref = g.Ref(n)
	}
	out := maps.Clone(opts)
	out["alertname"], out["service"] = plain[1], ref.Name
	if ref.Namespace != "" {
		out["namespace"] = ref.Namespace
	}
	if len(plain) == 3 {
		out["severity"] = plain[2]
	}
	return out, nil
}

// resolve ends the firing alerts that the command names.
func (s *sender) resolve(args []string, now time.Time) (*correlate.AlertBatch, error) {
	plain, opts := options(args)
	ago, err := takeDuration(opts, "ended")
	if err != nil {
		return nil, err
	}
	want := maps.Clone(opts)
	switch {
	case len(plain) == 1 && plain[0] == "everything":
	case len(plain) == 1 && strings.HasPrefix(plain[0], "{"):
		if want, err = labels(plain[0]); err != nil {
			return nil, err
		}
	case len(plain) == 2:
		want["service"], want["alertname"] = topology.ParseRef(plain[0]).Name, plain[1]
	default:
		return nil, fmt.Errorf("want resolved <service> <AlertName>, resolved {…} or resolved everything")
	}
	var ended []*correlate.Alert
	s.firing = slices.DeleteFunc(s.firing, func(a *correlate.Alert) bool {
		if !has(a.Labels, want) {
			return false
		}
		over := *a
		over.Status, over.EndsAt = correlate.Resolved, now.Add(ago)
		ended = append(ended, &over)
		return true
	})
	if len(ended) == 0 {
		return nil, fmt.Errorf("nothing that fires has the labels %v", want)
	}
	return notification(ended...), nil
}

// reconcile makes what comes of asking the Alertmanager about the alerts that the command names.
func (s *sender) reconcile(what string, plain []string, opts map[string]string, now time.Time) (*correlate.AlertBatch, error) {
	reason := ""
	switch {
	case what == "muted" && len(plain) == 3:
		reason, plain = plain[2], plain[:2]
	case what == "muted" || len(plain) != 2:
		return nil, fmt.Errorf(`want muted <service> <AlertName> "reason", unmuted or gone <service> <AlertName>`)
	}
	want := maps.Clone(opts)
	want["service"], want["alertname"] = topology.ParseRef(plain[0]).Name, plain[1]
	b := &correlate.AlertBatch{Source: correlate.SourceReconciliation, ExternalURL: "http://alertmanager"}
	for _, a := range s.firing {
		if !has(a.Labels, want) {
			continue
		}
		told := *a
		told.Muted = reason
		if what == "gone" {
			told.Status, told.EndsAt = correlate.Resolved, now
		}
		b.Alerts = append(b.Alerts, told)
	}
	if len(b.Alerts) == 0 {
		return nil, fmt.Errorf("nothing that fires has the labels %v", want)
	}
	if what == "gone" {
		s.firing = slices.DeleteFunc(s.firing, func(a *correlate.Alert) bool { return has(a.Labels, want) })
	}
	return b, nil
}

func has(l, want map[string]string) bool {
	for k, v := range want {
		if l[k] != v {
			return false
		}
	}
	return true
}

// notification is what Alertmanager's webhook carries.
func notification(alerts ...*correlate.Alert) *correlate.AlertBatch {
	b := &correlate.AlertBatch{Source: "alertmanager", Receiver: "headwater"}
	for _, a := range alerts {
		b.Alerts = append(b.Alerts, *a)
	}
	return b
}

// fingerprint names a label set.
func fingerprint(l map[string]string) string {
	h := fnv.New64a()
	for _, k := range slices.Sorted(maps.Keys(l)) {
		_, _ = fmt.Fprintf(h, "%s\xff%s\xff", k, l[k]) // a hash never fails
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
