package replay

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// A Scenario is one story: a topology and what was seen of it, in order. It is
// not changed by running it, so several runs may share one.
type Scenario struct {
	Name     string
	Topology topology.Spec
	Events   []Event

	// instances names every alert instance as the scenario writes it, in order of first mention.
	instances []instance
	// services gives the written name of each service, places and implicit ones included.
	services map[topology.Ref]string
	// truth is for the scorer alone and stays undecoded until then. Nil when the scenario has none.
	truth json.RawMessage
	// renamings are what perturbations did to the names of instances, for the truth to follow; empty: no longer there.
	renamings []map[string]string
}

// Event is one thing that Headwater receives.
type Event struct {
	At time.Time // when it receives it
	// Signal is a [*correlate.AlertBatch] or a [*correlate.HealthBatch], of one alert or
	// result unless the scenario says that several arrived together, a [*correlate.Change],
	// a [*correlate.Command] or a [*correlate.TopologyReport].
	Signal correlate.Signal
}

// instance is an alert instance under the name that results use for it.
type instance struct {
	id   correlate.AlertID
	name string // <fingerprint>@<startsAt exactly as written>
	// fired is when its first firing notification arrives; zero when only its end does.
	fired time.Time
}

// signalSource is the source that the engine is told for all that a scenario feeds it.
const signalSource = "replay"

// Span is the simulated time from the first event to the last.
func (s *Scenario) Span() time.Duration {
	if len(s.Events) == 0 {
		return 0
	}
	return s.Events[len(s.Events)-1].At.Sub(s.Events[0].At)
}

// Labelled reports whether the scenario carries the truth that scoring needs.
func (s *Scenario) Labelled() bool { return s.truth != nil }

// maxScenarioBytes bounds a compressed scenario when it is unpacked: a few kilobytes
// can stand for more than there is memory.
const maxScenarioBytes = 1 << 30

// ReadFile reads the scenario at path; one named .json.gz is unpacked. See [ReadScenario].
func ReadFile(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	defer func() { _ = f.Close() }()
	if !compressed(path) {
		return ReadScenario(f, path)
	}
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read scenario %s: %w", path, err)
	}
	return ReadScenario(io.LimitReader(unpacked, maxScenarioBytes), path)
}

