package backstage

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

// The annotations that name a component's Kubernetes objects.
const (
	annotationID        = "backstage.io/kubernetes-id"
	annotationNamespace = "backstage.io/kubernetes-namespace"
)

// Decode makes a report of a catalogue's files.
func Decode(files ...fileset.File) (discovery.Report, error) {
	c := catalogue{
		entities: map[entityRef]*entity{}, nodes: map[entityRef]topology.Ref{}, services: map[topology.Ref]*topology.Service{},
		providers: map[entityRef][]entityRef{}, edges: map[edge]bool{},
	}
	for _, f := range files {
		all, err := decode(f)
		if err != nil {
			return discovery.Report{}, err
		}
		for _, e := range all {
			c.add(e)
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(c.entities), compareRefs) {
		c.declare(id)
	}
	for _, id := range slices.SortedFunc(maps.Keys(c.entities), compareRefs) {
		c.relate(id)
	}
	return c.report(), nil
}

func compareRefs(a, b entityRef) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
}

type edge struct{ from, to topology.Ref }

// catalogue turns entities into a report.
type catalogue struct {
	entities  map[entityRef]*entity
	nodes     map[entityRef]topology.Ref // of the entities that are services
	services  map[topology.Ref]*topology.Service
	providers map[entityRef][]entityRef // by API
	edges     map[edge]bool
	warnings  []topology.Warning
}

func (c *catalogue) warnf(format string, args ...any) {
	c.warnings = append(c.warnings, topology.Warning{Text: fmt.Sprintf(format, args...)})
}

func (c *catalogue) add(e *entity) {
	id := e.id()
	if first := c.entities[id]; first != nil {
		c.warnf("%s: %s is already declared at %s, which counts", e.place, id, first.place)
		return
	}
	c.entities[id] = e
}

// idle are types of components that run nowhere.
var idle = map[string]bool{"library": true, "documentation": true, "template": true, "module": true, "package": true}

// declare makes an entity a service, if it is one, and notes what APIs it provides.
func (c *catalogue) declare(id entityRef) {
	e := c.entities[id]
	kind := strings.ToLower(e.spec.Type)
	if id.kind != kindComponent && id.kind != kindResource || id.kind == kindComponent && idle[kind] {
		return
	}
	for _, text := range e.spec.ProvidesAPIs {
		api := parseRef(text, kindAPI, id.namespace)
		if !slices.Contains(c.providers[api], id) {
			c.providers[api] = append(c.providers[api], id)
		}
	}
	s := e.service()
	if id.kind == kindResource {
		s.Kind = kindOfResource(kind)
	} else {
		s.Kind = kindOfComponent(kind)
	}
	c.node(id, s)
}

// node gives an entity its service. A component and a resource of one name are one.
func (c *catalogue) node(id entityRef, s *topology.Service) {
	ref := s.Ref()
	c.nodes[id] = ref
	if first := c.services[ref]; first != nil {
		c.warnf("%s is one with another entity of the same name, which counts", id)
		return
	}
	c.services[ref] = s
}

// service is an entity without its kind.
func (e *entity) service() *topology.Service {
	m := &e.Metadata
	s := &topology.Service{Name: strings.TrimSpace(m.Name), Namespace: cmp.Or(m.Annotations[annotationNamespace], m.Namespace)}
	if s.Namespace == defaultNamespace && m.Annotations[annotationNamespace] == "" {
		s.Namespace = ""
	}
	if id := m.Annotations[annotationID]; id != "" && id != s.Name {
		s.Aliases = []string{topology.Ref{Namespace: s.Namespace, Name: id}.String()}
	}
	owner := e.spec.Owner
	s.Owner = owner[strings.LastIndexAny(owner, ":/")+1:]
	s.Labels = maps.Clone(m.Labels)
	for key, value := range map[string]string{"system": e.spec.System, "lifecycle": e.spec.Lifecycle} {
		if value != "" {
			if s.Labels == nil {
				s.Labels = map[string]string{}
			}
			s.Labels[key] = value[strings.LastIndexAny(value, ":/")+1:]
		}
	}
	if tier, err := strconv.Atoi(m.Labels["tier"]); err == nil && tier > 0 {
		s.Tier = tier
	}
	e.links(s)
	return s
}

func (e *entity) links(s *topology.Service) {
	links := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(e.Metadata.Annotations)) {
		address := strings.TrimPrefix(e.Metadata.Annotations[key], "url:")
		if isAddress(address) {
			links[key[strings.LastIndexByte(key, '/')+1:]] = address
		}
	}
	for _, l := range e.Metadata.Links {
		if !isAddress(l.URL) {
			continue
		}
		links[cmp.Or(l.Title, l.URL)] = l.URL
		if s.Runbook == "" && (strings.EqualFold(l.Type, "runbook") || strings.Contains(strings.ToLower(l.Title), "runbook")) {
			s.Runbook = l.URL
		}
	}
	if len(links) > 0 {
		s.Links = links
	}
}

