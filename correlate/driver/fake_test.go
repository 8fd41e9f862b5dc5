package driver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
	"github.com/headwater-sre/headwater/correlate/store/storetest"
)

var errDown = errors.New("down")

// stream is a Source in memory. Its entries may be sent more than once.
type stream struct {
	mu       sync.Mutex
	entries  []correlate.Input
	grown    chan struct{}
	tickErr  error // what PublishTick returns …
	lostTick bool  // … and whether the tick is stored nevertheless
	attempts []time.Time
	ticks    []time.Time
	following,
	repeat int // how often each entry is sent besides the first time
	skew    time.Duration
	lastErr error
}

func newStream() *stream { return &stream{grown: make(chan struct{})} }

func (s *stream) publish(signals ...correlate.Signal) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sig := range signals {
		s.entries = append(s.entries, correlate.Input{Pos: uint64(len(s.entries) + 1), At: time.Now().Add(s.skew), Signal: sig})
	}
	close(s.grown)
	s.grown = make(chan struct{})
	return uint64(len(s.entries))
}

func (s *stream) after(pos uint64) ([]correlate.Input, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries[min(pos, uint64(len(s.entries))):]), s.grown
}

func (s *stream) Follow(ctx context.Context, after uint64, out chan<- correlate.Input) error {
	s.mu.Lock()
	s.following++
	repeat := s.repeat
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.following--
		s.mu.Unlock()
	}()
	for {
		entries, grown := s.after(after)
		for _, in := range entries {
			for range 1 + repeat {
				select {
				case out <- in:
				case <-ctx.Done():
					return nil
				}
			}
			after = in.Pos
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *stream) PublishTick(context.Context) error {
	s.mu.Lock()
	err, lost := s.tickErr, s.lostTick
	s.attempts = append(s.attempts, time.Now())
	if err == nil || lost {
		s.ticks = append(s.ticks, time.Now())
	}
	s.mu.Unlock()
	if err == nil || lost {
		s.publish(correlate.Tick{})
	}
	return err
}

func (s *stream) Last(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.entries)), s.lastErr
}

func (s *stream) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// disk is a Store in memory whose commits can fail before or after they took effect.
type disk struct {
	*storetest.Memory
	mu      sync.Mutex
	err     error
	after   bool // err comes after the commit
	commits []commit
}

type commit struct {
	first, last uint64 // positions; 0: no deltas
	sync        bool
	failed      bool
	at          time.Time
}

func newDisk() *disk { return &disk{Memory: storetest.NewMemory()} }

func (d *disk) Commit(ctx context.Context, deltas []*correlate.Delta, durable bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := commit{sync: durable, failed: d.err != nil, at: time.Now()}
	if len(deltas) > 0 {
		c.first, c.last = deltas[0].Meta.Pos, deltas[len(deltas)-1].Meta.Pos
	}
	d.commits = append(d.commits, c)
	if d.err != nil && !d.after {
		return d.err
	}
	if err := d.Memory.Commit(ctx, deltas, durable); err != nil {
		return err
	}
	return d.err
}

func (d *disk) fail(err error, after bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.after = err, after
}

func (d *disk) log() []commit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.commits)
}

// fakeEngine does what the signal's text says: see its Step. It records the
// positions it was stepped with across restorations.
type fakeEngine struct {
	meta     correlate.Meta
	deadline time.Time
	record   *record
}

type record struct {
	mu      sync.Mutex
	stepped []uint64
	broken  bool // every step panics
}

func (r *record) positions() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.stepped)
}

// do is a signal for the fake engine.
func do(text string) correlate.Signal { return &correlate.Command{Text: text} }

func (e *fakeEngine) Step(in correlate.Input) *correlate.Delta {
	e.record.mu.Lock()
	e.record.stepped = append(e.record.stepped, in.Pos)
	e.record.mu.Unlock()
	e.meta.Pos, e.meta.Now = in.Pos, in.At
	if !e.deadline.IsZero() && !in.At.Before(e.deadline) {
		e.deadline = time.Time{}
	}
	d := &correlate.Delta{}
	cmd, _ := in.Signal.(*correlate.Command)
	if cmd == nil {
		cmd = &correlate.Command{}
	}
	switch cmd.Text {
	case "page":
		inc := correlate.Incident{ID: fmt.Sprint("INC-", in.Pos), Number: in.Pos, Revision: in.Pos}
		d.Incidents = []*correlate.Incident{&inc}
		d.Pages = []*correlate.Page{{Incident: inc, Seq: 1, At: in.At}}
	case "reject":
		d.Rejected = fmt.Sprint("no to ", in.Pos)
	case "deadline in 10s":
		e.deadline = in.At.Add(10 * time.Second)
	case "panic":
		panic("poison")
	case "panic for ever":
		e.record.broken = true
	}
	if e.record.broken {
		panic("state is broken")
	}
	d.Meta = e.meta
	return d
}

func (e *fakeEngine) NextDeadline() (time.Time, bool) { return e.deadline, !e.deadline.IsZero() }

// rig is a driver with fakes around it, inside a synctest bubble.
type rig struct {
	*driver.Driver
	t      *testing.T
	stream *stream
	disk   *disk
	record *record
	kept   []correlate.Input
	stop   context.CancelFunc
	done   chan error
}

func newRig(t *testing.T) *rig {
	return &rig{t: t, stream: newStream(), disk: newDisk(), record: &record{}}
}

func (r *rig) options() driver.Options {
	return driver.Options{
		Source: r.stream,
		Store:  r.disk,
		Restore: func(_ correlate.Config, s *correlate.Snapshot) (driver.Engine, error) {
			return &fakeEngine{meta: s.Meta, record: r.record}, nil
		},
		Quarantine: func(_ context.Context, in correlate.Input, _ string) error {
			r.kept = append(r.kept, in)
			return errDown // and be it so
		},
	}
}

// start runs a driver until the end of the test or r.stop.
func (r *rig) start(o driver.Options) *rig {
	r.t.Helper()
	var err error
	if r.Driver, err = driver.New(o); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop, r.done = cancel, make(chan error, 1)
	go func() { r.done <- r.Run(ctx) }()
	synctest.Wait()
	return r
}

// ended stops the driver and returns Run's error.
func (r *rig) ended() error {
	r.stop()
	return <-r.done
}

func (r *rig) finish() {
	r.t.Helper()
	if err := r.ended(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

func upTo(n uint64) []uint64 {
	var out []uint64
	for i := uint64(1); i <= n; i++ {
		out = append(out, i)
	}
	return out
}
