package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// watchEvery is how often the stream is asked for its end; at first, while
	// nobody is ready before it is known, it is startEvery.
	watchEvery = 5 * time.Second
	startEvery = 250 * time.Millisecond
	// stallAfter is how long entries may lie there without any being applied before we say that we are not ready.
	stallAfter = 30 * time.Second
)

// status is what is known about being up to date.
type status struct {
	mu      sync.Mutex
	problem error // what keeps us from going on; nil: nothing

	known  bool   // whether the stream has told its end
	target uint64 // its end when we first asked: we are caught up from there on
	last   uint64 // its end when we last asked

	moved time.Time // when something was last applied, or there was last nothing to apply
	at    time.Time // the stream's time of the last entry applied
}

// stuck notes what keeps us from going on, and reports whether that is news.
func (s *status) stuck(err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first = s.problem == nil
	s.problem = err
	return first
}

// recovered notes that nothing keeps us, and reports whether that is news.
func (s *status) recovered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.problem != nil
	s.problem = nil
	return was
}

func (s *status) applied(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved, s.at = time.Now(), at
}

// streamEnds notes the position of the newest entry while applied is ours.
func (s *status) streamEnds(last, applied uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		s.known, s.target, s.moved = true, last, time.Now()
	}
	if last <= applied {
		s.moved = time.Now()
	}
	s.last = last
}

// watchStream asks the stream for its end now and then, until ctx ends.
func (d *Driver) watchStream(ctx context.Context) {
	pause := startEvery
	for first := true; first || sleep(ctx, pause); first = false {
		asked, cancel := context.WithTimeout(ctx, watchEvery)
		last, err := d.opts.Source.Last(asked)
		cancel()
		if err != nil {
			continue // the stream reports its own health; we only know no better than before
		}
		d.status.streamEnds(last, d.Applied())
		pause = watchEvery
	}
}

// Ready returns nil once the entries that the stream held at the start have been
// applied, and an error saying why not otherwise, or when commits fail or nothing
// has been applied for 30 s though there is something to apply.
func (d *Driver) Ready() error {
	applied := d.Applied()
	s := &d.status
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.problem != nil:
		return s.problem
	case !s.known:
		return errors.New("the stream's end is not known yet")
	case applied < s.target:
		return fmt.Errorf("catching up: at position %d of %d", applied, s.target)
	case applied < s.last && time.Since(s.moved) > stallAfter:
		return fmt.Errorf("no progress for %s: at position %d of %d", time.Since(s.moved).Round(time.Second), applied, s.last)
	}
	return nil
}

// Lag is how far the committed state is behind the stream.
type Lag struct {
	// Entries is how many entries have not been applied, as of the last few seconds.
	Entries uint64
	// Behind is the age of the last entry applied by the stream's clock while there are others; else 0.
	Behind time.Duration
}

// Lag returns the present lag.
func (d *Driver) Lag() Lag {
	applied := d.Applied()
	s := &d.status
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last <= applied {
		return Lag{}
	}
	lag := Lag{Entries: s.last - applied}
	if !s.at.IsZero() {
		lag.Behind = max(0, time.Since(s.at))
	}
	return lag
}
