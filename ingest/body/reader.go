// Package body reads the JSON bodies of requests: one pass, no reflection, and
// for every mistake the path, the line and the byte at which it stands.
//
// # What it promises
//
// A [Reader] accepts exactly what encoding/json accepts, and its strings are the
// same: invalid UTF-8 and lone surrogates become U+FFFD, of repeated keys all
// are reported in order. Both are fuzzed against each other. Unlike
// encoding/json it matches keys by their exact spelling.
//
// Nesting deeper than [MaxDepth] is refused, so a hostile body cannot exhaust
// the stack. Everything else is bounded by the length of the body, which is the
// caller's to limit.
//
// Strings without escapes share the memory of one copy of the body: they are
// cheap to make, and keep the whole copy alive while one of them is.
//
// It exists for two reasons. encoding/json can neither name the index of the
// alert that is wrong nor go on behind it; and decoding a webhook takes it three
// times as long and six times the allocations (BenchmarkDecodeWebhook in
// ingest/alertmanager runs both).
//
// A Reader is for one goroutine.
package body

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest; encoding/json has the same limit.
const MaxDepth = 10000

// Reader reads one JSON text from left to right. Each method reads the next
// value and leaves the reader behind it. After an error only [Reader.Try] can go on.
type Reader struct {
	text  string
	pos   int
	depth int

	// lines counts the line breaks before linesAt. Mistakes are met from left to
	// right, so a body full of them is counted through once.
	lines, linesAt int
}

// NewReader reads a copy of text.
func NewReader(text []byte) *Reader { return &Reader{text: string(text)} }

// Offset is where the next value begins, in bytes.
func (r *Reader) Offset() int {
	r.next()
	return r.pos
}

// Errorf is an error about the value at offset. Callers add the path with [Within];
// [Reader.Object] and [Reader.Array] do it for what they call.
func (r *Reader) Errorf(offset int, format string, args ...any) *Error {
	if offset < r.linesAt {
		r.lines, r.linesAt = 0, 0
	}
	r.lines += strings.Count(r.text[r.linesAt:offset], "\n")
	r.linesAt = offset
	return &Error{
		Line:   1 + r.lines,
		Offset: offset,
		Reason: fmt.Sprintf(format, args...),
	}
}

// Place gives err the place of the value at offset, if it is an [*Error] without
// one. It is for checks that do not know the body.
func (r *Reader) Place(offset int, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Line == 0 {
		at := r.Errorf(offset, "")
		e.Line, e.Offset = at.Line, at.Offset
	}
	return err
}

// End fails unless only white space is left.
func (r *Reader) End() error {
	if c := r.next(); c != 0 || r.pos < len(r.text) {
		return r.Errorf(r.pos, "more text after the end of the JSON value")
	}
	return nil
}

// Object reads an object and calls member for each key; member must read the value.
func (r *Reader) Object(member func(key string) error) error {
	if err := r.open('{', "an object"); err != nil {
		return err
	}
	if r.next() == '}' {
		return r.closed()
	}
	for {
		if r.next() != '"' {
			return r.unexpected("a key in double quotes")
		}
		key, err := r.quoted()
		if err != nil {
			return err
		}
		if r.next() != ':' {
			return r.unexpected("a colon after the key")
		}
		r.pos++
		if err := member(key); err != nil {
			return Within(keyPlace(key), err)
		}
		switch r.next() {
		case ',':
			r.pos++
		case '}':
			return r.closed()
		default:
			return r.unexpected("a comma or the end of the object")
		}
	}
}

// Array reads an array and calls element for each index; element must read the value.
func (r *Reader) Array(element func(i int) error) error {
	if err := r.open('[', "an array"); err != nil {
		return err
	}
	if r.next() == ']' {
		return r.closed()
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return Within("["+strconv.Itoa(i)+"]", err)
		}
		switch r.next() {
		case ',':
			r.pos++
		case ']':
			return r.closed()
		default:
			return r.unexpected("a comma or the end of the array")
		}
	}
}

// IsArray looks at the next value without reading it.
func (r *Reader) IsArray() bool { return r.next() == '[' }

// IsObject looks at the next value without reading it.
func (r *Reader) IsObject() bool { return r.next() == '{' }

// IsString looks at the next value without reading it.
func (r *Reader) IsString() bool { return r.next() == '"' }

// Null reads a null, if that is what comes next, and reports whether it did.
func (r *Reader) Null() bool {
	if r.next() != 'n' || !strings.HasPrefix(r.text[r.pos:], "null") {
		return false
	}
	r.pos += len("null")
	return true
}

