package main

import (
	"context"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/rollout"
	"github.com/headwater-sre/headwater/ingest/source"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

const sectionRollouts = "rollouts"

// readRollouts reads which Prometheus servers to ask for Kubernetes' rollouts.
func (p *configParser) readRollouts(n *yaml.Node, path string) {
	p.List(n, path, func(n *yaml.Node, path string) {
		s := rollout.Server{Interval: 15 * time.Second, Timeout: 10 * time.Second}
		client := p.HTTPClient()
		before := p.Count()
		p.Mapping(n, path, append([]strictyaml.Field{
			{Name: "url", Read: p.address(&s.URL, "http://prometheus:9090")},
			{Name: "interval", Read: p.period(&s.Interval, 5*time.Second)},
			{Name: "timeout", Read: p.period(&s.Timeout, time.Second)},
			{Name: "matchers", Read: func(n *yaml.Node, path string) { s.Matchers, _ = p.Scalar(n, path, `matchers such as cluster="prod"`) }},
			{Name: "services", Read: func(n *yaml.Node, path string) { s.Names = source.Names(p.Values, n, path) }},
			{Name: "scale", Read: func(n *yaml.Node, path string) { s.Scale = p.Boolean(n, path) }},
		}, client.Fields()...))
		if p.Count() == before && s.URL == "" {
			p.Bad(n, path, "needs url, such as http://prometheus:9090")
		}
		s.HTTP = client.Config(n, path, p.c.dir())
		if p.Count() != before {
			return
		}
		if err := s.Validate(); err != nil {
			p.Bad(n, path, "%v", err)
		}
		p.c.signals.rollouts = append(p.c.signals.rollouts, s)
	})
}

// startRollouts begins to watch for rollouts, if any servers are configured.
func (s *server) startRollouts(ctx context.Context) error {
	since, err := s.store.Now(ctx)
	if err != nil {
		return err
	}
	s.rollouts = rollout.New(s.bus, since, s.log.With("component", "rollouts"), s.registry)
	if err := s.rollouts.Apply(s.config.signals.rollouts); err != nil {
		return err
	}
	s.parts.run("rollouts", s.rollouts.Run)
	return nil
}
