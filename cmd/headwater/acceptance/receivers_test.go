package acceptance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver is a server that collects what is sent to it, and that can be out of
// order for a while. Safe for concurrent use.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex
	outage  func() bool // reports whether to refuse a request; nil: never
	refused int
	trouble []string // requests that no real receiver would understand
}

// newReceiver serves POST requests with take, which says which status to answer.
func newReceiver(t testing.TB, take func(body []byte) (code int, answer string, err error)) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.refuses() {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the sender was killed half-way
		}
		code, answer, err := take(body)
		if err != nil {
			r.mu.Lock()
			r.trouble = append(r.trouble, err.Error())
			r.mu.Unlock()
			code = http.StatusBadRequest
		}
		w.WriteHeader(code)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(r.Close)
	t.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, text := range r.trouble {
			t.Errorf("a receiver got a request that it cannot understand: %s", text)
		}
	})
	return r
}

func (r *receiver) refuses() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outage == nil || !r.outage() {
		return false
	}
	r.refused++
	return true
}

// breakDown has requests refused with 503 while outage returns true; nil mends it.
// The function is called by one request at a time.
func (r *receiver) breakDown(outage func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outage = outage
}

// refusals counts the requests answered with 503.
func (r *receiver) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// notice is one notification as the collecting webhook saw it.
type notice struct {
	GroupKey string `json:"groupKey"`
	Status   string `json:"status"`
	Alerts   []struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`

	at time.Time // when it came
}

// kind is "open", "update" or "resolved".
func (n notice) kind() string { return n.Alerts[0].Annotations["kind"] }

func (n notice) incident() string { return n.Alerts[0].Labels["incident"] }

// collector is a webhook receiver that keeps every notification, as one without a
// deduplication key does.
type collector struct {
	*receiver

	mu      sync.Mutex
	notices []notice
}

func newCollector(t testing.TB) *collector {
	c := new(collector)
	c.receiver = newReceiver(t, func(body []byte) (int, string, error) {
		var n notice
		if err := json.Unmarshal(body, &n); err != nil {
			return 0, "", err
		}
		if len(n.Alerts) != 1 || n.incident() == "" || n.kind() == "" {
			return 0, "", fmt.Errorf("want one alert, which stands for an incident: %s", body)
		}
		n.at = time.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.notices = append(c.notices, n)
		return http.StatusOK, "", nil
	})
	return c
}

// all are the notifications so far, in order.
func (c *collector) all() []notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.notices)
}

// kinds are the notifications so far as "INC-1 open", updates left out.
func (c *collector) kinds() []string {
	var words []string
	for _, n := range c.all() {
		if n.kind() != "update" {
			words = append(words, n.incident()+" "+n.kind())
		}
	}
	return words
}

// call is one PagerDuty incident as somebody on call has it.
type call struct {
	open bool
	// opens counts how often the phone rang: triggers while the incident was not open.
	opens int
	// folded counts triggers while it was open: edits, and repeats after a crash.
	folded int
	// resolves counts ends; strays are resolves of what was not open, which PagerDuty ignores.
	resolves, strays int
	// orphans counts resolves of what had never been opened.
	orphans int
	summary string // of the latest trigger
}

// pagerduty emulates the Events API, version 2: events fold by their dedup_key.
type pagerduty struct {
	*receiver

	mu    sync.Mutex
	calls map[string]*call // by dedup_key
	dice  *rand.Rand       // nil: answers at once
	event chan struct{}    // closed with the next event
}

// newPagerduty starts one. With dice it takes its time, up to 100 ms, before it
// answers what it has noted already: that is when a sender is best killed.
func newPagerduty(t testing.TB, dice *rand.Rand) *pagerduty {
	p := &pagerduty{calls: map[string]*call{}, dice: dice, event: make(chan struct{})}
	p.receiver = newReceiver(t, func(body []byte) (int, string, error) {
		var event struct {
			DedupKey string `json:"dedup_key"`
			Action   string `json:"event_action"`
			Payload  struct {
				Summary string `json:"summary"`
			} `json:"payload"`
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return 0, "", err
		}
		if event.DedupKey == "" || event.Action != "trigger" && event.Action != "resolve" {
			return 0, "", fmt.Errorf("no event that PagerDuty would take: %s", body)
		}
		time.Sleep(p.take(event.DedupKey, event.Action, event.Payload.Summary)) // the receiver's own slowness, see newPagerduty
		return http.StatusAccepted, `{"status":"success","message":"Event processed"}`, nil
	})
	return p
}

// take notes an event and says how long to take for the answer.
func (p *pagerduty) take(key, action, summary string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.calls[key]
	if c == nil {
		c = new(call)
		p.calls[key] = c
	}
	switch {
	case action == "trigger" && c.open:
		c.folded++
		c.summary = summary
	case action == "trigger":
		c.open, c.summary = true, summary
		c.opens++
	case c.open:
		c.open = false
		c.resolves++
	case c.opens > 0:
		c.strays++
	default:
		c.orphans++
	}
	close(p.event)
	p.event = make(chan struct{})
	if p.dice == nil {
		return 0
	}
	return time.Duration(p.dice.Int64N(int64(100 * time.Millisecond)))
}

// next is closed when the next event has been noted and is not answered yet.
func (p *pagerduty) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.event
}

// all are the incidents at PagerDuty by dedup_key.
func (p *pagerduty) all() map[string]call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := make(map[string]call, len(p.calls))
	for key, c := range maps.All(p.calls) {
		calls[key] = *c
	}
	return calls
}

// dedupKey is the key under which PagerDuty gets an incident: Alertmanager's
// library sends the SHA-256 of the group key.
func dedupKey(incident string) string { return ringKey(incident, 1) }

// ringKey is the key of an incident's n-th ring there.
func ringKey(incident string, n int) string {
	key := "incident/" + incident
	if n > 1 {
		key += fmt.Sprintf("/%d", n)
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// lastResort reports whether a notification is about no incident: it was sent without correlation.
func lastResort(n notice) bool { return !strings.HasPrefix(n.incident(), "INC-") }

// realNotices are those about incidents.
func realNotices(hook *collector) (list []notice) {
	for _, n := range hook.all() {
		if !lastResort(n) {
			list = append(list, n)
		}
	}
	return list
}

// realCalls are PagerDuty's incidents but for those that stand for no incident of ours.
func realCalls(pager *pagerduty, hook *collector) map[string]call {
	calls := pager.all()
	for _, n := range hook.all() {
		for ring := 1; lastResort(n) && ring <= 10; ring++ {
			delete(calls, ringKey(n.incident(), ring))
		}
	}
	return calls
}

// standing returns an error while a page that was sent without correlation is not over.
func standing(hook *collector) error {
	kinds := map[string]string{}
	for _, n := range hook.all() {
		if lastResort(n) {
			kinds[n.incident()] = n.kind()
		}
	}
	for id, kind := range kinds {
		if kind != resolved {
			return fmt.Errorf("the latest of %s is %q", id, kind)
		}
	}
	return nil
}
