package page

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const nightly = `
time_intervals:
- {name: nights, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '06:00'}], location: Europe/Berlin}]}
- {name: office, time_intervals: [{times: [{start_time: '09:00', end_time: '17:30'}], weekdays: ['monday:friday'], location: America/New_York}]}
- {name: new-year, time_intervals: [{days_of_month: ['1'], months: [january]}]}
- {name: never, time_intervals: [{years: ['2001']}]}
receivers: [{name: on-call}, {name: team}, {name: desk}]
route:
  receiver: on-call
  routes:
  - {receiver: team, matchers: [sev="SEV3"], continue: true, mute_time_intervals: [nights]}
  - {receiver: desk, matchers: [sev="SEV3"], active_time_intervals: [office]}
  - {receiver: team, matchers: [sev="SEV4"], active_time_intervals: [never]}
`

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestHours_SayWhichRoutesAreOpenAndWhenTheOthersAre(t *testing.T) {
	h := loaded(t, nightly).Hours()
	for name, c := range map[string]struct {
		sev, at, muted, opens string
		open                  bool
	}{
		"a route without intervals is open at any time": {sev: "SEV1", at: "2026-03-14T03:00:00Z", open: true},
		"on a Saturday night both are muted":            {sev: "SEV3", at: "2026-03-14T03:00:00Z", muted: "muted by nights, active only in office", opens: "2026-03-14T05:00:00Z"},
		"by day one is open":                            {sev: "SEV3", at: "2026-03-14T12:00:00Z", open: true, muted: "active only in office", opens: "2026-03-16T13:00:00Z"},
		"when the clocks change the night is shorter":   {sev: "SEV3", at: "2026-03-29T00:30:00Z", muted: "muted by nights, active only in office", opens: "2026-03-29T04:00:00Z"},
		"in the office's hours both are":                {sev: "SEV3", at: "2026-03-16T14:00:00Z", open: true},
		"a route may never open again":                  {sev: "SEV4", at: "2026-03-16T14:00:00Z", muted: "active only in never"},
	} {
		t.Run(name, func(t *testing.T) {
			got := h.Routes(map[string]string{"sev": c.sev}, at(t, c.at))
			opens := ""
			if !got.OpensAt.IsZero() {
				opens = got.OpensAt.Format(time.RFC3339)
			}
			if got.Open != c.open || got.Muted != c.muted || opens != c.opens {
				t.Errorf("%+v, opens at %s", got, opens)
			}
		})
	}
}

// The next change is the first minute on the other side, as one finds it who looks at each minute.
func TestHours_TheNextChangeIsTheFirst(t *testing.T) {
	h := loaded(t, nightly).Hours()
	rapid.Check(t, func(t *rapid.T) {
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(t, "minute")) * time.Minute)
		name := rapid.SampledFrom([]string{"nights", "office"}).Draw(t, "interval")
		in, change := h.Within(name, from)
		for m := from.Add(time.Minute); m.Before(change); m = m.Add(time.Minute) {
			if h.contains(name, m) != in {
				t.Fatalf("%s changes at %s, not at %s", name, m, change)
			}
		}
		if change.IsZero() || h.contains(name, change) == in {
			t.Fatalf("%s does not change at %s", name, change)
		}
	})
}

func TestHours_ADateOnceAYearIsFound(t *testing.T) {
	h := loaded(t, nightly).Hours()
	in, change := h.Within("new-year", at(t, "2026-01-02T00:00:00Z"))
	if want := at(t, "2027-01-01T00:00:00Z"); in || !change.Equal(want) {
		t.Errorf("in: %v, changes at %s, want %s", in, change, want)
	}
}

func TestRoute_APageGoesToTheRoutesThatWereOpenWhenItWasDecided(t *testing.T) {
	r := routed(t, loaded(t, nightly))
	to := func(when string) string {
		names := ""
		for _, t := range r.route(map[string]string{"sev": "SEV3"}, at(t, when)) {
			names += t.receiver + " "
		}
		return names
	}
	if got := to("2026-03-14T12:00:00Z"); got != "team " {
		t.Errorf("by day it goes to %q", got)
	}
	if got := to("2026-03-14T03:00:00Z"); got != "team desk " {
		t.Errorf("a page that was decided when all were muted goes to %q", got)
	}
}
