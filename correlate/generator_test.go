package correlate_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// epoch is when every generated history begins.
var epoch = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)

// stride leaves room between the positions of generated inputs for those that a
// property puts in between.
const stride = 10_000

// labelSet is one alert rule on one service, as far as the engine can tell.
type labelSet struct {
	labels map[string]string
	starts time.Time // of the running instance; zero: none
	ended  time.Time // when it last ended
}

// history draws a world and what happens in it: a small graph with cycles, groups
// and places; bursts of alerts with starts out of order, resolves, second
// firings; health results, changes, commands and new versions of the graph.
type history struct {
	t      *rapid.T
	now    time.Time
	inputs []correlate.Input
	sets   []*labelSet
}

func drawHistory(t *rapid.T) []correlate.Input {
	h := &history{t: t, now: epoch}
	h.add(drawTopology(t, 1))
	for i := range rapid.IntRange(1, 14).Draw(t, "label sets") {
		h.sets = append(h.sets, &labelSet{labels: drawLabels(t, i)})
	}
	for range rapid.IntRange(1, 30).Draw(t, "inputs") {
		h.now = h.now.Add(rapid.SampledFrom(pauses).Draw(t, "pause"))
		h.event()
	}
	return h.inputs
}

var pauses = []time.Duration{
	0, 0, 300 * time.Millisecond, time.Second, 4 * time.Second, 15 * time.Second, 29 * time.Second,
	31 * time.Second, 2 * time.Minute, 9 * time.Minute, 11 * time.Minute, 45 * time.Minute,
}

func (h *history) add(s correlate.Signal) {
	h.inputs = append(h.inputs, correlate.Input{Pos: uint64(len(h.inputs)+1) * stride, At: h.now, Signal: s})
}

func (h *history) event() {
	switch kind := rapid.IntRange(0, 27).Draw(h.t, "event"); {
	case kind > 25:
		h.reconcile()
	case kind < 10:
		h.burst()
	case kind < 12:
		h.add(h.batch(h.running()))
	case kind < 14:
		h.add(h.health())
	case kind < 16:
		h.add(h.change())
	case kind < 22:
		h.add(h.command())
	case kind < 23:
		h.allOver()
	case kind < 24:
		h.add(drawTopology(h.t, len(h.inputs)))
	default:
		h.add(correlate.Tick{})
	}
}

// drawCorrections draws what operators do to one cascade and another beside it: the
// alerts are there from the start, so most commands can be carried out.
func drawCorrections(t *rapid.T) []correlate.Input {
	h := &history{t: t, now: epoch}
	ref := func(name string) topology.Ref { return topology.Ref{Name: name} }
	spec := topology.Spec{Version: "v1"}
	for _, name := range []string{"s0", "s1", "s2", "s3", "s4", "s5"} {
		spec.Services = append(spec.Services, topology.Service{Name: name, Kind: rapid.SampledFrom([]topology.Kind{topology.KindService, topology.KindDatabase}).Draw(t, "kind")})
	}
	for _, d := range [][2]string{{"s1", "s0"}, {"s2", "s0"}, {"s3", "s2"}, {"s5", "s4"}} {
		spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: ref(d[0]), To: ref(d[1])})
	}
	h.add(&correlate.TopologyReport{Source: "test", Spec: spec})
	first := h.batch(nil)
	for i, service := range []string{"s0", "s1", "s1", "s2", "s3", "s4", "s5"} {
		s := &labelSet{labels: map[string]string{
			"__fp": fmt.Sprintf("%016x", i), "alertname": rapid.SampledFrom(alertNames).Draw(t, "name"), "severity": "critical", "service": service,
		}}
		h.sets = append(h.sets, s)
		if i > 0 || rapid.Bool().Draw(t, "the origin alerts") {
			s.starts = h.now
			first.Alerts = append(first.Alerts, s.alert(time.Time{}))
		}
	}
	h.add(first)
	for range rapid.IntRange(1, 12).Draw(t, "inputs") {
		h.now = h.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Second, 31 * time.Second, 11 * time.Minute}).Draw(t, "pause"))
		switch kind := rapid.IntRange(0, 9).Draw(t, "event"); {
		case kind < 5:
			h.add(h.command())
		case kind < 8:
			h.burst()
		case kind < 9:
			h.add(h.health())
		default:
			h.allOver()
		}
	}
	return h.inputs
}

