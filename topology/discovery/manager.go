package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/topology"
)

// Options of [New]. All but Registerer and FirstVersion are required.
type Options struct {
	// InForce waits until the graph in force is known and returns it; false when there
	// has never been one. It is called once, at the beginning of Run. Its error ends Run.
	InForce func(ctx context.Context) (spec topology.Spec, known bool, err error)
	// Publish puts a version on the stream and returns its position. An error means
	// that it may be tried again. It ends soon after ctx.
	Publish func(ctx context.Context, spec topology.Spec) (pos uint64, err error)

	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// FirstVersion bounds how long the first version ever waits for sources that have
	// not answered. Default 10 s.
	FirstVersion time.Duration
}

// Manager asks sources, takes what is pushed, and publishes the graph that they make
// together. All methods are safe for concurrent use; those that change something need
// [Manager.Run] to be running, and wait for it.
type Manager struct {
	options Options
	log     *slog.Logger
	metrics *metrics

	calls chan func() // run by Run's goroutine, which owns all that is below
	ended chan struct{}
	ready chan struct{} // closed when a first version was published, or none has to be
	view  atomic.Pointer[View]

	sources   []*source // in the order of the configuration
	pushes    map[string]*push
	published topology.Spec
	inForce   topology.Spec // as it was when Run began: what sources said that come back later

	// When publishing failed: how often in a row, and when it is tried again.
	failures int
	retryAt  time.Time
	told     string // the failure that was logged

	readyOnce sync.Once
	asking    sync.WaitGroup // askers, those included that are not asked for any more
}

// source is a configured source and what it says.
type source struct {
	*asker
	standing standing
	status   Status
	begun    time.Time // when it was first asked
	told     string    // the failure that was logged
	written  time.Time // standing.answered in the version published last
}

// New makes a Manager that knows no sources. It starts nothing.
func New(o Options) (*Manager, error) {
	switch {
	case o.InForce == nil, o.Publish == nil:
		return nil, errors.New("discovery: Options.InForce and Options.Publish are required")
	case o.Logger == nil:
		return nil, errors.New("discovery: Options.Logger is missing")
	}
	if o.FirstVersion == 0 {
		o.FirstVersion = 10 * time.Second
	}
	m := &Manager{
		options: o, log: o.Logger, metrics: newMetrics(o.Registerer),
		calls: make(chan func()), ended: make(chan struct{}), ready: make(chan struct{}),
		pushes: map[string]*push{},
	}
	m.view.Store(&View{})
	return m, nil
}

// errEnded answers calls that come after Run has returned.
var errEnded = errors.New("topology sources are not followed any more: the server is stopping")

// do has fn run by Run's goroutine and waits until it was.
func (m *Manager) do(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case m.calls <- func() { defer close(done); fn() }:
		<-done // nothing that Run's goroutine does takes long
		return nil
	case <-m.ended:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Apply replaces the configured sources. Those whose Identity is the same go on; others
// begin with what the source of their name said. Names must differ.
func (m *Manager) Apply(ctx context.Context, configs []Config) error {
	return m.do(ctx, func() { m.apply(configs) })
}

// Ready is closed when the graph in force is one that all sources had their chance to
// be part of.
func (m *Manager) Ready() <-chan struct{} { return m.ready }

// Run asks the sources of configs, to begin with, until ctx ends; it returns nil then.
// It is called once.
func (m *Manager) Run(ctx context.Context, configs []Config) error {
	defer close(m.ended)
	spec, known, err := m.options.InForce(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("find the topology in force: %w", err)
	}
	m.published, m.inForce = spec, spec
	if known {
		m.nothingToWaitFor()
	}
	m.recallPushes(&spec)
	m.apply(configs)
	defer func() {
		for _, s := range m.sources {
			s.cancel()
		}
		m.asking.Wait()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case call := <-m.calls:
			call()
			m.drain()
		case <-timer.C:
		}
		m.refresh(ctx)
		timer.Reset(time.Until(m.next(time.Now())))
	}
}

// drain runs the calls that wait already, so that sources which answer together make
// one version together.
func (m *Manager) drain() {
	for range 100 { // bounded: somebody could always be calling
		select {
		case call := <-m.calls:
			call()
		default:
			return
		}
	}
}

