package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// ranked are n cases of one fault each, with its origin at that rank in the end.
func ranked(n int, rank func(i int) int) (cases []*CaseScore) {
	for i := range n {
		cases = append(cases, &CaseScore{
			name: fmt.Sprintf("made-up-%04d", i), faultKinds: []string{"k"},
			faults: []faultScore{{kind: "k", end: verdict{rank: rank(i)}}},
		})
	}
	return cases
}

func difference(t *testing.T, c *Comparison, figure string) *Difference {
	t.Helper()
	for i := range c.Figures {
		if c.Figures[i].Figure == figureOf(figure).name {
			return &c.Figures[i]
		}
	}
	t.Fatalf("no figure %s", figure)
	return nil
}

func TestCompareTellsADifferenceFromChance(t *testing.T) {
	always := func(int) int { return 1 }
	half := func(i int) int { return 1 + i%2 }
	otherHalf := func(i int) int { return 2 - i%2 }
	for _, c := range []struct {
		name, verdict         string
		a, b                  func(int) int
		better, worse, asGood int
	}{
		{"the same", "", half, half, 0, 0, 60},
		{"each right where the other is wrong", "", half, otherHalf, 30, 30, 0},
		{"half of the errors mended", "better", half, always, 30, 0, 30},
		{"half of what was right broken", "worse", always, half, 0, 30, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Compare(ranked(60, c.a), ranked(60, c.b))
			if err != nil {
				t.Fatal(err)
			}
			d := difference(t, got, "top1_end")
			if d.Verdict() != c.verdict || got.Better != c.better || got.Worse != c.worse || got.Same != c.asGood {
				t.Errorf("got %q [%v, %v], %d better, %d worse, %d as good", d.Verdict(), *d.Low, *d.High, got.Better, got.Worse, got.Same)
			}
		})
	}
}

// Of a figure of which less is better, more is worse.
func TestCompareKnowsWhatIsGood(t *testing.T) {
	pages := func(n int) (cases []*CaseScore) {
		for _, c := range ranked(20, func(int) int { return 1 }) {
			c.faults[0].pages = n
			cases = append(cases, c)
		}
		return cases
	}
	c, err := Compare(pages(1), pages(2))
	if err != nil {
		t.Fatal(err)
	}
	if d := difference(t, c, "pages_per_fault"); d.Verdict() != "worse" {
		t.Errorf("twice the pages: %q", d.Verdict())
	}
}

func TestCompareWantsTheSameCases(t *testing.T) {
	one := ranked(2, func(int) int { return 1 })
	for name, other := range map[string][]*CaseScore{"fewer": one[:1], "others": {one[1], one[0]}} {
		if _, err := Compare(one, other); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Compare(nil, nil); err == nil {
		t.Error("none: no error")
	}
}

func TestComparisonTable(t *testing.T) {
	c, err := Compare(scoredFixtures(t, byService), scoredFixtures(t, oneGroup))
	if err != nil {
		t.Fatal(err)
	}
	var once, twice bytes.Buffer
	if err := c.Write(&once, 2); err != nil {
		t.Fatal(err)
	}
	again, err := Compare(scoredFixtures(t, byService), scoredFixtures(t, oneGroup))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Write(&twice, 2); err != nil {
		t.Fatal(err)
	}
	if once.String() != twice.String() {
		t.Error("a second comparison prints something else")
	}
	golden(t, "compare.golden", once.Bytes())
	if n := strings.Count(once.String(), "        a: "); n != 2 {
		t.Errorf("%d cases listed, want 2", n)
	}
}