// burst fires, confirms or ends some of the alerts, in one request.
func (h *history) burst() {
	b := h.batch(nil)
	for _, s := range rapid.SliceOfNDistinct(rapid.SampledFrom(h.sets), 1, min(6, len(h.sets)), rapid.ID[*labelSet]).Draw(h.t, "label sets touched") {
		if s.starts.IsZero() {
			age := rapid.SampledFrom([]time.Duration{0, 0, 7 * time.Second, time.Minute, 3 * time.Minute, 2 * time.Hour}).Draw(h.t, "age")
			s.starts = h.now.Add(-age)
			if s.starts.Before(s.ended) {
				s.starts = s.ended.Add(time.Millisecond)
			}
			b.Alerts = append(b.Alerts, s.alert(time.Time{}))
		} else if rapid.Bool().Draw(h.t, "ends") {
			s.ended = h.now.Add(-rapid.SampledFrom([]time.Duration{0, 5 * time.Second, 20 * time.Minute}).Draw(h.t, "ended"))
			if s.ended.Before(s.starts) {
				s.ended = s.starts
			}
			b.Alerts = append(b.Alerts, s.alert(s.ended))
			s.starts = time.Time{}
		}
	}
	if rapid.IntRange(0, 9).Draw(h.t, "truncated") == 0 {
		b.Truncated = 7
	}
	h.add(b)
}

// reconcile mutes, unmutes or ends what fires, as read from the Alertmanager.
func (h *history) reconcile() {
	b := h.batch(nil)
	b.Source, b.ExternalURL = correlate.SourceReconciliation, "http://alertmanager"
	for _, s := range h.running() {
		switch a := s.alert(time.Time{}); rapid.IntRange(0, 3).Draw(h.t, "found") {
		case 0:
			a.Muted = "silenced by 1b2c (alice: maintenance)"
			b.Alerts = append(b.Alerts, a)
		case 1:
			b.Alerts = append(b.Alerts, a)
		case 2:
			s.ended = h.now
			b.Alerts = append(b.Alerts, s.alert(s.ended))
			s.starts = time.Time{}
		}
	}
	h.add(b)
}

// allOver ends everything that fires, and lets so much time pass that its incidents are history.
func (h *history) allOver() {
	b := h.batch(nil)
	for _, s := range h.running() {
		s.ended = h.now
		b.Alerts = append(b.Alerts, s.alert(s.ended))
		s.starts = time.Time{}
	}
	h.add(b)
	h.now = h.now.Add(rapid.SampledFrom([]time.Duration{45 * time.Minute, 30 * 24 * time.Hour}).Draw(h.t, "until"))
	h.add(correlate.Tick{})
}

func (h *history) running() []*labelSet {
	var out []*labelSet
	for _, s := range h.sets {
		if !s.starts.IsZero() {
			out = append(out, s)
		}
	}
	return out
}

func (h *history) batch(of []*labelSet) *correlate.AlertBatch {
	b := &correlate.AlertBatch{Source: "alertmanager", Receiver: "headwater"}
	for _, s := range of {
		b.Alerts = append(b.Alerts, s.alert(time.Time{}))
	}
	return b
}

func (s *labelSet) alert(ended time.Time) correlate.Alert {
	a := correlate.Alert{
		Fingerprint: s.labels["__fp"], Labels: map[string]string{}, StartsAt: s.starts, EndsAt: ended,
		Annotations: map[string]string{"summary": s.labels["alertname"]},
	}
	for k, v := range s.labels {
		if k != "__fp" {
			a.Labels[k] = v
		}
	}
	if !ended.IsZero() {
		a.Status = correlate.Resolved
	}
	return a
}

func (h *history) health() *correlate.HealthBatch {
	b := &correlate.HealthBatch{Source: "probe"}
	r := correlate.HealthResult{
		Service: drawService(h.t), Status: rapid.SampledFrom(healthStatuses).Draw(h.t, "status"),
		FailureThreshold: rapid.IntRange(0, 2).Draw(h.t, "threshold"),
		SuccessThreshold: rapid.IntRange(0, 2).Draw(h.t, "good threshold"),
		Count:            rapid.IntRange(0, 3).Draw(h.t, "count"),
		TTL:              rapid.SampledFrom([]time.Duration{0, 0, time.Nanosecond, 40 * time.Second, 20 * time.Minute}).Draw(h.t, "ttl"),
	}
	for range rapid.IntRange(1, 3).Draw(h.t, "results") {
		b.Results = append(b.Results, r)
	}
	return b
}

