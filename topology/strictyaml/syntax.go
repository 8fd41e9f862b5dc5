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
