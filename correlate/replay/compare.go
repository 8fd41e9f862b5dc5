package replay

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Comparison sets two replays of the same cases side by side.
type Comparison struct {
	Figures []Difference `json:"figures"`
	// Cases in which the second costs less, more, and the same; see [WriteWorst] for what a case costs.
	Better int `json:"better"`
	Worse  int `json:"worse"`
	Same   int `json:"as_good"`

	a, b []*CaseScore // in pairs
}

// Difference is one figure of both.
type Difference struct {
	Figure string   `json:"figure"`
	A      *float64 `json:"a"`
	B      *float64 `json:"b"`
	// Low and High bound B - A with a probability of 90 %, by the paired bootstrap over cases; nil when a figure is.
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`

	figure *figure
}

const (
	// resamples is enough for an interval whose ends are stable to the second digit.
	resamples = 1000
	// compareSeed makes the interval the same every time.
	compareSeed = 20260105
)

// Compare compares the scores of the same cases, in the same order. The intervals
// answer whether another draw of such cases could have shown the opposite: both sides
// are computed anew over cases drawn with replacement (Efron and Tibshirani 1993, chapter 13).
func Compare(a, b []*CaseScore) (*Comparison, error) {
	if len(a) != len(b) || len(a) == 0 {
		return nil, fmt.Errorf("compare %d cases with %d: want the same, at least one", len(a), len(b))
	}
	c := &Comparison{a: a, b: b}
	for i := range a {
		if a[i].name != b[i].name {
			return nil, errors.New("compare: case " + a[i].name + " stands against " + b[i].name)
		}
		switch d := b[i].loss() - a[i].loss(); {
		case d < -tiny:
			c.Better++
		case d > tiny:
			c.Worse++
		default:
			c.Same++
		}
	}
	inA, inB := digestOf(a), digestOf(b)
	low, high := c.intervals()
	for i := range figures {
		f := &figures[i]
		c.Figures = append(c.Figures, Difference{Figure: f.name, A: f.of(inA), B: f.of(inB), Low: low[i], High: high[i], figure: f})
	}
	return c, nil
}

// intervals are the 5th and the 95th percentile of each figure's difference.
func (c *Comparison) intervals() (low, high []*float64) {
	drawn := make([][]float64, len(figures))
	rng := rand.New(rand.NewPCG(compareSeed, 0))
	a, b := make([]*CaseScore, len(c.a)), make([]*CaseScore, len(c.b))
	for range resamples {
		for i := range a {
			k := rng.IntN(len(c.a))
			a[i], b[i] = c.a[k], c.b[k]
		}
		inA, inB := digestOf(a), digestOf(b)
		for i := range figures {
			if x, y := figures[i].of(inA), figures[i].of(inB); x != nil && y != nil {
				drawn[i] = append(drawn[i], *y-*x)
			}
		}
	}
	for _, all := range drawn {
		slices.Sort(all)
		low, high = append(low, quantile(all, 0.05)), append(high, quantile(all, 0.95))
	}
	return low, high
}

// Verdict is "better" or "worse" when the interval leaves no doubt about B, else empty.
func (d *Difference) Verdict() string {
	switch {
	case d.Low == nil || *d.Low <= 0 && *d.High >= 0:
		return ""
	case *d.Low > 0 == d.figure.lower:
		return "worse"
	}
	return "better"
}

// Write writes both sides of every figure, and the n cases that changed most.
func (c *Comparison) Write(w io.Writer, n int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-48s %7s %7s %8s   %s\n", "", "a", "b", "b - a", "90 % interval")
	for i := range c.Figures {
		c.Figures[i].write(&b)
	}
	fmt.Fprintf(&b, "\nof %d cases b is better in %d, worse in %d, as good in %d\n", len(c.a), c.Better, c.Worse, c.Same)
	c.writeChanged(&b, n)
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *Difference) write(b *strings.Builder) {
	number := func(v *float64, sign string) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf(strings.Replace(d.figure.unit.format(), "%", "%"+sign, 1), *v)
	}
	var change *float64
	interval := "-"
	if d.A != nil && d.B != nil {
		v := *d.B - *d.A
		change = &v
	}
	if d.Low != nil {
		interval = number(d.Low, "+") + " … " + number(d.High, "+")
	}
	row := fmt.Sprintf("%-48s %7s %7s %8s   %-18s %s", d.Figure, number(d.A, ""), number(d.B, ""), number(change, "+"), interval, d.Verdict())
	b.WriteString(strings.TrimRight(row, " ") + "\n")
}

func (c *Comparison) writeChanged(b *strings.Builder, n int) {
	change := func(i int) float64 { return c.b[i].loss() - c.a[i].loss() }
	var changed []int
	for i := range c.a {
		if math.Abs(change(i)) > tiny {
			changed = append(changed, i)
		}
	}
	slices.SortStableFunc(changed, func(i, j int) int { return cmp.Compare(math.Abs(change(j)), math.Abs(change(i))) })
	for _, i := range changed[:min(n, len(changed))] {
		fmt.Fprintf(b, "%+6.2f  %s\n", change(i), c.a[i].name)
		fmt.Fprintf(b, "        a: %s\n", cmp.Or(c.a[i].complaint(), "nothing wrong"))
		fmt.Fprintf(b, "        b: %s\n", cmp.Or(c.b[i].complaint(), "nothing wrong"))
	}
}
