package replay

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

func TestReadScenario(t *testing.T) {
	s := parse(t, `{
		"name": "n", "source": "fields at the top may describe the case",
		"topology": {
			"services": [{"name": "a", "kind": "api", "namespace": "ns", "labels": {"k": "v"}}],
			"dependencies": [{"from": "a", "to": "b", "mode": "soft", "redundancy_group": "g"}]
		},
		"events": [
			{"at": "2026-01-01T00:00:01Z", "type": "alert", "alert": {"status": "resolved", "labels": {"l": "1"}, "annotations": {"t": "2"},
				"startsAt": "2026-01-01T00:00:00.5Z", "endsAt": "2026-01-01T00:00:00.750Z", "fingerprint": "f0"}},
			{"at": "2026-01-01T00:00:02Z", "type": "health", "health": {"service": "a", "status": "degraded", "latency_ms": 1.5, "check": "http"}},
			{"at": "2026-01-01T00:00:03Z", "type": "change", "change": {"service": "b", "kind": "deploy", "summary": "s", "at": "2026-01-01T00:00:02Z"}}
		],
		"truth": {"not": "looked at"}
	}`)
	at := func(ms int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, ms*1e6, time.UTC) }
	a := topology.Ref{Namespace: "ns", Name: "a"}
	b := topology.Ref{Name: "b"}
	want := []Event{
		{at(1000), &correlate.AlertBatch{Source: "replay", Alerts: []correlate.Alert{{
			Fingerprint: "f0", Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"t": "2"},
			Status: correlate.Resolved, StartsAt: at(500), EndsAt: at(750),
		}}}},
		{at(2000), &correlate.HealthBatch{Source: "replay", Results: []correlate.HealthResult{{
			Service: a, Check: "http", Status: correlate.HealthDegraded, Latency: 1500 * time.Microsecond, At: at(2000),
		}}}},
		{at(3000), &correlate.Change{Service: b, Kind: "deploy", Summary: "s", At: at(2000), Source: "replay"}},
	}
	if diff := cmp.Diff(want, s.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	spec := topology.Spec{
		Version:      "n",
		Services:     []topology.Service{{Name: "a", Namespace: "ns", Kind: topology.KindAPI, Labels: map[string]string{"k": "v"}}},
		Dependencies: []topology.Dependency{{From: a, To: b, Mode: topology.ModeSoft, Group: "g"}},
	}
	if diff := cmp.Diff(spec, s.Topology); diff != "" {
		t.Errorf("topology (-want +got):\n%s", diff)
	}
	if got := s.instances[0].name; got != "f0@2026-01-01T00:00:00.5Z" {
		t.Errorf("the instance is named %q, want its start as it is written", got)
	}
	if !s.Labelled() || s.Span() != 2*time.Second {
		t.Errorf("labelled %v, span %v", s.Labelled(), s.Span())
	}
}

