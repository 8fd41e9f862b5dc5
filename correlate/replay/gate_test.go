package replay

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestGateLetsPassWhatIsNoWorse(t *testing.T) {
	cases := scoredFixtures(t, oneGroup)
	path := filepath.Join(t.TempDir(), "LANDED")
	if err := Land(cases).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	landed, err := ReadLandedFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := landed.Check(io.Discard, cases); err != nil {
		t.Errorf("what was landed a moment ago: %v", err)
	}
}

func TestGateNamesEachFigureThatGotWorse(t *testing.T) {
	landed := Land(ranked(100, func(int) int { return 1 }))
	for _, c := range []struct {
		name  string
		wrong int // of a hundred, not named among the first three
		want  string
	}{
		{"two points are allowed", 2, ""},
		{"three are not", 3, "origin at the end, top-1 is 0.970, landed was 1.000: worse by more than 0.020\n" +
			"origin at the end, top-3 is 0.970, landed was 1.000: worse by more than 0.020"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var table bytes.Buffer
			got := ""
			if err := landed.Check(&table, ranked(100, func(i int) int {
				if i < c.wrong {
					return 4
				}
				return 1
			})); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if marked := strings.Count(table.String(), "WORSE"); marked != strings.Count(c.want, "landed") {
				t.Errorf("%d rows are marked:\n%s", marked, table.String())
			}
		})
	}
}

// Faster, and fewer pages, is not worse.
func TestGateKnowsWhichWayIsUp(t *testing.T) {
	slow, fast := ranked(10, func(int) int { return 1 }), ranked(10, func(int) int { return 1 })
	for i := range slow {
		late, soon := 60.0, 45.0
		slow[i].faults[0].timeToPage, fast[i].faults[0].timeToPage = &late, &soon
		slow[i].faults[0].pages, fast[i].faults[0].pages = 2, 1
	}
	if err := Land(slow).Check(io.Discard, fast); err != nil {
		t.Errorf("improved: %v", err)
	}
	err := Land(fast).Check(io.Discard, slow)
	for _, want := range []string{"seconds to the first page, median is 60, landed was 45", "opening pages per fault is 2.00, landed was 1.00"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}

func TestGateWantsTheSuiteThatLanded(t *testing.T) {
	landed := Land(ranked(3, func(int) int { return 1 }))
	err := landed.Check(io.Discard, ranked(2, func(int) int { return 1 }))
	if err == nil || err.Error() != "2 cases were scored, the landed figures are of 3" {
		t.Errorf("got %v", err)
	}
	if err := Land(scoredFixtures(t, oneGroup)).Check(io.Discard, make([]*CaseScore, 0)); err == nil {
		t.Error("no cases: no error")
	}
}

func TestLandedFiguresThatCannotBeReadNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"cases 3\ntop1_end high\n": `2: top1_end: "high" is not a number`,
		"# a comment\n\nf1\n":      `3: want a figure and its value, got "f1"`,
		"f2 0.5\n":                 "1: there is no figure f2; write the file anew",
	} {
		if _, err := readLanded(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// The reduced suite is what makes the gate work without the full one. Here: that it
// is complete and can be scored; what the engine reaches on it is the gate's matter.
func TestReducedSuiteHasEverySortOfCase(t *testing.T) {
	files, err := Find([]string{"testdata/suite"})
	if err != nil {
		t.Fatal(err)
	}
	landed, err := ReadLandedFile("testdata/suite/LANDED")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != landed.cases {
		t.Errorf("%d files, landed figures of %d", len(files), landed.cases)
	}
	kinds, families, faults := map[string]bool{}, map[string]bool{}, map[int]bool{}
	for _, file := range files {
		s, err := ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		truth, err := s.decodeTruth()
		if err != nil {
			t.Fatal(err)
		}
		families[family(s.Name)] = true
		faults[len(truth.Faults)] = true
		for _, f := range truth.Faults {
			kinds[f.Kind] = true
		}
	}
	if len(kinds) != 16 || len(families) != 8 || len(faults) != 4 {
		t.Errorf("%d kinds of faults, %d families, %d numbers of faults; want 16, 8 and 4", len(kinds), len(families), len(faults))
	}
}
