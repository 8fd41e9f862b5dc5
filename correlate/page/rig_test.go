package page

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

var (
	errDown    = errors.New("connection refused")
	errRevoked = errors.New("invalid key")
)

// fake is a notifier in memory. It keeps "incident kind" of what it took.
type fake struct {
	mu    sync.Mutex
	took  []string
	keys  []string
	times []time.Time
	// answer decides about the n-th attempt, from 1; nil: takes everything.
	answer   func(ctx context.Context, n int) (retry bool, err error)
	attempts int
	now, max int // attempts under way, and the most there were
}

func (f *fake) Notify(ctx context.Context, alerts ...*alert.Alert) (bool, error) {
	f.mu.Lock()
	f.attempts++
	n := f.attempts
	f.now++
	f.max = max(f.max, f.now)
	f.times = append(f.times, time.Now())
	f.mu.Unlock()
	var retry bool
	var err error
	if f.answer != nil {
		retry, err = f.answer(ctx, n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	if err == nil {
		a := alerts[0]
		key, _ := notify.GroupKey(ctx)
		f.keys = append(f.keys, key)
		f.took = append(f.took, fmt.Sprintf("%s %s", a.Labels["incident"], a.Annotations["kind"]))
	}
	return retry, err
}

func (f *fake) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.took, ", ")
}

func (f *fake) tries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.attempts
}

func failing(n int, retry bool, err error) func(context.Context, int) (bool, error) {
	return func(_ context.Context, attempt int) (bool, error) {
		if attempt <= n {
			return retry, err
		}
		return false, nil
	}
}

// sum adds up a counter over all its labels.
func sum(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}

type sendResolved bool

func (s sendResolved) SendResolved() bool { return bool(s) }

// twoReceivers pages on-call, and the chat as well.
const twoReceivers = `
receivers:
- name: on-call
  pagerduty_configs: [{routing_key: x}]
- name: chat
  slack_configs: [{api_url: "http://127.0.0.1:1/", send_resolved: true}]
route:
  receiver: on-call
  routes:
  - {receiver: chat, continue: true, matchers: [origin!="nothing"]}
  - {receiver: on-call}
`

// rig is a pager whose integrations are fakes, inside a bubble.
type rig struct {
	*Pager
	t      *testing.T
	outbox *memOutbox
	fakes  map[string]*fake // by receiver
	cancel context.CancelFunc
	done   chan error
}

func newRig(t *testing.T, yaml string, opts Options, pages ...*correlate.Page) *rig {
	r := &rig{t: t, outbox: newOutbox(pages...), fakes: make(map[string]*fake)}
	r.open(yaml, opts)
	return r
}

// open makes a pager over the rig's outbox, as a start of the process would.
func (r *rig) open(yaml string, opts Options) {
	r.t.Helper()
	c := loaded(r.t, yaml)
	opts.Config, opts.Outbox = c, r.outbox
	p, err := New(opts)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Pager = p
	r.use(c)
}

// use installs a configuration with its integrations replaced by fakes.
func (r *rig) use(c *Config) {
	r.t.Helper()
	routing, err := r.prepare(c)
	if err != nil {
		r.t.Fatal(err)
	}
	for t, in := range routing.targets {
		if r.fakes[t.receiver] == nil {
			r.fakes[t.receiver] = &fake{}
		}
		in.threads = nil // its own client
		in.notify = notify.NewIntegration(r.fakes[t.receiver], sendResolved(in.notify.SendResolved()), t.integration, t.index, t.receiver)
	}
	r.install(c, routing)
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan error, 1)
	go func() { r.done <- r.Run(ctx) }()
}

func (r *rig) stop() {
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
}

// after lets time pass and everything come to rest.
func (r *rig) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) wantLogs(onCall, chat string) {
	r.t.Helper()
	if got := r.fakes["on-call"].log(); got != onCall {
		r.t.Errorf("on-call got %q, want %q", got, onCall)
	}
	if got := r.fakes["chat"].log(); got != chat {
		r.t.Errorf("chat got %q, want %q", got, chat)
	}
}

// numbered gives pages the incident and the sequence they stand in, decided now.
func numberedPages(incident string, pages ...*correlate.Page) []*correlate.Page {
	for i, p := range pages {
		p.Incident.ID, p.Seq, p.At = incident, uint64(i+1), time.Now()
	}
	return pages
}
