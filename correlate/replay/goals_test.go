package replay

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
)

func scoredFixtures(t *testing.T, key func(*correlate.Alert) string) (cases []*CaseScore) {
	t.Helper()
	for _, name := range fixtures {
		s := fixture(t, name)
		res, err := run(s, newGroupEngine(key))
		if err != nil {
			t.Fatal(err)
		}
		c, err := ScoreCase(s, res)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

func TestGoalsCompareWhatTheTablesShow(t *testing.T) {
	number := func(x float64) *float64 { return &x }
	share, contamination, seconds := figureOf("f1"), figureOf("contamination"), figureOf("ttp_p95")
	for _, c := range []struct {
		name   string
		figure *figure
		ours   *float64
		target float64
		slack  float64
		want   bool
	}{
		{"more is better", share, number(0.94), 0.93, 0, true},
		{"too little", share, number(0.92), 0.93, 0, false},
		{"shown as the target", share, number(0.92951), 0.93, 0, true},
		{"short by the slack", share, number(0.90), 0.93, 0.03, true},
		{"short by more", share, number(0.899), 0.93, 0.03, false},
		{"less is better", contamination, number(0.03), 0.04, 0, true},
		{"too much", contamination, number(0.041), 0.04, 0, false},
		{"time has no slack", seconds, number(110.4), 110, 5, false},
		{"nothing to compute it from", share, nil, 0, 1, false},
	} {
		if got := c.figure.meets(c.ours, c.target, c.slack); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestMeasuredFaultsHaveGoalsOfTheirOwn(t *testing.T) {
	cases := []*CaseScore{{name: "petshop-issue_1"}, {name: "random-30-0001"}, {name: "petshop-issue_2"}}
	per := map[string]int{}
	for _, s := range Standings(cases, 0, nil) {
		per[s.Family]++
	}
	if per["petshop"] != 3 || per[""] != len(simulatedGoals) || len(per) != 2 {
		t.Errorf("got %v", per)
	}
}

func TestEveryGoalIsOfAFigure(t *testing.T) {
	for _, g := range simulatedGoals {
		f := figureOf(g.figure) // panics for a goal of nothing
		if f.worse(g.far, g.near) > 0 {
			t.Errorf("%s: the goal %v is worse than close enough, %v", g.figure, g.far, g.near)
		}
	}
}

// Tables in the form of the reference scorer, of invented methods.
const someBaselines = `                           cases faults     F1 contam top1@E
lumper                         4      5  0.900  0.200  0.100
splitter                       4      5  0.400  0.010      -

[origin silent: True]
lumper                         4      5  0.900  0.200  0.700

== real/petshop
                           cases faults     F1 contam top1@E
lumper                         4      5  0.900  0.200  0.300
splitter                       4      5  0.950  0.200  0.400
`

func TestTheReferenceIsTheBestOfTheMethods(t *testing.T) {
	b, err := readBaselines(strings.NewReader(someBaselines))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		family, figure, method string
		want                   float64
	}{
		{"", "f1", "lumper", 0.9},
		{"", "contamination", "splitter", 0.01},
		{"", "top1_end", "lumper", 0.1},
		{"", "silent_top1_end", "lumper", 0.7},
		{"petshop", "top1_end", "splitter", 0.4},
	} {
		v, method := b.best(c.family, figureOf(c.figure))
		if v == nil || *v != c.want || method != c.method {
			t.Errorf("%s of %q: got %v of %q, want %v of %q", c.figure, c.family, v, method, c.want, c.method)
		}
	}
	for _, absent := range []string{"ttp_p95", "multi_ari"} {
		if v, _ := b.best("", figureOf(absent)); v != nil {
			t.Errorf("%s is in no table, and comes out as %v", absent, *v)
		}
	}
}

func TestBaselinesThatCannotBeReadNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"lumper 4 5\n":              `line 1: want a method and 0 figures, got "lumper 4 5"`,
		" cases F1\nlumper 4 good ": `line 2: "good" is not a figure`,
	} {
		if _, err := readBaselines(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestBaselinesLieBesideTheScenarios(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "baselines-public.txt"), []byte(someBaselines), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := BaselinesOf(filepath.Join(root, "public") + "/"); err != nil || len(b.section(sectionAll)) != 2 {
		t.Errorf("got %+v, %v", b, err)
	}
	if b, err := BaselinesOf(filepath.Join(root, "other")); b != nil || err != nil {
		t.Errorf("no baselines: got %+v, %v", b, err)
	}
}

// What --goals prints after the score, on the fixtures.
func TestGoalTables(t *testing.T) {
	b, err := readBaselines(strings.NewReader(someBaselines))
	if err != nil {
		t.Fatal(err)
	}
	cases := scoredFixtures(t, oneGroup)
	var buf bytes.Buffer
	if err := WriteComparison(&buf, Score(cases), b); err != nil {
		t.Fatal(err)
	}
	if err := WriteStandings(&buf, Standings(cases, 0.03, b), 0.03); err != nil {
		t.Fatal(err)
	}
	if err := WriteWorst(&buf, cases, 3); err != nil {
		t.Fatal(err)
	}
	golden(t, "goals.golden", buf.Bytes())
}

// Each way to be wrong, once.
func TestComplaintsNameWhatWentWrong(t *testing.T) {
	for want, c := range map[string]*CaseScore{
		"": {accounts: []account{{fault: "f1", portions: []portion{{"INC-1", 3}}, rank: 1}}},
		"F1 0.50; f1 split 2+1": {
			grouping: &grouping{f1: 0.5},
			accounts: []account{{fault: "f1", portions: []portion{{"INC-1", 2}, {"", 1}}, rank: 1}},
		},
		"f2 swallowed by f1's incident; INC-1 lumps f1 5, f2 2": {accounts: []account{
			{fault: "f1", portions: []portion{{"INC-1", 5}}, rank: 1},
			{fault: "f2", portions: []portion{{"INC-1", 2}}, swallowedBy: "f1"},
		}},
		"f1 never paged": {accounts: []account{{fault: "f1", missed: true}}},
		"f1 (latency): said cart 62 %, true mysql 8 % rank 2": {accounts: []account{
			{fault: "f1", kind: "latency", end: []Origin{{"cart", 0.62}, {"mysql", 0.08}}, rank: 2},
		}},
		"f1 (latency): said cart 62 %, true mysql or disk not named": {accounts: []account{
			{fault: "f1", kind: "latency", origins: []string{"mysql", "disk"}, end: []Origin{{"cart", 0.62}}},
		}},
		"f1 (crash): no origin named, true mysql": {accounts: []account{{fault: "f1", kind: "crash", origins: []string{"mysql"}}}},
	} {
		if got := c.complaint(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestLossIsZeroOnlyForWhatIsRight(t *testing.T) {
	right := faultScore{end: verdict{rank: 1}}
	for _, c := range []struct {
		name string
		c    CaseScore
		want float64
	}{
		{"all right", CaseScore{grouping: &grouping{f1: 1}, faults: []faultScore{right, right}}, 0},
		{"nothing to be wrong about", CaseScore{}, 0},
		{"half of the pairs", CaseScore{grouping: &grouping{f1: 0.5}, faults: []faultScore{right}}, 0.5},
		{"second of two is true, of one in two", CaseScore{faults: []faultScore{right, {end: verdict{rank: 2}}}}, 0.25},
		{"one in two is missed", CaseScore{faults: []faultScore{right, {missed: true}}}, 1},
	} {
		if got := c.c.loss(); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
