package checker

import (
	"cmp"
	"slices"
)

// State is what is known of a check now. It is fresher than what the engine knows.
type State struct {
	Check
	// Latest has a zero time while there is no result yet.
	Latest Observation
	// Streak counts good results in a row, or bad ones, since the process began.
	Streak int
}

// States are all checks, those that sources found included, by their keys.
func (c *Checker) States() []State {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]State, 0, len(c.records))
	for k, check := range c.checks {
		s := State{Check: *check}
		if r := c.records[k]; r != nil {
			s.Latest, s.Streak = r.latest, r.streak
		}
		all = append(all, s)
	}
	for k, source := range c.foundBy {
		r := c.records[k]
		all = append(all, State{Check: Check{Key: k, Source: source, Kind: "prometheus"}, Latest: r.latest, Streak: r.streak})
	}
	slices.SortFunc(all, func(a, b State) int { return compareKeys(a.Key, b.Key) })
	return all
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Service.Namespace, b.Service.Namespace), cmp.Compare(a.Service.Name, b.Service.Name), cmp.Compare(a.Check, b.Check))
}
