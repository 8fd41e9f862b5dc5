package backstage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/fileset"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// entity is what matters of a catalogue's document.
type entity struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name        string            `yaml:"name"`
		Namespace   string            `yaml:"namespace"`
		Labels      map[string]string `yaml:"labels"`
		Annotations map[string]string `yaml:"annotations"`
		Links       []struct {
			URL   string `yaml:"url"`
			Title string `yaml:"title"`
			Type  string `yaml:"type"`
		} `yaml:"links"`
	} `yaml:"metadata"`
	Spec yaml.Node `yaml:"spec"`

	spec  spec
	place strictyaml.Place
}

// spec is that of a Component, Resource or API; other kinds have others.
type spec struct {
	Type         string   `yaml:"type"`
	Lifecycle    string   `yaml:"lifecycle"`
	Owner        string   `yaml:"owner"`
	System       string   `yaml:"system"`
	DependsOn    []string `yaml:"dependsOn"`
	DependencyOf []string `yaml:"dependencyOf"`
	ProvidesAPIs []string `yaml:"providesApis"`
	ConsumesAPIs []string `yaml:"consumesApis"`
}

// The kinds that matter, in lower case.
const (
	kindComponent = "component"
	kindResource  = "resource"
	kindAPI       = "api"
)

func (e *entity) kind() string { return strings.ToLower(e.Kind) }

func (e *entity) id() entityRef {
	return entityRef{e.kind(), strings.ToLower(namespaceOr(e.Metadata.Namespace)), strings.ToLower(e.Metadata.Name)}
}

// decode reads the documents of one file.
func decode(f fileset.File) ([]*entity, error) {
	var all []*entity
	in := yaml.NewDecoder(bytes.NewReader(f.Data))
	for {
		var doc yaml.Node
		err := in.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, strictyaml.SyntaxError(f.Name, err)
		case len(doc.Content) == 0 || strictyaml.IsNull(doc.Content[0]):
			continue // nothing between two separators
		}
		e, err := document(f.Name, doc.Content[0])
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
}

func document(file string, n *yaml.Node) (*entity, error) {
	e := &entity{place: strictyaml.Place{File: file, Line: max(n.Line, 1)}}
	if err := n.Decode(e); err != nil {
		return nil, placed(e.place, err)
	}
	switch {
	case e.APIVersion == "" || e.Kind == "":
		return nil, fmt.Errorf("%s: is no entity of Backstage's catalogue: it needs apiVersion and kind", e.place)
	case strings.TrimSpace(e.Metadata.Name) == "":
		return nil, fmt.Errorf("%s: the %s has no metadata.name", e.place, e.Kind)
	}
	if k := e.kind(); k != kindComponent && k != kindResource && k != kindAPI || e.Spec.IsZero() {
		return e, nil
	}
	if err := e.Spec.Decode(&e.spec); err != nil {
		return nil, placed(e.place, err)
	}
	return e, nil
}

// placed puts the library's first "line 3: text" into the form file:3: text.
func placed(at strictyaml.Place, err error) error {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "yaml: ")
		if number, text, ok := strictyaml.CutLine(line); ok {
			return fmt.Errorf("%s: %s", strictyaml.Place{File: at.File, Line: max(number, 1)}, text)
		}
	}
	return fmt.Errorf("%s: %s", at, strictyaml.LibraryText(err))
}

// entityRef names an entity: kind, namespace and name in lower case, as Backstage
// compares them.
type entityRef struct{ kind, namespace, name string }

func (r entityRef) String() string { return r.kind + ":" + r.namespace + "/" + r.name }

// parseRef reads [kind:][namespace/]name. What is left out is as in the defaults.
func parseRef(text, kind, namespace string) entityRef {
	if k, rest, ok := strings.Cut(text, ":"); ok {
		kind, text = k, rest
	}
	if ns, rest, ok := strings.Cut(text, "/"); ok {
		namespace, text = ns, rest
	}
	return entityRef{strings.ToLower(strings.TrimSpace(kind)), strings.ToLower(namespaceOr(namespace)), strings.ToLower(strings.TrimSpace(text))}
}

// defaultNamespace is that of entities which name none.
const defaultNamespace = "default"

func namespaceOr(namespace string) string {
	if namespace = strings.TrimSpace(namespace); namespace != "" {
		return namespace
	}
	return defaultNamespace
}
