// Package prometheus makes health results of what a Prometheus server knows: whether
// probes that others run succeed (probe_success), whether targets can be scraped (up), or
// any query whose samples are 1 for good and 0 for bad.
//
// Samples of one service are one result: passing when all are good, failing when all are
// bad, degraded between. Which service a sample is about is told by its labels, as with
// alerts. Samples that name no service of the topology are left out and counted, since a
// guess from a job's name would put checks onto services that do not exist.
package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/health/checker"
	"github.com/headwater-sre/headwater/topology"
)

// maxSamples bounds the answer to one query.
const maxSamples = 100_000

// Query is one question to the server.
type Query struct {
	Expr string // PromQL; above 0 is good
	// Check is the name of the check that the samples are results of.
	Check string
	// Resolve tells which service a sample is about; false: none that is known. It is safe
	// for concurrent use.
	Resolve func(labels map[string]string) (topology.Ref, bool)
}

// Options of [New].
type Options struct {
	Name    string // for people, and in metrics
	URL     string // such as http://prometheus:9090
	HTTP    config.HTTPClientConfig
	Queries []Query
	// Unmapped counts samples that no service was found for; nil: nobody does.
	Unmapped prometheus.Counter
}

// Source is a [checker.Source].
type Source struct {
	options Options
	api     v1.API
}

// New makes a source. It asks nothing yet.
func New(o Options) (*Source, error) {
	transport, err := config.NewRoundTripperFromConfig(o.HTTP, "headwater_health_prometheus")
	if err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	client, err := api.NewClient(api.Config{Address: o.URL, RoundTripper: transport})
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	return &Source{o, v1.NewAPI(client)}, nil
}

// Name implements [checker.Source].
func (s *Source) Name() string { return s.options.Name }

// Poll implements [checker.Source]: either all queries are answered, or none is.
func (s *Source) Poll(ctx context.Context) ([]checker.Observation, error) {
	var all []checker.Observation
	for i := range s.options.Queries {
		q := &s.options.Queries[i]
		samples, err := s.ask(ctx, q.Expr)
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", q.Expr, err)
		}
		results, unmapped := Results(q, samples)
		all = append(all, results...)
		if s.options.Unmapped != nil {
			s.options.Unmapped.Add(float64(unmapped))
		}
	}
	return all, nil
}

func (s *Source) ask(ctx context.Context, expr string) (model.Vector, error) {
	value, _, _, err := s.api.Query(ctx, expr, time.Time{})
	if err != nil {
		var answered *v1.Error
		if errors.As(err, &answered) && (answered.Type == v1.ErrBadResponse || answered.Type == v1.ErrClient) {
			return nil, fmt.Errorf("%s; is this the address of a Prometheus server?", answered.Msg)
		}
		return nil, err
	}
	v, ok := value.(model.Vector)
	switch {
	case !ok:
		return nil, fmt.Errorf("the answer is a %s, no vector", value.Type())
	case len(v) > maxSamples:
		return nil, fmt.Errorf("%d samples are more than %d; narrow the query with matchers", len(v), maxSamples)
	}
	return v, nil
}

// group is the samples of one service.
type group struct {
	good int
	bad  []string // names of the bad ones
	at   model.Time
}

// Results makes one result a service of the samples, sorted, and says how many were about
// none.
func Results(q *Query, samples model.Vector) (all []checker.Observation, unmapped int) {
	groups := map[topology.Ref]*group{}
	for _, s := range samples {
		service, known := q.Resolve(labelsOf(s.Metric))
		if !known {
			unmapped++
			continue
		}
		g := groups[service]
		if g == nil {
			g = &group{}
			groups[service] = g
		}
		if s.Value > 0 {
			g.good++
		} else {
			g.bad = append(g.bad, nameOf(s.Metric))
		}
		g.at = max(g.at, s.Timestamp)
	}
	for _, service := range slices.SortedFunc(maps.Keys(groups), compareRefs) {
		g := groups[service]
		o := checker.Observation{Key: checker.Key{Service: service, Check: q.Check}, At: g.at.Time().UTC()}
		o.Status, o.Message = g.verdict()
		all = append(all, o)
	}
	return all, unmapped
}

func (g *group) verdict() (correlate.HealthStatus, string) {
	const most = 3
	slices.Sort(g.bad)
	names := strings.Join(g.bad[:min(len(g.bad), most)], ", ")
	if more := len(g.bad) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	switch {
	case len(g.bad) == 0:
		return correlate.HealthPassing, ""
	case g.good == 0:
		return correlate.HealthFailing, "down: " + names
	}
	return correlate.HealthDegraded, fmt.Sprintf("%d of %d down: %s", len(g.bad), len(g.bad)+g.good, names)
}

func labelsOf(m model.Metric) map[string]string {
	out := make(map[string]string, len(m))
	for name, value := range m {
		out[string(name)] = string(value)
	}
	return out
}

// nameOf is what people call a target.
func nameOf(m model.Metric) string {
	return cmp.Or(string(m["pod"]), string(m[model.InstanceLabel]), m.String())
}

func compareRefs(a, b topology.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
