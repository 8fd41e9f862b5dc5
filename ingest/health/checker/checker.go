package checker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

// Publisher takes health results. When it returns nil they are durable; after an error
// they may be sent again.
type Publisher interface {
	Report(ctx context.Context, batch *correlate.HealthBatch) (pos uint64, err error)
}

// BatchSource is the [correlate.HealthBatch.Source] of what a checker publishes.
const BatchSource = "probe"

// Defaults of [Options].
const (
	DefaultConcurrency = 500
	DefaultRefresh     = 5 * time.Minute
)

// Options of [New]. Zero values mean the defaults.
type Options struct {
	Publisher Publisher // required
	// Concurrency is how many probes may be under way at once. Default [DefaultConcurrency].
	// It is the most file descriptors that probes take.
	Concurrency int
	Logger      *slog.Logger          // required
	Registerer  prometheus.Registerer // nil: the metrics are not registered
}

// Tuning is what may change while a checker runs.
type Tuning struct {
	// Refresh is how often a result that says nothing new is published. Default [DefaultRefresh].
	Refresh time.Duration
	// FailureThreshold and SuccessThreshold are the engine's own, for checks without any.
	FailureThreshold, SuccessThreshold int
}

// gathering is how long results wait for others to be published with.
const gathering = time.Second

// Checker runs checks. Its methods are safe for concurrent use.
type Checker struct {
	options  Options
	metrics  *metrics
	schedule *scheduler
	wake     chan struct{} // room for one: there is something to publish

	// mu guards what follows.
	mu        sync.Mutex
	tuning    Tuning
	checks    map[Key]*Check
	sources   map[string]bool // by name
	records   map[Key]*record
	foundBy   map[Key]string // the source of a record that belongs to no check
	outbox    *outbox
	attention bool
	refused   map[string]string // the last error of a source, so that it is logged once
}

// New makes a checker that has nothing to do yet, and starts nothing.
func New(o Options) *Checker {
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	c := &Checker{
		options: o, metrics: newMetrics(o.Registerer), wake: make(chan struct{}, 1), outbox: newOutbox(),
		checks: map[Key]*Check{}, sources: map[string]bool{}, records: map[Key]*record{}, foundBy: map[Key]string{}, refused: map[string]string{},
	}
	c.schedule = newScheduler(o.Concurrency, c.metrics)
	c.metrics.places.Set(float64(o.Concurrency))
	c.Tune(Tuning{})
	if o.Registerer != nil {
		o.Registerer.MustRegister(newStateCollector(c.States))
	}
	return c
}

// Run works until ctx ends, and waits for the probes under way.
func (c *Checker) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { c.schedule.loop(ctx) })
	parts.Go(func() { c.publish(ctx) })
	parts.Wait()
	return nil
}

