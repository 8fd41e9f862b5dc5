package replay

// A digest is what the figures of a set of cases are read from: less than a
// [Report], so that it can be made a thousand times over.
type digest struct {
	overall Summary
	multi   Summary // cases of several faults
	silent  Summary // faults whose origin has no alert of its own
	end     *Calibration
}

func digestOf(cases []*CaseScore) *digest {
	faults := allFaults(cases)
	several := filter(cases, func(c *CaseScore) bool { return len(c.faultKinds) > 1 })
	return &digest{
		overall: summarize(cases, faults),
		multi:   summarize(several, allFaults(several)),
		silent:  summarize(nil, filter(faults, func(f faultScore) bool { return f.silent != nil && *f.silent })),
		end:     crossValidated(claims(cases, atEnd)),
	}
}

// unit is what a figure counts. It decides what is a small difference.
type unit uint8

const (
	inShares  unit = iota // 0..1
	inPages               // pages for each fault or case
	inSeconds             // time
)

// format is how a figure of the unit is written.
func (u unit) format() string {
	switch u {
	case inPages:
		return "%.2f"
	case inSeconds:
		return "%.0f"
	}
	return "%.3f"
}

// A figure is one number by which an engine is judged.
type figure struct {
	key   string // in files
	name  string // for people
	unit  unit
	lower bool // the less the better
	of    func(*digest) *float64
	// section and head say where tables of the reference scorer have it.
	section, head string
}

// The sections of the reference scorer's tables that figures come from.
const (
	sectionAll    = ""
	sectionMulti  = "faults: multi"
	sectionSilent = "origin silent: True"
)

// figures are all that are compared, in the order in which they are printed.
var figures = []figure{
	{"multi_precision", "several faults: pairwise precision", inShares, false, func(d *digest) *float64 { return d.multi.Precision }, sectionMulti, "P"},
	{"multi_recall", "several faults: pairwise recall", inShares, false, func(d *digest) *float64 { return d.multi.Recall }, sectionMulti, "R"},
	{"multi_ari", "several faults: adjusted Rand index", inShares, false, func(d *digest) *float64 { return d.multi.ARI }, sectionMulti, "ARI"},
	{"f1", "all cases: pairwise F1", inShares, false, func(d *digest) *float64 { return d.overall.F1 }, sectionAll, "F1"},
	{"contamination", "all cases: contamination", inShares, true, func(d *digest) *float64 { return d.overall.Contamination }, sectionAll, "contam"},
	{"pages_per_fault", "opening pages per fault", inPages, true, func(d *digest) *float64 { return d.overall.PagesPerFault }, sectionAll, "pg/flt"},
	{"missed", "faults missed", inShares, true, func(d *digest) *float64 { return d.overall.Missed }, sectionAll, "miss"},
	{"swallowed", "faults swallowed by another's incident", inShares, true, func(d *digest) *float64 { return d.overall.Swallowed }, sectionAll, "swal"},
	{"preopened", "faults in an incident opened by noise", inShares, true, func(d *digest) *float64 { return d.overall.Preopened }, sectionAll, "preop"},
	{"noise_pages", "opening pages of pure noise per case", inPages, true, func(d *digest) *float64 { return &d.overall.NoisePagesPerCase }, sectionAll, "npg/cs"},
	{"top1_first", "origin at the first page, top-1", inShares, false, func(d *digest) *float64 { return d.overall.Top1First }, sectionAll, "top1@1"},
	{"top3_first", "origin at the first page, top-3", inShares, false, func(d *digest) *float64 { return d.overall.Top3First }, sectionAll, "top3@1"},
	{"top1_end", "origin at the end, top-1", inShares, false, func(d *digest) *float64 { return d.overall.Top1End }, sectionAll, "top1@E"},
	{"top3_end", "origin at the end, top-3", inShares, false, func(d *digest) *float64 { return d.overall.Top3End }, sectionAll, "top3@E"},
	{"silent_top1_end", "silent origin at the end, top-1", inShares, false, func(d *digest) *float64 { return d.silent.Top1End }, sectionSilent, "top1@E"},
	{"silent_top3_end", "silent origin at the end, top-3", inShares, false, func(d *digest) *float64 { return d.silent.Top3End }, sectionSilent, "top3@E"},
	{"ece_end", "calibration error at the end, cross-validated", inShares, true, func(d *digest) *float64 { return d.end.ece() }, sectionAll, "ECE"},
	{"ttp_median", "seconds to the first page, median", inSeconds, true, func(d *digest) *float64 { return d.overall.TimeToPageMedian }, sectionAll, "ttp50"},
	{"ttp_p95", "seconds to the first page, 95th percentile", inSeconds, true, func(d *digest) *float64 { return d.overall.TimeToPageP95 }, sectionAll, "ttp95"},
}

// figureOf is the figure of that key; there is one.
func figureOf(key string) *figure {
	for i := range figures {
		if figures[i].key == key {
			return &figures[i]
		}
	}
	panic("replay: no figure " + key)
}

// worse is by how much a is worse than b, in the figure's unit; negative when it is better.
func (f *figure) worse(a, b float64) float64 {
	if f.lower {
		return a - b
	}
	return b - a
}
