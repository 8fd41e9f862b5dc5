package replay

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Robustness is what one perturbation costs.
type Robustness struct {
	Perturbation string   `json:"perturbation"` // empty: none
	F1           *float64 `json:"f1"`           // pairwise, all cases
	ARI          *float64 `json:"ari_multi"`    // cases of several faults
	Top1         *float64 `json:"top1_end"`
	Top3         *float64 `json:"top3_end"`
	// The shares of the unperturbed F1 and top-1 that are lost; negative when they grew. Nil without anything to lose.
	LossF1   *float64 `json:"loss_f1"`
	LossTop1 *float64 `json:"loss_top1"`
}

// maxLoss is what a perturbation may cost of top-1 and of F1, as a share of them.
const maxLoss = 0.1

// Perturbations are those that an engine must bear.
func Perturbations() []Perturbation {
	var all []Perturbation
	for _, text := range []string{"jitter=60s", "drop-edges=0.2", "drop-alerts=0.2", "shuffle=5m"} {
		p, err := ParsePerturbation(text)
		if err != nil {
			panic(err) // the list above is wrong
		}
		all = append(all, p)
	}
	return all
}

// Measure makes a row of scored cases. Base is the row of the same cases
// unperturbed; nil when this is it.
func Measure(p string, cases []*CaseScore, base *Robustness) Robustness {
	d := digestOf(cases)
	r := Robustness{Perturbation: p, F1: d.overall.F1, ARI: d.multi.ARI, Top1: d.overall.Top1End, Top3: d.overall.Top3End}
	if base != nil {
		r.LossF1, r.LossTop1 = lost(base.F1, r.F1), lost(base.Top1, r.Top1)
	}
	return r
}

func lost(from, to *float64) *float64 {
	if from == nil || to == nil {
		return nil
	}
	return ratio(*from-*to, *from)
}

// Holds reports whether neither figure lost more than a tenth.
func (r *Robustness) Holds() bool {
	within := func(loss *float64) bool { return loss == nil || milli(*loss) <= maxLoss }
	return within(r.LossF1) && within(r.LossTop1)
}

// WriteRobustness writes the table, the unperturbed row first, and returns an error
// that names the perturbations which cost too much.
func WriteRobustness(w io.Writer, rows []Robustness) error {
	var b strings.Builder
	var failed []error
	fmt.Fprintf(&b, "%-18s %6s %9s %6s %6s %8s %10s\n", "perturbation", "F1", "ARI multi", "top-1", "top-3", "loss F1", "loss top-1")
	for i := range rows {
		r := &rows[i]
		verdict := ""
		switch {
		case i == 0:
		case r.Holds():
			verdict = "  holds"
		default:
			verdict = "  TOO MUCH"
			failed = append(failed, fmt.Errorf("%s costs more than %.0f %% of F1 or of top-1", r.Perturbation, 100*maxLoss))
		}
		name := r.Perturbation
		if name == "" {
			name = "none"
		}
		fmt.Fprintf(&b, "%-18s %6s %9s %6s %6s %8s %10s%s\n", name, decimals(r.F1), decimals(r.ARI), decimals(r.Top1), decimals(r.Top3),
			signedPercent(r.LossF1), signedPercent(r.LossTop1), verdict)
	}
	_, err := io.WriteString(w, b.String())
	return errors.Join(append(failed, err)...)
}

func signedPercent(share *float64) string {
	if share == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100**share)
}
