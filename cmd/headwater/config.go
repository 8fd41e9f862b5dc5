package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/ingest/health/setup"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// config is the configuration file, checked and ready for use.
type config struct {
	path        string // empty: there is no file, all is default
	environment string

	topologyFiles []string // absolute or relative to the working directory
	topology      topologyVersion
	sources       []discovery.Config // in the order of the file, which is their rank

	signals signalsConfig

	engine   correlate.Config
	relabels int

	probes setup.Setup

	stream    streamConfig
	retention store.Retention // complete: nothing in it is 0

	paging   *page.Config
	routes   int
	lifeline lifelineConfig

	statusPages []page.StatusPage

	// warnings are settings without effect and what else is worth a line at the start.
	warnings []string

	// shown is the file without its secrets, since when it came into force.
	shown string
	since time.Time

	// settings are the sections that a reload compares, as plain data.
	settings map[string]any
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
		Values: settings.NewValues(path),
		c:      &config{path: path, environment: "default", retention: store.RetainAll(defaultRetention), settings: map[string]any{}},
	}
	probes := setup.NewReader(p.Values, p.c.dir())
	p.engine = &settings.Engine{Values: p.Values, Warn: p.warn, Probes: probes.Fields(), Lifeline: p.lifelineFields()}
	root := p.Document(string(data))
	if err := p.Err(); err != nil {
		return nil, err
	}
	if root != nil {
		p.Mapping(root, "", p.sections(root))
		if strictyaml.Target(root).Kind != yaml.MappingNode {
			return nil, p.Err()
		}
	}
	p.engine.Complete(root)
	p.c.probes = probes.Complete()
	p.c.engine, p.c.relabels = p.engine.Config, p.engine.Relabels
	p.c.engine.Environment = p.c.environment
	p.paging(data, root)
	p.topology()
	if err := p.Err(); err != nil {
		return nil, err
	}
	shown, err := redact(data)
	p.c.shown = shown
	return p.c, err
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
	if c.engine.Notices != next.engine.Notices || c.engine.StatusPages != next.engine.StatusPages {
		return true
	}
	for _, name := range []string{settings.SectionResolve, settings.SectionCorrelation, settings.SectionPaging, settings.SectionLinks} {
		if !reflect.DeepEqual(c.settings[name], next.settings[name]) {
			return true
		}
	}
	return !reflect.DeepEqual(hoursOf(c.settings), hoursOf(next.settings)) || !reflect.DeepEqual(withoutProbes(c.settings), withoutProbes(next.settings))
}

// hoursOf is what decides which routes are open when; nil where time does not matter.
func hoursOf(sections map[string]any) []any {
	if sections["time_intervals"] == nil && sections["mute_time_intervals"] == nil {
		return nil
	}
	return []any{sections["time_intervals"], sections["mute_time_intervals"], sections["route"]}
}

// withoutProbes is what section health says to the engine.
func withoutProbes(sections map[string]any) map[string]any {
	rest := map[string]any{}
	section, _ := sections[settings.SectionHealth].(map[string]any)
	for key, value := range section {
		if !slices.Contains(settings.ProbeKeys, key) {
			rest[key] = value
		}
	}
	return rest
}

type configParser struct {
	*settings.Values
	c      *config
	engine *settings.Engine

	unreadable bool // a topology file is missing: reported, loading it would only repeat it
}

// sections are the top-level keys. Alertmanager's are left to its own library.
func (p *configParser) sections(root *yaml.Node) []strictyaml.Field {
	fields := slices.Concat(
		[]strictyaml.Field{
			{Name: sectionEnvironment, Read: p.readEnvironment},
			{Name: sectionTopology, Read: p.readTopology},
		},
		p.engine.Sections(),
		p.signalSections(),
		[]strictyaml.Field{
			{Name: sectionStatusPages, Read: p.readStatusPages},
			{Name: sectionStream, Read: p.readStream},
			{Name: sectionRetention, Read: p.readRetention},
		},
	)
	for i, f := range fields {
		fields[i].Read = func(n *yaml.Node, path string) {
			p.c.settings[f.Name] = plain(n)
			f.Read(n, path)
		}
	}
	for _, name := range page.Sections {
		fields = append(fields, strictyaml.Field{Name: name, Read: func(n *yaml.Node, _ string) { p.c.settings[name] = plain(n) }})
	}
	for i := 0; i+1 < len(strictyaml.Target(root).Content); i += 2 {
		name := strictyaml.Target(root).Content[i].Value
		if why, ok := ignoredSections[name]; ok {
			fields = append(fields, strictyaml.Field{Name: name, Read: func(n *yaml.Node, _ string) {
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
	p.c.warnings = append(p.c.warnings, fmt.Sprintf("%s:%d: %s", p.File, n.Line, fmt.Sprintf(format, args...)))
}

// paging reads Alertmanager's sections with its own library, which reports one error.
func (p *configParser) paging(data []byte, root *yaml.Node) {
	paging, err := page.LoadConfig(data, p.c.dir(), p.c.pagingOptions()...)
	if err != nil {
		if line, reason, ok := strictyaml.CutLine(lineFirst(err.Error())); ok {
			p.Add(fmt.Errorf("%s:%d: %s", p.File, line, alertmanagerText(reason)))
			return
		}
		p.Add(fmt.Errorf("%s: %s", p.File, alertmanagerText(strictyaml.LibraryText(err))))
		return
	}
	p.c.paging = paging
	p.engine.CheckReceivers(paging.Receivers())
	var intervals []string
	if hours := paging.Hours(); hours != nil {
		p.c.engine.Calendar, intervals = hours, hours.Intervals()
	}
	p.engine.CheckIntervals(intervals)
	p.c.engine.Notices, p.c.engine.StatusPages = paging.Notices(), len(p.c.statusPages) > 0
	if root == nil || paging.LogOnly() {
		return
	}
	p.c.routes = 1
	content := strictyaml.Target(root).Content
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value == "route" {
			p.c.routes = countRoutes(strictyaml.Target(content[i+1]))
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
		for _, child := range strictyaml.Target(n.Content[i+1]).Content {
			count += countRoutes(strictyaml.Target(child))
		}
	}
	return count
}

// topology loads the topology files; their errors name file and line already.
func (p *configParser) topology() {
	if len(p.c.topologyFiles) == 0 {
		if len(p.c.sources) == 0 {
			p.c.warnings = append(p.c.warnings, "no topology sources configured: without dependencies each service's alerts are an incident of their own")
		}
		return
	}
	if p.unreadable {
		return
	}
	v, err := loadTopology(p.c.topologyFiles)
	if err != nil {
		p.Add(err)
		return
	}
	p.c.topology = v
}
