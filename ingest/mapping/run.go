package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
)

// add files a program under its key.
func (m *Mapping) add(key string, p cel.Program) {
	m.programs[key] = p
	group, rest, _ := strings.Cut(key, ".")
	if rest == "" {
		return
	}
	m.groups[group] = true
	if kind, name, ok := strings.Cut(rest, "."); ok && group == "alert" {
		switch kind {
		case "labels":
			m.labels = append(m.labels, name)
		case "annotations":
			m.annotations = append(m.annotations, name)
		}
	}
}

// complete says what the mapping lacks.
func (m *Mapping) complete() (errs []error) {
	lacks := func(key, reason string) { errs = append(errs, &Error{Key: key, Reason: reason}) }
	if len(m.groups) == 0 {
		lacks("cel", "maps to nothing; write alert, change or health")
	}
	for _, group := range []string{"change", "health"} {
		for _, key := range required[group] {
			if _, ok := m.programs[group+"."+key]; m.groups[group] && !ok {
				lacks(group+"."+key, "missing")
			}
		}
	}
	_, endsAt := m.programs["alert.ends_at"]
	switch {
	case !m.groups["alert"]:
	case len(m.labels) == 0:
		lacks("alert.labels", "missing; write at least the labels alertname and service")
	case m.endsAfter <= 0 && !endsAt:
		lacks("alert", "needs ends_after beside cel, such as 15m, or ends_at: an event is told once, and its alert would fire for ever")
	}
	return errs
}

// RejectedError says that some events could not be mapped. The signals beside it are of the others.
type RejectedError struct {
	// Rejected counts them.
	Rejected int
	// First is what was wrong with the first.
	First error
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("%d events rejected, the first: %v", e.Rejected, e.First)
}

// Unwrap is the first rejected event's error.
func (e *RejectedError) Unwrap() error { return e.First }

// Signals maps a body: all alerts in one batch, all health results in one, then the
// changes. attributes are those of the CloudEvent that carried it, or nil; received is
// when it came. No signals and no error: everything was skipped.
//
// Errors: a [*body.Error] when the body is no JSON; an [*Error] when `each` fails; a
// [*RejectedError] beside the signals for single events.
func (m *Mapping) Signals(text []byte, attributes map[string]string, received time.Time) ([]correlate.Signal, error) {
	r := body.NewReader(text)
	err := r.Skip()
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read the body: %w", err) // the reader accepts what encoding/json does
	}
	if attributes == nil {
		attributes = map[string]string{}
	}
	run := &run{Mapping: m, received: received.UTC()}
	run.vars = map[string]any{"body": document, "event": document, "ce": attributes, "received": run.received}
	events, err := run.events(document)
	if err != nil {
		return nil, err
	}
	for i, event := range events {
		run.vars["event"] = event
		if err := run.event(); err != nil {
			run.reject(fmt.Errorf("event %d: %w", i, err))
		}
	}
	return run.result()
}

// run is the mapping of one body.
type run struct {
	*Mapping
	vars     map[string]any
	received time.Time

	alerts   []correlate.Alert
	results  []correlate.HealthResult
	changes  []*correlate.Change
	rejected RejectedError
}

func (r *run) reject(err error) {
	if r.rejected.Rejected++; r.rejected.Rejected == 1 {
		r.rejected.First = err
	}
}

func (r *run) result() (signals []correlate.Signal, err error) {
	if len(r.alerts) > 0 {
		signals = append(signals, &correlate.AlertBatch{Source: r.source, Alerts: r.alerts})
	}
	if len(r.results) > 0 {
		signals = append(signals, &correlate.HealthBatch{Source: r.source, Results: r.results})
	}
	for _, c := range r.changes {
		signals = append(signals, c)
	}
	if r.rejected.Rejected > 0 {
		return signals, &r.rejected
	}
	return signals, nil
}

// events are the body's events: what `each` yields, or the body itself.
func (r *run) events(document any) ([]any, error) {
	v, err := r.value("each")
	if v == nil || err != nil {
		return []any{document}, err
	}
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, &Error{Key: "each", Reason: fmt.Sprintf("yields %s, want a list", v.Type().TypeName())}
	}
	n, _ := list.Size().(types.Int)
	if n > MaxEvents {
		return nil, &Error{Key: "each", Reason: fmt.Sprintf("yields %d events; send at most %d at a time", n, MaxEvents)}
	}
	events := make([]any, 0, n)
	for it := list.Iterator(); it.HasNext() == types.True; {
		events = append(events, it.Next())
	}
	return events, nil
}

// value is what the expression at key yields; nil when there is none, or it yields nothing.
func (r *run) value(key string) (ref.Val, error) {
	p, ok := r.programs[key]
	if !ok {
		return nil, nil
	}
	v, _, err := p.Eval(r.vars)
	if err != nil {
		return nil, &Error{Key: key, Reason: err.Error()}
	}
	if o, ok := v.(*types.Optional); ok {
		if !o.HasValue() {
			return nil, nil
		}
		v = o.GetValue()
	}
	if v == types.NullValue {
		return nil, nil
	}
	return v, nil
}

// truth is the truth value at key, or otherwise when there is none.
func (r *run) truth(key string, otherwise bool) (bool, error) {
	v, err := r.value(key)
	if v == nil || err != nil {
		return otherwise, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, &Error{Key: key, Reason: fmt.Sprintf("yields %s, want true or false", v.Type().TypeName())}
	}
	return bool(b), nil
}

// wanted reports whether the group maps the present event.
func (r *run) wanted(group string) (bool, error) {
	if !r.groups[group] {
		return false, nil
	}
	return r.truth(group+".when", true)
}
