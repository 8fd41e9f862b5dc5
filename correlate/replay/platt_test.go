package replay

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFamilyIsWhatComesBeforeTheNumber(t *testing.T) {
	for name, want := range map[string]string{
		"online-boutique-0001":                        "online-boutique",
		"random-30-0014":                              "random-30",
		"petshop-high_traffic-train-issue_0":          "petshop",
		"itbench-scenario_102":                        "itbench",
		"nezha-ob-2022-08-22-00-frontend-cpu_content": "nezha-ob",
		"two-faults":                                  "two-faults",
		"17":                                          "17",
		"":                                            "",
	} {
		if got := family(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// said makes claims of one family of which exactly share were right.
func said(family string, p float64, n int, right int) (all []claim) {
	for i := range n {
		all = append(all, claim{family, p, i < right})
	}
	return all
}

func TestPlattUndoesADistortionOfTheLogOdds(t *testing.T) {
	distorted := func(p float64) float64 { return sigmoid{slope: 2, shift: -0.5}.at(p) }
	var all []claim
	for _, right := range []int{200, 350, 500, 650, 800} {
		all = append(all, said("", distorted(float64(right)/1000), 1000, right)...)
	}
	fit := fitPlatt(all)
	for _, p := range []float64{0.2, 0.35, 0.5, 0.65, 0.8} {
		if got := fit.at(distorted(p)); math.Abs(got-p) > 0.01 {
			t.Errorf("%.2f was distorted to %.3f and comes back as %.3f", p, distorted(p), got)
		}
	}
}

func TestPlattStaysFiniteWhateverWasSaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) claim {
			return claim{said: rapid.SampledFrom([]float64{0, 0.001, 0.3, 0.75, 1}).Draw(t, "said"), right: rapid.Bool().Draw(t, "right")}
		}), 1, 30).Draw(t, "claims")
		fit := fitPlatt(all)
		for _, p := range []float64{0, 0.5, 1} {
			if got := fit.at(p); math.IsNaN(got) || got < 0 || got > 1 {
				t.Fatalf("%+v makes %v of %v", fit, got, p)
			}
		}
	})
}

// Families a and b say too much in the same way, so each mends the other; were a
// family's own answers used, c would look well calibrated too.
func TestCrossValidationCorrectsAFamilyByTheOthersAlone(t *testing.T) {
	shared := append(said("a", 0.9, 100, 60), said("b", 0.9, 100, 60)...)
	if raw, cross := calibrateClaims(shared).ECE, crossValidated(shared).ECE; math.Abs(raw-0.3) > 1e-9 || cross > 0.01 {
		t.Errorf("a fault that both share: ECE %.3f raw, %.3f cross-validated; want 0.300 and about 0", raw, cross)
	}
	stranger := slices.Concat(shared, said("c", 0.9, 200, 20))
	if cross := crossValidated(stranger).ECE; cross < 0.2 {
		t.Errorf("a family that is wrong in its own way: ECE %.3f cross-validated, want it to show", cross)
	}
	if got := crossValidated(said("a", 0.9, 10, 5)); got != nil {
		t.Errorf("one family alone was cross-validated: %+v", got)
	}
}
