package prometheus

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
)

// Edges says what to ask for callers and callees, and what the answer means.
type Edges struct {
	// Query is PromQL that yields requests per second, or another rate that is above
	// zero while the caller uses the callee. $window in it stands for the window.
	Query string
	// ErrorQuery yields the failed ones, with the same labels. May be empty.
	ErrorQuery string
	// Unit is what Query counts; empty means requests. The rate of anything else says
	// that an edge is used, and is not reported.
	Unit string
	// Relabel maps a sample's labels to the target labels.
	Relabel []*relabel.Config
}

// unitRequests is the unit of which rates and error ratios are reported.
const unitRequests = "requests"

// requests reports whether the query counts requests.
func (e *Edges) requests() bool { return e.Unit == "" || e.Unit == unitRequests }

//go:embed presets.yaml
var presetsFile []byte

// preset is an entry of presets.yaml.
type preset struct {
	Name       string            `yaml:"name"`
	About      string            `yaml:"about"`
	Unit       string            `yaml:"unit"`
	Query      string            `yaml:"query"`
	ErrorQuery string            `yaml:"error_query"`
	Relabel    []*relabel.Config `yaml:"relabel_configs"`
}

// presets reads the embedded file, which a test reads too: it cannot be wrong here.
var presets = sync.OnceValue(func() []preset {
	var all []preset
	if err := yaml.UnmarshalStrict(presetsFile, &all); err != nil {
		panic(fmt.Sprintf("topology/prometheus: presets.yaml: %v", err))
	}
	return all
})

// Preset is what a preset's name stands for. The rules are shared: do not modify them.
func Preset(name string) (Edges, error) {
	all := presets()
	i := slices.IndexFunc(all, func(p preset) bool { return p.Name == name })
	if i < 0 {
		return Edges{}, fmt.Errorf("unknown preset %q; use one of %s", name, strings.Join(PresetNames(), ", "))
	}
	p := &all[i]
	return Edges{Query: p.Query, ErrorQuery: p.ErrorQuery, Unit: p.Unit, Relabel: p.Relabel}, nil
}

// KubernetesPreset is the name of the preset that reads placement, by [Kubernetes].
const KubernetesPreset = "kubernetes"

// PresetNames lists the presets, that of [Kubernetes] last.
func PresetNames() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.Name)
	}
	return append(names, KubernetesPreset)
}
