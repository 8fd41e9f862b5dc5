package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/relabel"
	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// This file reads the sections of the configuration file that are ours.

var environmentPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (p *configParser) readEnvironment(n *yaml.Node, path string) {
	s, ok := p.scalar(n, path, "a name such as prod-eu")
	if !ok {
		return
	}
	if !environmentPattern.MatchString(s) || strings.HasSuffix(s, "_DEADLETTER") {
		p.Bad(n, path, "%q cannot name a stream; write up to 64 letters, digits, - and _, not ending in _DEADLETTER", s)
		return
	}
	p.c.environment = s
}

func (p *configParser) readTopology(n *yaml.Node, path string) {
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "files", Read: func(n *yaml.Node, path string) {
			p.list(n, path, func(n *yaml.Node, path string) {
				name, ok := p.scalar(n, path, "the path of a topology file")
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
	})
}

func (p *configParser) readResolve(n *yaml.Node, path string) {
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "relabel_configs", Read: func(n *yaml.Node, path string) { p.list(n, path, p.readRelabel) }},
	})
}

// readRelabel leaves the values to Prometheus's library, which knows another YAML
// package than ours, and only one error at a time.
func (p *configParser) readRelabel(n *yaml.Node, path string) {
	before := p.Count()
	ignore := func(*yaml.Node, string) {}
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "source_labels", Read: ignore},
		{Name: "separator", Read: ignore},
		{Name: "regex", Read: ignore},
		{Name: "modulus", Read: ignore},
		{Name: "target_label", Read: ignore},
		{Name: "replacement", Read: ignore},
		{Name: "action", Read: ignore},
	})
	if p.Count() != before {
		return
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		p.Bad(n, path, "%v", err)
		return
	}
	rule := new(relabel.Config)
	if err := yamlv2.UnmarshalStrict(text, rule); err != nil {
		p.Bad(n, path, "%s", libraryText(err))
		return
	}
	if _, err := topology.NewResolver(topology.ResolverConfig{Relabel: []*relabel.Config{rule}}); err != nil {
		_, reason, found := strings.Cut(err.Error(), "relabel_configs[0]: ")
		if !found {
			reason = err.Error()
		}
		p.Bad(n, path, "%s", reason)
		return
	}
	p.relabel = append(p.relabel, rule)
}

// libraryText is an error of the YAML library on one line, without lines of a text
// that nobody wrote.
func libraryText(err error) string {
	var parts []string
	for _, l := range strings.Split(err.Error(), "\n") {
		l = strings.TrimPrefix(strings.TrimSpace(l), "yaml: ")
		if l == "unmarshal errors:" || l == "" {
			continue
		}
		_, l, _ = cutLine(l)
		parts = append(parts, l)
	}
	return strings.Join(parts, "; ")
}

func (p *configParser) readHealth(n *yaml.Node, path string) {
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "failure_threshold", Read: func(n *yaml.Node, path string) { p.c.engine.FailureThreshold = p.integer(n, path, 1) }},
	})
}

func (p *configParser) readCorrelation(n *yaml.Node, path string) {
	e := &p.c.engine
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "hold", Read: p.wait(&e.Hold)},
		{Name: "hold_confident", Read: p.wait(&e.HoldConfident)},
		{Name: "confident_at", Read: func(n *yaml.Node, path string) { e.ConfidentAt = p.probability(n, path) }},
		{Name: "page_severities", Read: func(n *yaml.Node, path string) { p.readSeverities(n, path) }},
		{Name: "settle", Read: p.wait(&e.Settle)},
		{Name: "close_after", Read: p.wait(&e.CloseAfter)},
		{Name: "reopen_within", Read: p.wait(&e.ReopenWithin)},
		{Name: "stale_after", Read: func(n *yaml.Node, path string) {
			v, _ := p.duration(n, path)
			e.StaleAfter = time.Duration(v)
		}},
		{Name: "chronic_after", Read: func(n *yaml.Node, path string) {
			v, ok := p.duration(n, path)
			if ok && v == 0 {
				p.Bad(n, path, "0s would make every alert chronic, and nothing would page; write a duration such as 30m")
			}
			e.ChronicAfter = time.Duration(v)
		}},
		{Name: "classes", Read: func(n *yaml.Node, path string) { p.list(n, path, p.readClass) }},
	})
}

// wait reads a duration of which 0s means "not at all". To the engine zero means
// the default, so that becomes the shortest wait there is.
func (p *configParser) wait(into *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		if v, ok := p.duration(n, path); ok {
			*into = max(time.Duration(v), time.Nanosecond)
		}
	}
}

// pageable are the severities in the engine's order.
var pageable = []correlate.Severity{
	correlate.SeverityNone, correlate.SeverityInfo, correlate.SeverityWarning, correlate.SeverityError, correlate.SeverityCritical,
}

func (p *configParser) readSeverities(n *yaml.Node, path string) {
	severities := []correlate.Severity{} // an empty list is not the default: nothing pages
	p.list(n, path, func(n *yaml.Node, path string) {
		const want = "one of critical, error, warning, info, none"
		s, ok := p.scalar(n, path, want)
		if !ok {
			return
		}
		i := slices.IndexFunc(pageable, func(v correlate.Severity) bool { return v.String() == s })
		if i < 0 {
			p.Bad(n, path, "unknown severity %q; write %s", s, want)
			return
		}
		severities = append(severities, pageable[i])
	})
	if strictyaml.Target(n).Kind == yaml.SequenceNode && len(strictyaml.Target(n).Content) == 0 {
		p.warn(n, "%s is empty: nothing will page", path)
	}
	p.c.engine.PageSeverities = severities
}

func (p *configParser) readClass(n *yaml.Node, path string) {
	var rule correlate.ClassRule
	var class, name bool
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "class", Read: func(n *yaml.Node, path string) {
			class = true
			s, ok := p.scalar(n, path, "a class such as saturation")
			if !ok {
				return
			}
			var err error
			if rule.Class, err = correlate.ParseClass(s); err != nil {
				p.Bad(n, path, "%v", err)
			}
		}},
		{Name: "alertname", Read: func(n *yaml.Node, path string) {
			name = true
			s, ok := p.scalar(n, path, "a regular expression for whole alert names")
			if !ok {
				return
			}
			re, err := regexp.Compile(`^(?:` + s + `)$`)
			if err != nil {
				p.Bad(n, path, "%q is not a regular expression: %v; see https://github.com/google/re2/wiki/Syntax", s, syntaxOf(err))
				return
			}
			rule.AlertName = re
		}},
	})
	if n.Kind == yaml.MappingNode && (!class || !name) {
		p.Bad(n, path, "needs both class and alertname; write {class: saturation, alertname: 'Pool.*'}")
	}
	if rule.AlertName != nil {
		p.classes = append(p.classes, rule)
	}
}

// syntaxOf leaves out the anchored expression that the error quotes.
func syntaxOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	reason, _, _ := strings.Cut(text, ": `")
	return reason
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
		v, ok := p.duration(n, path)
		if ok && time.Duration(v) < time.Minute {
			p.Bad(n, path, "%s is too short for a restart; write at least 1m", v)
		}
		*into = time.Duration(v)
	}
}

func (p *configParser) readRetention(n *yaml.Node, path string) {
	v, ok := p.duration(n, path)
	if !ok {
		return
	}
	p.c.retention = time.Duration(v)
	if v == 0 {
		p.c.retention = -1
	}
}
