package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Landed are the figures that a suite is known to reach. They lie in a text file of
// one figure a line, so that a change of the engine shows what it does in a diff.
type Landed struct {
	cases   int
	figures map[string]float64 // by key; a figure that could not be computed has none
}

// tolerance is what a figure may lose before it counts as lost: less is the work
// of a single fault that falls the other way.
func (u unit) tolerance() float64 {
	switch u {
	case inPages:
		return 0.05
	case inSeconds:
		return 10
	}
	return 0.02
}

// Land takes the figures of cases as those that are reached.
func Land(cases []*CaseScore) *Landed {
	l := &Landed{cases: len(cases), figures: map[string]float64{}}
	d := digestOf(cases)
	for _, f := range figures {
		if v := f.of(d); v != nil {
			l.figures[f.key] = *v
		}
	}
	return l
}

const (
	landedHead = `# What the engine reaches on this suite: "make gate" fails when a figure gets worse
# by more than 0.02 (shares), 0.05 (pages) or 10 (seconds), "make gate-rewrite" writes
# this file anew. The figures and their meaning are those of docs/backtest.md.
`
	casesKey = "cases"
)

// Write writes l in the order in which figures are printed.
func (l *Landed) Write(w io.Writer) error {
	var b strings.Builder
	b.WriteString(landedHead)
	fmt.Fprintf(&b, "%-16s %d\n", casesKey, l.cases)
	for _, f := range figures {
		if v, ok := l.figures[f.key]; ok {
			fmt.Fprintf(&b, "%-16s %.4f\n", f.key, v)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteFile writes l to path.
func (l *Landed) WriteFile(path string) error {
	var b strings.Builder
	if err := l.Write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write landed figures: %w", err)
	}
	return nil
}

// ReadLandedFile reads what WriteFile wrote.
func ReadLandedFile(path string) (*Landed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read landed figures: %w", err)
	}
	defer func() { _ = f.Close() }()
	l, err := readLanded(f)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return l, nil
}

func readLanded(r io.Reader) (*Landed, error) {
	l := &Landed{figures: map[string]float64{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if err := l.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
	}
	return l, lines.Err()
}

func (l *Landed) line(line string) error {
	fields := strings.Fields(line)
	switch {
	case len(fields) == 0 || strings.HasPrefix(line, "#"):
		return nil
	case len(fields) != 2:
		return fmt.Errorf("want a figure and its value, got %q", line)
	}
	v, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return fmt.Errorf("%s: %q is not a number", fields[0], fields[1])
	}
	if fields[0] == casesKey {
		l.cases = int(v)
		return nil
	}
	for _, f := range figures {
		if f.key == fields[0] {
			l.figures[f.key] = v
			return nil
		}
	}
	return fmt.Errorf("there is no figure %s; write the file anew", fields[0])
}

// Check compares cases with what landed, writes a row for each figure, and returns
// an error that names every figure that got worse than its tolerance allows.
func (l *Landed) Check(w io.Writer, cases []*CaseScore) error {
	if len(cases) != l.cases {
		return fmt.Errorf("%d cases were scored, the landed figures are of %d", len(cases), l.cases)
	}
	var lost []error
	b := strings.Builder{}
	fmt.Fprintf(&b, "%-48s %7s %7s %8s %8s\n", "", "landed", "now", "change", "allowed")
	d := digestOf(cases)
	for i := range figures {
		if err := l.check(&b, &figures[i], figures[i].of(d)); err != nil {
			lost = append(lost, err)
		}
	}
	_, err := io.WriteString(w, b.String())
	return errors.Join(append(lost, err)...)
}

func (l *Landed) check(b *strings.Builder, f *figure, now *float64) error {
	landed, known := l.figures[f.key]
	switch {
	case now == nil && known:
		return fmt.Errorf("%s: there is nothing any more to compute it from", f.name)
	case now == nil || !known:
		return nil
	}
	allowed := f.unit.tolerance()
	format := f.unit.format()
	signed := strings.Replace(format, "%", "%+", 1)
	worse := f.worse(*now, landed)
	verdict := ""
	if worse > allowed+tiny {
		verdict = "  WORSE"
	}
	fmt.Fprintf(b, "%-48s %7s %7s %8s %8s%s\n", f.name, fmt.Sprintf(format, landed), fmt.Sprintf(format, *now),
		fmt.Sprintf(signed, milli(*now-landed)+0), fmt.Sprintf(format, allowed), verdict)
	if verdict == "" {
		return nil
	}
	return fmt.Errorf("%s is "+format+", landed was "+format+": worse by more than "+format, f.name, *now, landed, allowed)
}
