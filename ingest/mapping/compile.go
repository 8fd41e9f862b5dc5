package mapping

import (
	"errors"
	"fmt"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

// The bounds of an evaluation and of a body.
const (
	MaxCost   = 50_000
	MaxEvents = 500
)

// Expression is CEL source and the key that it stands at.
type Expression struct {
	// Key is the path within the mapping: "alert.labels.service". It is unique in a mapping.
	Key string
	// Source is the expression.
	Source string
}

// Spec is a mapping as written.
type Spec struct {
	// Source is the source that alerts, changes and health results are said to come from.
	Source string
	// Expressions in any order. The keys that there are: see [Keys] and [LabelKeys].
	Expressions []Expression
	// EndsAfter is how long after its arrival an alert ends, unless it was sent again or
	// the mapping says when. Events are told once and seldom taken back, so it is required
	// for alerts.
	EndsAfter time.Duration
}

// Keys are the keys of single expressions, by group.
var Keys = map[string][]string{
	"":       {"each", "skip"},
	"alert":  {"when", "resolved", "starts_at", "ends_at", "generator_url"},
	"change": {"when", "service", "namespace", "kind", "summary", "link", "at"},
	"health": {"when", "service", "namespace", "check", "status", "latency_ms", "message", "at"},
}

// LabelKeys are the keys of group alert below which each label or annotation has its expression.
var LabelKeys = []string{"labels", "annotations"}

// required are the keys without which a group is of no use.
var required = map[string][]string{"change": {"service", "kind"}, "health": {"service", "status"}}

// Error is a mistake in an expression.
type Error struct {
	Key string
	// Line and Column are within the expression, from 1; 0: it concerns the whole.
	Line, Column int
	Reason       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Key + ": " + e.Reason
	}
	return fmt.Sprintf("%s: %s (line %d, column %d of the expression)", e.Key, e.Reason, e.Line, e.Column)
}

// Mapping is a compiled [Spec].
type Mapping struct {
	source    string
	endsAfter time.Duration
	programs  map[string]cel.Program
	// names of labels and annotations, in the order of the spec.
	labels, annotations []string
	groups              map[string]bool
}

// Compile compiles a mapping. Its error joins one [*Error] for each mistake.
func Compile(s Spec) (*Mapping, error) {
	env, err := cel.NewEnv(
		cel.OptionalTypes(), ext.Strings(), cel.CrossTypeNumericComparisons(true),
		cel.Variable("body", cel.DynType),
		cel.Variable("event", cel.DynType),
		cel.Variable("ce", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("received", cel.TimestampType),
	)
	if err != nil {
		return nil, fmt.Errorf("set up CEL: %w", err)
	}
	m := &Mapping{source: s.Source, endsAfter: s.EndsAfter, programs: map[string]cel.Program{}, groups: map[string]bool{}}
	var errs []error
	for _, x := range s.Expressions {
		p, mistakes := program(env, x)
		errs = append(errs, mistakes...)
		m.add(x.Key, p)
	}
	if err := errors.Join(append(errs, m.complete()...)...); err != nil {
		return nil, err
	}
	return m, nil
}

func program(env *cel.Env, x Expression) (cel.Program, []error) {
	ast, issues := env.Compile(x.Source)
	var errs []error
	for _, e := range issues.Errors() {
		errs = append(errs, &Error{Key: x.Key, Line: e.Location.Line(), Column: e.Location.Column() + 1, Reason: e.Message})
	}
	if errs != nil {
		return nil, errs
	}
	if want := wantType(x.Key); want != nil && !want.IsAssignableType(ast.OutputType()) && !ast.OutputType().IsExactType(cel.DynType) {
		return nil, []error{&Error{Key: x.Key, Reason: fmt.Sprintf("yields %s, want %s", ast.OutputType(), want)}}
	}
	p, err := env.Program(ast, cel.CostLimit(MaxCost))
	if err != nil {
		return nil, []error{&Error{Key: x.Key, Reason: err.Error()}}
	}
	return p, nil
}

// wantType is what the expression at key has to yield; nil: anything that can be converted.
func wantType(key string) *cel.Type {
	switch key {
	case "each":
		return cel.ListType(cel.DynType)
	case "skip", "alert.when", "alert.resolved", "change.when", "health.when":
		return cel.BoolType
	}
	return nil
}
