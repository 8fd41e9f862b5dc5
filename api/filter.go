package api

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The filter language is a subset of AIP-160: comparisons joined by AND, OR, NOT and
// parentheses. OR binds tighter than AND, as AIP-160 has it. What the full language
// offers beyond that (functions, nested fields, bare words that search everywhere) is
// refused with the position and a way out: a filter that silently meant something
// else would hide incidents.

const (
	maxFilterBytes = 4 << 10 // longer than any filter that a person or a dashboard writes
	maxFilterDepth = 50      // nesting of parentheses and NOT, which the parser recurses on
)

// filterError says what is wrong with a filter and where.
type filterError struct {
	column int // 1-based, in characters
	text   string
}

func (e *filterError) Error() string { return fmt.Sprintf("column %d: %s", e.column, e.text) }

// operator is how a field is compared with a value.
type operator string

const (
	opEqual        operator = "="
	opNotEqual     operator = "!="
	opLess         operator = "<"
	opLessEqual    operator = "<="
	opGreater      operator = ">"
	opGreaterEqual operator = ">="
	opHas          operator = ":"
)

// operators are tried in this order: the longer ones first.
var operators = []operator{opNotEqual, opLessEqual, opGreaterEqual, opEqual, opLess, opGreater, opHas}

// matcher is a compiled filter over rows of type T. A nil matcher takes everything.
type matcher[T any] func(T) bool

func (m matcher[T]) match(row T) bool { return m == nil || m(row) }

// filter is a compiled filter.
type filter[T any] struct {
	matcher[T]
	// required holds, for fields compared with "=" in a way that every match must
	// satisfy, the value: a scan may use it to look at fewer rows.
	required map[string]string
}

// compileFilter reads src, which may be empty.
func compileFilter[T any](fields schema[T], src string) (filter[T], error) {
	if len(src) > maxFilterBytes {
		return filter[T]{}, &filterError{column: 1, text: fmt.Sprintf("the filter is longer than %d bytes", maxFilterBytes)}
	}
	if !utf8.ValidString(src) {
		return filter[T]{}, &filterError{column: 1, text: "the filter is not valid UTF-8"}
	}
	p := filterParser[T]{src: src, fields: fields}
	if p.skipSpace(); p.atEnd() {
		return filter[T]{}, nil
	}
	n, err := p.and()
	if err != nil {
		return filter[T]{}, err
	}
	if !p.atEnd() {
		return filter[T]{}, p.errorf(p.pos, "unexpected %q; join comparisons with AND or OR", p.rest(12))
	}
	return filter[T]{matcher: n.match, required: n.required}, nil
}

// node is a compiled part of a filter.
type node[T any] struct {
	match    matcher[T]
	required map[string]string
}

// filterParser is a recursive-descent parser that reads src from pos on. Each method
// leaves pos behind what it read and the space after it.
type filterParser[T any] struct {
	src    string
	pos    int
	depth  int
	fields schema[T]
}

// and = or { "AND" or }
func (p *filterParser[T]) and() (node[T], error) {
	left, err := p.or()
	for err == nil && p.keyword("AND") {
		var right node[T]
		if right, err = p.or(); err == nil {
			left = bothOf(left, right)
		}
	}
	return left, err
}

// or = term { "OR" term }
func (p *filterParser[T]) or() (node[T], error) {
	left, err := p.term()
	for err == nil && p.keyword("OR") {
		var right node[T]
		if right, err = p.term(); err == nil {
			left = anyOf(left, right)
		}
	}
	return left, err
}

