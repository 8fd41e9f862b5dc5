package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// maxProblems bounds the errors of one file that are reported together.
const maxProblems = 20

// field is one key of a mapping and what to do with its value.
type field struct {
	name string
	read func(n *yaml.Node, path string)
}

// decoder walks the YAML nodes of a configuration file. Its methods report problems
// and return zero values, so that reading goes on and finds the next one.
type decoder struct {
	file string
	errs []error
	over int
	// lines are where the keys that were read stand, by path.
	lines map[string]int
}

// bad notes a problem as file:line: field: what is wrong; the way out.
func (d *decoder) bad(n *yaml.Node, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	d.add(fmt.Errorf("%s:%d: %s", d.file, max(n.Line, 1), text))
}

func (d *decoder) add(err error) {
	if len(d.errs) == maxProblems {
		d.over++
		return
	}
	d.errs = append(d.errs, err)
}

func (d *decoder) err() error {
	if d.over == 0 {
		return errors.Join(d.errs...)
	}
	return errors.Join(append(d.errs[:len(d.errs):len(d.errs)], fmt.Errorf("and %d more errors", d.over))...)
}

// document is the root mapping of the only document in text; nil when it is empty.
func (d *decoder) document(text string) *yaml.Node {
	in := yaml.NewDecoder(strings.NewReader(text))
	var doc, next yaml.Node
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF), err == nil && (len(doc.Content) == 0 || isNull(doc.Content[0])):
		return nil
	case err != nil:
		d.add(syntaxError(d.file, err))
		return nil
	}
	switch err := in.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.add(syntaxError(d.file, err))
		return nil
	default:
		d.bad(&next, "", "a second YAML document begins here; keep one document per file")
		return nil
	}
	return doc.Content[0]
}

// syntaxError puts the library's "yaml: line 3: text" into our form.
func syntaxError(file string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if line, reason, ok := cutLine(text); ok {
		return fmt.Errorf("%s:%d: not valid YAML: %s", file, line, reason)
	}
	return fmt.Errorf("%s: not valid YAML: %s", file, text)
}

// cutLine splits "line 3: text".
func cutLine(text string) (line int, rest string, ok bool) {
	number, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": ")
	if !ok || !strings.HasPrefix(text, "line ") {
		return 0, text, false
	}
	line, err := strconv.Atoi(number)
	return line, rest, err == nil
}

// target follows an alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// mapping reads each key once and refuses unknown ones. Null is an empty mapping.
func (d *decoder) mapping(n *yaml.Node, path string, fields []field) {
	n = target(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.bad(n, path, "is %s; write fields: %s", describe(n), fieldNames(fields))
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			d.bad(key, path, "%q was already given on line %d; remove one", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		d.entry(key, value, path, fields)
	}
}

func (d *decoder) entry(key, value *yaml.Node, path string, fields []field) {
	for _, f := range fields {
		if f.name == key.Value {
			if d.lines == nil {
				d.lines = make(map[string]int)
			}
			d.lines[join(path, f.name)] = key.Line
			f.read(value, join(path, f.name))
			return
		}
	}
	if near := nearest(key.Value, fields); near != "" {
		d.bad(key, path, "unknown key %q; did you mean %q?", key.Value, near)
		return
	}
	d.bad(key, path, "unknown key %q; known are %s", key.Value, fieldNames(fields))
}

// sequence reads each element; null is an empty list.
func (d *decoder) sequence(n *yaml.Node, path string, each func(n *yaml.Node, path string)) {
	n = target(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.bad(n, path, "is %s; write a list", describe(n))
		return
	}
	for i, element := range n.Content {
		each(target(element), fmt.Sprintf("%s[%d]", path, i))
	}
}

// scalar hands on a scalar's text; what is empty or no scalar is a problem.
func (d *decoder) scalar(n *yaml.Node, path, want string) (string, bool) {
	n = target(n)
	if n.Kind != yaml.ScalarNode || isNull(n) || strings.TrimSpace(n.Value) == "" {
		d.bad(n, path, "is %s; write %s", describe(n), want)
		return "", false
	}
	return n.Value, true
}

func (d *decoder) integer(n *yaml.Node, path string, least int) int {
	want := fmt.Sprintf("a whole number of at least %d", least)
	s, ok := d.scalar(n, path, want)
	if !ok {
		return 0
	}
	i, err := strconv.Atoi(s)
	if err != nil || i < least {
		d.bad(n, path, "%q is not %s", s, want)
		return 0
	}
	return i
}

func (d *decoder) probability(n *yaml.Node, path string) float64 {
	const want = "a probability above 0 and up to 1, such as 0.9"
	s, ok := d.scalar(n, path, want)
	if !ok {
		return 0
	}
	p, err := strconv.ParseFloat(s, 64)
	if err != nil || !(p > 0 && p <= 1) {
		d.bad(n, path, "%q is not %s", s, want)
		return 0
	}
	return p
}

// duration reads a Prometheus duration.
func (d *decoder) duration(n *yaml.Node, path string) (model.Duration, bool) {
	const want = "a duration such as 30s, 10m or 7d"
	s, ok := d.scalar(n, path, want)
	if !ok {
		return 0, false
	}
	v, err := model.ParseDuration(s)
	if err != nil {
		d.bad(n, path, "%q is not %s", s, want)
		return 0, false
	}
	return v, true
}

// bytes reads a size in powers of 1024, as Prometheus does.
func (d *decoder) bytes(n *yaml.Node, path string) (int64, bool) {
	const want = "a size such as 512MiB or 8GiB"
	s, ok := d.scalar(n, path, want)
	if !ok {
		return 0, false
	}
	if s == "0" {
		return 0, true
	}
	v, err := units.ParseBase2Bytes(s)
	if err != nil || v < 0 {
		d.bad(n, path, "%q is not %s", s, want)
		return 0, false
	}
	return int64(v), true
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n) || strings.TrimSpace(n.Value) == "":
		return "empty"
	}
	return fmt.Sprintf("%q", n.Value)
}

func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// nearest is the known key that a typing error leads to: at most a third of its
// letters wrong.
func nearest(name string, fields []field) string {
	best, bestDistance := "", 1+max(1, len(name)/3)
	for _, f := range fields {
		if d := editDistance(name, f.name); d < bestDistance {
			best, bestDistance = f.name, d
		}
	}
	return best
}

// editDistance is Levenshtein's, by rows. Long keys are no typing errors.
func editDistance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
