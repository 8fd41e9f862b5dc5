package replay

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CaseScore is what one result was worth. [Score] sums cases up.
type CaseScore struct {
	name     string
	topology string
	services int
	// faultKinds are the kinds of all faults of the case, shown or not.
	faultKinds []string
	imperfect  bool

	grouping       *grouping // nil with fewer than two alerts of exactly one fault
	alerts, noise  int
	held, absorbed int // alerts in incidents that hold fault alerts, and the noise among them
	opens, updates int // pages
	noisePages     int // opening pages of incidents without any fault's alert
	faults         []faultScore
	accounts       []account // of the same faults
	duplicates     int       // alerts named by a second incident
	unknown        int       // alerts of the result that the truth does not know
}

// grouping compares incidents with faults over the alerts of exactly one fault.
type grouping struct {
	both, truth, incidents float64 // pairs of alerts
	precision, recall, f1  float64
	adjustedRand, vMeasure float64
}

// faultScore is how one fault fared that set off at least one alert.
type faultScore struct {
	kind   string
	silent *bool // whether its origin has no alert of its own; nil when the truth does not say
	pages  int   // opening pages about it

	missed    bool // no paging incident holds it
	swallowed bool // found only inside another fault's incident
	preopened bool // its incident was opened by noise before its first alert

	timeToPage *float64 // seconds; nil without a page
	first, end verdict  // on its first page, and in the end
}

func atFirst(f faultScore) verdict { return f.first }
func atEnd(f faultScore) verdict   { return f.end }

// verdict is how well a ranked list of origins names a fault.
type verdict struct {
	rank int // of the first acceptable origin, from 1; 0: none
	// probability is of the first origin, 0..1; nil when there was none.
	probability *float64
}

// ScoreCase compares a result with the scenario's truth. It fails when the
// scenario has none, or one that does not fit its events, and when the result
// names an incident twice.
func ScoreCase(s *Scenario, res *Result) (*CaseScore, error) {
	t, err := s.decodeTruth()
	if err != nil {
		return nil, err
	}
	if err := checkResult(res); err != nil {
		return nil, fmt.Errorf("score %s: %w", s.Name, err)
	}
	sc := newScorer(t, s.firstSeen(), res)
	out := &CaseScore{
		name:      s.Name,
		topology:  t.Meta.Topology,
		services:  t.Meta.Services,
		imperfect: t.Meta.Imperfect,
		grouping:  sc.grouping(),
		alerts:    len(t.Alerts.names),
	}
	for _, f := range t.Faults {
		out.faultKinds = append(out.faultKinds, f.Kind)
	}
	out.duplicates, out.unknown = sc.duplicates, sc.unknown
	sc.countNoise(out)
	sc.countPages(out)
	for _, f := range t.Faults {
		fs, err := sc.fault(f)
		if err != nil {
			return nil, fmt.Errorf("score %s: %w", s.Name, err)
		}
		if fs != nil {
			out.faults = append(out.faults, *fs)
			out.accounts = append(out.accounts, sc.account(f, fs))
		}
	}
	return out, nil
}

// scorer holds what the measures of one case share.
type scorer struct {
	t     *truth
	first map[string]float64 // when each alert instance first came, Unix seconds

	order []*Incident // as in the result
	byID  map[string]*Incident
	where map[string]string // alert to the incident that holds it in the end
	// members are the alerts of each such incident, in the order in which where was filled.
	members map[string][]string

	dominant map[string]string // incident to the fault that most of its own alerts belong to; "" for noise
	finalDom map[string]string // the same of all alerts it holds in the end
	opens    map[string][]sentPage
	sent     map[string][]sentPage // opening pages and what followed them but the resolve, by final incident

	duplicates, unknown int
}

// sentPage is a page and when it went out, in Unix seconds.
type sentPage struct {
	at   float64
	page *Page
}

func newScorer(t *truth, first map[string]float64, res *Result) *scorer {
	sc := &scorer{
		t: t, first: first,
		byID:     map[string]*Incident{},
		where:    map[string]string{},
		members:  map[string][]string{},
		dominant: map[string]string{},
		finalDom: map[string]string{},
		opens:    map[string][]sentPage{},
		sent:     map[string][]sentPage{},
	}
	for i := range res.Incidents {
		sc.order = append(sc.order, &res.Incidents[i])
		sc.byID[res.Incidents[i].ID] = &res.Incidents[i]
	}
	sc.place()
	sc.attribute()
	sc.collectPages()
	return sc
}

// checkResult refuses what would be counted in a wrong way.
func checkResult(res *Result) error {
	seen := map[string]bool{}
	for i, inc := range res.Incidents {
		if inc.ID == "" || seen[inc.ID] {
			return fmt.Errorf("result: incidents[%d].id: %q is empty or used twice", i, inc.ID)
		}
		seen[inc.ID] = true
	}
	return nil
}

