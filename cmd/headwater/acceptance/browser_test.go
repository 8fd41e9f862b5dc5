//go:build acceptance

package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// browser is a real Chromium without a window. It belongs to the test's goroutine.
type browser struct {
	ctx  context.Context
	base string // of the dashboard, without a slash at its end
	axe  string // the accessibility checker's source
	// complaints are what the console said, exceptions and refusals of the policy included.
	complaints chan string
}

// chromium finds the browser: Debian's name, Ubuntu's, and Google's.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium here; apt-get install chromium")
	return ""
}

// newBrowser starts Chromium; base is the caller's to set.
func newBrowser(t testing.TB) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		// A phone has smooth scrolling, a test must not wait for it.
		chromedp.Flag("force-prefers-reduced-motion", true),
		// For measuring memory.
		chromedp.Flag("js-flags", "--expose-gc"), chromedp.Flag("enable-precise-memory-info", true),
		chromedp.WSURLReadTimeout(patience))
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &browser{ctx: ctx, axe: axeSource(t), complaints: make(chan string, 100)}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			select {
			case b.complaints <- fmt.Sprint(m):
			default: // a hundred are enough to fail
			}
		}
	}()
	b.desktop(t)
	return b
}

// axeSource is axe-core, which .ci/web installs with what the dashboard is built with.
func axeSource(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "api", "web", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v; make web installs it", err)
	}
	return string(text)
}

func (b *browser) do(t testing.TB, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("%s: %v\nthe page says:\n%s", what, err, b.text())
	}
}

func (b *browser) desktop(t testing.TB) {
	t.Helper()
	b.do(t, "a desktop's screen", chromedp.EmulateViewport(1400, 900))
}

// tall is a desktop's screen turned upright, for a picture of a whole page.
func (b *browser) tall(t testing.TB) {
	t.Helper()
	b.do(t, "a tall screen", chromedp.EmulateViewport(1400, 1560))
}

// phone is the narrowest screen that has to do.
func (b *browser) phone(t testing.TB) {
	t.Helper()
	b.do(t, "a phone's screen", chromedp.EmulateViewport(360, 780, chromedp.EmulateScale(2), chromedp.EmulateMobile))
}

// prefers sets what the system wants, dark or light.
func (b *browser) prefers(t testing.TB, theme string) {
	t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
	})
	if err != nil {
		t.Fatalf("prefer %s: %v", theme, err)
	}
}

// open leads to a path of the dashboard.
func (b *browser) open(t testing.TB, path string) {
	t.Helper()
	b.do(t, "open "+path, chromedp.Navigate(b.base+path))
	b.await(t, path+" is drawn", `document.querySelector("main h1") !== null`)
}

// await polls until a condition holds.
func (b *browser) await(t testing.TB, what, condition string) {
	t.Helper()
	if err := poll(2*patience, func() error { return b.check(condition) }); err != nil {
		t.Fatalf("%s: %v\nthe page says:\n%s", what, err, b.text())
	}
}

// says waits until the page shows a text, however it is broken into lines.
func (b *browser) says(t testing.TB, selector, text string) {
	t.Helper()
	b.await(t, fmt.Sprintf("%s says %q", selector, text),
		fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => (e.innerText ?? e.textContent).replace(/\s+/g, " ").includes(%q))`, selector, text))
}

func (b *browser) check(condition string) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+condition+")"))
	if err == nil && !ok {
		err = fmt.Errorf("not so: %s", condition)
	}
	return err
}

// evaluated is what an expression gives.
func evaluated[T any](t testing.TB, b *browser, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// text is what the page shows, for those who read of a failure.
func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return errors.Join(errors.New(text), err).Error()
}

// press clicks the button of a name as a person does, with the mouse.
func (b *browser) press(t testing.TB, within, name string) {
	t.Helper()
	b.do(t, "press "+name, chromedp.Click(fmt.Sprintf(`//%s//button[normalize-space()=%q]`, within, name), chromedp.NodeVisible))
}

// key types on the page.
func (b *browser) key(t testing.TB, keys string) {
	t.Helper()
	b.do(t, "type "+keys, chromedp.KeyEvent(keys))
}

// shortcut presses a key that types nothing when a page takes it. The debugger's own events
// would type it all the same, and into what the key has just brought to the front.
func (b *browser) shortcut(t testing.TB, key string) {
	t.Helper()
	evaluated[bool](t, b, fmt.Sprintf(`(document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true, cancelable: true})) || true`, key))
}

// quiet fails when the console has something to say.
func (b *browser) quiet(t testing.TB) {
	t.Helper()
	for {
		select {
		case said := <-b.complaints:
			t.Errorf("the console says: %s", said)
		default:
			return
		}
	}
}

// accessible runs axe-core on what is shown, in both themes.
func (b *browser) accessible(t testing.TB, view string) {
	t.Helper()
	for _, theme := range []string{"dark", "light"} {
		b.prefers(t, theme)
		// Evaluated by the debugger: the page's own policy lets no foreign script in.
		ctx, cancel := context.WithTimeout(b.ctx, 2*patience)
		raw, err := chromedp.Run(ctx, chromedp.Evaluate[string](b.axe+";\n"+`
			axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
				.then((r) => JSON.stringify(r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => n.target.join(" ") + ": " + n.failureSummary)}))))`,
			chromedp.EvalAwaitPromise))
		cancel()
		if err != nil {
			t.Fatalf("axe on %s, %s: %v", view, theme, err)
		}
		var violations []struct {
			ID, Help string
			Nodes    []string
		}
		if err := json.Unmarshal([]byte(raw), &violations); err != nil {
			t.Fatal(err)
		}
		for _, v := range violations {
			t.Errorf("%s, %s: %s: %s\n%s", view, theme, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
		}
	}
}

// fits fails when a narrow screen would have to scroll sideways.
func (b *browser) fits(t testing.TB, view string) {
	t.Helper()
	if over := evaluated[int](t, b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
		t.Errorf("%s is %d pixels too wide for the screen", view, over)
	}
}

// picture keeps a screenshot where HEADWATER_SCREENSHOTS says; without it nothing is kept.
func (b *browser) picture(t testing.TB, name string) {
	t.Helper()
	dir := os.Getenv("HEADWATER_SCREENSHOTS")
	if dir == "" {
		return
	}
	// From the top, unless a dialog is what is to be seen.
	evaluated[bool](t, b, `document.querySelector("dialog") !== null || (document.activeElement?.blur(), scrollTo(0, 0), true)`)
	for _, theme := range []string{"dark", "light"} {
		b.prefers(t, theme)
		quality := int64(85)
		image, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+"-"+theme+".webp"), image.Data, 0o644)
		}
		if err != nil {
			t.Fatalf("picture of %s: %v", name, err)
		}
	}
}
