package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/file"
)

// fileInterval is how often topology files are looked at when the file system notifies
// of nothing.
const fileInterval = 30 * time.Second

// topologySources are the sources that the configuration names: the files first, which
// win over all others.
func (c *config) topologySources() []discovery.Config {
	if len(c.topologyFiles) == 0 {
		return c.sources
	}
	files := discovery.Config{
		Source: file.NewSource(fileSource, c.topologyFiles), Declared: true,
		Identity: "files " + strings.Join(c.topologyFiles, "\x00"), RefreshInterval: fileInterval,
	}
	return append([]discovery.Config{files}, c.sources...)
}

// firstTopologyPatience bounds how long the first start ever keeps alerts waiting for a
// topology. It is a little more than what the manager waits for sources.
const firstTopologyPatience = 15 * time.Second

// startTopology has the topology sources followed. The graph itself changes when a
// version comes back from the stream, in its place among the alerts. The first version
// ever comes before any alert, unless it takes too long.
func (s *server) startTopology(ctx context.Context) error {
	var err error
	s.topology, err = discovery.New(discovery.Options{
		InForce: s.topologyInForce, Publish: s.publishTopology,
		Logger: s.log.With("component", "topology"), Registerer: s.registry,
	})
	if err != nil {
		return err
	}
	sources := s.config.topologySources()
	s.parts.run("topology", func(ctx context.Context) error { return s.topology.Run(ctx, sources) })
	if graph, _ := s.store.Graph(); graph != nil || len(sources) == 0 {
		return nil
	}
	s.phase.set("waiting for the first answers of the topology sources")
	defer s.phase.set("starting")
	select {
	case <-s.topology.Ready():
	case <-time.After(firstTopologyPatience):
		s.log.Warn("Topology sources have not answered, alerts are taken without a topology until they do")
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// topologyInForce waits until what the stream holds is applied, and says which
// topology is in force then.
func (s *server) topologyInForce(ctx context.Context) (inForce topology.Spec, known bool, err error) {
	for {
		last, err := s.bus.Last(ctx)
		if err == nil {
			if _, err = s.engine.Wait(ctx, last); err == nil {
				graph, _ := s.store.Graph()
				return graph.Spec(), graph != nil, nil
			}
		}
		select {
		case <-ctx.Done():
			return topology.Spec{}, false, ctx.Err()
		case <-time.After(time.Second): // the stream is away; it is waited for elsewhere
		}
	}
}

// topologyReporter is the [correlate.TopologyReport.Source] of what the sources say together.
const topologyReporter = "topology sources"

// publishTopology puts a version on the stream. When it does not fit into one message,
// what only helps after a restart is left out, except what could not be asked for again.
func (s *server) publishTopology(ctx context.Context, spec topology.Spec) (uint64, error) {
	pos, err := s.bus.Publish(ctx, &correlate.TopologyReport{Source: topologyReporter, Spec: spec})
	if !errors.Is(err, bus.ErrTooLarge) {
		return pos, err
	}
	spec.Reports = slices.DeleteFunc(slices.Clone(spec.Reports), func(r topology.SourceReport) bool {
		return !strings.HasPrefix(r.Source, discovery.PushedPrefix)
	})
	return s.bus.Publish(ctx, &correlate.TopologyReport{Source: topologyReporter, Spec: spec})
}

// topologyVersion is what the topology files say.
type topologyVersion struct {
	services     int
	dependencies int
	warnings     []topology.Warning
}

// loadTopology reads topology files and tries whether they make a graph.
func loadTopology(paths []string) (topologyVersion, error) {
	spec, err := file.Load(paths...)
	if err != nil {
		return topologyVersion{}, err
	}
	graph, warnings, err := topology.Build(spec)
	if err != nil {
		return topologyVersion{}, fmt.Errorf("%s: %w", strings.Join(paths, ", "), err)
	}
	return topologyVersion{services: graph.Len(), dependencies: graph.EdgeCount(), warnings: warnings}, nil
}
