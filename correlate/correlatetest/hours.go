package correlatetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// hours is a calendar of daily intervals, and of routes that are muted in one.
type hours struct {
	intervals map[string]daily
	routes    []hourlyRoute
}

// daily is from a time of the day up to another one, in UTC, over midnight if that is the earlier one.
type daily struct{ from, to time.Duration }

// hourlyRoute is open but in the interval mute.
type hourlyRoute struct {
	matchers []correlate.Matcher
	mute     string
}

func (d daily) contains(at time.Time) bool {
	clock := at.Sub(at.Truncate(24 * time.Hour))
	if d.from <= d.to {
		return clock >= d.from && clock < d.to
	}
	return clock >= d.from || clock < d.to
}

// change is when at's side of the interval ends.
func (d daily) change(at time.Time) time.Time {
	day := at.Truncate(24 * time.Hour)
	var first time.Time
	for i := range 2 {
		for _, edge := range []time.Duration{d.from, d.to} {
			t := day.AddDate(0, 0, i).Add(edge)
			if t.After(at) && d.contains(t) != d.contains(at) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
	}
	return first
}

// Within implements [correlate.Calendar].
func (h *hours) Within(interval string, at time.Time) (in bool, change time.Time) {
	d := h.intervals[interval]
	return d.contains(at), d.change(at)
}

// Routes implements [correlate.Calendar].
func (h *hours) Routes(labels map[string]string, at time.Time) (out correlate.RouteHours) {
	out.Open = len(h.routes) == 0
	for _, r := range h.routes {
		if !matches(r.matchers, labels) {
			continue
		}
		if r.mute == "" || !h.intervals[r.mute].contains(at) {
			out.Open = true
			continue
		}
		out.Muted = "muted by " + r.mute
		if opens := h.intervals[r.mute].change(at); out.OpensAt.IsZero() || opens.Before(out.OpensAt) {
			out.OpensAt = opens
		}
	}
	return out
}

func matches(matchers []correlate.Matcher, labels map[string]string) bool {
	for i := range matchers {
		if !matchers[i].Matches(labels) {
			return false
		}
	}
	return true
}

// calendar is the player's, made when it is first spoken of.
func (p *player) calendar() *hours {
	h, ok := p.cfg.Calendar.(*hours)
	if !ok {
		h = &hours{intervals: map[string]daily{}}
		p.cfg.Calendar = h
	}
	return h
}

// interval reads "<name> 22:00 06:00".
func (p *player) interval(args []string) error {
	if len(args) != 3 || p.engine != nil {
		return fmt.Errorf("want interval <name> <from> <to>, before anything happens")
	}
	var d daily
	for i, into := range []*time.Duration{&d.from, &d.to} {
		t, err := time.Parse("15:04", args[i+1])
		if err != nil {
			return err
		}
		*into = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	p.calendar().intervals[args[0]] = d
	return nil
}

// route reads "[matcher …] [mute=<interval>]".
func (p *player) route(args []string) error {
	if p.engine != nil {
		return fmt.Errorf("a route must come first")
	}
	var r hourlyRoute
	for _, text := range args {
		if name, ok := strings.CutPrefix(text, "mute="); ok {
			r.mute = name
			continue
		}
		m, err := correlate.ParseMatcher(text)
		if err != nil {
			return err
		}
		r.matchers = append(r.matchers, m)
	}
	h := p.calendar()
	h.routes = append(h.routes, r)
	return nil
}

// daytime reads "<interval> [SEV3 …]".
func (p *player) daytime(args []string) error {
	if len(args) == 0 || p.engine != nil {
		return fmt.Errorf("want daytime <interval> [SEV3 …], before anything happens")
	}
	d := correlate.Daytime{Interval: args[0]}
	for _, name := range args[1:] {
		sev, err := correlate.ParseSev(name)
		if err != nil {
			return err
		}
		d.Sevs = append(d.Sevs, sev)
	}
	p.cfg.Policy.Daytime = d
	return nil
}

// maintain reads "<service> … [match=label=value] until=2h [from=1h] [dependents=yes] [by who] reason", or "MW-1 [by who]".
func (p *player) maintain(verb string, plain []string, opts map[string]string, now time.Time) (correlate.Signal, error) {
	c := &correlate.Command{Kind: correlate.CommandAddMaintenance}
	words := signature(c, plain)
	if verb == "end-maintenance" {
		if len(words) != 1 {
			return nil, fmt.Errorf("want end-maintenance MW-<n> [by <who>]")
		}
		c.Kind, c.Window.ID = correlate.CommandEndMaintenance, words[0]
		return c, nil
	}
	for _, name := range words {
		c.Window.Services = append(c.Window.Services, topology.ParseRef(name))
	}
	if m, ok := opts["match"]; ok {
		c.Window.Matchers = []string{m}
	}
	c.Window.Dependents = opts["dependents"] != ""
	until, err := takeDuration(opts, "until")
	if err != nil {
		return nil, err
	}
	from, err := takeDuration(opts, "from")
	if err != nil {
		return nil, err
	}
	c.Window.Until = now.Add(until)
	if from != 0 {
		c.Window.From = now.Add(from)
	}
	return c, nil
}

// recurring reads "<name> <interval> <service> …".
func (p *player) recurring(args []string) error {
	if len(args) < 3 || p.engine != nil {
		return fmt.Errorf("want recurring-maintenance <name> <interval> <service> …, before anything happens")
	}
	r := correlate.RecurringMaintenance{Name: args[0], Interval: args[1], Reason: "every night"}
	for _, name := range args[2:] {
		r.Services = append(r.Services, topology.ParseRef(name))
	}
	p.cfg.Policy.Maintenance = append(p.cfg.Policy.Maintenance, r)
	return nil
}
