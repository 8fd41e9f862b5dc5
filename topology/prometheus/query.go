package prometheus

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// The variables in a query.
const (
	windowVariable   = "$window"   // the window
	matchersVariable = "$matchers" // label matchers, each with a comma after it
)

// historySteps bounds how many moments of the range are looked at for when an edge was
// last seen.
const historySteps = 100

// CheckQuery returns an error for what cannot be PromQL: nothing, an unfinished string, a
// bracket without its other half. The rest only the server knows, which may be another
// version than ours, or no Prometheus at all; it says so at the first question.
func CheckQuery(query string) error {
	if strings.TrimSpace(query) == "" {
		return errors.New("is empty; write PromQL that yields a sample for a caller and a callee")
	}
	var open []bracket
	for i := 0; i < len(query); i++ {
		switch c := query[i]; c {
		case '#':
			i += lineLength(query[i:]) - 1
		case '"', '\'', '`':
			n := stringLength(query[i:])
			if n == 0 {
				return fmt.Errorf("character %d: the string that begins here does not end", i+1)
			}
			i += n - 1
		case '(', '[', '{':
			open = append(open, bracket{c, i})
		case ')', ']', '}':
			if len(open) == 0 || open[len(open)-1].closing() != c {
				return fmt.Errorf("character %d: %q closes nothing", i+1, string(c))
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		last := open[len(open)-1]
		return fmt.Errorf("character %d: %q is never closed", last.at+1, string(last.opening))
	}
	return nil
}

// bracket is one that was opened.
type bracket struct {
	opening byte
	at      int
}

func (b bracket) closing() byte {
	switch b.opening {
	case '(':
		return ')'
	case '[':
		return ']'
	}
	return '}'
}

// lineLength is how far a comment goes, with the end of its line.
func lineLength(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i + 1
	}
	return len(s)
}

// stringLength is that of the string literal at the beginning of s; 0 when it has no end.
func stringLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1
		case s[i] == '\\' && s[0] != '`':
			i++
		}
	}
	return 0
}

var matcherPattern = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(".*"|'.*'|` + "`.*`" + `)\s*$`)

// CheckMatcher returns an error for what is no label matcher as it stands in a selector,
// such as cluster="prod-eu".
func CheckMatcher(text string) error {
	m := matcherPattern.FindStringSubmatch(text)
	if len(m) == 0 || stringLength(m[3]) != len(m[3]) {
		return fmt.Errorf("%q is no label matcher; write one such as cluster=\"prod-eu\" or namespace!~\"kube-.*\"", text)
	}
	if m[2] == "=" || m[2] == "!=" {
		return nil
	}
	quoted := m[3]
	if quoted[0] == '\'' {
		quoted = `"` + strings.ReplaceAll(quoted[1:len(quoted)-1], `"`, `\"`) + `"`
	}
	value, err := strconv.Unquote(quoted)
	if err == nil {
		_, err = regexp.Compile(value)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

// expand puts the window and the matchers in their places.
func expand(query string, window time.Duration, matchers []string) string {
	var own strings.Builder
	for _, m := range matchers {
		own.WriteString(strings.TrimSpace(m) + ",")
	}
	return strings.NewReplacer(windowVariable, model.Duration(window).String(), matchersVariable, own.String()).Replace(query)
}

// history asks for when the query was last above zero, over span and at the resolution
// of step.
func history(query string, span, step time.Duration) string {
	return fmt.Sprintf("max_over_time(timestamp((%s) > 0)[%s:%s])", query, model.Duration(span), model.Duration(step))
}

// historyStep is the resolution for span: no finer than the window, and not more steps
// than are worth their price.
func historyStep(span, window time.Duration) time.Duration {
	return max(window, (span / historySteps).Round(time.Second))
}
