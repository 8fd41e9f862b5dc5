package main

import (
	"context"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
)

// storyClock is the demo's time: it began in the past and runs faster than ours
// until it has caught up with the present, and as fast as ours from then on.
//
//	story │          ╱
//	time  │        ╱   ◄ caught up: story time is our time
//	      │      ╱|
//	      │    ▕  |
//	      │   ▕   |      `speed` times as steep
//	      └───────────── our time
//
// So the story plays with every setting at its default, and no time that the
// engine, a page or the API tells lies in the future.
type storyClock struct {
	began time.Time // ours, at the story's beginning
	zero  time.Time // the story's
	ends  time.Time // ours, when it has caught up
	speed float64
}

func newStoryClock(began time.Time, length time.Duration, speed float64) *storyClock {
	ends := began.Add(time.Duration(float64(length) / speed))
	return &storyClock{began: began, zero: ends.Add(-length), ends: ends, speed: speed}
}

// at is the story's time at one of ours.
func (c *storyClock) at(ours time.Time) time.Time {
	if !ours.Before(c.ends) {
		return ours
	}
	return c.zero.Add(time.Duration(float64(ours.Sub(c.began)) * c.speed))
}

// elapsed is how far the story is at one of our times.
func (c *storyClock) elapsed(ours time.Time) time.Duration { return c.at(ours).Sub(c.zero) }

// until is how long from one of our times to a moment of the story.
func (c *storyClock) until(elapsed time.Duration, ours time.Time) time.Duration {
	return c.began.Add(time.Duration(float64(elapsed) / c.speed)).Sub(ours)
}

// storySource is the stream with the story's time on its entries. The driver
// expects deadlines at our pace and would publish its ticks too late, so the
// source publishes some of its own while the story is ahead.
type storySource struct {
	driver.Source
	clock *storyClock
}

// storyTick is how often, by our time.
const storyTick = 50 * time.Millisecond

// Follow implements [driver.Source].
func (s *storySource) Follow(ctx context.Context, after uint64, out chan<- correlate.Input) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := make(chan correlate.Input) // not buffered: out's buffer is the driver's
	ended := make(chan error, 1)     // one result
	go func() { ended <- s.Source.Follow(ctx, after, in) }()
	ticks := time.NewTicker(storyTick)
	defer ticks.Stop()
	for {
		select {
		case input := <-in:
			input.At = s.clock.at(input.At)
			select {
			case out <- input:
			case <-ctx.Done():
			}
		case now := <-ticks.C:
			if now.After(s.clock.ends.Add(storyTick)) {
				ticks.Stop()
			}
			_ = s.PublishTick(ctx) // the next one makes up for it
		case err := <-ended:
			return err
		}
	}
}
