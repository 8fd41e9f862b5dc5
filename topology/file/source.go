package file

import (
	"context"
	"fmt"
	"strings"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// Source reads topology files whenever they change. It implements [discovery.Notifier].
type Source struct {
	name  string
	paths []string
}

// NewSource makes the source of all topology files.
func NewSource(name string, paths []string) *Source { return &Source{name, paths} }

// Name implements [discovery.Source].
func (s *Source) Name() string { return s.name }

// Fetch reads the files, and tries whether they make a graph by themselves.
func (s *Source) Fetch(context.Context) (discovery.Report, error) {
	spec, err := Load(s.paths...)
	if err != nil {
		return discovery.Report{}, err
	}
	if _, _, err := topology.Build(spec); err != nil {
		return discovery.Report{}, fmt.Errorf("%s: %w", strings.Join(s.paths, ", "), err)
	}
	return discovery.Report{Services: spec.Services, Dependencies: spec.Dependencies, Groups: spec.Groups}, nil
}

// Notify implements [discovery.Notifier].
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return Follow(ctx, s.paths, changed)
}
