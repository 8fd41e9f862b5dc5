package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

// Publisher puts signals on the stream.
type Publisher interface {
	Publish(ctx context.Context, sig correlate.Signal) (pos uint64, err error)
}

// Keeper knows which alerts fire here, by committed state. It is called by several goroutines.
type Keeper interface {
	Firing(ctx context.Context) ([]*correlate.AlertState, error)
}

// Options of [New]. All are required but Registerer.
type Options struct {
	Publisher  Publisher
	Keeper     Keeper
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Settings are what a configuration says. They are replaced as a whole.
type Settings struct {
	Alertmanagers []Alertmanager
	// StaleAfter is after which time without news the engine ends an alert; 0: never.
	StaleAfter time.Duration
}

// Reconciler asks the configured Alertmanagers while it runs.
type Reconciler struct {
	o       Options
	metrics *metrics
	applied chan []*group // the latest alone

	mu     sync.Mutex
	groups []*group // of the latest settings
}

// New returns a Reconciler that asks nobody yet.
func New(o Options) *Reconciler {
	return &Reconciler{o: o, metrics: newMetrics(o.Registerer), applied: make(chan []*group, 1)}
}

// Apply puts settings in force. An error is about an HTTP client, and changes nothing.
func (r *Reconciler) Apply(s Settings) error {
	groups, err := r.group(s)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = groups
	select {
	case <-r.applied:
	default:
	}
	r.applied <- groups // there is room: all senders hold mu
	return nil
}

// group makes one group of all Alertmanagers of an external URL, in the order of their first.
func (r *Reconciler) group(s Settings) (groups []*group, err error) {
	byURL := map[string]*group{}
	for _, a := range s.Alertmanagers {
		c, err := newClient(a)
		if err != nil {
			return nil, err
		}
		g := byURL[a.ExternalURL]
		if g == nil {
			g = &group{
				externalURL: a.ExternalURL, name: a.ExternalURL, interval: a.Interval, refresh: s.StaleAfter / 3,
				kick: make(chan struct{}, 1), o: &r.o, metrics: r.metrics, absent: map[correlate.AlertID]time.Time{},
			}
			if g.name == "" {
				g.name = a.URL
			}
			byURL[a.ExternalURL] = g
			groups = append(groups, g)
		}
		g.interval = min(g.interval, a.Interval)
		g.members = append(g.members, c)
	}
	return groups, nil
}

// Truncated has the Alertmanager that left alerts out of b asked at once. It does not block.
func (r *Reconciler) Truncated(b *correlate.AlertBatch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.groups {
		if g.externalURL != "" && !sameURL(g.externalURL, b.ExternalURL) {
			continue
		}
		select {
		case g.kick <- struct{}{}:
		default: // it is about to be asked anyhow
		}
	}
}

// Run asks until ctx ends, always by the latest settings. It returns nil.
func (r *Reconciler) Run(ctx context.Context) error {
	var groups []*group
	for ctx.Err() == nil {
		roundCtx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		for _, g := range groups {
			running.Go(func() { g.run(roundCtx) })
		}
		select {
		case groups = <-r.applied:
		case <-ctx.Done():
		}
		cancel()
		running.Wait()
		r.metrics.reset()
	}
	return nil
}

// Once asks all Alertmanagers of the latest settings, and takes it to be now. It is for
// whoever does not [Reconciler.Run], and is called by one goroutine.
func (r *Reconciler) Once(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	groups := r.groups
	r.mu.Unlock()
	var errs []error
	for _, g := range groups {
		err := g.round(ctx, func() time.Time { return now })
		g.note(err)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// group is the Alertmanagers of one external URL. It belongs to the goroutine of run.
type group struct {
	externalURL, name string
	interval, refresh time.Duration
	members           []asker
	kick              chan struct{} // one pending question is as good as many

	o       *Options
	metrics *metrics
	absent  map[correlate.AlertID]time.Time

	mu     sync.Mutex // guards what follows, which others look at
	status Status
}

// Status is how the last question to an Alertmanager went.
type Status struct {
	// Alertmanager is its external URL, or the address that it is asked at.
	Alertmanager string
	// FailingSince is when the first of the failures in a row was; zero: it answers, or was not asked yet.
	FailingSince time.Time
	Error        string // of the latest failure; empty when it answers
}

// Status tells of each Alertmanager of the latest settings. Safe for concurrent use.
func (r *Reconciler) Status() []Status {
	r.mu.Lock()
	groups := r.groups
	r.mu.Unlock()
	var all []Status
	for _, g := range groups {
		g.mu.Lock()
		all = append(all, g.status)
		g.mu.Unlock()
	}
	return all
}

// asker gives an Alertmanager's answer.
type asker interface {
	ask(ctx context.Context) (answer, error)
}

func (g *group) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-g.kick:
		case <-ctx.Done():
			return
		}
		err := g.round(ctx, time.Now)
		if ctx.Err() != nil {
			return
		}
		g.note(err)
		timer.Reset(g.interval)
	}
}

// note counts how a round went, and logs when that changes.
func (g *group) note(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	failing := g.status.Error != "" // which was logged
	g.status.Alertmanager = g.name
	switch {
	case err != nil:
		g.metrics.failures.WithLabelValues(g.name).Inc()
		g.status.Error = err.Error()
		if !failing {
			g.status.FailingSince = time.Now()
			g.o.Logger.Warn("Alertmanager cannot be reconciled with; its silences and what its webhook leaves out are not known here", "alertmanager", g.name, "err", err)
		}
	default:
		g.metrics.success.WithLabelValues(g.name).SetToCurrentTime()
		g.status.FailingSince, g.status.Error = time.Time{}, ""
		if failing {
			g.o.Logger.Info("Alertmanager is reconciled with again", "alertmanager", g.name)
		}
	}
}

// round compares once. What is known here is read before the Alertmanagers are asked: an
// alert that ends in between is then missing there, and not taken for a new one here.
func (g *group) round(ctx context.Context, clock func() time.Time) error {
	known, err := g.o.Keeper.Firing(ctx)
	if err != nil {
		return fmt.Errorf("read the alerts that fire: %w", err)
	}
	v := &view{externalURL: g.externalURL, known: known, refresh: g.refresh}
	var asked error
	v.answers, asked = g.askAll(ctx)
	v.now, v.complete = clock().UTC(), asked == nil
	if len(v.answers) == 0 {
		return asked
	}
	alerts, found := compare(v, g.absent)
	if len(alerts) > 0 {
		pos, err := g.o.Publisher.Publish(ctx, &correlate.AlertBatch{Source: correlate.SourceReconciliation, ExternalURL: g.externalURL, Alerts: alerts})
		if err != nil {
			return errors.Join(asked, fmt.Errorf("store what differs: %w", err))
		}
		g.metrics.count(g.name, found)
		g.o.Logger.Info("Reconciled with Alertmanager", "alertmanager", g.name, "position", pos, "missing_here", found.missing,
			"gone_there", found.gone, "muted", found.muted, "unmuted", found.unmuted, "confirmed", found.confirmed)
	}
	return asked
}

// askAll asks all members at the same time. The answers are in the order of the members.
func (g *group) askAll(ctx context.Context) (answers []answer, err error) {
	all, errs := make([]answer, len(g.members)), make([]error, len(g.members))
	var asking sync.WaitGroup
	for i, m := range g.members {
		asking.Go(func() { all[i], errs[i] = m.ask(ctx) })
	}
	asking.Wait()
	for i := range all {
		if errs[i] == nil {
			answers = append(answers, all[i])
		}
	}
	return answers, errors.Join(errs...)
}
