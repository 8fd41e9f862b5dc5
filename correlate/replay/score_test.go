package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headwater-sre/headwater/correlate"
)

var fixtures = []string{"database-fails", "quiet-night", "silent-host", "two-faults"}

func scoreFixtures(t *testing.T, key func(*correlate.Alert) string) Report {
	t.Helper()
	return Score(scoredFixtures(t, key))
}

func TestScoreTable(t *testing.T) {
	for name, key := range map[string]func(*correlate.Alert) string{"one-group": oneGroup, "by-service": byService} {
		var buf bytes.Buffer
		if err := WriteTable(&buf, scoreFixtures(t, key)); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".table.golden", buf.Bytes())
		buf.Reset()
		if err := WriteBreakdown(&buf, scoreFixtures(t, key)); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".breakdown.golden", buf.Bytes())
	}
}

// A result worked out by hand, for the rules that a table of sums cannot show.
func TestScoreOfOneFault(t *testing.T) {
	const doc = `{"name": "x", "topology": {}, "events": [
		{"at": "2026-01-01T00:00:10Z", "type": "alert", "alert": {"status": "firing", "startsAt": "S", "fingerprint": "a"}},
		{"at": "2026-01-01T00:00:20Z", "type": "alert", "alert": {"status": "firing", "startsAt": "S", "fingerprint": "b"}},
		{"at": "2026-01-01T00:00:20Z", "type": "alert", "alert": {"status": "firing", "startsAt": "S", "fingerprint": "n"}}],
		"truth": {"faults": [{"id": "f", "kind": "k", "acceptable": ["db"]}], "alerts": {"a@S": ["f"], "b@S": ["f"], "n@S": []}}}`
	s := parse(t, strings.ReplaceAll(doc, `"S"`, `"2026-01-01T00:00:00Z"`))
	s.truth = bytes.ReplaceAll(s.truth, []byte("@S"), []byte("@2026-01-01T00:00:00Z"))
	at := func(sec int) Time { return Time{time.Date(2026, 1, 1, 0, 0, sec, 0, time.UTC)} }
	names := func(fingerprints string) (all []string) {
		for _, f := range fingerprints {
			all = append(all, string(f)+"@2026-01-01T00:00:00Z")
		}
		return all
	}
	right, wrong := []Origin{{"db", 0.8}, {"web", 0.1}}, []Origin{{"web", 0.6}, {"db", 0.3}}
	open := func(sec int, o []Origin) Page { return Page{At: at(sec), Kind: "open", Origins: o} }
	number := func(x float64) *float64 { return &x }

	for _, c := range []struct {
		name      string
		incidents []Incident
		want      faultScore
	}{
		{
			"paged at once, right at the end",
			[]Incident{{ID: "1", OpenedAt: at(10), Alerts: names("ab"), Origins: right, Pages: []Page{open(25, wrong)}}},
			faultScore{pages: 1, timeToPage: number(15), first: verdict{2, number(0.6)}, end: verdict{1, number(0.8)}},
		},
		{"no incident", nil, faultScore{missed: true}},
		{"an incident that never pages", []Incident{{ID: "1", OpenedAt: at(10), Alerts: names("ab"), Origins: right}}, faultScore{missed: true}},
		{"two pages for one fault", []Incident{
			{ID: "1", OpenedAt: at(10), Alerts: names("a"), Origins: right, Pages: []Page{open(12, right)}},
			{ID: "2", OpenedAt: at(20), Alerts: names("b"), Origins: wrong, Pages: []Page{open(22, wrong)}},
		}, faultScore{pages: 2, timeToPage: number(2), first: verdict{1, number(0.8)}, end: verdict{1, number(0.8)}}},
		{
			"opened by noise, and silent when the fault came",
			[]Incident{{ID: "1", OpenedAt: at(1), Alerts: names("nab"), Origins: right, Pages: []Page{open(2, wrong)}}},
			faultScore{pages: 1, preopened: true, first: verdict{2, number(0.6)}, end: verdict{1, number(0.8)}},
		},
		{
			"opened by noise, and updated when the fault came",
			[]Incident{{
				ID: "1", OpenedAt: at(1), Alerts: names("nab"), Origins: right,
				Pages: []Page{open(2, wrong), {At: at(14), Kind: "update", Origins: right}},
			}},
			faultScore{pages: 1, preopened: true, timeToPage: number(4), first: verdict{1, number(0.8)}, end: verdict{1, number(0.8)}},
		},
		{"merged away: its page counts, its successor's end", []Incident{
			{ID: "1", OpenedAt: at(10), Origins: wrong, Pages: []Page{open(20, wrong)}, MergedInto: "2"},
			{ID: "2", OpenedAt: at(11), Alerts: names("ab"), Origins: right},
		}, faultScore{pages: 1, timeToPage: number(10), first: verdict{2, number(0.6)}, end: verdict{1, number(0.8)}}},
		{"an alert claimed twice stays where it was first", []Incident{
			{ID: "2", OpenedAt: at(11), Alerts: names("ab"), Origins: wrong},
			{ID: "1", OpenedAt: at(10), Alerts: names("ab"), Origins: right, Pages: []Page{open(20, nil)}},
		}, faultScore{pages: 1, timeToPage: number(10), end: verdict{1, number(0.8)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ScoreCase(s, &Result{Incidents: c.incidents})
			if err != nil {
				t.Fatal(err)
			}
			c.want.kind = "k"
			if diff := cmp.Diff([]faultScore{c.want}, got.faults, cmp.AllowUnexported(faultScore{}, verdict{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScoreNeedsATruthThatFits(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"none", `{"name": "x", "topology": {}, "events": []}`, "score x: the scenario has no truth to compare with"},
		{"broken", `{"name": "x", "topology": {}, "events": [], "truth": {"faults": 3}}`, "score x: truth: "},
		{"an alert that never fires", `{"name": "x", "topology": {}, "events": [], "truth": {"faults": [{"id": "f"}], "alerts": {"a@s": ["f"]}}}`, `score x: truth.alerts: no event fires "a@s"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ScoreCase(parse(t, c.doc), &Result{})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// reference is where the scenarios and the reference scorer lie beside a checkout.
const reference = "../../../shared/scenarios"

// The columns must be comparable with published ones to the last digit, so
// random results, which reach every corner of the rules, are scored by both.
func TestScorerAgreesWithTheReference(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	scorer := filepath.Join(reference, "score.py")
	if _, err := os.Stat(scorer); err != nil {
		t.Skip("no reference scorer beside this checkout")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	for _, dir := range []string{"public", "real"} {
		t.Run(dir, func(t *testing.T) {
			files, err := Find([]string{filepath.Join(reference, dir)})
			if err != nil {
				t.Skip(err)
			}
			results := t.TempDir()
			cases := scoreRandomResults(t, files, results)
			var table bytes.Buffer
			report := Score(cases)
			if err := WriteTable(&table, report); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "score.json")
			cmd := exec.Command(python, scorer, "--name", "overall", "--json", out, filepath.Join(reference, dir), results)
			want, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			_, wantTable, _ := strings.Cut(string(want), "without a result file\n")
			wantTable, _, _ = strings.Cut(wantTable, "json: ")
			if diff := cmp.Diff(strings.Split(wantTable, "\n"), strings.Split(table.String(), "\n")); diff != "" {
				t.Errorf("table (-reference +ours):\n%s", diff)
			}
			compareFigures(t, out, report)
		})
	}
}

// compareFigures compares every figure of every slice, printed or not.
func compareFigures(t *testing.T, file string, ours Report) {
	t.Helper()
	var theirs struct {
		Overall map[string]any
		Slices  map[string]map[string]any
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &theirs); err != nil {
		t.Fatal(err)
	}
	theirs.Slices["overall"] = theirs.Overall
	for _, s := range append(ours.Slices, Slice{"overall", ours.Overall}) {
		raw, err := json.Marshal(s.Summary)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		want := theirs.Slices[s.Name]
		for _, when := range []string{"first", "end"} { // nested here, flat there
			if c, ok := got["calibration_"+when].(map[string]any); ok {
				got["brier_"+when], got["ece_"+when], got["calibration_"+when] = c["brier"], c["ece"], c["bins"]
			} else {
				got["brier_"+when], got["ece_"+when] = nil, nil
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s (-reference +ours):\n%s", s.Name, diff)
		}
	}
}

// scoreRandomResults writes a random result for most files, scores it as well,
// and leaves some files without.
func scoreRandomResults(t *testing.T, files []string, dir string) []*CaseScore {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var cases []*CaseScore
	for i, file := range files {
		s, err := ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		res := &Result{}
		if i > 0 && rng.IntN(20) > 0 { // the first has none, so that the reference always warns
			res = randomResult(rng, s)
			if err := res.WriteFile(dir, s.Name); err != nil {
				t.Fatal(err)
			}
			res = reread(t, filepath.Join(dir, s.Name+".json"))
		}
		c, err := ScoreCase(s, res)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

func reread(t *testing.T, path string) *Result {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	res, err := ReadResult(f)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func randomResult(rng *rand.Rand, s *Scenario) *Result {
	names := []string{"nobody"}
	for _, svc := range s.Topology.Services {
		names = append(names, svc.Name)
	}
	// Naming a true origin now and then makes ranks and hits likely.
	if t, err := s.decodeTruth(); err == nil {
		for _, f := range t.Faults {
			for range 1 + len(names)/2 {
				names = append(names, f.Acceptable...)
			}
		}
	}
	start, span := s.Events[0].At, int(s.Span()/time.Millisecond)+1
	moment := func() Time { return Time{start.Add(time.Duration(rng.IntN(span)) * time.Millisecond)} }
	origins := func() []Origin {
		all := []Origin{}
		for range rng.IntN(5) {
			all = append(all, Origin{Service: names[rng.IntN(len(names))], Probability: float64(rng.IntN(11)) / 10})
		}
		return all
	}
	res := &Result{Incidents: make([]Incident, 1+rng.IntN(6))}
	kinds := []string{"open", "open", "update", "resolved"}
	for i := range res.Incidents {
		inc := &res.Incidents[i]
		*inc = Incident{ID: string(rune('A' + i)), OpenedAt: moment(), Alerts: []string{}, Origins: origins(), Pages: []Page{}}
		for range rng.IntN(4) {
			inc.Pages = append(inc.Pages, Page{At: moment(), Kind: kinds[rng.IntN(len(kinds))], Origins: origins()})
		}
		if rng.IntN(4) == 0 {
			inc.MergedInto = string(rune('A' + rng.IntN(len(res.Incidents)))) // itself and circles, too
		}
	}
	for _, inst := range s.instances {
		for rng.IntN(4) > 0 { // in none, one, or by mistake in several
			inc := &res.Incidents[rng.IntN(len(res.Incidents))]
			inc.Alerts = append(inc.Alerts, inst.name)
			if rng.IntN(8) > 0 {
				break
			}
		}
	}
	if rng.IntN(5) == 0 {
		res.Incidents[0].Alerts = append(res.Incidents[0].Alerts, "stranger@2026-01-01T00:00:00Z")
	}
	return res
}

func TestFilesKeepsOrderAndBoundsTheWork(t *testing.T) {
	var files []string
	for i := range 40 {
		files = append(files, string(rune('a'+i)))
	}
	busy, free := make(chan struct{}, 3), make(chan struct{}, 3)
	var got []string
	err := eachFile(context.Background(), files, 3, func(file string) *Case {
		select {
		case busy <- struct{}{}:
		default:
			t.Error("a fourth worker runs")
		}
		defer func() { <-busy }()
		if len(file)%2 == 0 {
			free <- struct{}{}
			<-free
		}
		return &Case{File: file}
	}, func(c *Case) error {
		got = append(got, c.File)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, got); diff != "" {
		t.Error(diff)
	}
}

func TestFilesStopsWithTheFirstErrorOfItsReceiver(t *testing.T) {
	calls := 0
	err := eachFile(context.Background(), fixtures, 2, func(file string) *Case { return &Case{File: file} }, func(*Case) error {
		calls++
		return os.ErrClosed
	})
	if !errors.Is(err, os.ErrClosed) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestFilesStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := eachFile(ctx, fixtures, 2, func(file string) *Case { return &Case{File: file} }, func(*Case) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFind(t *testing.T) {
	got, err := Find([]string{"testdata/two-faults.json", "testdata"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"testdata/two-faults.json"}
	for _, name := range fixtures {
		want = append(want, "testdata/"+name+".json")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Find([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no .json file in directory") {
		t.Errorf("an empty directory: got %v", err)
	}
	if _, err := Find([]string{"testdata/absent.json"}); err == nil {
		t.Error("an absent file: no error")
	}
}
