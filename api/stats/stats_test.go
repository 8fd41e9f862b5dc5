package stats

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// monday is a Monday on which clocks in Berlin went back the day before.
var monday = time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return monday.Add(d) }

// paged is a page that arrived after a while; a negative one: not at all.
func paged(kind correlate.PageKind, decided, took time.Duration) *correlate.OutboxEntry {
	d := correlate.Delivery{Receiver: "oncall", Integration: "pagerduty", Attempts: 3, SentAt: at(decided + took)}
	if took < 0 {
		d.SentAt, d.LastError = time.Time{}, "503"
	}
	return &correlate.OutboxEntry{Page: &correlate.Page{Kind: kind, At: at(decided)}, Deliveries: []correlate.Delivery{d}, Done: true}
}

func TestTimesAreTakenFromTheFailuresStart(t *testing.T) {
	minute := time.Minute
	i := &correlate.Incident{
		State: correlate.IncidentResolved, StartedAt: at(0), OpenedAt: at(minute), QuietSince: at(30 * minute), ResolvedAt: at(35 * minute),
		Timeline: []correlate.TimelineEntry{
			{Kind: correlate.TimelineAcked, At: at(5 * minute)},
			{Kind: correlate.TimelineReopened, At: at(20 * minute)},
			{Kind: correlate.TimelineAcked, At: at(21 * minute)},
		},
	}
	pages := []*correlate.OutboxEntry{
		paged(correlate.PageOpen, minute, -1), paged(correlate.PageUpdate, 90*time.Second, 0), paged(correlate.PageOpen, 2*minute, 3*time.Second),
	}
	want := Times{Detect: minute, Page: 2*minute + 3*time.Second, Acknowledge: 3*minute - 3*time.Second, Mitigate: 30 * minute, Resolve: 35 * minute}
	if got := TimesOf(i, pages); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	i.State, i.ResolvedAt = correlate.IncidentOpen, time.Time{}
	if got := TimesOf(i, nil); got[Mitigate] != unknown || got[Resolve] != unknown || got[Page] != unknown || got[Acknowledge] != unknown {
		t.Errorf("open and unpaged: got %v", got)
	}
}

func TestWhatAnOperatorEndedWhileItFiredWasMitigatedThen(t *testing.T) {
	i := &correlate.Incident{State: correlate.IncidentResolved, StartedAt: at(0), ResolvedAt: at(time.Hour)}
	if got := TimesOf(i, nil)[Mitigate]; got != time.Hour {
		t.Errorf("mitigated after %v, want 1h", got)
	}
}

func TestWeeksAndNightsFollowTheTimeZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine")
	}
	for _, c := range []struct {
		at    time.Time
		where *time.Location
		week  string
		night int
	}{
		{monday.Add(-time.Minute), time.UTC, "2026-10-19", 1},
		{monday.Add(-time.Minute), berlin, "2026-10-26", 1},
		{monday.Add(6*time.Hour - time.Minute), berlin, "2026-10-26", 1},
		{monday.Add(6 * time.Hour), berlin, "2026-10-26", 0}, // 07:00 there
		{monday.Add(6 * time.Hour), time.UTC, "2026-10-26", 1},
	} {
		tally := New(Options{Location: c.where})
		page := paged(correlate.PageOpen, c.at.Sub(monday), 0)
		tally.Incident(&correlate.Incident{OpenedAt: c.at, StartedAt: c.at}, []*correlate.OutboxEntry{page})
		r := tally.Report()
		if r.Total.AtNight != c.night || len(r.PagesByWeek) != 1 || r.PagesByWeek[0].Week != c.week {
			t.Errorf("%s in %s: %d at night, %+v; want %d in week %s", c.at, c.where, r.Total.AtNight, r.PagesByWeek, c.night, c.week)
		}
	}
}

