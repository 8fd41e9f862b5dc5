package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/fileset"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// project is what matters of a Compose file.
type project struct {
	Services map[string]*service `yaml:"services"`
	Include  yaml.Node           `yaml:"include"`
}

// service is one service of a Compose file.
type service struct {
	Image         string    `yaml:"image"`
	ContainerName string    `yaml:"container_name"`
	Hostname      string    `yaml:"hostname"`
	DependsOn     dependsOn `yaml:"depends_on"`
	Links         []string  `yaml:"links"`
	NetworkMode   string    `yaml:"network_mode"`
	Networks      networks  `yaml:"networks"`
	Labels        labels    `yaml:"labels"`
	Deploy        struct {
		Labels labels `yaml:"labels"`
	} `yaml:"deploy"`
	Extends yaml.Node `yaml:"extends"`
}

// dependsOn is a list of names, or a mapping of names to conditions.
type dependsOn map[string]condition

type condition struct {
	Condition string `yaml:"condition"`
	Required  *bool  `yaml:"required"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *dependsOn) UnmarshalYAML(n *yaml.Node) error {
	*d = dependsOn{}
	if strictyaml.Target(n).Kind != yaml.SequenceNode {
		return n.Decode((*map[string]condition)(d))
	}
	var names []string
	if err := n.Decode(&names); err != nil {
		return err
	}
	for _, name := range names {
		(*d)[name] = condition{}
	}
	return nil
}

// networks holds the aliases of a service in all its networks.
type networks []string

// UnmarshalYAML implements [yaml.Unmarshaler]. A list names networks without aliases.
func (a *networks) UnmarshalYAML(n *yaml.Node) error {
	if strictyaml.Target(n).Kind == yaml.SequenceNode {
		return nil
	}
	var all map[string]*struct {
		Aliases []string `yaml:"aliases"`
	}
	if err := n.Decode(&all); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != nil {
			*a = append(*a, all[name].Aliases...)
		}
	}
	return nil
}

// labels is a mapping, or a list of key=value.
type labels map[string]string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (l *labels) UnmarshalYAML(n *yaml.Node) error {
	*l = labels{}
	if strictyaml.Target(n).Kind == yaml.SequenceNode {
		var pairs []string
		if err := n.Decode(&pairs); err != nil {
			return err
		}
		for _, p := range pairs {
			key, value, _ := strings.Cut(p, "=")
			(*l)[key] = value
		}
		return nil
	}
	var all map[string]yaml.Node // numbers and booleans stay as they are written
	if err := n.Decode(&all); err != nil {
		return err
	}
	for key := range all {
		value := all[key]
		if target := strictyaml.Target(&value); target.Kind == yaml.ScalarNode && !strictyaml.IsNull(target) {
			(*l)[key] = target.Value
		}
	}
	return nil
}

// decode reads one file.
func decode(f fileset.File) (*project, error) {
	p := new(project)
	if err := yaml.Unmarshal(f.Data, p); err != nil {
		return nil, placed(f.Name, err)
	}
	for name, s := range p.Services {
		if s == nil {
			p.Services[name] = new(service)
		}
		if strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("%s: a service has no name", f.Name)
		}
	}
	return p, nil
}

// placed puts the library's first "line 3: text" into the form file:3: text.
func placed(file string, err error) error {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "yaml: ")
		if at, text, ok := strictyaml.CutLine(line); ok {
			return fmt.Errorf("%s:%s: %s", file, strconv.Itoa(max(at, 1)), text)
		}
	}
	return fmt.Errorf("%s: %s", file, strictyaml.LibraryText(err))
}

// merge lays later over earlier, as Compose does with several files.
func (s *service) merge(later *service) {
	for _, field := range []struct {
		into *string
		from string
	}{
		{&s.Image, later.Image},
		{&s.ContainerName, later.ContainerName},
		{&s.Hostname, later.Hostname},
		{&s.NetworkMode, later.NetworkMode},
	} {
		if field.from != "" {
			*field.into = field.from
		}
	}
	s.DependsOn = overlaid(s.DependsOn, later.DependsOn)
	s.Labels = overlaid(s.Labels, later.Labels)
	s.Deploy.Labels = overlaid(s.Deploy.Labels, later.Deploy.Labels)
	s.Links = append(s.Links, later.Links...)
	s.Networks = append(s.Networks, later.Networks...)
	if !later.Extends.IsZero() {
		s.Extends = later.Extends
	}
}

func overlaid[M ~map[string]V, V any](under, over M) M {
	all := maps.Clone(under)
	if all == nil {
		all = M{}
	}
	maps.Copy(all, over)
	return all
}
