// Package health decodes pushed health-check results, the bodies of
// POST /webhook/health, and holds the checks that every result has to pass,
// whether it came over HTTP or gRPC.
//
// It is pure. A body is accepted or refused as a whole: whoever pushes results
// reads the answer and can mend them.
//
// It does not count failures. How many in a row make an alert is decided by the
// engine, from the results in the stream: the count then survives a restart,
// is the same on every replica and in every replay, and a threshold that is
// changed applies to results that were recorded before. A count kept here would
// be none of this.
//
// Bounds: names are at most 253 bytes and refused beyond; messages are cut after
// [MaxMessage]. The number of results is bounded by the length of the body, which
// the caller limits.
package health

import (
	"math"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
)

// Source is the value of [correlate.HealthBatch.Source] for bodies without one.
const Source = "webhook"

// Bounds of a result.
const (
	MaxMessage   = 4 << 10        // bytes; longer messages are cut
	MaxCheck     = 128            // bytes
	MaxLatency   = 24 * time.Hour // more is a mistake in the unit
	MaxThreshold = 1000           // results in a row
	MaxTTL       = 366 * 24 * time.Hour
)

// DecodeReport decodes one result, an array of results, or an object with an
// array of them under "results" and a "source". Fields of a result, unknown ones
// being skipped:
//
//	service            required: "name" or "namespace/name"
//	namespace          when it is not part of service
//	status             required: passing, degraded, failing, unknown; or healthy, up, ok, unhealthy, down
//	check              which of the service's checks; default "health"
//	latency_ms         a number, or
//	latency            a duration such as "120ms"
//	at, timestamp      when the check ran (RFC 3339); default: on arrival
//	message            what the check said
//	failure_threshold  failures in a row that make an alert; default: the configured one
//	success_threshold  passing results in a row that end it; default: the configured one
//	ttl                a duration such as "5m" after which the check is forgotten when
//	                   no other result follows; default: the configured one
//
// The error is a [*body.Error].
func DecodeReport(text []byte) (*correlate.HealthBatch, error) {
	d := decoder{reader: body.NewReader(text), batch: correlate.HealthBatch{Source: Source}}
	var err error
	if d.reader.IsArray() {
		err = d.results()
	} else {
		err = d.object()
	}
	if err == nil {
		err = d.reader.End()
	}
	if err != nil {
		return nil, err
	}
	return &d.batch, nil
}

// Admit says what is wrong with a result, as a [*body.Error], or cuts what is too
// long in it and returns nil.
func Admit(r *correlate.HealthResult) error {
	if err := body.CheckService(r.Service); err != nil {
		return err
	}
	if err := body.CheckLength("check", r.Check, MaxCheck); err != nil {
		return err
	}
	switch {
	case r.Status > correlate.HealthFailing:
		return &body.Error{Field: "status", Reason: wantStatus}
	case r.Latency < 0 || r.Latency > MaxLatency:
		return &body.Error{Field: "latency", Reason: wantLatency}
	case !r.At.IsZero() && (r.At.Before(body.Earliest) || r.At.After(body.Latest)):
		return &body.Error{Field: "checked_at", Reason: "want a time between the years 1678 and 2261"}
	case r.FailureThreshold < 0 || r.FailureThreshold > MaxThreshold:
		return &body.Error{Field: "failure_threshold", Reason: wantThreshold}
	case r.SuccessThreshold < 0 || r.SuccessThreshold > MaxThreshold:
		return &body.Error{Field: "success_threshold", Reason: wantThreshold}
	case r.Count < 0:
		return &body.Error{Field: "count", Reason: "want at least 1, or 0 for 1"}
	case r.TTL < 0 || r.TTL > MaxTTL:
		return &body.Error{Field: "ttl", Reason: wantTTL}
	}
	r.Message = body.Cut(r.Message, MaxMessage)
	return nil
}

const (
	wantStatus  = "want passing, degraded, failing or unknown"
	wantLatency = "want between nothing and 24h"

	wantTTL       = "want between nothing, which means the configured one, and 366 days"
	wantThreshold = "want 1 to 1000, or 0 for the configured one"
)

type decoder struct {
	reader *body.Reader
	batch  correlate.HealthBatch
}

