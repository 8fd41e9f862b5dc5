package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// asker asks one source again and again, in a goroutine of its own.
type asker struct {
	Config
	kick   chan struct{} // room for one: asking once is enough for all that changed before
	cancel context.CancelFunc
}

// answer is how one fetch went.
type answer struct {
	report Report
	err    error
	took   time.Duration
}

func (c Config) withDefaults() Config {
	if c.RefreshInterval <= 0 {
		c.RefreshInterval = DefaultRefreshInterval
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	return c
}

// run asks until ctx ends. tell gets each answer before the next fetch begins.
func (a *asker) run(ctx context.Context, tell func(context.Context, *asker, answer)) {
	noticed := make(chan error, 1) // one result
	if n, ok := a.Source.(Notifier); ok {
		notifying := make(chan struct{})
		defer func() { <-notifying }()
		go func() {
			defer close(notifying)
			noticed <- n.Notify(ctx, a.changed)
		}()
	}
	failures := 0
	var deaf error // why the source cannot notice changes
	for {
		got := a.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		if deaf != nil && got.err == nil {
			got.report.Warnings = append(got.report.Warnings, warning("changes are only noticed every %s: %v", a.RefreshInterval, deaf))
		}
		failures++
		if got.err == nil {
			failures = 0
		}
		tell(ctx, a, got)
		pause := time.NewTimer(a.pause(failures))
		select {
		case <-ctx.Done():
		case <-a.kick:
		case deaf = <-noticed:
			noticed = nil // never ready again
		case <-pause.C:
		}
		pause.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// changed has the source asked soon.
func (a *asker) changed() {
	select {
	case a.kick <- struct{}{}:
	default: // it will be, already
	}
}

// fetch asks once. A panic in a source is that source's failure, not the server's.
func (a *asker) fetch(ctx context.Context) (got answer) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			got.err = fmt.Errorf("the source failed: %v", p)
		}
		got.took = time.Since(began)
	}()
	got.report, got.err = a.Source.Fetch(ctx)
	if errors.Is(got.err, context.DeadlineExceeded) {
		got.err = fmt.Errorf("no answer within %s: %w", a.Timeout, got.err)
	}
	return got
}

// firstRetry is the pause after a first failure; each further one doubles it, up to
// the interval.
const firstRetry = 2 * time.Second

// pause is the time to the next fetch, a tenth more or less so that sources which were
// begun together are not asked together for ever.
func (a *asker) pause(failures int) time.Duration {
	d := a.RefreshInterval
	if failures > 0 {
		d = min(d, firstRetry<<min(failures-1, 20))
	}
	return d - d/10 + rand.N(d/5+1)
}
