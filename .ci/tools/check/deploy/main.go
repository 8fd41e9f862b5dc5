// Command deploy checks docker-compose.yaml and the files under deploy/ as far as
// that goes without a container engine: the YAML parses, every image is pinned
// to a version, every file that is mounted into a container exists, every
// depends_on names a service, and Prometheus accepts the rules.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// compose is the part of the Compose file that is checked here. The rest is
// parsed and not looked at.
type compose struct {
	Services map[string]struct {
		Image     string    `yaml:"image"`
		Build     yaml.Node `yaml:"build"`
		Volumes   []string  `yaml:"volumes"`
		DependsOn yaml.Node `yaml:"depends_on"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := errors.Join(checkCompose(root), checkYAML(root), checkRules(root)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func checkCompose(root string) error {
	const name = "docker-compose.yaml"
	body, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return err
	}
	var file compose
	if err := yaml.Unmarshal(body, &file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(file.Services) == 0 {
		return fmt.Errorf("%s: no services", name)
	}
	var errs []error
	bad := func(service, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: service %s: %s", name, service, fmt.Sprintf(format, args...)))
	}
	for service, s := range file.Services {
		if s.Image == "" && s.Build.IsZero() {
			bad(service, "neither image nor build")
		}
		if s.Build.IsZero() {
			if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
				bad(service, "image %q is not pinned to a version", s.Image)
			}
		}
		for _, dependency := range names(s.DependsOn) {
			if _, ok := file.Services[dependency]; !ok {
				bad(service, "depends_on %q, which is no service", dependency)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, ".") {
				if _, err := os.Stat(filepath.Join(root, source)); err != nil {
					bad(service, "mounts %s: %v", source, err)
				}
			} else if _, ok := file.Volumes[source]; !ok {
				bad(service, "volume %q is not declared under volumes", source)
			}
		}
	}
	return errors.Join(errs...)
}

// names reads depends_on in either of its two forms, a list or a mapping.
func names(node yaml.Node) []string {
	var out []string
	step := 1
	if node.Kind == yaml.MappingNode {
		step = 2
	}
	for i := 0; i < len(node.Content); i += step {
		out = append(out, node.Content[i].Value)
	}
	return out
}

// checkYAML parses every YAML file under deploy/; a duplicate key is an error.
func checkYAML(root string) error {
	var errs []error
	walkErr := filepath.WalkDir(filepath.Join(root, "deploy"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || (filepath.Ext(name) != ".yml" && filepath.Ext(name) != ".yaml") {
			return err
		}
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var document map[string]any
		if err := yaml.Unmarshal(body, &document); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return nil
	})
	return errors.Join(append(errs, walkErr)...)
}

func checkRules(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "deploy", "rules", "*.yml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("deploy/rules: no rule files")
	}
	promQL := parser.NewParser(parser.Options{})
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	for _, file := range files {
		_, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, promQL, logger)
		if len(errs) > 0 {
			return fmt.Errorf("%s: %w", file, errors.Join(errs...))
		}
	}
	return nil
}
