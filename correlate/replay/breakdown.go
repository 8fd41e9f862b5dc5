package replay

import (
	"fmt"
	"io"
	"strings"
)

// The columns of the tables by kind and by family: what tells where an engine is
// weak, in a width that a terminal shows.
var breakdownColumns = pickColumns("faults", "top1@1", "top3@1", "top1@E", "top3@E", "pg/flt", "miss", "swal", "F1", "ARI")

// pickColumns are some of the score's columns, in another order.
func pickColumns(heads ...string) []column {
	var picked []column
	for _, head := range heads {
		for _, c := range columns {
			if c.head == head {
				picked = append(picked, c)
			}
		}
	}
	return picked
}

// WriteBreakdown writes, for people, the report by kind of fault and by family of
// cases, and how far the first origin's probability can be believed. The grouping
// figures of a kind are those of the cases that have a fault of it alone.
func WriteBreakdown(w io.Writer, r Report) error {
	var b strings.Builder
	var kinds []Slice
	for _, s := range r.Slices {
		if kind, is := strings.CutPrefix(s.Name, kindSlice); is {
			kinds = append(kinds, Slice{Name: kind, Summary: s.Summary})
		}
	}
	writeSlices(&b, "kind of fault", kinds)
	writeSlices(&b, "family", r.Families)
	writeReliability(&b, "first page", r.Overall.CalibrationFirst, r.CrossValidatedFirst)
	writeReliability(&b, "end", r.Overall.CalibrationEnd, r.CrossValidatedEnd)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeSlices(b *strings.Builder, what string, slices []Slice) {
	if len(slices) == 0 {
		return
	}
	b.WriteByte('\n')
	writeCells(b, "by "+what, breakdownColumns, func(c column) string { return c.head })
	for i := range slices {
		writeCells(b, slices[i].Name, breakdownColumns, func(c column) string { return c.text(&slices[i].Summary) })
	}
}

func writeReliability(b *strings.Builder, when string, raw, validated *Calibration) {
	if raw == nil {
		return
	}
	fmt.Fprintf(b, "\n%-*s%6s %6s %6s %6s\n", labelWidth, "probability, "+when, "n", "said", "right", "gap")
	for _, bin := range raw.Bins {
		fmt.Fprintf(b, "%-*s%6d %6.3f %6.3f %+6.3f\n", labelWidth, bin.Range, bin.N, bin.Said, bin.Hit, bin.Hit-bin.Said)
	}
	fmt.Fprintf(b, "ECE %.3f raw, %s cross-validated over families; Brier %.3f\n", raw.ECE, decimals(validated.ece()), raw.Brier)
}

// decimals is a figure to three of them, or a dash when there is none.
func decimals(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *v)
}
