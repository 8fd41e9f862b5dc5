package main

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
)

//go:embed demo/connection-collapse.yaml
var storyFile []byte

//go:embed demo/topology.yaml
var storyTopology []byte

// story is a recorded outage: what monitoring would have said, and when. Times
// count from its first alert.
type story struct {
	Title     string            `yaml:"title"`
	Common    map[string]string `yaml:"common"` // labels on every alert
	Narration []narration       `yaml:"narration"`
	Changes   []storyChange     `yaml:"changes"`
	Health    []storyHealth     `yaml:"health"`
	Alerts    []storyAlert      `yaml:"alerts"`
}

// narration is what somebody who sees everything would say.
type narration struct {
	At   offset `yaml:"at"`
	Text string `yaml:"text"`
}

type storyChange struct {
	At      offset `yaml:"at"`
	Ago     offset `yaml:"ago"` // how long before At it was made
	Service string `yaml:"service"`
	Kind    string `yaml:"kind"`
	Summary string `yaml:"summary"`
	URL     string `yaml:"url"`
}

// storyHealth is one check that says the same for a while, every [checkEvery].
type storyHealth struct {
	Service   string `yaml:"service"`
	Check     string `yaml:"check"`
	From      offset `yaml:"from"`
	Until     offset `yaml:"until"`
	Status    string `yaml:"status"`
	LatencyMS int    `yaml:"latency_ms"`
	Message   string `yaml:"message"`
}

const checkEvery = 30 * time.Second

// failuresToAlert is the default of health.failure_threshold, which the demo uses.
const failuresToAlert = 3

type storyAlert struct {
	At      offset            `yaml:"at"`
	Until   offset            `yaml:"until"`
	Labels  map[string]string `yaml:"labels"`
	Summary string            `yaml:"summary"`
}

// offset is a time from the story's beginning, or a span of it.
type offset time.Duration

// UnmarshalYAML reads a Prometheus duration.
func (o *offset) UnmarshalYAML(n *yaml.Node) error {
	d, err := model.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*o = offset(d)
	return nil
}

func parseStory(text []byte) (*story, error) {
	s := new(story)
	if err := yaml.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read the story: %w", err)
	}
	if len(s.Alerts) == 0 {
		return nil, errors.New("read the story: it has no alerts")
	}
	for i, a := range s.Alerts {
		if a.Until <= a.At {
			return nil, fmt.Errorf("read the story: alerts[%d] ends before it begins", i)
		}
		for k, v := range s.Common {
			a.Labels[k] = v
		}
	}
	return s, nil
}

// end is when the last alert ends.
func (s *story) end() time.Duration {
	last := slices.MaxFunc(s.Alerts, func(a, b storyAlert) int { return int(a.Until - b.Until) })
	return time.Duration(last.Until)
}

// failures is how many checks fail for so long that it counts as an alert.
func (s *story) failures() int {
	n := 0
	for _, h := range s.Health {
		failing := h.Status == correlate.HealthFailing.String() || h.Status == correlate.HealthDegraded.String()
		if failing && time.Duration(h.Until-h.From) >= failuresToAlert*checkEvery {
			n++
		}
	}
	return n
}

// fingerprint is Alertmanager's.
func (a *storyAlert) fingerprint() string {
	set := make(model.LabelSet, len(a.Labels))
	for k, v := range a.Labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	return set.Fingerprint().String()
}
