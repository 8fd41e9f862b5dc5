package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// world is a number of cells, each a small system of services that nothing connects
// with the others. In each, one failure follows another.
type world struct {
	cells []*cell
	gap   time.Duration // longest pause between two failures of one cell
}

// cell is web -> cart -> api -> db, with a cache beside the database.
type cell struct {
	name string

	mu     sync.Mutex
	alerts []notified // every instance there ever was, oldest first
}

// dependents are the services that a failure reaches, by where it begins.
var dependents = map[string][]string{
	"db":    {"api", "cart", "web"},
	"cache": {"cart", "web"},
	"api":   {"cart", "web"},
	"cart":  {"web"},
	"web":   nil,
}

func newWorld(cells int, gap time.Duration) *world {
	w := &world{gap: gap}
	for i := range cells {
		w.cells = append(w.cells, &cell{name: fmt.Sprintf("cell%02d", i)})
	}
	return w
}

// topology is the world's graph, as a topology file.
func (w *world) topology() string {
	var services, dependencies strings.Builder
	for _, c := range w.cells {
		for _, s := range []struct{ name, kind string }{{"db", "database"}, {"cache", "cache"}, {"api", "api"}, {"cart", "api"}, {"web", "frontend"}} {
			fmt.Fprintf(&services, "  - {name: %s, namespace: %s, kind: %s, owner: team-%s}\n", s.name, c.name, s.kind, c.name)
		}
		for _, d := range [][2]string{{"web", "cart"}, {"cart", "api"}, {"cart", "cache"}, {"api", "db"}} {
			fmt.Fprintf(&dependencies, "  - {from: %[1]s/%[2]s, to: %[1]s/%[3]s, mode: hard}\n", c.name, d[0], d[1])
		}
	}
	return "services:\n" + services.String() + "dependencies:\n" + dependencies.String()
}

// rage has failures follow each other until ctx ends, and then ends all alerts.
func (w *world) rage(ctx context.Context, seed uint64) {
	var cells sync.WaitGroup
	for i, c := range w.cells {
		cells.Go(func() {
			dice := rand.New(rand.NewPCG(seed, uint64(i)+1))
			for pause(ctx, dice, w.gap) {
				c.fail(ctx, dice)
			}
			c.calm()
		})
	}
	cells.Wait()
}

// pause waits for up to d, and reports false when ctx ended meanwhile.
func pause(ctx context.Context, dice *rand.Rand, d time.Duration) bool {
	select {
	case <-time.After(time.Duration(dice.Int64N(int64(d)))):
		return true
	case <-ctx.Done():
		return false
	}
}

// fail is one failure from its first alert to its last resolve.
func (c *cell) fail(ctx context.Context, dice *rand.Rand) {
	origins := slices.Sorted(maps.Keys(dependents))
	origin := origins[dice.IntN(len(origins))]
	hit := append([]string{origin}, dependents[origin]...)
	if origin == "db" && dice.IntN(2) == 0 {
		hit = hit[1:] // a database that nothing watches
	}
	for _, service := range hit {
		for _, name := range []string{"HighLatency", "HighErrorRate", "PodCrashLooping"}[:1+dice.IntN(3)] {
			c.fire(service, name, []string{"warning", "critical"}[dice.IntN(2)])
			if !pause(ctx, dice, 120*time.Millisecond) {
				return
			}
		}
	}
	if dice.IntN(4) == 0 {
		c.fire("web", "Watchdog", "none") // says nothing, and must not get lost either
	}
	if !pause(ctx, dice, 1200*time.Millisecond) {
		return
	}
	for c.resolveOne() {
		if !pause(ctx, dice, 80*time.Millisecond) {
			return
		}
	}
}

func (c *cell) fire(service, name, severity string) {
	labels := map[string]string{"alertname": name, "service": service, "namespace": c.name, "severity": severity}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alerts = append(c.alerts, notified{
		Status: firing, Labels: labels, Annotations: map[string]string{"summary": name + " on " + service},
		StartsAt: time.Now().UTC(), Fingerprint: fingerprint(labels),
	})
}

// resolveOne ends the oldest firing alert, and reports false when there is none.
func (c *cell) resolveOne() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.alerts {
		if n := &c.alerts[i]; n.Status == firing {
			n.Status, n.EndsAt = resolved, time.Now().UTC()
			return true
		}
	}
	return false
}

// calm ends all alerts.
func (c *cell) calm() {
	for c.resolveOne() {
	}
}

// now are all instances as they stand.
func (c *cell) now() []notified {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.alerts)
}

// probe reports the health of a cell's web until stop is closed, each result until it
// was taken. Never three in a row are bad, so that it raises no alert of its own.
func (s *sender) probe(ctx context.Context, c *cell, stop <-chan struct{}) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-stop:
			return nil
		}
		at, state := time.Now().UTC(), []string{"passing", "failing"}[n%2]
		body := fmt.Sprintf(`{"service": "%s/web", "check": "http", "status": %q, "at": %q, "latency_ms": 12}`, c.name, state, at.Format(time.RFC3339Nano))
		if err := s.insist(ctx, "/webhook/health", body); err != nil {
			return err
		}
		s.ledger.acknowledgeProbe(c.name+"/web", at)
	}
}

// sender is an Alertmanager as far as its receivers can tell: it sends a cell's whole
// group whenever it changed, and from time to time unchanged; it sends the end of an
// alert only to a receiver that knows its beginning; it tries again on 5xx and
// transport errors, with the same content, and takes everything else for final.
type sender struct {
	target *atomic.Pointer[string] // address of the server's web port
	ledger *ledger
}