func (m *Manager) apply(configs []Config) {
	old := m.sources
	m.sources = nil
	for _, c := range configs {
		i := slices.IndexFunc(old, func(s *source) bool { return s.Source.Name() == c.Source.Name() })
		if i >= 0 && old[i].Identity == c.Identity {
			m.sources = append(m.sources, old[i])
			old = slices.Delete(old, i, i+1)
			continue
		}
		s := &source{status: Status{Name: c.Source.Name()}, begun: time.Now()}
		if i >= 0 {
			s.standing, s.status, s.written = old[i].standing, old[i].status, old[i].written
		} else if said, ok := recall(&m.inForce, c.Source.Name()); ok {
			s.standing, s.written = said, said.answered
		}
		s.asker = m.ask(c)
		s.status.configure(s.Config)
		m.sources = append(m.sources, s)
	}
	for _, s := range old {
		s.cancel() // its last answer finds that it is no longer asked
		if !slices.ContainsFunc(m.sources, func(o *source) bool { return o.status.Name == s.status.Name }) {
			m.metrics.forget(s.status.Name)
		}
	}
	slices.SortStableFunc(m.sources, func(a, b *source) int { return b.rank() - a.rank() })
}

// rank is higher for sources that win.
func (s *source) rank() int {
	if s.Declared {
		return 1
	}
	return 0
}

// ask starts an asker.
func (m *Manager) ask(c Config) *asker {
	ctx, cancel := context.WithCancel(context.Background())
	a := &asker{Config: c.withDefaults(), kick: make(chan struct{}, 1), cancel: cancel}
	m.asking.Go(func() { a.run(ctx, m.tell) })
	return a
}

// tell hands an answer of a source to Run's goroutine.
func (m *Manager) tell(ctx context.Context, a *asker, got answer) {
	_ = m.do(ctx, func() { m.heard(a, got) }) // it ended: nobody wants to know
}

func (m *Manager) heard(a *asker, got answer) {
	i := slices.IndexFunc(m.sources, func(s *source) bool { return s.asker == a })
	if i < 0 {
		return // of a source that is no longer configured
	}
	s, now := m.sources[i], plainTime(time.Now())
	m.metrics.fetched(s.status.Name, got)
	s.status.LastAttempt, s.status.Duration = now, got.took
	if got.err != nil {
		s.status.Error = got.err.Error()
		if s.status.FailingSince.IsZero() {
			s.status.FailingSince = now
		}
		if s.told != s.status.Error {
			s.told = s.status.Error
			m.log.Error("Topology source does not answer, what it said last stays", "name", s.status.Name, "err", got.err)
		}
		return
	}
	if s.Declared {
		s.standing = declare(got.report, now)
	} else {
		s.standing = s.standing.next(s.status.Name, got.report, now, s.TTL)
	}
	if s.told != "" {
		s.told = ""
		m.log.Info("Topology source answers again", "name", s.status.Name, "away", now.Sub(s.status.FailingSince))
	}
	s.status.Error, s.status.FailingSince = "", time.Time{}
}

// refresh brings the merged graph up to date, and publishes it when that is due.
func (m *Manager) refresh(ctx context.Context) {
	now := plainTime(time.Now())
	m.expirePushes(now)
	merged := Merge(m.voices())
	defer func() { m.show(merged) }()
	if now.Before(m.retryAt) || !m.mayPublish(now) || !m.due(&merged.Spec, now) {
		return
	}
	m.publish(ctx, merged.Spec)
}

// mayPublish: a source that is new has a while for its first answer, so that the graph
// does not lose for a moment what another source, or a former process, knew.
func (m *Manager) mayPublish(now time.Time) bool {
	return !slices.ContainsFunc(m.sources, func(s *source) bool { return s.awaited() && now.Before(s.begun.Add(m.options.FirstVersion)) })
}

// awaited reports whether a source was not heard of at all yet.
func (s *source) awaited() bool { return s.status.LastAttempt.IsZero() && s.standing.answered.IsZero() }

// due reports whether the version in force should be replaced: because the graph is
// another, or because what it says of when sources last saw things gets old.
func (m *Manager) due(spec *topology.Spec, now time.Time) bool {
	switch {
	case !topology.SameGraph(spec, &m.published):
		return true
	case m.published.Version == "":
		m.nothingToWaitFor() // there is nothing, and never was
		return false
	case m.published.Version != spec.Version:
		return true // published by a program that named versions in another way
	}
	for _, s := range m.sources {
		if at, ok := s.rewriteAt(); ok && !now.Before(at) && s.standing.answered.After(s.written) {
			return true
		}
	}
	return slices.ContainsFunc(sortedPushes(m.pushes), func(p *push) bool { return p.unwritten })
}

