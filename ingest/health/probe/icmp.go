package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// ICMP says how to send an echo request. It is sent from a datagram socket, which needs
// no privilege where the system allows them, or else from a raw one, which needs
// CAP_NET_RAW. Where neither is to be had, results are unknown and say what to do.
type ICMP struct {
	Family Family
	Source net.IP // nil: the system's choice
	// PayloadSize in bytes. 0: 32.
	PayloadSize int
	// TTL of the request, 1 to 255. 0: the system's.
	TTL int
}

// Bounds of a payload: it begins with a number that tells one request from all others,
// and has to fit into an IP packet.
const (
	minPayload     = 8
	defaultPayload = 32
	maxPayload     = 65507
)

type icmpProber struct{ ICMP }

func newICMP(m *ICMP) (Prober, error) {
	p := &icmpProber{ICMP: *m}
	switch {
	case m.PayloadSize == 0:
		p.PayloadSize = defaultPayload
	case m.PayloadSize < minPayload || m.PayloadSize > maxPayload:
		return nil, fmt.Errorf("payload_size: want %d to %d bytes", minPayload, maxPayload)
	}
	if m.TTL < 0 || m.TTL > 255 {
		return nil, errors.New("ttl: want 1 to 255")
	}
	return p, nil
}

// Check implements [Prober].
func (p *icmpProber) Check(target string) error {
	if !isHost(target) {
		return errors.New("want a name or an address, without a port")
	}
	return nil
}

// Probe implements [Prober].
func (p *icmpProber) Probe(ctx context.Context, target string) Result {
	w := newWatch()
	w.begin(PhaseResolve)
	d := dialer{family: p.Family}
	a, err := d.resolve(ctx, target)
	if err != nil {
		return w.failed(ctx, err)
	}
	w.end(PhaseResolve)
	s, err := p.open(a)
	if err != nil {
		return w.failed(ctx, err)
	}
	defer until(ctx, s.conn)()
	if err := s.setTTL(p.TTL); err != nil {
		return w.failed(ctx, ownFault{fmt.Errorf("ttl: %w", err)})
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.conn.SetDeadline(deadline); err != nil {
			return w.failed(ctx, ownFault{fmt.Errorf("set the deadline: %w", err)})
		}
	}
	w.begin(PhaseProcessing)
	if err := s.echo(a, p.payload()); err != nil {
		return w.failed(ctx, err)
	}
	return w.passing()
}

func (p *icmpProber) payload() []byte {
	data := bytes.Repeat([]byte("headwater probe "), p.PayloadSize/16+1)[:p.PayloadSize]
	binary.BigEndian.PutUint64(data, rand.Uint64())
	return data
}

// echoSocket sends echo requests of one IP version.
type echoSocket struct {
	conn *icmp.PacketConn
	raw  bool
	v6   bool
	id   int // of the requests; the system replaces it on datagram sockets
}

// errForbidden is what to do where the system allows no ICMP.
var errForbidden = errors.New("ICMP is not allowed here: let the process's group use it (sysctl net.ipv4.ping_group_range='0 2147483647') or give it CAP_NET_RAW")

func (p *icmpProber) open(to netip.Addr) (*echoSocket, error) {
	s := &echoSocket{v6: to.Is6(), id: os.Getpid() & 0xffff}
	datagram, raw, local := "udp4", "ip4:icmp", "0.0.0.0"
	if s.v6 {
		datagram, raw, local = "udp6", "ip6:ipv6-icmp", "::"
	}
	if p.Source != nil {
		local = p.Source.String()
	}
	var err error
	if s.conn, err = icmp.ListenPacket(datagram, local); err != nil {
		s.raw = true
		s.conn, err = icmp.ListenPacket(raw, local)
	}
	switch {
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return nil, ownFault{errForbidden}
	case err != nil:
		return nil, ownFault{fmt.Errorf("open an ICMP socket: %w", err)}
	}
	return s, nil
}

func (s *echoSocket) setTTL(ttl int) error {
	switch {
	case ttl == 0:
		return nil
	case s.v6:
		return s.conn.IPv6PacketConn().SetHopLimit(ttl)
	}
	return s.conn.IPv4PacketConn().SetTTL(ttl)
}

// echo sends a request and waits for its reply. The payload tells that from those to other
// probes, which a raw socket sees as well.
func (s *echoSocket) echo(to netip.Addr, payload []byte) error {
	const seq = 1
	var kind icmp.Type = ipv4.ICMPTypeEcho
	if s.v6 {
		kind = ipv6.ICMPTypeEchoRequest
	}
	request := icmp.Message{Type: kind, Body: &icmp.Echo{ID: s.id, Seq: seq, Data: payload}}
	packet, err := request.Marshal(nil)
	if err != nil {
		return ownFault{fmt.Errorf("make an echo request: %w", err)}
	}
	var address net.Addr = &net.UDPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	if s.raw {
		address = &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	}
	if _, err := s.conn.WriteTo(packet, address); err != nil {
		return err
	}
	buffer := make([]byte, len(packet)+1500)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if sameHost(from, to) && s.isReply(buffer[:n], payload) {
			return nil
		}
	}
}

func (s *echoSocket) isReply(packet, payload []byte) bool {
	protocol := 1 // ICMP
	if s.v6 {
		protocol = 58
	}
	m, err := icmp.ParseMessage(protocol, packet)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return false
	}
	reply, ok := m.Body.(*icmp.Echo)
	return ok && (!s.raw || reply.ID == s.id) && bytes.Equal(reply.Data, payload)
}

func sameHost(from net.Addr, to netip.Addr) bool {
	var ip net.IP
	switch a := from.(type) {
	case *net.UDPAddr:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	got, ok := netip.AddrFromSlice(ip)
	return ok && got.Unmap() == to.WithZone("")
}
