package page

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

// Options are what a [Pager] needs. Zero durations and numbers mean their defaults.
type Options struct {
	Config *Config // required
	Outbox Outbox  // required
	// ExternalURL is Headwater's own address, for links. Nil: pages have no links to it.
	ExternalURL *url.URL
	Logger      *slog.Logger          // nil: silent
	Registerer  prometheus.Registerer // nil: no metrics

	// RetryMin and RetryMax bound the wait after an error that may pass. Defaults 1 s and 1 min.
	RetryMin, RetryMax time.Duration
	// RefusedMin and RefusedMax bound the wait after any other error. Defaults 5 min and 1 h.
	RefusedMin, RefusedMax time.Duration
	// GiveUpAfter is the age at which a page that is still refused is given up. Default 72 h.
	GiveUpAfter time.Duration
	// AttemptTimeout bounds one attempt, as far as the notifier heeds it. Default 30 s.
	AttemptTimeout time.Duration
	// PerIntegration is how many pages may be under way to one integration. Default 4.
	PerIntegration int
	// MaxIncidents is how many incidents are worked on at a time. Default 10,000.
	MaxIncidents int
	// PollInterval is how often the outbox is read without having announced a
	// change. Default 5 s.
	PollInterval time.Duration
	// ReadPause is the least time between two readings of the outbox. Default 50 ms: it
	// keeps a busy stream from having the outbox read all the time.
	ReadPause time.Duration
	// Clock is the time by which pages are tried again. Default: the system's. What
	// bounds the pager's own work (AttemptTimeout, PollInterval, …) is the system's anyhow.
	Clock Clock
	// ShutdownGrace is how long pages under way may take to finish once Run's
	// context has ended. Default 5 s.
	ShutdownGrace time.Duration

	// sheet words a page. Default: [NewSheet].
	sheet func(p *correlate.Page, externalURL string) *Sheet
}

func (o Options) withDefaults() Options {
	o.RetryMin = cmp.Or(o.RetryMin, time.Second)
	o.RetryMax = cmp.Or(o.RetryMax, time.Minute)
	o.RefusedMin = cmp.Or(o.RefusedMin, 5*time.Minute)
	o.RefusedMax = cmp.Or(o.RefusedMax, time.Hour)
	o.GiveUpAfter = cmp.Or(o.GiveUpAfter, 72*time.Hour)
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, 30*time.Second)
	o.PerIntegration = cmp.Or(o.PerIntegration, 4)
	o.MaxIncidents = cmp.Or(o.MaxIncidents, 10_000)
	o.PollInterval = cmp.Or(o.PollInterval, 5*time.Second)
	o.ReadPause = cmp.Or(o.ReadPause, 50*time.Millisecond)
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	o.ShutdownGrace = cmp.Or(o.ShutdownGrace, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.sheet == nil {
		o.sheet = NewSheet
	}
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{}
	}
	return o
}

// Pager delivers pages. Its methods may be called at the same time.
type Pager struct {
	opts    Options
	base    string // ExternalURL without a trailing slash
	metrics *metrics
	routing atomic.Pointer[routing]

	mu        sync.Mutex
	cases     map[string]*incidentCase // by incident, those being worked on
	logOnly   bool
	receivers []string
	failing   map[target]Failure
	taken     map[correlate.PageKey]bool // some receiver has it, and the outbox does not know yet
	crowded   bool                       // incidents wait for a place
	moved     chan struct{}              // closed and replaced when a case parks or ends

	work sync.WaitGroup // the goroutines of cases
	// freed wakes Run when a case ended while others wait for its place; one
	// token is enough, Run reads everything then.
	freed chan struct{}
}

// New returns a pager that does nothing until [Pager.Run]. It fails when the
// configuration cannot be made ready, which [LoadConfig] has tried before.
func New(opts Options) (*Pager, error) {
	if opts.Config == nil || opts.Outbox == nil {
		return nil, errors.New("page: Config and Outbox are required")
	}
	opts = opts.withDefaults()
	p := &Pager{
		opts: opts, base: strings.TrimRight(opts.ExternalURL.String(), "/"), metrics: newMetrics(opts.Registerer),
		cases: make(map[string]*incidentCase), failing: make(map[target]Failure), taken: make(map[correlate.PageKey]bool), freed: make(chan struct{}, 1), moved: make(chan struct{}),
	}
	r, err := p.prepare(opts.Config)
	if err != nil {
		return nil, err
	}
	p.install(opts.Config, r)
	return p, nil
}

func (p *Pager) prepare(c *Config) (*routing, error) {
	r, err := newRouting(c, p.opts.ExternalURL, p.opts.Logger)
	if err != nil {
		return nil, err
	}
	for _, in := range r.targets {
		in.slots = make(chan struct{}, slotsFor(in, p.opts.PerIntegration))
	}
	return r, nil
}

