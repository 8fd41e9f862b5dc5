package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/backstage"
	"github.com/headwater-sre/headwater/topology/compose"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/fileset"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// composeKind are the entries of topology.compose: the path of a file, or several that
// are one project.
var composeKind = sourceKind{
	key: "compose", short: "files",
	defaults: discovery.Config{Declared: true},
	entry: func(p *configParser) ([]strictyaml.Field, func(string) (discovery.Source, error)) {
		files := &fileEntry{p: p, example: "docker-compose.yaml"}
		namespace := ""
		keys := []strictyaml.Field{
			{Name: "files", Read: files.read},
			{Name: "namespace", Read: func(n *yaml.Node, path string) { namespace, _ = p.Scalar(n, path, "a namespace such as shop") }},
		}
		return keys, func(name string) (discovery.Source, error) {
			return files.tried(compose.NewSource(cmp.Or(name, "compose:"+files.first), namespace, files.patterns))
		}
	},
}

// backstageKind are the entries of topology.backstage: a path or pattern, or several
// that are one catalogue.
var backstageKind = sourceKind{
	key: "backstage", short: "files",
	defaults: discovery.Config{Declared: true},
	entry: func(p *configParser) ([]strictyaml.Field, func(string) (discovery.Source, error)) {
		files := &fileEntry{p: p, example: "catalog/*/catalog-info.yaml"}
		return []strictyaml.Field{{Name: "files", Read: files.read}}, func(name string) (discovery.Source, error) {
			return files.tried(backstage.NewSource(cmp.Or(name, "backstage:"+files.first), files.patterns))
		}
	},
}

// fileEntry reads the key files of one entry.
type fileEntry struct {
	p        *configParser
	example  string
	first    string // as it is written
	patterns []string
}

// read takes a list of paths and patterns, or one of them alone.
func (e *fileEntry) read(n *yaml.Node, path string) {
	if strictyaml.Target(n).Kind == yaml.ScalarNode {
		e.add(n, path)
		return
	}
	e.p.List(n, path, e.add)
}

func (e *fileEntry) add(n *yaml.Node, path string) {
	name, ok := e.p.Scalar(n, path, "the path of a file, or a pattern, such as "+e.example)
	if !ok {
		return
	}
	e.first = cmp.Or(e.first, name)
	if !filepath.IsAbs(name) {
		name = filepath.Join(e.p.c.dir(), name)
	}
	var missing *fs.PathError
	if _, err := os.Stat(name); !fileset.IsPattern(name) && errors.As(err, &missing) {
		e.p.Bad(n, path, "%q: %v; a relative path begins at the folder of this file", name, missing.Err)
	}
	e.patterns = append(e.patterns, name)
}

// tried is the source if its files can be used now, as topology files have to be.
func (e *fileEntry) tried(s discovery.Source) (discovery.Source, error) {
	if len(e.patterns) == 0 {
		return nil, errors.New("names no files; add files: [" + e.example + "]")
	}
	_, err := s.Fetch(context.Background()) // reads files and waits for nobody
	return s, err
}
