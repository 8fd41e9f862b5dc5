package settings

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Engine reads the sections that decide what the engine does.
type Engine struct {
	*Values
	// Warn is told of settings that are legal and hardly meant.
	Warn func(n *yaml.Node, format string, args ...any)

	// Config is complete after [Engine.Complete].
	Config correlate.Config
	// Relabels counts the relabelling rules.
	Relabels int
	// Probes reads the keys of section health that are about Headwater's own probes,
	// those of [ProbeKeys]. Nil: they are passed over, for the engine is told results.
	Probes []strictyaml.Field
	// Lifeline reads the keys of section paging that are not about the engine, those of
	// [LifelineKeys]. Nil: they are passed over.
	Lifeline []strictyaml.Field

	relabel   []*relabel.Config
	receivers []reference // that the policy names
	intervals []reference // likewise
	classes   []correlate.ClassRule
}

// The names of the sections.
const (
	SectionResolve     = "resolve"
	SectionHealth      = "health"
	SectionCorrelation = "correlation"
	SectionPaging      = "paging"
)

// Sections are the top-level keys that Engine reads.
func (e *Engine) Sections() []strictyaml.Field {
	return []strictyaml.Field{
		{Name: SectionResolve, Read: e.readResolve},
		{Name: SectionHealth, Read: e.readHealth},
		{Name: SectionCorrelation, Read: e.readCorrelation},
		{Name: SectionPaging, Read: e.readPaging},
		{Name: SectionLinks, Read: e.readLinks},
	}
}

func (e *Engine) readResolve(n *yaml.Node, path string) {
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "relabel_configs", Read: func(n *yaml.Node, path string) { e.List(n, path, e.readRelabel) }},
	})
}

func (e *Engine) readRelabel(n *yaml.Node, path string) {
	if rule, ok := e.Relabel(n, path); ok {
		e.relabel = append(e.relabel, rule)
	}
}

func (e *Engine) readHealth(n *yaml.Node, path string) {
	c := &e.Config
	fields := []strictyaml.Field{
		{Name: "failure_threshold", Read: func(n *yaml.Node, path string) { c.FailureThreshold = e.Integer(n, path, 1) }},
		{Name: "success_threshold", Read: func(n *yaml.Node, path string) { c.SuccessThreshold = e.Integer(n, path, 1) }},
		{Name: "ttl", Read: func(n *yaml.Node, path string) {
			v, ok := e.Duration(n, path)
			if ok && time.Duration(v) < time.Minute {
				e.Bad(n, path, "%s is shorter than most checks' interval; write at least 1m", v)
			}
			c.HealthTTL = time.Duration(v)
		}},
	}
	if e.Probes == nil {
		for _, name := range ProbeKeys {
			fields = append(fields, strictyaml.Field{Name: name, Read: func(*yaml.Node, string) {}})
		}
	}
	e.Mapping(n, path, append(fields, e.Probes...))
}

// ProbeKeys are the keys of section health that say what Headwater itself probes.
var ProbeKeys = []string{"checks", "modules", "module_files", "labels", "blackbox", "prometheus", "refresh_interval", "concurrency"}

func (e *Engine) readCorrelation(n *yaml.Node, path string) {
	c := &e.Config
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "hold", Read: e.wait(&c.Hold)},
		{Name: "hold_confident", Read: e.wait(&c.HoldConfident)},
		{Name: "hold_critical", Read: e.wait(&c.HoldCritical)},
		{Name: "confident_at", Read: func(n *yaml.Node, path string) { c.ConfidentAt = e.Probability(n, path) }},
		{Name: "page_severities", Read: func(n *yaml.Node, path string) { e.readSeverities(n, path) }},
		{Name: "settle", Read: e.wait(&c.Settle)},
		{Name: "close_after", Read: e.wait(&c.CloseAfter)},
		{Name: "reopen_within", Read: e.wait(&c.ReopenWithin)},
		{Name: "stale_after", Read: func(n *yaml.Node, path string) {
			v, _ := e.Duration(n, path)
			c.StaleAfter = time.Duration(v)
		}},
		{Name: "chronic_after", Read: func(n *yaml.Node, path string) {
			v, ok := e.Duration(n, path)
			if ok && v == 0 {
				e.Bad(n, path, "0s would make every alert chronic, and nothing would page; write a duration such as 30m")
			}
			c.ChronicAfter = time.Duration(v)
		}},
		{Name: "classes", Read: func(n *yaml.Node, path string) { e.List(n, path, e.readClass) }},
	})
}

