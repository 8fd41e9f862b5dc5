package replay

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
	// Signal is an [*correlate.AlertBatch] of one alert, a [*correlate.HealthBatch] of one result or a [*correlate.Change].
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
	in.topology(doc.child("topology"))
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
}

func (in *scenarioReader) topology(o *object) {
	spec := &in.s.Topology
	spec.Version = in.s.Name
	o.list("services", func(path string, raw json.RawMessage) {
		spec.Services = append(spec.Services, in.service(in.d.object(path, raw)))
	})
	o.list("dependencies", func(path string, raw json.RawMessage) {
		spec.Dependencies = append(spec.Dependencies, in.dependency(in.d.object(path, raw)))
	})
	o.done()
}

func (in *scenarioReader) service(o *object) topology.Service {
	svc := topology.Service{
		Name:      o.text("name"),
		Kind:      word(o, "kind", o.optionalText("kind"), topology.ParseKind),
		Namespace: o.optionalText("namespace"),
		Labels:    o.texts("labels"),
	}
	o.done()
	if _, twice := in.declared[svc.Name]; !twice {
		in.declared[svc.Name] = svc.Ref()
	}
	in.declared[svc.Ref().String()] = svc.Ref()
	in.s.services[svc.Ref()] = svc.Name
	return svc
}

func (in *scenarioReader) dependency(o *object) topology.Dependency {
	dep := topology.Dependency{
		From:  in.ref(o.text("from")),
		To:    in.ref(o.text("to")),
		Mode:  word(o, "mode", o.optionalText("mode"), topology.ParseMode),
		Group: o.optionalText("redundancy_group"),
	}
	o.done()
	return dep
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
	switch kind := o.text("type"); kind {
	case "alert":
		ev.Signal = in.alert(o.child(kind), ev.At)
	case "health":
		ev.Signal = in.health(o.child(kind), ev.At)
	case "change":
		ev.Signal = in.change(o.child(kind))
	default:
		in.d.fail(o.at("type"), "want alert, health or change, got %q", kind)
	}
	o.done()
	in.s.Events = append(in.s.Events, ev)
}

func (in *scenarioReader) alert(o *object, at time.Time) *correlate.AlertBatch {
	startsAt := o.text("startsAt")
	a := correlate.Alert{
		Fingerprint:  o.text("fingerprint"),
		Labels:       o.texts("labels"),
		Annotations:  o.texts("annotations"),
		Status:       word(o, "status", o.text("status"), parseStatus),
		StartsAt:     o.parseTime("startsAt", startsAt),
		EndsAt:       o.optionalTime("endsAt"),
		GeneratorURL: o.optionalText("generatorURL"),
	}
	o.done()
	in.mention(a, a.Fingerprint+"@"+startsAt, at)
	return &correlate.AlertBatch{Source: signalSource, Alerts: []correlate.Alert{a}}
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

func (in *scenarioReader) health(o *object, at time.Time) *correlate.HealthBatch {
	res := correlate.HealthResult{
		Service: in.ref(o.text("service")),
		Check:   o.optionalText("check"),
		Status:  word(o, "status", o.text("status"), correlate.ParseHealthStatus),
		Latency: o.milliseconds("latency_ms"),
		At:      at,
		Message: o.optionalText("message"),
	}
	o.done()
	return &correlate.HealthBatch{Source: signalSource, Results: []correlate.HealthResult{res}}
}

func (in *scenarioReader) change(o *object) *correlate.Change {
	c := &correlate.Change{
		Service: in.ref(o.text("service")),
		Kind:    o.text("kind"),
		Summary: o.optionalText("summary"),
		At:      o.optionalTime("at"),
		Source:  signalSource,
	}
	o.done()
	return c
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
