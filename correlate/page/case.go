package page

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/notify"

	"github.com/headwater-sre/headwater/correlate"
)

// incidentCase delivers the pages of one incident while it has undelivered ones.
// One goroutine owns it; attempts run in goroutines of their own and report back.
type incidentCase struct {
	pager    *Pager
	incident string

	// Guarded by the pager's mu.
	seen   uint64    // highest Seq it was told of
	parked bool      // it has nothing to do …
	until  time.Time // … before this; zero: before it is told something

	// nudge says that the outbox has a page it has not seen. One token: the case
	// reads all pages whatever the number.
	nudge chan struct{}
	// results is what attempts report. It is unbuffered; gone releases attempts
	// that end after the case.
	results chan result
	gone    chan struct{}

	// Owned by run.
	sheaf sheaf
	stale bool // the outbox may know more pages than sheaf
	lanes map[target]*lane
	// storeFails counts failures of the outbox in a row; storeDue is when to try again.
	storeFails int
	storeDue   time.Time
}

// lane is the way from an incident to an integration.
type lane struct {
	busy  bool
	fails int       // in a row
	due   time.Time // not before; zero: now
}

// result is what came of an attempt.
type result struct {
	send
	// aborted: nothing was attempted.
	aborted bool
	err     error
	retry   bool // the error may pass by itself
	thread  string
	at      time.Time
}

func newCase(p *Pager, incident string, seq uint64) *incidentCase {
	return &incidentCase{
		pager: p, incident: incident, seen: seq, stale: true,
		nudge: make(chan struct{}, 1), results: make(chan result), gone: make(chan struct{}),
		lanes: make(map[target]*lane),
	}
}

// run works until everything is delivered or ctx ends. After that it still records
// what is under way, until hard ends.
func (c *incidentCase) run(ctx, hard context.Context) {
	defer close(c.gone)
	for {
		routing := c.pager.routing.Load()
		c.turn(ctx, hard, routing)
		switch {
		case !c.idle():
		case ctx.Err() != nil && c.recorded():
			return
		case c.settled() && c.pager.dismiss(c):
			return
		}
		c.await(ctx, hard, routing)
		if hard.Err() != nil {
			return
		}
	}
}

// turn brings sheaf and outbox together and starts what can be started. What is
// in hand is sent also while the outbox fails: a page late in the records is
// better than a page late.
func (c *incidentCase) turn(ctx, hard context.Context, r *routing) {
	now := c.pager.now()
	if !now.Before(c.storeDue) {
		c.storeDue = time.Time{}
	}
	for _, l := range c.lanes {
		if !now.Before(l.due) {
			l.due = time.Time{}
		}
	}
	if c.stale && c.storeDue.IsZero() && ctx.Err() == nil {
		c.read(ctx)
	}
	sends := c.sheaf.plan(r, c.busy())
	for _, s := range sends {
		if l := c.lane(s.to); !l.busy && l.due.IsZero() && ctx.Err() == nil {
			l.busy = true
			go c.attempt(ctx, hard, r, s)
		}
	}
	if c.storeDue.IsZero() {
		c.record(hard)
	}
}

// await waits for something to do.
func (c *incidentCase) await(ctx, hard context.Context, r *routing) {
	var timer <-chan time.Time // nil: nothing has a time
	at := c.nextDue(ctx.Err() != nil)
	if !at.IsZero() {
		due, stop := c.pager.opts.Clock.Timer(at)
		defer stop()
		timer = due
	}
	if c.idle() && (!c.stale || !c.storeDue.IsZero()) {
		c.pager.park(c, at)
		defer c.pager.unpark(c)
	}
	done := ctx.Done()
	if ctx.Err() != nil {
		done = nil // known; what is under way is waited for
	}
	select {
	case res := <-c.results:
		c.apply(res)
	case <-c.nudge:
		c.stale = true
	case <-timer:
	case <-r.replaced:
		for _, l := range c.lanes {
			l.fails, l.due = 0, time.Time{} // the reload may have mended it
		}
	case <-done:
	case <-hard.Done():
	}
}

// read takes new pages from the outbox. What is in hand already is further than
// the outbox, never behind it.
func (c *incidentCase) read(ctx context.Context) {
	entries, err := c.pager.opts.Outbox.Pages(ctx, c.incident)
	if !c.stored(err, "read") {
		return
	}
	known := uint64(0)
	if n := len(c.sheaf); n > 0 {
		known = c.sheaf[n-1].Page.Seq
	}
	announced := c.pager.announced(c)
	for _, e := range entries {
		if !e.Done && e.Page.Seq > announced {
			break // its decision may not be on disk yet; we will be told
		}
		if e.Page.Seq > known {
			c.sheaf = append(c.sheaf, &leaf{OutboxEntry: e})
		}
	}
	c.stale = false
	c.slim()
}

