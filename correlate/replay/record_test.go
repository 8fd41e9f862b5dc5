package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

var recorded = time.Date(2026, 11, 20, 3, 0, 0, 123456789, time.UTC)

func record(t *testing.T, o RecorderOptions, inputs ...correlate.Input) (*Scenario, string) {
	t.Helper()
	var buf bytes.Buffer
	r := NewRecorder(&buf, o)
	for _, in := range inputs {
		more, err := r.Add(in)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := ReadScenario(strings.NewReader(buf.String()), "recording")
	if err != nil {
		t.Fatalf("%v\n%s", err, buf.String())
	}
	return s, buf.String()
}

// fill sets every field of v, whatever it is called: a field that a recording
// forgets comes back as zero.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(recorded.Add(time.Duration(*n) * time.Second)))
		return
	case time.Duration:
		v.SetInt(int64(time.Duration(*n) * time.Millisecond))
		return
	case correlate.AlertStatus, correlate.HealthStatus, correlate.CommandKind, correlate.FigureKind, correlate.Sev, correlate.Status, correlate.ActionStatus, correlate.ActionPriority, topology.Kind, topology.Mode:
		v.SetUint(1)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text/%d", *n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		panic("fill " + v.Type().String())
	}
}

func filled[T any](n int) *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem(), &n)
	return v
}

// Should this fail after a field was added to a signal: give it a place in written.go
// and scenario.go.
func TestRecordingKeepsEveryFieldOfEverySignal(t *testing.T) {
	inputs := []correlate.Input{
		{Pos: 1, At: recorded, Signal: filled[correlate.AlertBatch](100)},
		{Pos: 2, At: recorded, Signal: filled[correlate.AlertBatch](200)},
		{Pos: 3, At: recorded.Add(1), Signal: correlate.Tick{}},
		{Pos: 4, At: recorded.Add(2), Signal: filled[correlate.HealthBatch](300)},
		{Pos: 5, At: recorded.Add(3), Signal: filled[correlate.Change](400)},
		{Pos: 6, At: recorded.Add(4), Signal: filled[correlate.Command](500)},
		{Pos: 7, At: recorded.Add(5), Signal: filled[correlate.TopologyReport](600)},
	}
	s, text := record(t, RecorderOptions{Name: "full"}, inputs...)
	var want []Event
	for _, in := range inputs {
		if r, is := in.Signal.(*correlate.TopologyReport); is { // a replay judges by the graph, not by who saw it when
			in.Signal = &correlate.TopologyReport{Source: r.Source, Spec: r.Spec.WithoutProvenance()}
		}
		if c, is := in.Signal.(*correlate.Command); is { // revisions are another numbering in a replay
			without := *c
			without.IfRevision = 0
			in.Signal = &without
		}
		if in.Signal != (correlate.Tick{}) {
			want = append(want, Event{At: in.At, Signal: in.Signal})
		}
	}
	if diff := cmp.Diff(want, s.Events, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("(-recorded +read):\n%s\n%s", diff, text)
	}
}

func TestRecordingKeepsEveryCommand(t *testing.T) {
	var inputs []correlate.Input
	for kind := correlate.CommandUnknown; kind.String() != fmt.Sprint(int(kind)); kind++ {
		inputs = append(inputs, correlate.Input{Pos: uint64(kind) + 1, At: recorded, Signal: &correlate.Command{Kind: kind}})
	}
	s, _ := record(t, RecorderOptions{Name: "commands"}, inputs...)
	for i, ev := range s.Events {
		if got := ev.Signal.(*correlate.Command).Kind; got != correlate.CommandKind(i) {
			t.Errorf("%s became %s", correlate.CommandKind(i), got)
		}
	}
	if len(s.Events) != len(inputs) || len(inputs) < 4 {
		t.Errorf("%d commands of %d", len(s.Events), len(inputs))
	}
}

func graph(version string) *correlate.TopologyReport {
	return &correlate.TopologyReport{Source: "file", Spec: topology.Spec{Version: version, Services: []topology.Service{{Name: "web"}}}}
}

