//go:build acceptance

package acceptance

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// quickConfig has everything happen within seconds.
const quickConfig = `
topology:
  files: [topology.yaml]
correlation:
  hold: 300ms
  hold_confident: 200ms
  settle: 100ms
  close_after: 1s
  reopen_within: 1s
`

// A storm comes in, and the server is killed with SIGKILL at random moments, over and
// over: while it starts, decides, pages. In the end every alert that was answered
// with 2xx is accounted for, every page was sent, and none twice.
func TestAcceptanceKill(t *testing.T) {
	seed := fromEnv(t, "HEADWATER_SEED", time.Now().UnixNano())
	rounds := int64(50)
	if testing.Short() {
		rounds = 5
	}
	rounds = fromEnv(t, "HEADWATER_KILL_ROUNDS", rounds)
	t.Logf("HEADWATER_SEED=%d HEADWATER_KILL_ROUNDS=%d", seed, rounds)
	dice := rand.New(rand.NewPCG(uint64(seed), 0))

	pager, hook := newPagerduty(t, rand.New(rand.NewPCG(uint64(seed), 1<<32))), newCollector(t)
	faults := rand.New(rand.NewPCG(uint64(seed), 1<<33))
	pager.breakDown(func() bool { return faults.IntN(10) == 0 })
	world := newWorld(24, 5*time.Second)
	place := newSite(t, quickConfig+oncall(hook.URL, pager.URL), world.topology())
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	storm := startStorm(ctx, world, uint64(seed))

	for range rounds {
		killOnce(t, place, storm, pager, dice)
	}
	pager.breakDown(nil)
	h := place.start(t)
	storm.target.Store(&h.web)
	storm.calm(t)
	r := h.awaitQuiet(t)

	f := audit(r, storm.ledger.acknowledged(), storm.ledger.attempted, realCalls(pager, hook), realNotices(hook))
	f.probes(r, storm.ledger.probed)
	opens := 0
	for _, c := range pager.all() {
		opens += c.opens
	}
	t.Logf("rounds %d, signals acknowledged %d (%d alert instances in %d requests, %d attempts failed), incidents %d, pages opened %d",
		rounds, storm.ledger.signals.Load(), len(storm.ledger.acknowledged()), storm.ledger.requests.Load(), storm.ledger.retried.Load(), len(r.incidents), opens)
	t.Logf("losses %d, missing pages %d, duplicate opens %d, inconsistencies %d; repeats folded by dedup key %d, repeats at the webhook %d",
		len(f.losses), len(f.missing), len(f.duplicates), len(f.other), f.folded, f.repeats)
	f.report(t)
	if opens == 0 || len(r.alerts) < int(rounds) {
		t.Errorf("%d pages and %d alerts: this was no storm", opens, len(r.alerts))
	}
	if code := h.stop(t); code != 0 {
		t.Errorf("a stop that was asked for ended with code %d", code)
	}
	if t.Failed() {
		return // the twin would say it once more
	}
	checkTwin(t, place, quickConfig, world.topology(), r)
}

// killOnce runs a server and kills it at one of three kinds of moments: at any time, before it
// is ready, and while a receiver has a page and has not said so yet.
func killOnce(t *testing.T, place *site, storm *storm, pager *pagerduty, dice *rand.Rand) {
	t.Helper()
	h := place.begin(t)
	life, onPage := time.Duration(dice.Int64N(int64(2500*time.Millisecond))), false
	switch dice.IntN(5) {
	case 0:
		life /= 8
	case 1, 2:
		onPage = true
		fallthrough
	default:
		h.awaitReady(t)
		storm.target.Store(&h.web)
	}
	h.live(t, time.After(life)) // the random moment
	if onPage {
		h.live(t, orAfter(pager.next(), time.Second))
	}
	h.kill()
	h.silent = true
}

// live returns when the channel has something, and insists that the server lives until then.
func (h *headwater) live(t *testing.T, until <-chan time.Time) {
	t.Helper()
	select {
	case <-until:
	case <-h.ended:
		t.Fatalf("headwater ended by itself: %v", h.cmd.ProcessState)
	}
}

// orAfter is an event, or its failing to appear.
func orAfter(event <-chan struct{}, d time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1) // so that the goroutine ends
	go func() {
		select {
		case <-event:
		case <-time.After(d):
		}
		c <- time.Now()
	}()
	return c
}

func fromEnv(t testing.TB, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, text, err)
	}
	return v
}