func TestNobodyIsPraisedForAWordWhoseCandidatesAreUnknown(t *testing.T) {
	tally := New(Options{})
	said := topology.Ref{Name: "mysql"}
	for _, named := range [][]topology.Ref{nil, {said}, {{Name: "a"}, said}, {{Name: "a"}, {Name: "b"}, {Name: "c"}, said}} {
		tally.Incident(&correlate.Incident{SetOrigin: &correlate.OriginStatement{Service: said, Named: named}}, nil)
	}
	if got, want := tally.Report().Total.Feedback, (Feedback{Said: 3, First: 1, TopThree: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// story is rows as they may be.
type story struct {
	alerts    []*correlate.AlertState
	incidents []*correlate.Incident
	pages     [][]*correlate.OutboxEntry // of each incident
}

var services = []topology.Ref{{Name: "a"}, {Namespace: "shop", Name: "b"}, {Name: "c"}}

func owner(r topology.Ref) string {
	return map[string]string{"a": "storage", "c": "web"}[r.Name]
}

func drawStory(t *rapid.T) story {
	var s story
	when := rapid.Custom(func(t *rapid.T) time.Time {
		return at(time.Duration(rapid.IntRange(0, 60*24*30).Draw(t, "minute")) * time.Minute)
	})
	service := rapid.SampledFrom(services)
	for range rapid.IntRange(0, 30).Draw(t, "alerts") {
		a := &correlate.AlertState{Severity: correlate.Severity(rapid.IntRange(0, 4).Draw(t, "severity"))}
		a.Fingerprint = fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "fingerprint"))
		a.Labels = map[string]string{"alertname": "Alert" + a.Fingerprint}
		a.Service = services[a.Fingerprint[0]%3] // one label set is about one service
		a.StartsAt = when.Draw(t, "starts")
		a.Muted = rapid.SampledFrom([]string{"", "silenced"}).Draw(t, "muted")
		s.alerts = append(s.alerts, a)
	}
	for range rapid.IntRange(0, 20).Draw(t, "incidents") {
		i := &correlate.Incident{StartedAt: when.Draw(t, "started"), Sev: correlate.Sev(rapid.IntRange(0, 4).Draw(t, "sev"))}
		i.OpenedAt = i.StartedAt.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "settled")) * time.Second)
		i.State = correlate.IncidentState(rapid.IntRange(0, 2).Draw(t, "state"))
		if i.State == correlate.IncidentResolved {
			i.ResolvedAt = i.OpenedAt.Add(time.Duration(rapid.IntRange(0, 9000).Draw(t, "lasted")) * time.Second)
		}
		for _, k := range rapid.SampledFrom([][]int{{}, {0}, {0, 1}, {1, 2}, {2, 0, 1}}).Draw(t, "candidates") {
			i.Origins = append(i.Origins, correlate.Origin{Service: services[k], Owner: owner(services[k])})
		}
		if rapid.Bool().Draw(t, "feedback") {
			i.SetOrigin = &correlate.OriginStatement{Service: service.Draw(t, "said"), Named: services}
		}
		var pages []*correlate.OutboxEntry
		for range rapid.IntRange(0, 3).Draw(t, "pages") {
			p := paged(correlate.PageKind(rapid.IntRange(0, 6).Draw(t, "kind")), i.OpenedAt.Sub(monday), time.Duration(rapid.IntRange(-1, 60).Draw(t, "took"))*time.Second)
			p.Page.Incident = *i
			pages = append(pages, p)
		}
		s.incidents, s.pages = append(s.incidents, i), append(s.pages, pages)
	}
	return s
}

// naive reckons each figure from all rows anew.
func (s story) naive(in func(group string) bool, groupOfAlert func(*correlate.AlertState) string, groupOfIncident func(*correlate.Incident) string) Figures {
	var f Figures
	var measured [Measures][]float64
	for _, a := range s.alerts {
		if !in(groupOfAlert(a)) {
			continue
		}
		f.Alerts++
		if a.Severity >= correlate.SeverityWarning && a.Muted == "" { // by the default settings
			f.WorthAPage++
		}
	}
	for n, i := range s.incidents {
		if !in(groupOfIncident(i)) {
			continue
		}
		for _, p := range s.pages[n] {
			if slices.Contains([]string{"open", "ring", "escalate"}, p.Page.Kind.String()) && !p.Deliveries[0].SentAt.IsZero() {
				f.Pages++
				if h := p.Page.At.UTC().Hour(); h >= 22 || h < 7 {
					f.AtNight++
				}
			}
		}
		if i.State == correlate.IncidentMerged {
			continue
		}
		f.Incidents++
		if i.Sev > 0 {
			f.BySev[i.Sev-1]++
		}
		if i.SetOrigin != nil {
			f.Feedback.Said++
			f.Feedback.TopThree++ // there are three services
			if i.SetOrigin.Service == services[0] {
				f.Feedback.First++
			}
		}
		for m, d := range TimesOf(i, s.pages[n]) {
			if d >= 0 {
				measured[m] = append(measured[m], float64(d))
			}
		}
	}
	for m, all := range measured {
		if len(all) == 0 {
			continue
		}
		sort.Float64s(all)
		sum := 0.0
		for _, d := range all {
			sum += d
		}
		nth := func(percent int) time.Duration { // the first that percent of all are not above
			for k := range all {
				if 100*(k+1) >= percent*len(all) {
					return time.Duration(all[k])
				}
			}
			return 0
		}
		f.Times[m] = Durations{Count: len(all), Mean: time.Duration(math.Round(sum / float64(len(all)))), Median: nth(50), P95: nth(95)}
	}
	return f
}

func TestFiguresAreThoseOfANaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStory(t)
		tally := New(Options{By: ByService, Owner: owner})
		for _, n := range rapid.Permutation(indices(len(s.alerts))).Draw(t, "order of alerts") {
			tally.Alert(s.alerts[n])
		}
		for _, n := range rapid.Permutation(indices(len(s.incidents))).Draw(t, "order of incidents") {
			tally.Incident(s.incidents[n], s.pages[n])
		}
		r := tally.Report()
		alertGroup := func(a *correlate.AlertState) string { return a.Service.String() }
		incidentGroup := func(i *correlate.Incident) string {
			if len(i.Origins) == 0 {
				return ""
			}
			return i.Origins[0].Service.String()
		}
		everything := func(string) bool { return true }
		// A mean is summed up in another order here.
		alike := cmp.Comparer(func(a, b Durations) bool {
			d := a.Mean - b.Mean
			a.Mean, b.Mean = 0, 0
			return a == b && -time.Microsecond < d && d < time.Microsecond
		})
		if diff := cmp.Diff(s.naive(everything, alertGroup, incidentGroup), r.Total, alike); diff != "" {
			t.Fatalf("total (-naive +tally):\n%s", diff)
		}
		for _, g := range r.Groups {
			want := s.naive(func(name string) bool { return name == g.Name }, alertGroup, incidentGroup)
			if diff := cmp.Diff(want, g.Figures, alike); diff != "" {
				t.Fatalf("group %q (-naive +tally):\n%s", g.Name, diff)
			}
		}
		s.checkLists(t, r)
	})
}

// checkLists compares what is in no group.
func (s story) checkLists(t *rapid.T, r *Report) {
	pages, sent, failed, undelivered := 0, 0, 0, 0
	for _, of := range s.pages {
		for _, p := range of {
			d := p.Deliveries[0]
			if d.SentAt.IsZero() {
				undelivered++
				failed += d.Attempts
			} else {
				sent++
				failed += d.Attempts - 1
			}
		}
	}
	for _, w := range r.PagesByWeek {
		pages += w.Pages
	}
	if pages != r.Total.Pages {
		t.Fatalf("%d pages by week, %d in all", pages, r.Total.Pages)
	}
	if sent+undelivered > 0 {
		want := []Receiver{{Receiver: "oncall", Integration: "pagerduty", Sent: sent, FailedAttempts: failed, Undelivered: undelivered}}
		if diff := cmp.Diff(want, r.Receivers); diff != "" {
			t.Fatalf("receivers (-want +got):\n%s", diff)
		}
	}
	firings := map[string]int{}
	for _, a := range s.alerts {
		firings[a.Fingerprint]++
	}
	for k, f := range r.Flapping {
		if f.Firings != firings[f.Fingerprint] || f.Firings < 2 || k > 0 && f.Firings > r.Flapping[k-1].Firings {
			t.Fatalf("flapping %+v: want %d firings, at least 2, the most first", r.Flapping, firings[f.Fingerprint])
		}
		delete(firings, f.Fingerprint)
	}
	for fingerprint, n := range firings {
		if n > 1 {
			t.Fatalf("%s fired %d times and is not told", fingerprint, n)
		}
	}
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestBoundsAreKeptAndTold(t *testing.T) {
	tally := New(Options{By: ByService})
	const many = maxNames + 5
	for n := range many {
		i := &correlate.Incident{Origins: []correlate.Origin{{Service: topology.Ref{Name: fmt.Sprintf("s%04d", n)}}}}
		tally.Incident(i, nil)
	}
	r := tally.Report()
	if len(r.Groups) != maxNames+1 || r.Total.Incidents != many {
		t.Errorf("%d groups of %d incidents", len(r.Groups), r.Total.Incidents)
	}
	if !slices.ContainsFunc(r.Groups, func(g Group) bool { return g.Name == Others && g.Incidents == 5 }) {
		t.Error("the rest is in no group of its own")
	}
	if len(r.Notes) != 1 {
		t.Errorf("notes %q", r.Notes)
	}
}
