package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/topology"
)

var rememberedAt = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// ended is an incident that is over, n days after rememberedAt, with the first service as its origin.
func ended(number uint64, days int, services ...string) *Incident {
	at := rememberedAt.Add(time.Duration(days) * 24 * time.Hour)
	i := &Incident{
		ID: incidentID(number), Number: number, State: IncidentResolved,
		StartedAt: at, OpenedAt: at.Add(time.Second), QuietSince: at.Add(20 * time.Minute), ResolvedAt: at.Add(30 * time.Minute),
		Origins: []Origin{suspected(services[0], .8)},
	}
	for _, s := range services {
		i.Services = append(i.Services, impact(s, SeverityError, 1))
	}
	return i
}

// remembering is an engine that remembers the incidents.
func remembering(t testing.TB, incidents ...*Incident) *Engine {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range incidents {
		e.remember(&incident{row: i})
	}
	return e
}

func recalled(e *Engine, now *Incident) []string {
	var ids []string
	for _, r := range e.recall(now).Latest {
		ids = append(ids, r.Incident)
	}
	return ids
}

func TestAlikeIsWhatBeganAtTheSameServiceOrHitMuchTheSameByACommonCandidate(t *testing.T) {
	now := ended(9, 30, "db", "orders", "cart", "web")
	for _, tc := range []struct {
		name string
		past *Incident
		want bool
	}{
		{"the same origin, other victims", ended(1, 0, "db", "reports"), true},
		{"another origin, most of the victims", func() *Incident {
			i := ended(1, 0, "orders", "cart", "web")
			i.Origins = append(i.Origins, suspected("db", .15))
			return i
		}(), true},
		{"most of the victims, and no candidate in common", ended(1, 0, "cache", "orders", "cart", "web"), false},
		{"a candidate in common, and only the gateway above both", func() *Incident {
			i := ended(1, 0, "search", "web", "x", "y")
			i.Origins = append(i.Origins, suspected("db", .15))
			return i
		}(), false},
		{"the same origin, but hardly likely", func() *Incident {
			i := ended(1, 0, "db", "reports")
			i.Origins[0].Probability = .3
			return i
		}(), false},
		{"the same origin, said by a person", func() *Incident {
			i := ended(1, 0, "db", "reports")
			i.Origins[0].Probability, i.SetOrigin = .3, &OriginStatement{Service: i.Origins[0].Service, By: "ann"}
			return i
		}(), true},
		{"nothing in common", ended(1, 0, "mail"), false},
		{"too long ago", ended(1, -61, "db", "orders"), false},
		{"not over when this one opened", ended(1, 30, "db", "orders"), false},
	} {
		if got := recalled(remembering(t, tc.past), now); (len(got) > 0) != tc.want {
			t.Errorf("%s: remembered %v, want %t", tc.name, got, tc.want)
		}
	}
}

func TestWhatIsRememberedIsCountedMeasuredAndCut(t *testing.T) {
	var all []*Incident
	for n := range uint64(8) {
		i := ended(n+1, int(n), "db", "orders")
		i.QuietSince = i.StartedAt.Add(time.Duration(n+1) * time.Minute)
		all = append(all, i)
	}
	all[7].Remedy = "restart api pods"
	e := remembering(t, all...)
	for n := range uint64(7) {
		e.actions[actionItemID(n+1)] = &ActionItem{ID: actionItemID(n + 1), Number: n + 1, Incident: "INC-1", Text: "do it"}
	}
	e.actions["AI-2"].Status = ActionDone
	e.actions["AI-3"].Incident = "INC-99"

	got := e.recall(ended(9, 20, "db"))
	if got.Times != 8 || got.Typical != 5*time.Minute || len(got.Latest) != maxRecalled || got.OpenItemCount != 5 {
		t.Errorf("%+v", got)
	}
	want := Recurrence{Incident: "INC-8", EndedAt: all[7].QuietSince, Lasted: 8 * time.Minute, EndedBy: "restart api pods", SameOrigin: true, Overlap: .5}
	if diff := cmp.Diff(want, got.Latest[0]); diff != "" {
		t.Error(diff)
	}
	if got.OpenItems[0].ID != "AI-1" || got.OpenItems[1].ID != "AI-4" {
		t.Errorf("to do: %v", got.OpenItems)
	}
}

func TestWhatComesBackIsNotOverAndWhatIsWrittenLaterIsRemembered(t *testing.T) {
	i := ended(1, 0, "db")
	e := remembering(t, i)
	later := *i
	later.Remedy = "more connections"
	e.remember(&incident{row: &later})
	if got := e.recall(ended(9, 1, "db")).Latest[0].EndedBy; got != "more connections" {
		t.Errorf("ended by %q", got)
	}
	back := later
	back.State = IncidentOpen
	e.remember(&incident{row: &back})
	if got := e.recall(ended(9, 1, "db")); got.Times != 0 {
		t.Errorf("%+v", got)
	}
	d := e.finish()
	if len(d.Past) != 1 || !d.Past[0].Forgotten || d.Past[0].Number != 1 {
		t.Errorf("rows: %+v", d.Past)
	}
}

