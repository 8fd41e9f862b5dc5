package correlate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// MatchOp is how a matcher compares.
type MatchOp uint8

// The comparisons, as in Alertmanager's matchers.
const (
	MatchEqual     MatchOp = iota // =
	MatchNotEqual                 // !=
	MatchRegexp                   // =~, anchored at both ends
	MatchNotRegexp                // !~
)

var opNames = [...]string{"=", "!=", "=~", "!~"}

// String returns the sign.
func (o MatchOp) String() string { return nameOf(opNames[:], int(o)) }

// Matcher is a condition on one label. A label that is not there is empty. Make one with
// [NewMatcher] or [ParseMatcher]; it is immutable.
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string

	pattern *regexp.Regexp
}

// NewMatcher returns a matcher, or why its value is no regular expression.
func NewMatcher(name string, op MatchOp, value string) (Matcher, error) {
	m := Matcher{Name: name, Op: op, Value: value}
	if op == MatchRegexp || op == MatchNotRegexp {
		re, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return Matcher{}, fmt.Errorf("matcher %s: %q is not a regular expression", m, value)
		}
		m.pattern = re
	}
	return m, nil
}

var matcherSyntax = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$`)

// ParseMatcher reads one of Alertmanager's matchers: name="value", name!=value, name=~"a|b".
func ParseMatcher(text string) (Matcher, error) {
	parts := matcherSyntax.FindStringSubmatch(text)
	if parts == nil {
		return Matcher{}, fmt.Errorf("matcher %q: want label=\"value\", with =, !=, =~ or !~", text)
	}
	value := parts[3]
	if strings.HasPrefix(value, `"`) {
		unquoted, err := strconv.Unquote(value)
		if err != nil {
			return Matcher{}, fmt.Errorf("matcher %q: the quotes do not close", text)
		}
		value = unquoted
	}
	for op, sign := range opNames {
		if sign == parts[2] {
			return NewMatcher(parts[1], MatchOp(op), value)
		}
	}
	return Matcher{}, fmt.Errorf("matcher %q: unknown sign %q", text, parts[2])
}

// Matches reports whether labels meet the condition.
func (m *Matcher) Matches(labels map[string]string) bool {
	is := labels[m.Name]
	switch m.Op {
	case MatchEqual:
		return is == m.Value
	case MatchNotEqual:
		return is != m.Value
	case MatchRegexp:
		return m.pattern.MatchString(is)
	default:
		return !m.pattern.MatchString(is)
	}
}

// String renders the matcher as [ParseMatcher] reads it.
func (m Matcher) String() string { return m.Name + m.Op.String() + strconv.Quote(m.Value) }

// matchesAll reports whether labels meet all conditions.
func matchesAll(matchers []Matcher, labels map[string]string) bool {
	for i := range matchers {
		if !matchers[i].Matches(labels) {
			return false
		}
	}
	return true
}
