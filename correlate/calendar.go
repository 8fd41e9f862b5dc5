package correlate

import (
	"fmt"
	"slices"
	"time"
)

// Calendar knows which routes are open when. It is a pure function of its arguments: the
// same question has the same answer, whenever it is asked.
type Calendar interface {
	// Routes says whether a page of an incident with these labels ([Incident.RouteLabels]) goes anywhere at a time.
	Routes(labels map[string]string, at time.Time) RouteHours
	// Within reports whether at lies in a time interval, and when that changes next; zero: not for a year.
	Within(interval string, at time.Time) (in bool, change time.Time)
}

// RouteHours is how the routes of an incident stand at a time.
type RouteHours struct {
	// Open: one of them at least is open.
	Open bool
	// Muted says in words what mutes the others; empty: nothing does.
	Muted string
	// OpensAt is when the first of those that are muted opens; zero: not for a year.
	OpensAt time.Time
}

// Daytime lets incidents that are not bad wait for the morning.
type Daytime struct {
	// Interval is the time interval in which they page; empty: they page at any time.
	Interval string
	// Sevs are those that wait. Default: SEV3 and SEV4.
	Sevs []Sev
}

// lookAgain is when a page is looked at again that by its calendar would never leave.
const lookAgain = 24 * time.Hour

// maxShifts bounds how often a page is put off from one hour to the next in one look: daytime and routes may
// be open in turns.
const maxShifts = 8

// hours puts a page that would leave at a time off until somebody may be rung, and says what
// holds it; nothing when nothing does.
func (e *Engine) hours(row *Incident, at time.Time) (time.Time, Hold) {
	var hold Hold
	for range maxShifts {
		next, h := e.shut(row, at)
		if h.Kind == HoldNone {
			break
		}
		at = next
		h.Until = at
		hold = h
	}
	return at, hold
}

// shut says until when a page may not leave at a time, if it may not.
func (e *Engine) shut(row *Incident, at time.Time) (time.Time, Hold) {
	cal := e.cfg.Calendar
	if cal == nil {
		return at, Hold{}
	}
	if day := &e.cfg.Policy.Daytime; day.Interval != "" && slices.Contains(day.Sevs, row.Sev) {
		if in, change := cal.Within(day.Interval, at); !in {
			return orLater(change, at), Hold{Kind: HoldDaytime, Text: fmt.Sprintf("%s waits for %s", row.Sev, day.Interval)}
		}
	}
	if routes := cal.Routes(row.RouteLabels(), at); !routes.Open {
		return orLater(routes.OpensAt, at), Hold{Kind: HoldHours, Text: "every route is " + routes.Muted}
	}
	return at, Hold{}
}

func orLater(change, at time.Time) time.Time {
	if change.After(at) {
		return change
	}
	return at.Add(lookAgain)
}

// noteRoutes remembers which routes did not get a page that rings, and when they open.
func (e *Engine) noteRoutes(row *Incident) {
	row.Paging.RouteOpensAt, row.Paging.RouteMuted = time.Time{}, ""
	if e.cfg.Calendar == nil {
		return
	}
	if routes := e.cfg.Calendar.Routes(row.RouteLabels(), e.meta.Now); routes.Open && routes.Muted != "" {
		row.Paging.RouteOpensAt, row.Paging.RouteMuted = routes.OpensAt, routes.Muted
	}
}