func TestRecordingBeginsWithTheTopologyInForce(t *testing.T) {
	at := func(minutes int) time.Time { return recorded.Add(time.Duration(minutes) * time.Minute) }
	change := func(pos uint64, minutes int) correlate.Input {
		return correlate.Input{Pos: pos, At: at(minutes), Signal: &correlate.Change{Service: topology.Ref{Name: "web"}, Kind: "deploy"}}
	}
	report := func(pos uint64, minutes int, version string) correlate.Input {
		return correlate.Input{Pos: pos, At: at(minutes), Signal: graph(version)}
	}
	fallback := graph("the store's").Spec
	for _, c := range []struct {
		name         string
		since, until int
		inputs       []correlate.Input
		want         string // version of the scenario's topology; the scenario's name for an empty one
		events       int
	}{
		{"the only one, before all else", 0, 99, []correlate.Input{report(1, 0, "v1"), change(2, 1)}, "v1", 1},
		{"the latest before the range", 10, 99, []correlate.Input{report(1, 0, "v1"), report(2, 5, "v2"), change(3, 6), change(4, 11), report(5, 12, "v3")}, "v2", 2},
		{"none yet: the stream is whole", 0, 99, []correlate.Input{change(1, 0), report(2, 1, "v1")}, "x", 2},
		{"forgotten by the stream", 0, 99, []correlate.Input{change(8, 0), change(9, 1)}, "the store's", 2},
		{"until is exclusive", 0, 5, []correlate.Input{report(1, 0, "v1"), change(2, 4), change(3, 5), report(4, 6, "v2")}, "v1", 1},
		{"an unusable graph was never in force", 0, 99, []correlate.Input{
			report(1, 0, "v1"),
			{Pos: 2, At: at(1), Signal: &correlate.TopologyReport{Spec: topology.Spec{Version: "bad", Services: []topology.Service{{}}}}},
			change(3, 2),
		}, "v1", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := record(t, RecorderOptions{Name: "x", Since: at(c.since), Until: at(c.until), Topology: &fallback}, c.inputs...)
			if s.Topology.Version != c.want || len(s.Events) != c.events {
				t.Errorf("got topology %q and %d events, want %q and %d", s.Topology.Version, len(s.Events), c.want, c.events)
			}
		})
	}
}

func TestRecordingOfNothingIsAScenario(t *testing.T) {
	s, _ := record(t, RecorderOptions{Name: `a "quiet" night`})
	if s.Name != `a "quiet" night` || len(s.Events) != 0 {
		t.Errorf("got %+v", s)
	}
}

