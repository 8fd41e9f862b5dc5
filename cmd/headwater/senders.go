package main

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/ingest"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/ingest/reconcile"
	"github.com/headwater-sre/headwater/ingest/rollout"
	"github.com/headwater-sre/headwater/ingest/source"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// signalsConfig is what the file says about where signals come from.
type signalsConfig struct {
	senders       []*source.Source
	alertmanagers []reconcile.Alertmanager
	rollouts      []rollout.Server
}

// signalSections are the top-level keys that say where signals come from.
func (p *configParser) signalSections() []strictyaml.Field {
	return []strictyaml.Field{
		{Name: source.Section, Read: func(n *yaml.Node, path string) {
			r := &source.Reader{Values: p.Values, Dir: p.c.dir()}
			p.c.signals.senders = r.Read(n, path)
		}},
		{Name: sectionAlertmanagers, Read: p.readAlertmanagers},
		{Name: sectionRollouts, Read: p.readRollouts},
	}
}

const sectionAlertmanagers = "alertmanagers"

// readAlertmanagers reads which Alertmanagers to compare with.
func (p *configParser) readAlertmanagers(n *yaml.Node, path string) {
	p.List(n, path, p.readAlertmanager)
	all := p.c.signals.alertmanagers
	if len(all) > 1 && slices.ContainsFunc(all, func(a reconcile.Alertmanager) bool { return a.ExternalURL == "" }) {
		p.Bad(n, path, "each needs an external_url, the --web.external-url that it was started with: of several Alertmanagers, it tells whose alerts are whose; those of one cluster have the same")
	}
}

func (p *configParser) readAlertmanager(n *yaml.Node, path string) {
	a := reconcile.Alertmanager{Interval: time.Minute, Timeout: 10 * time.Second}
	client := p.HTTPClient()
	before := p.Count()
	p.Mapping(n, path, append([]strictyaml.Field{
		{Name: "url", Read: p.address(&a.URL, "http://alertmanager:9093")},
		{Name: "external_url", Read: p.address(&a.ExternalURL, "https://alertmanager.example.com")},
		{Name: "interval", Read: p.period(&a.Interval, 5*time.Second)},
		{Name: "timeout", Read: p.period(&a.Timeout, time.Second)},
		{Name: "receiver", Read: func(n *yaml.Node, path string) {
			a.Receiver, _ = p.Scalar(n, path, "a regular expression for receivers")
		}},
		{Name: "matchers", Read: func(n *yaml.Node, path string) { p.List(n, path, p.matcher(&a.Matchers)) }},
	}, client.Fields()...))
	if p.Count() == before && a.URL == "" {
		p.Bad(n, path, "needs url, such as http://alertmanager:9093")
	}
	a.HTTP = client.Config(n, path, p.c.dir())
	if p.Count() == before {
		if err := a.Validate(); err != nil {
			p.Bad(n, path, "%v", err)
		}
		p.c.signals.alertmanagers = append(p.c.signals.alertmanagers, a)
	}
}

// address reads an http or https address.
func (p *configParser) address(into *string, example string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		want := "an address such as " + example
		s, ok := p.Scalar(n, path, want)
		if !ok {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
			p.Bad(n, path, "%q is not %s", s, want)
		}
		*into = strings.TrimRight(s, "/")
	}
}

// period reads a duration of at least least.
func (p *configParser) period(into *time.Duration, least time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		v, ok := p.Duration(n, path)
		if ok && time.Duration(v) < least {
			p.Bad(n, path, "%s is too short; write at least %s", v, least)
		}
		*into = time.Duration(v)
	}
}

// matcherPattern tells a matcher from a slip; Alertmanager refuses what is wrong beyond that.
var matcherPattern = regexp.MustCompile(`^[^=!~{}]+(=|!=|=~|!~).*$`)

func (p *configParser) matcher(into *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		s, ok := p.Scalar(n, path, `a matcher such as team="shop"`)
		if !ok {
			return
		}
		if !matcherPattern.MatchString(s) {
			p.Bad(n, path, "%q is no matcher; write one as Alertmanager has them, such as team=\"shop\"", s)
		}
		*into = append(*into, s)
	}
}

// reconciliation is what the configuration says of comparing with Alertmanagers.
func (c *config) reconciliation() reconcile.Settings {
	return reconcile.Settings{Alertmanagers: c.signals.alertmanagers, StaleAfter: c.engine.StaleAfter}
}

// startReconciler begins to compare with Alertmanagers, if any are configured.
func (s *server) startReconciler() error {
	s.reconciler = reconcile.New(reconcile.Options{
		Publisher: s.bus, Keeper: firingAlerts{s.store}, Logger: s.log.With("component", "reconcile"), Registerer: s.registry,
	})
	if err := s.reconciler.Apply(s.config.reconciliation()); err != nil {
		return err
	}
	if s.o.simulated == nil {
		s.parts.run("reconciliation", s.reconciler.Run)
	}
	return nil
}

// firingAlerts implements [reconcile.Keeper].
type firingAlerts struct{ store *store.Store }

// Firing returns the alerts that fire.
func (f firingAlerts) Firing(ctx context.Context) (firing []*correlate.AlertState, err error) {
	_, err = f.store.ScanAlerts(ctx, store.AlertScan{}, func(a *correlate.AlertState) bool {
		if a.Active() {
			firing = append(firing, a)
		}
		return true
	})
	return firing, err
}

// takesButtons reports whether somebody takes what Slack posts when a button is pressed.
func (c *config) takesButtons() bool {
	return slices.ContainsFunc(c.signals.senders, func(s *source.Source) bool { return s.Kind == source.KindSlack })
}

// describeSenders names them with their kinds.
func describeSenders(senders []*source.Source) string {
	var names []string
	for _, s := range senders {
		name := s.Name + " (" + s.Kind
		if !s.Guarded() {
			name += ", no secret of its own"
		}
		names = append(names, name+")")
	}
	return strings.Join(names, ", ")
}

// deliver has the intake take what somebody published on NATS.
func (s *server) deliver(ctx context.Context, p bus.Parcel) error {
	return s.intake.Deliver(ctx, ingest.Message{
		To: p.To, ContentType: p.Header.Get("Content-Type"), Header: p.Header, Body: p.Body, RemoteAddr: "nats " + p.Subject,
	})
}
