package lifeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
)

// Grace is how long correlation and delivery may take beyond the times that the engine's settings give them.
const Grace = 5 * time.Second

const (
	// lookEvery is how often everything is looked at.
	lookEvery = time.Second
	// lookTime bounds what a look asks others for.
	lookTime = 3 * time.Second
	// readEvery is how often the stream is read for what correlation has not come to.
	readEvery = 3 * time.Second
)

// Correlator is the engine as it runs.
type Correlator interface {
	// Applied is the position of the last entry that was applied and committed.
	Applied() uint64
	// Wait returns once the entry at pos was applied and committed.
	Wait(ctx context.Context, pos uint64) (rejected string, err error)
	// Ready says why the engine does not go on; nil when it does.
	Ready() error
}

// Stream is the ordered stream.
type Stream interface {
	// ReadAfter calls fn with every entry after a position that the stream holds.
	ReadAfter(ctx context.Context, after uint64, fn func(correlate.Input) (more bool, err error)) error
	// Publish appends a signal and returns its position.
	Publish(ctx context.Context, sig correlate.Signal) (pos uint64, err error)
	// Healthy says why nothing can be published; nil when it can.
	Healthy() error
}

// Rows is committed state. Everything that it returns is the caller's.
type Rows interface {
	// Alert returns nil when there is no such alert.
	Alert(ctx context.Context, id correlate.AlertID) (*correlate.AlertState, error)
	// PendingAlerts calls fn for each alert that waits to be placed, until fn returns false.
	PendingAlerts(ctx context.Context, fn func(*correlate.AlertState) bool) error
	// Incident returns nil when there is no such incident.
	Incident(ctx context.Context, id string) (*correlate.Incident, error)
	// ChangedIncidents calls fn for each incident that changed after a revision and returns the present one.
	ChangedIncidents(ctx context.Context, after uint64, fn func(*correlate.Incident) bool) (revision uint64, err error)
	// Pages are all pages of an incident.
	Pages(ctx context.Context, incident string) ([]*correlate.OutboxEntry, error)
	// PendingPages are at most limit pages that are not delivered everywhere, oldest first.
	PendingPages(ctx context.Context, limit int) ([]*correlate.OutboxEntry, error)
	// Now is the engine's time as of the last commit.
	Now(ctx context.Context) (time.Time, error)
}

// Desk tells receivers without a disk.
type Desk interface {
	Post(to []string, b page.Bulletin) bool
	End(id, reason string)
	// Undelivered counts the pages that are not delivered everywhere.
	Undelivered() int
}

// Pager delivers the real pages.
type Pager interface {
	// Taken reports whether a receiver took a page of which there is no record yet.
	Taken(key correlate.PageKey) bool
	// Once makes one attempt to have a receiver take a bulletin.
	Once(ctx context.Context, receiver string, b *page.Bulletin) error
}

// Settings are what an operator may set. They are replaced as a whole.
type Settings struct {
	Environment string
	// Engine is the engine's configuration.
	Engine correlate.Config
	// Fallback is the receiver that is paged when correlation is not to be relied on.
	Fallback string
	// Heartbeat is said outward; nil: none is.
	Heartbeat *Heartbeat
	// Watchdogs are awaited inward.
	Watchdogs []Watchdog
}

// Options of [New]. All but Logger and Registerer are required.
type Options struct {
	Settings   Settings
	Correlator Correlator
	Stream     Stream
	Rows       Rows
	Desk       Desk
	Pager      Pager
	// Intake says why the intake does not take requests; nil when it does. It is asked for each heartbeat.
	Intake     func(ctx context.Context) error
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o *Options) validate() error {
	if o.Correlator == nil || o.Stream == nil || o.Rows == nil || o.Desk == nil || o.Pager == nil || o.Intake == nil {
		return errors.New("lifeline: Correlator, Stream, Rows, Desk, Pager and Intake are required")
	}
	return nil
}

