package strictyaml

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSyntaxErrorsNameTheLineOfTheMistake(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"grammar", "a: 1\nb: [1, 2\nc: 3\n", "f.yaml:2: not valid YAML: did not find expected ',' or ']'"},
		{"scanner", "a: 1\nb: \"open\n", "f.yaml:2: not valid YAML: found unexpected end of stream"},
		{"tab", "a:\n\tb: 1\n", "f.yaml:2: not valid YAML: found character that cannot start any token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n yaml.Node
			err := yaml.Unmarshal([]byte(c.text), &n)
			if err == nil {
				t.Fatal("the library takes it")
			}
			if got := SyntaxError("f.yaml", err).Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