// ReadScenario decodes a scenario. The decoding is strict: a field that is
// missing, misspelt or of the wrong type is an error that gives the file, which
// is only used for that, and the field's path. Fields beside the known ones are
// allowed at the top level alone, where they may describe the case.
func ReadScenario(r io.Reader, file string) (*Scenario, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read scenario %s: %w", file, err)
	}
	s, err := decodeScenario(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func decodeScenario(data []byte) (*Scenario, error) {
	if err := oneDocument(data); err != nil {
		return nil, err
	}
	d := &decoder{}
	doc := d.object("", data)
	in := &scenarioReader{
		d:        d,
		s:        &Scenario{Name: doc.text("name"), services: map[topology.Ref]string{}},
		declared: map[string]topology.Ref{},
		seen:     map[string]int{},
	}
	graph := doc.child("topology")
	in.s.Topology = in.topology(graph)
	graph.done()
	doc.needList("events", in.event)
	in.s.truth = doc.take("truth")
	return in.s, d.err
}

// scenarioReader carries the state of reading one scenario.
type scenarioReader struct {
	d        *decoder
	s        *Scenario
	declared map[string]topology.Ref // by written name
	seen     map[string]int          // instance name to its index
	request  int64                   // of the event before; 0: it came alone
}

// topology reads a whole graph.
func (in *scenarioReader) topology(o *object) topology.Spec {
	var spec topology.Spec
	o.list("services", func(path string, raw json.RawMessage) {
		spec.Services = append(spec.Services, in.service(in.d.object(path, raw)))
	})
	o.list("dependencies", func(path string, raw json.RawMessage) {
		spec.Dependencies = append(spec.Dependencies, in.dependency(in.d.object(path, raw)))
	})
	o.list("redundancy_groups", func(path string, raw json.RawMessage) {
		spec.Groups = append(spec.Groups, in.group(in.d.object(path, raw)))
	})
	spec.Version = cmp.Or(o.optionalText("version"), in.s.Name)
	return spec
}

func (in *scenarioReader) service(o *object) topology.Service {
	svc := topology.Service{
		Name:      o.text("name"),
		Kind:      word(o, "kind", o.optionalText("kind"), topology.ParseKind),
		Namespace: o.optionalText("namespace"),
		Labels:    o.texts("labels"),
		Owner:     o.optionalText("owner"),
		Tier:      int(o.whole("tier")),
		Runbook:   o.optionalText("runbook"),
		Links:     o.texts("links"),
	}
	o.list("runs_on", func(path string, raw json.RawMessage) {
		var place string
		in.d.unmarshal(path, raw, &place, "a string")
		svc.RunsOn = append(svc.RunsOn, place)
	})
	o.list("aliases", func(path string, raw json.RawMessage) {
		var name string
		in.d.unmarshal(path, raw, &name, "a string")
		svc.Aliases = append(svc.Aliases, name)
	})
	o.done()
	if _, twice := in.declared[svc.Name]; !twice {
		in.declared[svc.Name] = svc.Ref()
	}
	in.declared[svc.Ref().String()] = svc.Ref()
	in.s.services[svc.Ref()] = svc.Name
	return svc
}

func (in *scenarioReader) dependency(o *object) topology.Dependency {
	from, to := o.text("from"), o.text("to")
	dep := topology.Dependency{
		Mode:  word(o, "mode", o.optionalText("mode"), topology.ParseMode),
		Group: o.optionalText("redundancy_group"),
	}
	dep.From, dep.To = in.refIn(o, from, "from_namespace"), in.refIn(o, to, "to_namespace")
	o.done()
	return dep
}

// group reads how many members of a redundancy group must work.
func (in *scenarioReader) group(o *object) topology.Group {
	g := topology.Group{Name: o.text("name"), Need: int(o.whole("need"))}
	g.From = in.refIn(o, o.text("from"), "from_namespace")
	o.done()
	return g
}

// refIn is the service of that name in the namespace that a field gives; without
// the field it is what [scenarioReader.ref] makes of the name.
func (in *scenarioReader) refIn(o *object, name, field string) topology.Ref {
	namespace := o.take(field)
	if namespace == nil {
		return in.ref(name)
	}
	r := topology.Ref{Namespace: o.textOr(field, namespace), Name: name}
	if _, ok := in.s.services[r]; !ok {
		in.s.services[r] = r.String()
	}
	return r
}

// ref is the service that a scenario means by a name. A name that the topology
// does not list stands for itself, slashes and all.
func (in *scenarioReader) ref(name string) topology.Ref {
	r, ok := in.declared[name]
	if !ok {
		r = topology.Ref{Name: name}
	}
	if _, ok := in.s.services[r]; !ok {
		in.s.services[r] = name
	}
	return r
}

func (in *scenarioReader) event(path string, raw json.RawMessage) {
	o := in.d.object(path, raw)
	ev := Event{At: o.time("at")}
	if n := len(in.s.Events); n > 0 && ev.At.Before(in.s.Events[n-1].At) {
		in.d.fail(o.at("at"), "is earlier than the event before it; events are in the order in which they arrive")
	}
	kind := o.text("type")
	req := in.requestOf(o)
	switch body := func() *object { return o.child(kind) }; kind {
	case "alert":
		ev.Signal = req.alerts(in.alert(body(), ev.At))
	case "health":
		ev.Signal = req.health(in.health(body(), ev.At))
	case "change":
		ev.Signal = in.change(body())
	case "command":
		ev.Signal = in.command(body())
	case "topology":
		ev.Signal = in.report(body())
	default:
		in.d.fail(o.at("type"), "want alert, health, change, command or topology, got %q", kind)
	}
	o.done()
	if n := len(in.s.Events); n == 0 || !in.together(req, &in.s.Events[n-1], &ev) {
		in.s.Events = append(in.s.Events, ev)
	}
	in.request = req.id
}

// request is what a scenario says of the request that brought an event.
type request struct {
	id                                      int64 // the events of one request follow one another and share it; 0: none
	source, receiver, groupKey, externalURL string
	truncated                               int
}

func (in *scenarioReader) requestOf(o *object) request {
	raw := o.take("request")
	if raw == nil {
		return request{source: signalSource}
	}
	r := in.d.object(o.at("request"), raw)
	req := request{
		id:          r.whole("id"),
		source:      r.optionalText("source"),
		receiver:    r.optionalText("receiver"),
		groupKey:    r.optionalText("group_key"),
		externalURL: r.optionalText("external_url"),
		truncated:   int(r.whole("truncated")),
	}
	if req.id == 0 {
		in.d.fail(r.at("id"), "want a number above 0")
	}
	r.done()
	return req
}

func (r request) alerts(a correlate.Alert) *correlate.AlertBatch {
	return &correlate.AlertBatch{
		Source: r.source, Receiver: r.receiver, GroupKey: r.groupKey, ExternalURL: r.externalURL, Truncated: r.truncated,
		Alerts: []correlate.Alert{a},
	}
}

func (r request) health(h correlate.HealthResult) *correlate.HealthBatch {
	return &correlate.HealthBatch{Source: r.source, Results: []correlate.HealthResult{h}}
}

// together adds ev to the event before it when one request brought both.
func (in *scenarioReader) together(req request, before, ev *Event) bool {
	if req.id == 0 || req.id != in.request || !before.At.Equal(ev.At) {
		return false
	}
	switch sig := before.Signal.(type) {
	case *correlate.AlertBatch:
		if more, same := ev.Signal.(*correlate.AlertBatch); same {
			sig.Alerts = append(sig.Alerts, more.Alerts...)
			return true
		}
	case *correlate.HealthBatch:
		if more, same := ev.Signal.(*correlate.HealthBatch); same {
			sig.Results = append(sig.Results, more.Results...)
			return true
		}
	}
	return false
}

func (in *scenarioReader) alert(o *object, at time.Time) correlate.Alert {
	startsAt := o.text("startsAt")
	a := correlate.Alert{
		Fingerprint:  o.text("fingerprint"),
		Labels:       o.texts("labels"),
		Annotations:  o.texts("annotations"),
		Status:       word(o, "status", o.text("status"), parseStatus),
		StartsAt:     o.parseTime("startsAt", startsAt),
		EndsAt:       o.optionalTime("endsAt"),
		GeneratorURL: o.optionalText("generatorURL"),
		Muted:        o.optionalText("muted"),
	}
	o.done()
	in.mention(a, a.Fingerprint+"@"+startsAt, at)
	return a
}

// mention records an alert instance under the name that results give it.
func (in *scenarioReader) mention(a correlate.Alert, name string, at time.Time) {
	i, known := in.seen[name]
	if !known {
		i = len(in.s.instances)
		in.seen[name] = i
		in.s.instances = append(in.s.instances, instance{id: a.ID(), name: name})
	}
	if inst := &in.s.instances[i]; a.Status == correlate.Firing && inst.fired.IsZero() {
		inst.fired = at
	}
}

func (in *scenarioReader) health(o *object, at time.Time) correlate.HealthResult {
	name := o.text("service")
	res := correlate.HealthResult{
		Check:            o.optionalText("check"),
		Status:           word(o, "status", o.text("status"), correlate.ParseHealthStatus),
		Latency:          o.milliseconds("latency_ms"),
		At:               o.optionalTime("at"),
		Message:          o.optionalText("message"),
		FailureThreshold: int(o.whole("failure_threshold")),
		SuccessThreshold: int(o.whole("success_threshold")),
		Count:            int(o.whole("count")),
	}
	if ttl := o.optionalText("ttl"); ttl != "" {
		res.TTL = word(o, "ttl", ttl, time.ParseDuration)
	}
	if res.At.IsZero() {
		res.At = at
	}
	res.Service = in.refIn(o, name, "namespace")
	o.done()
	return res
}

func (in *scenarioReader) change(o *object) *correlate.Change {
	name := o.text("service")
	c := &correlate.Change{
		Kind:    o.text("kind"),
		Summary: o.optionalText("summary"),
		Link:    o.optionalText("link"),
		At:      o.optionalTime("at"),
		Source:  signalSource,
	}
	if source := o.take("source"); source != nil {
		c.Source = o.textOr("source", source)
	}
	c.Service = in.refIn(o, name, "namespace")
	o.done()
	return c
}

// command reads an operator's command. Whether the incident exists is the engine's to say.
func (in *scenarioReader) command(o *object) *correlate.Command {
	c := &correlate.Command{
		Kind:     word(o, "kind", o.text("kind"), parseCommand),
		Incident: o.optionalText("incident"),
		Actor:    o.optionalText("actor"),
		Text:     o.optionalText("text"),
		Into:     o.optionalText("into"),
	}
	if raw := o.take("service"); raw != nil {
		c.Service = in.named(in.d.object(o.at("service"), raw))
	}
	o.list("alerts", func(path string, raw json.RawMessage) { c.Alerts = append(c.Alerts, in.alertID(path, raw)) })
	o.list("services", func(path string, raw json.RawMessage) {
		c.Services = append(c.Services, in.named(in.d.object(path, raw)))
	})
	if raw := o.take("learned"); raw != nil {
		l := in.d.object(o.at("learned"), raw)
		c.Learned = correlate.FigureSelection{Kind: word(l, "kind", l.text("kind"), correlate.ParseFigureKind), Subject: l.optionalText("subject")}
		l.done()
	}
	if raw := o.take("window"); raw != nil {
		c.Window = in.window(in.d.object(o.at("window"), raw))
	}
	if raw := o.take("record"); raw != nil {
		in.record(c, in.d.object(o.at("record"), raw))
	}
	o.done()
	return c
}

// named reads a service that is an object of its own.
func (in *scenarioReader) named(o *object) topology.Ref {
	r := in.refIn(o, o.text("service"), "namespace")
	o.done()
	return r
}

func (in *scenarioReader) alertID(path string, raw json.RawMessage) correlate.AlertID {
	var text string
	in.d.unmarshal(path, raw, &text, "an alert's id")
	id, err := correlate.ParseAlertID(text)
	if err != nil {
		in.d.fail(path, "%s", err)
	}
	return id
}

// report reads a graph that replaces the one in force.
func (in *scenarioReader) report(o *object) *correlate.TopologyReport {
	r := &correlate.TopologyReport{Source: o.optionalText("source"), Spec: in.topology(o)}
	o.done()
	return r
}

// parseCommand accepts the words of [correlate.CommandKind.String].
func parseCommand(s string) (correlate.CommandKind, error) {
	for kind := correlate.CommandUnknown; kind.String() != strconv.Itoa(int(kind)); kind++ {
		if kind.String() == s {
			return kind, nil
		}
	}
	return 0, fmt.Errorf("no command is called %q", s)
}

func parseStatus(s string) (correlate.AlertStatus, error) {
	switch s {
	case correlate.Firing.String():
		return correlate.Firing, nil
	case correlate.Resolved.String():
		return correlate.Resolved, nil
	}
	return 0, errors.New("want firing or resolved")
}
