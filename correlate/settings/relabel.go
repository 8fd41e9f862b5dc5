package settings

import (
	"strings"

	"github.com/prometheus/prometheus/model/relabel"
	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Relabel reads one of Prometheus's relabelling rules. It leaves the values to
// Prometheus's library, which knows another YAML package than ours, and only one error
// at a time.
func (d *Values) Relabel(n *yaml.Node, path string) (*relabel.Config, bool) {
	before := d.Count()
	ignore := func(*yaml.Node, string) {}
	d.Mapping(n, path, []strictyaml.Field{
		{Name: "source_labels", Read: ignore},
		{Name: "separator", Read: ignore},
		{Name: "regex", Read: ignore},
		{Name: "modulus", Read: ignore},
		{Name: "target_label", Read: ignore},
		{Name: "replacement", Read: ignore},
		{Name: "action", Read: ignore},
	})
	if d.Count() != before {
		return nil, false
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		d.Bad(n, path, "%v", err)
		return nil, false
	}
	rule := new(relabel.Config)
	if err := yamlv2.UnmarshalStrict(text, rule); err != nil {
		d.Bad(n, path, "%s", strictyaml.LibraryText(err))
		return nil, false
	}
	if _, err := topology.NewResolver(topology.ResolverConfig{Relabel: []*relabel.Config{rule}}); err != nil {
		_, reason, found := strings.Cut(err.Error(), "relabel_configs[0]: ")
		if !found {
			reason = err.Error()
		}
		d.Bad(n, path, "%s", reason)
		return nil, false
	}
	return rule, true
}
