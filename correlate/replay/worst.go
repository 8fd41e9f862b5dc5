package replay

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteWorst writes the n cases that cost most, each with what went wrong in it.
func WriteWorst(w io.Writer, cases []*CaseScore, n int) error {
	worst := slices.Clone(cases)
	slices.SortStableFunc(worst, func(a, b *CaseScore) int { return cmp.Compare(b.loss(), a.loss()) })
	worst = filter(worst[:min(n, len(worst))], func(c *CaseScore) bool { return c.loss() > 0 })
	if len(worst) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("\nworst cases: loss = 1 - F1, + mean over faults of 1 - 1/rank of the origin at the end, + share of faults swallowed or missed\n")
	for _, c := range worst {
		fmt.Fprintf(&b, "%5.2f  %s: %s\n", c.loss(), c.name, c.complaint())
	}
	_, err := io.WriteString(w, b.String())
	return err
}
