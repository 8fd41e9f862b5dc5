package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// A decoder reads JSON strictly: a field that is missing, of the wrong type or
// unknown is an error that names its path. It keeps the first error and turns
// everything after it into a no-op, so that callers check once.
type decoder struct{ err error }

func (d *decoder) fail(path, format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
}

// unmarshal fills v, saying where and in words when it cannot.
func (d *decoder) unmarshal(path string, raw json.RawMessage, v any, want string) {
	if d.err != nil {
		return
	}
	if err := json.Unmarshal(raw, v); err != nil {
		d.fail(path, "want %s, got %s", want, excerpt(raw))
	}
}

// An object is a JSON object of which each field is taken once.
type object struct {
	d      *decoder
	path   string // "" for the document itself
	fields map[string]json.RawMessage
	known  []string
}

// object reads raw as an object. Fields that are null count as absent.
func (d *decoder) object(path string, raw json.RawMessage) *object {
	o := &object{d: d, path: path}
	d.unmarshal(pathOr(path, "the scenario"), raw, &o.fields, "an object")
	maps.DeleteFunc(o.fields, func(_ string, v json.RawMessage) bool { return bytes.Equal(v, []byte("null")) })
	return o
}

func (o *object) at(field string) string {
	if o.path == "" {
		return field
	}
	return o.path + "." + field
}

// take removes a field and returns it; nil when it is absent.
func (o *object) take(field string) json.RawMessage {
	o.known = append(o.known, field)
	raw := o.fields[field]
	delete(o.fields, field)
	return raw
}

// need is take for a field that must be there.
func (o *object) need(field string) json.RawMessage {
	raw := o.take(field)
	if raw == nil {
		o.d.fail(o.at(field), "is missing")
	}
	return raw
}

// text reads a string that must be there and not be empty.
func (o *object) text(field string) string {
	s := o.textOr(field, o.need(field))
	if s == "" {
		o.d.fail(o.at(field), "must not be empty")
	}
	return s
}

// optionalText reads a string; "" when it is absent.
func (o *object) optionalText(field string) string { return o.textOr(field, o.take(field)) }

func (o *object) textOr(field string, raw json.RawMessage) (s string) {
	if raw != nil {
		o.d.unmarshal(o.at(field), raw, &s, "a string")
	}
	return s
}

// texts reads an object of strings; nil when it is absent.
func (o *object) texts(field string) (m map[string]string) {
	if raw := o.take(field); raw != nil {
		o.d.unmarshal(o.at(field), raw, &m, "an object of strings")
	}
	return m
}

// time reads an RFC 3339 time that must be there.
func (o *object) time(field string) time.Time { return o.parseTime(field, o.text(field)) }

// optionalTime reads an RFC 3339 time; zero when it is absent.
func (o *object) optionalTime(field string) time.Time {
	s := o.optionalText(field)
	if s == "" {
		return time.Time{}
	}
	return o.parseTime(field, s)
}

func (o *object) parseTime(field, s string) time.Time {
	if o.d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		o.d.fail(o.at(field), "want an RFC 3339 time such as 2026-01-05T00:07:31.000Z, got %q", s)
	}
	return t
}

// milliseconds reads a number of them; zero when it is absent.
func (o *object) milliseconds(field string) time.Duration {
	var ms float64
	if raw := o.take(field); raw != nil {
		o.d.unmarshal(o.at(field), raw, &ms, "a number of milliseconds")
	}
	if ms < 0 || ms > maxMilliseconds {
		o.d.fail(o.at(field), "want between 0 and %g ms, got %g", float64(maxMilliseconds), ms)
	}
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

// whole reads a whole number that is not negative; zero when it is absent.
func (o *object) whole(field string) (n int64) {
	if raw := o.take(field); raw != nil {
		o.d.unmarshal(o.at(field), raw, &n, "a whole number")
	}
	if n < 0 || n > math.MaxInt32 && field != "id" {
		o.d.fail(o.at(field), "want a whole number of at most %d, got %d", math.MaxInt32, n)
	}
	return n
}

// maxMilliseconds is a day: no response takes longer, and more could overflow.
const maxMilliseconds = 24 * 60 * 60 * 1000

// list calls fn for each element of an array; an absent one is empty.
func (o *object) list(field string, fn func(path string, raw json.RawMessage)) {
	if raw := o.take(field); raw != nil {
		o.elements(field, raw, fn)
	}
}

// needList is list for a field that must be there, though it may be empty.
func (o *object) needList(field string, fn func(path string, raw json.RawMessage)) {
	if raw := o.need(field); raw != nil {
		o.elements(field, raw, fn)
	}
}

func (o *object) elements(field string, raw json.RawMessage, fn func(path string, raw json.RawMessage)) {
	var all []json.RawMessage
	o.d.unmarshal(o.at(field), raw, &all, "a list")
	for i, e := range all {
		if o.d.err != nil {
			return
		}
		fn(fmt.Sprintf("%s[%d]", o.at(field), i), e)
	}
}

// child reads a field that must be an object. What is read from an absent one is empty.
func (o *object) child(field string) *object {
	raw := o.need(field)
	if raw == nil {
		return &object{d: o.d, path: o.at(field)}
	}
	return o.d.object(o.at(field), raw)
}

// done complains about fields that nobody took.
func (o *object) done() {
	for _, field := range slices.Sorted(maps.Keys(o.fields)) {
		o.d.fail(o.at(field), "is not a field here; those are %s", strings.Join(o.known, ", "))
	}
}

// word turns a string into a value of a closed set.
func word[T any](o *object, field, s string, parse func(string) (T, error)) T {
	v, err := parse(s)
	if err != nil {
		o.d.fail(o.at(field), "%s", err)
	}
	return v
}

// oneDocument reports an error unless data is exactly one JSON value.
func oneDocument(data []byte) error {
	if json.Valid(data) {
		return nil
	}
	var v json.RawMessage
	err := json.Unmarshal(data, &v)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("line %d: not JSON: %w", 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")), err)
	}
	return fmt.Errorf("not JSON: %w", err)
}

func excerpt(raw json.RawMessage) string {
	const limit = 40
	if len(raw) <= limit {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw[:limit]), "") + "…"
}

func pathOr(path, otherwise string) string {
	if path == "" {
		return otherwise
	}
	return path
}
