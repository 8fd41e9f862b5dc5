package settings

import (
	"fmt"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Load reads the engine's sections of the configuration file at path. What the other
// sections say is not looked at, but for whether it is YAML.
func Load(path string) (correlate.Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return correlate.Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return parse(path, string(data))
}

func parse(path, text string) (correlate.Config, error) {
	e := &Engine{Values: NewValues(path), Warn: func(*yaml.Node, string, ...any) {}}
	root := e.Document(text)
	if err := e.Err(); err != nil {
		return correlate.Config{}, err
	}
	if root != nil {
		e.Mapping(root, "", e.withOthers(root))
	}
	e.Complete(root)
	return e.Config, e.Err()
}

// withOthers are our sections and, to be passed over, whatever else the file has.
func (e *Engine) withOthers(root *yaml.Node) []strictyaml.Field {
	fields := e.Sections()
	content := strictyaml.Target(root).Content
	for i := 0; i+1 < len(content); i += 2 {
		name := content[i].Value
		if !slices.ContainsFunc(fields, func(f strictyaml.Field) bool { return f.Name == name }) {
			fields = append(fields, strictyaml.Field{Name: name, Read: func(*yaml.Node, string) {}})
		}
	}
	return fields
}
