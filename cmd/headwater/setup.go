package main

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/api/setup"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/topology/prometheus"
)

// rulesPatience bounds how long Prometheus servers are asked for their rules. They are
// asked at the same time.
const rulesPatience = 4 * time.Second

// ruler is a topology source whose server has alerting rules. Several may have one server.
type ruler interface {
	Server() string
	Rules(ctx context.Context) ([]prometheus.Rule, error)
}

// Setup implements [api.SetupReporter].
func (s *server) Setup(ctx context.Context) setup.Facts {
	c := s.inForce.Load()
	var alertmanagers []setup.Alertmanager
	for _, a := range s.reconciler.Status() {
		alertmanagers = append(alertmanagers, setup.Alertmanager{Name: withoutPassword(a.Alertmanager), FailingSince: a.FailingSince, Error: a.Error})
	}
	return setup.Facts{
		Alertmanagers: alertmanagers,
		Started:       s.since, Resolver: c.engine.Resolver,
		Paging: pagingFacts(s.pager.Status(), s.pager.Recipients()), Rules: rulesOf(ctx, c),
	}
}

func pagingFacts(status page.Status, recipients page.Recipients) setup.Paging {
	p := setup.Paging{LogOnly: status.LogOnly, Empty: recipients.Empty}
	for _, r := range recipients.Integrations {
		in := setup.Integration{Receiver: r.Receiver, Name: r.Integration, Index: r.Index, SendResolved: r.SendResolved}
		for _, f := range status.Failing {
			if f.Receiver == r.Receiver && f.Integration == r.Integration && f.Index == r.Index {
				in.FailingSince, in.Error = f.Since, f.Error
			}
		}
		p.Integrations = append(p.Integrations, in)
	}
	return p
}

// rulesOf asks every Prometheus server of the configuration once.
func rulesOf(ctx context.Context, c *config) []setup.RuleSet {
	ctx, cancel := context.WithTimeout(ctx, rulesPatience)
	defer cancel()
	var asked []ruler
	known := map[string]bool{}
	for _, source := range c.sources {
		if r, ok := source.Source.(ruler); ok && !known[r.Server()] {
			known[r.Server()] = true
			asked = append(asked, r)
		}
	}
	sets := make([]setup.RuleSet, len(asked))
	var all sync.WaitGroup
	for i, r := range asked {
		all.Go(func() {
			rules, err := r.Rules(ctx)
			sets[i] = setup.RuleSet{Server: withoutPassword(r.Server()), Err: err}
			for _, rule := range rules {
				sets[i].Rules = append(sets[i].Rules, setup.Rule(rule))
			}
		})
	}
	all.Wait()
	return sets
}
