package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// This file reads the sections of the configuration file that are ours.

var environmentPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (p *configParser) readEnvironment(n *yaml.Node, path string) {
	s, ok := p.Scalar(n, path, "a name such as prod-eu")
	if !ok {
		return
	}
	if !environmentPattern.MatchString(s) || strings.HasSuffix(s, "_DEADLETTER") || strings.HasSuffix(s, "_INTAKE") {
		p.Bad(n, path, "%q cannot name a stream; write up to 64 letters, digits, - and _, not ending in _DEADLETTER or _INTAKE", s)
		return
	}
	p.c.environment = s
}

func (p *configParser) readTopology(n *yaml.Node, path string) {
	p.Mapping(n, path, append([]strictyaml.Field{
		{Name: "files", Read: func(n *yaml.Node, path string) {
			p.List(n, path, func(n *yaml.Node, path string) {
				name, ok := p.Scalar(n, path, "the path of a topology file")
				if !ok {
					return
				}
				if !filepath.IsAbs(name) {
					name = filepath.Join(p.c.dir(), name)
				}
				if slices.Contains(p.c.topologyFiles, name) {
					p.Bad(n, path, "%q is listed twice; remove one", name)
					return
				}
				var missing *fs.PathError
				if _, err := os.Stat(name); errors.As(err, &missing) {
					p.Bad(n, path, "%q: %v; a relative path begins at the folder of this file", name, missing.Err)
					p.unreadable = true
				}
				p.c.topologyFiles = append(p.c.topologyFiles, name)
			})
		}},
	}, p.readSources()...))
}

func (p *configParser) readStream(n *yaml.Node, path string) {
	s := &p.c.stream
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "max_age", Read: p.age(&s.maxAge)},
		{Name: "max_bytes", Read: func(n *yaml.Node, path string) {
			v, ok := p.bytes(n, path)
			if ok && v == 0 {
				v = -1 // unlimited
			}
			s.maxBytes = v
		}},
		{Name: "dead_letter_max_age", Read: p.age(&s.deadLetterMaxAge)},
		{Name: "dead_letter_max_bytes", Read: func(n *yaml.Node, path string) {
			v, ok := p.bytes(n, path)
			if ok && v == 0 {
				p.Bad(n, path, "dead letters need some room; write a size such as 256MiB")
			}
			s.deadLetterMaxBytes = v
		}},
	})
}

// age reads how long a stream keeps entries.
func (p *configParser) age(into *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		v, ok := p.Duration(n, path)
		if ok && time.Duration(v) < time.Minute {
			p.Bad(n, path, "%s is too short for a restart; write at least 1m", v)
		}
		*into = time.Duration(v)
	}
}

// defaultRetention is how long history stays when nothing else is said.
const defaultRetention = 90 * 24 * time.Hour

// readRetention reads one duration for all kinds of history, or one for each kind.
func (p *configParser) readRetention(n *yaml.Node, path string) {
	r := &p.c.retention
	if strictyaml.Target(n).Kind != yaml.MappingNode {
		if d, ok := p.stay(n, path); ok {
			*r = store.RetainAll(d)
		}
		return
	}
	var own store.Retention
	kinds := []struct {
		name string
		own  *time.Duration
		into *time.Duration
	}{
		{"incidents", &own.Incidents, &r.Incidents},
		{"alerts", &own.Alerts, &r.Alerts},
		{"pages", &own.Pages, &r.Pages},
		{"changes", &own.Changes, &r.Changes},
		{"action_items", &own.ActionItems, &r.ActionItems},
	}
	var fields []strictyaml.Field
	for _, k := range kinds {
		fields = append(fields, strictyaml.Field{Name: k.name, Read: func(n *yaml.Node, path string) { *k.own, _ = p.stay(n, path) }})
	}
	p.Mapping(n, path, fields)
	for _, k := range kinds {
		*k.into = cmp.Or(*k.own, own.Incidents, defaultRetention)
	}
	if outlast(r.Alerts, r.Incidents) || outlast(r.Pages, r.Incidents) {
		p.Bad(n, path, "incidents go before their alerts or pages do; keep incidents at least as long as those")
	}
}

// stay reads how long something is kept; negative: for ever.
func (p *configParser) stay(n *yaml.Node, path string) (time.Duration, bool) {
	v, ok := p.Duration(n, path)
	if ok && v == 0 {
		return -1, true
	}
	return time.Duration(v), ok
}

// outlast reports whether what is kept for a stays longer than what is kept for b.
func outlast(a, b time.Duration) bool { return b >= 0 && (a < 0 || a > b) }