var healthStatuses = []correlate.HealthStatus{
	correlate.HealthUnknown, correlate.HealthPassing, correlate.HealthDegraded, correlate.HealthFailing, correlate.HealthFailing,
}

func (h *history) change() *correlate.Change {
	return &correlate.Change{
		Service: drawService(h.t), Kind: "deploy", Summary: "a new version",
		At: h.now.Add(-rapid.SampledFrom([]time.Duration{0, 5 * time.Minute, 50 * time.Hour, 80 * time.Hour}).Draw(h.t, "ago")),
	}
}

func (h *history) command() *correlate.Command {
	c := &correlate.Command{
		Kind:     rapid.SampledFrom(commandKinds).Draw(h.t, "command"),
		Incident: h.incident(), Actor: "oncall", Text: "seen",
	}
	switch c.Kind {
	case correlate.CommandSetOrigin:
		if rapid.IntRange(0, 3).Draw(h.t, "withdraw") > 0 {
			c.Service = drawService(h.t)
		}
	case correlate.CommandMerge:
		c.Into = h.incident()
	case correlate.CommandSetSeverity:
		c.Sev = correlate.Sev(rapid.IntRange(0, int(correlate.Sev4)).Draw(h.t, "sev"))
	case correlate.CommandSetStatus:
		c.Status = correlate.Status(rapid.IntRange(0, int(correlate.StatusClosed)).Draw(h.t, "status"))
	case correlate.CommandAssign:
		c.Role = rapid.SampledFrom([]string{"ic", "technical-lead", "scribe"}).Draw(h.t, "role")
		c.Who = rapid.SampledFrom([]string{"", "ann", "ben"}).Draw(h.t, "who")
	case correlate.CommandAddUpdate:
		c.Public = rapid.Bool().Draw(h.t, "public")
	case correlate.CommandLink:
		c.Link.Title = rapid.SampledFrom([]string{"bridge", "chat"}).Draw(h.t, "title")
		c.Link.URL = rapid.SampledFrom([]string{"", "https://meet.example/1"}).Draw(h.t, "url")
	case correlate.CommandAddActionItem, correlate.CommandEditActionItem:
		h.actionItem(c)
	case correlate.CommandAddMaintenance:
		c.Window.Services = []topology.Ref{drawService(h.t)}
		c.Window.Dependents = rapid.Bool().Draw(h.t, "dependents")
		if rapid.IntRange(0, 2).Draw(h.t, "by label") == 0 {
			c.Window.Services, c.Window.Matchers = nil, []string{`severity=~"critical|warning"`}
		}
		if later := rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Minute}).Draw(h.t, "begins"); later > 0 {
			c.Window.From = h.now.Add(later)
		}
		c.Window.Until = h.now.Add(rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute, 2 * time.Hour}).Draw(h.t, "lasts"))
	case correlate.CommandEndMaintenance:
		c.Window.ID = fmt.Sprintf("MW-%d", rapid.IntRange(1, 3).Draw(h.t, "window"))
	case correlate.CommandSplit, correlate.CommandDetach:
		if rapid.Bool().Draw(h.t, "by service") {
			c.Services = []topology.Ref{{Name: rapid.SampledFrom(h.sets).Draw(h.t, "alert on").labels["service"]}}
		} else if running := h.running(); len(running) > 0 {
			a := rapid.SampledFrom(running).Draw(h.t, "alert").alert(time.Time{})
			c.Alerts = []correlate.AlertID{a.ID()}
		}
	case correlate.CommandResetLearned:
		c.Learned.Kind = rapid.SampledFrom([]correlate.FigureKind{correlate.FigureAny, correlate.FigureCoverage, correlate.FigureNoise}).Draw(h.t, "figures")
	}
	return c
}

func (h *history) actionItem(c *correlate.Command) {
	fields := []string{"text", "assignee", "due", "priority", "status", "colour"}
	c.Item = correlate.ActionItemEdit{
		ID:     fmt.Sprintf("AI-%d", rapid.IntRange(1, 3).Draw(h.t, "action item")),
		Fields: rapid.SliceOfN(rapid.SampledFrom(fields), 0, 3).Draw(h.t, "fields"), Text: "raise the pool",
		Assignee: rapid.SampledFrom([]string{"", "ann", "ben"}).Draw(h.t, "assignee"),
		Due:      rapid.SampledFrom([]time.Time{{}, h.now.Add(time.Hour)}).Draw(h.t, "due"),
		Priority: rapid.SampledFrom([]correlate.ActionPriority{correlate.PriorityLow, correlate.PriorityHigh}).Draw(h.t, "priority"),
		Status:   correlate.ActionStatus(rapid.IntRange(0, int(correlate.ActionDropped)).Draw(h.t, "action status")),
	}
	c.IfRevision = rapid.SampledFrom([]uint64{0, 0, 0, 1001}).Draw(h.t, "revision")
}

