package file

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is one key of a mapping and what to do with its value.
type field struct {
	name string
	read func(n *yaml.Node, path string)
}

// decoder walks the YAML nodes of one file. Its methods report problems and return zero
// values, so that reading goes on and finds the next one.
type decoder struct {
	file string
	problems
}

func (d *decoder) at(n *yaml.Node) place { return place{d.file, max(n.Line, 1)} }

func (d *decoder) bad(n *yaml.Node, path, format string, args ...any) {
	d.add(d.at(n), path, format, args...)
}

// target follows an alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// mapping reads each key once and refuses unknown ones.
func (d *decoder) mapping(n *yaml.Node, path string, fields []field) {
	n = target(n)
	if n.Kind != yaml.MappingNode {
		d.bad(n, path, "is %s; write fields: %s", describe(n), fieldNames(fields))
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			d.bad(key, path, "field %q was already given on line %d; remove one", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		d.field(key, value, path, fields)
	}
}

func (d *decoder) field(key, value *yaml.Node, path string, fields []field) {
	for _, f := range fields {
		if f.name == key.Value {
			f.read(value, join(path, f.name))
			return
		}
	}
	if near := nearest(key.Value, fields); near != "" {
		d.bad(key, path, "unknown field %q; did you mean %q?", key.Value, near)
		return
	}
	d.bad(key, path, "unknown field %q; known are %s", key.Value, fieldNames(fields))
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
		each(element, fmt.Sprintf("%s[%d]", path, i))
	}
}

// text reads a scalar as it is written, so that version: 1.10 stays "1.10".
func (d *decoder) text(n *yaml.Node, path string) string {
	n = target(n)
	if n.Kind != yaml.ScalarNode {
		d.bad(n, path, "is %s; write a text", describe(n))
		return ""
	}
	if isNull(n) {
		return ""
	}
	return n.Value
}

// name is a text that must not be empty.
func (d *decoder) name(n *yaml.Node, path string) string {
	before := len(d.errs) + d.over
	s := d.text(n, path)
	if strings.TrimSpace(s) == "" && before == len(d.errs)+d.over {
		d.bad(n, path, "is empty; write a name")
	}
	return s
}

func (d *decoder) integer(n *yaml.Node, path string, least int) int {
	s := d.text(n, path)
	if s == "" {
		return least
	}
	i, err := strconv.Atoi(s)
	if err != nil || i < least {
		d.bad(n, path, "%q is no whole number of at least %d", s, least)
		return least
	}
	return i
}

// texts reads a mapping of free keys.
func (d *decoder) texts(n *yaml.Node, path string) map[string]string {
	n = target(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.bad(n, path, "is %s; write key: value pairs", describe(n))
		return nil
	}
	m := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := d.text(n.Content[i], path)
		if _, twice := m[key]; twice {
			d.bad(n.Content[i], path, "key %q is given twice; remove one", key)
			continue
		}
		m[key] = d.text(n.Content[i+1], join(path, key))
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		if isNull(n) {
			return "empty"
		}
		return fmt.Sprintf("%q", n.Value)
	}
}

func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// nearest is the known field that a typing error leads to: at most a third of the
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
