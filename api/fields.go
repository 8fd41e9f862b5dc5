package api

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// comparison is one comparison of a filter, before its value is read.
type comparison struct {
	field   string
	op      operator
	value   string
	present bool // `field:*`: is it set at all?
}

// refuse says that an operator makes no sense for the field.
func (c comparison) refuse(allowed string) error {
	return fmt.Errorf("%s cannot be compared with %q; use %s", c.field, string(c.op), allowed)
}

// filterField is a field that rows of type T can be selected by.
type filterField[T any] struct {
	name    string
	compile func(comparison) (matcher[T], error)
}

// schema is the set of fields of T.
type schema[T any] struct {
	fields []filterField[T]
	// prefix is a family of fields, such as "labels."; empty: none.
	prefix  string
	compile func(name string, c comparison) (matcher[T], error)
	// example is a valid comparison, for errors.
	example string
}

func (s *schema[T]) lookup(name string) (filterField[T], error) {
	for _, f := range s.fields {
		if f.name == name {
			return f, nil
		}
	}
	if member, ok := strings.CutPrefix(name, s.prefix); ok && s.prefix != "" && member != "" {
		return filterField[T]{name: name, compile: func(c comparison) (matcher[T], error) { return s.compile(member, c) }}, nil
	}
	return filterField[T]{}, fmt.Errorf("unknown field %q; use one of %s", name, s.names())
}

func (s *schema[T]) names() string {
	names := make([]string, 0, len(s.fields)+1)
	for _, f := range s.fields {
		names = append(names, f.name)
	}
	if s.prefix != "" {
		names = append(names, s.prefix+"<name>")
	}
	return strings.Join(names, ", ")
}

// textField holds any number of texts; "=" and ":" want one that matches, "!=" wants
// none that is equal.
func textField[T any](name string, get func(T) []string) filterField[T] {
	return filterField[T]{name: name, compile: func(c comparison) (matcher[T], error) { return compileText(c, get) }}
}

func compileText[T any](c comparison, get func(T) []string) (matcher[T], error) {
	contains := strings.ToLower(c.value)
	switch {
	case c.present:
		return func(row T) bool {
			return slices.ContainsFunc(get(row), func(s string) bool { return s != "" })
		}, nil
	case c.op == opEqual:
		return func(row T) bool { return slices.Contains(get(row), c.value) }, nil
	case c.op == opNotEqual:
		return func(row T) bool { return !slices.Contains(get(row), c.value) }, nil
	case c.op == opHas:
		return func(row T) bool {
			return slices.ContainsFunc(get(row), func(s string) bool { return strings.Contains(strings.ToLower(s), contains) })
		}, nil
	}
	return nil, c.refuse("=, != or : (contains)")
}

// rankField is one of some words, ordered from low to high. Words may also be written
// as the API's enums, which is what JSON answers show: prefix and the word in capitals.
func rankField[T any](name, prefix string, words []string, get func(T) int) filterField[T] {
	return filterField[T]{name: name, compile: func(c comparison) (matcher[T], error) {
		word := strings.TrimPrefix(strings.ToUpper(c.value), prefix)
		want := slices.Index(words, strings.ToLower(strings.ReplaceAll(word, "_", "-")))
		if want < 0 {
			return nil, fmt.Errorf("%s is one of %s, not %q", name, strings.Join(words, ", "), c.value)
		}
		return compileOrdered(c, want, func(row T) (int, bool) { return get(row), true })
	}}
}

func numberField[T any](name string, get func(T) float64) filterField[T] {
	return filterField[T]{name: name, compile: func(c comparison) (matcher[T], error) {
		want, err := strconv.ParseFloat(c.value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is a number, not %q", name, c.value)
		}
		return compileOrdered(c, want, func(row T) (float64, bool) { return get(row), true })
	}}
}

// timeField may be unset (zero): then only "!=" holds.
func timeField[T any](name string, get func(T) time.Time) filterField[T] {
	return filterField[T]{name: name, compile: func(c comparison) (matcher[T], error) {
		if c.present {
			return func(row T) bool { return !get(row).IsZero() }, nil
		}
		want, err := time.Parse(time.RFC3339Nano, c.value)
		if err != nil {
			return nil, fmt.Errorf("%s is an RFC 3339 time such as 2026-11-20T08:00:00Z, not %q", name, c.value)
		}
		return compileOrdered(c, want.UnixNano(), func(row T) (int64, bool) {
			t := get(row)
			return t.UnixNano(), !t.IsZero()
		})
	}}
}

func boolField[T any](name string, get func(T) bool) filterField[T] {
	return filterField[T]{name: name, compile: func(c comparison) (matcher[T], error) {
		want, err := strconv.ParseBool(c.value)
		if err != nil {
			return nil, fmt.Errorf("%s is true or false, not %q", name, c.value)
		}
		switch c.op {
		case opEqual, opHas:
			return func(row T) bool { return get(row) == want }, nil
		case opNotEqual:
			return func(row T) bool { return get(row) != want }, nil
		}
		return nil, c.refuse("= or !=")
	}}
}

// compileOrdered compares what get returns with want; a value that is not set differs
// from all others and is neither below nor above them.
func compileOrdered[T any, V cmp.Ordered](c comparison, want V, get func(T) (V, bool)) (matcher[T], error) {
	holds, ok := map[operator]func(int) bool{
		opEqual:        func(d int) bool { return d == 0 },
		opNotEqual:     func(d int) bool { return d != 0 },
		opLess:         func(d int) bool { return d < 0 },
		opLessEqual:    func(d int) bool { return d <= 0 },
		opGreater:      func(d int) bool { return d > 0 },
		opGreaterEqual: func(d int) bool { return d >= 0 },
	}[c.op]
	if !ok {
		return nil, c.refuse("= != < <= > >=")
	}
	return func(row T) bool {
		have, set := get(row)
		if !set {
			return c.op == opNotEqual
		}
		return holds(cmp.Compare(have, want))
	}, nil
}
