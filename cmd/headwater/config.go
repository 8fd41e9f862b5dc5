package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/relabel"
	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/file"
)

// config is the configuration file, checked and ready for use.
type config struct {
	path        string // empty: there is no file, all is default
	environment string

	topologyFiles []string // absolute or relative to the working directory
	topology      topologyVersion

	engine   correlate.Config
	relabels int

	stream    streamConfig
	retention time.Duration // negative: for ever

	paging *page.Config
	routes int

	// warnings are settings without effect and what else is worth a line at the start.
	warnings []string

	// settings are the sections that a reload compares, as plain data.
	settings map[string]any
}

// topologyVersion is what the topology files say.
type topologyVersion struct {
	spec         topology.Spec
	services     int
	dependencies int
	warnings     []topology.Warning
}

// streamConfig bounds the streams. Zero values are the bus's defaults.
type streamConfig struct {
	maxAge             time.Duration
	maxBytes           int64 // negative: unlimited
	deadLetterMaxAge   time.Duration
	deadLetterMaxBytes int64
}

// The sections of the file that are ours; page.Sections are Alertmanager's.
const (
	sectionEnvironment = "environment"
	sectionTopology    = "topology"
	sectionResolve     = "resolve"
	sectionHealth      = "health"
	sectionCorrelation = "correlation"
	sectionStream      = "stream"
	sectionRetention   = "retention"
)

// ignoredSections come along when Alertmanager's whole configuration is pasted in.
var ignoredSections = map[string]string{
	"inhibit_rules":  "alerts are grouped by the dependency graph, nothing is inhibited",
	"event_recorder": "Headwater's stream is the record of events",
	"tracing":        "there is no tracing of notifications yet",
}

