package stats

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// The bounds of a [Tally]: some ten megabytes, all told.
const (
	// maxIncidents bounds the incidents that are reckoned with: the durations of each are kept.
	maxIncidents = 100_000
	// maxLabelSets bounds the label sets whose firings are counted.
	maxLabelSets = 100_000
	// maxNames bounds groups, and in the lists that are not groups, teams and services.
	maxNames = 1000
	// topEntries is how long the lists of the most frequent are.
	topEntries = 10
)

// Night begins and ends at these hours of the day, in the time zone of the tally.
const (
	nightBegins = 22
	nightEnds   = 7
)

// Options of [New].
type Options struct {
	By Grouping
	// Location is the time zone of weeks and nights. Nil: UTC.
	Location *time.Location
	// Worthy reports whether an alert is worth a page by itself. Nil: by the default settings.
	Worthy func(*correlate.AlertState) bool
	// Owner names the team of a service. Nil: there are no teams but those of origins.
	Owner func(topology.Ref) string
}

// Tally takes rows one by one. It belongs to one goroutine.
type Tally struct {
	o         Options
	total     figures
	groups    map[string]*figures
	weeks     map[[2]string]int // week, team
	receivers map[[2]string]*Receiver
	origins   map[string]*Origin
	labelSets map[string]*Flapping

	// What was left out.
	incidentsLeft, labelSetsLeft, namesLeft int
}

// figures are [Figures] in the making.
type figures struct {
	Figures
	measured [Measures][]time.Duration
}

// New makes an empty tally.
func New(o Options) *Tally {
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Worthy == nil {
		settings := correlate.Config{}.WithDefaults()
		o.Worthy = settings.Worthy
	}
	if o.Owner == nil {
		o.Owner = func(topology.Ref) string { return "" }
	}
	return &Tally{
		o: o, groups: map[string]*figures{}, weeks: map[[2]string]int{}, receivers: map[[2]string]*Receiver{},
		origins: map[string]*Origin{}, labelSets: map[string]*Flapping{},
	}
}

// Alert takes an alert that began within the time.
func (t *Tally) Alert(a *correlate.AlertState) {
	worth := 0
	if t.o.Worthy(a) {
		worth = 1
	}
	for _, f := range t.of(t.alertGroup(a)) {
		f.Alerts++
		f.WorthAPage += worth
	}
	seen := t.labelSets[a.Fingerprint]
	switch {
	case seen != nil:
		seen.Firings++
	case len(t.labelSets) >= maxLabelSets:
		t.labelSetsLeft++
	default:
		t.labelSets[a.Fingerprint] = &Flapping{
			AlertName: a.Labels["alertname"], Service: a.Service.String(), Fingerprint: a.Fingerprint, Firings: 1,
		}
	}
}

// Incident takes an incident that was opened within the time, and all its pages.
func (t *Tally) Incident(i *correlate.Incident, pages []*correlate.OutboxEntry) {
	into := t.of(t.incidentGroup(i))
	for _, p := range pages {
		t.page(p, into)
	}
	if i.State == correlate.IncidentMerged {
		return // it counts as the one that goes on
	}
	if t.total.Incidents >= maxIncidents {
		t.incidentsLeft++
		return
	}
	times := TimesOf(i, pages)
	for _, f := range into {
		f.incident(i, &times)
	}
	t.origin(i, times[Resolve])
}

func (f *figures) incident(i *correlate.Incident, times *Times) {
	f.Incidents++
	if i.Sev != correlate.SevUnset {
		f.BySev[i.Sev-correlate.Sev1]++
	}
	for m, d := range times {
		if d != unknown {
			f.measured[m] = append(f.measured[m], d)
		}
	}
	if said := i.SetOrigin; said != nil && len(said.Named) > 0 {
		f.Feedback.Said++
		at := slices.Index(said.Named, said.Service)
		if at == 0 {
			f.Feedback.First++
		}
		if at >= 0 && at < 3 {
			f.Feedback.TopThree++
		}
	}
}

// page counts a page and where it went.
func (t *Tally) page(p *correlate.OutboxEntry, into []*figures) {
	for i := range p.Deliveries {
		t.delivery(&p.Deliveries[i], p.Done)
	}
	if !p.Page.Kind.Rings() || arrival(p).IsZero() {
		return
	}
	night := 0
	if hour := p.Page.At.In(t.o.Location).Hour(); hour >= nightBegins || hour < nightEnds {
		night = 1
	}
	for _, f := range into {
		f.Pages++
		f.AtNight += night
	}
	key := [2]string{t.week(p.Page.At), ownerOf(&p.Page.Incident)}
	if _, known := t.weeks[key]; !known && len(t.weeks) >= maxNames {
		key[1] = Others
		t.namesLeft++
	}
	t.weeks[key]++
}

