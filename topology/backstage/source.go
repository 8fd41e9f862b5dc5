package backstage

import (
	"context"

	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/fileset"
)

// Source reads catalogue files.
type Source struct {
	name     string
	patterns []string
}

// NewSource makes a source of all files that match the patterns.
func NewSource(name string, patterns []string) *Source { return &Source{name, patterns} }

// Name implements [discovery.Source].
func (s *Source) Name() string { return s.name }

// Fetch implements [discovery.Source].
func (s *Source) Fetch(context.Context) (discovery.Report, error) {
	files, err := fileset.Read(s.patterns)
	if err != nil {
		return discovery.Report{}, err
	}
	return Decode(files...)
}

// Notify implements [discovery.Notifier].
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return fileset.Follow(ctx, s.patterns, changed)
}
