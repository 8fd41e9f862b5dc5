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

	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// maxProblems bounds the errors of one file that are reported together.
const maxProblems = 20

// decoder reads the values of a configuration file. Its methods report problems and
// return zero values, so that reading goes on and finds the next one.
type decoder struct{ strictyaml.Decoder }

func newDecoder(file string) decoder {
	return decoder{strictyaml.Decoder{File: file, BlankIsNothing: true, Problems: strictyaml.Problems{Limit: maxProblems}}}
}

// document is the root mapping of the only document in text; nil when it is empty.
func (d *decoder) document(text string) *yaml.Node {
	in := yaml.NewDecoder(strings.NewReader(text))
	var doc, next yaml.Node
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF), err == nil && (len(doc.Content) == 0 || strictyaml.IsNull(doc.Content[0])):
		return nil
	case err != nil:
		d.Add(strictyaml.SyntaxError(d.File, err))
		return nil
	}
	switch err := in.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.Add(strictyaml.SyntaxError(d.File, err))
		return nil
	default:
		d.Bad(&next, "", "a second YAML document begins here; keep one document per file")
		return nil
	}
	return doc.Content[0]
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

// list reads the elements of a sequence where they were written: an alias is as good as
// what it stands for.
func (d *decoder) list(n *yaml.Node, path string, each func(n *yaml.Node, path string)) {
	d.Sequence(n, path, func(n *yaml.Node, path string) { each(strictyaml.Target(n), path) })
}

// lineOf is where the key that a path such as correlation.hold leads to was written; 1
// when it was not.
func lineOf(root *yaml.Node, path string) int {
	line := 1
	for n := root; path != ""; {
		var name string
		name, path, _ = strings.Cut(path, ".")
		key, value := entryOf(n, name)
		if key == nil {
			return 1
		}
		n, line = value, key.Line
	}
	return line
}

// entryOf is the first key of that name in a mapping, and its value.
func entryOf(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil {
		return nil, nil
	}
	n = strictyaml.Target(n)
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// scalar hands on a scalar's text; what is empty or no scalar is a problem.
func (d *decoder) scalar(n *yaml.Node, path, want string) (string, bool) {
	n = strictyaml.Target(n)
	if n.Kind != yaml.ScalarNode || strictyaml.IsNull(n) || strings.TrimSpace(n.Value) == "" {
		d.Bad(n, path, "is %s; write %s", d.Describe(n), want)
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
		d.Bad(n, path, "%q is not %s", s, want)
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
		d.Bad(n, path, "%q is not %s", s, want)
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
		d.Bad(n, path, "%q is not %s", s, want)
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
		d.Bad(n, path, "%q is not %s", s, want)
		return 0, false
	}
	return int64(v), true
}