// Tune sets what may change.
func (c *Checker) Tune(t Tuning) {
	if t.Refresh <= 0 {
		t.Refresh = DefaultRefresh
	}
	t.FailureThreshold, t.SuccessThreshold = max(t.FailureThreshold, 1), max(t.SuccessThreshold, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tuning = t
}

// Do makes p what is to be done from now on. Checks that stay keep their state and their
// turns. Of those that go the engine is told at once, so that an alert of theirs ends. It
// waits until a running checker has taken notice; ctx bounds that.
func (c *Checker) Do(ctx context.Context, p Plan) error {
	tasks := make([]*task, 0, len(p.Checks)+len(p.Sources))
	for i := range p.Checks {
		check := &p.Checks[i]
		tasks = append(tasks, &task{
			id: "check " + check.String(), interval: check.Interval, timeout: check.Timeout, run: func(ctx context.Context) { c.look(ctx, check) },
		})
	}
	for i := range p.Sources {
		source := &p.Sources[i]
		tasks = append(tasks, &task{
			id: "source " + source.Name(), interval: source.Interval, timeout: source.Timeout, run: func(ctx context.Context) { c.poll(ctx, source) },
		})
	}
	c.adopt(&p)
	select {
	case c.schedule.replaced <- tasks:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// adopt keeps the records of what stays.
func (c *Checker) adopt(p *Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	checks, sources := make(map[Key]*Check, len(p.Checks)), map[string]bool{}
	for i := range p.Checks {
		check := &p.Checks[i]
		checks[check.Key] = check
		if old := c.checks[check.Key]; old != nil && !old.same(check) {
			delete(c.records, check.Key) // another question: its answers begin anew
		}
	}
	for i := range p.Sources {
		sources[p.Sources[i].Name()] = true
	}
	for name := range c.sources {
		if !sources[name] {
			c.metrics.polled.DeleteLabelValues(name)
			c.metrics.pollOK.DeleteLabelValues(name)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.records), compareKeys) {
		source, found := c.foundBy[k]
		switch {
		case checks[k] != nil:
			delete(c.foundBy, k)
		case !found || !sources[source]:
			c.retire(k)
		}
	}
	c.checks, c.sources = checks, sources
}

// retire has the engine forget a check, and an alert of its own end.
func (c *Checker) retire(k Key) {
	r := c.records[k]
	if !r.sentAt.IsZero() {
		c.send(correlate.HealthResult{
			Service: k.Service, Check: k.Check, Status: correlate.HealthUnknown, Message: "no longer checked", At: time.Now(), TTL: time.Nanosecond,
		})
	}
	delete(c.records, k)
	delete(c.foundBy, k)
}

// Attend says whether somebody needs to know each result: while an incident is under
// way. When that begins, the latest result of every check is published.
func (c *Checker) Attend(now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := now && !c.attention
	c.attention = now
	c.metrics.attention.Set(map[bool]float64{true: 1}[now])
	if !began {
		return
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.records), compareKeys) {
		if r := c.records[k]; r.unsent > 0 {
			c.metrics.published.WithLabelValues(string(whyAttention)).Inc()
			c.send(r.publish(c.ttl(k)))
		}
	}
}

// look runs a check.
func (c *Checker) look(ctx context.Context, check *Check) {
	now := time.Now()
	o := check.probe(ctx, now)
	if errors.Is(ctx.Err(), context.Canceled) {
		return // we are stopping: that says nothing about the target
	}
	c.metrics.observe(check.Kind, &o)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checks[check.Key] == check { // it was not replaced meanwhile
		c.take(&o)
	}
}

// poll asks a source.
func (c *Checker) poll(ctx context.Context, source *Polling) {
	name := source.Name()
	all, err := source.Poll(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sources[name] {
		return
	}
	if c.heardFrom(name, err); err != nil {
		return
	}
	c.forgetStale(name)
	for i := range all {
		o := &all[i]
		if c.checks[o.Key] != nil {
			continue // our own look counts
		}
		c.metrics.observe("prometheus", o)
		c.foundBy[o.Key] = name
		c.take(o)
	}
}

// forgetStale drops what a source has not told of for long. The engine forgets by itself.
func (c *Checker) forgetStale(name string) {
	for k, source := range c.foundBy {
		if source == name && time.Since(c.records[k].latest.At) > leastTTL {
			delete(c.records, k)
			delete(c.foundBy, k)
		}
	}
}

// heardFrom notes how a source answered. The same error is logged once.
func (c *Checker) heardFrom(name string, err error) {
	if err == nil {
		c.metrics.pollOK.WithLabelValues(name).Set(1)
		c.metrics.polled.WithLabelValues(name).SetToCurrentTime()
		if c.refused[name] != "" {
			delete(c.refused, name)
			c.options.Logger.Info("Source of health results answers again", "source", name)
		}
		return
	}
	c.metrics.pollOK.WithLabelValues(name).Set(0)
	if c.refused[name] != err.Error() {
		c.refused[name] = err.Error()
		c.options.Logger.Warn("Source of health results does not answer; what it said last stands until it expires", "source", name, "err", err)
	}
}

// take notes an observation and sends it if that is due.
func (c *Checker) take(o *Observation) {
	r := c.records[o.Key]
	if r == nil {
		r = &record{}
		c.records[o.Key] = r
	}
	def := thresholds{c.tuning.FailureThreshold, c.tuning.SuccessThreshold}
	if why := r.take(o, def, c.tuning.Refresh, c.attention); why != notYet {
		c.metrics.published.WithLabelValues(string(why)).Inc()
		c.send(r.publish(c.ttl(o.Key)))
	}
}

// leastTTL keeps what the engine knows over a restart of ours that takes a while.
const leastTTL = time.Hour

// ttl is how long the engine remembers a check that it hears nothing of: some refreshes.
func (c *Checker) ttl(k Key) time.Duration {
	ttl := max(leastTTL, 4*c.tuning.Refresh)
	if check := c.checks[k]; check != nil {
		ttl = max(ttl, 4*check.Interval)
	}
	return ttl
}

func (c *Checker) send(r correlate.HealthResult) {
	if c.outbox.add(r) {
		c.metrics.dropped.Inc()
	}
	c.metrics.pending.Set(float64(len(c.outbox.waiting)))
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// publish empties the outbox, until ctx ends.
func (c *Checker) publish(ctx context.Context) {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		if !sleep(ctx, gathering) {
			return
		}
		for batch := c.next(); len(batch) > 0; batch = c.next() {
			if !c.deliver(ctx, batch) {
				return
			}
		}
	}
}

func (c *Checker) next() []correlate.HealthResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.outbox.take()
	c.metrics.pending.Set(float64(len(c.outbox.waiting)))
	return batch
}

// deliver tries until the results are durable, and reports false when ctx ended first.
func (c *Checker) deliver(ctx context.Context, batch []correlate.HealthResult) bool {
	const first, last = 200 * time.Millisecond, 5 * time.Second
	for pause := first; ; pause = min(2*pause, last) {
		_, err := c.options.Publisher.Report(ctx, &correlate.HealthBatch{Source: BatchSource, Results: batch})
		if err == nil {
			return true
		}
		if pause == first && ctx.Err() == nil {
			c.options.Logger.Warn("Health results cannot be published yet, will keep trying", "results", len(batch), "err", err)
		}
		if !sleep(ctx, pause) {
			return false
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