// slim lets go of the contents of pages that are done: all that later pages need
// of them is who got them and, of an opening page, its labels.
func (c *incidentCase) slim() {
	for _, l := range c.sheaf {
		if !l.Done || l.dirty {
			continue
		}
		inc := &l.Page.Incident
		kept := correlate.Incident{ID: inc.ID, Severity: inc.Severity, Sev: inc.Sev, Environment: inc.Environment}
		if o := inc.Origin(); o != nil {
			kept.Origins = []correlate.Origin{{Service: o.Service, Kind: o.Kind, Owner: o.Owner}}
		}
		p := l.Page
		l.Page = &correlate.Page{Incident: kept, Seq: p.Seq, Kind: p.Kind, At: p.At, To: p.To, Ring: p.Ring, Newcomers: p.Newcomers}
	}
}

// record writes what the outbox does not know.
func (c *incidentCase) record(ctx context.Context) {
	for _, l := range c.sheaf {
		if !l.dirty {
			continue
		}
		err := c.pager.opts.Outbox.RecordDelivery(ctx, l.Page.Key(), slices.Clone(l.Deliveries), l.Done, l.Superseded)
		if !c.stored(err, "record") {
			return
		}
		l.dirty = false
		c.pager.forgetTaken(l.Page.Key())
		if l.Done {
			c.count(l)
		}
	}
	c.slim()
}

// count counts what was decided without an attempt, once per page.
func (c *incidentCase) count(l *leaf) {
	if l.Superseded {
		c.pager.metrics.superseded.Inc()
	}
	for i := range l.Deliveries {
		if d := &l.Deliveries[i]; d.Skipped != "" && d.Attempts == 0 {
			c.pager.metrics.delivered(targetOf(d), resultSkipped)
		}
	}
}

// stored handles the outcome of a call to the outbox.
func (c *incidentCase) stored(err error, did string) bool {
	if err == nil {
		c.storeFails, c.storeDue = 0, time.Time{}
		return true
	}
	o := &c.pager.opts
	c.storeFails++
	c.storeDue = c.pager.now().Add(backoff(o.RetryMin, o.RetryMax, c.storeFails))
	c.pager.metrics.outboxErrors.Inc()
	if c.storeFails == 1 && !errors.Is(err, context.Canceled) {
		o.Logger.Error("Page outbox failed; will keep trying", "incident", c.incident, "did", did, "err", err)
	}
	return false
}

// attempt sends one page to one integration. It holds one of the integration's
// slots until the notifier returns, also when that heeds no deadline: so a
// receiver that hangs is never sent more than its slots.
func (c *incidentCase) attempt(ctx, hard context.Context, r *routing, s send) {
	res := result{send: s}
	in := r.targets[s.to]
	select {
	case in.slots <- struct{}{}:
		res = c.notify(hard, r, in, s)
		<-in.slots
	case <-r.replaced: // the new routing has slots of its own
		res.aborted = true
	case <-ctx.Done():
		res.aborted = true
	}
	select {
	case c.results <- res:
	case <-c.gone:
	}
}

func (c *incidentCase) notify(hard context.Context, r *routing, in *integration, s send) result {
	m := c.pager.metrics
	ctx, cancel := context.WithTimeout(hard, c.pager.opts.AttemptTimeout)
	defer cancel()
	began := time.Now()
	inFlight := m.inFlight.WithLabelValues(in.integration)
	inFlight.Inc()
	res := c.deliver(ctx, r, in, s)
	inFlight.Dec()
	m.duration.WithLabelValues(in.integration).Observe(time.Since(began).Seconds())
	if res.err != nil && hard.Err() != nil {
		res.aborted = true // cut off by the end of the process: whether it arrived is not known
	}
	return res
}

// deliver says the page, ends the rings that it replaces, and answers in its thread. If a
// part fails all go again: each has a key or is an edit, but for the last.
func (c *incidentCase) deliver(ctx context.Context, r *routing, in *integration, s send) (res result) {
	res = result{send: s}
	defer func() { res.at = c.pager.now() }()
	if in.status != nil {
		res.retry, res.err = in.status.post(ctx, s.leaf.Page)
		return res
	}
	said, thread := noticeContext(ctx, r, s)
	res.retry, res.err = in.notifierFor(s.page()).Notify(said, alertSaying(c.pager.sheet(s.page()), s.page(), s.opening, c.pager.now()))
	for _, key := range s.closes {
		if res.err == nil {
			old := s.closing(key) // after the new ring, so that there is none at no time
			ended, _ := noticeContext(ctx, r, old)
			res.retry, res.err = in.notify.Notify(ended, alertSaying(c.pager.sheet(old.page()), old.page(), s.opening, c.pager.now()))
		}
	}
	if res.err == nil {
		res.retry, res.err = s.answerInThread(ctx, in)
	}
	if res.err == nil && in.threaded {
		res.thread = thread()
	}
	return res
}

