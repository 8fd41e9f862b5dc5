package replay

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// A Perturbation makes a scenario worse in one way that life does too. It is
// deterministic: the dice are seeded by the scenario's name. The scenario it is
// given stays as it is; the truth goes along with what was moved or left out.
type Perturbation struct {
	text  string
	apply func(*rand.Rand, *Scenario)
}

// String is what [ParsePerturbation] made it of.
func (p Perturbation) String() string { return p.text }

// The known perturbations.
const (
	jitterOnsets = "jitter"
	dropEdges    = "drop-edges"
	dropAlerts   = "drop-alerts"
	shuffle      = "shuffle"
)

// ParsePerturbation reads one of
//
//	jitter=60s       each alert instance begins earlier or later, by a normal deviate with this standard deviation
//	drop-edges=0.2   each dependency is missing with this probability
//	drop-alerts=0.2  each alert instance never arrives, with this probability
//	shuffle=5m       each delivery is late by up to so long, so that their order changes
func ParsePerturbation(text string) (Perturbation, error) {
	name, value, _ := strings.Cut(text, "=")
	p := Perturbation{text: text}
	switch name {
	case jitterOnsets, shuffle:
		d, err := model.ParseDuration(value)
		if err != nil || d <= 0 {
			return p, fmt.Errorf("perturbation %s: want a duration such as 60s, got %q", name, value)
		}
		p.apply = map[string]func(time.Duration) func(*rand.Rand, *Scenario){jitterOnsets: jitterBy, shuffle: shuffleWithin}[name](time.Duration(d))
	case dropEdges, dropAlerts:
		share, err := strconv.ParseFloat(value, 64)
		if err != nil || share <= 0 || share >= 1 {
			return p, fmt.Errorf("perturbation %s: want a share between 0 and 1, got %q", name, value)
		}
		p.apply = map[string]func(float64) func(*rand.Rand, *Scenario){dropEdges: dropEdgesOf, dropAlerts: dropAlertsOf}[name](share)
	default:
		return p, errors.New("perturbation " + strconv.Quote(name) + ": want " + strings.Join([]string{jitterOnsets, dropEdges, dropAlerts, shuffle}, ", "))
	}
	return p, nil
}

// Perturbed is a copy of s with p applied.
func (s *Scenario) Perturbed(p Perturbation) *Scenario {
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(s.Name + "\x00" + p.text))
	c := *s
	c.Events = s.alone()
	c.instances = slices.Clone(s.instances)
	p.apply(rand.New(rand.NewPCG(seed.Sum64(), 0)), &c)
	return &c
}

// alone lists the events with each alert and each result of a check in one of its own.
func (s *Scenario) alone() []Event {
	events := make([]Event, 0, len(s.Events))
	for _, ev := range s.Events {
		switch sig := ev.Signal.(type) {
		case *correlate.AlertBatch:
			for _, one := range apart(sig.Alerts) {
				b := *sig
				b.Alerts = one
				events = append(events, Event{At: ev.At, Signal: &b})
			}
		case *correlate.HealthBatch:
			for _, one := range apart(sig.Results) {
				events = append(events, Event{At: ev.At, Signal: &correlate.HealthBatch{Source: sig.Source, Results: one}})
			}
		default:
			events = append(events, ev)
		}
	}
	return events
}

// apart puts each element into a slice of its own, none shared with all.
func apart[T any](all []T) [][]T {
	out := make([][]T, len(all))
	for i := range all {
		out[i] = slices.Clone(all[i : i+1])
	}
	return out
}

// alert is the alert that the event brings; nil when it brings none.
func (ev *Event) alert() *correlate.Alert {
	if batch, is := ev.Signal.(*correlate.AlertBatch); is {
		return &batch.Alerts[0]
	}
	return nil
}

// dropEdgesOf takes dependencies away.
func dropEdgesOf(share float64) func(*rand.Rand, *Scenario) {
	return func(rng *rand.Rand, s *Scenario) {
		s.Topology.Dependencies = filter(s.Topology.Dependencies, func(topology.Dependency) bool { return rng.Float64() >= share })
	}
}

// dropAlertsOf takes alert instances away, with all that is ever sent about them.
func dropAlertsOf(share float64) func(*rand.Rand, *Scenario) {
	return func(rng *rand.Rand, s *Scenario) {
		gone := map[correlate.AlertID]bool{}
		for _, inst := range s.instances {
			if _, decided := gone[inst.id]; !decided {
				gone[inst.id] = rng.Float64() < share
			}
		}
		s.Events = filter(s.Events, func(ev Event) bool { a := ev.alert(); return a == nil || !gone[a.ID()] })
		s.rename(func(inst instance) (string, bool) { return inst.name, !gone[inst.id] })
		s.instances = filter(s.instances, func(inst instance) bool { return !gone[inst.id] })
	}
}

// shuffleWithin delays deliveries. What is sent about one thing stays in its order,
// as its sender keeps it: were an end overtaken by a repeat, it would be lost. A check's
// result keeps the time at which the check ran.
func shuffleWithin(most time.Duration) func(*rand.Rand, *Scenario) {
	return func(rng *rand.Rand, s *Scenario) {
		latest := map[any]time.Time{}
		for i := range s.Events {
			ev := &s.Events[i]
			ev.At = ev.At.Add(time.Duration(rng.Float64() * float64(most)))
			key := ev.subject()
			if ev.At.Before(latest[key]) {
				ev.At = latest[key]
			}
			latest[key] = ev.At
		}
		slices.SortStableFunc(s.Events, func(a, b Event) int { return a.At.Compare(b.At) })
		s.findFirst()
	}
}

