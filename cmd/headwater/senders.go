package main

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/source"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// signalsConfig is what the file says about where signals come from.
type signalsConfig struct {
	senders []*source.Source
}

// signalSections are the top-level keys that say where signals come from.
func (p *configParser) signalSections() []strictyaml.Field {
	return []strictyaml.Field{
		{Name: source.Section, Read: func(n *yaml.Node, path string) {
			r := &source.Reader{Values: p.Values, Dir: p.c.dir()}
			p.c.signals.senders = r.Read(n, path)
		}},
	}
}

// describeSenders names them with their kinds.
func describeSenders(senders []*source.Source) string {
	var names []string
	for _, s := range senders {
		name := s.Name + " (" + s.Kind
		if !s.Guarded() {
			name += ", no secret of its own"
		}
		names = append(names, name+")")
	}
	return strings.Join(names, ", ")
}
