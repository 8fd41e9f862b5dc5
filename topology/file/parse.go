package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
	"go.yaml.in/yaml/v3"
)

// maxSize bounds one file, in bytes.
const maxSize = 64 << 20

// Parse reads one file's content; name is for error texts. The errors are those of
// [Load] for this file alone.
func Parse(name string, data []byte) (topology.Spec, error) {
	doc, err := parse(name, data)
	if err != nil {
		return topology.Spec{}, err
	}
	return merge([]*document{doc}, [][]byte{data})
}

// document is one file's content with the place of each entry.
type document struct {
	services     []topology.Service
	dependencies []topology.Dependency
	groups       []topology.Group

	serviceAt, dependencyAt, groupAt []strictyaml.Place
}

// parse checks what one file can be checked for by itself.
func parse(name string, data []byte) (*document, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s: is larger than %d MiB; split it into several files", name, maxSize>>20)
	}
	root, err := documentNode(name, data)
	if err != nil {
		return nil, err
	}
	p := parser{decoder: newDecoder(name)}
	p.Mapping(root, "", []strictyaml.Field{
		{Name: "services", Read: func(n *yaml.Node, path string) { p.Sequence(n, path, p.service) }},
		{Name: "dependencies", Read: func(n *yaml.Node, path string) { p.Sequence(n, path, p.dependency) }},
		{Name: "redundancy_groups", Read: func(n *yaml.Node, path string) { p.Sequence(n, path, p.group) }},
	})
	if err := p.Err(); err != nil {
		return nil, err
	}
	return &p.doc, nil
}

// documentNode is the root of the only YAML document in data. An empty file is an error:
// more often than "no services" it means that somebody is just writing it.
func documentNode(name string, data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF), err == nil && (len(doc.Content) == 0 || strictyaml.IsNull(doc.Content[0])):
		return nil, fmt.Errorf("%s: is empty; write services: [] to mean a topology without services", name)
	case err != nil:
		return nil, strictyaml.SyntaxError(name, err)
	}
	switch err := dec.Decode(&next); {
	case errors.Is(err, io.EOF):
		return doc.Content[0], nil
	case err != nil:
		return nil, strictyaml.SyntaxError(name, err)
	default:
		return nil, fmt.Errorf("%s:%d: a second YAML document begins here; keep one document per file", name, next.Line)
	}
}

// parser reads the entries of one file.
type parser struct {
	decoder
	doc document
}

func (p *parser) service(n *yaml.Node, path string) {
	s := topology.Service{}
	named := false
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "name", Read: func(n *yaml.Node, path string) { s.Name, named = p.name(n, path), true }},
		{Name: "namespace", Read: func(n *yaml.Node, path string) { s.Namespace = p.text(n, path) }},
		{Name: "kind", Read: func(n *yaml.Node, path string) { s.Kind = enum(p, n, path, topology.ParseKind) }},
		{Name: "owner", Read: func(n *yaml.Node, path string) { s.Owner = p.text(n, path) }},
		{Name: "tier", Read: func(n *yaml.Node, path string) { s.Tier = p.integer(n, path, 0) }},
		{Name: "aliases", Read: func(n *yaml.Node, path string) { s.Aliases = p.names(n, path) }},
		{Name: "labels", Read: func(n *yaml.Node, path string) { s.Labels = p.texts(n, path) }},
		{Name: "runs_on", Read: func(n *yaml.Node, path string) { s.RunsOn = p.names(n, path) }},
		{Name: "runbook", Read: func(n *yaml.Node, path string) { s.Runbook = p.text(n, path) }},
		{Name: "links", Read: func(n *yaml.Node, path string) { s.Links = p.texts(n, path) }},
	})
	if !named && strictyaml.Target(n).Kind == yaml.MappingNode {
		p.Bad(n, path, "has no name; add name: …")
	}
	if s.Namespace == "" {
		ref := topology.ParseRef(s.Name)
		s.Namespace, s.Name = ref.Namespace, ref.Name
	} else if ref := s.Ref(); named && topology.ParseRef(ref.String()) != ref {
		p.Bad(n, path, "%q cannot be written as namespace/name; choose a namespace without a slash and a name without a scheme", ref)
	}
	p.doc.services = append(p.doc.services, s)
	p.doc.serviceAt = append(p.doc.serviceAt, p.At(n))
}

func (p *parser) dependency(n *yaml.Node, path string) {
	d := topology.Dependency{}
	var from, to bool
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "from", Read: func(n *yaml.Node, path string) { d.From, from = p.ref(n, path), true }},
		{Name: "to", Read: func(n *yaml.Node, path string) { d.To, to = p.ref(n, path), true }},
		{Name: "mode", Read: func(n *yaml.Node, path string) { d.Mode = enum(p, n, path, topology.ParseMode) }},
		{Name: "redundancy_group", Read: func(n *yaml.Node, path string) { d.Group = p.text(n, path) }},
	})
	if strictyaml.Target(n).Kind == yaml.MappingNode && (!from || !to) {
		p.Bad(n, path, "needs both from and to; from depends on to")
	}
	p.doc.dependencies = append(p.doc.dependencies, d)
	p.doc.dependencyAt = append(p.doc.dependencyAt, p.At(n))
}

func (p *parser) group(n *yaml.Node, path string) {
	g := topology.Group{Need: 1}
	var from, named bool
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "from", Read: func(n *yaml.Node, path string) { g.From, from = p.ref(n, path), true }},
		{Name: "name", Read: func(n *yaml.Node, path string) { g.Name, named = p.name(n, path), true }},
		{Name: "need", Read: func(n *yaml.Node, path string) { g.Need = p.integer(n, path, 1) }},
	})
	if strictyaml.Target(n).Kind == yaml.MappingNode && (!from || !named) {
		p.Bad(n, path, "needs from (whose group it is) and name")
	}
	p.doc.groups = append(p.doc.groups, g)
	p.doc.groupAt = append(p.doc.groupAt, p.At(n))
}

func (p *parser) ref(n *yaml.Node, path string) topology.Ref {
	return topology.ParseRef(p.name(n, path))
}

func (p *parser) names(n *yaml.Node, path string) []string {
	var names []string
	p.Sequence(n, path, func(n *yaml.Node, path string) { names = append(names, p.name(n, path)) })
	return names
}

// enum reads a word with the topology's own parser, whose error lists the valid ones.
func enum[T any](p *parser, n *yaml.Node, path string, read func(string) (T, error)) T {
	v, err := read(p.text(n, path))
	if err != nil {
		p.Bad(n, path, "%v", err)
	}
	return v
}