func isAddress(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

// relate adds an entity's dependencies.
func (c *catalogue) relate(id entityRef) {
	e := c.entities[id]
	from, ok := c.nodes[id]
	if !ok {
		return
	}
	for _, text := range e.spec.DependsOn {
		for _, to := range c.resolve(text, kindComponent, e) {
			c.connect(from, to)
		}
	}
	for _, text := range e.spec.ConsumesAPIs {
		for _, to := range c.resolve(text, kindAPI, e) {
			c.connect(from, to)
		}
	}
	for _, text := range e.spec.DependencyOf {
		for _, dependent := range c.resolve(text, kindComponent, e) {
			c.connect(dependent, from)
		}
	}
}

func (c *catalogue) connect(from, to topology.Ref) {
	if from != to {
		c.edges[edge{from, to}] = true
	}
}

// resolve finds the services that a reference means: none for what runs nowhere,
// several for an API that several provide.
func (c *catalogue) resolve(text, kind string, by *entity) []topology.Ref {
	id := parseRef(text, kind, by.Metadata.Namespace)
	if id.name == "" {
		c.warnf("%s: %s refers to %q, which names nothing", by.place, by.id(), text)
		return nil
	}
	if node, ok := c.nodes[id]; ok {
		return []topology.Ref{node}
	}
	switch known := c.entities[id] != nil; {
	case id.kind == kindAPI:
		return c.api(id)
	case id.kind == kindComponent && known:
		return nil // a library
	case id.kind != kindComponent && id.kind != kindResource:
		c.warnf("%s: %s depends on %s, which is no service", by.place, by.id(), id)
		return nil
	}
	c.warnf("%s: %s refers to %s, which no file has", by.place, by.id(), id)
	s := &topology.Service{Name: id.name}
	if id.namespace != defaultNamespace {
		s.Namespace = id.namespace
	}
	c.adopt(id, s)
	return []topology.Ref{c.nodes[id]}
}

// api is the services that provide an API, or one that stands for them.
func (c *catalogue) api(id entityRef) []topology.Ref {
	var all []topology.Ref
	for _, p := range c.providers[id] {
		all = append(all, c.nodes[p])
	}
	if len(all) > 0 {
		return all
	}
	s := &topology.Service{Name: id.name}
	if e := c.entities[id]; e != nil {
		s = e.service()
	} else if id.namespace != defaultNamespace {
		s.Namespace = id.namespace
	}
	s.Kind = topology.KindAPI
	c.adopt(id, s)
	return []topology.Ref{c.nodes[id]}
}

// adopt makes a service of what was only referred to, unless one is called so.
func (c *catalogue) adopt(id entityRef, s *topology.Service) {
	ref := s.Ref()
	c.nodes[id] = ref
	if c.services[ref] == nil {
		c.services[ref] = s
	}
}

func (c *catalogue) report() discovery.Report {
	r := discovery.Report{Warnings: c.warnings}
	compare := func(a, b topology.Ref) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	}
	for _, ref := range slices.SortedFunc(maps.Keys(c.services), compare) {
		r.Services = append(r.Services, *c.services[ref])
	}
	for _, e := range slices.SortedFunc(maps.Keys(c.edges), func(a, b edge) int { return cmp.Or(compare(a.from, b.from), compare(a.to, b.to)) }) {
		r.Dependencies = append(r.Dependencies, topology.Dependency{From: e.from, To: e.to})
	}
	return r
}

func kindOfComponent(kind string) topology.Kind {
	switch kind {
	case "website", "frontend", "mobile-app", "gateway":
		return topology.KindFrontend
	case "worker", "job", "cronjob", "consumer", "pipeline", "batch":
		return topology.KindWorker
	}
	return topology.KindService
}

// kindOfResource looks for words: types of resources are free text, such as
// aws-rds-database.
func kindOfResource(kind string) topology.Kind {
	for _, w := range []struct {
		word string
		kind topology.Kind
	}{
		{"cache", topology.KindCache},
		{"redis", topology.KindCache},
		{"memcache", topology.KindCache},
		{"queue", topology.KindQueue},
		{"topic", topology.KindQueue},
		{"kafka", topology.KindQueue},
		{"broker", topology.KindQueue},
		{"stream", topology.KindQueue},
		{"cluster", topology.KindCluster},
		{"database", topology.KindDatabase},
		{"sql", topology.KindDatabase},
		{"postgres", topology.KindDatabase},
		{"mongo", topology.KindDatabase},
		{"bucket", topology.KindDatabase},
		{"db", topology.KindDatabase},
		{"external", topology.KindExternal},
		{"saas", topology.KindExternal},
	} {
		if strings.Contains(kind, w.word) {
			return w.kind
		}
	}
	return topology.KindService
}