func TestMemoryIsBoundedByTimeAndByNumber(t *testing.T) {
	e := remembering(t, ended(1, 0, "db"), ended(2, 1, "db"), ended(3, 91, "db"))
	if len(e.memory.past) != 2 || e.memory.past["INC-1"] != nil {
		t.Errorf("%d are remembered", len(e.memory.past))
	}
	var many []*Incident
	for n := range uint64(maxPast + 10) {
		many = append(many, ended(n+1, 0, fmt.Sprint("s", n)))
	}
	e = remembering(t, many...)
	if len(e.memory.past) != maxPast || e.memory.past["INC-10"] != nil || e.memory.past["INC-11"] == nil {
		t.Errorf("%d are remembered", len(e.memory.past))
	}
	if len(e.memory.by) != maxPast {
		t.Errorf("%d services are looked up", len(e.memory.by))
	}
}

// TestMemoryFindsWhatLookingAtEachFinds compares with a twin that knows no index.
func TestMemoryFindsWhatLookingAtEachFinds(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
	draw := func(t *rapid.T, number uint64) *Incident {
		i := ended(number, rapid.IntRange(0, 120).Draw(t, "day"), rapid.SliceOfNDistinct(names, 1, 5, rapid.ID).Draw(t, "services")...)
		i.Origins = nil
		for _, name := range rapid.SliceOfNDistinct(names, 0, 3, rapid.ID).Draw(t, "candidates") {
			i.Origins = append(i.Origins, suspected(name, rapid.SampledFrom([]float64{.05, .1, .3, .5, .9}).Draw(t, "probability")))
		}
		return i
	}
	rapid.Check(t, func(t *rapid.T) {
		var all []*Incident
		for n := range rapid.IntRange(0, 12).Draw(t, "incidents") {
			all = append(all, draw(t, uint64(n+1)))
		}
		e, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range rapid.Permutation(all).Draw(t, "order") {
			e.remember(&incident{row: i})
		}
		now := draw(t, 99)
		want := naiveRecall(all, now)
		if diff := cmp.Diff(want, recalled(e, now)); diff != "" {
			t.Fatalf("-twin +memory:\n%s", diff)
		}
		s := e.Snapshot()
		s.Past = rapid.Permutation(s.Past).Draw(t, "rows")
		restored, err := Restore(Config{}, s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e.recall(now), restored.recall(now)); diff != "" {
			t.Fatalf("-steady +restored:\n%s", diff)
		}
	})
}

func naiveRecall(all []*Incident, now *Incident) []string {
	var latest time.Time
	for _, i := range all {
		latest = maxTime(latest, i.QuietSince)
	}
	var found []*Incident
	for _, i := range all {
		reach := 90 * 24 * time.Hour
		if i.QuietSince.After(now.OpenedAt) || now.OpenedAt.Sub(i.QuietSince) > reach || latest.Sub(i.QuietSince) > reach {
			continue
		}
		if naivelyAlike(i, now) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b *Incident) int {
		if order := b.QuietSince.Compare(a.QuietSince); order != 0 {
			return order
		}
		return int(b.Number) - int(a.Number)
	})
	var ids []string
	for _, i := range found[:min(5, len(found))] {
		ids = append(ids, i.ID)
	}
	return ids
}

func naivelyAlike(a, b *Incident) bool {
	candidates := func(i *Incident) map[topology.Ref]bool {
		out := map[topology.Ref]bool{}
		for _, o := range i.Origins {
			if o.Probability >= .1 {
				out[o.Service] = true
			}
		}
		return out
	}
	shared := false
	for r := range candidates(a) {
		shared = shared || candidates(b)[r]
	}
	if !shared {
		return false
	}
	if a.Origins[0].Service == b.Origins[0].Service && a.Origins[0].Probability >= .5 && b.Origins[0].Probability >= .5 {
		return true
	}
	either, both := map[topology.Ref]int{}, 0
	for _, i := range []*Incident{a, b} {
		for _, s := range i.Services {
			if either[s.Service]++; either[s.Service] == 2 {
				both++
			}
		}
	}
	return both >= 2 && 2*both >= len(either)
}

func TestWordsOfMemory(t *testing.T) {
	at := rememberedAt
	for _, tc := range []struct {
		before SeenBefore
		want   []string
	}{
		{SeenBefore{}, nil},
		{
			SeenBefore{Times: 1, Latest: []Recurrence{{Incident: "INC-41", EndedAt: at.Add(-26 * time.Hour), Lasted: 23 * time.Minute}}},
			[]string{"once in 90 days; last INC-41, 26 h 00 min earlier, for 23 min"},
		},
		{
			SeenBefore{
				Times:     9,
				Latest:    []Recurrence{{Incident: "INC-41", EndedAt: at, EndedBy: "restart\napi pods"}, {Incident: "INC-3", EndedAt: at}},
				OpenItems: []OpenItem{{ID: "AI-1", Text: "more\r\nroom"}, {ID: "AI-2", Text: "x", Assignee: "ben"}}, OpenItemCount: 3,
			},
			[]string{
				`9 times in 90 days, this is the 10th time; last INC-41, 0 s earlier, for 0 s, ended by "restart api pods"`,
				"also INC-3, 0 s earlier, for 0 s; 7 more", "still to be done: AI-1 more room; AI-2 x (ben); 1 more",
			},
		},
	} {
		if diff := cmp.Diff(tc.want, tc.before.Lines(at)); diff != "" {
			t.Error(diff)
		}
	}
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 111: "111th", 122: "122nd"} {
		if got := ordinal(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
