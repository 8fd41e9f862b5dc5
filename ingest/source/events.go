package source

import (
	"errors"
	"fmt"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/ingest/cloudevents"
	"github.com/headwater-sre/headwater/ingest/mapping"
)

// The types of CloudEvents whose data is a body of one of our own endpoints.
const (
	TypeAlerts = "headwater.alerts" // as POST /api/v2/alerts takes
	TypeHealth = "headwater.health"
	TypeChange = "headwater.change"
)

// decodeEvents decodes plain JSON, by the mapping, or CloudEvents, by the mapping or
// else by their types.
func decodeEvents(r *Request, kind string, o options) (Decoded, error) {
	if !cloudevents.Is(r.ContentType, r.header) && kind == KindEvents {
		signals, err := o.mapping.Signals(r.Body, nil, r.Received)
		return noted(signals, 1), err
	}
	events, err := cloudevents.Decode(r.ContentType, r.header, r.Body)
	if err != nil {
		return Decoded{}, err
	}
	var all Decoded
	var rejected mapping.RejectedError
	for i := range events {
		d, err := decodeEvent(&events[i], r, o)
		if err != nil {
			reject(&rejected, fmt.Errorf("event %s: %w", events[i].ID, err))
		}
		all.Signals = append(all.Signals, d.Signals...)
		all.Note = d.Note
	}
	if len(events) != 1 || len(all.Signals) > 0 {
		all = noted(all.Signals, len(events))
	}
	if rejected.Rejected > 0 {
		return all, &rejected
	}
	return all, nil
}

func decodeEvent(ev *cloudevents.Event, r *Request, o options) (Decoded, error) {
	if o.mapping != nil {
		data := ev.Data
		if len(data) == 0 {
			data = []byte("null")
		}
		signals, err := o.mapping.Signals(data, ev.Attributes(), r.Received)
		return noted(signals, 1), err
	}
	switch ev.Type {
	case TypeAlerts:
		return alerts(alertmanager.DecodeV2Alerts(ev.Data, r.Received))
	case TypeHealth:
		return decodeHealth(&Request{Body: ev.Data})
	case TypeChange:
		return decoder(KindChange, o)(&Request{Body: ev.Data})
	}
	c, note, err := cloudevents.Change(ev, o.names)
	if c == nil {
		return Decoded{Note: note}, err
	}
	return Decoded{Signals: []correlate.Signal{c}}, nil
}

// noted says of n events without signals that they mapped to nothing.
func noted(signals []correlate.Signal, n int) Decoded {
	if len(signals) > 0 {
		return Decoded{Signals: signals}
	}
	return Decoded{Note: describe(n)}
}

// reject counts what one event's error rejects.
func reject(all *mapping.RejectedError, err error) {
	n := 1
	var several *mapping.RejectedError
	var partial *alertmanager.PartialError
	switch {
	case errors.As(err, &several):
		n = several.Rejected
	case errors.As(err, &partial):
		n = partial.Rejected
	}
	if all.Rejected == 0 {
		all.First = err
	}
	all.Rejected += n
}
