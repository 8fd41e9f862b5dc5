package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/file"
)

func TestTheStoryIsTheOneInTheBooks(t *testing.T) {
	s := mustStory(t)
	services := map[string]bool{}
	seen := map[string]bool{}
	r, err := topology.NewResolver(topology.ResolverConfig{})
	if err != nil {
		t.Fatal(err)
	}
	graph := storyGraph(t)
	for i := range s.Alerts {
		a := &s.Alerts[i]
		if seen[a.fingerprint()] {
			t.Errorf("two alerts with the labels %v", a.Labels)
		}
		seen[a.fingerprint()] = true
		about := r.Resolve(graph, a.Labels)
		hit := about.Service.Name
		if about.Edge {
			hit = about.Source.Name
		}
		if _, known := graph.Lookup(topology.Ref{Name: hit}); !known {
			t.Errorf("%v is about %s, which is not in the topology", a.Labels, about.Service)
		}
		services[hit] = true
	}
	if services["mysql"] {
		t.Error("the database alerts; it must be silent")
	}
	if len(s.Alerts) < 35 || len(services) != 9 {
		t.Errorf("%d alerts over %d services; want about 40 over 9", len(s.Alerts), len(services))
	}
}

// The right answer, from the engine alone: without HTTP, stream and store, and with
// exact times.
func TestTheEngineUnderstandsTheStory(t *testing.T) {
	s, graph := mustStory(t), storyGraph(t)
	e, err := correlate.New(correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	zero := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	var pages []*correlate.Page
	pos := uint64(0)
	step := func(at time.Time, signal correlate.Signal) {
		pos++
		pages = append(pages, e.Step(correlate.Input{Pos: pos, At: at, Signal: signal}).Pages...)
	}
	for _, in := range append([]storyInput{{-time.Minute, &correlate.TopologyReport{Spec: graph.Spec()}}}, s.signals(t, zero)...) {
		for due, ok := e.NextDeadline(); ok && !due.After(zero.Add(in.at)); due, ok = e.NextDeadline() {
			step(due, correlate.Tick{})
		}
		step(zero.Add(in.at), in.signal)
	}
	for due, ok := e.NextDeadline(); ok && due.Before(zero.Add(2*time.Hour)); due, ok = e.NextDeadline() {
		step(due, correlate.Tick{})
	}

	opened := 0
	var last *correlate.Page
	for _, p := range pages {
		t.Logf("%-8s %8v %s", p.Kind, p.At.Sub(zero), p.Incident.Headline())
		if p.Kind == correlate.PageOpen {
			opened++
		}
		last = p
	}
	if opened != 1 {
		t.Errorf("%d opening pages, want 1", opened)
	}
	if last == nil || last.Kind != correlate.PageResolve {
		t.Fatal("it does not end with a resolve")
	}
	origins := last.Incident.Origins
	if len(origins) < 2 || origins[0].Service.Name != "mysql" || !origins[0].Silent {
		t.Fatalf("origins: %+v, want mysql first, silent", origins)
	}
	if origins[1].Service.Name != "shipping" {
		t.Errorf("the runner-up is %s, want shipping", origins[1].Service)
	}
}

type storyInput struct {
	at     time.Duration
	signal correlate.Signal
}

// signals are the story as the decoders would make them, each alert as soon as it starts and ends.
func (s *story) signals(t *testing.T, zero time.Time) []storyInput {
	t.Helper()
	var in []storyInput
	for _, c := range s.Changes {
		in = append(in, storyInput{time.Duration(c.At), &correlate.Change{
			Service: topology.ParseRef(c.Service), Kind: c.Kind, Summary: c.Summary, At: zero.Add(time.Duration(c.At - c.Ago)),
		}})
	}
	for _, h := range s.Health {
		status, err := correlate.ParseHealthStatus(h.Status)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Duration(h.From); at < time.Duration(h.Until); at += checkEvery {
			in = append(in, storyInput{at, &correlate.HealthBatch{Results: []correlate.HealthResult{{Service: topology.ParseRef(h.Service), Check: h.Check, Status: status}}}})
		}
	}
	for i := range s.Alerts {
		a := &s.Alerts[i]
		begun := correlate.Alert{
			Fingerprint: a.fingerprint(), Labels: a.Labels, Annotations: map[string]string{"summary": a.Summary},
			StartsAt: zero.Add(time.Duration(a.At)),
		}
		ended := begun
		ended.Status, ended.EndsAt = correlate.Resolved, zero.Add(time.Duration(a.Until))
		in = append(in,
			storyInput{time.Duration(a.At) + groupInterval, &correlate.AlertBatch{Source: "alertmanager", Alerts: []correlate.Alert{begun}}},
			storyInput{time.Duration(a.Until) + groupInterval, &correlate.AlertBatch{Source: "alertmanager", Alerts: []correlate.Alert{ended}}})
	}
	slices.SortStableFunc(in, func(a, b storyInput) int { return int(a.at - b.at) })
	return in
}

func mustStory(t *testing.T) *story {
	t.Helper()
	s, err := parseStory(storyFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func storyGraph(t *testing.T) *topology.Graph {
	t.Helper()
	spec, err := file.Parse("topology.yaml", storyTopology)
	if err != nil {
		t.Fatal(err)
	}
	graph, warnings, err := topology.Build(spec)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	return graph
}

func TestTheStorysClockRunsFastAndCatchesUp(t *testing.T) {
	began := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	c := newStoryClock(began, time.Hour, 60)
	if got := c.at(began.Add(time.Second)).Sub(c.at(began)); got != time.Minute {
		t.Errorf("a second of ours is %v of the story", got)
	}
	if got := c.elapsed(began.Add(time.Minute)); got != time.Hour {
		t.Errorf("after a minute the story is at %v", got)
	}
	if got := c.until(30*time.Minute, began); got != 30*time.Second {
		t.Errorf("half of it takes %v", got)
	}
	before := time.Time{}
	for ours := began; ours.Before(began.Add(2 * time.Minute)); ours = ours.Add(100 * time.Millisecond) {
		at := c.at(ours)
		if !at.After(before) || at.After(ours) {
			t.Fatalf("at %v the story is at %v, before that at %v", ours, at, before)
		}
		before = at
	}
	if late := began.Add(time.Hour); !c.at(late).Equal(late) {
		t.Error("it does not run as ours once it has caught up")
	}
}

// fixedSource delivers what it is given and then waits.
type fixedSource struct {
	driver.Source
	inputs []correlate.Input
	ticks  chan struct{}
}

func (f *fixedSource) Follow(ctx context.Context, _ uint64, out chan<- correlate.Input) error {
	for _, in := range f.inputs {
		out <- in
	}
	<-ctx.Done()
	return errors.New("followed to the end")
}

func (f *fixedSource) PublishTick(context.Context) error {
	select {
	case f.ticks <- struct{}{}:
	default:
	}
	return nil
}

func TestTheStorysStreamTellsTheStorysTime(t *testing.T) {
	began := time.Now()
	clock := newStoryClock(began, time.Hour, 60)
	f := &fixedSource{ticks: make(chan struct{}, 1), inputs: []correlate.Input{{Pos: 1, At: began}, {Pos: 2, At: began.Add(time.Second)}}}
	s := &storySource{f, clock}
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan correlate.Input)
	ended := make(chan error, 1)
	go func() { ended <- s.Follow(ctx, 0, out) }()
	first, second := <-out, <-out
	if !first.At.Equal(clock.zero) || second.At.Sub(first.At) != time.Minute {
		t.Errorf("at %v and %v, want %v and a minute later", first.At, second.At, clock.zero)
	}
	<-f.ticks
	cancel()
	if err := <-ended; err == nil || err.Error() != "followed to the end" {
		t.Errorf("ended with %v", err)
	}
}