// loadConfig reads and checks a configuration file and the files that it names. An
// empty path gives the defaults. All errors are reported together, each as
// file:line: field: what is wrong; the way out.
func loadConfig(path string) (*config, error) {
	if path == "" {
		return parseConfig("", nil)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read --config.file: %w", err)
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*config, error) {
	p := configParser{
		decoder: decoder{file: path},
		c:       &config{path: path, environment: "default", settings: map[string]any{}},
	}
	root := p.document(string(data))
	if err := p.err(); err != nil {
		return nil, err
	}
	if root != nil {
		p.mapping(root, "", p.sections(root))
		if target(root).Kind != yaml.MappingNode {
			return nil, p.err()
		}
	}
	p.engine()
	p.paging(data, root)
	p.topology()
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.c, nil
}

// dir is the folder that relative paths in the file are taken from.
func (c *config) dir() string {
	if c.path == "" {
		return "."
	}
	return filepath.Dir(c.path)
}

// restartNeeded lists what differs in next and is only read at the start.
func (c *config) restartNeeded(next *config) []string {
	var names []string
	for _, name := range []string{sectionEnvironment, sectionStream, sectionRetention} {
		if !reflect.DeepEqual(c.settings[name], next.settings[name]) {
			names = append(names, name)
		}
	}
	return names
}

// engineDiffers reports whether next asks for another engine than c.
func (c *config) engineDiffers(next *config) bool {
	for _, name := range []string{sectionResolve, sectionHealth, sectionCorrelation} {
		if !reflect.DeepEqual(c.settings[name], next.settings[name]) {
			return true
		}
	}
	return false
}

type configParser struct {
	decoder
	c *config

	relabel    []*relabel.Config
	classes    []correlate.ClassRule
	unreadable bool // a topology file is missing: reported, loading it would only repeat it
}

// sections are the top-level keys. Alertmanager's are left to its own library.
func (p *configParser) sections(root *yaml.Node) []field {
	fields := []field{
		{sectionEnvironment, p.readEnvironment},
		{sectionTopology, p.readTopology},
		{sectionResolve, p.readResolve},
		{sectionHealth, p.readHealth},
		{sectionCorrelation, p.readCorrelation},
		{sectionStream, p.readStream},
		{sectionRetention, p.readRetention},
	}
	for i, f := range fields {
		fields[i].read = func(n *yaml.Node, path string) {
			p.c.settings[f.name] = plain(n)
			f.read(n, path)
		}
	}
	for _, name := range page.Sections {
		fields = append(fields, field{name, func(*yaml.Node, string) {}})
	}
	for i := 0; i+1 < len(target(root).Content); i += 2 {
		name := target(root).Content[i].Value
		if why, ok := ignoredSections[name]; ok {
			fields = append(fields, field{name, func(n *yaml.Node, _ string) {
				p.warn(n, "%s has no effect: %s", name, why)
			}})
		}
	}
	return fields
}

// plain is a section as data without comments, order of keys and lines.
func plain(n *yaml.Node) any {
	var v any
	if n.Decode(&v) != nil {
		return nil // reported where it is read
	}
	return v
}

func (p *configParser) warn(n *yaml.Node, format string, args ...any) {
	p.c.warnings = append(p.c.warnings, fmt.Sprintf("%s:%d: %s", p.file, n.Line, fmt.Sprintf(format, args...)))
}

var environmentPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (p *configParser) readEnvironment(n *yaml.Node, path string) {
	s, ok := p.scalar(n, path, "a name such as prod-eu")
	if !ok {
		return
	}
	if !environmentPattern.MatchString(s) || strings.HasSuffix(s, "_DEADLETTER") {
		p.bad(n, path, "%q cannot name a stream; write up to 64 letters, digits, - and _, not ending in _DEADLETTER", s)
		return
	}
	p.c.environment = s
}

func (p *configParser) readTopology(n *yaml.Node, path string) {
	p.mapping(n, path, []field{
		{"files", func(n *yaml.Node, path string) {
			p.sequence(n, path, func(n *yaml.Node, path string) {
				name, ok := p.scalar(n, path, "the path of a topology file")
				if !ok {
					return
				}
				if !filepath.IsAbs(name) {
					name = filepath.Join(p.c.dir(), name)
				}
				if slices.Contains(p.c.topologyFiles, name) {
					p.bad(n, path, "%q is listed twice; remove one", name)
					return
				}
				var missing *fs.PathError
				if _, err := os.Stat(name); errors.As(err, &missing) {
					p.bad(n, path, "%q: %v; a relative path begins at the folder of this file", name, missing.Err)
					p.unreadable = true
				}
				p.c.topologyFiles = append(p.c.topologyFiles, name)
			})
		}},
	})
}

func (p *configParser) readResolve(n *yaml.Node, path string) {
	p.mapping(n, path, []field{
		{"relabel_configs", func(n *yaml.Node, path string) { p.sequence(n, path, p.readRelabel) }},
	})
}

// readRelabel leaves the values to Prometheus's library, which knows another YAML
// package than ours, and only one error at a time.
func (p *configParser) readRelabel(n *yaml.Node, path string) {
	before := len(p.errs) + p.over
	ignore := func(*yaml.Node, string) {}
	p.mapping(n, path, []field{
		{"source_labels", ignore},
		{"separator", ignore},
		{"regex", ignore},
		{"modulus", ignore},
		{"target_label", ignore},
		{"replacement", ignore},
		{"action", ignore},
	})
	if len(p.errs)+p.over != before {
		return
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		p.bad(n, path, "%v", err)
		return
	}
	rule := new(relabel.Config)
	if err := yamlv2.UnmarshalStrict(text, rule); err != nil {
		p.bad(n, path, "%s", libraryText(err))
		return
	}
	if _, err := topology.NewResolver(topology.ResolverConfig{Relabel: []*relabel.Config{rule}}); err != nil {
		_, reason, found := strings.Cut(err.Error(), "relabel_configs[0]: ")
		if !found {
			reason = err.Error()
		}
		p.bad(n, path, "%s", reason)
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
	p.mapping(n, path, []field{
		{"failure_threshold", func(n *yaml.Node, path string) { p.c.engine.FailureThreshold = p.integer(n, path, 1) }},
	})
}

func (p *configParser) readCorrelation(n *yaml.Node, path string) {
	e := &p.c.engine
	p.mapping(n, path, []field{
		{"hold", p.wait(&e.Hold)},
		{"hold_confident", p.wait(&e.HoldConfident)},
		{"confident_at", func(n *yaml.Node, path string) { e.ConfidentAt = p.probability(n, path) }},
		{"page_severities", func(n *yaml.Node, path string) { p.readSeverities(n, path) }},
		{"settle", p.wait(&e.Settle)},
		{"close_after", p.wait(&e.CloseAfter)},
		{"reopen_within", p.wait(&e.ReopenWithin)},
		{"stale_after", func(n *yaml.Node, path string) {
			v, _ := p.duration(n, path)
			e.StaleAfter = time.Duration(v)
		}},
		{"chronic_after", func(n *yaml.Node, path string) {
			v, ok := p.duration(n, path)
			if ok && v == 0 {
				p.bad(n, path, "0s would make every alert chronic, and nothing would page; write a duration such as 30m")
			}
			e.ChronicAfter = time.Duration(v)
		}},
		{"classes", func(n *yaml.Node, path string) { p.sequence(n, path, p.readClass) }},
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
	p.sequence(n, path, func(n *yaml.Node, path string) {
		const want = "one of critical, error, warning, info, none"
		s, ok := p.scalar(n, path, want)
		if !ok {
			return
		}
		i := slices.IndexFunc(pageable, func(v correlate.Severity) bool { return v.String() == s })
		if i < 0 {
			p.bad(n, path, "unknown severity %q; write %s", s, want)
			return
		}
		severities = append(severities, pageable[i])
	})
	if target(n).Kind == yaml.SequenceNode && len(target(n).Content) == 0 {
		p.warn(n, "%s is empty: nothing will page", path)
	}
	p.c.engine.PageSeverities = severities
}

func (p *configParser) readClass(n *yaml.Node, path string) {
	var rule correlate.ClassRule
	var class, name bool
	p.mapping(n, path, []field{
		{"class", func(n *yaml.Node, path string) {
			class = true
			s, ok := p.scalar(n, path, "a class such as saturation")
			if !ok {
				return
			}
			var err error
			if rule.Class, err = correlate.ParseClass(s); err != nil {
				p.bad(n, path, "%v", err)
			}
		}},
		{"alertname", func(n *yaml.Node, path string) {
			name = true
			s, ok := p.scalar(n, path, "a regular expression for whole alert names")
			if !ok {
				return
			}
			re, err := regexp.Compile(`^(?:` + s + `)$`)
			if err != nil {
				p.bad(n, path, "%q is not a regular expression: %v; see https://github.com/google/re2/wiki/Syntax", s, syntaxOf(err))
				return
			}
			rule.AlertName = re
		}},
	})
	if n.Kind == yaml.MappingNode && (!class || !name) {
		p.bad(n, path, "needs both class and alertname; write {class: saturation, alertname: 'Pool.*'}")
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
	p.mapping(n, path, []field{
		{"max_age", p.age(&s.maxAge)},
		{"max_bytes", func(n *yaml.Node, path string) {
			v, ok := p.bytes(n, path)
			if ok && v == 0 {
				v = -1 // unlimited
			}
			s.maxBytes = v
		}},
		{"dead_letter_max_age", p.age(&s.deadLetterMaxAge)},
		{"dead_letter_max_bytes", func(n *yaml.Node, path string) {
			v, ok := p.bytes(n, path)
			if ok && v == 0 {
				p.bad(n, path, "dead letters need some room; write a size such as 256MiB")
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
			p.bad(n, path, "%s is too short for a restart; write at least 1m", v)
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

// engine completes the engine's configuration and checks it as a whole.
func (p *configParser) engine() {
	e := &p.c.engine
	e.Environment = p.c.environment
	e.Classifier = correlate.NewClassifier(p.classes...)
	switch {
	case e.Hold > 0 && e.HoldConfident == 0:
		e.HoldConfident = min(e.Hold, defaultHoldConfident)
	case e.Hold == 0 && e.HoldConfident > 0:
		e.Hold = defaultHold // to be compared with
	}
	resolver, err := topology.NewResolver(topology.ResolverConfig{Relabel: p.relabel})
	if err != nil {
		p.add(fmt.Errorf("%s: resolve.relabel_configs: %w", p.file, err))
	}
	e.Resolver, p.c.relabels = resolver, len(p.relabel)
	if err := e.Validate(); err != nil {
		for _, text := range errorLines(err) {
			name, _, _ := strings.Cut(text, ": ")
			p.add(fmt.Errorf("%s:%d: %s", p.file, max(p.lines[name], 1), text))
		}
	}
}

// The engine's defaults. A shorter hold shortens the other.
const (
	defaultHold          = 30 * time.Second
	defaultHoldConfident = 10 * time.Second
)

// paging reads Alertmanager's sections with its own library, which reports one error.
func (p *configParser) paging(data []byte, root *yaml.Node) {
	paging, err := page.LoadConfig(data, p.c.dir())
	if err != nil {
		if line, reason, ok := cutLine(lineFirst(err.Error())); ok {
			p.add(fmt.Errorf("%s:%d: %s", p.file, line, alertmanagerText(reason)))
			return
		}
		p.add(fmt.Errorf("%s: %s", p.file, alertmanagerText(libraryText(err))))
		return
	}
	p.c.paging = paging
	if root == nil || paging.LogOnly() {
		return
	}
	p.c.routes = 1
	content := target(root).Content
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value == "route" {
			p.c.routes = countRoutes(target(content[i+1]))
		}
	}
}

var unknownKey = regexp.MustCompile(`^field (\S+) (not found|already set) in type \S+$`)

// alertmanagerText puts what its YAML library says of keys into words.
func alertmanagerText(reason string) string {
	m := unknownKey.FindStringSubmatch(reason)
	switch {
	case m == nil:
		return reason
	case m[2] == "already set":
		return fmt.Sprintf("%q was already given; remove one", m[1])
	}
	return fmt.Sprintf("unknown key %q; the keys of receivers and routes are those of Alertmanager 0.34", m[1])
}

// lineFirst is the first line of a library's error that names a line of the file.
func lineFirst(text string) string {
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimPrefix(strings.TrimSpace(l), "yaml: ")
		if strings.HasPrefix(l, "line ") {
			return l
		}
	}
	return text
}

func countRoutes(n *yaml.Node) int {
	count := 1
	if n.Kind != yaml.MappingNode {
		return count
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "routes" {
			continue
		}
		for _, child := range target(n.Content[i+1]).Content {
			count += countRoutes(target(child))
		}
	}
	return count
}

// topology loads the topology files; their errors name file and line already.
func (p *configParser) topology() {
	if len(p.c.topologyFiles) == 0 {
		p.c.topology = topologyVersion{spec: emptyTopology}
		p.c.warnings = append(p.c.warnings, "no topology files configured: without dependencies each service's alerts are an incident of their own")
		return
	}
	if p.unreadable {
		return
	}
	v, err := loadTopology(p.c.topologyFiles)
	if err != nil {
		p.add(err)
		return
	}
	p.c.topology = v
}

// emptyTopology is in force while no files are configured.
var emptyTopology = topology.Spec{Version: "empty"}

// loadTopology reads topology files and tries whether they make a graph.
func loadTopology(paths []string) (topologyVersion, error) {
	spec, err := file.Load(paths...)
	if err != nil {
		return topologyVersion{}, err
	}
	return checkTopology(spec, paths)
}

func checkTopology(spec topology.Spec, paths []string) (topologyVersion, error) {
	graph, warnings, err := topology.Build(spec)
	if err != nil {
		return topologyVersion{}, fmt.Errorf("%s: %w", strings.Join(paths, ", "), err)
	}
	return topologyVersion{spec: spec, services: graph.Len(), dependencies: graph.EdgeCount(), warnings: warnings}, nil
}

// errorLines are the single errors of a joined one.
func errorLines(err error) []string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []string{err.Error()}
	}
	var lines []string
	for _, e := range joined.Unwrap() {
		lines = append(lines, errorLines(e)...)
	}
	return lines
}