func (t *Tally) delivery(d *correlate.Delivery, done bool) {
	if d.Skipped != "" && d.Attempts == 0 {
		return // it was not meant to go there
	}
	key := [2]string{d.Receiver, d.Integration}
	r := t.receivers[key]
	if r == nil {
		r = &Receiver{Receiver: d.Receiver, Integration: d.Integration}
		t.receivers[key] = r
	}
	failed := d.Attempts
	if !d.SentAt.IsZero() {
		r.Sent++
		failed--
	} else if done {
		r.Undelivered++
	}
	r.FailedAttempts += max(0, failed)
}

func (t *Tally) origin(i *correlate.Incident, lasted time.Duration) {
	o := i.Origin()
	if o == nil {
		return
	}
	name := o.Service.String()
	row := t.origins[name]
	if row == nil {
		if len(t.origins) >= maxNames {
			t.namesLeft++
			return
		}
		row = &Origin{Service: name}
		t.origins[name] = row
	}
	row.Incidents++
	row.Lasted += max(0, lasted)
}

// of are the figures that something of a group counts for.
func (t *Tally) of(group string) []*figures {
	if t.o.By == ByNothing {
		return []*figures{&t.total}
	}
	if t.groups[group] == nil && len(t.groups) >= maxNames {
		group = Others
		t.namesLeft++
	}
	g := t.groups[group]
	if g == nil {
		g = &figures{}
		t.groups[group] = g
	}
	return []*figures{&t.total, g}
}

func (t *Tally) alertGroup(a *correlate.AlertState) string {
	switch t.o.By {
	case ByTeam:
		return t.o.Owner(a.Service)
	case ByService:
		return a.Service.String()
	case ByWeek:
		return t.week(a.StartsAt)
	}
	return ""
}

func (t *Tally) incidentGroup(i *correlate.Incident) string {
	switch t.o.By {
	case ByTeam:
		return ownerOf(i)
	case ByService:
		if o := i.Origin(); o != nil {
			return o.Service.String()
		}
	case ByWeek:
		return t.week(i.OpenedAt)
	}
	return ""
}

// ownerOf is the team that an incident is the business of.
func ownerOf(i *correlate.Incident) string {
	if o := i.Origin(); o != nil {
		return o.Owner
	}
	return ""
}

// week is the Monday of the week of a moment.
func (t *Tally) week(at time.Time) string {
	at = at.In(t.o.Location)
	sinceMonday := (int(at.Weekday()) + 6) % 7
	// By the calendar: days on which clocks are changed have other than 24 hours.
	return time.Date(at.Year(), at.Month(), at.Day()-sinceMonday, 12, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// Report is the figures of what was taken so far.
func (t *Tally) Report() *Report {
	r := &Report{Total: t.total.finish(), Notes: t.notes()}
	for _, name := range slices.Sorted(maps.Keys(t.groups)) {
		r.Groups = append(r.Groups, Group{Name: name, Figures: t.groups[name].finish()})
	}
	for key, n := range t.weeks {
		r.PagesByWeek = append(r.PagesByWeek, WeekPages{Week: key[0], Team: key[1], Pages: n})
	}
	slices.SortFunc(r.PagesByWeek, func(a, b WeekPages) int { return cmp.Or(cmp.Compare(a.Week, b.Week), cmp.Compare(a.Team, b.Team)) })
	for _, row := range t.receivers {
		r.Receivers = append(r.Receivers, *row)
	}
	slices.SortFunc(r.Receivers, func(a, b Receiver) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Integration, b.Integration))
	})
	r.Origins = top(t.origins, func(*Origin) bool { return true }, func(a, b Origin) int {
		return cmp.Or(cmp.Compare(b.Incidents, a.Incidents), cmp.Compare(b.Lasted, a.Lasted), cmp.Compare(a.Service, b.Service))
	})
	r.Flapping = top(t.labelSets, func(f *Flapping) bool { return f.Firings > 1 }, func(a, b Flapping) int {
		return cmp.Or(cmp.Compare(b.Firings, a.Firings), cmp.Compare(a.AlertName, b.AlertName), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return r
}

func (f *figures) finish() Figures {
	out := f.Figures
	for m := range f.measured {
		out.Times[m] = summarize(f.measured[m])
	}
	return out
}

// top are the first rows of an order among those that qualify.
func top[R any](rows map[string]*R, qualifies func(*R) bool, compare func(a, b R) int) []R {
	var all []R
	for _, row := range rows {
		if qualifies(row) {
			all = append(all, *row)
		}
	}
	slices.SortFunc(all, compare)
	return all[:min(len(all), topEntries)]
}

func (t *Tally) notes() []string {
	var notes []string
	add := func(n int, format string, args ...any) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	add(t.incidentsLeft, "%d incidents beyond %d were left out, but for their pages; ask for a shorter time", t.incidentsLeft, maxIncidents)
	add(t.labelSetsLeft, "%d firings of label sets beyond the first %d cannot be seen to flap", t.labelSetsLeft, maxLabelSets)
	add(t.namesLeft, "%d rows of teams and services beyond %d are under %s or in no list", t.namesLeft, maxNames, Others)
	return notes
}