func TestReadScenarioNamesTheFieldThatIsWrong(t *testing.T) {
	const head = `{"name": "n", "topology": {}, "events": [`
	event := func(body string) string { return head + `{"at": "2026-01-01T00:00:00Z", ` + body + `}]}` }
	for _, c := range []struct{ name, doc, want string }{
		{"not JSON", "{\n\n oops}", "test.json: line 3: not JSON"},
		{"two documents", "{} {}", "test.json: line 1: not JSON"},
		{"not an object", `[]`, "test.json: the scenario: want an object, got []"},
		{"no name", `{}`, "test.json: name: is missing"},
		{"null is missing", `{"name": null}`, "test.json: name: is missing"},
		{"no topology", `{"name": "n"}`, "test.json: topology: is missing"},
		{"no events", `{"name": "n", "topology": {}}`, "test.json: events: is missing"},
		{"a service without a name", `{"name": "n", "topology": {"services": [{}]}}`, "topology.services[0].name: is missing"},
		{"an unknown kind", `{"name": "n", "topology": {"services": [{"name": "a", "kind": "robot"}]}}`, `topology.services[0].kind: unknown kind "robot"`},
		{"an unknown mode", `{"name": "n", "topology": {"dependencies": [{"from": "a", "to": "b", "mode": "firm"}]}}`, `topology.dependencies[0].mode: unknown mode "firm"`},
		{"a misspelt field", `{"name": "n", "topology": {"dependencies": [{"from": "a", "to": "b", "group": "g"}]}}`, "topology.dependencies[0].group: is not a field here; those are from, to, mode, redundancy_group"},
		{"a label that is no string", event(`"type": "alert", "alert": {"status": "firing", "startsAt": "2026-01-01T00:00:00Z", "fingerprint": "f", "labels": {"a": 1}}`), `events[0].alert.labels: want an object of strings, got {"a": 1}`},
		{"a time that is none", head + `{"at": "yesterday"}]}`, `events[0].at: want an RFC 3339 time such as 2026-01-05T00:07:31.000Z, got "yesterday"`},
		{"an unknown type", event(`"type": "rumour"`), `events[0].type: want alert, health, change, command or topology, got "rumour"`},
		{"a type without its body", event(`"type": "alert", "health": {}`), "events[0].alert: is missing"},
		{"a second body", event(`"type": "change", "change": {"service": "a", "kind": "deploy"}, "alert": {}`), "events[0].alert: is not a field here"},
		{"an unknown status", event(`"type": "health", "health": {"service": "a", "status": "fine"}`), `events[0].health.status: health status "fine"`},
		{"a negative latency", event(`"type": "health", "health": {"service": "a", "status": "passing", "latency_ms": -1}`), "events[0].health.latency_ms: want between 0"},
		{"events out of order", head + `{"at": "2026-01-01T00:00:01Z", "type": "change", "change": {"service": "a", "kind": "deploy"}},
			{"at": "2026-01-01T00:00:00Z", "type": "change", "change": {"service": "a", "kind": "deploy"}}]}`, "events[1].at: is earlier than the event before it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadScenario(strings.NewReader(c.doc), "test.json")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "test.json: ") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// distinct counts the alert instances of s.
func distinct(s *Scenario) int {
	ids := map[correlate.AlertID]bool{}
	for _, inst := range s.instances {
		ids[inst.id] = true
	}
	return len(ids)
}

// recordingSeed has all that recordings add to the format.
const recordingSeed = `{"name": "seed", "events": [
{"at":"2026-03-02T03:00:30Z","type":"alert","request":{"id":2,"source":"alertmanager","receiver":"r","group_key":"g","external_url":"u","truncated":1},"alert":{"status":"firing","labels":{"service":"db"},"startsAt":"2026-03-02T03:00:29Z","fingerprint":"a"}},
{"at":"2026-03-02T03:00:30Z","type":"alert","request":{"id":2},"alert":{"status":"resolved","startsAt":"2026-03-02T03:00:29Z","endsAt":"2026-03-02T03:00:30Z","fingerprint":"b"}},
{"at":"2026-03-02T03:00:31Z","type":"health","request":{"id":3},"health":{"service":"db","namespace":"shop","status":"failing","at":"2026-03-02T03:00:30Z","failure_threshold":1}},
{"at":"2026-03-02T03:00:32Z","type":"command","command":{"kind":"split","incident":"INC-1","alerts":["a@2026-03-02T03:00:29Z"],"services":[{"service":"db","namespace":""}],"learned":{"kind":"any"}}},
{"at":"2026-03-02T03:00:33Z","type":"topology","topology":{"source":"file","version":"v2","services":[{"name":"db","namespace":"shop","runs_on":["h"],"tier":1,"links":{"a":"b"}}],"dependencies":[{"from":"web","from_namespace":"","to":"db","to_namespace":"shop"}],"redundancy_groups":[{"from":"web","from_namespace":"","name":"g","need":2}]}}
], "topology": {}}`

func FuzzReadScenario(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(recordingSeed))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ReadScenario(strings.NewReader(string(data)), "fuzz")
		if err != nil {
			if s != nil {
				t.Error("a scenario beside an error")
			}
			return
		}
		res, err := run(s, newGroupEngine(oneGroup))
		if err != nil {
			t.Fatal(err)
		}
		// The truth may be nonsense, and a graph unusable; nothing must panic.
		_, _ = ScoreCase(s, res)
		_ = explain(io.Discard, s, newGroupEngine(byService))
		for _, p := range Perturbations() {
			if res, err := run(s.Perturbed(p), newGroupEngine(oneGroup)); err == nil {
				_, _ = ScoreCase(s.Perturbed(p), res)
			}
		}
		rewritten := &bytes.Buffer{}
		r := NewRecorder(rewritten, RecorderOptions{Name: s.Name})
		for i, ev := range s.Events {
			if _, err := r.Add(correlate.Input{Pos: uint64(i + 1), At: ev.At, Signal: ev.Signal}); err != nil {
				return // years that RFC 3339 cannot write
			}
		}
		if err := r.Close(); err != nil {
			return
		}
		if again, err := ReadScenario(rewritten, "rewritten"); err != nil {
			t.Errorf("what was read cannot be written and read again: %v", err)
		} else if was, is := distinct(s), distinct(again); was != is { // one start may have two spellings
			t.Errorf("%d instances were written, %d came back", was, is)
		}
	})
}

func TestReadFileUnpacksWhatIsCompressed(t *testing.T) {
	plain, err := os.ReadFile("testdata/two-faults.json")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "two-faults.json.gz")
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := fixture(t, "two-faults"); s.Name != want.Name || len(s.Events) != len(want.Events) {
		t.Errorf("got %s with %d events", s.Name, len(s.Events))
	}
	if err := os.WriteFile(path, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("not compressed after all: %v", err)
	}
}
