package file

import (
	"strconv"
	"strings"

	"github.com/headwater-sre/headwater/topology/strictyaml"
	"go.yaml.in/yaml/v3"
)

// maxProblems bounds the errors reported together.
const maxProblems = 10

// decoder reads the values of one file. Its methods report problems and return zero
// values, so that reading goes on and finds the next one.
type decoder struct{ strictyaml.Decoder }

func newDecoder(file string) decoder {
	return decoder{strictyaml.Decoder{File: file, Noun: "field", Problems: strictyaml.Problems{Limit: maxProblems}}}
}

// text reads a scalar as it is written, so that version: 1.10 stays "1.10".
func (d *decoder) text(n *yaml.Node, path string) string {
	n = strictyaml.Target(n)
	if n.Kind != yaml.ScalarNode {
		d.Bad(n, path, "is %s; write a text", d.Describe(n))
		return ""
	}
	if strictyaml.IsNull(n) {
		return ""
	}
	return n.Value
}

// name is a text that must not be empty.
func (d *decoder) name(n *yaml.Node, path string) string {
	before := d.Count()
	s := d.text(n, path)
	if strings.TrimSpace(s) == "" && before == d.Count() {
		d.Bad(n, path, "is empty; write a name")
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
		d.Bad(n, path, "%q is no whole number of at least %d", s, least)
		return least
	}
	return i
}

// texts reads a mapping of free keys.
func (d *decoder) texts(n *yaml.Node, path string) map[string]string {
	n = strictyaml.Target(n)
	if strictyaml.IsNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.Bad(n, path, "is %s; write key: value pairs", d.Describe(n))
		return nil
	}
	m := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := d.text(n.Content[i], path)
		if _, twice := m[key]; twice {
			d.Bad(n.Content[i], path, "key %q is given twice; remove one", key)
			continue
		}
		m[key] = d.text(n.Content[i+1], strictyaml.Join(path, key))
	}
	if len(m) == 0 {
		return nil
	}
	return m
}