// Lifeline watches. [Lifeline.Took] and [Lifeline.Apply] may be called by anybody at any time.
type Lifeline struct {
	o        Options
	metrics  *metrics
	settings atomic.Pointer[Settings]
	ledger   *ledger
	dogs     *kennel

	// trouble is what stands on our pages, in words; nil: nothing does.
	trouble atomic.Pointer[string]
	looked  atomic.Int64 // when the latest look ended, Unix ns

	// Owned by the goroutine of Run.
	started   time.Time
	groups    map[string]*group // by id
	incidents incidentWatch
	delivery  deliveryWatch
	readTo    uint64 // the stream was read up to here
	readAt    time.Time
}

// New returns a Lifeline that does nothing until [Lifeline.Run], but for keeping its ledger.
func New(o Options) (*Lifeline, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Lifeline{
		o: o, ledger: newLedger(maxAlerts), groups: map[string]*group{}, dogs: &kennel{dogs: map[string]*dog{}},
		incidents: incidentWatch{due: map[string]*correlate.Incident{}, raised: map[string]time.Time{}},
		delivery:  deliveryWatch{raised: map[string]correlate.PageKey{}},
	}
	l.metrics = newMetrics(o.Registerer, l)
	l.Apply(o.Settings)
	return l, nil
}

// Apply puts other settings in force.
func (l *Lifeline) Apply(s Settings) {
	s.Engine = s.Engine.WithDefaults()
	l.settings.Store(&s)
	l.dogs.keep(s.Watchdogs, time.Now())
}

// Took is told of every notification that the intake has decoded: when it came, and its position
// in the stream, 0 when the stream refused it. It does not block and keeps nothing of b but its alerts' own maps.
func (l *Lifeline) Took(b *correlate.AlertBatch, received time.Time, pos uint64) {
	l.dogs.heard(b, received)
	l.ledger.note(b, received, pos)
}

// Run watches until ctx ends, then returns nil.
func (l *Lifeline) Run(ctx context.Context) error {
	l.started = time.Now()
	l.readPending(ctx)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.guarded(ctx)
		}
	}
}

// guarded is a look whose panic does not end the looking.
func (l *Lifeline) guarded(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			l.metrics.errors.Inc()
			l.o.Logger.Error("Panic while the correlator was watched; will look again", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	l.look(ctx, time.Now())
	l.looked.Store(time.Now().UnixNano())
}

func (l *Lifeline) look(ctx context.Context, now time.Time) {
	s := l.settings.Load()
	applied := l.o.Correlator.Applied()
	l.forgetPlaced(ctx, s, now, applied)
	l.readStream(ctx, now, applied)
	l.lookAtWatchdogs(s, now)
	if now.Sub(l.started) < Grace {
		return // what was due while nobody ran is being made up for
	}
	l.lookAtAlerts(ctx, s, now, applied)
	l.lookAtIncidents(ctx, s, now)
	l.lookAtPages(ctx, s, now)
	l.tellTrouble()
}

// forgetPlaced takes out of the ledger what the engine answers for from now on: what it has put
// into an incident, whose row says what is due, or judged otherwise. An alert that has been applied
// waits for its companions first, and an engine that dies then has it in no incident.
func (l *Lifeline) forgetPlaced(ctx context.Context, s *Settings, now time.Time, applied uint64) {
	for _, id := range l.ledger.sweep(now, applied, now.Add(-s.Engine.Settle-lookEvery)) {
		row, err := l.o.Rows.Alert(ctx, id)
		if err != nil {
			l.failed("read an alert", err)
			return
		}
		if row == nil || answered(row) { // no row: it continues one of another start
			l.ledger.forget(id)
		}
	}
}

// answered reports whether the engine has an alert as ended, or in an incident, or judged otherwise.
func answered(row *correlate.AlertState) bool {
	return !row.Active() || row.Fate.Kind != correlate.FatePending
}

// readPending takes into the ledger what had been applied before the start and was not placed.
func (l *Lifeline) readPending(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*lookTime)
	defer cancel()
	applied := l.o.Correlator.Applied()
	err := l.o.Rows.PendingAlerts(ctx, func(row *correlate.AlertState) bool {
		l.ledger.note(&correlate.AlertBatch{Source: row.Sender, ExternalURL: row.SenderURL, Alerts: []correlate.Alert{row.Alert}}, row.FirstSeen, applied)
		return true
	})
	if err != nil {
		l.failed("read pending alerts", err)
	}
}

