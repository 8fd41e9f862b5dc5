package settings

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// reference is a name in the file of something that another section has.
type reference struct {
	name string
	node *yaml.Node
	path string
}

func (e *Engine) readPaging(n *yaml.Node, path string) {
	p := &e.Config.Policy
	e.Mapping(n, path, append([]strictyaml.Field{
		{Name: "ring_spacing", Read: e.wait(&p.RingSpacing)},
		{Name: "reminder", Read: func(n *yaml.Node, path string) {
			v, _ := e.Duration(n, path)
			p.Reminder = time.Duration(v)
		}},
		{Name: "reminders", Read: func(n *yaml.Node, path string) { p.Reminders = e.Integer(n, path, 1) }},
		{Name: "daytime", Read: e.readDaytime},
		{Name: "maintenance", Read: func(n *yaml.Node, path string) { e.List(n, path, e.readMaintenance) }},
		{Name: "escalation", Read: func(n *yaml.Node, path string) { e.List(n, path, e.readEscalation) }},
	}, e.lifeline()...))
}

// LifelineKeys are the keys of section paging that say who is paged when correlation does not get
// there, and how one knows that everything works.
var LifelineKeys = []string{"fallback", "heartbeat", "watchdogs"}

// lifeline are the keys of [LifelineKeys].
func (e *Engine) lifeline() []strictyaml.Field {
	if e.Lifeline != nil {
		return e.Lifeline
	}
	var fields []strictyaml.Field
	for _, name := range LifelineKeys {
		fields = append(fields, strictyaml.Field{Name: name, Read: func(*yaml.Node, string) {}})
	}
	return fields
}

func (e *Engine) readDaytime(n *yaml.Node, path string) {
	d := &e.Config.Policy.Daytime
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "time_interval", Read: func(n *yaml.Node, path string) { d.Interval, _ = e.readInterval(n, path) }},
		{Name: "severities", Read: func(n *yaml.Node, path string) {
			d.Sevs = []correlate.Sev{}
			e.List(n, path, func(n *yaml.Node, path string) {
				name, ok := e.Scalar(n, path, "SEV1, SEV2, SEV3 or SEV4")
				if !ok {
					return
				}
				sev, err := correlate.ParseSev(name)
				if err != nil {
					e.Bad(n, path, "%v", err)
					return
				}
				d.Sevs = append(d.Sevs, sev)
			})
		}},
	})
	if strictyaml.Target(n).Kind == yaml.MappingNode && len(strictyaml.Target(n).Content) > 0 && d.Interval == "" {
		e.Bad(n, path, "needs time_interval; write time_interval: NAME, of one under time_intervals")
	}
}

func (e *Engine) readMaintenance(n *yaml.Node, path string) {
	var r correlate.RecurringMaintenance
	text := func(into *string, want string) func(*yaml.Node, string) {
		return func(n *yaml.Node, path string) { *into, _ = e.Scalar(n, path, want) }
	}
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "name", Read: text(&r.Name, "a name such as backups")},
		{Name: "time_interval", Read: func(n *yaml.Node, path string) { r.Interval, _ = e.readInterval(n, path) }},
		{Name: "matchers", Read: func(n *yaml.Node, path string) { r.Matchers = e.ReadMatchers(n, path) }},
		{Name: "services", Read: func(n *yaml.Node, path string) {
			e.List(n, path, func(n *yaml.Node, path string) {
				if name, ok := e.Scalar(n, path, "the name of a service"); ok {
					r.Services = append(r.Services, topology.ParseRef(name))
				}
			})
		}},
		{Name: "dependents", Read: func(n *yaml.Node, path string) { r.Dependents = e.Boolean(n, path) }},
		{Name: "reason", Read: text(&r.Reason, "why, in words")},
	})
	if n.Kind == yaml.MappingNode && (r.Name == "" || r.Interval == "" || len(r.Matchers)+len(r.Services) == 0) {
		e.Bad(n, path, "needs name, time_interval, and services or matchers")
	}
	e.Config.Policy.Maintenance = append(e.Config.Policy.Maintenance, r)
}

func (e *Engine) readInterval(n *yaml.Node, path string) (string, bool) {
	name, ok := e.Scalar(n, path, "the name of a time interval")
	if ok {
		e.intervals = append(e.intervals, reference{name, n, path})
	}
	return name, ok
}

