//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// shopDemo starts the demo, so much slower than usual that there is time to look and to act,
// and returns where its dashboard is.
func shopDemo(t *testing.T, speed string) string {
	t.Helper()
	out := newLogTail()
	p := launchTelling(t, out, "demo", binary(t, headwaterBinary), "demo", "--keep", "--speed="+speed, "--web.listen-address=127.0.0.1:0", "--grpc.listen-address=127.0.0.1:0")
	var base string
	eventually(t, "the demo says where it is", patience, func() error {
		m := regexp.MustCompile(`(?m)^web (\S+)`).FindStringSubmatch(out.text())
		if m == nil {
			return errors.Join(p.alive(), errors.New(out.text()))
		}
		base = strings.TrimSuffix(m[1], "/")
		return ready(base)
	})
	return base
}

// A person on call sees an incident come up, watches it grow, looks how it grew, takes it,
// says where it began, writes a note, ends it and reads the post-mortem, in a browser alone.
func TestAcceptanceDashboard(t *testing.T) {
	skipShort(t)
	b := newBrowser(t) // first, for the demo does not wait for it
	b.base = shopDemo(t, "10")

	b.open(t, "/")
	b.says(t, ".link-state", "live")
	// Nothing is asked for again from here on: the mark would not survive that.
	evaluated[bool](t, b, `window.sameDocument = true`)
	b.says(t, ".row", "INC-1")
	b.says(t, ".row", "nobody has it")

	// The row is reached and opened by keys.
	b.key(t, "j")
	b.await(t, "j goes to the first row", `document.activeElement.matches("a.row")`)
	b.key(t, "\r")
	b.await(t, "what it hit is shown", `document.querySelector(".hit li") !== null`)
	early := evaluated[int](t, b, `document.querySelectorAll(".hit li").length`)
	// It grows before one's eyes, up to the last service that is hit.
	b.await(t, "it grows", fmt.Sprintf(`document.querySelectorAll(".hit li").length > %d`, early))
	b.says(t, "h1", "mysql is the probable origin")
	b.says(t, ".hit h2", "9 services")
	b.says(t, ".cascade .node.origin", "mysql")
	b.says(t, ".alerts", "firing")
	if !evaluated[bool](t, b, `window.sameDocument === true`) {
		t.Error("the page was loaded anew to show changes")
	}

	t.Run("time can be slid", func(t *testing.T) { slideTime(t, b) })
	t.Run("views are accessible", func(t *testing.T) {
		b.accessible(t, "an open incident")
		b.tall(t)
		b.picture(t, "incident")
		b.desktop(t)
	})
	t.Run("commands", func(t *testing.T) { takeAndEnd(t, b) })
	t.Run("other views", func(t *testing.T) { otherViews(t, b) })
	t.Run("on a phone", func(t *testing.T) { onAPhone(t, b) })
	b.quiet(t)
}

// slideTime goes back to the beginning: one service had alerted, and another was named.
func slideTime(t *testing.T, b *browser) {
	before := evaluated[int](t, b, `document.querySelectorAll(".cascade .node.notyet").length`)
	evaluated[bool](t, b, `(() => {
		const slider = document.querySelector(".replay input");
		slider.focus();
		slider.value = Number(slider.min) + 60000;
		slider.dispatchEvent(new Event("input", {bubbles: true}));
		return true;
	})()`)
	b.says(t, ".moment", "on 1 service")
	b.says(t, ".cascade .node.named", "shipping")
	after := evaluated[int](t, b, `document.querySelectorAll(".cascade .node.notyet").length`)
	if before != 0 || after < 7 {
		t.Errorf("%d services had not alerted at the end and %d a minute after the start; want 0, and all but two", before, after)
	}
	if said := evaluated[string](t, b, `document.querySelector(".replay input").getAttribute("aria-valuetext")`); !strings.Contains(said, "firing on 1 service") {
		t.Errorf("to those who do not see it the slider says %q", said)
	}
	b.do(t, "to the end", chromedp.KeyEvent(kb.End))
	b.await(t, "the end is now", `document.querySelectorAll(".cascade .node.notyet").length === 0`)
}

