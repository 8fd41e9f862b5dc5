package source

import (
	"errors"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/ingest/mapping"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// mappingReader reads the expressions of a `cel` mapping and remembers where they stand.
type mappingReader struct {
	*Reader
	expressions []mapping.Expression
	at          map[string]*yaml.Node
}

func (m *mappingReader) read(n *yaml.Node, path string) {
	fields := m.single("")
	for _, group := range []string{"alert", "change", "health"} {
		fields = append(fields, strictyaml.Field{Name: group, Read: func(n *yaml.Node, path string) { m.group(n, path, group) }})
	}
	m.Mapping(n, path, fields)
}

// single are the keys of a group that hold one expression each.
func (m *mappingReader) single(group string) (fields []strictyaml.Field) {
	for _, key := range mapping.Keys[group] {
		fields = append(fields, strictyaml.Field{Name: key, Read: func(n *yaml.Node, path string) {
			m.expression(n, path, strictyaml.Join(group, key))
		}})
	}
	return fields
}

func (m *mappingReader) group(n *yaml.Node, path, group string) {
	fields := m.single(group)
	if group == "alert" {
		for _, key := range mapping.LabelKeys {
			fields = append(fields, strictyaml.Field{Name: key, Read: func(n *yaml.Node, path string) { m.labels(n, path, key) }})
		}
	}
	m.Mapping(n, path, fields)
}

// labels reads one expression for each name.
func (m *mappingReader) labels(n *yaml.Node, path, key string) {
	n = strictyaml.Target(n)
	if n.Kind != yaml.MappingNode {
		m.Bad(n, path, "is %s; write an expression for each, such as service: event.service", m.Describe(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		full := "alert." + key + "." + name.Value
		if _, twice := m.at[full]; twice || name.Value == "" {
			m.Bad(name, path, "%q is empty or given twice", name.Value)
			continue
		}
		m.expression(n.Content[i+1], strictyaml.Join(path, name.Value), full)
	}
}

func (m *mappingReader) expression(n *yaml.Node, path, key string) {
	text, ok := m.Scalar(n, path, "an expression such as event.service; a constant text stands in quotes within quotes: '\"DatabaseDeadlock\"'")
	if !ok {
		return
	}
	m.at[key] = strictyaml.Target(n)
	m.expressions = append(m.expressions, mapping.Expression{Key: key, Source: text})
}

// report puts a mistake where it stands in the file.
func (m *mappingReader) report(root *yaml.Node, path string, err error) {
	var mistake *mapping.Error
	if !errors.As(err, &mistake) {
		m.Bad(root, path, "%v", err)
		return
	}
	n, known := m.at[mistake.Key]
	switch {
	case !known && mistake.Key == "cel":
		m.Bad(root, path, "%s", mistake.Reason)
	case !known:
		m.Bad(root, strictyaml.Join(path, mistake.Key), "%s", mistake.Reason)
	case mistake.Line == 0:
		m.Bad(n, strictyaml.Join(path, mistake.Key), "%s", mistake.Reason)
	default:
		line := n.Line + mistake.Line - 1
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			line++ // the text begins below the | or >
		}
		m.AddAt(strictyaml.Place{File: m.File, Line: line}, strictyaml.Join(path, mistake.Key), "%s (column %d of the expression)", mistake.Reason, mistake.Column)
	}
}