// subject is what the event tells about; events of one subject have an order.
func (ev *Event) subject() any {
	switch sig := ev.Signal.(type) {
	case *correlate.AlertBatch:
		return sig.Alerts[0].Fingerprint
	case *correlate.HealthBatch:
		return [2]string{sig.Results[0].Service.String(), sig.Results[0].Check}
	}
	return ev.Signal // of its own
}

// findFirst finds anew when each instance was first told to fire.
func (s *Scenario) findFirst() {
	first := map[correlate.AlertID]time.Time{}
	for i := range s.Events {
		if a := s.Events[i].alert(); a != nil && a.Status == correlate.Firing {
			if _, seen := first[a.ID()]; !seen {
				first[a.ID()] = s.Events[i].At
			}
		}
	}
	for i := range s.instances {
		s.instances[i].fired = first[s.instances[i].id]
	}
}

// jitterBy moves the starts of alert instances, the same way in all that is sent
// about one. A start cannot be later than the instance's first delivery or its
// end: a deviate that would make it so counts with the other sign. Nor can it come before
// the previous instance of the label set had ended.
func jitterBy(deviation time.Duration) func(*rand.Rand, *Scenario) {
	return func(rng *rand.Rand, s *Scenario) {
		spans := s.spans()
		moved := map[correlate.AlertID]time.Time{}
		for i := range spans {
			sp := &spans[i]
			by := time.Duration(rng.NormFloat64() * float64(deviation))
			if sp.start.Add(by).After(sp.latest) {
				by = -by.Abs()
			}
			to := sp.start.Add(by).Truncate(time.Millisecond)
			if sp.previous >= 0 {
				to = later(to, spans[sp.previous].end, spans[sp.previous].moved.Add(time.Millisecond))
			}
			if to.After(sp.latest) { // both bounds in one millisecond
				to = sp.start
			}
			sp.moved, moved[sp.id] = to, to
		}
		s.moveStarts(moved)
	}
}

func later(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// alertSpan is an alert instance's place in time.
type alertSpan struct {
	id         correlate.AlertID
	start, end time.Time // end is zero when it never does
	latest     time.Time // no start may be later
	previous   int       // the span before it of the same label set; -1: none
	moved      time.Time
}

// spans lists the instances by label set and start, so that each comes after its previous one.
func (s *Scenario) spans() []alertSpan {
	index := map[correlate.AlertID]int{}
	var all []alertSpan
	for i := range s.Events {
		a := s.Events[i].alert()
		if a == nil {
			continue
		}
		k, known := index[a.ID()]
		if !known {
			k = len(all)
			index[a.ID()] = k
			all = append(all, alertSpan{id: a.ID(), start: a.StartsAt, latest: s.Events[i].At, previous: -1})
		}
		if !a.EndsAt.IsZero() {
			all[k].end = a.EndsAt
			if a.EndsAt.Before(all[k].latest) {
				all[k].latest = a.EndsAt
			}
		}
	}
	slices.SortFunc(all, func(a, b alertSpan) int {
		return cmp.Or(cmp.Compare(a.id.Fingerprint, b.id.Fingerprint), cmp.Compare(a.id.StartsAt, b.id.StartsAt))
	})
	for i := range all {
		all[i].latest = later(all[i].latest, all[i].start) // a clock that was ahead stays so
		if i > 0 && all[i-1].id.Fingerprint == all[i].id.Fingerprint {
			all[i].previous = i - 1
			if before := all[i].start.Add(-time.Millisecond); before.Before(all[i-1].latest) {
				all[i-1].latest = before
			}
		}
	}
	return all
}

// moveStarts gives instances other starts, and other names with them.
func (s *Scenario) moveStarts(moved map[correlate.AlertID]time.Time) {
	for i := range s.Events {
		a := s.Events[i].alert()
		if a == nil {
			continue
		}
		a.StartsAt = moved[a.ID()] // the copy that alone made
	}
	name := func(inst instance) string {
		return inst.id.Fingerprint + "@" + moved[inst.id].UTC().Format(timeLayout)
	}
	s.rename(func(inst instance) (string, bool) { return name(inst), true })
	for i, inst := range s.instances {
		s.instances[i].name = name(inst)
		s.instances[i].id.StartsAt = moved[inst.id].UnixNano()
	}
}

// rename says what instances are called from now on, for the truth to follow; what
// is not kept is in it no longer.
func (s *Scenario) rename(to func(instance) (name string, keep bool)) {
	names := map[string]string{}
	for _, inst := range s.instances {
		names[inst.name] = ""
		if name, keep := to(inst); keep {
			names[inst.name] = name
		}
	}
	s.renamings = append(slices.Clip(s.renamings), names)
}

// renamed is t under the names that perturbations gave its alerts.
func (t alertTruth) renamed(names map[string]string) alertTruth {
	out := alertTruth{causes: map[string][]string{}}
	for _, old := range t.names {
		name, known := names[old]
		if !known {
			name = old // no event has it, and the scorer will say so
		}
		if _, twice := out.causes[name]; name == "" || twice {
			continue
		}
		out.names = append(out.names, name)
		out.causes[name] = t.causes[old]
	}
	return out
}
