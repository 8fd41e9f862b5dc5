package setup

import (
	"regexp"
	"strconv"
	"strings"
)

// maxSelectors bounds the label sets that are read off one query.
const maxSelectors = 64

// selectors are the label sets that a PromQL query selects, as far as they can be read
// without knowing the language: what stands in braces, name="value" and
// name=~"one|other" of plain words. A selector with anything else between its braces is
// left out as a whole, as are matchers that exclude; so what is read is selected, and
// what is not read may be.
func selectors(query string) []map[string]string {
	var out []map[string]string
	for i := 0; i < len(query) && len(out) < maxSelectors; i++ {
		switch query[i] {
		case '"', '\'', '`':
			i = closing(query, i)
		case '#':
			if end := strings.IndexByte(query[i:], '\n'); end >= 0 {
				i += end
			} else {
				return out
			}
		case '{':
			sets, end, ok := braces(query, i+1)
			if ok {
				out = append(out, sets...)
			}
			i = end
		}
	}
	return out[:min(len(out), maxSelectors)]
}

// closing is where the text in quotes that begins at i ends.
func closing(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch {
		case s[j] == '\\' && s[i] != '`':
			j++
		case s[j] == s[i]:
			return j
		}
	}
	return len(s)
}

var matcher = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*["'` + "`" + `]`)

// braces reads matchers up to the closing brace, and says where it is.
func braces(s string, i int) (sets []map[string]string, end int, ok bool) {
	sets, ok = []map[string]string{{}}, true
	for i < len(s) {
		rest := s[i:]
		trimmed := strings.TrimLeft(rest, " \t\n\r,")
		if strings.HasPrefix(trimmed, "}") {
			return sets, i + len(rest) - len(trimmed), ok
		}
		i += len(rest) - len(trimmed)
		m := matcher.FindStringSubmatch(s[i:])
		if m == nil {
			return nil, skipBraces(s, i), false
		}
		start := i + len(m[0]) - 1 // the opening quote
		stop := closing(s, start)
		if stop >= len(s) {
			return nil, len(s), false
		}
		value, err := unquote(s[start : stop+1])
		if err != nil {
			ok = false
		}
		sets = narrow(sets, m[1], m[2], value)
		i = stop + 1
	}
	return nil, len(s), false
}

// skipBraces is where the selector ends that could not be read.
func skipBraces(s string, i int) int {
	for ; i < len(s); i++ {
		switch s[i] {
		case '"', '\'', '`':
			i = closing(s, i)
		case '}':
			return i
		}
	}
	return len(s)
}

func unquote(s string) (string, error) {
	if s[0] == '\'' {
		s = `"` + strings.ReplaceAll(strings.ReplaceAll(s[1:len(s)-1], `\'`, `'`), `"`, `\"`) + `"`
	}
	return strconv.Unquote(s)
}

// words are alternatives of plain words, the only expressions that are read.
var words = regexp.MustCompile(`^\(?[A-Za-z0-9_/-]+(\|[A-Za-z0-9_/-]+)*\)?$`)

// narrow adds a matcher to label sets: one for each of its alternatives.
func narrow(sets []map[string]string, label, op, value string) []map[string]string {
	var values []string
	switch {
	case op == "=" && value != "":
		values = []string{value}
	case op == "=~" && words.MatchString(value):
		values = strings.Split(strings.Trim(value, "()"), "|")
	default:
		return sets
	}
	var out []map[string]string
	for _, set := range sets {
		for _, v := range values {
			if len(out) == maxSelectors {
				return out
			}
			with := map[string]string{label: v}
			for k, old := range set {
				with[k] = old
			}
			out = append(out, with)
		}
	}
	return out
}