// slotsFor is how many attempts an integration stands at once: Telegram's notifier
// writes to itself while it sends, and Slack takes about a message a second in a channel.
func slotsFor(in *integration, most int) int {
	if in.integration == "telegram" || in.threaded {
		return 1
	}
	return most
}

// install makes a routing the current one. The one before learns that it was replaced.
func (p *Pager) install(c *Config, r *routing) {
	for _, w := range c.Warnings {
		p.opts.Logger.Warn("Paging configuration", "warning", w)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.routing.Swap(r)
	p.logOnly, p.receivers = c.LogOnly(), c.Receivers()
	for t := range p.failing {
		if r.targets[t] == nil {
			delete(p.failing, t)
		}
	}
	if old != nil {
		close(old.replaced)
	}
}

// Reload takes over another configuration. On error the present one stays. Pages
// that an integration refused are tried again at once.
func (p *Pager) Reload(c *Config) error {
	r, err := p.prepare(c)
	if err != nil {
		return err
	}
	p.install(c, r)
	p.metrics.reloads.Inc()
	return nil
}

// Run delivers pages until ctx ends; then it starts nothing new, waits up to
// [Options.ShutdownGrace] for what is under way, and returns nil. An attempt of a
// notifier that ignores its context (mail, in the middle of a dialogue) may outlive
// Run; it no longer records anything. Run is called once.
func (p *Pager) Run(ctx context.Context) error {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(p.opts.ShutdownGrace, cancel) })
	defer stop()
	defer p.work.Wait() // before cancel: what is under way may finish within the grace

	failures := 0
	for ctx.Err() == nil {
		revision := p.opts.Outbox.Revision()
		began := time.Now()
		err := p.refresh(ctx, hard)
		pause := max(p.opts.ReadPause, 10*time.Since(began)) // reading takes a tenth of the time at most
		if err != nil && ctx.Err() == nil {
			if failures++; failures == 1 {
				p.opts.Logger.Error("Cannot read the page outbox; will keep trying", "err", err)
			}
			p.metrics.outboxErrors.Inc()
			pause = max(pause, backoff(p.opts.RetryMin, p.opts.RetryMax, failures))
		} else if failures > 0 {
			p.opts.Logger.Info("The page outbox can be read again", "failures", failures)
			failures = 0
		}
		p.sleep(ctx, revision, pause)
	}
	return nil
}

// sleep waits for the pause and then for a reason to look again.
func (p *Pager) sleep(ctx context.Context, revision uint64, pause time.Duration) {
	wait := time.NewTimer(pause)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return
	}
	wait.Reset(p.opts.PollInterval)
	select {
	case <-p.opts.Outbox.Changed(revision):
	case <-p.freed:
	case <-wait.C:
	case <-ctx.Done():
	}
}

// readAhead is the first guess of how many pages are pending.
const readAhead = 256

// refresh sees to it that every incident with pending pages has its case.
func (p *Pager) refresh(ctx, hard context.Context) error {
	var entries []*correlate.OutboxEntry
	// All of them: pages stuck at a dead receiver come first and must not hide newer ones.
	for limit := readAhead; ; limit *= 4 {
		var err error
		if entries, err = p.opts.Outbox.PendingPages(ctx, limit); err != nil {
			return err
		}
		if len(entries) < limit {
			break
		}
	}
	latest := make(map[string]uint64)
	var order []string
	oldest := int64(0)
	for _, e := range entries {
		key := e.Page.Key()
		if _, seen := latest[key.Incident]; !seen {
			order = append(order, key.Incident)
		}
		latest[key.Incident] = max(latest[key.Incident], key.Seq)
		if at := e.Page.At.UnixNano(); oldest == 0 || at < oldest {
			oldest = at
		}
	}
	p.metrics.pending.Set(float64(len(entries)))
	p.metrics.oldest.Store(oldest)
	waiting := 0
	for _, incident := range order {
		if !p.attend(ctx, hard, incident, latest[incident]) {
			waiting++
		}
	}
	p.metrics.waiting.Set(float64(waiting))
	p.mu.Lock()
	p.crowded = waiting > 0
	p.mu.Unlock()
	return nil
}

// attend starts the incident's case, or tells it of a page it has not seen. It
// reports false when there is no room.
func (p *Pager) attend(ctx, hard context.Context, incident string, seq uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.cases[incident]; c != nil {
		if seq > c.seen {
			c.seen, c.parked = seq, false // not only once it has woken up
			select {
			case c.nudge <- struct{}{}:
			default: // it has been told and did not look yet
			}
		}
		return true
	}
	if len(p.cases) >= p.opts.MaxIncidents {
		return false
	}
	c := newCase(p, incident, seq)
	p.cases[incident] = c
	p.metrics.incidents.Set(float64(len(p.cases)))
	p.work.Go(func() { c.run(ctx, hard) })
	return true
}