// rewriteAt is when the sightings that were written down last are half as old as what
// was seen may become: if nobody is asked from then on, and all is read back, each
// edge has at least the other half left.
func (s *source) rewriteAt() (time.Time, bool) {
	return s.written.Add(max(s.TTL/2, minRewrite)), s.TTL > 0
}

// minRewrite keeps short TTLs from filling the stream.
const minRewrite = 10 * time.Second

const (
	publishTimeout = 5 * time.Second
	firstPause     = 100 * time.Millisecond
	lastPause      = 5 * time.Second
)

// publish tries once. When that fails, it is tried again after a pause.
func (m *Manager) publish(ctx context.Context, spec topology.Spec) {
	pos, err := m.put(ctx, spec)
	if err == nil || ctx.Err() != nil {
		return
	}
	m.retryAt = time.Now().Add(min(firstPause<<min(m.failures, 10), lastPause))
	m.failures++
	if m.told != err.Error() {
		m.told = err.Error()
		m.log.Error("Topology cannot be published, will keep trying", "version", spec.Version, "position", pos, "err", err)
	}
}

// put publishes spec with all that recall needs, and notes that it was.
func (m *Manager) put(ctx context.Context, spec topology.Spec) (pos uint64, err error) {
	graph, warnings, err := topology.Build(spec)
	if err != nil {
		return 0, fmt.Errorf("the sources make no graph together: %w", err)
	}
	spec.Reports = m.reports(&spec)
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if pos, err = m.options.Publish(ctx, spec); err != nil {
		return 0, err
	}
	another := !topology.SameGraph(&spec, &m.published)
	m.published = spec
	m.failures, m.retryAt, m.told = 0, time.Time{}, ""
	for _, s := range m.sources {
		s.written = s.standing.answered
	}
	for _, p := range m.pushes {
		p.unwritten = false
	}
	m.metrics.published.SetToCurrentTime()
	m.nothingToWaitFor()
	if another {
		m.log.Info("Topology published", "version", spec.Version, "services", graph.Len(), "dependencies", graph.EdgeCount(), "position", pos)
		for _, w := range warnings {
			m.log.Warn("Topology", "warning", w.Text)
		}
	} else {
		m.log.Debug("Topology sightings written", "version", spec.Version, "position", pos)
	}
	return pos, nil
}

func (m *Manager) nothingToWaitFor() { m.readyOnce.Do(func() { close(m.ready) }) }

// voices are what all sources say: declared, then pushed, then discovered.
func (m *Manager) voices() []Voice {
	var out []Voice
	add := func(declared bool) {
		for _, s := range m.sources {
			if s.Declared == declared {
				out = append(out, s.standing.voice(s.status.Name, declared))
			}
		}
	}
	add(true)
	for _, p := range sortedPushes(m.pushes) {
		out = append(out, p.standing.voice(p.source, false))
	}
	add(false)
	return out
}

// reports are what the graph does not tell of its sources. What was pushed is always
// among them: nobody could be asked for it again.
func (m *Manager) reports(spec *topology.Spec) []topology.SourceReport {
	var out []topology.SourceReport
	for _, p := range sortedPushes(m.pushes) {
		out = append(out, topology.SourceReport{
			Source: p.source, Services: p.content.Services, Dependencies: p.content.Dependencies, Groups: p.content.Groups,
			By: p.by, At: p.at, TTL: p.ttl,
		})
	}
	for _, s := range m.sources {
		if s.Declared {
			continue
		}
		if r, needed := s.standing.report(spec, s.status.Name); needed {
			out = append(out, r)
		}
	}
	return out
}

// next is when there is something to do although nothing happens.
func (m *Manager) next(now time.Time) time.Time {
	at := now.Add(time.Hour)
	sooner := func(t time.Time) {
		if t.After(now) && t.Before(at) {
			at = t
		}
	}
	if m.failures > 0 {
		sooner(m.retryAt)
	}
	for _, s := range m.sources {
		if s.awaited() {
			sooner(s.begun.Add(m.options.FirstVersion))
		}
		if t, ok := s.rewriteAt(); ok {
			sooner(t)
		}
	}
	for _, p := range m.pushes {
		if t, ok := p.expiry(); ok {
			sooner(t)
		}
	}
	return at
}

func warning(format string, args ...any) topology.Warning {
	return topology.Warning{Text: fmt.Sprintf(format, args...)}
}
