package main

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// sourceKind is a key of the section topology whose entries are topology sources.
type sourceKind struct {
	key string
	// defaults are the durations of entries that do not give them.
	defaults discovery.Config
	// short is the key that an entry means which is no mapping but one text. Empty:
	// entries are mappings.
	short string
	// entry begins the reading of one entry: the keys that are the kind's own, and what
	// makes the source once they were read. name is what the entry is called, empty when
	// it says nothing: the source then names itself. make is called only when no key of
	// the entry was wrong; its error is reported with the entry's line.
	entry func(p *configParser) (keys []strictyaml.Field, makeSource func(name string) (discovery.Source, error))
}

// sourceKinds are the kinds of topology sources beside the topology files.
var sourceKinds = []sourceKind{composeKind, backstageKind, prometheusKind, jaegerKind}

// fileSource is what the source of all topology files is called in provenance.
const fileSource = "file"

// readSources are the fields of the section topology that list sources.
func (p *configParser) readSources() []strictyaml.Field {
	var fields []strictyaml.Field
	for _, kind := range sourceKinds {
		fields = append(fields, strictyaml.Field{Name: kind.key, Read: func(n *yaml.Node, path string) {
			p.List(n, path, func(n *yaml.Node, path string) { p.readSource(kind, n, path) })
		}})
	}
	return fields
}

func (p *configParser) readSource(kind sourceKind, n *yaml.Node, path string) {
	c := kind.defaults
	problems := p.Count()
	name := ""
	keys, makeSource := kind.entry(p)
	if i := slices.IndexFunc(keys, func(f strictyaml.Field) bool { return f.Name == kind.short }); i >= 0 && n.Kind == yaml.ScalarNode {
		keys[i].Read(n, path)
	} else {
		p.Mapping(n, path, slices.Concat(keys, p.sourceKeys(&c, &name)))
	}
	if p.Count() > problems {
		return
	}
	source, err := makeSource(name)
	if err != nil {
		p.Bad(n, path, "%v", err)
		return
	}
	c.Source, c.Identity = source, identity(kind.key, n)
	p.addSource(c, n, path)
}

// sourceKeys are the keys that entries of every kind have.
func (p *configParser) sourceKeys(c *discovery.Config, name *string) []strictyaml.Field {
	duration := func(into *time.Duration, least time.Duration) func(*yaml.Node, string) {
		return func(n *yaml.Node, path string) {
			v, ok := p.Duration(n, path)
			if ok && time.Duration(v) < least {
				p.Bad(n, path, "%s is too short; write at least %s", v, least)
			}
			*into = time.Duration(v)
		}
	}
	return []strictyaml.Field{
		{Name: "name", Read: func(n *yaml.Node, path string) { *name, _ = p.Scalar(n, path, "a name such as mesh-eu") }},
		{Name: "refresh_interval", Read: duration(&c.RefreshInterval, time.Second)},
		{Name: "timeout", Read: duration(&c.Timeout, 100*time.Millisecond)},
		{Name: "ttl", Read: duration(&c.TTL, 0)},
	}
}

func (p *configParser) addSource(c discovery.Config, n *yaml.Node, path string) {
	name := c.Source.Name()
	taken := func(other discovery.Config) bool { return other.Source.Name() == name }
	switch {
	case name == fileSource || strings.HasPrefix(name, discovery.PushedPrefix):
		p.Bad(n, path, "a source cannot be called %q: %s is the topology files, and %s… are what the API was told; choose another name", name, fileSource, discovery.PushedPrefix)
	case slices.ContainsFunc(p.c.sources, taken):
		p.Bad(n, path, "another source is called %q too; give one of them another name", name)
	default:
		p.c.sources = append(p.c.sources, c)
	}
}

// identity is the same for entries that say the same, whatever their spelling.
func identity(kind string, n *yaml.Node) string {
	text, err := json.Marshal(plain(n))
	if err != nil { // a mapping with keys that are no text was reported where it is read
		return kind
	}
	return kind + " " + string(text)
}
