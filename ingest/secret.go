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
	given, isSHA256 := strings.CutPrefix(h.Get(s.HMACHeader), "sha256=")
	got, err := hex.DecodeString(given)
	mac := hmac.New(sha256.New, secret)
	mac.Write(text)
	if !isSHA256 || err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return fmt.Errorf("%w: want the header %s: sha256=… with the signature by the secret of source %s", errUnauthorized, s.HMACHeader, s.Name)
	}
	return nil
}

// notAdmitted is the answer to a request that failed one of these checks.
func (in *Intake) notAdmitted(req *request, err error) answer {
	if !errors.Is(err, errUnauthorized) {
		return unavailable(err)
	}
	in.metrics.unauthorized.WithLabelValues(req.path).Inc()
	return failed(http.StatusUnauthorized, err)
}
