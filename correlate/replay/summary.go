package replay

import (
	"math"
	"slices"
	"strconv"
)

// Calibration compares the probability that was given to the first origin with
// how often it was right.
type Calibration struct {
	// Brier is the mean squared error, ECE the mean gap between said and true over ten bins, weighted by their size.
	Brier float64 `json:"brier"`
	ECE   float64 `json:"ece"`
	N     int     `json:"n"`
	Bins  []Bin   `json:"bins"` // without empty ones
}

// Bin is a tenth of the range of probabilities.
type Bin struct {
	Range string  `json:"bin"`
	N     int     `json:"n"`
	Said  float64 `json:"mean_p"`   // mean probability, to three decimals
	Hit   float64 `json:"hit_rate"` // share of first origins that were right, to three decimals
}

func summarize(cases []*CaseScore, faults []faultScore) Summary {
	s := Summary{Cases: len(cases), Faults: len(faults)}
	opens, updates, noisePages := 0, 0, 0
	for _, c := range cases {
		s.Alerts += c.alerts
		s.NoiseAlerts += c.noise
		s.DuplicateMemberships += c.duplicates
		s.UnknownAlerts += c.unknown
		opens += c.opens
		updates += c.updates
		noisePages += c.noisePages
	}
	s.NoisePagesPerCase = perSome(noisePages, s.Cases)
	s.NoisePagesPerNoiseAlert = perSome(noisePages, s.NoiseAlerts)
	s.UpdatesPerCase = perSome(updates, s.Cases)
	s.Compression = perSome(s.Alerts, opens)
	s.groupings(cases)
	s.noise(cases)
	s.faults(faults)
	s.origins(faults)
	return s
}

// perSome is a/b, and a when there is no b.
func perSome(a, b int) float64 { return float64(a) / float64(max(1, b)) }

func (s *Summary) groupings(cases []*CaseScore) {
	var all []*grouping
	both, truth, incidents := 0.0, 0.0, 0.0
	for _, c := range cases {
		if g := c.grouping; g != nil {
			all = append(all, g)
			both, truth, incidents = both+g.both, truth+g.truth, incidents+g.incidents
		}
	}
	s.Precision = mean(all, func(g *grouping) float64 { return g.precision })
	s.Recall = mean(all, func(g *grouping) float64 { return g.recall })
	s.F1 = mean(all, func(g *grouping) float64 { return g.f1 })
	s.ARI = mean(all, func(g *grouping) float64 { return g.adjustedRand })
	s.V = mean(all, func(g *grouping) float64 { return g.vMeasure })
	s.MicroPrecision, s.MicroRecall = ratio(both, incidents), ratio(both, truth)
	if p, r := s.MicroPrecision, s.MicroRecall; p != nil && r != nil {
		s.MicroF1 = ratio(2*(*p)*(*r), *p+*r)
	}
}

// noise looks at cases with a fault alone: elsewhere nothing can be contaminated.
func (s *Summary) noise(cases []*CaseScore) {
	absorbed, held, noise, broken := 0, 0, 0, 0
	for _, c := range cases {
		if len(c.faultKinds) == 0 {
			continue
		}
		broken++
		absorbed, held, noise = absorbed+c.absorbed, held+c.held, noise+c.noise
	}
	if broken > 0 {
		contamination, share := perSome(absorbed, held), perSome(absorbed, noise)
		s.Contamination, s.NoiseAbsorbed = &contamination, &share
	}
}

func (s *Summary) faults(faults []faultScore) {
	s.PagesPerFault = mean(faults, func(f faultScore) float64 { return float64(f.pages) })
	s.OnePage = share(faults, func(f faultScore) bool { return f.pages == 1 })
	s.Missed = share(faults, func(f faultScore) bool { return f.missed })
	s.Swallowed = share(faults, func(f faultScore) bool { return f.swallowed })
	s.Preopened = share(faults, func(f faultScore) bool { return f.preopened })
	var waits []float64
	for _, f := range faults {
		if f.timeToPage != nil {
			waits = append(waits, *f.timeToPage)
		}
	}
	slices.Sort(waits)
	s.TimeToPageMedian, s.TimeToPageP95 = quantile(waits, 0.5), quantile(waits, 0.95)
}

func (s *Summary) origins(faults []faultScore) {
	within := func(v verdict, k int) bool { return 0 < v.rank && v.rank <= k }
	s.Top1First = share(faults, func(f faultScore) bool { return within(f.first, 1) })
	s.Top3First = share(faults, func(f faultScore) bool { return within(f.first, 3) })
	s.Top1End = share(faults, func(f faultScore) bool { return within(f.end, 1) })
	s.Top3End = share(faults, func(f faultScore) bool { return within(f.end, 3) })
	s.MRRFirst = mean(faults, func(f faultScore) float64 { return f.first.reciprocal() })
	s.MRREnd = mean(faults, func(f faultScore) float64 { return f.end.reciprocal() })
	var first, end []verdict
	for _, f := range faults {
		first, end = append(first, f.first), append(end, f.end)
	}
	s.CalibrationFirst, s.CalibrationEnd = calibrate(first), calibrate(end)
}

func (v verdict) reciprocal() float64 {
	if v.rank == 0 {
		return 0
	}
	return 1 / float64(v.rank)
}

func (v verdict) hit() float64 {
	if v.rank == 1 {
		return 1
	}
	return 0
}

// calibrate leaves out verdicts without a probability; nil when none has one.
func calibrate(all []verdict) *Calibration {
	said := filter(all, func(v verdict) bool { return v.probability != nil })
	if len(said) == 0 {
		return nil
	}
	c := &Calibration{N: len(said)}
	c.Brier = *mean(said, func(v verdict) float64 { e := *v.probability - v.hit(); return e * e })
	for i := range 10 {
		in := filter(said, func(v verdict) bool { return bin(*v.probability) == i })
		if len(in) == 0 {
			continue
		}
		p := *mean(in, func(v verdict) float64 { return *v.probability })
		hit := *mean(in, verdict.hit)
		c.Bins = append(c.Bins, Bin{Range: binName(i), N: len(in), Said: milli(p), Hit: milli(hit)})
		c.ECE += float64(len(in)) / float64(len(said)) * math.Abs(p-hit)
	}
	return c
}

// bin is the tenth that p, 0..1, lies in. The last one includes its upper end.
func bin(p float64) int {
	for i := 9; i > 0; i-- {
		if p >= float64(i)/10 {
			return i
		}
	}
	return 0
}

// binName labels a tenth.
func binName(i int) string {
	edge := func(i int) string { return strconv.FormatFloat(float64(i)/10, 'f', 1, 64) }
	return edge(i) + "-" + edge(i+1)
}

// milli rounds to three decimals, as decimal printing does.
func milli(x float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'f', 3, 64), 64)
	return rounded
}

func ratio(a, b float64) *float64 {
	if b == 0 {
		return nil
	}
	r := a / b
	return &r
}

func mean[T any](all []T, of func(T) float64) *float64 {
	sum := 0.0
	for _, x := range all {
		sum += of(x)
	}
	return ratio(sum, float64(len(all)))
}

func share[T any](all []T, is func(T) bool) *float64 {
	return mean(all, func(x T) float64 {
		if is(x) {
			return 1
		}
		return 0
	})
}

// quantile interpolates linearly between sorted values.
func quantile(sorted []float64, q float64) *float64 {
	if len(sorted) == 0 {
		return nil
	}
	x := float64(len(sorted)-1) * q
	low := int(x)
	high := min(low+1, len(sorted)-1)
	v := sorted[low] + (sorted[high]-sorted[low])*(x-float64(low))
	return &v
}
