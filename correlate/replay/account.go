package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// account is what became of one fault, for people: what the figures are made of.
type account struct {
	fault   string
	kind    string
	origins []string // right to name
	// portions are the incidents that hold its alerts, most of them first.
	portions []portion
	// swallowedBy is the fault that the incident which holds it is about; empty when it is its own.
	swallowedBy string
	// told is the final incident that tells about it; empty when none does.
	told   string
	missed bool
	pages  int
	end    []Origin // what told says at the end
	rank   int      // of the first right origin in end; 0: none
}

// portion is how many of a fault's alerts an incident holds. Alerts of several
// faults count for each.
type portion struct {
	incident string // empty: in none
	alerts   int
}

func (sc *scorer) account(f fault, fs *faultScore) account {
	a := account{fault: f.ID, kind: f.Kind, origins: f.Acceptable, missed: fs.missed, pages: fs.pages, rank: fs.end.rank}
	own := filter(sc.t.Alerts.names, func(name string) bool { return slices.Contains(sc.t.Alerts.causes[name], f.ID) })
	a.portions = sc.portions(own)
	if a.told = sc.bestIncident(f, own); a.told != "" {
		a.end = sc.byID[a.told].Origins
		if fs.swallowed {
			a.swallowedBy = cmp.Or(sc.finalDom[a.told], "noise")
		}
	}
	return a
}

func (sc *scorer) portions(alerts []string) []portion {
	var all []portion
	for _, name := range alerts {
		held := sc.where[name]
		i := slices.IndexFunc(all, func(p portion) bool { return p.incident == held })
		if i < 0 {
			i, all = len(all), append(all, portion{incident: held})
		}
		all[i].alerts++
	}
	slices.SortStableFunc(all, func(a, b portion) int { return cmp.Compare(b.alerts, a.alerts) })
	return all
}

// loss is what a case costs, 0..3: one minus its pairwise F1; the mean over its
// faults of one minus the reciprocal rank of the origin at the end; and the share
// of them that are swallowed or missed. Pages of pure noise are not in it.
func (c *CaseScore) loss() float64 {
	loss := 0.0
	if c.grouping != nil {
		loss = 1 - c.grouping.f1
	}
	for _, f := range c.faults {
		each := 1 - f.end.reciprocal()
		if f.swallowed || f.missed {
			each++
		}
		loss += each / float64(len(c.faults))
	}
	return loss
}

// complaint says what went wrong, in words; empty when nothing did.
func (c *CaseScore) complaint() string {
	var all []string
	if c.grouping != nil && c.grouping.f1 < 1 {
		all = append(all, fmt.Sprintf("F1 %.2f", c.grouping.f1))
	}
	for i := range c.accounts {
		all = append(all, c.accounts[i].complaints()...)
	}
	return strings.Join(append(all, c.lumps()...), "; ")
}

func (a *account) complaints() []string {
	var all []string
	if len(a.portions) > 1 {
		all = append(all, a.fault+" split "+a.split())
	}
	if a.swallowedBy != "" {
		all = append(all, fmt.Sprintf("%s swallowed by %s's incident", a.fault, a.swallowedBy))
	}
	switch {
	case a.missed:
		all = append(all, a.fault+" never paged")
	case a.rank != 1 && a.swallowedBy == "":
		all = append(all, a.wrongOrigin())
	}
	return all
}

// split gives the sizes of the parts, as 12+4+1.
func (a *account) split() string {
	var sizes []string
	for _, p := range a.portions {
		sizes = append(sizes, fmt.Sprint(p.alerts))
	}
	return strings.Join(sizes, "+")
}

func (a *account) wrongOrigin() string {
	text := fmt.Sprintf("%s (%s): ", a.fault, a.kind)
	if len(a.end) == 0 {
		return text + "no origin named, true " + strings.Join(a.origins, " or ")
	}
	text += "said " + a.end[0].String()
	if a.rank == 0 {
		return text + ", true " + strings.Join(a.origins, " or ") + " not named"
	}
	return fmt.Sprintf("%s, true %s rank %d", text, a.end[a.rank-1], a.rank)
}

// String renders the origin as "mysql 62 %".
func (o Origin) String() string { return fmt.Sprintf("%s %.0f %%", o.Service, 100*o.Probability) }

// lumps names the incidents that hold alerts of several faults.
func (c *CaseScore) lumps() []string {
	var incidents []string
	parts := map[string][]string{}
	for _, a := range c.accounts {
		for _, p := range a.portions {
			if p.incident == "" {
				continue
			}
			if parts[p.incident] == nil {
				incidents = append(incidents, p.incident)
			}
			parts[p.incident] = append(parts[p.incident], fmt.Sprintf("%s %d", a.fault, p.alerts))
		}
	}
	var all []string
	for _, id := range incidents {
		if len(parts[id]) > 1 {
			all = append(all, fmt.Sprintf("%s lumps %s", id, strings.Join(parts[id], ", ")))
		}
	}
	return all
}