// term = [ "NOT" | "-" ] ( "(" and ")" | comparison )
func (p *filterParser[T]) term() (node[T], error) {
	if p.depth++; p.depth > maxFilterDepth {
		return node[T]{}, p.errorf(p.pos, "nested deeper than %d levels", maxFilterDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.keyword("NOT") || p.symbol("-"):
		n, err := p.term()
		if err != nil {
			return node[T]{}, err
		}
		return node[T]{match: func(row T) bool { return !n.match(row) }}, nil
	case p.symbol("("):
		open := p.pos
		n, err := p.and()
		if err == nil && !p.symbol(")") {
			err = p.errorf(open, "this parenthesis is never closed")
		}
		return n, err
	default:
		return p.comparison()
	}
}

// comparison = field operator value
func (p *filterParser[T]) comparison() (node[T], error) {
	start := p.pos
	name := p.take(isFieldByte)
	if name == "" {
		return node[T]{}, p.errorf(start, "want a comparison such as %s, found %s", p.fields.example, p.found())
	}
	field, err := p.fields.lookup(name)
	if err != nil {
		return node[T]{}, p.errorf(start, "%v", err)
	}
	op, err := p.operator(name)
	if err != nil {
		return node[T]{}, err
	}
	valueAt := p.pos
	value, quoted, err := p.value()
	if err != nil {
		return node[T]{}, err
	}
	match, err := field.compile(comparison{field: name, op: op, value: value, present: op == opHas && value == "*" && !quoted})
	if err != nil {
		return node[T]{}, p.errorf(valueAt, "%v", err)
	}
	n := node[T]{match: match}
	if op == opEqual {
		n.required = map[string]string{name: value}
	}
	return n, nil
}

func (p *filterParser[T]) operator(field string) (operator, error) {
	for _, op := range operators {
		if p.symbol(string(op)) {
			return op, nil
		}
	}
	return "", p.errorf(p.pos, "want an operator (= != < <= > >= :) after %s, found %s", field, p.found())
}

// value reads a quoted string or a bare word.
func (p *filterParser[T]) value() (value string, quoted bool, err error) {
	if p.atEnd() {
		return "", false, p.errorf(p.pos, "want a value, found the end")
	}
	if quote := p.src[p.pos]; quote == '"' || quote == '\'' {
		value, err = p.quoted(quote)
		return value, true, err
	}
	start := p.pos
	if value = p.take(isBareByte); value == "" {
		return "", false, p.errorf(start, "want a value, found %s", p.found())
	}
	return value, false, nil
}

// quoted reads a string in quotes; a backslash takes the next character as it is.
func (p *filterParser[T]) quoted(quote byte) (string, error) {
	start := p.pos
	var b strings.Builder
	for i := p.pos + 1; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == quote:
			p.pos = i + 1
			p.skipSpace()
			return b.String(), nil
		case c == '\\' && i+1 < len(p.src):
			i++
			b.WriteByte(p.src[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.errorf(start, "this string is never closed")
}

// keyword reads a word in upper case that stands alone.
func (p *filterParser[T]) keyword(word string) bool {
	end := p.pos + len(word)
	if !strings.HasPrefix(p.src[p.pos:], word) || (end < len(p.src) && isFieldByte(p.src[end])) {
		return false
	}
	p.pos = end
	p.skipSpace()
	return true
}

func (p *filterParser[T]) symbol(s string) bool {
	if !strings.HasPrefix(p.src[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	p.skipSpace()
	return true
}

// take reads the longest run of bytes that accept takes.
func (p *filterParser[T]) take(accept func(byte) bool) string {
	start := p.pos
	for !p.atEnd() && accept(p.src[p.pos]) {
		p.pos++
	}
	word := p.src[start:p.pos]
	p.skipSpace()
	return word
}

func (p *filterParser[T]) skipSpace() {
	for !p.atEnd() && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *filterParser[T]) atEnd() bool { return p.pos >= len(p.src) }

// found names what stands at pos, for errors.
func (p *filterParser[T]) found() string {
	if p.atEnd() {
		return "the end"
	}
	return fmt.Sprintf("%q", p.rest(12))
}

// rest is at most n characters from pos on.
func (p *filterParser[T]) rest(n int) string {
	r := []rune(p.src[p.pos:])
	return string(r[:min(n, len(r))])
}

func (p *filterParser[T]) errorf(at int, format string, args ...any) error {
	return &filterError{column: utf8.RuneCountInString(p.src[:at]) + 1, text: fmt.Sprintf(format, args...)}
}

func isFieldByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.'
}

// isBareByte: a bare value runs to the next space or parenthesis, so that times,
// alert ids and URLs need no quotes.
func isBareByte(c byte) bool { return strings.IndexByte(" \t\r\n()\"'=<>!", c) < 0 }

func bothOf[T any](a, b node[T]) node[T] {
	required := make(map[string]string, len(a.required)+len(b.required))
	for field, value := range b.required {
		required[field] = value
	}
	for field, value := range a.required {
		required[field] = value
	}
	return node[T]{match: func(row T) bool { return a.match(row) && b.match(row) }, required: required}
}

func anyOf[T any](a, b node[T]) node[T] {
	return node[T]{match: func(row T) bool { return a.match(row) || b.match(row) }}
}
