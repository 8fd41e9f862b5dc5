package strictyaml

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// LineOf is where the key that a path such as correlation.hold leads to was written; 1
// when it was not.
func LineOf(root *yaml.Node, path string) int {
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
	n = Target(n)
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