var commandKinds = []correlate.CommandKind{
	correlate.CommandUnknown, correlate.CommandAcknowledge, correlate.CommandResolve, correlate.CommandAddNote,
	correlate.CommandSetOrigin, correlate.CommandSetOrigin, correlate.CommandMerge, correlate.CommandMerge,
	correlate.CommandMerge, correlate.CommandSplit, correlate.CommandSplit, correlate.CommandSplit, correlate.CommandSplit,
	correlate.CommandSetOrigin, correlate.CommandResetLearned,
	correlate.CommandSetSeverity, correlate.CommandSetStatus, correlate.CommandSetStatus, correlate.CommandSetStatus,
	correlate.CommandAssign, correlate.CommandAddUpdate, correlate.CommandLink, correlate.CommandDetach, correlate.CommandDetach,
	correlate.CommandAddActionItem, correlate.CommandEditActionItem, correlate.CommandAddMaintenance, correlate.CommandEndMaintenance,
}

func (h *history) incident() string {
	return fmt.Sprintf("INC-%d", rapid.SampledFrom([]int{1, 1, 1, 2, 2, 3, 4, 5}).Draw(h.t, "incident"))
}

// drawService names a node of the graph, or one that no graph has.
func drawService(t *rapid.T) topology.Ref {
	return topology.Ref{Name: rapid.SampledFrom([]string{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "h0", "h1", "x0", "x1", "x2"}).Draw(t, "service")}
}

// drawLabels makes the i-th label set: mostly about one service, sometimes about
// the calls between two, sometimes housekeeping or noise.
func drawLabels(t *rapid.T, i int) map[string]string {
	l := map[string]string{
		"__fp":      fmt.Sprintf("%016x", i),
		"alertname": rapid.SampledFrom(alertNames).Draw(t, "name"),
		"severity":  rapid.SampledFrom([]string{"critical", "critical", "warning", "error", "info", "none"}).Draw(t, "severity"),
	}
	if rapid.IntRange(0, 4).Draw(t, "edge") == 0 {
		l["source_workload"], l["destination_workload"] = drawService(t).Name, drawService(t).Name
		return l
	}
	if rapid.IntRange(0, 9).Draw(t, "nameless") == 0 {
		return l
	}
	l["service"] = drawService(t).Name
	return l
}

var alertNames = []string{
	"HighErrorRate", "HighLatency", "PodCrashLooping", "ConnectionsNearLimit", "NoRequests", "ConsumerLag",
	"DiskFillingUp", "RequestSurge", "ProbeFailed", "SomethingOdd",
}

func drawTopology(t *rapid.T, version int) *correlate.TopologyReport {
	spec := topology.Spec{Version: fmt.Sprintf("v%d", version)}
	kinds := []topology.Kind{topology.KindService, topology.KindService, topology.KindDatabase, topology.KindQueue, topology.KindCache}
	n := rapid.IntRange(0, 7).Draw(t, "nodes")
	for i := range n {
		s := topology.Service{Name: fmt.Sprintf("s%d", i), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Owner: fmt.Sprintf("team%d", i%3)}
		if rapid.IntRange(0, 3).Draw(t, "placed") == 0 {
			s.RunsOn = rapid.SampledFrom([][]string{{"h0"}, {"h1"}, {"h0", "h1"}}).Draw(t, "hosts")
		}
		spec.Services = append(spec.Services, s)
	}
	name := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("s%d", rapid.IntRange(0, max(n-1, 0)).Draw(t, "node")) })
	for range rapid.IntRange(0, 12).Draw(t, "edges") {
		spec.Dependencies = append(spec.Dependencies, topology.Dependency{
			From: topology.Ref{Name: name.Draw(t, "from")}, To: topology.Ref{Name: name.Draw(t, "to")},
			Mode: topology.Mode(rapid.IntRange(0, 2).Draw(t, "mode")), Group: rapid.SampledFrom([]string{"", "", "a"}).Draw(t, "group"),
		})
	}
	return &correlate.TopologyReport{Source: "test", Spec: spec}
}
