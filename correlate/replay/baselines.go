package replay

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Baselines are tables of the reference scorer over the results of other methods,
// as it prints them.
type Baselines struct {
	heads    []string
	sections []baselineSection
}

// baselineSection is one table. Its name is empty for all cases, else that of a
// slice, or of a family after "== real/".
type baselineSection struct {
	name string
	rows []baselineRow
}

type baselineRow struct {
	method string
	values []*float64 // by head; nil for a dash
	line   string     // as it was written
}

// BaselinesOf reads what lies beside a directory of scenarios: for …/public that
// is …/baselines-public.txt. It is nil when there is no such file.
func BaselinesOf(dir string) (*Baselines, error) {
	dir = filepath.Clean(dir)
	f, err := os.Open(filepath.Join(filepath.Dir(dir), "baselines-"+filepath.Base(dir)+".txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read baselines: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := readBaselines(f)
	if err != nil {
		return nil, fmt.Errorf("read baselines %s: %w", f.Name(), err)
	}
	return b, nil
}

func readBaselines(r io.Reader) (*Baselines, error) {
	b := &Baselines{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if err := b.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return b, lines.Err()
}

func (b *Baselines) line(line string) error {
	fields := strings.Fields(line)
	switch {
	case len(fields) == 0:
	case fields[0] == "==" && len(fields) == 2:
		b.begin(fields[1][strings.LastIndex(fields[1], "/")+1:])
	case strings.HasPrefix(line, "["):
		b.begin(strings.Trim(line, "[]"))
	case fields[0] == columns[0].head:
		b.heads = fields
	default:
		return b.row(fields, line)
	}
	return nil
}

func (b *Baselines) begin(section string) {
	b.sections = append(b.sections, baselineSection{name: section})
}

func (b *Baselines) row(fields []string, line string) error {
	if len(fields) != len(b.heads)+1 {
		return fmt.Errorf("want a method and %d figures, got %q", len(b.heads), line)
	}
	row := baselineRow{method: fields[0], line: line}
	for _, text := range fields[1:] {
		var value *float64
		if text != "-" {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return fmt.Errorf("%q is not a figure", text)
			}
			value = &v
		}
		row.values = append(row.values, value)
	}
	if len(b.sections) == 0 {
		b.begin(sectionAll)
	}
	last := &b.sections[len(b.sections)-1]
	last.rows = append(last.rows, row)
	return nil
}

// best is the best value of a figure that any method reached, of a family or, when
// that is empty, of the figure's own section.
func (b *Baselines) best(of string, f *figure) (*float64, string) {
	if b == nil {
		return nil, ""
	}
	if of == "" {
		of = f.section
	}
	at := slices.Index(b.heads, f.head)
	if at < 0 {
		return nil, ""
	}
	var best *float64
	method := ""
	for _, row := range b.section(of) {
		if v := row.values[at]; v != nil && (best == nil || f.worse(*v, *best) < 0) {
			best, method = v, row.method
		}
	}
	return best, method
}

func (b *Baselines) section(name string) []baselineRow {
	for _, s := range b.sections {
		if s.name == name {
			return s.rows
		}
	}
	return nil
}

// WriteComparison writes the report's row of each table that the baselines have,
// and theirs below it.
func WriteComparison(w io.Writer, r Report, b *Baselines) error {
	var out strings.Builder
	for _, s := range b.sections {
		ours := r.slice(s.name)
		if ours == nil {
			continue
		}
		out.WriteByte('\n')
		writeCells(&out, cmp.Or(s.name, "baselines"), columns, func(c column) string { return c.head })
		writeSummary(&out, "headwater", ours)
		for _, row := range s.rows {
			out.WriteString(row.line + "\n")
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// slice is the summary of a slice or family; the overall one for the empty name,
// nil when there is none.
func (r *Report) slice(name string) *Summary {
	if name == sectionAll {
		return &r.Overall
	}
	for _, list := range [][]Slice{r.Slices, r.Families} {
		for i := range list {
			if list[i].Name == name && list[i].Summary.Cases+list[i].Summary.Faults > 0 {
				return &list[i].Summary
			}
		}
	}
	return nil
}
