package strictyaml

import (
	"fmt"
	"strconv"
	"strings"
)

// SyntaxError puts the library's "yaml: line 3: text" into the form of the other
// problems of file, with the line on which the mistake is.
func SyntaxError(file string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	rest, numbered := strings.CutPrefix(text, "line ")
	number, reason, found := strings.Cut(rest, ": ")
	line, convErr := strconv.Atoi(number)
	if !numbered || !found || convErr != nil {
		return fmt.Errorf("%s: not valid YAML: %s", file, text)
	}
	if countsFromZero(reason) {
		line++
	}
	return fmt.Errorf("%s:%d: not valid YAML: %s", file, line, reason)
}

// countsFromZero recognises the errors of the library's grammar, as opposed to its
// scanner: it counts their lines from zero.
func countsFromZero(reason string) bool {
	expected, ok := strings.CutPrefix(reason, "did not find expected ")
	if !ok {
		return false
	}
	for _, what := range []string{"',' or", "key", "'-' indicator", "node content", "<document start>"} {
		if strings.HasPrefix(expected, what) {
			return true
		}
	}
	return false
}

// CutLine splits what the library says of a line, "line 3: text".
func CutLine(text string) (line int, rest string, ok bool) {
	number, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": ")
	if !ok || !strings.HasPrefix(text, "line ") {
		return 0, text, false
	}
	line, err := strconv.Atoi(number)
	return line, rest, err == nil
}

// LibraryText is an error of a YAML library on one line, without lines of a text
// that nobody wrote.
func LibraryText(err error) string {
	var parts []string
	for _, l := range strings.Split(err.Error(), "\n") {
		l = strings.TrimPrefix(strings.TrimSpace(l), "yaml: ")
		if l == "unmarshal errors:" || l == "" {
			continue
		}
		_, l, _ = CutLine(l)
		parts = append(parts, l)
	}
	return strings.Join(parts, "; ")
}
