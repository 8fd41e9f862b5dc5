// Package rollout sees Kubernetes' rollouts in what kube-state-metrics says to a Prometheus
// server: a workload whose generation rose was changed, whoever changed it.
//
// A change of scale alone raises the generation as well, and autoscalers make many; it is no
// rollout and left out unless asked for. A workload that is new, or was made anew, is a rollout.
//
// # What it promises
//
// Each change is told, at the time at which it was seen: late by an interval at most, and twice only
// when of several some could not be stored. After a
// restart the first look is at the moment up to which everything was seen before, if that is no longer than [maxGap]
// ago, so what was rolled out meanwhile is told. A Prometheus server that is away is asked again; what
// happened meanwhile is told when it is back.
//
// Decoding and comparing are pure; a [Watcher] has one goroutine for each server while [Watcher.Run] runs.
package rollout

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/change"
)

const (
	// maxGap is how far back the first look may be.
	maxGap = time.Hour
	// maxBody bounds one answer, in bytes: room for some 100,000 workloads.
	maxBody = 128 << 20
)

// Server says which Prometheus server to ask, and how.
type Server struct {
	URL               string
	Interval, Timeout time.Duration
	// Matchers restrict the series, as in PromQL between braces: cluster="prod". May be empty.
	Matchers string
	// Names maps workloads, as "namespace/name", to services.
	Names change.Names
	// Scale has changes of scale told, too.
	Scale bool
	// HTTP is what Prometheus's own configuration has for HTTP clients.
	HTTP config.HTTPClientConfig
}

// Validate tries whether an HTTP client can be made: the files that it names may not be there.
func (s *Server) Validate() error {
	_, err := newWatch(*s, time.Time{}, &Watcher{})
	return err
}

// Publisher puts signals on the stream.
type Publisher interface {
	Publish(ctx context.Context, sig correlate.Signal) (pos uint64, err error)
}

// Watcher asks the configured servers while it runs.
type Watcher struct {
	publisher Publisher
	log       *slog.Logger
	since     time.Time
	applied   chan []*watch // the latest alone
	mu        sync.Mutex    // of those who apply

	changes, failures *prometheus.CounterVec
}

// New returns a Watcher that asks nobody yet. Since is up to when everything was seen
// before; zero: nothing was.
func New(p Publisher, since time.Time, log *slog.Logger, reg prometheus.Registerer) *Watcher {
	auto := promauto.With(reg)
	return &Watcher{
		publisher: p, log: log, since: since, applied: make(chan []*watch, 1),
		changes: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_rollout_changes_total", Help: "Rollouts seen in what kube-state-metrics says.",
		}, []string{"server"}),
		failures: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_rollout_failures_total", Help: "Questions to a Prometheus server about rollouts that failed.",
		}, []string{"server"}),
	}
}

// Apply puts the servers to ask in force. An error is about an HTTP client, and changes nothing.
func (w *Watcher) Apply(servers []Server) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var watches []*watch
	for _, s := range servers {
		one, err := newWatch(s, w.since, w)
		if err != nil {
			return err
		}
		watches = append(watches, one)
	}
	select {
	case <-w.applied:
	default:
	}
	w.applied <- watches // there is room: all senders hold mu
	w.since = time.Time{}
	return nil
}

// Run asks until ctx ends, always by the latest settings. It returns nil.
func (w *Watcher) Run(ctx context.Context) error {
	var watches []*watch
	for ctx.Err() == nil {
		roundCtx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		for _, one := range watches {
			running.Go(func() { one.run(roundCtx) })
		}
		select {
		case watches = <-w.applied:
		case <-ctx.Done():
		}
		cancel()
		running.Wait()
	}
	return nil
}

// watch is one server. It belongs to the goroutine of run.
type watch struct {
	Server
	*Watcher
	http    *http.Client
	tracker tracker
	first   time.Time           // of the first look; zero: now
	unsent  []*correlate.Change // found and not stored yet, oldest first
	failing bool                // the last question failed, which was logged
}

func newWatch(s Server, since time.Time, w *Watcher) (*watch, error) {
	c, err := config.NewClientFromConfig(s.HTTP, "rollout")
	if err != nil {
		return nil, fmt.Errorf("HTTP client for %s: %w", s.URL, err)
	}
	return &watch{Server: s, Watcher: w, http: c, first: since, tracker: tracker{names: s.Names, scale: s.Scale}}, nil
}

func (w *watch) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		err := w.look(ctx)
		if ctx.Err() != nil {
			return
		}
		w.note(err)
		timer.Reset(w.Interval)
	}
}

func (w *watch) note(err error) {
	switch {
	case err != nil:
		w.failures.WithLabelValues(w.URL).Inc()
		if !w.failing {
			w.log.Warn("Rollouts cannot be seen", "server", w.URL, "err", err)
		}
	case w.failing:
		w.log.Info("Rollouts can be seen again", "server", w.URL)
	}
	w.failing = err != nil
}

// look asks once, the first time for how it was before, and publishes what changed. What cannot be
// published is published before the next look, in the words and with the time of this one: what was
// stored all the same, though the stream did not say so, is known by them.
func (w *watch) look(ctx context.Context) error {
	if err := w.tell(ctx); err != nil {
		return err
	}
	now := time.Now().UTC()
	if gap := now.Sub(w.first); !w.tracker.looked && gap < maxGap && gap > 0 {
		samples, err := w.ask(ctx, w.first)
		if err != nil {
			return err
		}
		w.tracker.look(samples, w.first)
	}
	samples, err := w.ask(ctx, time.Time{})
	if err != nil {
		return err
	}
	w.unsent = w.tracker.look(samples, now)
	return w.tell(ctx)
}

// tell publishes what is unsent.
func (w *watch) tell(ctx context.Context) error {
	for len(w.unsent) > 0 {
		if _, err := w.publisher.Publish(ctx, w.unsent[0]); err != nil {
			return fmt.Errorf("store a rollout: %w", err)
		}
		w.unsent = w.unsent[1:]
		w.changes.WithLabelValues(w.URL).Inc()
	}
	return nil
}

// ask asks for all workloads, as they were at a time; zero: as they are.
func (w *watch) ask(ctx context.Context, at time.Time) ([]sample, error) {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	form := url.Values{"query": {query(w.Matchers)}}
	if !at.IsZero() {
		form.Set("time", strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	}
	address := strings.TrimRight(w.URL, "/") + "/api/v1/query"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := w.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", address, err)
	case len(text) > maxBody:
		return nil, fmt.Errorf("ask %s: the answer is larger than %d MiB; set matchers", address, maxBody>>20)
	}
	samples, err := decodeVector(text)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %s: %w", address, resp.Status, err)
	}
	return samples, nil
}
