package replay

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", name, diff)
	}
}

func fixture(t *testing.T, name string) *Scenario {
	t.Helper()
	s, err := ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t *testing.T, doc string) *Scenario {
	t.Helper()
	s, err := ReadScenario(strings.NewReader(doc), "test.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRunFeedsEveryEventAtItsTimeAndTicksExactlyAtDeadlines(t *testing.T) {
	e := newGroupEngine(oneGroup)
	s := fixture(t, "two-faults")
	res, err := run(s, e)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "two-faults.inputs.golden", []byte(strings.Join(e.log, "\n")+"\n"))
	want := Stats{Events: 14, Ticks: 2, Span: 690 * time.Second}
	if diff := cmp.Diff(want, res.Stats); diff != "" {
		t.Error(diff)
	}
}

func TestResultsAreWhatTheFormatSays(t *testing.T) {
	for _, name := range []string{"two-faults", "silent-host"} {
		res, err := run(fixture(t, name), newGroupEngine(byService))
		if err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		if err := res.Write(&buf); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".result.golden", buf.Bytes())
	}
}

func TestRunLetsTwoEventsOfOneMomentBeTwoInputs(t *testing.T) {
	s := parse(t, `{"name": "x", "topology": {}, "events": [
		{"at": "2026-01-01T00:00:00Z", "type": "change", "change": {"service": "a", "kind": "deploy"}},
		{"at": "2026-01-01T00:00:00Z", "type": "health", "health": {"service": "a", "status": "failing"}}]}`)
	e := newGroupEngine(oneGroup)
	if _, err := run(s, e); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 00:00:00.000 *correlate.TopologyReport",
		"2 00:00:00.000 *correlate.Change",
		"3 00:00:00.000 *correlate.HealthBatch",
	}
	if diff := cmp.Diff(want, e.log); diff != "" {
		t.Error(diff)
	}
}

func TestRunOfNothingIsAnEmptyResult(t *testing.T) {
	res, err := run(parse(t, `{"name": "x", "topology": {}, "events": []}`), newGroupEngine(oneGroup))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := res.Write(&buf); err != nil {
		t.Fatal(err)
	}
	if got, want := buf.String(), "{\n \"incidents\": []\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// fixedEngine answers every step with one delta and always has the same deadline.
type fixedEngine struct {
	delta    correlate.Delta
	deadline time.Time
}

func (e *fixedEngine) Step(correlate.Input) *correlate.Delta { return &e.delta }
func (e *fixedEngine) NextDeadline() (time.Time, bool)       { return e.deadline, !e.deadline.IsZero() }

func TestRunEndsWithAnEngineThatNeverRests(t *testing.T) {
	_, err := run(fixture(t, "quiet-night"), &fixedEngine{deadline: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err == nil || !strings.Contains(err.Error(), "replay quiet-night: before events[0]: the engine still has a deadline, at 2026-01-01T00:00:00Z") {
		t.Errorf("got %v", err)
	}
}

func TestRunSaysWhatTheEngineRefused(t *testing.T) {
	_, err := run(fixture(t, "quiet-night"), &fixedEngine{delta: correlate.Delta{Rejected: "no"}})
	if err == nil || err.Error() != "replay quiet-night: topology: the engine refused it: no" {
		t.Errorf("got %v", err)
	}
}

func TestNamesInResultsAreThoseOfTheScenario(t *testing.T) {
	s := parse(t, `{"name": "x", "topology": {"services": [{"name": "db", "namespace": "shop"}, {"name": "web"}],
		"dependencies": [{"from": "web", "to": "shop/db"}, {"from": "web", "to": "https://ids.example/token"}]}, "events": []}`)
	for _, c := range []struct {
		ref  topology.Ref
		want string
	}{
		{topology.Ref{Namespace: "shop", Name: "db"}, "db"},
		{topology.Ref{Name: "web"}, "web"},
		{topology.Ref{Name: "https://ids.example/token"}, "https://ids.example/token"},
		{topology.Ref{Namespace: "far", Name: "away"}, "far/away"},
	} {
		if got := s.written(c.ref); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.ref, got, c.want)
		}
	}
	if got, want := s.Topology.Dependencies[0].To, (topology.Ref{Namespace: "shop", Name: "db"}); got != want {
		t.Errorf("dependency on shop/db: got %+v, want %+v", got, want)
	}
}
