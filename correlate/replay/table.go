package replay

import (
	"fmt"
	"io"
	"strings"
)

// A column is one figure of the table.
type column struct {
	head   string
	format string
	value  func(*Summary) *float64
}

var columns = []column{
	{"cases", "%.0f", func(s *Summary) *float64 { return count(s.Cases) }},
	{"faults", "%.0f", func(s *Summary) *float64 { return count(s.Faults) }},
	{"F1", "%.3f", func(s *Summary) *float64 { return s.F1 }},
	{"P", "%.3f", func(s *Summary) *float64 { return s.Precision }},
	{"R", "%.3f", func(s *Summary) *float64 { return s.Recall }},
	{"ARI", "%.3f", func(s *Summary) *float64 { return s.ARI }},
	{"V", "%.3f", func(s *Summary) *float64 { return s.V }},
	{"contam", "%.3f", func(s *Summary) *float64 { return s.Contamination }},
	{"pg/flt", "%.2f", func(s *Summary) *float64 { return s.PagesPerFault }},
	{"miss", "%.3f", func(s *Summary) *float64 { return s.Missed }},
	{"swal", "%.3f", func(s *Summary) *float64 { return s.Swallowed }},
	{"preop", "%.3f", func(s *Summary) *float64 { return s.Preopened }},
	{"npg/cs", "%.2f", func(s *Summary) *float64 { return &s.NoisePagesPerCase }},
	{"top1@1", "%.3f", func(s *Summary) *float64 { return s.Top1First }},
	{"top3@1", "%.3f", func(s *Summary) *float64 { return s.Top3First }},
	{"top1@E", "%.3f", func(s *Summary) *float64 { return s.Top1End }},
	{"top3@E", "%.3f", func(s *Summary) *float64 { return s.Top3End }},
	{"MRR@E", "%.3f", func(s *Summary) *float64 { return s.MRREnd }},
	{"Brier", "%.3f", func(s *Summary) *float64 { return s.CalibrationEnd.brier() }},
	{"ECE", "%.3f", func(s *Summary) *float64 { return s.CalibrationEnd.ece() }},
	{"ttp50", "%.0f", func(s *Summary) *float64 { return s.TimeToPageMedian }},
	{"ttp95", "%.0f", func(s *Summary) *float64 { return s.TimeToPageP95 }},
	{"compr", "%.1f", func(s *Summary) *float64 { return &s.Compression }},
}

func count(n int) *float64 {
	f := float64(n)
	return &f
}

func (c *Calibration) brier() *float64 {
	if c == nil {
		return nil
	}
	return &c.Brier
}

func (c *Calibration) ece() *float64 {
	if c == nil {
		return nil
	}
	return &c.ECE
}

const (
	labelWidth  = 26
	columnWidth = 6 // at least
)

// WriteTable writes the report for people: a row for all cases, one for each
// slice, and two lines that compare the first origin's probability with how
// often it was right, on the first page and at the end.
func WriteTable(w io.Writer, r Report) error {
	var b strings.Builder
	writeCells(&b, "", columns, func(c column) string { return c.head })
	writeSummary(&b, "overall", &r.Overall)
	for i := range r.Slices {
		writeSummary(&b, r.Slices[i].Name, &r.Slices[i].Summary)
	}
	writeCalibration(&b, "first", r.Overall.CalibrationFirst)
	writeCalibration(&b, "end", r.Overall.CalibrationEnd)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeSummary(b *strings.Builder, label string, s *Summary) {
	writeCells(b, label, columns, func(c column) string { return c.text(s) })
}

// text is the column's figure, or a dash when there is none.
func (c column) text(s *Summary) string {
	if v := c.value(s); v != nil {
		return fmt.Sprintf(c.format, *v)
	}
	return "-"
}

func writeCells(b *strings.Builder, label string, of []column, text func(column) string) {
	fmt.Fprintf(b, "%-*.*s", labelWidth, labelWidth, label)
	for i, c := range of {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%*s", max(columnWidth, len(c.head)), text(c))
	}
	b.WriteByte('\n')
}

func writeCalibration(b *strings.Builder, when string, c *Calibration) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "calibration of the top probability @%s:", when)
	sep := " "
	for _, bin := range c.Bins {
		fmt.Fprintf(b, "%s%s n=%d p=%.2f hit=%.2f", sep, bin.Range, bin.N, bin.Said, bin.Hit)
		sep = "  "
	}
	b.WriteByte('\n')
}
