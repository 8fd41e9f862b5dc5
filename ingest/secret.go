package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/ingest/reply"
	"github.com/headwater-sre/headwater/ingest/source"
)

var (
	// errUnauthorized: the sender did not show the source's secret.
	errUnauthorized = errors.New("unauthorized")
	// errSecret: the secret cannot be read, so nobody is let in.
	errSecret = errors.New("the source's secret cannot be read, see the log")
)

// readSecret reads the first line of a file, anew for each request, so that a secret is
// changed by writing the file. An empty secret would let everybody in.
func (in *Intake) readSecret(s *source.Source, path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	if err == nil && line == "" {
		err = fmt.Errorf("%s: the first line is empty", path)
	}
	if err != nil {
		in.logger.Error("Secret of a source cannot be read; its requests get 503", "source", s.Name, "err", err)
		return nil, errSecret
	}
	return []byte(line), nil
}

// checkToken checks the bearer token of a source that has one, before its body is read.
func (in *Intake) checkToken(s *source.Source, h http.Header) error {
	if s == nil || s.BearerTokenFile == "" {
		return nil
	}
	want, err := in.readSecret(s, s.BearerTokenFile)
	if err != nil {
		return err
	}
	scheme, got, _ := strings.Cut(h.Get("Authorization"), " ")
	// Hashes have one length, so the time tells nothing of the token's.
	a, b := sha256.Sum256([]byte(strings.TrimSpace(got))), sha256.Sum256(want)
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return fmt.Errorf("%w: want the header Authorization: Bearer with the token of source %s", errUnauthorized, s.Name)
	}
	return nil
}

// checkSignature checks the HMAC-SHA256 of the body, decompressed.
func (in *Intake) checkSignature(s *source.Source, h http.Header, text []byte) error {
	if s == nil || s.HMACSecretFile == "" {
		return nil
	}
	secret, err := in.readSecret(s, s.HMACSecretFile)
	if err != nil {
		return err
	}
	switch s.Kind {
	case source.KindPagerDuty:
		if !reply.PagerDutySigned(h.Get(s.HMACHeader), secret, text) {
			return fmt.Errorf("%w: want the header %s: v1=… with the signature by the secret of source %s", errUnauthorized, s.HMACHeader, s.Name)
		}
		return nil
	case source.KindSlack:
		return in.checkSlack(s, h, secret, text)
	}
	given, isSHA256 := strings.CutPrefix(h.Get(s.HMACHeader), "sha256=")
	got, err := hex.DecodeString(given)
	mac := hmac.New(sha256.New, secret)
	mac.Write(text)
	if !isSHA256 || err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return fmt.Errorf("%w: want the header %s: sha256=… with the signature by the secret of source %s", errUnauthorized, s.HMACHeader, s.Name)
	}
	return nil
}

// checkSlack checks a signature of Slack's, which is good for one request: whoever
// overheard it cannot use it again.
func (in *Intake) checkSlack(s *source.Source, h http.Header, secret, text []byte) error {
	now := in.options.Now()
	signature := h.Get(s.HMACHeader)
	if err := reply.SlackSigned(signature, h.Get(reply.SlackTimestamp), secret, text, now); err != nil {
		return fmt.Errorf("%w: %w", errUnauthorized, err)
	}
	if !in.signatures.first(signature, now) {
		return fmt.Errorf("%w: the request of this signature came before", errUnauthorized)
	}
	return nil
}

// maxSignatures bounds the signatures that are remembered.
const maxSignatures = 10_000

// signatures remembers those that were used, for as long as their time is good. Beyond
// [maxSignatures] the oldest are forgotten: what they ask for twice is done once anyway.
type signatures struct {
	mu   sync.Mutex
	seen map[string]bool
	list []usedSignature // oldest first
}

type usedSignature struct {
	text string
	at   time.Time
}

// first reports whether the signature is used for the first time.
func (s *signatures) first(signature string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.list) > 0 && (len(s.list) >= maxSignatures || now.Sub(s.list[0].at) > 2*reply.SignatureWindow) {
		delete(s.seen, s.list[0].text)
		s.list = s.list[1:]
	}
	if s.seen[signature] {
		return false
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[signature] = true
	s.list = append(s.list, usedSignature{signature, now})
	return true
}

// notAdmitted is the answer to a request that failed one of these checks.
func (in *Intake) notAdmitted(req *request, err error) answer {
	if !errors.Is(err, errUnauthorized) {
		return unavailable(err)
	}
	in.metrics.unauthorized.WithLabelValues(req.path).Inc()
	return failed(http.StatusUnauthorized, err)
}
