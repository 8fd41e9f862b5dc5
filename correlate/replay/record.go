package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// RecorderOptions say what a recording is of.
type RecorderOptions struct {
	// Name is the scenario's.
	Name string
	// Since and Until bound the recording: entries from Since on, before Until. Zero is no bound.
	Since, Until time.Time
	// Topology is the graph in force when nothing in the stream says which was. May be nil.
	Topology *topology.Spec
}

// A Recorder writes the entries of a stream, in their order, as a scenario that
// makes an engine decide what the server's did. It writes as it goes and keeps
// nothing but the latest graph.
//
// What cannot change a decision is left out: ticks, graphs that cannot be used, and positions but for telling
// which alerts came in one request. The graph in force before the first thing
// recorded becomes the scenario's topology; later ones are events. A replay begins with an
// empty engine, so a recording that begins while incidents are open does not know of them: the
// incidents are the server's from the first moment on at which it had none open,
// and their numbers are when the recording begins with the stream.
type Recorder struct {
	o RecorderOptions
	w *bufio.Writer

	last    time.Time      // of the entries so far; the engine's time does not run back either
	inForce *topology.Spec // before the first event
	entries int
	begins  bool // the stream holds its first entry, so that no graph was in force before
	events  int
	err     error
}

// NewRecorder begins a recording. The caller must Close it.
func NewRecorder(w io.Writer, o RecorderOptions) *Recorder {
	r := &Recorder{o: o, w: bufio.NewWriter(w)}
	name, err := json.Marshal(o.Name)
	r.err = err
	r.printf(`{"name": %s, "events": [`, name)
	return r
}

func (r *Recorder) printf(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.w, format, args...)
	}
}

// Add records one entry. It reports whether later ones could still be of interest.
func (r *Recorder) Add(in correlate.Input) (more bool, err error) {
	if r.entries++; r.entries == 1 {
		r.begins = in.Pos == 1
	}
	if in.At.After(r.last) {
		r.last = in.At
	}
	if !r.o.Until.IsZero() && !r.last.Before(r.o.Until) {
		return false, r.err
	}
	before := r.last.Before(r.o.Since)
	report, is := in.Signal.(*correlate.TopologyReport)
	switch {
	case is && !usable(&report.Spec):
	case is && (before || r.events == 0):
		r.inForce = &report.Spec
	case !before:
		r.signal(in)
	}
	return true, r.err
}

// usable reports whether an engine takes the graph. One that it refused changed nothing.
func usable(s *topology.Spec) bool {
	_, _, err := topology.Build(*s)
	return err == nil
}

// signal writes one entry as its events.
func (r *Recorder) signal(in correlate.Input) {
	switch sig := in.Signal.(type) {
	case *correlate.AlertBatch:
		req := &writtenRequest{
			ID: in.Pos, Source: sig.Source, Receiver: sig.Receiver, GroupKey: sig.GroupKey,
			ExternalURL: sig.ExternalURL, Truncated: sig.Truncated,
		}
		for i := range sig.Alerts {
			r.event(writtenEvent{Type: "alert", Request: req, Alert: writeAlert(&sig.Alerts[i])})
			req = &writtenRequest{ID: in.Pos} // the first says it for all
		}
	case *correlate.HealthBatch:
		req := &writtenRequest{ID: in.Pos, Source: sig.Source}
		for i := range sig.Results {
			r.event(writtenEvent{Type: "health", Request: req, Health: writeHealth(&sig.Results[i])})
			req = &writtenRequest{ID: in.Pos}
		}
	case *correlate.Change:
		r.event(writtenEvent{Type: "change", Change: writeChange(sig)})
	case *correlate.Command:
		r.event(writtenEvent{Type: "command", Command: writeCommand(sig)})
	case *correlate.TopologyReport:
		graph := writeTopology(&sig.Spec)
		graph.Source = sig.Source
		r.event(writtenEvent{Type: "topology", Topology: graph})
	}
}

func (r *Recorder) event(ev writtenEvent) {
	ev.At = writtenTime{r.last}
	if r.events++; r.events > 1 {
		r.printf(",")
	}
	r.printf("\n")
	r.json(ev)
}

// json writes v on one line.
func (r *Recorder) json(v any) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if r.err == nil {
		r.err = enc.Encode(v)
	}
	r.printf("%s", bytes.TrimRight(line.Bytes(), "\n"))
}

// Close ends the document: without it a recording is not a scenario.
func (r *Recorder) Close() error {
	graph := r.inForce
	if graph == nil && !r.begins {
		graph = r.o.Topology
	}
	if graph == nil {
		graph = &topology.Spec{}
	}
	r.printf("\n],\n\"topology\": ")
	r.json(writeTopology(graph))
	r.printf("}\n")
	if r.err == nil {
		r.err = r.w.Flush()
	}
	if r.err != nil {
		return fmt.Errorf("write recording: %w", r.err)
	}
	return nil
}
