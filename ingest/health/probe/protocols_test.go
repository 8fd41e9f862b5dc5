package probe

import (
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/common/config"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/headwater-sre/headwater/correlate"
)

type ip = netip.Addr

func addr(s string) ip { return netip.MustParseAddr(s) }

// grpcServer is a real one, with services in every state.
func grpcServer(t *testing.T, withHealth bool, options ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	if withHealth {
		h := health.NewServer()
		h.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_NOT_SERVING)
		h.SetServingStatus("shop.Odd", healthpb.HealthCheckResponse_UNKNOWN)
		healthpb.RegisterHealthServer(s, h)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func TestGRPCHealthIsAskedFor(t *testing.T) {
	ends := time.Now().Add(time.Hour).Truncate(time.Second)
	c, pem := certificate(t, time.Now().Add(-time.Hour), ends)
	plain, bare := grpcServer(t, true), grpcServer(t, false)
	secured := grpcServer(t, true, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{c}})))
	trusting := GRPC{TLS: true, TLSConfig: config.TLSConfig{CA: pem}}
	for _, tc := range []struct {
		point   string
		module  GRPC
		target  string
		within  time.Duration
		status  correlate.HealthStatus
		message string
	}{
		{"it serves", GRPC{}, plain, patience, passing, ""},
		{"it serves, over TLS", trusting, secured, patience, passing, ""},
		{"a service that is down", GRPC{Service: "shop.Cart"}, plain, patience, failing, "NOT_SERVING"},
		{"a service that does not know", GRPC{Service: "shop.Odd"}, plain, patience, degraded, "its status is UNKNOWN"},
		{"a service that nobody knows", GRPC{Service: "shop.None"}, plain, patience, degraded, `knows no service "shop.None"`},
		{"a server without health", GRPC{}, bare, patience, degraded, "does not implement grpc.health.v1"},
		{"a server without TLS", trusting, plain, patience, failing, "does not speak TLS"},
		{"a certificate that we do not trust", GRPC{TLS: true}, secured, patience, failing, "its certificate does not hold"},
		{"nobody listens", GRPC{}, refused(t), patience, failing, "connection refused"},
		{"it accepts and never answers", GRPC{}, listener(t, silent), haste, failing, "timed out before the first byte"},
		{"it resets the connection", GRPC{}, listener(t, resetting), patience, failing, ""},
		{"it speaks HTTP/1", GRPC{}, listener(t, saying("HTTP/1.1 400 Bad Request\r\n\r\n")), haste, failing, ""},
	} {
		t.Run(tc.point, func(t *testing.T) {
			got := askWithin(t, prober(t, Module{Kind: KindGRPC, GRPC: tc.module}), tc.target, tc.within)
			if tc.status == failing && tc.message == "" { // it depends on who notices first
				if got.Status != failing || got.Message == "" {
					t.Errorf("got %s %q", got.Status, got.Message)
				}
				return
			}
			expect(t, got, tc.status, tc.message)
			if tc.status == passing && (got.Phases[PhaseConnect] <= 0 || got.Phases[PhaseProcessing] <= 0) {
				t.Errorf("phases %v", got.Phases)
			}
		})
	}
}

// zone answers for shop.example. and refuses all else.
func zone(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	switch q := r.Question[0]; {
	case q.Name == "late.example.":
		return
	case q.Name != "shop.example.":
		m.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeA:
		for _, a := range []string{"192.0.2.1", "192.0.2.2"} {
			rr, _ := dns.NewRR("shop.example. 60 IN A " + a)
			m.Answer = append(m.Answer, rr)
		}
	}
	w.WriteMsg(m)
}

// nameServer answers over UDP and TCP on one port, and over TLS on another.
func nameServer(t *testing.T, c tls.Certificate) (plain, secured string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Skipf("the UDP port of the same number is taken: %v", err)
	}
	over, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}, {Listener: over}} {
		started := make(chan struct{})
		s.Handler, s.NotifyStartedFunc = dns.HandlerFunc(zone), func() { close(started) }
		done := make(chan struct{})
		go func() { defer close(done); s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { s.Shutdown(); <-done })
	}
	return tcp.Addr().String(), over.Addr().String()
}

