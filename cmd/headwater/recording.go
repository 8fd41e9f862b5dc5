package main

import (
	"context"
	"io"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/replay"
	"github.com/headwater-sre/headwater/topology"
)

// streamReader reads what the stream holds.
type streamReader interface {
	Read(ctx context.Context, fn func(correlate.Input) (more bool, err error)) error
}

// recordings implements [api.Recorder] over the stream. The stream keeps entries for
// days and a topology may be older than that: then the store's is the one in force.
type recordings struct {
	stream streamReader
	graph  func() (*topology.Graph, uint64)
}

// Record implements [api.Recorder].
func (r recordings) Record(ctx context.Context, w io.Writer, name string, since, until time.Time) error {
	o := replay.RecorderOptions{Name: name, Since: since, Until: until}
	if graph, _ := r.graph(); graph != nil {
		spec := graph.Spec()
		o.Topology = &spec
	}
	rec := replay.NewRecorder(w, o)
	if err := r.stream.Read(ctx, rec.Add); err != nil {
		return err
	}
	return rec.Close()
}
