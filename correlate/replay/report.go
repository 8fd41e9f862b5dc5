package replay

import (
	"maps"
	"slices"
)

// Report is the score of a set of cases, all together and in slices.
type Report struct {
	Overall Summary `json:"overall"`
	Slices  []Slice `json:"slices"`
	// Families are the cases that share what their names begin with.
	Families []Slice `json:"families"`
	// The calibration after the correction that the other families suggest, on the
	// first page and at the end; nil with fewer than two families.
	CrossValidatedFirst *Calibration `json:"cross_validated_first"`
	CrossValidatedEnd   *Calibration `json:"cross_validated_end"`
}

// Slice is the score of some of the cases, or of some of the faults.
type Slice struct {
	Name    string  `json:"name"`
	Summary Summary `json:"summary"`
}

// Summary is the score of a set of cases. A figure that is nil has nothing to
// be computed from. Shares are 0..1.
type Summary struct {
	Cases       int `json:"cases"`
	Faults      int `json:"faults"`
	Alerts      int `json:"alerts"` // instances
	NoiseAlerts int `json:"noise_alerts"`

	// Pairwise over alerts of exactly one fault: the mean over cases, and over all pairs of all cases (micro).
	Precision      *float64 `json:"P"`
	Recall         *float64 `json:"R"`
	F1             *float64 `json:"F1"`
	MicroPrecision *float64 `json:"microP"`
	MicroRecall    *float64 `json:"microR"`
	MicroF1        *float64 `json:"microF1"`
	ARI            *float64 `json:"ARI"`
	V              *float64 `json:"V"`
	// Contamination is the share of noise in incidents that hold fault alerts; NoiseAbsorbed the share of all noise that is in them.
	Contamination *float64 `json:"contamination"`
	NoiseAbsorbed *float64 `json:"noise_absorbed"`

	PagesPerFault *float64 `json:"pages_per_fault"` // opening pages
	OnePage       *float64 `json:"one_page"`        // share of faults with exactly one
	Missed        *float64 `json:"missed"`
	Swallowed     *float64 `json:"swallowed"`
	Preopened     *float64 `json:"preopened"`
	// Opening pages of pure noise, and updates.
	NoisePagesPerCase       float64 `json:"noise_pages_per_case"`
	NoisePagesPerNoiseAlert float64 `json:"noise_pages_per_noise_alert"`
	UpdatesPerCase          float64 `json:"updates_per_case"`

	// A true origin is first, or among the first three: on a fault's first page and at the end.
	Top1First *float64 `json:"top1_first"`
	Top3First *float64 `json:"top3_first"`
	Top1End   *float64 `json:"top1_end"`
	Top3End   *float64 `json:"top3_end"`
	MRRFirst  *float64 `json:"mrr_first"` // mean reciprocal rank
	MRREnd    *float64 `json:"mrr_end"`
	// How honest the first origin's probability is; nil when no fault had one.
	CalibrationFirst *Calibration `json:"calibration_first"`
	CalibrationEnd   *Calibration `json:"calibration_end"`

	// Seconds from a fault's first alert to its first page.
	TimeToPageMedian *float64 `json:"ttp_median"`
	TimeToPageP95    *float64 `json:"ttp_p95"`
	Compression      float64  `json:"compression"` // alert instances per opening page

	DuplicateMemberships int `json:"duplicate_memberships"`
	UnknownAlerts        int `json:"unknown_alert_keys"`
}

// Score sums up cases: all of them, then by number of faults, topology, size,
// completeness of the graph, kind of fault, and whether the origin was silent; and
// apart from these slices by family.
// Cases count in the order given.
func Score(cases []*CaseScore) Report {
	r := Report{Overall: summarize(cases, allFaults(cases))}
	r.byFaults(cases)
	r.byTopology(cases)
	r.bySize(cases)
	r.byGraph(cases)
	r.byKind(cases)
	r.bySilence(cases)
	r.byFamily(cases)
	r.CrossValidatedFirst = crossValidated(claims(cases, atFirst))
	r.CrossValidatedEnd = crossValidated(claims(cases, atEnd))
	return r
}

func allFaults(cases []*CaseScore) []faultScore {
	var all []faultScore
	for _, c := range cases {
		all = append(all, c.faults...)
	}
	return all
}

func (r *Report) add(name string, cases []*CaseScore, faults []faultScore) {
	r.Slices = append(r.Slices, Slice{Name: name, Summary: summarize(cases, faults)})
}

// addCases adds a slice of the cases that keep says, when there are any.
func (r *Report) addCases(name string, cases []*CaseScore, keep func(*CaseScore) bool) {
	if s := filter(cases, keep); len(s) > 0 {
		r.add(name, s, allFaults(s))
	}
}

func (r *Report) byFaults(cases []*CaseScore) {
	r.addCases("faults: single", cases, func(c *CaseScore) bool { return len(c.faultKinds) == 1 })
	r.addCases("faults: multi", cases, func(c *CaseScore) bool { return len(c.faultKinds) > 1 })
	r.addCases("faults: no fault", cases, func(c *CaseScore) bool { return len(c.faultKinds) == 0 })
}

func (r *Report) byTopology(cases []*CaseScore) {
	names := map[string]bool{}
	for _, c := range cases {
		names[c.topology] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		r.addCases("topo: "+name, cases, func(c *CaseScore) bool { return c.topology == name })
	}
}

func (r *Report) bySize(cases []*CaseScore) {
	between := func(low, high int) func(*CaseScore) bool {
		return func(c *CaseScore) bool { return low <= c.services && c.services < high }
	}
	r.addCases("size: <20", cases, between(0, 20))
	r.addCases("size: 20-59", cases, between(20, 60))
	r.addCases("size: 60-149", cases, between(60, 150))
	r.addCases("size: >=150", cases, between(150, 1e9))
}

func (r *Report) byGraph(cases []*CaseScore) {
	complete := filter(cases, func(c *CaseScore) bool { return !c.imperfect })
	imperfect := filter(cases, func(c *CaseScore) bool { return c.imperfect })
	r.add("imperfect graph: False", complete, allFaults(complete))
	r.add("imperfect graph: True", imperfect, allFaults(imperfect))
}

// kindSlice begins the names of the slices by kind of fault.
const kindSlice = "kind: "

// byKind counts every fault of a kind in the fault columns, but groups and
// pages only of the cases that have that fault alone.
func (r *Report) byKind(cases []*CaseScore) {
	faults := allFaults(cases)
	kinds := map[string]bool{}
	for _, f := range faults {
		kinds[f.kind] = true
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		alone := filter(cases, func(c *CaseScore) bool { return len(c.faultKinds) == 1 && c.faultKinds[0] == kind })
		r.add(kindSlice+kind, alone, filter(faults, func(f faultScore) bool { return f.kind == kind }))
	}
}

// bySilence divides faults and single-fault cases as byKind does. Faults of
// which the truth does not tell are in neither slice.
func (r *Report) bySilence(cases []*CaseScore) {
	faults := allFaults(cases)
	slice := func(name string, silent bool) {
		is := func(f faultScore) bool { return f.silent != nil && *f.silent == silent }
		alone := filter(cases, func(c *CaseScore) bool {
			return len(c.faultKinds) == 1 && len(c.faults) > 0 && is(c.faults[0])
		})
		r.add("origin silent: "+name, alone, filter(faults, is))
	}
	slice("False", false)
	slice("True", true)
}

func filter[T any](all []T, keep func(T) bool) []T {
	var kept []T
	for _, x := range all {
		if keep(x) {
			kept = append(kept, x)
		}
	}
	return kept
}
