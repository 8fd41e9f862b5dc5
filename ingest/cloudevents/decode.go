// Package cloudevents takes CloudEvents (specification 1.0) out of HTTP requests: in
// binary mode, where the attributes are headers; in structured mode, where they stand in a
// JSON object around the data; and batches of the latter.
//
// It is pure, and knows the envelope alone, but for CDEvents: those about services are
// changes ([Change]).
//
// Bounds: a batch holds at most [MaxEvents]; the rest is bounded by the length of the body.
package cloudevents

import (
	"encoding/base64"
	"maps"
	"mime"
	"net/url"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/ingest/body"
)

// MaxEvents is how many events a batch may hold.
const MaxEvents = 500

// Event is one event.
type Event struct {
	// ID, Source and Type are required by the specification.
	ID, Source, Type string
	Subject          string
	Time             time.Time // zero: not given
	// Data is JSON, or anything else as DataContentType says. May be empty.
	Data            []byte
	DataContentType string
	// Extensions are the other attributes that are strings.
	Extensions map[string]string
}

// Is reports whether a request carries CloudEvents: by its content type, or because the
// attributes are in its headers. header gives the value of a header, by any spelling.
func Is(contentType string, header func(string) string) bool {
	return strings.HasPrefix(mediaType(contentType), "application/cloudevents") || header("ce-specversion") != ""
}

// Decode returns the events of a request. The error is a [*body.Error].
func Decode(contentType string, header func(string) string, text []byte) ([]Event, error) {
	switch kind := mediaType(contentType); {
	case strings.HasPrefix(kind, "application/cloudevents-batch"):
		return decodeBatch(text)
	case strings.HasPrefix(kind, "application/cloudevents"):
		return decodeStructured(text)
	}
	return decodeBinary(contentType, header, text)
}

func mediaType(contentType string) string {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return kind
}

func decodeBinary(contentType string, header func(string) string, text []byte) ([]Event, error) {
	attribute := func(name string) string {
		v := header("ce-" + name)
		if plain, err := url.PathUnescape(v); err == nil { // the specification has headers percent-encoded
			v = plain
		}
		return strings.ToValidUTF8(v, "\uFFFD")
	}
	ev := Event{
		ID: attribute("id"), Source: attribute("source"), Type: attribute("type"), Subject: attribute("subject"),
		Data: text, DataContentType: contentType,
	}
	if at := attribute("time"); at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, &body.Error{Field: "ce-time", Reason: "want a time such as 2026-01-05T00:07:22Z (RFC 3339), got " + body.Quote(at)}
		}
		ev.Time = t.UTC()
	}
	if err := ev.check(attribute("specversion"), "ce-"); err != nil {
		return nil, err
	}
	return []Event{ev}, nil
}

func decodeStructured(text []byte) ([]Event, error) {
	r := body.NewReader(text)
	ev, err := readEvent(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return []Event{ev}, nil
}

func decodeBatch(text []byte) (events []Event, err error) {
	r := body.NewReader(text)
	err = r.Array(func(i int) error {
		if i == MaxEvents {
			return r.Errorf(r.Offset(), "too many: send at most %d events at a time", MaxEvents)
		}
		ev, err := readEvent(r)
		events = append(events, ev)
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return events, nil
}

func readEvent(r *body.Reader) (ev Event, err error) {
	start, version := r.Offset(), ""
	fields := body.Fields{
		"specversion": r.Text(&version), "id": r.Text(&ev.ID), "source": r.Text(&ev.Source), "type": r.Text(&ev.Type), "subject": r.Text(&ev.Subject),
		"time": r.Moment(&ev.Time), "datacontenttype": r.Text(&ev.DataContentType), "dataschema": r.Skip,
		"data": func() error {
			raw, err := r.Raw()
			ev.Data = []byte(raw)
			return err
		},
		"data_base64": func() error {
			at := r.Offset()
			encoded, err := r.String()
			if err != nil {
				return err
			}
			if ev.Data, err = base64.StdEncoding.DecodeString(encoded); err != nil {
				return r.Errorf(at, "is not base64")
			}
			return nil
		},
	}
	err = r.Object(func(key string) error {
		if read, ok := fields[key]; ok {
			return read()
		}
		if !r.IsString() {
			return r.Skip()
		}
		value, err := r.String()
		if ev.Extensions == nil {
			ev.Extensions = map[string]string{}
		}
		ev.Extensions[key] = value
		return err
	})
	if err != nil {
		return ev, err
	}
	return ev, r.Place(start, ev.check(version, ""))
}

// check says which required attribute is missing; prefix is that of its name where it stood.
func (ev *Event) check(version, prefix string) error {
	missing := func(name string) error {
		return &body.Error{Field: prefix + name, Reason: "missing: the specification of CloudEvents requires it"}
	}
	switch {
	case version == "":
		return missing("specversion")
	case !strings.HasPrefix(version, "1."):
		return &body.Error{Field: prefix + "specversion", Reason: "want 1.0, got " + body.Quote(version)}
	case ev.ID == "":
		return missing("id")
	case ev.Source == "":
		return missing("source")
	case ev.Type == "":
		return missing("type")
	}
	return nil
}

// Attributes are the event's attributes by name, extensions included.
func (ev *Event) Attributes() map[string]string {
	all := map[string]string{}
	maps.Copy(all, ev.Extensions)
	all["id"], all["source"], all["type"], all["subject"] = ev.ID, ev.Source, ev.Type, ev.Subject
	if !ev.Time.IsZero() {
		all["time"] = ev.Time.Format(time.RFC3339Nano)
	}
	return all
}