func (e *Engine) readEscalation(n *yaml.Node, path string) {
	var policy correlate.EscalationPolicy
	steps := false
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "matchers", Read: func(n *yaml.Node, path string) { policy.Matchers = e.ReadMatchers(n, path) }},
		{Name: "steps", Read: func(n *yaml.Node, path string) {
			steps = true
			e.List(n, path, func(n *yaml.Node, path string) { policy.Steps = append(policy.Steps, e.readStep(n, path)) })
		}},
	})
	if n.Kind == yaml.MappingNode && !steps {
		e.Bad(n, path, "needs steps; write steps: [{after: 10m, when: unacknowledged, to: [secondary]}]")
	}
	if list := e.Config.Policy.Escalation; len(list) > 0 && len(list[len(list)-1].Matchers) == 0 {
		e.Bad(n, path, "is never reached: the policy before it has no matchers and takes every incident; put that one last")
	}
	e.Config.Policy.Escalation = append(e.Config.Policy.Escalation, policy)
}

// ReadMatchers reads a list of conditions on labels.
func (e *Engine) ReadMatchers(n *yaml.Node, path string) []correlate.Matcher {
	var matchers []correlate.Matcher
	e.List(n, path, func(n *yaml.Node, path string) {
		text, ok := e.Scalar(n, path, `a matcher such as sev="SEV1"`)
		if !ok {
			return
		}
		m, err := correlate.ParseMatcher(text)
		if err != nil {
			e.Bad(n, path, "%v", err)
			return
		}
		matchers = append(matchers, m)
	})
	return matchers
}

// noProgressAfter is the time of a step on no progress that names none.
const noProgressAfter = 30 * time.Minute

func (e *Engine) readStep(n *yaml.Node, path string) correlate.EscalationStep {
	var step correlate.EscalationStep
	after, when, to := false, false, false
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "after", Read: func(n *yaml.Node, path string) {
			after = true
			v, _ := e.Duration(n, path)
			step.After = time.Duration(v)
		}},
		{Name: "when", Read: func(n *yaml.Node, path string) {
			when = true
			name, ok := e.Scalar(n, path, "a condition such as unacknowledged")
			if !ok {
				return
			}
			var err error
			if step.When, err = correlate.ParseEscalationCondition(name); err != nil {
				e.Bad(n, path, "%v", err)
			}
		}},
		{Name: "to", Read: func(n *yaml.Node, path string) {
			to = true
			step.To = e.readReceivers(n, path)
		}},
	})
	switch {
	case n.Kind != yaml.MappingNode:
	case !to:
		e.Bad(n, path, "needs to; write to: [RECEIVER]")
	case !after && !when:
		e.Bad(n, path, "needs after or when; without either it is the route that should lead there")
	case !after && step.When == correlate.EscalateNoProgress:
		step.After = noProgressAfter
	case !after && step.When == correlate.EscalateUnacknowledged:
		e.Bad(n, path, "needs after: nobody can have acknowledged at once; write after: 10m")
	}
	return step
}

func (e *Engine) readReceivers(n *yaml.Node, path string) []string {
	var names []string
	e.List(n, path, func(n *yaml.Node, path string) {
		switch name := e.ReadReceiver(n, path); {
		case name == "":
		case slices.Contains(names, name):
			e.Bad(n, path, "%q is listed twice; remove one", name)
		default:
			names = append(names, name)
		}
	})
	if target := strictyaml.Target(n); target.Kind == yaml.SequenceNode && len(target.Content) == 0 {
		e.Bad(n, path, "names nobody; name at least one receiver")
	}
	return names
}

// ReadReceiver reads the name of a receiver, which [Engine.CheckReceivers] checks later; empty when it is none.
func (e *Engine) ReadReceiver(n *yaml.Node, path string) string {
	name, ok := e.Scalar(n, path, "the name of a receiver")
	if !ok {
		return ""
	}
	e.receivers = append(e.receivers, reference{name, n, path})
	return name
}

// CheckReceivers reports the receivers that the section names and known does not have.
func (e *Engine) CheckReceivers(known []string) { e.check(e.receivers, known, "receiver", "receivers") }

// CheckIntervals does so for time intervals.
func (e *Engine) CheckIntervals(known []string) {
	e.check(e.intervals, known, "time interval", "time_intervals")
}

func (e *Engine) check(named []reference, known []string, thing, section string) {
	for _, r := range named {
		if slices.Contains(known, r.name) {
			continue
		}
		have := "there are none"
		if len(known) > 0 {
			have = "there are " + strings.Join(known, ", ")
		}
		e.Bad(r.node, r.path, "there is no %s %q under %s; %s", thing, r.name, section, have)
	}
}
