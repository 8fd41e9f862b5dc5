package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
)

// This file has the targets that the probers are tried on: what is up, and the many ways
// of not being so.

// patience bounds the probes of targets that answer; haste those of targets that do not.
const (
	patience = 10 * time.Second
	haste    = 150 * time.Millisecond
)

// listener accepts connections and hands each to serve, until the test ends.
func listener(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			t.Cleanup(func() { conn.Close() })
			go serve(conn)
		}
	}()
	return l.Addr().String()
}

// silent accepts and never says anything.
func silent(net.Conn) {}

// resetting breaks off as soon as something was said.
func resetting(conn net.Conn) {
	var one [1]byte
	conn.Read(one[:])
	conn.(*net.TCPConn).SetLinger(0) // RST, not FIN
	conn.Close()
}

// hangingUp closes properly without a word.
func hangingUp(conn net.Conn) {
	var request [4096]byte
	conn.Read(request[:])
	conn.Close()
}

// saying sends a text and then nothing more.
func saying(text string) func(net.Conn) {
	return func(conn net.Conn) {
		var request [4096]byte
		conn.Read(request[:])
		conn.Write([]byte(text))
	}
}

// refused is an address that nobody listens on.
func refused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificate makes one for 127.0.0.1 that signs itself, and its PEM form.
func certificate(t *testing.T, from, to time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "target"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// secureServer is an HTTPS server with that certificate.
func secureServer(t *testing.T, c tls.Certificate, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func prober(t *testing.T, m Module) Prober {
	t.Helper()
	p, err := New(&m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ipv4 is how a module prefers the only IP version that tests can count on.
var ipv4Only = Family{IPv4: true, Strict: true}

func httpModule(change func(*HTTP)) Module {
	m := Module{Kind: KindHTTP, HTTP: HTTP{Family: ipv4Only, Client: config.DefaultHTTPClientConfig}}
	if change != nil {
		change(&m.HTTP)
	}
	return m
}

// ask probes with time enough for an answer.
func ask(t *testing.T, p Prober, target string) Result {
	t.Helper()
	return askWithin(t, p, target, patience)
}

func askWithin(t *testing.T, p Prober, target string, within time.Duration) Result {
	t.Helper()
	if err := p.Check(target); err != nil {
		t.Fatalf("target %q: %v", target, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return p.Probe(ctx, target)
}

// expect compares a result with a status and a part of its message.
func expect(t *testing.T, got Result, status correlate.HealthStatus, message string) {
	t.Helper()
	if got.Status != status || !strings.Contains(got.Message, message) || (message == "") != (got.Message == "") {
		t.Errorf("got %s %q, want %s %q", got.Status, got.Message, status, message)
	}
	if got.Duration <= 0 {
		t.Error("it took no time")
	}
}
