package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/source"
)

// endpoint is one path and what makes it different.
type endpoint struct {
	path  string
	limit int64 // bytes of a body
	// keeps: bodies that are of no use, or not as a whole, are kept as dead letters.
	keeps bool
	// neverRefuses: the sender takes a 4xx for final, so it gets none.
	neverRefuses bool
	// take decodes and publishes a body.
	take func(context.Context, *request) answer
	// source is whose secret a request has to show; nil: anybody may send.
	source *source.Source
}

// request is what an endpoint gets to work on.
type request struct {
	endpoint
	body        []byte // decompressed; of the buffer pool, so valid until the answer
	contentType string
	remoteAddr  string
	header      http.Header
}

// answer is what the sender is told. The zero code stands for 200.
type answer struct {
	code int
	// retryAfter is in seconds; 0: no such header.
	retryAfter int

	Accepted int    `json:"accepted"`
	Rejected int    `json:"rejected,omitempty"`
	Position uint64 `json:"position,omitempty"` // in the stream, of the last signal stored
	// DeadLetter: the body was kept for an operator to look at.
	DeadLetter bool `json:"dead_letter,omitempty"`
	// Note says why nothing was accepted though nothing is wrong.
	Note  string `json:"note,omitempty"`
	Error string `json:"error,omitempty"`
	Field string `json:"field,omitempty"` // path of the first field that is wrong
	Line  int    `json:"line,omitempty"`  // of the body, from 1
}

func (a answer) write(w http.ResponseWriter) {
	text, err := json.Marshal(a)
	if err != nil { // numbers and strings always marshal
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	w.WriteHeader(a.code)
	w.Write(append(text, '\n'))
}

// failed is the answer to an error. Those that know a field and a line tell it.
func failed(code int, err error) answer {
	a := answer{code: code, Error: err.Error()}
	var e *body.Error
	if errors.As(err, &e) {
		a.Field, a.Line = e.Field, e.Line
	}
	return a
}

// unavailable asks the sender to try again.
func unavailable(err error) answer {
	a := failed(http.StatusServiceUnavailable, err)
	a.retryAfter = 5
	return a
}

func (in *Intake) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	started := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), in.options.Timeout)
	defer cancel()
	a := in.answer(ctx, w, r, e)
	if a.code == 0 {
		a.code = http.StatusOK
	}
	if e.source != nil && e.source.Kind == source.KindSlack {
		a.writeSlack(w)
	} else {
		a.write(w)
	}
	in.metrics.observe(e.path, a.code, time.Since(started))
}

// answer does all the work of a request. Panics end here.
func (in *Intake) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, e endpoint) (a answer) {
	defer in.caught(e.path, &a)
	pass, err := in.gate.enter(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer pass.leave()
	in.metrics.inFlight.Inc()
	defer in.metrics.inFlight.Dec()

	req := &request{endpoint: e, contentType: r.Header.Get("Content-Type"), remoteAddr: r.RemoteAddr, header: r.Header}
	if err := in.checkToken(e.source, r.Header); err != nil {
		return in.notAdmitted(req, err)
	}
	buffers := new(buffers)
	defer buffers.release()
	req.body, err = readBody(ctx, w, r, buffers, pass, e.limit)
	in.metrics.bytes.WithLabelValues(e.path).Add(float64(len(req.body)))
	if err != nil {
		if e.source != nil && e.source.HMACSecretFile != "" {
			req.keeps, req.neverRefuses = false, false // nobody knows who sent it
		}
		return in.unreadable(ctx, req, err)
	}
	if err := in.checkSignature(e.source, r.Header, req.body); err != nil {
		return in.notAdmitted(req, err)
	}
	return e.take(ctx, req)
}

// caught makes an answer of a panic. It is deferred.
func (in *Intake) caught(path string, a *answer) {
	if p := recover(); p != nil {
		in.panicked(path, &panicError{p, debug.Stack()})
		*a = failed(http.StatusInternalServerError, errors.New("internal error, see the log"))
	}
}

// unreadable is the answer to a body that could not be read or decompressed;
// req.body is what there is of it.
func (in *Intake) unreadable(ctx context.Context, req *request, err error) answer {
	switch {
	case errors.Is(err, errTooLarge):
		return in.oversize(ctx, req)
	case errors.Is(err, errEncoding) && req.keeps:
		return in.unusable(ctx, req, answer{}, err)
	case errors.Is(err, errUnknownEncoding):
		return failed(http.StatusUnsupportedMediaType, err)
	case errors.Is(err, errEncoding):
		return failed(http.StatusBadRequest, err)
	}
	return unavailable(err) // the sender broke off or took too long, or there is no room for a large body
}

const (
	oversizePrefix   = 64 << 10
	oversizeInterval = time.Minute
)

// oversize is the answer to a body over the limit, see the package comment.
func (in *Intake) oversize(ctx context.Context, req *request) answer {
	in.metrics.oversize.WithLabelValues(req.path).Inc()
	err := fmt.Errorf("the body is larger than %d bytes", req.limit)
	if !req.neverRefuses {
		return failed(http.StatusRequestEntityTooLarge, err)
	}
	err = fmt.Errorf("%w: set max_alerts in Alertmanager's webhook_config, group by more labels, or raise the limit", err)
	now, last := in.options.Now().UnixNano(), in.oversizeAt.Load()
	if now-last >= int64(oversizeInterval) && in.oversizeAt.CompareAndSwap(last, now) {
		in.logger.Error("body of a webhook not accepted; its alerts are not known here", "endpoint", req.path, "remote", req.remoteAddr, "err", err)
		prefix := req.body[:min(len(req.body), oversizePrefix)]
		if letterErr := in.deadLetter(ctx, req, prefix, err.Error()+" (this is its beginning)"); letterErr != nil {
			err = errors.Join(err, letterErr)
		}
	}
	a := failed(http.StatusServiceUnavailable, err)
	a.retryAfter = int(oversizeInterval.Seconds())
	return a
}

// panicError is a panic that was caught.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("internal error: %v", p.value) }

func (in *Intake) panicked(path string, p *panicError) {
	in.metrics.panics.Inc()
	in.logger.Error("panic while a request was served", "endpoint", path, "panic", p.value, "stack", string(p.stack))
}

// contain decodes text and makes an error of a panic.
func contain[T any](text []byte, decode func([]byte) (T, error)) (signal T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	return decode(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) // a byte order mark is no JSON, and some tools send one
}
