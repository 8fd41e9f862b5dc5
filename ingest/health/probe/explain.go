package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// ownFault is an error on our side of the wire: it says nothing about the target.
type ownFault struct{ error }

func (f ownFault) Unwrap() error { return f.error }

// explain says what an error means for the target, and in words what happened. phase is
// what the probe was at.
func explain(err error, phase Phase) (correlate.HealthStatus, string) {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the address, which the operator knows and which may hold secrets
	}
	var own ownFault
	switch {
	case errors.As(err, &own):
		return correlate.HealthUnknown, own.Error()
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return correlate.HealthUnknown, "Headwater has no file descriptors left; raise its limit (ulimit -n) or lower health.concurrency"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return correlate.HealthUnknown, "Headwater has no local port left for a connection, or source_ip_address is none of its own"
	case errors.Is(err, context.Canceled):
		return correlate.HealthUnknown, "stopped before an answer"
	case isTimeout(err):
		return correlate.HealthFailing, "timed out " + waitingFor[phase]
	}
	return correlate.HealthFailing, reason(err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// reason is the shortest thing that an operator can act on.
func reason(err error) string {
	var (
		name     *net.DNSError
		expired  x509.CertificateInvalidError
		noTLS    tls.RecordHeaderError
		answered *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "the name " + name.Name + " does not exist"
	case errors.As(err, &name):
		return "the name " + name.Name + " could not be looked up: " + name.Err
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to it"
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return validity(expired.Cert, time.Now())
	case errors.As(err, &answered):
		return "its certificate does not hold: " + answered.Err.Error()
	case errors.As(err, &noTLS), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed the connection before the end of an answer"
	}
	return err.Error()
}

func validity(c *x509.Certificate, now time.Time) string {
	if now.Before(c.NotBefore) {
		return fmt.Sprintf("its certificate is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("its certificate expired at %s", c.NotAfter.UTC().Format(time.RFC3339))
}
