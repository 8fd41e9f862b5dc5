package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// rumour is a source of a kind that only these tests have.
type rumour struct{ name, from string }

func (r rumour) Name() string { return r.name }

func (r rumour) Fetch(context.Context) (discovery.Report, error) { return discovery.Report{}, nil }

// withRumours makes the kind known for one test.
func withRumours(t *testing.T) {
	before := sourceKinds
	t.Cleanup(func() { sourceKinds = before })
	sourceKinds = append(slices.Clone(before), sourceKind{
		key: "rumours", short: "from", defaults: discovery.Config{RefreshInterval: time.Minute, TTL: time.Hour},
		entry: func(p *configParser) ([]strictyaml.Field, func(string) (discovery.Source, error)) {
			r := rumour{name: "rumours"}
			keys := []strictyaml.Field{{Name: "from", Read: func(n *yaml.Node, path string) { r.from, _ = p.Scalar(n, path, "somebody") }}}
			return keys, func(name string) (discovery.Source, error) {
				if r.from == "" {
					return nil, errors.New("says nothing of from; write who says so")
				}
				if name != "" {
					r.name = name
				}
				return r, nil
			}
		},
	})
}

func TestTopologySourcesAreReadFromTheirSections(t *testing.T) {
	withRumours(t)
	c, err := parseConfig("h.yaml", []byte("topology:\n  rumours:\n    - kitchen\n    - {from: street, name: gossip, ttl: 2h, refresh_interval: 5m, timeout: 3s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.sources) != 2 || len(c.warnings) != 0 {
		t.Fatalf("%d sources, warnings %v", len(c.sources), c.warnings)
	}
	first, second := c.sources[0], c.sources[1]
	if first.Source != (rumour{"rumours", "kitchen"}) || first.TTL != time.Hour || first.RefreshInterval != time.Minute {
		t.Errorf("a text alone, with the kind's defaults: %+v", first)
	}
	if second.Source != (rumour{"gossip", "street"}) || second.TTL != 2*time.Hour || second.RefreshInterval != 5*time.Minute || second.Timeout != 3*time.Second {
		t.Errorf("all keys: %+v", second)
	}
	again, err := parseConfig("h.yaml", []byte("topology:\n  rumours:\n    - {name: gossip,   from: street, timeout: 3s, refresh_interval: 5m, ttl: 2h}\n    - kitchen # still\n"))
	if err != nil {
		t.Fatal(err)
	}
	if again.sources[0].Identity != second.Identity || again.sources[1].Identity != first.Identity {
		t.Error("the same settings in another spelling are another identity")
	}
	if first.Identity == second.Identity {
		t.Error("other settings, the same identity")
	}
}

func TestTopologySourceErrorsNameLineFieldAndTheWayOut(t *testing.T) {
	withRumours(t)
	for point, c := range map[string]struct{ in, want string }{
		"an unknown key":       {"[{fron: x}]", `h.yaml:1: topology.rumours[0]: unknown key "fron"; did you mean "from"?`},
		"what a source wants":  {"[{name: x}]", `h.yaml:1: topology.rumours[0]: says nothing of from; write who says so`},
		"two of one name":      {"[a, b]", `h.yaml:1: topology.rumours[1]: another source is called "rumours" too; give one of them another name`},
		"the files' name":      {"[{from: a, name: file}]", `h.yaml:1: topology.rumours[0]: a source cannot be called "file": file is the topology files, and api:… are what the API was told; choose another name`},
		"a name of the API's":  {"[{from: a, name: 'api:x'}]", `h.yaml:1: topology.rumours[0]: a source cannot be called "api:x"`},
		"no time to ask":       {"[{from: a, refresh_interval: 10ms}]", `h.yaml:1: topology.rumours[0].refresh_interval: 10ms is too short; write at least 1s`},
		"a list in the source": {"[[a]]", `h.yaml:1: topology.rumours[0]: is a list; write fields: from, name, refresh_interval, timeout, ttl`},
	} {
		_, err := parseConfig("h.yaml", []byte("topology: {rumours: "+c.in+"}\n"))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", point, err, c.want)
		}
	}
}
