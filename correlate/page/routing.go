package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	matchers "github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
)

// target names one integration of one receiver. It outlives reloads.
type target struct {
	receiver    string
	integration string
	index       int
}

func targetOf(d *correlate.Delivery) target {
	return target{d.Receiver, d.Integration, d.Index}
}

// The target of a receiver that has no integrations: a way to say "nobody".
const noIntegration = "none"

// logReceiver stands for the log where there are no receivers.
const logReceiver = "log"

// integration is a target that can be reached.
type integration struct {
	target
	notify notify.Integration
	// slots bounds the pages that are under way to it.
	slots chan struct{}
	// cannotEdit says why updates are not for it; empty when they are.
	cannotEdit string
	// threaded: it edits a message that it must be reminded of.
	threaded bool
	// threads answers below that message; nil: nobody does.
	threads *slackThreads
	// status is set of a status page, which has no notifier.
	status *statusPage
	// plain is notify without the button that acknowledges, for an incident that somebody
	// has or that is over; nil: there is no button.
	plain *notify.Integration
	// folds: see [rules].
	folds bool
}

// routing is one configuration made ready. It is immutable; a reload replaces it.
type routing struct {
	root     *dispatch.Route // nil: log only
	hours    *Hours
	tmpl     *template.Template
	targets  map[target]*integration
	noticing map[*dispatch.Route]bool // the routes that ask for notices
	outside  []target                 // see [rules]
	of       map[string][]target      // by receiver
	replaced chan struct{}            // closed by the reload that replaces it
}

func newRouting(c *Config, externalURL *url.URL, logger *slog.Logger) (*routing, error) {
	r := &routing{targets: make(map[target]*integration), of: make(map[string][]target), replaced: make(chan struct{})}
	if err := r.addStatusPages(c); err != nil {
		return nil, err
	}
	if c.LogOnly() {
		r.add(amconfig.Receiver{Name: logReceiver}, logIntegration(logger))
		return r, nil
	}
	var err error
	if r.tmpl, err = loadTemplates(c.alertmanager.Templates, externalURL); err != nil {
		return nil, err
	}
	r.root, r.hours = dispatch.NewRoute(c.alertmanager.Route, nil), c.Hours()
	r.noticing = noticingRoutes(r.root, false, make(map[*dispatch.Route]bool))
	for _, rc := range c.alertmanager.Receivers {
		if err := r.build(c, rc, logger.With("receiver", rc.Name)); err != nil {
			return nil, fmt.Errorf("receiver %q: %w", rc.Name, err)
		}
	}
	return r, nil
}

// build makes the integrations of a receiver.
func (r *routing) build(c *Config, rc amconfig.Receiver, logger *slog.Logger) error {
	options := c.clientOptions(rc.Name)
	built, err := receiver.BuildReceiverIntegrations(rc, r.tmpl, logger, options...)
	if err != nil {
		return err
	}
	r.of[rc.Name] = nil
	for _, in := range built {
		r.add(rc, in)
	}
	for i, sc := range rc.SlackConfigs {
		in := r.targets[target{rc.Name, "slack", i}]
		if !in.threaded {
			continue
		}
		if in.threads, err = newSlackThreads(sc, options...); err != nil {
			return fmt.Errorf("slack_configs[%d]: %w", i, err)
		}
	}
	if !c.buttons || len(rc.SlackConfigs) == 0 {
		return nil
	}
	buttons, err := receiver.BuildReceiverIntegrations(withButton(rc), r.tmpl, logger, options...)
	for _, in := range buttons {
		if added := r.targets[target{rc.Name, in.Name(), in.Index()}]; in.Name() == "slack" {
			plain := added.notify
			added.notify, added.plain = in, &plain
		}
	}
	return err
}

// withButton are a receiver's Slack integrations, with a button that acknowledges.
func withButton(rc amconfig.Receiver) amconfig.Receiver {
	only := amconfig.Receiver{Name: rc.Name, Labels: rc.Labels}
	configs := make([]*amconfig.SlackConfig, len(rc.SlackConfigs))
	for i, c := range rc.SlackConfigs {
		with := *c
		with.Actions = append(slices.Clip(slices.Clone(c.Actions)), &amconfig.SlackAction{
			Type: "button", Text: "Acknowledge", Style: "primary", Name: AcknowledgeAction, Value: `{{ (headwater .).Incident }}`,
		})
		configs[i] = &with
	}
	only.SlackConfigs = configs
	return only
}

// AcknowledgeAction is the name of the button that acknowledges; its value is the incident's id.
const AcknowledgeAction = "headwater_acknowledge"

// notifierFor is what takes the page: with the button that acknowledges while that is of use.
func (in *integration) notifierFor(p *correlate.Page) *notify.Integration {
	nothing := p.Incident.Number == 0 // a bulletin: there is nothing to acknowledge
	if in.plain != nil && (nothing || p.Kind == correlate.PageResolve || p.Kind == correlate.PageNotice || p.Incident.Ack != nil) {
		return in.plain
	}
	return &in.notify
}

func (r *routing) add(rc amconfig.Receiver, in notify.Integration) {
	t := target{rc.Name, in.Name(), in.Index()}
	r.of[rc.Name] = append(r.of[rc.Name], t)
	r.targets[t] = &integration{
		target: t, notify: in,
		cannotEdit: cannotEdit(rc, in.Name(), in.Index()),
		threaded:   in.Name() == "slack" && rc.SlackConfigs[in.Index()].UpdateMessage,
		folds:      slices.Contains(folding, in.Name()),
	}
}