// announced is the highest Seq that the outbox has listed as pending for a case.
func (p *Pager) announced(c *incidentCase) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.seen
}

// dismiss ends a case unless it was told of another page meanwhile.
func (p *Pager) dismiss(c *incidentCase) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(c.nudge) > 0 {
		return false
	}
	delete(p.cases, c.incident)
	p.wake()
	p.metrics.incidents.Set(float64(len(p.cases)))
	if p.crowded {
		select {
		case p.freed <- struct{}{}:
		default: // Run will look anyway
		}
	}
	return true
}

// Failure is an integration's latest failed attempt since it last worked.
type Failure struct {
	Receiver    string
	Integration string
	Index       int
	Since       time.Time // of the first failure in a row
	Error       string
	// Refused: it will not pass by itself.
	Refused bool
}

// Status is how delivery stands.
type Status struct {
	LogOnly   bool     // there are no receivers
	Receivers []string // as configured
	Incidents int      // with undelivered pages, being worked on
	// OldestPending is when the oldest page that is not fully delivered was decided; zero: none.
	OldestPending time.Time
	Failing       []Failure // by receiver, integration, index
}

// Status tells how delivery stands.
func (p *Pager) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{LogOnly: p.logOnly, Receivers: slices.Clone(p.receivers), Incidents: len(p.cases)}
	if at := p.metrics.oldest.Load(); at != 0 {
		s.OldestPending = time.Unix(0, at).UTC()
	}
	for _, f := range p.failing {
		s.Failing = append(s.Failing, f)
	}
	slices.SortFunc(s.Failing, func(a, b Failure) int {
		return compareTargets(target{a.Receiver, a.Integration, a.Index}, target{b.Receiver, b.Integration, b.Index})
	})
	return s
}

// Recipients is who can be paged, by the configuration in force.
type Recipients struct {
	Integrations []Recipient // by receiver, integration, index
	// Empty are receivers without integrations that some route leads to.
	Empty []string
}

// Recipient is one integration of one receiver.
type Recipient struct {
	Receiver     string
	Integration  string
	Index        int
	SendResolved bool
}

// Recipients tells who can be paged. It is empty where pages are logged only.
func (p *Pager) Recipients() Recipients {
	var out Recipients
	r := p.routing.Load()
	if r.root == nil {
		return out
	}
	for t, in := range r.targets {
		out.Integrations = append(out.Integrations, Recipient{t.receiver, t.integration, t.index, in.notify.SendResolved()})
	}
	slices.SortFunc(out.Integrations, func(a, b Recipient) int {
		return compareTargets(target{a.Receiver, a.Integration, a.Index}, target{b.Receiver, b.Integration, b.Index})
	})
	r.root.Walk(func(route *dispatch.Route) {
		if name := route.RouteOpts.Receiver; len(r.of[name]) == 0 && !slices.Contains(out.Empty, name) {
			out.Empty = append(out.Empty, name)
		}
	})
	slices.Sort(out.Empty)
	return out
}

// report keeps the standing of an integration, and logs when it turns.
func (p *Pager) report(t target, err error, refused bool) {
	log := p.opts.Logger.With("receiver", t.receiver, "integration", t.integration, "index", t.index)
	p.mu.Lock()
	defer p.mu.Unlock()
	was, failing := p.failing[t]
	switch {
	case err == nil && failing:
		delete(p.failing, t)
		log.Info("Receiver takes pages again", "failing_since", was.Since)
	case err == nil:
	default:
		text := err.Error()
		f := Failure{t.receiver, t.integration, t.index, p.now(), text, refused}
		if failing {
			f.Since = was.Since
		}
		p.failing[t] = f
		if failing && was.Error == text {
			return // said before
		}
		if refused {
			log.Error("Receiver refuses a page; mend its configuration and reload", "err", text)
		} else {
			log.Warn("Receiver did not take a page; will keep trying", "err", text)
		}
	}
}

func (p *Pager) sheet(page *correlate.Page) *Sheet { return p.opts.sheet(page, p.base) }

func (p *Pager) noteTaken(key correlate.PageKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[key] = true
}

func (p *Pager) forgetTaken(key correlate.PageKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, key)
}

// Taken reports whether some receiver took a page of which the outbox has no record yet, because
// it cannot be written.
func (p *Pager) Taken(key correlate.PageKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken[key]
}

// backoff is the wait after the n-th failure in a row, doubling from least to most.
func backoff(least, most time.Duration, n int) time.Duration {
	d := least
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	return min(d, most)
}