// final follows merges to the incident that i continues under.
func (sc *scorer) final(i *Incident) string {
	seen := map[string]bool{}
	for !seen[i.ID] {
		next, ok := sc.byID[i.MergedInto]
		if !ok {
			break
		}
		seen[i.ID] = true
		i = next
	}
	return i.ID
}

// place finds the incident of every alert. The incident opened first keeps an
// alert that several claim.
func (sc *scorer) place() {
	byOpening := slices.Clone(sc.order)
	slices.SortStableFunc(byOpening, func(a, b *Incident) int {
		return cmp.Compare(seconds(a.OpenedAt.Time), seconds(b.OpenedAt.Time))
	})
	for _, i := range byOpening {
		final := sc.final(i)
		for _, a := range i.Alerts {
			held, taken := sc.where[a]
			switch {
			case sc.t.Alerts.causes[a] == nil:
				sc.unknown++
			case taken && held != final:
				sc.duplicates++
			case !taken:
				sc.where[a] = final
				sc.members[final] = append(sc.members[final], a)
			}
		}
	}
}

// attribute finds the fault that each incident is about. One that was merged
// away and kept no alerts is about what its successor is about.
func (sc *scorer) attribute() {
	for _, i := range sc.order {
		v := sc.votes(i.Alerts)
		if len(v) == 0 && i.MergedInto != "" {
			v = sc.votes(sc.members[sc.final(i)])
		}
		sc.dominant[i.ID] = strongest(v)
	}
	for final, alerts := range sc.members {
		sc.finalDom[final] = strongest(sc.votes(alerts))
	}
}

// votes weighs faults by alerts; an alert of several faults is divided.
func (sc *scorer) votes(alerts []string) map[string]float64 {
	v := map[string]float64{}
	for _, a := range alerts {
		causes := sc.t.Alerts.causes[a]
		for _, f := range causes {
			v[f] += 1 / float64(len(causes))
		}
	}
	return v
}

// strongest is the key with the most votes, the smallest of equals; "" for none.
func strongest(votes map[string]float64) string {
	best := ""
	for _, k := range slices.Sorted(maps.Keys(votes)) {
		if best == "" || votes[k] > votes[best] {
			best = k
		}
	}
	return best
}

func (sc *scorer) collectPages() {
	for _, i := range sc.order {
		final := sc.final(i)
		for p := range i.Pages {
			page := sentPage{at: seconds(i.Pages[p].At.Time), page: &i.Pages[p]}
			switch page.page.Kind {
			case "open":
				sc.opens[sc.dominant[i.ID]] = append(sc.opens[sc.dominant[i.ID]], page)
				sc.sent[final] = append(sc.sent[final], page)
			case "update", "ring", "escalate":
				sc.sent[final] = append(sc.sent[final], page)
			}
		}
	}
	for _, pages := range sc.opens {
		sortByTime(pages)
	}
	for _, pages := range sc.sent {
		sortByTime(pages)
	}
}

func sortByTime(pages []sentPage) {
	slices.SortStableFunc(pages, func(a, b sentPage) int { return cmp.Compare(a.at, b.at) })
}

func (sc *scorer) grouping() *grouping {
	var c contingency
	for _, a := range sc.t.Alerts.names {
		if causes := sc.t.Alerts.causes[a]; len(causes) == 1 {
			held, ok := sc.where[a]
			if !ok {
				held = "un:" + a // alone
			}
			c.add(causes[0], held)
		}
	}
	if c.n < 2 {
		return nil
	}
	g := &grouping{adjustedRand: c.adjustedRand(), vMeasure: c.vMeasure()}
	g.both, g.truth, g.incidents = c.pairCounts()
	// Nothing grouped: no wrong pair, so precision is 1; the recall says it all.
	g.precision, g.recall = ratioOr(g.both, g.incidents, 1), ratioOr(g.both, g.truth, 1)
	g.f1 = ratioOr(2*g.precision*g.recall, g.precision+g.recall, 0)
	return g
}

func ratioOr(a, b, otherwise float64) float64 {
	if b == 0 {
		return otherwise
	}
	return a / b
}

// countNoise counts noise alerts, and those that were drawn into fault incidents.
func (sc *scorer) countNoise(out *CaseScore) {
	isNoise := func(a string) bool { return len(sc.t.Alerts.causes[a]) == 0 }
	for _, a := range sc.t.Alerts.names {
		if isNoise(a) {
			out.noise++
		}
	}
	for _, alerts := range sc.members {
		if !slices.ContainsFunc(alerts, func(a string) bool { return !isNoise(a) }) {
			continue
		}
		out.held += len(alerts)
		for _, a := range alerts {
			if isNoise(a) {
				out.absorbed++
			}
		}
	}
}

func (sc *scorer) countPages(out *CaseScore) {
	for _, pages := range sc.opens {
		out.opens += len(pages)
	}
	out.noisePages = len(sc.opens[""])
	for _, pages := range sc.sent {
		out.updates += len(pages)
	}
	out.updates -= out.opens
}

// seconds is t as Unix time, to the microsecond.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
