package stats

import (
	"math"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Times are how long an incident took to come to each point, by [Measure]; negative:
// it did not, or nobody knows.
type Times [Measures]time.Duration

// unknown is the time of what did not happen.
const unknown time.Duration = -1

// TimesOf reads an incident's times from its row and its pages.
func TimesOf(i *correlate.Incident, pages []*correlate.OutboxEntry) Times {
	rang := firstRing(pages)
	times := Times{
		Detect:      between(i.StartedAt, i.OpenedAt),
		Page:        between(i.StartedAt, rang),
		Acknowledge: between(rang, firstAck(i)),
		Mitigate:    unknown,
		Resolve:     unknown,
	}
	if i.State != correlate.IncidentOpen && !i.ResolvedAt.IsZero() {
		times[Resolve] = between(i.StartedAt, i.ResolvedAt)
		times[Mitigate] = times[Resolve]
		if !i.QuietSince.IsZero() && i.QuietSince.Before(i.ResolvedAt) {
			times[Mitigate] = between(i.StartedAt, i.QuietSince)
		}
	}
	return times
}

// between is how long after one moment another was: never less than nothing, for the
// clocks of senders and receivers are not ours.
func between(from, to time.Time) time.Duration {
	if from.IsZero() || to.IsZero() {
		return unknown
	}
	return max(0, to.Sub(from))
}

// firstAck is when somebody first had the incident. Its row has the latest
// acknowledgement only, and none once it came back.
func firstAck(i *correlate.Incident) time.Time {
	for _, e := range i.Timeline {
		if e.Kind == correlate.TimelineAcked {
			return e.At
		}
	}
	if i.Ack != nil {
		return i.Ack.At
	}
	return time.Time{}
}

// firstRing is when a page first rang somewhere; zero: none did.
func firstRing(pages []*correlate.OutboxEntry) time.Time {
	var first time.Time
	for _, p := range pages {
		if at := arrival(p); p.Page.Kind.Rings() && !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// arrival is when a page first arrived anywhere; zero: it did not.
func arrival(p *correlate.OutboxEntry) time.Time {
	var first time.Time
	for i := range p.Deliveries {
		if at := p.Deliveries[i].SentAt; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// summarize sorts what was measured and puts it into figures. Percentiles are by
// nearest rank, so that each is a duration that there was.
func summarize(measured []time.Duration) Durations {
	n := len(measured)
	if n == 0 {
		return Durations{}
	}
	slices.Sort(measured)
	mean := 0.0
	for _, d := range measured {
		mean += float64(d) / float64(n)
	}
	return Durations{Count: n, Mean: time.Duration(math.Round(mean)), Median: rank(measured, .5), P95: rank(measured, .95)}
}

// rank is the smallest value that at least the share q of all is not above.
func rank(sorted []time.Duration, q float64) time.Duration {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
