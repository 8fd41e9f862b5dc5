package setup

import (
	"fmt"

	metrics "github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/ingest/health/checker"
	"github.com/headwater-sre/headwater/ingest/health/prometheus"
	"github.com/headwater-sre/headwater/topology"
)

// Resolving is what the samples of a Prometheus server need to find their services.
type Resolving struct {
	// Graph is the one in force; it may return nil.
	Graph func() *topology.Graph
	// Resolver is the one for alerts.
	Resolver *topology.Resolver
	// Unmapped counts samples without a service.
	Unmapped metrics.Counter
}

// Polling makes the source.
func (s *Server) Polling(with Resolving) (checker.Polling, error) {
	o := prometheus.Options{Name: s.Name, URL: s.URL, HTTP: s.HTTP, Unmapped: with.Unmapped}
	for _, q := range s.Queries {
		resolver := q.Resolver
		if resolver == nil {
			resolver = with.Resolver
		}
		o.Queries = append(o.Queries, prometheus.Query{Expr: q.Expr, Check: q.Check, Resolve: func(labels map[string]string) (topology.Ref, bool) {
			return resolve(with.Graph(), resolver, labels)
		}})
	}
	source, err := prometheus.New(o)
	if err != nil {
		return checker.Polling{}, fmt.Errorf("health.prometheus %s: %w", s.Name, err)
	}
	return checker.Polling{Source: source, Interval: s.Interval, Timeout: s.Timeout}, nil
}

// resolve finds a service of the graph.
func resolve(g *topology.Graph, r *topology.Resolver, labels map[string]string) (topology.Ref, bool) {
	if g == nil {
		return topology.Ref{}, false
	}
	found := r.Resolve(g, labels)
	n, known := g.Lookup(found.Service)
	if !found.Mapped || !known {
		return topology.Ref{}, false
	}
	return g.Ref(n), true
}
