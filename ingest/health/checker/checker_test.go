package checker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/health/probe"
	"github.com/headwater-sre/headwater/topology"
)

// stream takes results, or refuses to.
type stream struct {
	mu      sync.Mutex
	away    bool
	results []correlate.HealthResult
	batches int
}

func (s *stream) Report(_ context.Context, b *correlate.HealthBatch) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return 0, errors.New("the stream is away")
	}
	s.batches++
	s.results = append(s.results, b.Results...)
	return uint64(s.batches), nil
}

func (s *stream) be(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// since says what was published since the last call, sorted.
func (s *stream) since() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.results {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s x%d %s", r.Check, r.Status, r.Count, r.Message)))
	}
	s.results = nil
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// gathered is a line for each of the metrics that have a value.
func gathered(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			b.WriteString(f.GetName())
			for _, l := range m.GetLabel() {
				if l.GetValue() != "" {
					b.WriteString(" " + l.GetValue())
				}
			}
			fmt.Fprintf(&b, " %v\n", m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return b.String()
}

// counts says how many results were published for each check since the last call.
func (s *stream) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, r := range s.results {
		n[r.Check] += r.Count
	}
	s.results = nil
	return n
}

// target is a prober whose target is as it is told to be.
type target struct {
	mu     sync.Mutex
	result probe.Result
}

func (p *target) Check(string) error { return nil }

func (p *target) Probe(context.Context, string) probe.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.result
}

func (p *target) is(s rune, message string) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result = probe.Result{Status: statusOf[s], Message: message, Duration: 20 * time.Millisecond}
	return p
}

func checkOf(name string, p probe.Prober) Check {
	return Check{
		Key: Key{topology.Ref{Name: "web"}, name}, Target: "http://web", Module: "http_2xx", Source: "configuration", Kind: "http", Prober: p,
		Interval: 15 * time.Second, Timeout: 5 * time.Second,
	}
}

// begin runs a checker until the test ends.
func begin(t *testing.T, s *stream, reg prometheus.Registerer) *Checker {
	t.Helper()
	c := New(Options{Publisher: s, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	c.Tune(Tuning{Refresh: time.Minute, FailureThreshold: 3})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func do(t *testing.T, c *Checker, checks ...Check) {
	t.Helper()
	if err := c.Do(t.Context(), Plan{Checks: checks}); err != nil {
		t.Fatal(err)
	}
}

// round is the time in which every check has had a turn and been published.
func round() {
	time.Sleep(15 * time.Second)
	synctest.Wait()
	time.Sleep(gathering + time.Millisecond)
	synctest.Wait()
}

func expectPublished(t *testing.T, s *stream, point, want string) {
	t.Helper()
	if got := s.since(); got != want {
		t.Errorf("%s: published %q, want %q", point, got, want)
	}
}

func TestFromAProbeToTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, web := &stream{}, new(target).is('+', "")
		reg := prometheus.NewRegistry()
		c := begin(t, s, reg)
		do(t, c, checkOf("page", web))
		round()
		expectPublished(t, s, "the first result", "page passing x1")
		time.Sleep(2 * time.Minute)
		if got := s.since(); !strings.HasPrefix(got, "page passing x4") {
			t.Errorf("after two minutes: published %q", got)
		}
		web.is('-', "connection refused")
		time.Sleep(62 * time.Second)
		expectPublished(t, s, "it fails", "page failing x1 connection refused, page failing x1 connection refused, page failing x1 connection refused")
		states := c.States()
		if len(states) != 1 || states[0].Streak < 4 || states[0].Latest.Message != "connection refused" || time.Since(states[0].Latest.At) > 15*time.Second {
			t.Errorf("states %+v", states)
		}
		if got := gathered(t, reg); !strings.Contains(got, "headwater_probe_checks failing 1\n") || !strings.Contains(got, "headwater_probe_success page web 0\n") ||
			!strings.Contains(got, "headwater_probe_duration_seconds page web 0.02\n") || !strings.Contains(got, "headwater_probe_results_total http failing 4\n") {
			t.Errorf("metrics\n%s", got)
		}
	})
}

func TestWithAttentionEachResultIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		c := begin(t, s, nil)
		do(t, c, checkOf("page", new(target).is('+', "")), checkOf("api", new(target).is('+', "")))
		time.Sleep(30 * time.Second) // two results each, the second with nothing new
		s.counts()
		c.Attend(true)
		time.Sleep(30 * time.Second)
		c.Attend(false)
		time.Sleep(2*gathering + time.Millisecond)
		if got := s.counts(); got["page"] != 3 || got["api"] != 3 {
			t.Errorf("published %v; one each was kept back and two came", got)
		}
		time.Sleep(30 * time.Second)
		expectPublished(t, s, "nobody looks any more", "")
	})
}

func TestAReloadKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, web := &stream{}, new(target).is('-', "down")
		c := begin(t, s, nil)
		do(t, c, checkOf("page", web), checkOf("old", web))
		time.Sleep(47 * time.Second)
		s.since()
		do(t, c, checkOf("page", web), checkOf("new", new(target).is('+', "")))
		time.Sleep(16 * time.Second)
		expectPublished(t, s, "one goes on, one goes, one comes", "new passing x1, old unknown x0 no longer checked")
		if st := c.States(); len(st) != 2 || st[1].Streak != 4 {
			t.Errorf("states %+v", st)
		}
		elsewhere := checkOf("page", web)
		elsewhere.Target = "http://elsewhere"
		do(t, c, elsewhere, checkOf("new", new(target).is('+', "")))
		time.Sleep(16 * time.Second)
		expectPublished(t, s, "another target is another question", "page failing x1 down")
	})
}

func TestWhileTheStreamIsAwayResultsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, web := &stream{}, new(target).is('+', "")
		c := begin(t, s, nil)
		do(t, c, checkOf("page", web))
		time.Sleep(17 * time.Second)
		s.since()
		s.be(true)
		web.is('-', "down")
		time.Sleep(75 * time.Second)
		web.is('+', "")
		time.Sleep(31 * time.Second)
		s.be(false)
		time.Sleep(10 * time.Second)
		expectPublished(t, s, "it is back", "page failing x1 down, page failing x2 down, page passing x1")
	})
}

// fleet is a source of results.
type fleet struct {
	mu     sync.Mutex
	err    error
	status rune
	checks []string
}

func (f *fleet) Name() string { return "prometheus" }

func (f *fleet) Poll(context.Context) ([]Observation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Observation
	for _, check := range f.checks {
		all = append(all, Observation{Key: Key{topology.Ref{Name: "web"}, check}, Status: statusOf[f.status], At: time.Now()})
	}
	return all, f.err
}

func TestSourcesAreAskedAndLookedAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := &stream{}, &fleet{status: '+', checks: []string{"up", "page"}}
		c := begin(t, s, nil)
		polling := Polling{Source: f, Interval: 30 * time.Second, Timeout: 10 * time.Second}
		own := checkOf("page", new(target).is('-', "down"))
		plan := Plan{Checks: []Check{own}, Sources: []Polling{polling}}
		if err := c.Do(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		if got := s.since(); !strings.Contains(got, "up passing x1") || strings.Contains(got, "page passing") {
			t.Errorf("published %q: our own look at the page counts, not the source's", got)
		}
		f.mu.Lock()
		f.err, f.checks = errors.New("it is away"), nil
		f.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if up := value(t, c.metrics.pollOK.WithLabelValues("prometheus")); up != 0 {
			t.Errorf("it is away and up is %v", up)
		}
		if got := s.since(); strings.Contains(got, "up") {
			t.Errorf("it is away and %q was published", got)
		}
		do(t, c, own)
		time.Sleep(gathering + time.Millisecond)
		if got := s.since(); !strings.Contains(got, "up unknown x0 no longer checked") {
			t.Errorf("the source is gone and %q was published", got)
		}
	})
}

func TestAGoodAnswerMayStillBeSlowOrNearItsEnd(t *testing.T) {
	now := time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		point   string
		result  probe.Result
		want    correlate.HealthStatus
		message string
	}{
		{"good", probe.Result{Status: correlate.HealthPassing, Duration: 99 * time.Millisecond, CertificateExpires: now.Add(8 * 24 * time.Hour)}, correlate.HealthPassing, ""},
		{"slow", probe.Result{Status: correlate.HealthPassing, Duration: 250 * time.Millisecond}, correlate.HealthDegraded, "answered after 250ms, slow is 100ms"},
		{"a certificate for six days", probe.Result{Status: correlate.HealthPassing, CertificateExpires: now.Add(6 * 24 * time.Hour)}, correlate.HealthDegraded, "its certificate expires at 2026-01-11T03:00:00Z"},
		{"bad and slow", probe.Result{Status: correlate.HealthFailing, Duration: time.Second, Message: "down"}, correlate.HealthFailing, "down"},
	} {
		check := checkOf("page", &target{result: c.result})
		check.SlowAfter, check.CertificateWarning = 100*time.Millisecond, 7*24*time.Hour
		if o := check.probe(t.Context(), now); o.Status != c.want || o.Message != c.message {
			t.Errorf("%s: %s %q", c.point, o.Status, o.Message)
		}
	}
}