// String reads a string; null counts as the empty one.
func (r *Reader) String() (string, error) {
	if r.next() != '"' {
		if r.Null() {
			return "", nil
		}
		return "", r.unexpected("a string")
	}
	return r.quoted()
}

// Float reads a number; null counts as 0.
func (r *Reader) Float() (float64, error) {
	if r.Null() {
		return 0, nil
	}
	start := r.pos
	literal, err := r.number()
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return 0, r.Errorf(start, "number %s is out of range", Quote(literal))
	}
	return f, nil
}

// Int reads a whole number; null counts as 0.
func (r *Reader) Int() (int, error) {
	start := r.Offset()
	f, err := r.Float()
	if err != nil {
		return 0, err
	}
	const exact = 1 << 53 // beyond it a float64 skips whole numbers
	if f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, r.Errorf(start, "want a whole number, got %v", f)
	}
	return int(f), nil
}

// Earliest and Latest bound the times that a nanosecond count of 64 bits, which
// is how the stream keeps them, can hold.
var (
	Earliest = time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC)
	Latest   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Time reads an RFC 3339 time between [Earliest] and [Latest] and returns it in
// UTC. Null, the empty string and Go's zero time count as the zero time.
func (r *Reader) Time() (time.Time, error) {
	start := r.Offset()
	t, err := r.TimeIn()
	if err == nil && !t.IsZero() && (t.Before(Earliest) || t.After(Latest)) {
		return time.Time{}, r.Errorf(start, "want a time between the years 1678 and 2261, got %s", t.Format(time.RFC3339))
	}
	return t, err
}

// TimeIn is [Reader.Time] without bounds that tries more layouts when the text is
// not RFC 3339. Layouts without a zone mean UTC.
func (r *Reader) TimeIn(layouts ...string) (time.Time, error) {
	start := r.Offset()
	s, err := r.String()
	if err != nil || s == "" {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	for i := 0; err != nil && i < len(layouts); i++ {
		t, err = time.Parse(layouts[i], s)
	}
	if err != nil {
		return time.Time{}, r.Errorf(start, "want a time such as 2026-01-05T00:07:22Z (RFC 3339), got %s", Quote(s))
	}
	return t.UTC(), nil
}

// Skip reads a value of any kind and drops it.
func (r *Reader) Skip() error {
	switch c := r.next(); {
	case c == '{':
		return r.Object(func(string) error { return r.Skip() })
	case c == '[':
		return r.Array(func(int) error { return r.Skip() })
	case c == '"':
		_, err := r.quoted()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := r.number()
		return err
	}
	for _, word := range [...]string{"null", "true", "false"} {
		if strings.HasPrefix(r.text[r.pos:], word) {
			r.pos += len(word)
			return nil
		}
	}
	return r.unexpected("a value")
}

// Try reads one value with read. When read fails on a value that is sound JSON,
// Try skips the value and returns the failure as rejected: the reader can go on
// behind it. When the JSON itself is broken, nothing can, and that is err.
func (r *Reader) Try(read func() error) (rejected, err error) {
	pos, depth := r.Offset(), r.depth
	if rejected = read(); rejected == nil {
		return nil, nil
	}
	r.pos, r.depth = pos, depth
	if err := r.Skip(); err != nil {
		return nil, err
	}
	return rejected, nil
}

// next skips white space and returns the byte at the reader's position without
// reading it; 0 at the end. (A NUL in the text begins no value, so the two need
// no telling apart, except in [Reader.End].)
func (r *Reader) next() byte {
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (r *Reader) open(bracket byte, want string) error {
	if r.next() != bracket {
		return r.unexpected(want)
	}
	if r.depth++; r.depth > MaxDepth {
		return r.Errorf(r.pos, "nested deeper than %d", MaxDepth)
	}
	r.pos++
	return nil
}

func (r *Reader) closed() error {
	r.pos++
	r.depth--
	return nil
}

// unexpected is the error for a reader that wanted something else here.
func (r *Reader) unexpected(want string) *Error {
	var got string
	switch c := r.next(); {
	case r.pos >= len(r.text):
		got = "the end of the body"
	case c == '{':
		got = "an object"
	case c == '[':
		got = "an array"
	case c == '"':
		got = "a string"
	case c == '-' || c >= '0' && c <= '9':
		got = "a number"
	case strings.HasPrefix(r.text[r.pos:], "true"), strings.HasPrefix(r.text[r.pos:], "false"):
		got = "a boolean"
	case strings.HasPrefix(r.text[r.pos:], "null"):
		got = "null"
	default:
		c, _ := utf8.DecodeRuneInString(r.text[r.pos:])
		got = strconv.QuoteRune(c)
	}
	return r.Errorf(r.pos, "want %s, got %s", want, got)
}
