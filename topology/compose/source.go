package compose

import (
	"context"

	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/fileset"
)

// Source reads Compose files.
type Source struct {
	name      string
	namespace string
	patterns  []string
}

// NewSource makes a source of files that are merged in order. namespace is that of
// services that do not name theirs; it may be empty.
func NewSource(name, namespace string, patterns []string) *Source {
	return &Source{name, namespace, patterns}
}

// Name implements [discovery.Source].
func (s *Source) Name() string { return s.name }

// Fetch implements [discovery.Source].
func (s *Source) Fetch(context.Context) (discovery.Report, error) {
	files, err := fileset.Read(s.patterns)
	if err != nil {
		return discovery.Report{}, err
	}
	return Decode(s.namespace, files...)
}

// Notify implements [discovery.Notifier].
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return fileset.Follow(ctx, s.patterns, changed)
}