// object reads a single result, or the object around several.
func (d *decoder) object() error {
	start, list := d.reader.Offset(), false
	var single result
	err := d.reader.Object(func(key string) (err error) {
		switch key {
		case "results":
			list = true
			return d.results()
		case "source":
			d.batch.Source, err = d.source()
			return err
		}
		return single.field(d.reader, key)
	})
	if err != nil || list {
		return err
	}
	return d.add(start, &single)
}

func (d *decoder) source() (string, error) {
	start := d.reader.Offset()
	s, err := d.reader.String()
	if err == nil {
		err = d.reader.Place(start, body.CheckLength("", s, MaxCheck))
	}
	if s == "" {
		s = Source
	}
	return s, err
}

func (d *decoder) results() error {
	return d.reader.Array(func(int) error {
		start := d.reader.Offset()
		var one result
		err := d.reader.Object(func(key string) error { return one.field(d.reader, key) })
		if err != nil {
			return err
		}
		return d.add(start, &one)
	})
}

func (d *decoder) add(start int, one *result) error {
	one.Service = body.Service(one.service, one.namespace)
	err := Admit(&one.HealthResult)
	if err == nil && !one.hasStatus {
		err = &body.Error{Field: "status", Reason: "missing: " + wantStatus}
	}
	if err != nil {
		return d.reader.Place(start, err)
	}
	d.batch.Results = append(d.batch.Results, one.HealthResult)
	return nil
}

// result is one result as written.
type result struct {
	correlate.HealthResult
	service, namespace string
	hasStatus          bool
}

func (one *result) field(r *body.Reader, key string) (err error) {
	switch key {
	case "service":
		one.service, err = r.String()
	case "namespace":
		one.namespace, err = r.String()
	case "check":
		one.Check, err = r.String()
	case "status":
		one.Status, err = status(r)
		one.hasStatus = err == nil
	case "latency_ms":
		one.Latency, err = milliseconds(r)
	case "latency":
		one.Latency, err = latencyWords.read(r)
	case "at", "timestamp":
		one.At, err = r.Time()
	case "message":
		one.Message, err = r.String()
	case "failure_threshold":
		one.FailureThreshold, err = r.Int()
	case "success_threshold":
		one.SuccessThreshold, err = r.Int()
	case "ttl":
		one.TTL, err = ttlWords.read(r)
	default:
		err = r.Skip()
	}
	return err
}

func status(r *body.Reader) (correlate.HealthStatus, error) {
	start := r.Offset()
	if !r.IsString() {
		return 0, r.Errorf(start, wantStatus)
	}
	word, err := r.String()
	if err != nil {
		return 0, err
	}
	s, err := correlate.ParseHealthStatus(strings.ToLower(word))
	if err != nil {
		return 0, r.Errorf(start, wantStatus+", got %s", body.Quote(word))
	}
	return s, nil
}

func milliseconds(r *body.Reader) (time.Duration, error) {
	start := r.Offset()
	ms, err := r.Float()
	if err != nil {
		return 0, err
	}
	if ms < 0 || ms > float64(MaxLatency.Milliseconds()) {
		return 0, r.Errorf(start, wantLatency+", got %v ms", ms)
	}
	return time.Duration(math.Round(ms * float64(time.Millisecond))), nil
}

// durationWords is what a duration may be, and how that is said.
type durationWords struct {
	most    time.Duration
	example string
	bounds  string // both ends, as an error says them
	noText  string // what an error adds when it is no text
}

var (
	latencyWords = durationWords{MaxLatency, `"120ms"`, wantLatency, "; a number of milliseconds goes into latency_ms"}
	ttlWords     = durationWords{MaxTTL, `"5m"`, wantTTL, ""}
)

func (w *durationWords) read(r *body.Reader) (time.Duration, error) {
	start := r.Offset()
	if r.Null() {
		return 0, nil
	}
	if !r.IsString() {
		return 0, r.Errorf(start, "want a duration such as %s%s", w.example, w.noText)
	}
	text, err := r.String()
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, r.Errorf(start, "want a duration such as %s, got %s", w.example, body.Quote(text))
	}
	if d < 0 || d > w.most {
		return 0, r.Errorf(start, "%s, got %v", w.bounds, d)
	}
	return d, nil
}
