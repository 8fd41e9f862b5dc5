package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// watch takes the time of a probe and its phases. Connections report to it from
// goroutines of their own, which may outlive the probe.
type watch struct {
	mu      sync.Mutex
	began   time.Time
	phase   Phase // under way, or the last one
	since   time.Time
	running bool
	took    [PhaseCount]time.Duration
	expires time.Time
}

func newWatch() *watch { return &watch{began: time.Now()} }

// begin ends the phase under way and begins another.
func (w *watch) begin(p Phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.stop(now)
	w.phase, w.since, w.running = p, now, true
}

// end ends p if it is under way.
func (w *watch) end(p Phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == p {
		w.stop(time.Now())
	}
}

func (w *watch) stop(now time.Time) {
	if w.running {
		w.took[w.phase] += now.Sub(w.since)
		w.running = false
	}
}

// waiting is the phase under way, or the last one.
func (w *watch) waiting() Phase {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase
}

// certificates notes what the target showed. Of several handshakes the last counts:
// that is the one with whoever answered.
func (w *watch) certificates(state *tls.ConnectionState) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	first := state.PeerCertificates[0].NotAfter
	for _, c := range state.PeerCertificates[1:] {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expires = first
}

// result is how the probe ended.
func (w *watch) result(status correlate.HealthStatus, message string) Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.stop(now)
	return Result{Status: status, Message: message, Duration: now.Sub(w.began), Phases: w.took, CertificateExpires: w.expires}
}

func (w *watch) passing() Result { return w.result(correlate.HealthPassing, "") }

func (w *watch) degraded(message string) Result { return w.result(correlate.HealthDegraded, message) }

// failed is the end of a probe that came to no answer. That its time was over explains
// whatever error that led to.
func (w *watch) failed(ctx context.Context, err error) Result {
	var own ownFault
	if ctx.Err() != nil && !errors.As(err, &own) {
		err = ctx.Err()
	}
	status, message := explain(err, w.waiting())
	return w.result(status, message)
}

// trace reports what net/http does.
func (w *watch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { w.begin(PhaseResolve) },
		DNSDone:              func(httptrace.DNSDoneInfo) { w.end(PhaseResolve) },
		ConnectStart:         func(string, string) { w.begin(PhaseConnect) },
		ConnectDone:          func(string, string, error) { w.end(PhaseConnect) },
		TLSHandshakeStart:    func() { w.begin(PhaseTLS) },
		TLSHandshakeDone:     func(state tls.ConnectionState, _ error) { w.end(PhaseTLS); w.certificates(&state) },
		GotConn:              func(httptrace.GotConnInfo) { w.begin(PhaseProcessing) },
		GotFirstResponseByte: func() { w.begin(PhaseTransfer) },
	}
}