// wait reads a duration of which 0s means "not at all". To the engine zero means
// the default, so that becomes the shortest wait there is.
func (e *Engine) wait(into *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		if v, ok := e.Duration(n, path); ok {
			*into = max(time.Duration(v), time.Nanosecond)
		}
	}
}

// pageable are the severities in the engine's order.
var pageable = []correlate.Severity{
	correlate.SeverityNone, correlate.SeverityInfo, correlate.SeverityWarning, correlate.SeverityError, correlate.SeverityCritical,
}

func (e *Engine) readSeverities(n *yaml.Node, path string) {
	severities := []correlate.Severity{} // an empty list is not the default: nothing pages
	e.List(n, path, func(n *yaml.Node, path string) {
		const want = "one of critical, error, warning, info, none"
		s, ok := e.Scalar(n, path, want)
		if !ok {
			return
		}
		i := slices.IndexFunc(pageable, func(v correlate.Severity) bool { return v.String() == s })
		if i < 0 {
			e.Bad(n, path, "unknown severity %q; write %s", s, want)
			return
		}
		severities = append(severities, pageable[i])
	})
	if strictyaml.Target(n).Kind == yaml.SequenceNode && len(strictyaml.Target(n).Content) == 0 {
		e.Warn(n, "%s is empty: nothing will page", path)
	}
	e.Config.PageSeverities = severities
}

func (e *Engine) readClass(n *yaml.Node, path string) {
	var rule correlate.ClassRule
	var class, name bool
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "class", Read: func(n *yaml.Node, path string) {
			class = true
			s, ok := e.Scalar(n, path, "a class such as saturation")
			if !ok {
				return
			}
			var err error
			if rule.Class, err = correlate.ParseClass(s); err != nil {
				e.Bad(n, path, "%v", err)
			}
		}},
		{Name: "alertname", Read: func(n *yaml.Node, path string) {
			name = true
			s, ok := e.Scalar(n, path, "a regular expression for whole alert names")
			if !ok {
				return
			}
			re, err := regexp.Compile(`^(?:` + s + `)$`)
			if err != nil {
				e.Bad(n, path, "%q is not a regular expression: %v; see https://github.com/google/re2/wiki/Syntax", s, syntaxOf(err))
				return
			}
			rule.AlertName = re
		}},
	})
	if n.Kind == yaml.MappingNode && (!class || !name) {
		e.Bad(n, path, "needs both class and alertname; write {class: saturation, alertname: 'Pool.*'}")
	}
	if rule.AlertName != nil {
		e.classes = append(e.classes, rule)
	}
}

// syntaxOf leaves out the anchored expression that the error quotes.
func syntaxOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	reason, _, _ := strings.Cut(text, ": `")
	return reason
}

// Complete makes the configuration of what was read, root being the whole file, and
// checks it. Nil is an empty file.
func (e *Engine) Complete(root *yaml.Node) {
	c := &e.Config
	c.Classifier = correlate.NewClassifier(e.classes...)
	if c.Hold == 0 && c.HoldConfident+c.HoldCritical > 0 {
		c.Hold = defaultHold // to be compared with
	}
	if c.Hold > 0 {
		c.HoldConfident = cmp.Or(c.HoldConfident, min(c.Hold, defaultShortHold))
		c.HoldCritical = cmp.Or(c.HoldCritical, min(c.Hold, defaultShortHold))
	}
	resolver, err := topology.NewResolver(topology.ResolverConfig{Relabel: e.relabel})
	if err != nil {
		e.Add(fmt.Errorf("%s: resolve.relabel_configs: %w", e.File, err))
	}
	c.Resolver, e.Relabels = resolver, len(e.relabel)
	if err := c.Validate(); err != nil {
		for _, text := range ErrorLines(err) {
			name, _, _ := strings.Cut(text, ": ")
			e.Add(fmt.Errorf("%s:%d: %s", e.File, strictyaml.LineOf(root, name), text))
		}
	}
}

// The engine's defaults. A shorter hold shortens the others.
const (
	defaultHold      = 30 * time.Second
	defaultShortHold = 10 * time.Second
)

// ErrorLines are the single errors of a joined one.
func ErrorLines(err error) []string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []string{err.Error()}
	}
	var lines []string
	for _, e := range joined.Unwrap() {
		lines = append(lines, ErrorLines(e)...)
	}
	return lines
}
