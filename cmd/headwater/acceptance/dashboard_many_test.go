//go:build acceptance

package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// manyTopology has several failures to offer at a time.
const manyTopology = `
services:
  - {name: web, namespace: shop, kind: frontend, owner: storefront, tier: 1}
  - {name: shipping, namespace: shop, kind: api, owner: logistics}
  - {name: ratings, namespace: shop, kind: api, owner: storefront}
  - {name: mysql, namespace: shop, kind: database, owner: storage}
  - {name: search, namespace: shop, kind: api, owner: discovery}
  - {name: elastic, namespace: shop, kind: database, owner: storage}
  - {name: reports, namespace: office, kind: worker, owner: finance}
  - {name: billing, namespace: office, kind: api, owner: payments}
  - {name: auth, namespace: office, kind: api, owner: accounts}
dependencies:
  - {from: shop/web, to: shop/shipping}
  - {from: shop/web, to: shop/ratings}
  - {from: shop/shipping, to: shop/mysql}
  - {from: shop/ratings, to: shop/mysql}
  - {from: shop/search, to: shop/elastic}
`

// alertBody is a webhook's body with alerts "namespace/service severity name minutesAgo".
func alertBody(t testing.TB, alerts ...string) string {
	t.Helper()
	type alert struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
		EndsAt      time.Time         `json:"endsAt"`
	}
	body := struct {
		Version string  `json:"version"`
		Status  string  `json:"status"`
		Alerts  []alert `json:"alerts"`
	}{Version: "4", Status: "firing"}
	for _, text := range alerts {
		f := strings.Fields(text)
		namespace, service, _ := strings.Cut(f[0], "/")
		ago, err := strconv.ParseFloat(f[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		body.Alerts = append(body.Alerts, alert{
			Status: "firing", Labels: map[string]string{"alertname": f[2], "severity": f[1], "namespace": namespace, "service": service},
			Annotations: map[string]string{"summary": service + " says " + f[2]},
			StartsAt:    time.Now().Add(-time.Duration(ago * float64(time.Minute))).UTC(),
		})
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Several incidents are told apart, found by filters that the address keeps, and joined; and
// a server that dies is missed and found again.
func TestAcceptanceDashboardSeveralIncidents(t *testing.T) {
	skipShort(t)
	b := newBrowser(t)
	s := newSite(t, "environment: prod-eu\ntopology: {files: [topology.yaml]}\ncorrelation: {hold: 5s}\n", manyTopology)
	h := s.start(t)
	b.base = h.web
	b.open(t, "/")
	b.says(t, "main", "No incident is open")
	b.accessible(t, "nothing open")
	code, answer, err := post(h.web+"/webhook/alertmanager", alertBody(t,
		"shop/shipping critical HighLatency 5", "shop/shipping critical HighErrorRate 4.9", "shop/ratings critical HighErrorRate 4.8", "shop/ratings critical PoolExhausted 4.7",
		"shop/web warning HighLatency 4.5", "shop/web critical SLOErrorBudgetBurn 4.2",
		"shop/search error HighErrorRate 2", "shop/elastic critical DiskFull 2.2",
		"office/reports warning SlowJobs 31", "office/billing error CardsDeclined 14", "office/auth info LoginsSlow 1"))
	if err != nil || code != http.StatusOK {
		t.Fatalf("webhook: %d %s %v", code, answer, err)
	}
	b.await(t, "all are listed", `document.querySelectorAll("main .rows .row").length >= 4`)
	b.says(t, ".row", "mysql is the probable origin")
	b.says(t, ".row", "elastic is the probable origin")
	if first := evaluated[string](t, b, `document.querySelector(".row").innerText`); !strings.Contains(first, "SEV1") {
		t.Errorf("the first row is %q, want the worst", first)
	}

	b.shortcut(t, "/")
	b.await(t, "/ leads to the search", `document.activeElement.type === "search"`)
	b.key(t, "elastic")
	b.await(t, "one matches", `document.querySelectorAll("main .rows .row").length === 1 && location.search === "?q=elastic"`)
	b.do(t, "reload", chromedp.Reload())
	b.await(t, "the address keeps it", `document.querySelectorAll("main .rows .row").length === 1 && document.querySelector("[data-search]").value === "elastic"`)
	b.open(t, "/?sev=SEV4")
	b.says(t, ".row", "reports")
	b.await(t, "others are left out", `![...document.querySelectorAll(".row")].some((r) => r.innerText.includes("SEV1"))`)

	mergeTwo(t, b)
	takeOne(t, b)
	for _, screen := range []struct {
		name string
		set  func(testing.TB)
	}{{"incidents", b.desktop}, {"incidents-phone", b.phone}} {
		screen.set(t)
		b.open(t, "/")
		b.says(t, ".row", "elastic")
		b.fits(t, screen.name)
		b.accessible(t, screen.name)
		b.picture(t, screen.name)
	}
	b.quiet(t)
	loseAndFind(t, b, s, h)
}

// loseAndFind kills the server under the page: it says so, comes back by itself, and goes on
// where it was.
func loseAndFind(t *testing.T, b *browser, s *site, h *headwater) {
	t.Helper()
	b.desktop(t)
	evaluated[bool](t, b, `window.sameDocument = true`)
	h.kill()
	b.says(t, ".banner.broken", "What you see is as it was at")
	b.says(t, ".row", "elastic")
	b.accessible(t, "without a connection")
	again := s.start(t, "--web.listen-address="+strings.TrimPrefix(b.base, "http://"))
	b.says(t, ".link-state", "live")
	b.await(t, "the banner is gone", `document.querySelector(".banner") === null`)
	if code, answer, err := post(again.web+"/webhook/alertmanager", alertBody(t, "office/archive error BackupFailed 1")); err != nil || code != http.StatusOK {
		t.Fatalf("webhook: %d %s %v", code, answer, err)
	}
	b.says(t, ".row", "archive: BackupFailed")
	if !evaluated[bool](t, b, `window.sameDocument === true`) {
		t.Error("the page was loaded anew to come back")
	}
}

// mergeTwo joins the incident of billing with that of reports.
func mergeTwo(t *testing.T, b *browser) {
	t.Helper()
	b.open(t, "/?q=billing")
	b.do(t, "open it", chromedp.Click(".row", chromedp.NodeVisible))
	b.says(t, "h1", "billing")
	b.do(t, "more", chromedp.Click(".more summary", chromedp.NodeVisible))
	b.press(t, "main", "Merge")
	b.says(t, "dialog", "reports: SlowJobs")
	b.do(t, "the other one", chromedp.Click(`//dialog//label[contains(., "reports")]`, chromedp.NodeVisible))
	b.decide(t, "Merge")
	b.await(t, "one goes on for both", `[...document.querySelectorAll(".said, .hit, .incident-head")].some((e) => /goes on|includes|2 services/.test(e.innerText))`)
}

// takeOne gives the search's incident to somebody, so that the list has one of those, too.
func takeOne(t *testing.T, b *browser) {
	t.Helper()
	b.open(t, "/?q=elastic")
	b.do(t, "open it", chromedp.Click(".row", chromedp.NodeVisible))
	b.says(t, "h1", "elastic")
	b.press(t, "main", "Acknowledge")
	b.do(t, "fill in", chromedp.SendKeys("dialog input[name=actor]", "ben", chromedp.NodeVisible))
	b.press(t, "dialog", "Acknowledge")
	b.says(t, ".crumbs", "ben has it")
}

// Every part in every state is accessible and fits on a phone; no server is behind it.
func TestAcceptanceDashboardGallery(t *testing.T) {
	skipShort(t)
	b := newBrowser(t)
	out := newLogTail()
	p := launchTelling(t, out, "gallery", binary(t, headwaterBinary), "gallery", "--web.listen-address=127.0.0.1:0")
	eventually(t, "the gallery says where it is", patience, func() error {
		base, _, found := strings.Cut(strings.TrimSpace(out.text()), "/ui/gallery")
		b.base = base
		if !found {
			return errors.Join(p.alive(), errors.New(out.text()))
		}
		return nil
	})
	b.open(t, "/ui/gallery")
	b.says(t, ".exhibit", "It has changed since you opened this")
	// What stands in a document is text, whatever it looks like.
	b.says(t, ".document p", `"max_connections to 300" <script> 2 * 3 | 4.`)
	b.says(t, ".document td", "a | b")
	if evaluated[bool](t, b, `document.querySelector(".document script, .document a[href^=javascript]") !== null`) {
		t.Error("a document became markup")
	}
	b.accessible(t, "the gallery")
	b.phone(t)
	b.open(t, "/ui/gallery")
	b.says(t, ".exhibit", "It has changed since you opened this")
	b.fits(t, "the gallery")
	b.accessible(t, "the gallery on a phone")
	b.quiet(t)
}

// What the dashboard costs with 500 open incidents on 2,000 services and 50 updates a second.
//
//	HEADWATER_DASHBOARD_SECONDS   how long it is watched, 20 without it
//
// The bounds are those of a machine that has much else to do; the figures are printed.
func TestAcceptanceDashboardLoad(t *testing.T) {
	skipShort(t)
	const incidents = 500
	seconds := 20
	if text := os.Getenv("HEADWATER_DASHBOARD_SECONDS"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			t.Fatalf("HEADWATER_DASHBOARD_SECONDS: %v", err)
		}
	}
	b := newBrowser(t)
	var topology strings.Builder
	topology.WriteString("dependencies:\n")
	for i := range incidents {
		fmt.Fprintf(&topology, "  - {from: a%d, to: b%d}\n  - {from: b%d, to: c%d}\n  - {from: c%d, to: d%d}\n", i, i, i, i, i, i)
	}
	h := newSite(t, "topology: {files: [topology.yaml]}\n", topology.String()).start(t)
	b.base = h.web
	var alerts []string
	for i := range incidents {
		alerts = append(alerts, fmt.Sprintf("/b%d error HighErrorRate 3", i), fmt.Sprintf("/a%d critical HighLatency 2", i))
	}
	if code, answer, err := post(h.web+"/webhook/alertmanager", alertBody(t, alerts...)); err != nil || code != http.StatusOK {
		t.Fatalf("webhook: %d %s %v", code, answer, err)
	}
	eventually(t, "all are open", 2*patience, func() error {
		_, body, err := get(h.web + "/metrics")
		if err == nil && !strings.Contains(body, fmt.Sprintf("headwater_incidents_open %d\n", incidents)) {
			err = errors.New("fewer are open")
		}
		return err
	})
	b.open(t, "/")
	b.await(t, "all are listed", fmt.Sprintf(`document.querySelectorAll("main .rows .row").length === %d`, incidents))
	paint := evaluated[float64](t, b, `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1`)
	evaluated[bool](t, b, `(() => {
		window.slowest = 0;
		window.busiest = 0;
		new PerformanceObserver((l) => l.getEntries().forEach((e) => (window.slowest = Math.max(window.slowest, e.duration)))).observe({type: "event", durationThreshold: 16});
		new PerformanceObserver((l) => l.getEntries().forEach((e) => (window.busiest = Math.max(window.busiest, e.duration)))).observe({type: "longtask"});
		return true;
	})()`)
	heap := `(() => { window.gc?.(); return performance.memory.usedJSHeapSize / 1048576; })()`
	before := evaluated[float64](t, b, heap)

	ctx, stop := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	defer stop()
	var sent atomic.Int64
	go keepNoting(ctx, h.web, incidents, &sent)
	for round := 0; ctx.Err() == nil; round++ {
		for _, keys := range []string{"j", "j", "k"} {
			b.key(t, keys)
		}
		if round%5 == 4 {
			b.shortcut(t, "/")
			b.key(t, "b7")
			b.await(t, "the search shows", `document.querySelectorAll("main .rows .row").length < 500`)
			evaluated[bool](t, b, `(() => { const box = document.querySelector("[data-search]"); box.value = ""; box.dispatchEvent(new Event("input", {bubbles: true})); box.blur(); return true; })()`)
		}
	}
	after := evaluated[float64](t, b, heap)
	slowest, busiest := evaluated[float64](t, b, "window.slowest"), evaluated[float64](t, b, "window.busiest")
	t.Logf("%d open incidents, %d updates in %d s: first paint after %.0f ms; slowest interaction to its next paint %.0f ms, longest task %.0f ms; heap %.1f MiB before, %.1f MiB after",
		incidents, sent.Load(), seconds, paint, slowest, busiest, before, after)
	if sent.Load() == 0 {
		t.Error("nothing was updated")
	}
	if slowest > 1500 || after > 4*before+64 {
		t.Errorf("an interaction took %.0f ms, the heap went from %.1f to %.1f MiB", slowest, before, after)
	}
	b.quiet(t)
}

// keepNoting writes 50 notes a second, all incidents in turn.
func keepNoting(ctx context.Context, base string, incidents int, sent *atomic.Int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		code, _, err := post(fmt.Sprintf("%s/api/v1/incidents/INC-%d/notes", base, i%incidents+1), fmt.Sprintf(`{"note": "update %d"}`, i))
		if err == nil && code == http.StatusOK {
			sent.Add(1)
		}
	}
}
