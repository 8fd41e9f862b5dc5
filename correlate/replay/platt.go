package replay

import "math"

// A claim is a probability that was given to a first origin, and whether that origin was right.
type claim struct {
	family string
	said   float64 // 0..1
	right  bool
}

func claims(cases []*CaseScore, when func(faultScore) verdict) []claim {
	var all []claim
	for _, c := range cases {
		for _, f := range c.faults {
			if v := when(f); v.probability != nil {
				all = append(all, claim{family: family(c.name), said: *v.probability, right: v.rank == 1})
			}
		}
	}
	return all
}

// crossValidated is the calibration that is left when what each family said is
// first corrected by what the others show to be wrong with it: the correction is
// Platt's, fitted without the family. It is nil when there is nothing to fit on.
// A figure well below the raw one says that the probabilities are off in a way
// that all families share; one that stays high, that no single correction helps.
func crossValidated(all []claim) *Calibration {
	corrected := make([]claim, 0, len(all))
	fits := map[string]sigmoid{}
	for _, c := range all {
		fit, known := fits[c.family]
		if !known {
			others := filter(all, func(o claim) bool { return o.family != c.family })
			if len(others) == 0 {
				return nil
			}
			fit = fitPlatt(others)
			fits[c.family] = fit
		}
		c.said = fit.at(c.said)
		corrected = append(corrected, c)
	}
	return calibrateClaims(corrected)
}

func calibrateClaims(all []claim) *Calibration {
	verdicts := make([]verdict, len(all))
	for i, c := range all {
		verdicts[i].probability = &all[i].said
		if c.right {
			verdicts[i].rank = 1
		}
	}
	return calibrate(verdicts)
}

// sigmoid corrects a probability on the scale of its log odds: σ(slope·logit(p) + shift).
type sigmoid struct{ slope, shift float64 }

func (s sigmoid) at(p float64) float64 { return logistic(s.slope*logit(p) + s.shift) }

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// logit is the log odds of p, which is kept a thousandth away from certainty: the
// odds of certainty have no logarithm.
func logit(p float64) float64 {
	p = min(max(p, 0.001), 0.999)
	return math.Log(p / (1 - p))
}

// fitPlatt fits by maximum likelihood against Platt's smoothed targets (Platt 1999,
// "Probabilistic outputs for support vector machines"), which keep the fit finite
// when all were right, or all wrong. The likelihood is concave; Newton's steps are
// damped by a small ridge for the case that all said the same.
func fitPlatt(all []claim) sigmoid {
	yes, no := smoothedTargets(all)
	s := sigmoid{slope: 1}
	for range 50 {
		var gSlope, gShift float64
		hSlope, hBoth, hShift := ridge, 0.0, ridge
		for _, c := range all {
			target := no
			if c.right {
				target = yes
			}
			x, p := logit(c.said), s.at(c.said)
			gSlope += (target - p) * x
			gShift += target - p
			w := p * (1 - p)
			hSlope, hBoth, hShift = hSlope+w*x*x, hBoth+w*x, hShift+w
		}
		det := hSlope*hShift - hBoth*hBoth
		slope := (hShift*gSlope - hBoth*gShift) / det
		shift := (hSlope*gShift - hBoth*gSlope) / det
		s.slope, s.shift = s.slope+slope, s.shift+shift
		if math.Abs(slope)+math.Abs(shift) < 1e-9 {
			break
		}
	}
	return s
}

const ridge = 1e-6

func smoothedTargets(all []claim) (yes, no float64) {
	right := float64(len(filter(all, func(c claim) bool { return c.right })))
	wrong := float64(len(all)) - right
	return (right + 1) / (right + 2), 1 / (wrong + 2)
}
