package probe

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
)

// mail greets, answers EHLO and begins TLS when asked to.
func mail(c tls.Certificate) func(net.Conn) {
	return func(conn net.Conn) {
		fmt.Fprint(conn, "220-welcome\r\n220 mail.example.com ready 42\r\n")
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
			case "EHLO":
				fmt.Fprintf(conn, "250-hello %s\r\n250 STARTTLS\r\n", rest)
			case "STARTTLS":
				fmt.Fprint(conn, "220 go ahead\r\n")
				secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c}})
				conn, lines = secured, bufio.NewScanner(secured)
			}
		}
	}
}

func TestATCPDialogueIsJudged(t *testing.T) {
	ends := time.Now().Add(time.Hour).Truncate(time.Second)
	c, pem := certificate(t, time.Now().Add(-time.Hour), ends)
	target := listener(t, mail(c))
	re := regexp.MustCompile
	for _, tc := range []struct {
		point   string
		module  TCP
		within  time.Duration
		status  correlate.HealthStatus
		message string
	}{
		{"a connection is enough", TCP{}, patience, passing, ""},
		{"the greeting, on its second line", TCP{Steps: []TCPStep{{Expect: re("ready")}}}, patience, passing, ""},
		{"what was heard is said again", TCP{Steps: []TCPStep{{Expect: re(`ready (\d+)`), Send: "EHLO probe-$1"}, {Expect: re("^250-hello probe-42$")}}}, patience, passing, ""},
		{"TLS in the middle", TCP{TLSConfig: config.TLSConfig{CA: pem}, Steps: []TCPStep{
			{Expect: re("ready"), Send: "STARTTLS"}, {Expect: re("go ahead"), StartTLS: true}, {Send: "EHLO again"}, {Expect: re("hello again")},
		}}, patience, passing, ""},
		{"an answer that is not the one", TCP{Steps: []TCPStep{{Expect: re("^221")}}}, haste, degraded, `no line that matches "^221"`},
		{"TLS from one who greets first", TCP{TLS: true}, patience, failing, "does not speak TLS"},
	} {
		t.Run(tc.point, func(t *testing.T) {
			got := askWithin(t, prober(t, Module{Kind: KindTCP, TCP: tc.module}), target, tc.within)
			expect(t, got, tc.status, tc.message)
			if tc.module.TLSConfig.CA != "" && !got.CertificateExpires.Equal(ends) {
				t.Errorf("expires %s, want %s", got.CertificateExpires, ends)
			}
		})
	}
}

func TestNoTCPAnswerIsAFailure(t *testing.T) {
	greeting := TCP{Steps: []TCPStep{{Send: "PING"}, {Expect: regexp.MustCompile("PONG")}}}
	for _, c := range []struct {
		point   string
		target  string
		module  TCP
		message string
	}{
		{"nobody listens", refused(t), TCP{}, "connection refused"},
		{"it accepts and says nothing", listener(t, silent), greeting, "timed out before the first byte of an answer"},
		{"it resets the connection", listener(t, resetting), greeting, "connection reset"},
		{"it hangs up", listener(t, hangingUp), greeting, "closed the connection before the end of an answer"},
		{"it never ends the handshake", listener(t, silent), TCP{TLS: true}, "timed out in the TLS handshake"},
	} {
		t.Run(c.point, func(t *testing.T) {
			got := askWithin(t, prober(t, Module{Kind: KindTCP, TCP: c.module}), c.target, haste)
			expect(t, got, failing, c.message)
		})
	}
}

// To accept is not to serve: a probe that only connects cannot tell, and says so in its docs.
func TestAHalfOpenTargetPassesWhoOnlyConnects(t *testing.T) {
	expect(t, ask(t, prober(t, Module{Kind: KindTCP}), listener(t, silent)), passing, "")
}

func TestOneAddressOfANameIsPicked(t *testing.T) {
	four, six := addr("192.0.2.1"), addr("2001:db8::1")
	for _, c := range []struct {
		family Family
		all    []ip
		want   string
	}{
		{Family{}, []ip{four, six}, "2001:db8::1"},
		{Family{IPv4: true}, []ip{six, four}, "192.0.2.1"},
		{Family{}, []ip{four}, "192.0.2.1"},
		{Family{Strict: true}, []ip{four}, "none"},
		{Family{IPv4: true, Strict: true}, []ip{six}, "none"},
		{Family{IPv4: true}, []ip{addr("::ffff:192.0.2.7")}, "192.0.2.7"},
		{Family{}, nil, "none"},
	} {
		got := "none"
		if a, ok := c.family.pick(c.all); ok {
			got = a.String()
		}
		if got != c.want {
			t.Errorf("%+v of %v: %s, want %s", c.family, c.all, got, c.want)
		}
	}
}
