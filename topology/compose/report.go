package compose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/fileset"
)

// The labels that say what Compose has no word for.
const (
	labelName      = "headwater.name"
	labelNamespace = "headwater.namespace"
	labelKind      = "headwater.kind"
	labelOwner     = "headwater.owner"
	labelTier      = "headwater.tier"
	labelRunbook   = "headwater.runbook"
	labelIgnore    = "headwater.ignore"
	labelLink      = "headwater.link."
)

// Decode makes a report of Compose files, which are merged in order. namespace is that
// of services that do not name theirs.
func Decode(namespace string, files ...fileset.File) (discovery.Report, error) {
	c := composer{services: map[string]*service{}, refs: map[string]topology.Ref{}}
	for _, f := range files {
		p, err := decode(f)
		if err != nil {
			return discovery.Report{}, err
		}
		if !p.Include.IsZero() {
			c.warnf("%s: include is not followed; list the files that it names", f.Name)
		}
		for _, name := range slices.Sorted(maps.Keys(p.Services)) {
			if c.services[name] == nil {
				c.services[name] = new(service)
			}
			c.services[name].merge(p.Services[name])
		}
	}
	if err := c.names(namespace); err != nil {
		return discovery.Report{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.services)) {
		if !c.ignored(name) {
			c.service(name)
		}
	}
	c.aliases()
	return c.report, nil
}

// composer turns merged services into a report.
type composer struct {
	services map[string]*service
	refs     map[string]topology.Ref // by name in the files
	linked   map[string][]string     // aliases in links, by name
	report   discovery.Report
}

func (c *composer) warnf(format string, args ...any) {
	c.report.Warnings = append(c.report.Warnings, topology.Warning{Text: fmt.Sprintf(format, args...)})
}

// names gives every service its name in the graph.
func (c *composer) names(namespace string) error {
	taken := map[topology.Ref]string{}
	for _, name := range slices.Sorted(maps.Keys(c.services)) {
		own := topology.Ref{
			Namespace: cmp.Or(c.label(name, labelNamespace), namespace),
			Name:      cmp.Or(c.label(name, labelName), name),
		}
		c.refs[name] = own
		if c.ignored(name) {
			continue
		}
		if first, twice := taken[own]; twice {
			return fmt.Errorf("services %q and %q are both called %s; change the label %s of one", first, name, own, labelName)
		}
		taken[own] = name
	}
	return nil
}

func (c *composer) label(service, key string) string {
	s := c.services[service]
	return strings.TrimSpace(cmp.Or(s.Labels[key], s.Deploy.Labels[key]))
}

func (c *composer) ignored(name string) bool {
	return c.services[name] != nil && c.label(name, labelIgnore) == "true"
}

func (c *composer) service(name string) {
	s, ref := c.services[name], c.refs[name]
	out := topology.Service{
		Name: ref.Name, Namespace: ref.Namespace, Kind: kindOfImage(s.Image),
		Owner: c.label(name, labelOwner), Runbook: c.label(name, labelRunbook), Links: c.links(name),
	}
	if text := c.label(name, labelKind); text != "" {
		kind, err := topology.ParseKind(text)
		if err != nil {
			c.warnf("service %q: label %s: %v", name, labelKind, err)
		}
		out.Kind = kind
	}
	if text := c.label(name, labelTier); text != "" {
		tier, err := strconv.Atoi(text)
		if err != nil || tier < 0 {
			c.warnf("service %q: label %s: %q is no whole number of at least 0", name, labelTier, text)
			tier = 0
		}
		out.Tier = tier
	}
	if !s.Extends.IsZero() {
		c.warnf("service %q: extends is not followed; what it takes over is missing here", name)
	}
	c.report.Services = append(c.report.Services, out)
	c.dependencies(name)
}

func (c *composer) links(name string) map[string]string {
	links := map[string]string{}
	for _, all := range []labels{c.services[name].Deploy.Labels, c.services[name].Labels} {
		for key, value := range all {
			if title, ok := strings.CutPrefix(key, labelLink); ok && title != "" && value != "" {
				links[title] = value
			}
		}
	}
	if len(links) == 0 {
		return nil
	}
	return links
}

// dependencies adds what a service needs, each once with the strongest mode.
func (c *composer) dependencies(name string) {
	s := c.services[name]
	modes := map[string]topology.Mode{}
	need := func(on string, mode topology.Mode) {
		if had, twice := modes[on]; on != name && on != "" && (!twice || mode < had) {
			modes[on] = mode
		}
	}
	for on, how := range s.DependsOn {
		need(on, how.mode())
	}
	for _, l := range s.Links {
		on, alias, _ := strings.Cut(l, ":")
		need(on, topology.ModeHard)
		if alias != "" && on != name {
			if c.linked == nil {
				c.linked = map[string][]string{}
			}
			c.linked[on] = append(c.linked[on], alias)
		}
	}
	if on, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok {
		need(on, topology.ModeHard)
	}
	for _, on := range slices.Sorted(maps.Keys(modes)) {
		if c.services[on] == nil {
			c.warnf("service %q depends on %q, which no file declares", name, on)
			continue
		}
		if !c.ignored(on) && c.refs[on] != c.refs[name] {
			c.report.Dependencies = append(c.report.Dependencies, topology.Dependency{From: c.refs[name], To: c.refs[on], Mode: modes[on]})
		}
	}
}

// mode of a dependency: what has run to its end is not needed any more.
func (c condition) mode() topology.Mode {
	switch {
	case c.Condition == "service_completed_successfully":
		return topology.ModeAsync
	case c.Required != nil && !*c.Required:
		return topology.ModeSoft
	}
	return topology.ModeHard
}

// aliases are what containers call each other. One that several services have is nobody's.
func (c *composer) aliases() {
	holders := map[string]int{}
	own := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(c.services)) {
		if c.ignored(name) {
			continue
		}
		s := c.services[name]
		all := slices.Concat([]string{name, s.ContainerName, s.Hostname}, s.Networks, c.linked[name])
		slices.Sort(all)
		own[name] = slices.DeleteFunc(slices.Compact(all), func(a string) bool {
			return a == "" || a == c.refs[name].Name || strings.Contains(a, "$")
		})
		for _, a := range own[name] {
			holders[a]++
		}
	}
	i := 0
	for _, name := range slices.Sorted(maps.Keys(c.services)) {
		if c.ignored(name) {
			continue
		}
		for _, a := range own[name] {
			if holders[a] == 1 {
				ref := topology.Ref{Namespace: c.refs[name].Namespace, Name: a}
				c.report.Services[i].Aliases = append(c.report.Services[i].Aliases, ref.String())
			}
		}
		i++
	}
}