// takeAndEnd does what on-call does, through the dialogs.
func takeAndEnd(t *testing.T, b *browser) {
	b.press(t, "main", "Acknowledge")
	b.says(t, "dialog", "hwctl")
	b.do(t, "fill in", chromedp.SendKeys(`dialog textarea[name=note]`, "on it", chromedp.NodeVisible), chromedp.SendKeys(`dialog input[name=actor]`, "ann"))
	b.accessible(t, "a command")
	b.picture(t, "command")
	b.press(t, "dialog", "Acknowledge")
	b.says(t, ".crumbs", "ann has it")
	b.says(t, ".timeline .person", "by ann")

	b.press(t, "main", "Note")
	b.do(t, "fill in", chromedp.SendKeys(`dialog textarea[name=note]`, "shipping looks <b>fine</b> itself", chromedp.NodeVisible))
	b.press(t, "dialog", "Note")
	b.says(t, ".timeline .person", "shipping looks <b>fine</b> itself")

	b.shortcut(t, "o")
	b.says(t, "dialog", "Where it began")
	b.do(t, "another service", chromedp.SendKeys(`dialog input[name=service]`, "robot-shop/mysql", chromedp.NodeVisible))
	b.decide(t, "Set origin")
	b.says(t, "h1", "mysql is the origin (set by ann)")
	b.says(t, ".crumbs", "identified")

	b.do(t, "more", chromedp.Click(`.more summary`, chromedp.NodeVisible))
	b.press(t, "main", "Resolve")
	b.do(t, "fill in", chromedp.SendKeys(`dialog textarea[name=reason]`, "restarted shipping", chromedp.NodeVisible))
	b.decide(t, "Resolve")
	b.says(t, ".crumbs", "resolved")
	b.says(t, ".record", "by ann")
	b.accessible(t, "an incident that is over")

	b.do(t, "its post-mortem", chromedp.Click(`//main//p//a[contains(., "Post-mortem")]`, chromedp.NodeVisible))
	b.says(t, "h1", "Post-mortem of INC-1")
	b.says(t, ".document", "restarted shipping")
	b.says(t, ".document .node", "mysql")
	// What people wrote is text there as well.
	b.says(t, ".document", "shipping looks <b>fine</b> itself")
	b.accessible(t, "a post-mortem")
	b.tall(t)
	b.picture(t, "post-mortem")
	b.desktop(t)
}

// decide presses a dialog's button, and once more when the incident changed meanwhile: the
// demo goes on while we read.
func (b *browser) decide(t testing.TB, name string) {
	t.Helper()
	b.press(t, "dialog", name)
	err := poll(2*patience, func() error {
		if b.check(`document.querySelector("dialog .conflict") !== null`) == nil {
			b.press(t, "dialog", "Do it all the same")
		}
		return b.check(`document.querySelector("dialog") === null`)
	})
	if err != nil {
		t.Fatalf("%s: the dialog stays: %v\n%s", name, err, b.text())
	}
}

func otherViews(t *testing.T, b *browser) {
	b.open(t, "/")
	b.says(t, "main", "Lately over")
	b.says(t, ".lately .row", "INC-1")
	b.accessible(t, "incidents")
	b.open(t, "/history?q=mysql")
	b.says(t, ".row", "INC-1")
	b.accessible(t, "history")
	b.open(t, "/history?q=nothing-of-the-kind")
	b.says(t, "main", "None matches")
	b.open(t, "/action-items")
	b.says(t, "main", "Nothing is to be done")
	b.accessible(t, "action items")
	b.open(t, "/topology")
	b.says(t, ".picture .node", "mongodb")
	b.accessible(t, "topology")
	b.picture(t, "topology")
	b.open(t, "/topology/mysql?depth=2")
	b.says(t, ".picture .node", "web")
	b.says(t, "main", "What breaks if it fails")
	b.says(t, ".effect.broken", "shipping")
	b.accessible(t, "a service")
	b.picture(t, "service")
	b.open(t, "/setup")
	b.says(t, ".finding", "Nothing watches mysql")
	b.accessible(t, "set-up")
	b.picture(t, "setup")
	// Slack's title of a page leads there.
	b.open(t, "/#/alerts?receiver=oncall")
	b.await(t, "the hash is gone", `location.hash === ""`)
	b.says(t, "h1", "Incidents")
}

func onAPhone(t *testing.T, b *browser) {
	b.phone(t)
	defer b.desktop(t)
	for path, name := range map[string]string{"/": "incidents", "/incidents/INC-1": "incident", "/history": "history", "/setup": "setup", "/action-items": "action-items", "/topology": "topology", "/topology/cart": "service", "/incidents/INC-1/post-mortem": "post-mortem"} {
		b.open(t, path)
		b.await(t, path+" has come", `document.querySelector(".waiting, .bone") === null`)
		b.fits(t, path)
		b.accessible(t, path+" on a phone")
		b.picture(t, name+"-phone")
	}
}
