package body

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Error says what is wrong with a body, and where.
type Error struct {
	// Field is the path to the value: alerts[3].startsAt. Empty means the body as a whole.
	Field string
	// Line counts from 1; 0 means that the mistake is not in a text, because the
	// value came in otherwise (gRPC).
	Line int
	// Offset is in bytes from the start of the body.
	Offset int
	// Reason is what is wrong, and what would be right.
	Reason string
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	if e.Line > 0 {
		fmt.Fprintf(&b, " (line %d, byte %d)", e.Line, e.Offset)
	}
	return b.String()
}

// Within puts the place of a containing value in front of err's path: a key of
// an object, or an index such as "[3]". Errors of other types pass unchanged.
func Within(place string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Field != "" && e.Field[0] != '[' {
		place += "."
	}
	e.Field = place + e.Field
	return err
}

// Quote renders text from a body for an error message: quoted and cut, because
// its sender decides how long it is.
func Quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// keyPlace is how an object's key stands in a path. Keys that are no plain word
// are quoted, or one could not tell where they end.
func keyPlace(key string) string {
	for i := range len(key) {
		c := key[i]
		word := c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !word || i == 60 {
			return "[" + Quote(key) + "]"
		}
	}
	if key == "" {
		return `[""]`
	}
	return key
}
