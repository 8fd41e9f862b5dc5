package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/ingest/source"
)

// Publisher is where signals go. It is called by many goroutines at once.
type Publisher interface {
	// Publish stores sig and returns its position in the stream. It is durable when
	// the error is nil. [bus.ErrTooLarge] means that a part of it can never be stored
	// and that all other parts were; after any other error, [bus.ErrUnavailable] above
	// all, the sender is asked to try again.
	Publish(ctx context.Context, sig correlate.Signal) (pos uint64, err error)
	// DeadLetter stores a body that could not be used. It does not keep d.Body after
	// it returned.
	DeadLetter(ctx context.Context, d bus.DeadLetter) error
}

var _ Publisher = (*bus.Bus)(nil)

// Options of [New]. Zero values mean the defaults.
type Options struct {
	Publisher Publisher // required

	// Logger gets bodies that cannot be used, outages and panics. Default: discarded.
	Logger *slog.Logger
	// Registerer gets the metrics. Default: none are registered.
	Registerer prometheus.Registerer

	// MaxBodyBytes bounds a body, before and after decompression. Default 16 MiB.
	MaxBodyBytes int64
	// MaxWebhookBytes is the same for Alertmanager's webhook. Default 64 MiB, or
	// MaxBodyBytes when that is more: there are some 50,000 alerts in it.
	MaxWebhookBytes int64
	// MaxInFlight bounds the requests that are worked on at the same time. Default 64.
	MaxInFlight int
	// Timeout bounds a request, its waiting included. Default 30 s.
	Timeout time.Duration
	// Now is the clock that tells whether an alert has ended. Default [time.Now].
	Now func() time.Time
	// Incidents finds the incidents that replies are about. Nil: none is found.
	Incidents Incidents
	// OnTruncated, unless nil, is told of batches from which their sender left alerts
	// out, after they were stored. It must not block.
	OnTruncated func(*correlate.AlertBatch)
	// OnAlerts, unless nil, is told of every notification about alerts that was decoded: when it
	// came, and its position in the stream, 0 when the stream refused it. It must not block, nor
	// change the batch.
	OnAlerts func(batch *correlate.AlertBatch, received time.Time, pos uint64)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = 16 << 20
	}
	if o.MaxWebhookBytes == 0 {
		o.MaxWebhookBytes = max(64<<20, o.MaxBodyBytes)
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 64
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	check := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	check(o.Publisher == nil, "ingest: no publisher")
	check(o.MaxBodyBytes < 0 || o.MaxWebhookBytes < 0, "ingest: the largest body must not be negative")
	check(o.MaxInFlight < 0, "ingest: the number of requests in flight must not be negative")
	check(o.Timeout < 0, "ingest: the timeout must not be negative")
	return errors.Join(errs...)
}

// Intake is the intake's HTTP handler, and takes health results that come over gRPC.
type Intake struct {
	options Options
	logger  *slog.Logger
	metrics *metrics
	gate    gate
	mux     *http.ServeMux
	// kinds are the endpoints that every server has, by kind.
	kinds map[string]endpoint
	// senders are the configured ones.
	senders atomic.Pointer[senders]

	signatures signatures

	// outage is set while publishing fails, so that it is logged once.
	outage atomic.Bool
	// oversizeAt is when the latest dead letter of a body over the limit was made, Unix ns.
	oversizeAt atomic.Int64
}

// New returns an Intake. Its error is about the options.
func New(options Options) (*Intake, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	in := &Intake{
		options: options,
		logger:  options.Logger,
		metrics: newMetrics(options.Registerer),
		gate:    newGate(options.MaxInFlight),
		mux:     http.NewServeMux(),
	}
	in.kinds = map[string]endpoint{
		source.KindAlertmanager: {path: "/webhook/alertmanager", limit: options.MaxWebhookBytes, keeps: true, neverRefuses: true, take: in.takeWebhook},
		source.KindPrometheus:   {path: "/api/v2/alerts", limit: options.MaxBodyBytes, keeps: true, take: in.takeV2},
		source.KindHealth:       {path: "/webhook/health", limit: options.MaxBodyBytes, take: in.takeHealth},
		source.KindChange:       {path: "/webhook/change", limit: options.MaxBodyBytes, take: in.takeChanges},
	}
	for _, kind := range source.Kinds() {
		if s, ok := source.Builtin(kind); ok && in.kinds[kind].take == nil && !source.Replies(kind) {
			in.kinds[kind] = in.sourceEndpoint(s)
		}
	}
	for _, e := range in.kinds {
		in.metrics.expect(&e)
		in.mux.HandleFunc("POST "+e.path, func(w http.ResponseWriter, r *http.Request) { in.serve(w, r, e) })
	}
	in.SetSources(nil)
	in.mux.HandleFunc("POST /webhook/source/{name}", in.serveSource)
	return in, nil
}

// ServeHTTP answers requests to the paths of the package comment: 405 to
// other methods, 404 to other paths.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) { in.mux.ServeHTTP(w, r) }

// publish is Publisher.Publish; it logs the beginning and the end of an outage.
func (in *Intake) publish(ctx context.Context, sig correlate.Signal) (uint64, error) {
	received := in.options.Now()
	pos, err := in.options.Publisher.Publish(ctx, sig)
	if batch, ok := sig.(*correlate.AlertBatch); ok && in.options.OnAlerts != nil {
		in.options.OnAlerts(batch, received, pos)
	}
	in.noteOutage(ctx, err)
	return pos, err
}

func (in *Intake) deadLetter(ctx context.Context, req *request, body []byte, reason string) error {
	err := in.options.Publisher.DeadLetter(ctx, bus.DeadLetter{
		Source: req.path, ContentType: req.contentType, Reason: reason, Body: body, RemoteAddr: req.remoteAddr,
	})
	in.noteOutage(ctx, err)
	if err == nil {
		in.metrics.deadLetters.WithLabelValues(req.path).Inc()
	}
	return err
}

func (in *Intake) noteOutage(ctx context.Context, err error) {
	down := err != nil && !errors.Is(err, bus.ErrTooLarge) && !errors.Is(ctx.Err(), context.Canceled) // a sender that left says nothing about the stream
	switch {
	case down && in.outage.CompareAndSwap(false, true):
		in.logger.Error("signals cannot be stored; senders get 503 and try again", "err", err)
	case err == nil && in.outage.CompareAndSwap(true, false):
		in.logger.Info("signals can be stored again")
	}
}