// bound is how long an alert may wait for its page.
func bound(c *correlate.Config) time.Duration { return c.Settle + c.Hold + Grace }

// why says in words what keeps correlation.
func (l *Lifeline) why() string {
	if err := cmp.Or(l.o.Correlator.Ready(), l.o.Stream.Healthy()); err != nil {
		return err.Error()
	}
	return "it does not keep up with the stream"
}

// readStream takes into the ledger what the stream holds and correlation has not come to. The
// intake told most of it; what it did not is from before the start or from elsewhere.
func (l *Lifeline) readStream(ctx context.Context, now time.Time, applied uint64) {
	if now.Sub(l.readAt) < readEvery || l.o.Stream.Healthy() != nil {
		return
	}
	l.readAt = now
	ctx, cancel := context.WithTimeout(ctx, lookTime/2)
	defer cancel()
	l.readTo = max(l.readTo, applied)
	err := l.o.Stream.ReadAfter(ctx, l.readTo, func(in correlate.Input) (bool, error) {
		if b, ok := in.Signal.(*correlate.AlertBatch); ok {
			l.ledger.note(b, in.At, in.Pos)
		}
		l.readTo = in.Pos
		return true, nil
	})
	if err != nil && ctx.Err() == nil {
		l.failed("read the stream", err)
	}
}

// failed notes that something could not be asked. The look goes on with what it knows.
func (l *Lifeline) failed(did string, err error) {
	l.metrics.errors.Inc()
	l.o.Logger.Debug("Watching the correlator: could not "+did, "err", err) //nolint:sloglint // one of a few fixed texts
}

// tellTrouble makes known what stands on our pages.
func (l *Lifeline) tellTrouble() {
	var text string
	switch {
	case len(l.groups) > 0:
		text = fmt.Sprintf("%d groups of alerts are paged as received", len(l.groups))
	case len(l.incidents.raised) > 0:
		text = fmt.Sprintf("the pages of %d incidents are overdue", len(l.incidents.raised))
	case len(l.delivery.raised) > 0:
		text = fmt.Sprintf("the pages of %d incidents are not delivered", len(l.delivery.raised))
	}
	l.metrics.standing.WithLabelValues("alerts").Set(float64(len(l.groups)))
	l.metrics.standing.WithLabelValues("incident").Set(float64(len(l.incidents.raised)))
	l.metrics.standing.WithLabelValues("delivery").Set(float64(len(l.delivery.raised)))
	if text == "" {
		l.trouble.Store(nil)
		return
	}
	l.trouble.Store(&text)
}

// Trouble says what of the way from alert to page does not work; nil when all is well as far as is known.
func (l *Lifeline) Trouble() error {
	if text := l.trouble.Load(); text != nil {
		return errors.New(*text)
	}
	if at := l.looked.Load(); at != 0 && time.Since(time.Unix(0, at)) > 10*lookEvery+lookTime {
		return errors.New("nobody watches: the latest look does not end")
	}
	return nil
}

// post pages the receivers, and says in the log and the metrics that it did.
func (l *Lifeline) post(kind string, to []string, b page.Bulletin, first bool) {
	if !l.o.Desk.Post(to, b) {
		l.o.Logger.Error("Too many pages of last resort stand; one was not told", "page", b.ID, "title", b.Title)
		return
	}
	if first {
		l.metrics.pages.WithLabelValues(kind).Inc()
		l.o.Logger.Error("Paging without correlation", "page", b.ID, "kind", kind, "receivers", to, "title", b.Title)
	}
}

// end takes back a page, and says so.
func (l *Lifeline) end(kind, id, reason string) {
	l.o.Desk.End(id, reason)
	l.o.Logger.Info("A page without correlation is over", "page", id, "kind", kind, "reason", reason)
}
