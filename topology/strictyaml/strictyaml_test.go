package strictyaml

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// read walks a file of pets and says what it saw.
func read(t *testing.T, d *Decoder, text string) (seen []string) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	see := func(n *yaml.Node, path string) { seen = append(seen, path+"="+Target(n).Value) }
	pet := func(n *yaml.Node, path string) {
		d.Mapping(n, path, []Field{{"name", see}, {"colour", see}})
	}
	d.Mapping(doc.Content[0], "", []Field{
		{"owner", func(n *yaml.Node, path string) { d.Mapping(n, path, []Field{{"name", see}}) }},
		{"pets", func(n *yaml.Node, path string) { d.Sequence(n, path, pet) }},
	})
	return seen
}

func TestEveryMistakeIsToldWithItsPlaceAndReadingGoesOn(t *testing.T) {
	for _, c := range []struct {
		point, in  string
		seen, want string
	}{
		{"nothing wrong", "owner: {name: a}\npets:\n  - {name: b, colour: red}\n", "owner.name=a pets[0].name=b pets[0].colour=red", ""},
		{"no list is an empty list", "pets:\n", "", ""},
		{"aliases are followed", "pets: [&b {name: &n x}, *b, {name: *n}]", "pets[0].name=x pets[1].name=x pets[2].name=x", ""},
		{"a typing error, and what comes after it", "pets:\n  - nam: b\n    colour: red\n", "pets[0].colour=red", `f.yaml:2: pets[0]: unknown key "nam"; did you mean "name"?`},
		{"a key from nowhere", "weather: fine", "", `f.yaml:1: unknown key "weather"; known are owner, pets`},
		{"a merge key", "pets:\n  - &b {name: x}\n  - <<: *b\n", "pets[0].name=x", `f.yaml:3: pets[1]: unknown key "<<"; known are name, colour`},
		{"the first of two counts", "owner:\n  name: a\n  name: b\n", "owner.name=a", `f.yaml:3: owner: "name" was already given on line 2; remove one`},
		{"a text for a list", "pets: b", "", `f.yaml:1: pets: is "b"; write a list`},
		{"a mapping for a list", "pets: {name: b}", "", `f.yaml:1: pets: is a mapping; write a list`},
		{"a list for a mapping", "owner: [a]", "", `f.yaml:1: owner: is a list; write fields: name`},
		{"null for a mapping", "owner:", "", `f.yaml:1: owner: is empty; write fields: name`},
		{"a blank for a mapping", "owner: ' '", "", `f.yaml:1: owner: is " "; write fields: name`},
		{"several, in the order of the file", "pets: b\nowner:\n  nam: a\n", "", "f.yaml:1: pets: is \"b\"; write a list\nf.yaml:3: owner: unknown key \"nam\"; did you mean \"name\"?"},
	} {
		d := Decoder{File: "f.yaml", Problems: Problems{Limit: 5}}
		if seen := strings.Join(read(t, &d, c.in), " "); seen != c.seen {
			t.Errorf("%s: saw %s, want %s", c.point, seen, c.seen)
		}
		if got := text(d.Err()); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.point, got, c.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAFileMayCallItsKeysSomethingElse(t *testing.T) {
	d := Decoder{File: "f.yaml", Noun: "field", Problems: Problems{Limit: 5}}
	read(t, &d, "ownr: {}\nweather: fine\npets: []\npets: []\n")
	want := `f.yaml:1: unknown field "ownr"; did you mean "owner"?
f.yaml:2: unknown field "weather"; known are owner, pets
f.yaml:4: field "pets" was already given on line 3; remove one`
	if got := text(d.Err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhereBlankIsNothingNullIsAnEmptyMappingAndABlankTextIsEmpty(t *testing.T) {
	d := Decoder{File: "f.yaml", BlankIsNothing: true, Problems: Problems{Limit: 5}}
	read(t, &d, "owner:\npets: ' '\n")
	if got, want := text(d.Err()), "f.yaml:2: pets: is empty; write a list"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProblemsBeyondTheLimitAreCounted(t *testing.T) {
	for _, c := range []struct {
		added int
		want  string
	}{
		{0, ""},
		{2, "0\n1"},
		{3, "0\n1\nand 1 more errors"},
		{5, "0\n1\nand 3 more errors"},
	} {
		p := Problems{Limit: 2}
		for i := range c.added {
			p.Add(fmt.Errorf("%d", i))
		}
		if got := text(p.Err()); got != c.want || p.Count() != c.added {
			t.Errorf("%d problems: counted %d, told %q, want %q", c.added, p.Count(), got, c.want)
		}
	}
}

func TestErrKeepsTheErrorsThemselves(t *testing.T) {
	cause := errors.New("cause")
	p := Problems{Limit: 1}
	p.Add(fmt.Errorf("f.yaml: %w", cause))
	p.Add(errors.New("another"))
	if !errors.Is(p.Err(), cause) {
		t.Errorf("lost the cause in %v", p.Err())
	}
}

func TestNearestForgivesAThirdOfTheLetters(t *testing.T) {
	fields := []Field{{Name: "dependencies"}, {Name: "services"}, {Name: "to"}}
	for in, want := range map[string]string{
		"dependncies":           "dependencies",
		"depends":               "",
		"Service":               "services",
		"ot":                    "",
		"too":                   "to",
		"t":                     "to",
		"":                      "",
		strings.Repeat("s", 41): "",
	} {
		if got := nearest(in, fields); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// naiveDistance is Levenshtein's by its definition.
func naiveDistance(a, b string) int {
	switch {
	case a == "" || b == "":
		return len(a) + len(b)
	case a[0] == b[0]:
		return naiveDistance(a[1:], b[1:])
	}
	return 1 + min(naiveDistance(a[1:], b), naiveDistance(a, b[1:]), naiveDistance(a[1:], b[1:]))
}

func TestEditDistanceIsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[abc]{0,6}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := editDistance(a, b), naiveDistance(a, b); got != want {
			t.Errorf("%q, %q: %d, want %d", a, b, got, want)
		}
	})
}
