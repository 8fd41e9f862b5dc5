package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/api"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/ingest/health"
	"github.com/headwater-sre/headwater/ingest/health/checker"
	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/ingest/health/setup"
	"github.com/headwater-sre/headwater/topology"
)

// probing runs the health checks that the configuration and the topology ask for.
type probing struct {
	checker  *checker.Checker
	store    *store.Store
	log      *slog.Logger
	unmapped prometheus.Counter
	bad      prometheus.Gauge
	// next has the configuration to follow from now on; only the latest matters.
	next chan *config

	// These belong to run.
	sources     []checker.Polling // of the configuration in force
	concurrency int
}

// graphInterval is how soon a label in the topology becomes a check.
const graphInterval = 2 * time.Second

func newProbing(c *config, st *store.Store, b *bus.Bus, reg prometheus.Registerer, log *slog.Logger) *probing {
	p := &probing{
		store: st, log: log, next: make(chan *config, 1), concurrency: c.probes.Concurrency,
		checker: checker.New(checker.Options{
			Publisher: probePublisher{b, log}, Concurrency: c.probes.Concurrency, Logger: log, Registerer: reg,
		}),
		unmapped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_probe_source_unmapped_total", Help: "Samples of Prometheus servers that were about no service of the topology.",
		}),
		bad: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headwater_probe_label_errors", Help: "Labels in the topology that ask for a check and make no sense, or are not allowed.",
		}),
	}
	reg.MustRegister(p.unmapped, p.bad)
	p.follow(c)
	return p
}

// follow has c's health section obeyed.
func (p *probing) follow(c *config) {
	select {
	case <-p.next:
	default:
	}
	p.next <- c // there is room: nobody else sends
}

// run keeps the checker's plan in line with configuration and topology until ctx ends.
func (p *probing) run(ctx context.Context) error {
	ticker := time.NewTicker(graphInterval)
	defer ticker.Stop()
	c, fresh := <-p.next, true // the first is there from the start
	planned := ""
	for {
		graph := p.graph()
		if fresh {
			p.adopt(c)
		}
		if fresh || c.probes.Labels != nil && graph.Version() != planned {
			planned = graph.Version()
			if err := p.checker.Do(ctx, p.plan(c, graph)); err != nil {
				return nil // we are stopping
			}
		}
		select {
		case c = <-p.next:
			fresh = true
		case <-ticker.C:
			fresh = false
		case <-ctx.Done():
			return nil
		}
	}
}

// adopt takes from c what the topology has no part in.
func (p *probing) adopt(c *config) {
	engine := c.engine.WithDefaults()
	p.checker.Tune(checker.Tuning{Refresh: c.probes.Refresh, FailureThreshold: engine.FailureThreshold, SuccessThreshold: engine.SuccessThreshold})
	p.sources = nil
	for i := range c.probes.Prometheus {
		polling, err := c.probes.Prometheus[i].Polling(setup.Resolving{Graph: p.graph, Resolver: engine.Resolver, Unmapped: p.unmapped})
		if err != nil {
			p.log.Error("Source of health results cannot be asked", "err", err)
			continue
		}
		p.sources = append(p.sources, polling)
	}
	if c.probes.Concurrency != p.concurrency {
		p.log.Warn("Some changes take effect at the next start only", "settings", "health.concurrency")
	}
}

// loggedProblems bounds the lines about one version of the topology.
const loggedProblems = 10

// plan is what there is to do. Mistakes in labels are told and leave the rest as it is.
func (p *probing) plan(c *config, graph *topology.Graph) checker.Plan {
	plan := checker.Plan{Checks: slices.Clone(c.probes.Checks), Sources: p.sources}
	p.bad.Set(0)
	if l := c.probes.Labels; l != nil && graph != nil {
		labelled, problems := l.Checks(graph, c.probes.Checks)
		plan.Checks = append(plan.Checks, labelled...)
		p.bad.Set(float64(len(problems)))
		for _, err := range problems[:min(len(problems), loggedProblems)] {
			p.log.Warn("Label asks for a health check that cannot be", "err", err, "all", len(problems))
		}
	}
	p.log.Info("Health checks", "checks", len(plan.Checks), "sources", len(plan.Sources))
	return plan
}

func (p *probing) graph() *topology.Graph {
	g, _ := p.store.Graph()
	return g
}

// attentionTime is how long every result is published after an incident last grew: as
// long as its origin may still be in question.
const attentionTime = 15 * time.Minute

// attend tells the checker when an incident is under way, until ctx ends.
func (p *probing) attend(ctx context.Context) error {
	known := map[string]int{} // alerts of open incidents
	revision := p.store.Revision()
	var until time.Time
	for {
		changed, err := p.store.ChangedIncidents(ctx, revision, func(i *correlate.Incident) bool {
			if i.State != correlate.IncidentOpen {
				delete(known, i.ID)
				return true
			}
			if i.Alerts > known[i.ID] {
				until = time.Now().Add(attentionTime)
			}
			known[i.ID] = i.Alerts
			return true
		})
		if err == nil {
			revision = changed
		}
		p.checker.Attend(time.Now().Before(until))
		select { // a storm is looked at twice a second
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
		select {
		case <-p.store.Changed(revision):
		case <-time.After(10 * time.Second): // time passes without changes too
		case <-ctx.Done():
			return nil
		}
	}
}

// probePublisher puts results on the stream.
type probePublisher struct {
	bus *bus.Bus
	log *slog.Logger
}

// Report implements [checker.Publisher]. Results that no later attempt would bring
// through are logged and given up.
func (p probePublisher) Report(ctx context.Context, b *correlate.HealthBatch) (uint64, error) {
	good := make([]correlate.HealthResult, 0, len(b.Results))
	for _, r := range b.Results {
		if err := health.Admit(&r); err != nil {
			p.log.Error("Health result is of no use", "service", r.Service.String(), "check", r.Check, "err", err)
			continue
		}
		good = append(good, r)
	}
	if len(good) == 0 {
		return 0, nil
	}
	pos, err := p.bus.Publish(ctx, &correlate.HealthBatch{Source: b.Source, Results: good})
	if errors.Is(err, bus.ErrTooLarge) {
		p.log.Error("Health results are too large for the stream", "err", err)
		return pos, nil
	}
	return pos, err
}

// probes is what the API shows of the checker.
func (p *probing) probes() []api.Probe {
	states := p.checker.States()
	all := make([]api.Probe, len(states))
	for i := range states {
		s := &states[i]
		all[i] = api.Probe{
			Service: s.Service, Check: s.Key.Check, Target: withoutPassword(s.Target), Module: s.Module, Source: s.Source, Interval: s.Interval,
			Status: s.Latest.Status, Message: s.Latest.Message, CheckedAt: s.Latest.At, Latency: s.Latest.Latency, CertificateExpires: s.Latest.CertificateExpires,
		}
		for phase, took := range s.Latest.Phases {
			if took > 0 {
				all[i].Phases = append(all[i].Phases, api.ProbePhase{Name: probe.Phase(phase).String(), Took: took})
			}
		}
	}
	return all
}

// withoutPassword is a target as people may see it.
func withoutPassword(target string) string {
	if !strings.Contains(target, "@") {
		return target
	}
	u, err := url.Parse(target)
	if err != nil || u.User == nil {
		return target
	}
	u.User = url.User("redacted")
	return u.String()
}
