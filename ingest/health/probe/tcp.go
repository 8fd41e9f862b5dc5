package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"regexp"

	"github.com/prometheus/common/config"
)

// TCP says how to ask over a TCP connection.
type TCP struct {
	Family Family
	Source net.IP // nil: the system's choice
	// Steps are what is said and expected, in turn. None: a connection is enough, which
	// says that the port is open and not that somebody serves it.
	Steps []TCPStep
	// TLS begins with a handshake.
	TLS       bool
	TLSConfig config.TLSConfig
}

// TCPStep is a part of a dialogue: each of what is set, in this order.
type TCPStep struct {
	// Expect reads lines until one matches.
	Expect *regexp.Regexp
	// Send is a line to send, with $1 and ${name} for what Expect found.
	Send string
	// StartTLS makes TLS of the connection.
	StartTLS bool
}

type tcpProber struct {
	TCP
	dialer dialer
	tls    *tls.Config
}

func newTCP(m *TCP) (Prober, error) {
	p := &tcpProber{TCP: *m, dialer: dialer{family: m.Family, source: m.Source}}
	var err error
	p.tls, err = tlsConfig(&p.TLSConfig)
	return p, err
}

// Check implements [Prober].
func (p *tcpProber) Check(target string) error {
	_, _, err := hostPort(target, "")
	return err
}

// Probe implements [Prober].
func (p *tcpProber) Probe(ctx context.Context, target string) Result {
	w := newWatch()
	host, port, err := hostPort(target, "")
	if err != nil {
		return w.failed(ctx, ownFault{fmt.Errorf("target %q: %w", target, err)})
	}
	conn, err := p.dialer.open(ctx, w, "tcp", host, port)
	if err != nil {
		return w.failed(ctx, err)
	}
	defer until(ctx, conn)()
	if p.TLS {
		if conn, err = secure(ctx, w, conn, p.tls, host); err != nil {
			return w.failed(ctx, err)
		}
	}
	d := dialogue{ctx: ctx, watch: w, conn: conn, tls: p.tls, host: host}
	for i := range p.Steps {
		if err := d.step(&p.Steps[i]); err != nil {
			return d.ended(err)
		}
	}
	return w.passing()
}
