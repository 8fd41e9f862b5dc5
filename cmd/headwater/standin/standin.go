// Package standin takes pages in place of a configuration's receivers, over real sockets and
// in their own formats, and keeps account of them as the people behind them would: what
// rang, what was edited, what ended.
//
// Each receiver has a port of its own on the loopback interface for HTTP, with or without
// TLS, and one for mail. It answers as PagerDuty, Opsgenie, Slack and others do when they
// are content. A receiver can be taken down; it then answers 503, and mail is refused with 451.
//
// Receivers are safe for concurrent use.
package standin

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// Receivers are the stand-ins of a configuration.
type Receivers struct {
	all map[string]*receiver
	tls *tls.Config
}

// receiver is one of them.
type receiver struct {
	web, mail net.Listener
	server    *http.Server
	mails     *mailServer

	mu   sync.Mutex
	down bool
	book book
}

// maxBody bounds what is read of a request, in bytes.
const maxBody = 4 << 20

// New opens the ports of the receivers named.
func New(names []string) (*Receivers, error) {
	r := &Receivers{all: map[string]*receiver{}}
	var err error
	if r.tls, err = selfSigned(); err != nil {
		return nil, err
	}
	for _, name := range names {
		one, err := r.open()
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("open a port for receiver %q: %w", name, err)
		}
		r.all[name] = one
	}
	return r, nil
}

func (r *Receivers) open() (*receiver, error) {
	one := &receiver{book: newBook()}
	var err error
	if one.web, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if one.mail, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		_ = one.web.Close()
		return nil, err
	}
	one.server = &http.Server{Handler: one, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	one.mails = &mailServer{take: one.takeMail}
	go func() { _ = one.server.Serve(&sniffer{Listener: one.web, tls: r.tls}) }() // until it is closed
	go one.mails.serve(one.mail)
	return one, nil
}

// Close closes all ports and ends what is under way.
func (r *Receivers) Close() {
	for _, one := range r.all {
		_ = one.server.Close()
		_ = one.mail.Close()
		one.mails.close()
	}
}

// Dial connects to the port of a receiver.
func (r *Receivers) Dial(ctx context.Context, name string) (net.Conn, error) {
	one := r.all[name]
	if one == nil {
		return nil, fmt.Errorf("there is no receiver %q", name)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", one.web.Addr().String())
}

// Mail is the address of a receiver's mail server.
func (r *Receivers) Mail(name string) string {
	if one := r.all[name]; one != nil {
		return one.mail.Addr().String()
	}
	return "127.0.0.1:1"
}

// Has reports whether there is a receiver of that name.
func (r *Receivers) Has(name string) bool { return r.all[name] != nil }

// Break takes a receiver down, or mends it.
func (r *Receivers) Break(name string, down bool) {
	one := r.all[name]
	one.mu.Lock()
	defer one.mu.Unlock()
	one.down = down
}

// Account is what a receiver took so far.
func (r *Receivers) Account(name string) Account {
	one := r.all[name]
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.book.account()
}

// ServeHTTP implements [http.Handler].
func (one *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return // who sent it has gone
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.down {
		one.book.refused++
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	code := one.book.take(r, body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, one.book.answer())
}

// errDown is the answer of a mail server that is down.
var errDown = errors.New("451 out of order")

func (one *receiver) takeMail(m mail) error {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.down {
		one.book.refused++
		return errDown
	}
	one.book.takeMail(m)
	return nil
}

// sniffer accepts connections that begin with TLS as well as those that do not.
type sniffer struct {
	net.Listener
	tls *tls.Config
}

// Accept implements [net.Listener].
func (s *sniffer) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sniffed{Conn: c, config: s.tls}, nil
}

// sniffed decides with its first byte. It belongs to one goroutine until then, which
// is how [http.Server] reads.
type sniffed struct {
	net.Conn
	config *tls.Config
	once   sync.Once
}

// tlsHandshake is the first byte of a TLS connection.
const tlsHandshake = 0x16

// Read implements [io.Reader].
func (s *sniffed) Read(p []byte) (int, error) {
	s.once.Do(func() {
		plain := &peeked{Conn: s.Conn, r: bufio.NewReader(s.Conn)}
		s.Conn = plain
		if first, err := plain.r.Peek(1); err == nil && first[0] == tlsHandshake {
			s.Conn = tls.Server(plain, s.config)
		}
	})
	return s.Conn.Read(p)
}

// peeked is a connection whose beginning was looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

// Read implements [io.Reader].
func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// selfSigned makes a certificate that nobody needs to trust.
func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, nil
}
