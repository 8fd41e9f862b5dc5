package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"github.com/headwater-sre/headwater/api"
)

const (
	// readHeaderTimeout bounds how long a client may take for its headers; bodies
	// are bounded by the intake, and watches are meant to stay.
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// webServer is the web port. Operations' endpoints answer from the start; the
// others say 503 until they are mounted.
type webServer struct {
	log   *slog.Logger
	flags *web.FlagConfig

	handler   http.Handler
	ready     func() error
	lifecycle bool
	origins   api.Origins
	reload    func(context.Context) error

	app atomic.Pointer[http.Handler] // nil: still starting
	// guards says whether whoever serves a path asks for a secret of its own. Nil: nobody does yet.
	guards atomic.Pointer[func(path string) bool]
	ports  []port // set by listen
}

func newWebServer(o serverOptions, reg *prometheus.Registry, ready func() error, reload func(context.Context) error, log *slog.Logger) *webServer {
	w := &webServer{log: log, flags: o.web, ready: ready, lifecycle: o.lifecycle, origins: o.origins, reload: reload}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(reg, promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg, EnableOpenMetrics: true})))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Headwater is healthy.") })
	mux.HandleFunc("GET /-/ready", w.serveReady)
	mux.HandleFunc("POST /-/reload", w.serveReload)
	mux.HandleFunc("PUT /-/reload", w.serveReload)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/", w.serveApp)
	w.handler = logRequests(mux, log)
	return w
}

// listen opens what --web.listen-address names. The toolkit itself opens vsock
// addresses and what systemd hands over.
func (w *webServer) listen() error {
	if w.flags.WebSystemdSocket != nil && *w.flags.WebSystemdSocket {
		w.add(nil, w.flags)
		return nil
	}
	for _, address := range *w.flags.WebListenAddresses {
		if strings.HasPrefix(address, "vsock://") {
			only := *w.flags
			only.WebListenAddresses = &[]string{address}
			w.add(nil, &only)
			continue
		}
		l, err := listen("--web.listen-address", address)
		if err != nil {
			w.close()
			return err
		}
		w.add(l, w.flags)
	}
	return nil
}

// port is a listener with a server of its own, because the toolkit wraps a
// server's handler once for each listener.
type port struct {
	listener net.Listener // nil: the toolkit opens it
	flags    *web.FlagConfig
	server   *http.Server
}

func (w *webServer) add(l net.Listener, flags *web.FlagConfig) {
	w.ports = append(w.ports, port{l, flags, w.newServer()})
}

// address is that of the first listener we opened, nil when there is none.
func (w *webServer) address() net.Addr {
	for _, p := range w.ports {
		if p.listener != nil {
			return p.listener.Addr()
		}
	}
	return nil
}

// serve serves until ctx ends.
func (w *webServer) serve(ctx context.Context) error {
	var group errgroup.Group
	for _, p := range w.ports {
		group.Go(func() error {
			if p.listener == nil {
				return web.ListenAndServe(p.server, p.flags, w.log)
			}
			l := &exemptListener{Listener: p.listener, server: p.server, open: w.handler, exempt: w.exempt}
			return web.Serve(l, p.server, p.flags, w.log)
		})
	}
	ended := make(chan error, 1) // one result
	go func() {
		err := group.Wait()
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			<-ctx.Done() // it was shut down, and the stop of this part follows
		}
		return err
	case <-ctx.Done():
		w.close()
		return <-ended
	}
}

// close ends everything at once.
func (w *webServer) close() {
	for _, p := range w.ports {
		_ = p.server.Close()
		if p.listener != nil {
			_ = p.listener.Close()
		}
	}
}

func (w *webServer) newServer() *http.Server {
	return &http.Server{
		Handler:           w.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
	}
}

// shutdown stops accepting and waits for the requests under way until ctx ends.
func (w *webServer) shutdown(ctx context.Context) error {
	var group errgroup.Group
	for _, p := range w.ports {
		group.Go(func() error {
			if err := p.server.Shutdown(ctx); err != nil {
				return p.server.Close()
			}
			return nil
		})
	}
	return group.Wait()
}

// mount makes everything but operations' endpoints available. guards says which paths
// have a secret of their own and need no password.
func (w *webServer) mount(app http.Handler, guards func(path string) bool) {
	w.app.Store(&app)
	w.guards.Store(&guards)
}

func (w *webServer) exempt(r *http.Request) bool {
	guards := w.guards.Load()
	return w.origins.Preflight(r) || guards != nil && r.Method == http.MethodPost && (*guards)(r.URL.Path)
}

func (w *webServer) serveApp(rw http.ResponseWriter, r *http.Request) {
	if app := w.app.Load(); app != nil {
		(*app).ServeHTTP(rw, r)
		return
	}
	rw.Header().Set("Retry-After", "2")
	http.Error(rw, "starting: "+w.reason(), http.StatusServiceUnavailable)
}

func (w *webServer) reason() string {
	if err := w.ready(); err != nil {
		return err.Error()
	}
	return "nearly done"
}

func (w *webServer) serveReady(rw http.ResponseWriter, _ *http.Request) {
	if err := w.ready(); err != nil {
		http.Error(rw, "Headwater is not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(rw, "Headwater is ready.")
}

func (w *webServer) serveReload(rw http.ResponseWriter, r *http.Request) {
	if !w.lifecycle {
		http.Error(rw, "Lifecycle API is not enabled; start with --web.enable-lifecycle, or send SIGHUP.", http.StatusForbidden)
		return
	}
	if err := w.reload(r.Context()); err != nil {
		http.Error(rw, "Reload failed, the present configuration stays:\n"+err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(rw, "Configuration reloaded.")
}

// logRequests logs each request at debug level.
func logRequests(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !log.Enabled(r.Context(), slog.LevelDebug) {
			next.ServeHTTP(w, r)
			return
		}
		began := time.Now()
		s := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(s, r)
		log.Debug("HTTP request", "method", r.Method, "path", r.URL.Path, "code", s.code, "remote", r.RemoteAddr, "duration", time.Since(began))
	})
}

// statusWriter remembers the status code.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements [http.ResponseWriter].
func (s *statusWriter) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Flush is for those that ask for an [http.Flusher]: watches write as they go.
func (s *statusWriter) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// Unwrap is for [http.ResponseController].
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// listen opens a port, and names the flag when that fails.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", flag, address, err)
	}
	return l, nil
}