// repeatEvery is how often an unchanged group is sent again.
const repeatEvery = 3 * time.Second

// run sends a cell's groups until stop is closed and everything has been taken. It
// returns an error when something was refused for good or ctx ended first.
func (s *sender) run(ctx context.Context, c *cell, stop <-chan struct{}) error {
	told := map[instance]string{} // status by the last notification that was taken
	lastSent := time.Now()
	tick := time.NewTicker(50 * time.Millisecond) // group_interval
	defer tick.Stop()
	for stopping := false; ; {
		group, changed := pending(c.now(), told)
		switch {
		case len(group) > 0 && (changed || time.Since(lastSent) > repeatEvery):
			if err := s.deliver(ctx, c.name, group); err != nil {
				return err
			}
			lastSent = time.Now()
			for _, n := range group {
				told[n.id()] = n.Status
			}
		case stopping && !changed:
			return nil
		}
		if !stopping {
			select {
			case <-tick.C:
			case <-stop:
				stopping = true
			}
		}
	}
}

// pending is the group to send: what fires, and what ended since it was last told.
func pending(alerts []notified, told map[instance]string) (group []notified, changed bool) {
	for _, n := range alerts {
		switch before := told[n.id()]; {
		case n.Status == firing:
			group = append(group, n)
			changed = changed || before != firing
		case before == firing:
			group = append(group, n)
			changed = true
		}
	}
	return group, changed
}

// deliver posts a notification until it is taken.
func (s *sender) deliver(ctx context.Context, key string, group []notified) error {
	s.ledger.attempt(group)
	if err := s.insist(ctx, "/webhook/alertmanager", webhook(key, group)); err != nil {
		return err
	}
	s.ledger.acknowledge(group)
	return nil
}

// insist posts until the answer is 2xx.
func (s *sender) insist(ctx context.Context, path, body string) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		code, err := s.post(ctx, path, body)
		switch {
		case err == nil && code/100 == 2:
			return nil
		case err == nil && code/100 != 5:
			return fmt.Errorf("%s: a well-formed body was answered %d", path, code)
		case ctx.Err() != nil:
			return fmt.Errorf("not taken in the end: %w (%d)", errors.Join(err, ctx.Err()), code)
		}
		if !errors.Is(err, errNobodyListens) {
			s.ledger.retried.Add(1)
		}
		select {
		case <-time.After(wait): // Alertmanager's back-off, faster
		case <-ctx.Done():
		}
	}
}

// errNobodyListens is what a sender gets before the first server has said where it is.
var errNobodyListens = errors.New("no server yet")

func (s *sender) post(ctx context.Context, path, body string) (int, error) {
	base := s.target.Load()
	if base == nil {
		return 0, errNobodyListens
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *base+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	r, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

// ledger is what the senders know: what they sent, and what they were told is safe.
// Safe for concurrent use.
type ledger struct {
	requests, signals, retried atomic.Int64 // taken requests, alerts in them, failed attempts

	mu        sync.Mutex
	attempted map[instance]bool
	acked     map[instance]string  // "firing", or "resolved" once that was taken
	probed    map[string]time.Time // by service, the latest result that was taken
}

func newLedger() *ledger {
	return &ledger{attempted: map[instance]bool{}, acked: map[instance]string{}, probed: map[string]time.Time{}}
}

func (l *ledger) acknowledgeProbe(service string, at time.Time) {
	l.requests.Add(1)
	l.signals.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probed[service] = at
}

func (l *ledger) attempt(group []notified) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range group {
		l.attempted[n.id()] = true
	}
}

func (l *ledger) acknowledge(group []notified) {
	l.requests.Add(1)
	l.signals.Add(int64(len(group)))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range group {
		if l.acked[n.id()] != resolved {
			l.acked[n.id()] = n.Status
		}
	}
}

// acknowledged are the instances that were answered with 2xx.
func (l *ledger) acknowledged() map[instance]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked)
}

// storm is a world in trouble with a pair of Alertmanagers and a prober that tell of it.
type storm struct {
	ledger *ledger
	target atomic.Pointer[string]

	endWorld context.CancelFunc // no more failures; all alerts end
	calmed   chan struct{}      // closed once all have
	results  chan error         // one for each sender
	senders  int
}

// startStorm lets two senders tell of each cell, as a highly available pair does, and
// one report on its health. ctx bounds how long they keep trying in the end.
func startStorm(ctx context.Context, w *world, seed uint64) *storm {
	raging, cancel := context.WithCancel(ctx)
	s := &storm{ledger: newLedger(), endWorld: cancel, calmed: make(chan struct{}), senders: 3 * len(w.cells)}
	s.results = make(chan error, s.senders) // so that none waits for its reader
	go func() {
		w.rage(raging, seed)
		close(s.calmed)
	}()
	for _, c := range w.cells {
		snd := &sender{target: &s.target, ledger: s.ledger}
		go func() { s.results <- snd.run(ctx, c, s.calmed) }()
		go func() { s.results <- snd.run(ctx, c, s.calmed) }()
		go func() { s.results <- snd.probe(ctx, c, s.calmed) }()
	}
	return s
}

// calm ends all failures and waits until everything has been told.
func (s *storm) calm(t testing.TB) {
	t.Helper()
	s.endWorld()
	for range s.senders {
		if err := <-s.results; err != nil {
			t.Errorf("sender: %v", err)
		}
	}
}
