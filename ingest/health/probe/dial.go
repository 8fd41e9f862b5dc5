package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"

	"github.com/prometheus/common/config"
)

// Family says which of a name's addresses is asked. Only one is: whether a service
// answers on all of them is as many checks.
type Family struct {
	// IPv4 prefers that; without it IPv6 is preferred, as blackbox_exporter does.
	IPv4 bool
	// Strict: the other family is not tried when the name has no such address.
	Strict bool
}

// pick chooses an address of several.
func (f Family) pick(all []netip.Addr) (netip.Addr, bool) {
	for _, a := range all {
		if a.Unmap().Is4() == f.IPv4 {
			return a.Unmap(), true
		}
	}
	if f.Strict || len(all) == 0 {
		return netip.Addr{}, false
	}
	return all[0].Unmap(), true
}

// dialer opens the connections of a prober.
type dialer struct {
	family Family
	source net.IP // nil: the system's choice
}

// resolve finds the address of host.
func (d *dialer) resolve(ctx context.Context, host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap(), nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	a, ok := d.family.pick(all)
	if !ok {
		return netip.Addr{}, fmt.Errorf("the name %s has no address of the wanted IP version", host)
	}
	return a, nil
}

// DialContext is what net/http wants. The address is host:port.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ownFault{err}
	}
	a, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	return d.connect(ctx, network, net.JoinHostPort(a.String(), port))
}

func (d *dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{KeepAlive: -1} // no connection lives long enough
	if d.source != nil {
		nd.LocalAddr = &net.TCPAddr{IP: d.source}
		if network == "udp" {
			nd.LocalAddr = &net.UDPAddr{IP: d.source}
		}
	}
	return nd.DialContext(ctx, network, address)
}

// open is DialContext for probers that keep the time themselves. The connection ends
// with the context, whatever somebody waits for on it.
func (d *dialer) open(ctx context.Context, w *watch, network, host, port string) (net.Conn, error) {
	w.begin(PhaseResolve)
	a, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	w.begin(PhaseConnect)
	conn, err := d.connect(ctx, network, net.JoinHostPort(a.String(), port))
	if err != nil {
		return nil, err
	}
	w.end(PhaseConnect)
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			until(ctx, conn)()
			return nil, fmt.Errorf("set the deadline: %w", err)
		}
	}
	return conn, nil
}

// until closes c when ctx ends, so that whoever waits for it does not any more, or when the
// function that it returns is called.
func until(ctx context.Context, c io.Closer) (end func()) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	return func() {
		stop()
		c.Close()
	}
}

// secure makes TLS of conn.
func secure(ctx context.Context, w *watch, conn net.Conn, c *tls.Config, host string) (net.Conn, error) {
	if c.ServerName == "" {
		c = c.Clone()
		c.ServerName = host
	}
	w.begin(PhaseTLS)
	secured := tls.Client(conn, c)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	w.end(PhaseTLS)
	state := secured.ConnectionState()
	w.certificates(&state)
	return secured, nil
}

// tlsConfig reads the certificates and keys that c names. They are read once: a
// reload reads them again.
func tlsConfig(c *config.TLSConfig) (*tls.Config, error) {
	t, err := config.NewTLSConfig(c)
	if err != nil {
		return nil, fmt.Errorf("tls_config: %w", err)
	}
	return t, nil
}

// hostPort reads a target that is an address.
func hostPort(target, defaultPort string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(target)
	if err != nil && defaultPort != "" {
		host, port, err = target, defaultPort, nil
		if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
			host = host[1 : n-1]
		}
	}
	switch {
	case err != nil || host == "" || port == "":
		return "", "", errors.New("want host:port")
	case !isHost(host):
		return "", "", fmt.Errorf("%q is neither a name nor an address", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q is no port; want 1 to 65535", port)
	}
	return host, port, nil
}

// isHost is generous: names within clusters have underscores and more.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