// incidentsOf feeds inputs to an engine as a driver does, lets all deadlines pass,
// and returns the incidents and alerts it then has.
func incidentsOf(t *testing.T, inputs []correlate.Input) ([]*correlate.Incident, map[correlate.AlertID]*correlate.AlertState) {
	t.Helper()
	engine, err := correlate.New(correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := &player{engine: engine, seen: newCollection()}
	for _, in := range inputs {
		p.pos = in.Pos
		p.seen.add(engine.Step(in))
	}
	if err := p.passDeadlines(func(time.Time) bool { return true }); err != nil {
		t.Fatal(err)
	}
	return p.seen.byNumber(), p.seen.alerts
}

// live is a stream as a server sees it: requests of several alerts, late ticks, a
// clock that steps back, operators, and a graph that changes.
func live(t *testing.T) []correlate.Input {
	t.Helper()
	s := fixture(t, "two-faults")
	inputs := []correlate.Input{{At: s.Events[0].At.Add(-time.Minute), Signal: &correlate.TopologyReport{Source: "file", Spec: s.Topology}}}
	for i := 0; i < len(s.Events); i++ {
		ev := s.Events[i]
		batch := *ev.Signal.(*correlate.AlertBatch)
		for i+1 < len(s.Events) && s.Events[i+1].At.Sub(ev.At) < 5*time.Second {
			i++
			batch.Alerts = append(slices.Clip(batch.Alerts), *s.Events[i].alert())
		}
		inputs = append(inputs, correlate.Input{At: ev.At, Signal: &batch})
		if i%3 == 0 {
			inputs = append(inputs, correlate.Input{At: ev.At.Add(4 * time.Second), Signal: correlate.Tick{}}, correlate.Input{At: ev.At, Signal: correlate.Tick{}})
		}
	}
	middle := len(inputs) / 2
	at := inputs[middle].At
	smaller := s.Topology
	smaller.Version, smaller.Dependencies = "smaller", smaller.Dependencies[1:]
	inputs = slices.Insert(
		inputs, middle+1,
		correlate.Input{At: at, Signal: &correlate.Command{Kind: correlate.CommandAcknowledge, Incident: "INC-1", Actor: "ops"}},
		correlate.Input{At: at, Signal: &correlate.Command{Kind: correlate.CommandResolve, Incident: "INC-77", Actor: "ops"}},
		correlate.Input{At: at, Signal: &correlate.Command{Kind: correlate.CommandSetOrigin, Incident: "INC-1", Service: topology.Ref{Name: "search"}}},
		correlate.Input{At: at, Signal: &correlate.Command{Kind: correlate.CommandSplit, Incident: "INC-1", Services: []topology.Ref{{Name: "web"}}}},
		correlate.Input{At: at, Signal: &correlate.TopologyReport{Source: "file", Spec: smaller}},
		correlate.Input{At: at, Signal: &correlate.TopologyReport{Source: "file", Spec: topology.Spec{Version: "bad", Services: []topology.Service{{}}}}},
		correlate.Input{At: at, Signal: &correlate.HealthBatch{Source: "probe", Results: []correlate.HealthResult{
			{Service: topology.Ref{Name: "index"}, Check: "http", Status: correlate.HealthFailing, FailureThreshold: 1},
			{Service: topology.Ref{Name: "web"}, Check: "http", Status: correlate.HealthPassing},
		}}},
		correlate.Input{At: at, Signal: &correlate.Change{Service: topology.Ref{Name: "index"}, Kind: "config", At: at.Add(-time.Hour)}},
	)
	for i := range inputs {
		inputs[i].Pos = uint64(i + 1)
	}
	return inputs
}

func TestReplayOfARecordingDecidesWhatTheServerDid(t *testing.T) {
	inputs := live(t)
	want, wantAlerts := incidentsOf(t, inputs)
	s, _ := record(t, RecorderOptions{Name: "live"}, inputs...)
	engine, err := correlate.New(correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := &player{engine: engine, seen: newCollection()}
	if err := p.play(s); err != nil {
		t.Fatal(err)
	}
	if len(want) < 2 || want[0].Ack == nil {
		t.Fatalf("the stream is too dull: %d incidents", len(want))
	}
	// Revisions are positions, which a replay counts anew.
	positions := cmpopts.IgnoreFields(correlate.Incident{}, "Revision")
	if diff := cmp.Diff(want, p.seen.byNumber(), positions, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("incidents (-server +replay):\n%s", diff)
	}
	if diff := cmp.Diff(wantAlerts, p.seen.alerts, cmpopts.IgnoreFields(correlate.AlertState{}, "Revision"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("alerts (-server +replay):\n%s", diff)
	}
}

// Other tools read scenarios too: what is in no other's format must not be in their way.
func TestRecordingIsJSONWithTheKeysThatEverybodyKnows(t *testing.T) {
	_, text := record(t, RecorderOptions{Name: "live"}, live(t)...)
	var doc struct {
		Name     string
		Topology struct{ Services, Dependencies []map[string]any }
		Events   []struct {
			At    time.Time
			Type  string
			Alert *struct{ Status, Fingerprint, StartsAt string }
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	types := map[string]int{}
	for _, ev := range doc.Events {
		types[ev.Type]++
	}
	if len(doc.Topology.Services) != 6 || types["alert"] != 14 || types["command"] != 4 || types["topology"] != 1 || types["health"] != 2 {
		t.Errorf("got %d services, events %v", len(doc.Topology.Services), types)
	}
}
