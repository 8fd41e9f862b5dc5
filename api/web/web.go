// Package web is the dashboard: a page and its assets, embedded, which the browser runs.
// It shows what the REST API under /api/v1 answers and keeps itself current by a watch;
// the server does nothing for it that it does not do for others.
//
// What is under dist is built from src by `make web` and committed, so that building the
// server needs Go alone. Every path of the page answers with the same document; assets
// carry a hash of their content in their name and may be kept for ever. All addresses are
// relative, so that the page works below any path of a proxy that takes it off again.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed dist
var dist embed.FS

// pages are the paths that answer with the document; which view it shows is the browser's affair.
var pages = []string{
	"GET /{$}",
	"GET /incidents",
	"GET /incidents/{id}",
	"GET /incidents/{id}/post-mortem",
	"GET /history",
	"GET /action-items",
	"GET /topology",
	"GET /topology/{service...}",
	"GET /setup",
}

// gallery shows every part of the dashboard in every state.
const gallery = "GET /ui/gallery"

// Patterns are the paths of the dashboard, in the language of [http.ServeMux]. All else
// belongs to others.
func Patterns() []string { return append(slices.Clone(pages), "GET /ui/") }

// contentSecurityPolicy: nothing from elsewhere, nothing inline, no frames, no strings that
// become markup or code.
const contentSecurityPolicy = "default-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'"

// Options say what is served.
type Options struct {
	// Gallery serves /ui/gallery, too: every part of the dashboard in every state, with
	// canned data and without an API.
	Gallery bool
}

// handler answers from memory.
type handler struct {
	page   []byte            // with {base} where the way to the root belongs
	assets map[string]*asset // by path, "/ui/assets/main-….js"
}

// asset is one file, as it is and compressed.
type asset struct {
	contentType   string
	plain, gziped []byte
}

// Handler serves what [Patterns] names. It reads and compresses everything at once, a few hundred
// kilobytes, and is safe for concurrent use.
func Handler(o Options) (http.Handler, error) {
	h := &handler{assets: make(map[string]*asset)}
	var err error
	if h.page, err = dist.ReadFile("dist/index.html"); err != nil {
		return nil, fmt.Errorf("read the dashboard: %w", err)
	}
	files, err := fs.ReadDir(dist, "dist/assets")
	if err != nil {
		return nil, fmt.Errorf("read the dashboard: %w", err)
	}
	for _, f := range files {
		a, err := newAsset("dist/assets/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("read the dashboard: %w", err)
		}
		h.assets["/ui/assets/"+f.Name()] = a
	}
	mux := http.NewServeMux()
	for _, pattern := range pages {
		mux.HandleFunc(pattern, h.servePage)
	}
	if o.Gallery {
		mux.HandleFunc(gallery, h.servePage)
	}
	mux.HandleFunc("GET /ui/assets/{file}", h.serveAsset)
	return secured(mux), nil
}

// types are the media types of what is built. The system's own table may differ.
var types = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
}

func newAsset(name string) (*asset, error) {
	plain, err := dist.ReadFile(name)
	if err != nil {
		return nil, err
	}
	a := &asset{contentType: types[path.Ext(name)], plain: plain}
	if a.contentType == "" {
		a.contentType = mime.TypeByExtension(path.Ext(name))
	}
	a.gziped, err = compressed(plain)
	return a, err
}

func compressed(plain []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// secured sets what every answer carries.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

func (h *handler) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := h.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	serve(w, r, a)
}

// servePage answers with the document, which is asked for anew each time: it names the
// assets of this version of the server.
func (h *handler) servePage(w http.ResponseWriter, r *http.Request) {
	page := bytes.Replace(h.page, []byte("{base}"), []byte(base(r.URL.Path)), 1)
	gziped, err := compressed(page)
	if err != nil {
		http.Error(w, "compress the page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(page)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Etag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	serve(w, r, &asset{contentType: "text/html; charset=utf-8", plain: page, gziped: gziped})
}

// base leads from a path back to the root, whatever a proxy has before it.
func base(p string) string {
	if up := strings.Count(p, "/") - 1; up > 0 {
		return strings.Repeat("../", up)
	}
	return "./"
}

func serve(w http.ResponseWriter, r *http.Request, a *asset) {
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Vary", "Accept-Encoding")
	body := a.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		w.Header().Set("Content-Encoding", "gzip")
		body = a.gziped
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who has left needs no answer
	}
}

// acceptsGzip reads an Accept-Encoding: "gzip, br;q=0.5". One with a weight of 0 is refused.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, found := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return !found || strings.Trim(q, "0.") != ""
		}
	}
	return false
}