// minRefusals is how often in a row a page must have been refused before it is
// given up, however old: after a long outage of ours it deserves its tries.
const minRefusals = 5

// apply enters the outcome of an attempt.
func (c *incidentCase) apply(res result) {
	l := c.lane(res.to)
	l.busy = false
	d := res.leaf.delivery(res.to)
	if res.aborted {
		return
	}
	d.Attempts++
	res.leaf.dirty = true
	m, o := c.pager.metrics, &c.pager.opts
	if res.err == nil {
		c.pager.noteTaken(res.leaf.Page.Key())
		*l = lane{}
		d.SentAt, d.LastError, d.Thread = res.at.UTC(), "", res.thread
		if res.kind.Rings() {
			d.Ring = max(1, res.leaf.Page.Ring)
		}
		m.delivered(res.to, resultSent)
		c.pager.report(res.to, nil, false)
		return
	}
	refused := !passes(res)
	err := redacted(res.err)
	d.LastError = line(err.Error())
	l.fails++
	c.pager.report(res.to, errors.New(d.LastError), refused)
	switch {
	case !refused:
		l.due = c.pager.now().Add(max(backoff(o.RetryMin, o.RetryMax, l.fails), askedToWait(res.err)))
		m.delivered(res.to, resultRetry)
	case c.age(res.leaf) >= o.GiveUpAfter && l.fails >= minRefusals:
		*l = lane{}
		res.leaf.skip(d, "given up after "+correlate.Span(c.age(res.leaf))+": "+d.LastError)
		m.delivered(res.to, resultGivenUp)
		o.Logger.Error("Gave up a page", "incident", c.incident, "seq", res.leaf.Page.Seq, "receiver", res.to.receiver, "integration", res.to.integration, "err", d.LastError)
	default:
		l.due = c.pager.now().Add(backoff(o.RefusedMin, o.RefusedMax, l.fails))
		m.delivered(res.to, resultRefused)
	}
}

// age is how long ago a page was decided.
func (c *incidentCase) age(l *leaf) time.Duration { return c.pager.now().Sub(l.Page.At) }

// passes reports whether an error may pass by itself. A rate limit and a timeout
// do, though some notifiers call them final.
func passes(res result) bool {
	var reason *notify.ErrorWithReason
	return res.retry || errors.Is(res.err, context.DeadlineExceeded) ||
		errors.As(res.err, &reason) && reason.Reason == notify.RateLimitedReason
}

// askedToWait is how long the receiver wants to be left alone, as far as it is known; 0: it did not say.
func askedToWait(err error) time.Duration {
	var limited *rateLimitedError
	if errors.As(err, &limited) {
		return limited.after
	}
	return 0
}

// redacted takes the address out of an error: for some receivers it is the secret.
func redacted(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return notify.RedactURL(err)
	}
	return err
}

func (c *incidentCase) lane(t target) *lane {
	if c.lanes[t] == nil {
		c.lanes[t] = &lane{}
	}
	return c.lanes[t]
}

func (c *incidentCase) busy() map[target]bool {
	busy := make(map[target]bool)
	for t, l := range c.lanes {
		if l.busy {
			busy[t] = true
		}
	}
	return busy
}

func (c *incidentCase) idle() bool { return len(c.busy()) == 0 }

// recorded reports whether the outbox knows all that was delivered.
func (c *incidentCase) recorded() bool {
	return !slices.ContainsFunc(c.sheaf, func(l *leaf) bool { return l.dirty })
}

// settled reports whether all pages are done and recorded.
func (c *incidentCase) settled() bool {
	return !c.stale && !slices.ContainsFunc(c.sheaf, func(l *leaf) bool { return !l.Done || l.dirty })
}

// nextDue is the earliest time at which something can be tried again; zero: none.
// When it is ending, only records are.
func (c *incidentCase) nextDue(ending bool) time.Time {
	at := c.storeDue
	for _, l := range c.lanes {
		if !ending && !l.busy && !l.due.IsZero() && (at.IsZero() || l.due.Before(at)) {
			at = l.due
		}
	}
	return at
}