// folding are the integrations that ring for a key once: what they know by it already
// they only write down. A webhook's owner is told by the page's kind.
var folding = []string{"pagerduty", "opsgenie", "victorops", "incidentio"}

// cannotEdit says why an integration should not get updates, or "" when it can
// change what it showed before.
func cannotEdit(rc amconfig.Receiver, kind string, index int) string {
	switch rc.Labels[updatesLabel] {
	case "always":
		return ""
	case "never":
		return "the receiver's label " + updatesLabel + " is never"
	}
	switch kind {
	case "pagerduty", "victorops", "webhook", "jira", "incidentio", "log":
		return "" // folds by the incident's key
	case "opsgenie":
		if rc.OpsGenieConfigs[index].UpdateAlerts {
			return ""
		}
		return "opsgenie keeps the first text unless update_alerts is true"
	case "slack":
		if rc.SlackConfigs[index].UpdateMessage {
			return ""
		}
		return "slack would post again; it edits when update_message is true"
	}
	return kind + " cannot edit what it sent"
}

// route returns the targets that a page which was decided at a time goes to, each once, in
// the order of the route tree: those of the routes that were open then. Where none was, as by
// a configuration that is younger than the page, it is those of all routes: a decided page reaches somebody.
func (r *routing) route(labels map[string]string, at time.Time) []target {
	if r.root == nil {
		return r.of[logReceiver]
	}
	var names, open []string
	for _, match := range r.root.Match(labelSet(labels)) {
		names = append(names, match.RouteOpts.Receiver)
		if r.hours.mutes(&match.RouteOpts, at) == "" {
			open = append(open, match.RouteOpts.Receiver)
		}
	}
	if len(open) > 0 {
		names = open
	}
	return r.named(names)
}

// named implements [rules]. A receiver that is not configured is one without integrations.
func (r *routing) named(receivers []string) []target {
	if r.root == nil {
		return r.of[logReceiver]
	}
	var to []target
	seen := make(map[string]bool)
	for _, name := range receivers {
		if seen[name] {
			continue
		}
		seen[name] = true
		if len(r.of[name]) == 0 {
			to = append(to, target{receiver: name, integration: noIntegration})
		}
		to = append(to, r.of[name]...)
	}
	return to
}

// noticingRoutes are the routes that ask for notices: those with a matcher on the label,
// and all below them. A route that does not speak of notices gets none, or every team whose
// service is hit by somebody else's failure would be rung.
func noticingRoutes(r *dispatch.Route, above bool, into map[*dispatch.Route]bool) map[*dispatch.Route]bool {
	asks := above || slices.ContainsFunc(r.Matchers, func(m *matchers.Matcher) bool { return m.Name == NoticeLabel })
	if asks {
		into[r] = true
	}
	for _, child := range r.Routes {
		noticingRoutes(child, asks, into)
	}
	return into
}

// notices implements [rules].
func (r *routing) notices(labels map[string]string, at time.Time) []target {
	if r.root == nil {
		return nil
	}
	var names []string
	for _, match := range r.root.Match(labelSet(labels)) {
		if r.noticing[match] && r.hours.mutes(&match.RouteOpts, at) == "" {
			names = append(names, match.RouteOpts.Receiver)
		}
	}
	return r.named(names)
}

// public implements [rules].
func (r *routing) public() []target { return r.outside }

// folds implements [rules].
func (r *routing) folds(t target) bool {
	in := r.targets[t]
	return in != nil && in.folds
}

// optsFor returns the options of the first route that leads the labels to a
// receiver; the root's when, after a reload, none does any more.
func (r *routing) optsFor(labels map[string]string, name string) dispatch.RouteOpts {
	if r.root == nil {
		return dispatch.DefaultRouteOpts
	}
	for _, match := range r.root.Match(labelSet(labels)) {
		if match.RouteOpts.Receiver == name {
			return match.RouteOpts
		}
	}
	return r.root.RouteOpts
}

// refuses implements [rules].
func (r *routing) refuses(t target, kind correlate.PageKind) string {
	in := r.targets[t]
	switch {
	case t.integration == noIntegration:
		if _, known := r.of[t.receiver]; !known {
			return "the receiver is no longer configured"
		}
		return "the receiver has no integrations"
	case in == nil:
		return "the receiver is no longer configured"
	case kind == correlate.PageUpdate:
		return in.cannotEdit
	case kind == correlate.PageResolve && !in.notify.SendResolved():
		return "send_resolved is false"
	}
	return ""
}

func labelSet(labels map[string]string) model.LabelSet {
	set := make(model.LabelSet, len(labels))
	for k, v := range labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	return set
}

// logNotifier writes pages to the log, for a configuration without receivers.
type logNotifier struct{ logger *slog.Logger }

func logIntegration(logger *slog.Logger) notify.Integration {
	return notify.NewIntegration(logNotifier{logger}, always{}, "log", 0, logReceiver)
}

// Notify implements [notify.Notifier].
func (n logNotifier) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	if len(alerts) == 0 {
		return false, errors.New("page without an alert")
	}
	key, _ := notify.GroupKey(ctx)
	notes := alerts[0].Annotations
	n.logger.Warn("page", "key", key, "kind", string(notes["kind"]), "title", string(notes["summary"]), "text", string(notes["description"]))
	return false, nil
}

type always struct{}

// SendResolved implements [notify.ResolvedSender].
func (always) SendResolved() bool { return true }
