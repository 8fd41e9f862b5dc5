package replay

import (
	"fmt"
	"maps"
	"slices"
)

// fault scores one fault; nil when it set off no alert.
func (sc *scorer) fault(f fault) (*faultScore, error) {
	own, firstAlert, err := sc.alertsOf(f)
	if err != nil || len(own) == 0 {
		return nil, err
	}
	held := sc.bestIncident(f, own)
	opens := sc.opens[f.ID]
	fs := &faultScore{
		kind:      f.Kind,
		pages:     len(opens),
		swallowed: held != "" && sc.finalDom[held] != f.ID,
		// A second of grace: a page cannot be early by the resolution of a clock.
		preopened: len(opens) > 0 && opens[0].at < firstAlert-1,
	}
	if silent, ok := sc.t.Meta.SilentOrigin[f.ID]; ok {
		fs.silent = &silent
	}
	var page *Page
	page, fs.timeToPage = firstPage(opens, sc.sent[held], firstAlert, fs.preopened)
	if fs.missed = page == nil; !fs.missed {
		fs.first = judge(page.Origins, f.Acceptable)
		if held != "" {
			fs.end = judge(sc.byID[held].Origins, f.Acceptable)
		}
	}
	return fs, nil
}

// alertsOf lists the alerts that f has a part in, and when the first one came.
func (sc *scorer) alertsOf(f fault) (own []string, first float64, err error) {
	for _, a := range sc.t.Alerts.names {
		if !slices.Contains(sc.t.Alerts.causes[a], f.ID) {
			continue
		}
		at, ok := sc.first[a]
		if !ok {
			return nil, 0, fmt.Errorf("truth.alerts: no event fires %q", a)
		}
		if len(own) == 0 || at < first {
			first = at
		}
		own = append(own, a)
	}
	return own, first, nil
}

// bestIncident is the incident that tells about f: one that is mainly about it
// before any other, then the one that holds most of it. Empty when none does.
func (sc *scorer) bestIncident(f fault, own []string) string {
	share := map[string]float64{}
	for _, a := range own {
		if held, ok := sc.where[a]; ok {
			share[held] += 1 / float64(len(sc.t.Alerts.causes[a]))
		}
	}
	best := ""
	for _, id := range slices.Sorted(maps.Keys(share)) {
		about, bestAbout := sc.finalDom[id] == f.ID, sc.finalDom[best] == f.ID
		if best == "" || about && !bestAbout || about == bestAbout && share[id] > share[best] {
			best = id
		}
	}
	return best
}

// firstPage is the first page about a fault, and the seconds it took from its
// first alert. Opens are the opening pages of incidents about it, sent all pages
// of the incident that holds it, both by time.
func firstPage(opens, sent []sentPage, firstAlert float64, preopened bool) (*Page, *float64) {
	later := slices.IndexFunc(sent, func(p sentPage) bool { return p.at >= firstAlert })
	took := func(p sentPage) *float64 { s := max(0, p.at-firstAlert); return &s }
	switch {
	case len(opens) > 0 && !preopened:
		return opens[0].page, took(opens[0])
	case later >= 0:
		// Noise or another fault had opened the incident: what counts is what it said next.
		return sent[later].page, took(sent[later])
	case len(opens) > 0:
		return opens[0].page, nil
	case len(sent) > 0:
		return sent[len(sent)-1].page, nil
	}
	return nil, nil
}

// judge finds the rank of the first acceptable origin.
func judge(ranked []Origin, acceptable []string) verdict {
	v := verdict{}
	if len(ranked) > 0 {
		p := min(1, max(0, ranked[0].Probability))
		v.probability = &p
	}
	for i, o := range ranked {
		if slices.Contains(acceptable, o.Service) {
			v.rank = i + 1
			break
		}
	}
	return v
}
