package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/miekg/dns"
	"github.com/prometheus/common/config"
)

// DNS says how to ask a name server, which is the target.
type DNS struct {
	Family Family
	Source net.IP // nil: the system's choice
	// Transport is udp (the default) or tcp.
	Transport string
	// OverTLS asks by DNS over TLS.
	OverTLS   bool
	TLSConfig config.TLSConfig
	// Name, Type and Class of the question. Type defaults to ANY, Class to IN.
	Name        string
	Type, Class uint16
	// NoRecursion asks for what the server itself knows.
	NoRecursion bool

	Answer DNSAnswer
}

type dnsProber struct {
	DNS
	dialer   dialer
	tls      *tls.Config
	question dns.Question
	port     string // when the target names none
}

func newDNS(m *DNS) (Prober, error) {
	p := &dnsProber{DNS: *m, dialer: dialer{family: m.Family, source: m.Source}, port: "53"}
	switch {
	case m.Name == "":
		return nil, errors.New("query_name: is missing")
	case m.Transport == "" && !m.OverTLS:
		p.Transport = "udp"
	case m.OverTLS:
		p.Transport, p.port = "tcp", "853"
	}
	p.question = dns.Question{Name: dns.Fqdn(m.Name), Qtype: m.Type, Qclass: m.Class}
	if p.question.Qtype == dns.TypeNone {
		p.question.Qtype = dns.TypeANY
	}
	if p.question.Qclass == 0 {
		p.question.Qclass = dns.ClassINET
	}
	var err error
	p.tls, err = tlsConfig(&p.TLSConfig)
	return p, err
}

// Check implements [Prober].
func (p *dnsProber) Check(target string) error {
	_, _, err := hostPort(target, p.port)
	return err
}

// Probe implements [Prober].
func (p *dnsProber) Probe(ctx context.Context, target string) Result {
	w := newWatch()
	host, port, err := hostPort(target, p.port)
	if err != nil {
		return w.failed(ctx, ownFault{fmt.Errorf("target %q: %w", target, err)})
	}
	conn, err := p.dialer.open(ctx, w, p.Transport, host, port)
	if err != nil {
		return w.failed(ctx, err)
	}
	defer until(ctx, conn)()
	if p.OverTLS {
		if conn, err = secure(ctx, w, conn, p.tls, host); err != nil {
			return w.failed(ctx, err)
		}
	}
	w.begin(PhaseProcessing)
	answer, err := p.ask(&dns.Conn{Conn: conn, UDPSize: dns.DefaultMsgSize})
	if err != nil {
		return w.failed(ctx, err)
	}
	if complaint := p.Answer.complaint(answer); complaint != "" {
		return w.degraded(complaint)
	}
	return w.passing()
}

// ask waits for the answer to its own question: others may be on their way, or forged.
func (p *dnsProber) ask(conn *dns.Conn) (*dns.Msg, error) {
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Id: dns.Id(), RecursionDesired: !p.NoRecursion}, Question: []dns.Question{p.question}}
	if err := conn.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		answer, err := conn.ReadMsg()
		if err != nil && answer == nil {
			return nil, err
		}
		if answer.Id == m.Id {
			if err != nil {
				return nil, fmt.Errorf("an answer that cannot be read: %w", err)
			}
			return answer, nil
		}
	}
}