func TestNameServersAreAsked(t *testing.T) {
	c, pem := certificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	plain, secured := nameServer(t, c)
	shop := DNS{Name: "shop.example", Type: dns.TypeA}
	with := func(change func(*DNS)) DNS {
		m := shop
		change(&m)
		return m
	}
	for _, tc := range []struct {
		point   string
		module  DNS
		target  string
		status  correlate.HealthStatus
		message string
	}{
		{"over UDP", shop, plain, passing, ""},
		{"over TCP", with(func(m *DNS) { m.Transport = "tcp" }), plain, passing, ""},
		{"over TLS", with(func(m *DNS) { m.OverTLS, m.TLSConfig.CA = true, pem }), secured, passing, ""},
		{"over TLS that we do not trust", with(func(m *DNS) { m.OverTLS = true }), secured, failing, "its certificate does not hold"},
		{"a name that is not there", DNS{Name: "gone.example"}, plain, degraded, "answered NXDOMAIN, want NOERROR"},
		{"and should not be", DNS{Name: "gone.example", Answer: DNSAnswer{Codes: []int{dns.RcodeNameError}}}, plain, passing, ""},
		{"the records that must be there", with(func(m *DNS) {
			m.Answer.Records = DNSRecords{FailIfNone: matches(`192\.0\.2\.2$`), FailIfAnyNot: matches(`^shop\.example\.\t60\tIN\tA\t`)}
		}), plain, passing, ""},
		{"a record that must not", with(func(m *DNS) { m.Answer.Records.FailIfAny = matches(`192\.0\.2\.1$`) }), plain, degraded, `in the answer section a record matches`},
		{"a record that is not like the others", with(func(m *DNS) { m.Answer.Records.FailIfAnyNot = matches(`192\.0\.2\.1$`) }), plain, degraded, "a record does not match"},
		{"all records are so", with(func(m *DNS) { m.Answer.Records.FailIfAll = matches(`192\.0\.2\.`) }), plain, degraded, "all records match"},
		{"no record is so", with(func(m *DNS) { m.Answer.Records.FailIfNone = matches(`198\.51`) }), plain, degraded, "no record matches"},
		{"no authority", with(func(m *DNS) { m.Answer.Authority.FailIfNone = matches(`NS`) }), plain, degraded, "in the authority section no record matches"},
		{"nobody answers", DNS{Name: "late.example"}, plain, failing, "timed out before the first byte of an answer"},
		{"nobody listens", with(func(m *DNS) { m.Transport = "tcp" }), refused(t), failing, "connection refused"},
		{"nonsense comes", with(func(m *DNS) { m.Transport = "tcp" }), listener(t, resetting), failing, "connection reset"},
	} {
		t.Run(tc.point, func(t *testing.T) {
			within := patience
			if tc.module.Name == "late.example" {
				within = haste
			}
			got := askWithin(t, prober(t, Module{Kind: KindDNS, DNS: tc.module}), tc.target, within)
			expect(t, got, tc.status, tc.message)
		})
	}
}

// Where ICMP is not allowed, the prober has to say so and must not blame the target.
func TestEchoOrTheReasonWhyNot(t *testing.T) {
	for _, size := range []int{0, 8, 1400} {
		got := ask(t, prober(t, Module{Kind: KindICMP, ICMP: ICMP{Family: ipv4Only, PayloadSize: size, TTL: 7}}), "127.0.0.1")
		if got.Status == unknown {
			expect(t, got, unknown, "net.ipv4.ping_group_range")
			t.Skip("not allowed here")
		}
		expect(t, got, passing, "")
		if got.Phases[PhaseProcessing] <= 0 {
			t.Errorf("phases %v", got.Phases)
		}
	}
}

func TestModulesThatMakeNoSense(t *testing.T) {
	for want, m := range map[string]Module{
		`there is no prober "smoke"`:                         {Kind: "smoke"},
		"query_name: is missing":                             {Kind: KindDNS},
		"payload_size: want 8 to 65507 bytes":                {Kind: KindICMP, ICMP: ICMP{PayloadSize: 70000}},
		"ttl: want 1 to 255":                                 {Kind: KindICMP, ICMP: ICMP{TTL: 256}},
		"body_size_limit: must not be negative":              {Kind: KindHTTP, HTTP: HTTP{BodyLimit: -1}},
		"tls_config: unable to use specified CA cert inline": {Kind: KindTCP, TCP: TCP{TLSConfig: config.TLSConfig{CA: "nonsense"}}},
	} {
		if _, err := New(&m); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
