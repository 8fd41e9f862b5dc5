package prometheus

import (
	"context"
	"maps"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Rule is an alerting rule of a Prometheus server.
type Rule struct {
	Name   string
	Query  string
	Labels map[string]string // those that the rule sets
}

// Server is the address of the server that the source asks.
func (s *Source) Server() string { return s.client.url }

// Rules asks the server for its alerting rules, in its order.
func (s *Source) Rules(ctx context.Context) ([]Rule, error) { return s.client.rules(ctx) }

// Server is the address of the server that the source asks.
func (k *Kubernetes) Server() string { return k.client.url }

// Rules asks the server for its alerting rules, in its order.
func (k *Kubernetes) Rules(ctx context.Context) ([]Rule, error) { return k.client.rules(ctx) }

func (c *Client) rules(ctx context.Context) ([]Rule, error) {
	answer, err := c.api.Rules(ctx, nil)
	if err != nil {
		return nil, explained("of the rules", err)
	}
	var out []Rule
	for _, group := range answer.Groups {
		for _, r := range group.Rules {
			if a, alerting := r.(v1.AlertingRule); alerting {
				out = append(out, Rule{Name: a.Name, Query: a.Query, Labels: maps.Collect(pairs(a.Labels))})
			}
		}
	}
	return out, nil
}

// pairs are a label set as plain texts.
func pairs(set model.LabelSet) func(yield func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for k, v := range set {
			if !yield(string(k), string(v)) {
				return
			}
		}
	}
}
