package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

const (
	// maxLarge is how many bodies over [smallBody] may be in memory at the same time.
	maxLarge = 4
	// maxWaiting is how many requests may wait for others: about what a listener
	// backlog holds. Beyond it a sender does better to come back later.
	maxWaiting = 1024
)

var errBusy = errors.New("too many requests at the same time")

// gate bounds the requests in flight. Large ones first get a place like all
// others and then a large one; nobody who holds a large place waits for a place,
// so they cannot block each other for good.
type gate struct {
	places, large chan struct{} // one element for each that is taken
	waiting       *atomic.Int64
}

func newGate(places int) gate {
	return gate{places: make(chan struct{}, places), large: make(chan struct{}, maxLarge), waiting: new(atomic.Int64)}
}

// pass is a request's permission to be worked on.
type pass struct {
	gate
	isLarge bool
}

// enter waits for a place.
func (g gate) enter(ctx context.Context) (*pass, error) {
	if err := g.wait(ctx, g.places); err != nil {
		return nil, err
	}
	return &pass{gate: g}, nil
}

// enlarge waits for the permission to take a large body into memory.
func (p *pass) enlarge(ctx context.Context) error {
	if p.isLarge {
		return nil
	}
	if err := p.wait(ctx, p.large); err != nil {
		return err
	}
	p.isLarge = true
	return nil
}

func (p *pass) leave() {
	if p.isLarge {
		<-p.large
	}
	<-p.places
}

func (g gate) wait(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > maxWaiting {
		return errBusy
	}
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errBusy, ctx.Err())
	}
}
