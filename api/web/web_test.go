package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/api/web"
)

func serve(t *testing.T, o web.Options, path string, header ...string) *http.Response {
	t.Helper()
	h, err := web.Handler(o)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whatever a proxy takes off before us, the way back to the root is as long as our path.
func TestEveryPageLeadsBackToTheRoot(t *testing.T) {
	for path, base := range map[string]string{
		"/":                            "./",
		"/incidents":                   "./",
		"/incidents/INC-1":             "../",
		"/incidents/INC-1/post-mortem": "../../",
		"/topology/shop/cart":          "../../",
		"/setup":                       "./",
	} {
		r := serve(t, web.Options{}, path)
		if text := body(t, r); r.StatusCode != http.StatusOK || !strings.Contains(text, `<base href="`+base+`">`) {
			t.Errorf("GET %s: %s, want a base of %q in:\n%.400s", path, r.Status, base, text)
		}
		if got := r.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("GET %s: Cache-Control: %s: a browser would keep the names of assets that are gone", path, got)
		}
	}
}

func TestAssetsAreNamedByTheirContentAndKeptForEver(t *testing.T) {
	page := body(t, serve(t, web.Options{}, "/"))
	assets := regexp.MustCompile(`(?:src|href)="(ui/assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(assets) < 4 {
		t.Fatalf("the page names %d assets: %s", len(assets), page)
	}
	hashed := regexp.MustCompile(`-[0-9A-Z]{8}\.(js|css|svg)$`)
	for _, a := range assets {
		plain := serve(t, web.Options{}, "/"+a[1])
		if plain.StatusCode != http.StatusOK || !hashed.MatchString(a[1]) {
			t.Errorf("%s: %s, and its name must end in a hash", a[1], plain.Status)
		}
		if got := plain.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control: %s", a[1], got)
		}
		packed := serve(t, web.Options{}, "/"+a[1], "Accept-Encoding", "br, gzip;q=0.8")
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatalf("%s, compressed: %v", a[1], err)
		}
		unpacked, err := io.ReadAll(z)
		if err != nil || string(unpacked) != body(t, plain) {
			t.Errorf("%s: compressed it is something else: %v", a[1], err)
		}
	}
}

func TestWhoRefusesGzipGetsNone(t *testing.T) {
	for header, want := range map[string]string{
		"":                    "",
		"br":                  "",
		"gzip;q=0":            "",
		"gzip; q=0.0, br":     "",
		"gzip":                "gzip",
		"deflate, GZIP;q=0.1": "gzip",
	} {
		if got := serve(t, web.Options{}, "/", "Accept-Encoding", header).Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: %q, want %q", header, got, want)
		}
	}
}

// What the policy forbids must not be in the page to begin with.
func TestNothingInlineAndNothingFromElsewhere(t *testing.T) {
	r := serve(t, web.Options{}, "/")
	page := body(t, r)
	for _, forbidden := range []string{"<style", " style=", "http:", "https:", "onclick", "onload"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	if m := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(page); m != "" {
		t.Errorf("the page has an inline script: %s", m)
	}
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy: %s", policy)
	}
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	first := serve(t, web.Options{}, "/setup")
	tag := first.Header.Get("Etag")
	again := serve(t, web.Options{}, "/setup", "If-None-Match", tag)
	if tag == "" || again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("tag %q: %s", tag, again.Status)
	}
}

func TestTheGalleryIsThereWhenAskedForOnly(t *testing.T) {
	if r := serve(t, web.Options{}, "/ui/gallery"); r.StatusCode != http.StatusNotFound {
		t.Errorf("without being asked for: %s", r.Status)
	}
	if r := serve(t, web.Options{Gallery: true}, "/ui/gallery"); r.StatusCode != http.StatusOK {
		t.Errorf("asked for: %s", r.Status)
	}
	if r := serve(t, web.Options{}, "/ui/assets/main.js"); r.StatusCode != http.StatusNotFound {
		t.Errorf("an asset without its hash: %s", r.Status)
	}
}
