package body

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads the string whose opening quote is next.
func (r *Reader) quoted() (string, error) {
	start := r.pos + 1
	ascii := true
	for i := start; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			s := r.text[start:i]
			if !ascii && !utf8.ValidString(s) {
				return r.unquote(start, start)
			}
			r.pos = i + 1
			return s, nil
		case c == '\\':
			if !ascii {
				return r.unquote(start, start)
			}
			return r.unquote(start, i)
		case c < ' ':
			return "", r.Errorf(i, "control character %q in a string: write it as an escape", rune(c))
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", r.Errorf(r.pos, "the string that begins here has no end")
}

// unquote reads a string that is not the same in Go as in the body, from start;
// up to i it is.
func (r *Reader) unquote(start, i int) (string, error) {
	var b strings.Builder
	if end := strings.IndexByte(r.text[i:], '"'); end > 0 {
		b.Grow(i + end - start) // enough unless the quote found is an escaped one
	}
	b.WriteString(r.text[start:i])
	for i < len(r.text) {
		switch c := r.text[i]; {
		case c == '"':
			r.pos = i + 1
			return b.String(), nil
		case c == '\\':
			length := r.escape(&b, i+1)
			if length == 0 {
				return "", r.Errorf(i, "unknown escape in a string")
			}
			i += 1 + length
		case c < ' ':
			return "", r.Errorf(i, "control character %q in a string: write it as an escape", rune(c))
		case c < utf8.RuneSelf:
			b.WriteByte(c)
			i++
		default:
			c, size := utf8.DecodeRuneInString(r.text[i:])
			b.WriteRune(c) // U+FFFD for a byte that is no UTF-8
			i += size
		}
	}
	return "", r.Errorf(r.pos, "the string that begins here has no end")
}

// escape writes what the escape at i (behind the backslash) stands for and
// returns its length, 0 when it is none.
func (r *Reader) escape(b *strings.Builder, i int) int {
	if i >= len(r.text) {
		return 0
	}
	switch c := r.text[i]; c {
	case '"', '\\', '/':
		b.WriteByte(c)
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		return r.escapedRune(b, i)
	default:
		return 0
	}
	return 1
}

// escapedRune is escape for uXXXX; two of them can make up one rune.
func (r *Reader) escapedRune(b *strings.Builder, i int) int {
	const unit = len("uXXXX")
	first, ok := r.hexUnit(i)
	if !ok {
		return 0
	}
	if !utf16.IsSurrogate(first) {
		b.WriteRune(first)
		return unit
	}
	if i+unit < len(r.text) && r.text[i+unit] == '\\' {
		second, ok := r.hexUnit(i + unit + 1)
		if pair := utf16.DecodeRune(first, second); ok && pair != utf8.RuneError {
			b.WriteRune(pair)
			return unit + 1 + unit
		}
	}
	b.WriteRune(utf8.RuneError)
	return unit
}

func (r *Reader) hexUnit(i int) (rune, bool) {
	if i+5 > len(r.text) || r.text[i] != 'u' {
		return 0, false
	}
	for _, c := range []byte(r.text[i+1 : i+5]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0, false // ParseUint takes more than digits
		}
	}
	u, err := strconv.ParseUint(r.text[i+1:i+5], 16, 16)
	return rune(u), err == nil
}

// number reads a number and returns it as written.
func (r *Reader) number() (string, error) {
	if c := r.next(); c != '-' && (c < '0' || c > '9') {
		return "", r.unexpected("a number")
	}
	start, i := r.pos, r.pos
	if r.text[i] == '-' {
		i++
	}
	whole := r.digits(i)
	if whole == 0 || whole > 1 && r.text[i] == '0' {
		return "", r.Errorf(start, "not a number")
	}
	i += whole
	if i < len(r.text) && r.text[i] == '.' {
		fraction := r.digits(i + 1)
		if fraction == 0 {
			return "", r.Errorf(start, "not a number: no digit after the point")
		}
		i += 1 + fraction
	}
	if i < len(r.text) && (r.text[i] == 'e' || r.text[i] == 'E') {
		i++
		if i < len(r.text) && (r.text[i] == '+' || r.text[i] == '-') {
			i++
		}
		exponent := r.digits(i)
		if exponent == 0 {
			return "", r.Errorf(start, "not a number: no digit in the exponent")
		}
		i += exponent
	}
	r.pos = i
	return r.text[start:i], nil
}

// digits counts the digits from i.
func (r *Reader) digits(i int) int {
	n := 0
	for i+n < len(r.text) && r.text[i+n] >= '0' && r.text[i+n] <= '9' {
		n++
	}
	return n
}
