package replay

import (
	"maps"
	"slices"
	"strings"
)

// family is the set of cases that a scenario's name puts it in: what comes before
// its number (random-30-0014 is of random-30), and for names without one at their
// end the leading words of letters alone (nezha-ob-2022-08-22-00-frontend is of
// nezha-ob).
func family(name string) string {
	words := strings.Split(name, "-")
	if last := len(words) - 1; last > 0 && consistsOf(words[last], "0123456789") {
		return strings.Join(words[:last], "-")
	}
	leading := slices.IndexFunc(words, func(w string) bool {
		return !consistsOf(strings.ToLower(w), "abcdefghijklmnopqrstuvwxyz")
	})
	if leading <= 0 {
		return name
	}
	return strings.Join(words[:leading], "-")
}

func consistsOf(s, of string) bool { return s != "" && strings.Trim(s, of) == "" }

// familiesOf lists the families of cases by name.
func familiesOf(cases []*CaseScore) []string {
	names := map[string]bool{}
	for _, c := range cases {
		names[family(c.name)] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func ofFamily(cases []*CaseScore, name string) []*CaseScore {
	return filter(cases, func(c *CaseScore) bool { return family(c.name) == name })
}

func (r *Report) byFamily(cases []*CaseScore) {
	for _, name := range familiesOf(cases) {
		own := ofFamily(cases, name)
		r.Families = append(r.Families, Slice{Name: name, Summary: summarize(own, allFaults(own))})
	}
}
