package page

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/headwater-sre/headwater/correlate"
)

// Hours tell when routes are open, by Alertmanager's time_intervals. They are immutable and
// read no clock; time zones were loaded with the configuration.
type Hours struct {
	root      *dispatch.Route
	intervals map[string][]timeinterval.TimeInterval
}

var _ correlate.Calendar = (*Hours)(nil)

// Hours are those of the configuration; nil when pages are logged only.
func (c *Config) Hours() *Hours {
	if c.alertmanager == nil {
		return nil
	}
	h := &Hours{root: dispatch.NewRoute(c.alertmanager.Route, nil), intervals: make(map[string][]timeinterval.TimeInterval)}
	for _, t := range c.alertmanager.MuteTimeIntervals {
		h.intervals[t.Name] = t.TimeIntervals
	}
	for _, t := range c.alertmanager.TimeIntervals {
		h.intervals[t.Name] = t.TimeIntervals
	}
	return h
}

// Intervals are the names of the time intervals, sorted.
func (h *Hours) Intervals() []string {
	var names []string
	for name := range h.intervals {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Routes implements [correlate.Calendar].
func (h *Hours) Routes(labels map[string]string, at time.Time) correlate.RouteHours {
	var out correlate.RouteHours
	var muted []string
	for _, r := range h.root.Match(labelSet(labels)) {
		why := h.mutes(&r.RouteOpts, at)
		if why == "" {
			out.Open = true
			continue
		}
		if !slices.Contains(muted, why) {
			muted = append(muted, why)
		}
		names := slices.Concat(r.RouteOpts.MuteTimeIntervals, r.RouteOpts.ActiveTimeIntervals)
		opens := h.next(names, at, func(t time.Time) bool { return h.mutes(&r.RouteOpts, t) == "" })
		if !opens.IsZero() && (out.OpensAt.IsZero() || opens.Before(out.OpensAt)) {
			out.OpensAt = opens
		}
	}
	out.Muted = strings.Join(muted, ", ")
	return out
}

// Within implements [correlate.Calendar].
func (h *Hours) Within(interval string, at time.Time) (in bool, change time.Time) {
	in = h.contains(interval, at)
	return in, h.next([]string{interval}, at, func(t time.Time) bool { return h.contains(interval, t) != in })
}

// mutes says what mutes a route at a time; empty: nothing.
func (h *Hours) mutes(opts *dispatch.RouteOpts, at time.Time) string {
	for _, name := range opts.MuteTimeIntervals {
		if h.contains(name, at) {
			return "muted by " + name
		}
	}
	active := opts.ActiveTimeIntervals
	if len(active) > 0 && !slices.ContainsFunc(active, func(name string) bool { return h.contains(name, at) }) {
		return "active only in " + strings.Join(active, ", ")
	}
	return ""
}

func (h *Hours) contains(interval string, at time.Time) bool {
	return slices.ContainsFunc(h.intervals[interval], func(t timeinterval.TimeInterval) bool { return t.ContainsTime(at.UTC()) })
}

const (
	// lookAhead is how many days next looks ahead: any day of a year comes within it.
	lookAhead = 400
	// hourly is for how many of them it looks at each hour too, so that the clock changes of
	// a time zone move nothing by an hour.
	hourly = 3
)

// next is the first time after at from which holds is true, of those at which an interval of
// the names may begin or end; zero: there is none within lookAhead days.
func (h *Hours) next(names []string, at time.Time, holds func(time.Time) bool) time.Time {
	for day := range lookAhead {
		var edges []time.Time
		for _, name := range names {
			for i := range h.intervals[name] {
				edges = append(edges, edgesOf(&h.intervals[name][i], at, day)...)
			}
		}
		slices.SortFunc(edges, time.Time.Compare)
		for _, t := range edges {
			if t.After(at) && holds(t) {
				return t.UTC()
			}
		}
	}
	return time.Time{}
}

// edgesOf are the times at which an interval may begin or end on a day, counted from that of at.
func edgesOf(t *timeinterval.TimeInterval, at time.Time, day int) []time.Time {
	zone := time.UTC
	if t.Location != nil {
		zone = t.Location.Location
	}
	local := at.In(zone)
	minute := func(m int) time.Time {
		return time.Date(local.Year(), local.Month(), local.Day()+day, 0, m, 0, 0, zone)
	}
	edges := []time.Time{minute(0)}
	for _, r := range t.Times {
		edges = append(edges, minute(r.StartMinute), minute(r.EndMinute))
	}
	for hour := range 24 {
		if day < hourly {
			edges = append(edges, at.UTC().Truncate(time.Hour).AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour))
		}
	}
	return edges
}
