// Package change decodes change events, the bodies of POST /webhook/change: what
// was done to a service on purpose, and when. It also holds what the decoders of other
// senders' change events share: the checks that every change has to pass ([Admit]) and the rules that
// map a sender's names to services ([Names]).
//
// It is pure. A body is accepted or refused as a whole: whoever reports changes
// reads the answer and can mend them.
//
// Bounds: names are at most 253 bytes and a link at most [MaxLink], and refused
// beyond; a summary is cut after [MaxSummary]; a body holds at most [MaxChanges].
package change

import (
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
)

// Source is the value of [correlate.Change.Source] for events without one.
const Source = "webhook"

// Bounds of a body.
const (
	MaxChanges = 100     // each is an entry of the stream, stored one after the other
	MaxKind    = 32      // bytes
	MaxSummary = 1 << 10 // bytes; longer ones are cut
	MaxLink    = 2 << 10 // bytes
	MaxSource  = 128     // bytes
)

// DecodeChanges decodes one change or an array of them. Fields, unknown ones being
// skipped:
//
//	service              required: "name" or "namespace/name"
//	namespace            when it is not part of service
//	kind                 required: deploy, config, scale, rollback or another short word
//	summary              one line for people
//	at, time, timestamp  when it happened (RFC 3339); default: on arrival
//	link, url            http or https
//	source               who reports it; default "webhook"
//
// The error is a [*body.Error].
func DecodeChanges(text []byte) ([]*correlate.Change, error) {
	d := decoder{reader: body.NewReader(text)}
	var err error
	if d.reader.IsArray() {
		err = d.reader.Array(func(i int) error {
			if i == MaxChanges {
				return d.reader.Errorf(d.reader.Offset(), "too many: send at most %d changes at a time", MaxChanges)
			}
			return d.change()
		})
	} else {
		err = d.change()
	}
	if err == nil {
		err = d.reader.End()
	}
	if err != nil {
		return nil, err
	}
	return d.changes, nil
}

type decoder struct {
	reader  *body.Reader
	changes []*correlate.Change
}

func (d *decoder) change() error {
	r := d.reader
	start := r.Offset()
	c := correlate.Change{Source: Source}
	var service, namespace string
	err := r.Object(func(key string) (err error) {
		switch key {
		case "service":
			service, err = r.String()
		case "namespace":
			namespace, err = r.String()
		case "kind":
			c.Kind, err = d.kind()
		case "summary":
			c.Summary, err = r.String()
		case "at", "time", "timestamp":
			c.At, err = r.Time()
		case "link", "url":
			c.Link, err = d.link()
		case "source":
			err = d.source(&c.Source)
		default:
			err = r.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	c.Service = body.Service(service, namespace)
	if err := Admit(&c); err != nil {
		return r.Place(start, err)
	}
	d.changes = append(d.changes, &c)
	return nil
}

// kind and link are read with a check of their own, which knows their place.
func (d *decoder) kind() (string, error) {
	start := d.reader.Offset()
	text, err := d.reader.String()
	if err != nil {
		return "", err
	}
	kind, ok := word(text)
	if !ok {
		return "", d.reader.Errorf(start, "%s, got %s", wantKind, body.Quote(text))
	}
	return kind, nil
}

func (d *decoder) link() (string, error) {
	start := d.reader.Offset()
	text, err := d.reader.String()
	if err == nil && !validLink(text) {
		err = d.reader.Errorf(start, "%s, got %s", wantLink, body.Quote(text))
	}
	return text, err
}

func (d *decoder) source(source *string) error {
	start := d.reader.Offset()
	s, err := d.reader.String()
	if err != nil || s == "" {
		return err
	}
	*source = s
	return d.reader.Place(start, body.CheckLength("", s, MaxSource))
}
