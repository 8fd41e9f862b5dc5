package file

import (
	"bytes"
	"fmt"

	"github.com/headwater-sre/headwater/topology"
	"go.yaml.in/yaml/v3"
)

// The file as YAML's encoder wants it; field order is the order in the file.
type (
	yamlFile struct {
		Services     []yamlService    `yaml:"services"`
		Dependencies []yamlDependency `yaml:"dependencies,omitempty"`
		Groups       []yamlGroup      `yaml:"redundancy_groups,omitempty"`
	}
	yamlService struct {
		Name      string            `yaml:"name"`
		Namespace string            `yaml:"namespace,omitempty"`
		Kind      string            `yaml:"kind,omitempty"`
		Owner     string            `yaml:"owner,omitempty"`
		Tier      int               `yaml:"tier,omitempty"`
		Aliases   []string          `yaml:"aliases,omitempty,flow"`
		Labels    map[string]string `yaml:"labels,omitempty,flow"`
		RunsOn    []string          `yaml:"runs_on,omitempty,flow"`
		Runbook   string            `yaml:"runbook,omitempty"`
		Links     map[string]string `yaml:"links,omitempty"`
	}
	yamlDependency struct {
		From  string `yaml:"from"`
		To    string `yaml:"to"`
		Mode  string `yaml:"mode,omitempty"`
		Group string `yaml:"redundancy_group,omitempty"`
	}
	yamlGroup struct {
		From string `yaml:"from"`
		Name string `yaml:"name"`
		Need int    `yaml:"need"`
	}
)

// Marshal writes a Spec as a file that [Parse] reads back as the same Spec, except for
// the Version, which follows from the content. A name that cannot be told from
// namespace/name in writing is an error.
func Marshal(spec topology.Spec) ([]byte, error) {
	out := yamlFile{Services: make([]yamlService, 0, len(spec.Services))}
	w := writer{}
	for i := range spec.Services {
		out.Services = append(out.Services, w.service(&spec.Services[i]))
	}
	for i := range spec.Dependencies {
		d := &spec.Dependencies[i]
		out.Dependencies = append(out.Dependencies, yamlDependency{
			From: w.ref(d.From), To: w.ref(d.To), Mode: unlessZero(d.Mode), Group: d.Group,
		})
	}
	for _, g := range spec.Groups {
		out.Groups = append(out.Groups, yamlGroup{From: w.ref(g.From), Name: g.Name, Need: max(1, g.Need)})
	}
	if w.err != nil {
		return nil, w.err
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(out); err != nil {
		return nil, fmt.Errorf("write topology: %w", err)
	}
	return buf.Bytes(), nil
}

// writer remembers the first name that cannot be written.
type writer struct{ err error }

func (w *writer) ref(r topology.Ref) string {
	s := r.String()
	if topology.ParseRef(s) != r && w.err == nil {
		w.err = fmt.Errorf("name %q (namespace %q) would be read back as another; rename it", r.Name, r.Namespace)
	}
	return s
}

func (w *writer) service(s *topology.Service) yamlService {
	w.ref(s.Ref())
	return yamlService{
		Name: s.Name, Namespace: s.Namespace, Kind: unlessZero(s.Kind), Owner: s.Owner, Tier: s.Tier,
		Aliases: s.Aliases, Labels: s.Labels, RunsOn: s.RunsOn, Runbook: s.Runbook, Links: s.Links,
	}
}

func unlessZero[T interface {
	comparable
	fmt.Stringer
}](v T) string {
	var zero T
	if v == zero {
		return ""
	}
	return v.String()
}
