package replay

import (
	"fmt"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// groupEngine is an engine so simple that its results can be worked out by
// hand: alerts of one key are one incident, paged 30 s after its first alert
// and again, as an update, 60 s after. The services that have alerted most are
// the likeliest origins.
type groupEngine struct {
	key       func(*correlate.Alert) string
	incidents map[string]*correlate.Incident // by key
	counts    map[string]map[string]int      // by incident and service
	seen      map[correlate.AlertID]bool
	due       []deadline
	number    uint64
	log       []string // every input, in words
}

type deadline struct {
	at  time.Time
	key string
	n   correlate.PageKind
}

func newGroupEngine(key func(*correlate.Alert) string) *groupEngine {
	return &groupEngine{
		key:       key,
		incidents: map[string]*correlate.Incident{},
		counts:    map[string]map[string]int{},
		seen:      map[correlate.AlertID]bool{},
	}
}

func oneGroup(*correlate.Alert) string            { return "all" }
func byService(a *correlate.Alert) string         { return a.Labels["service"] }
func (e *groupEngine) logf(f string, args ...any) { e.log = append(e.log, fmt.Sprintf(f, args...)) }
func (e *groupEngine) NextDeadline() (time.Time, bool) {
	if len(e.due) == 0 {
		return time.Time{}, false
	}
	return e.due[0].at, true
}

func (e *groupEngine) Step(in correlate.Input) *correlate.Delta {
	d := &correlate.Delta{}
	e.logf("%d %s %T", in.Pos, in.At.UTC().Format("15:04:05.000"), in.Signal)
	for len(e.due) > 0 && !e.due[0].at.After(in.At) {
		e.page(d, e.due[0])
		e.due = e.due[1:]
	}
	if batch, ok := in.Signal.(*correlate.AlertBatch); ok {
		for i := range batch.Alerts {
			e.alert(d, in.At, &batch.Alerts[i])
		}
	}
	return d
}

func (e *groupEngine) alert(d *correlate.Delta, at time.Time, a *correlate.Alert) {
	if e.seen[a.ID()] {
		return
	}
	e.seen[a.ID()] = true
	key := e.key(a)
	inc := e.incidents[key]
	if inc == nil {
		e.number++
		inc = &correlate.Incident{
			ID: fmt.Sprintf("INC-%d", e.number), Number: e.number, OpenedAt: at, Title: a.Labels["alertname"],
			Timeline: []correlate.TimelineEntry{{At: at, Kind: correlate.TimelineOpened, Text: "opened: " + a.Labels["service"]}},
		}
		e.incidents[key] = inc
		e.counts[key] = map[string]int{}
		for i, after := range []time.Duration{30 * time.Second, time.Minute} {
			e.due = append(e.due, deadline{at: at.Add(after), key: key, n: correlate.PageKind(i)})
		}
		slices.SortStableFunc(e.due, func(a, b deadline) int { return a.at.Compare(b.at) })
	}
	e.counts[key][a.Labels["service"]]++
	d.Alerts = append(d.Alerts, &correlate.AlertState{Alert: *a, Service: topology.Ref{Name: a.Labels["service"]}, Incident: inc.ID})
	e.rank(d, key)
}

func (e *groupEngine) rank(d *correlate.Delta, key string) {
	inc := *e.incidents[key]
	inc.Origins = nil
	total := 1
	for _, n := range e.counts[key] {
		total += n
	}
	for svc, n := range e.counts[key] {
		if svc != "" {
			inc.Origins = append(inc.Origins, correlate.Origin{
				Service: topology.Ref{Name: svc}, Probability: float64(n) / float64(total),
				Reasons: []correlate.Reason{{Text: fmt.Sprintf("has alerted %d times", n), Weight: float64(n)}},
			})
		}
	}
	slices.SortFunc(inc.Origins, func(a, b correlate.Origin) int {
		if a.Probability != b.Probability {
			if a.Probability > b.Probability {
				return -1
			}
			return 1
		}
		if a.Service.Name < b.Service.Name {
			return -1
		}
		return 1
	})
	inc.Unknown = 1 / float64(total)
	inc.Services, inc.Path = nil, nil
	for i, o := range inc.Origins {
		inc.Services = append(inc.Services, correlate.ServiceImpact{Service: o.Service, Alerts: 1})
		if i > 0 {
			inc.Path = append(inc.Path, correlate.PathEdge{
				Cause: inc.Origins[i-1].Service, Effect: o.Service, Kind: "depends", Delay: time.Duration(2-i) * time.Second,
			})
		}
	}
	e.incidents[key] = &inc
	d.Incidents = append(d.Incidents, &inc)
}

func (e *groupEngine) page(d *correlate.Delta, due deadline) {
	inc := *e.incidents[due.key]
	inc.Timeline = append(slices.Clip(inc.Timeline), correlate.TimelineEntry{At: due.at, Kind: correlate.TimelinePage, Text: "page (" + due.n.String() + ")"})
	e.incidents[due.key] = &inc
	d.Incidents = append(d.Incidents, &inc)
	d.Pages = append(d.Pages, &correlate.Page{Incident: *e.incidents[due.key], Seq: uint64(due.n) + 1, Kind: due.n, At: due.at})
}
