package mapping

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/ingest/health"
)

// event maps the present event. One that fails half-way adds nothing.
func (r *run) event() error {
	if skip, err := r.truth("skip", false); skip || err != nil {
		return err
	}
	alert, err := r.alert()
	if err != nil {
		return err
	}
	done, err := r.change()
	if err != nil {
		return err
	}
	result, err := r.health()
	if err != nil {
		return err
	}
	if alert != nil {
		r.alerts = append(r.alerts, *alert)
	}
	if done != nil {
		r.changes = append(r.changes, done)
	}
	if result != nil {
		r.results = append(r.results, *result)
	}
	return nil
}

func (r *run) alert() (*correlate.Alert, error) {
	if wanted, err := r.wanted("alert"); !wanted || err != nil {
		return nil, err
	}
	var f fields
	a := &correlate.Alert{
		Labels: f.texts(r, "alert.labels.", r.labels), Annotations: f.texts(r, "alert.annotations.", r.annotations),
		StartsAt: f.time(r, "alert.starts_at"), EndsAt: f.time(r, "alert.ends_at"), GeneratorURL: f.text(r, "alert.generator_url"),
	}
	resolved, err := r.truth("alert.resolved", false)
	f.note(err)
	if f.err != nil {
		return nil, f.err
	}
	if len(a.Labels) == 0 {
		return nil, &Error{Key: "alert.labels", Reason: "none of them has a value"}
	}
	if a.Labels["alertname"] == "" {
		a.Labels["alertname"] = r.source
	}
	a.Fingerprint = alertmanager.Fingerprint(a.Labels)
	r.span(a, resolved)
	return a, nil
}

// span says from when to when the alert counts. One whose end has come is over.
func (r *run) span(a *correlate.Alert, resolved bool) {
	if a.StartsAt.IsZero() {
		a.StartsAt = r.received
	}
	switch {
	case resolved && (a.EndsAt.IsZero() || a.EndsAt.After(r.received)):
		a.EndsAt = r.received
	case a.EndsAt.IsZero():
		a.EndsAt = r.received.Add(r.endsAfter)
	}
	if a.EndsAt.Before(a.StartsAt) {
		a.StartsAt = a.EndsAt
	}
	if !a.EndsAt.After(r.received) {
		a.Status = correlate.Resolved
	}
}

func (r *run) change() (*correlate.Change, error) {
	if wanted, err := r.wanted("change"); !wanted || err != nil {
		return nil, err
	}
	var f fields
	c := &correlate.Change{
		Service: body.Service(f.text(r, "change.service"), f.text(r, "change.namespace")),
		Kind:    f.text(r, "change.kind"), Summary: f.text(r, "change.summary"), Link: f.text(r, "change.link"), At: f.time(r, "change.at"), Source: r.source,
	}
	if f.err != nil {
		return nil, f.err
	}
	return c, body.Within("change", change.Admit(c))
}

func (r *run) health() (*correlate.HealthResult, error) {
	if wanted, err := r.wanted("health"); !wanted || err != nil {
		return nil, err
	}
	var f fields
	h := &correlate.HealthResult{
		Service: body.Service(f.text(r, "health.service"), f.text(r, "health.namespace")),
		Check:   f.text(r, "health.check"), Message: f.text(r, "health.message"), At: f.time(r, "health.at"),
	}
	status, latency := f.text(r, "health.status"), f.text(r, "health.latency_ms")
	if f.err != nil {
		return nil, f.err
	}
	var err error
	if h.Status, err = correlate.ParseHealthStatus(strings.ToLower(status)); err != nil {
		return nil, &Error{Key: "health.status", Reason: err.Error()}
	}
	if latency != "" {
		ms, err := strconv.ParseFloat(latency, 64)
		if err != nil || !(ms >= 0 && ms <= float64(health.MaxLatency.Milliseconds())) {
			return nil, &Error{Key: "health.latency_ms", Reason: "want milliseconds, got " + body.Quote(latency)}
		}
		h.Latency = time.Duration(math.Round(ms * float64(time.Millisecond)))
	}
	return h, body.Within("health", health.Admit(h))
}

// fields reads the members of a signal and keeps the first error.
type fields struct{ err error }

func (f *fields) note(err error) {
	if f.err == nil {
		f.err = err
	}
}

// texts are those of the names that have a value.
func (f *fields) texts(r *run, prefix string, names []string) map[string]string {
	all := map[string]string{}
	for _, name := range names {
		all[name] = f.text(r, prefix+name)
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	if len(all) == 0 {
		return nil
	}
	return all
}

// text is the text at key; empty when it yields nothing.
func (f *fields) text(r *run, key string) string {
	v, err := r.value(key)
	if v == nil || err != nil {
		f.note(err)
		return ""
	}
	switch v := v.(type) {
	case types.String:
		return strings.ToValidUTF8(string(v), "\uFFFD")
	case types.Double:
		return strconv.FormatFloat(float64(v), 'f', -1, 64)
	case types.Int, types.Uint, types.Bool:
		return fmt.Sprint(v.Value())
	case types.Timestamp:
		return v.UTC().Format(time.RFC3339Nano)
	}
	f.note(&Error{Key: key, Reason: fmt.Sprintf("yields %s, want a text", v.Type().TypeName())})
	return ""
}

// time is the time at key; zero when it yields nothing.
func (f *fields) time(r *run, key string) time.Time {
	v, err := r.value(key)
	if v == nil || err != nil {
		f.note(err)
		return time.Time{}
	}
	var at time.Time
	switch v := v.(type) {
	case types.Timestamp:
		at = v.UTC()
	case types.String:
		if v == "" {
			return time.Time{}
		}
		if at, err = time.Parse(time.RFC3339, string(v)); err != nil {
			f.note(&Error{Key: key, Reason: "want a time such as 2026-01-05T00:07:22Z (RFC 3339) or Unix seconds, got " + body.Quote(string(v))})
			return time.Time{}
		}
		at = at.UTC()
	case types.Int:
		at = unix(float64(v))
	case types.Double:
		at = unix(float64(v))
	default:
		f.note(&Error{Key: key, Reason: fmt.Sprintf("yields %s, want a time", v.Type().TypeName())})
		return time.Time{}
	}
	if at.Before(body.Earliest) || at.After(body.Latest) {
		f.note(&Error{Key: key, Reason: "want a time between the years 1678 and 2261"})
		return time.Time{}
	}
	return at
}

// unix reads seconds; what would be beyond the year 5138 is milliseconds.
func unix(n float64) time.Time {
	if math.Abs(n) > 1e11 {
		n /= 1000
	}
	if !(math.Abs(n) <= 1e11) { // also what is no number
		return time.Time{}.AddDate(9999, 0, 0)
	}
	whole, part := math.Modf(n)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1000).UTC()
}
