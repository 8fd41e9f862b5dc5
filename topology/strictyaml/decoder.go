// Package strictyaml reads YAML files that people write: mappings with known keys only,
// and every mistake told with its place and the way out.
//
// It works on the nodes of go.yaml.in/yaml/v3, because these know their lines, and leaves
// what a value means to its callers: a [Decoder] walks mappings and sequences and hands
// each value to a function with the path that leads there, such as dependencies[3].mode.
//
// # Promises
//
// Reading never stops at a mistake: the value is left out and reading goes on, so that one
// attempt shows all there is to mend. Errors come in the order of the file, each as
// file:line: path: what is wrong; the way out, up to a limit, and after these how many
// more there are. An unknown key names the known one that it looks like, or all of them. A
// key given twice is an error that names both lines; the first one counts. Merge keys (<<)
// are unknown keys, aliases are followed.
//
// Nothing here does IO, and nothing is safe for concurrent use: one Decoder reads one file.
package strictyaml

import (
	"cmp"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Field is one known key of a mapping.
type Field struct {
	Name string
	// Read gets the value, which may be an alias, and the path to it.
	Read func(n *yaml.Node, path string)
}

// Decoder walks the nodes of one file and collects what is wrong with them.
type Decoder struct {
	// File is the name that errors begin with.
	File string
	// Noun is what errors call a key, for files whose readers know them as, say, fields.
	Noun string
	// BlankIsNothing is for files in which an empty value is as good as none: null is an
	// empty mapping too, and errors call a blank text empty instead of quoting it.
	BlankIsNothing bool

	Problems
}

// At is where n stands in the file.
func (d *Decoder) At(n *yaml.Node) Place { return Place{d.File, max(n.Line, 1)} }

// Bad notes a problem with n. Path leads to it, empty means the file as a whole.
func (d *Decoder) Bad(n *yaml.Node, path, format string, args ...any) {
	d.AddAt(d.At(n), path, format, args...)
}

// Mapping hands the value of each key of n to its field, in the order of the file. What
// is no mapping, an unknown key or one that is given again is a problem.
func (d *Decoder) Mapping(n *yaml.Node, path string, fields []Field) {
	n = Target(n)
	if d.BlankIsNothing && IsNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.Bad(n, path, "is %s; write fields: %s", d.Describe(n), names(fields))
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			d.Bad(key, path, "%s was already given on line %d; remove one", d.called(key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		d.entry(key, value, path, fields)
	}
}

func (d *Decoder) called(key string) string {
	return strings.TrimPrefix(fmt.Sprintf("%s %q", d.Noun, key), " ")
}

func (d *Decoder) entry(key, value *yaml.Node, path string, fields []Field) {
	for _, f := range fields {
		if f.Name == key.Value {
			f.Read(value, Join(path, f.Name))
			return
		}
	}
	noun := cmp.Or(d.Noun, "key")
	if near := nearest(key.Value, fields); near != "" {
		d.Bad(key, path, "unknown %s %q; did you mean %q?", noun, key.Value, near)
		return
	}
	d.Bad(key, path, "unknown %s %q; known are %s", noun, key.Value, names(fields))
}

// Sequence hands on each element of n, which may be an alias, and the path to it. Null is
// an empty sequence; anything else is a problem.
func (d *Decoder) Sequence(n *yaml.Node, path string, each func(n *yaml.Node, path string)) {
	n = Target(n)
	if IsNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.Bad(n, path, "is %s; write a list", d.Describe(n))
		return
	}
	for i, element := range n.Content {
		each(element, fmt.Sprintf("%s[%d]", path, i))
	}
}

// Describe says what n is, to go on from "is": a mapping, a list, empty, or the quoted text.
func (d *Decoder) Describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case IsNull(n) || d.BlankIsNothing && strings.TrimSpace(n.Value) == "":
		return "empty"
	}
	return fmt.Sprintf("%q", n.Value)
}

// Target follows an alias to what it stands for; other nodes are their own target.
func Target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// IsNull reports whether n is null or an absent value; an alias to one is not.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Join is the path to key name of the mapping at path, which is empty for the root.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func names(fields []Field) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.Name
	}
	return strings.Join(all, ", ")
}
