package probe

import (
	"compress/gzip"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
)

var quiet = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

const (
	passing  = correlate.HealthPassing
	degraded = correlate.HealthDegraded
	failing  = correlate.HealthFailing
	unknown  = correlate.HealthUnknown
)

func matches(patterns ...string) (all []*regexp.Regexp) {
	for _, p := range patterns {
		all = append(all, regexp.MustCompile(p))
	}
	return all
}

// shop is a target with a page for everything that an answer can have wrong.
func shop(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/down":
		http.Error(w, "the secret reason", http.StatusServiceUnavailable)
	case "/lies":
		fmt.Fprint(w, `{"status": "error", "secret": "hunter2"}`)
	case "/moved":
		http.Redirect(w, r, "/", http.StatusFound)
	case "/round":
		http.Redirect(w, r, "/round", http.StatusFound)
	case "/host":
		fmt.Fprint(w, "for "+r.Host+" by "+r.Method+" with "+r.Header.Get("X-Team"))
	case "/long":
		fmt.Fprint(w, strings.Repeat("a", 3*DefaultBodyLimit))
	case "/gzip":
		w.Header().Set("Content-Encoding", r.Header.Get("Accept-Encoding"))
		z := gzip.NewWriter(w)
		fmt.Fprint(z, "all is well")
		z.Close()
	case "/header":
		w.Header().Add("X-Mode", "normal")
		w.Header().Add("X-Mode", "read-only")
	default:
		fmt.Fprint(w, "all is well")
	}
}

func TestAnHTTPAnswerIsJudged(t *testing.T) {
	url := server(t, shop)
	header := func(name, pattern string, allow bool) []HeaderMatch {
		return []HeaderMatch{{Header: name, Regexp: regexp.MustCompile(pattern), AllowMissing: allow}}
	}
	for _, c := range []struct {
		point, path string
		change      func(*HTTP)
		status      correlate.HealthStatus
		message     string
	}{
		{"all is well", "/", nil, passing, ""},
		{"a status that is not 2xx", "/down", nil, degraded, "answered HTTP 503 Service Unavailable, want 2xx"},
		{"a status that is wanted", "/down", func(m *HTTP) { m.Answer.Statuses = []int{200, 503} }, passing, ""},
		{"a status that is not wanted", "/", func(m *HTTP) { m.Answer.Statuses = []int{401, 403} }, degraded, "answered HTTP 200 OK, want 401 or 403"},
		{"200 with an error in its body", "/lies", func(m *HTTP) { m.Answer.BodyBad = matches(`"status": "error"`) }, degraded, `answered HTTP 200 OK, with a body that matches`},
		{"a body without what must be there", "/lies", func(m *HTTP) { m.Answer.BodyGood = matches("well") }, degraded, `with a body that does not match "well"`},
		{"a body with it", "/", func(m *HTTP) { m.Answer.BodyGood = matches("well", "^all") }, passing, ""},
		{"a redirect is followed", "/moved", nil, passing, ""},
		{"or not", "/moved", func(m *HTTP) { m.Client.FollowRedirects = false }, degraded, "answered HTTP 302 Found, want 2xx"},
		{"a redirect that leads to itself", "/round", nil, failing, "redirects without end: gave up after 10"},
		{"method, host and headers", "/host", func(m *HTTP) {
			m.Method, m.Headers = "POST", map[string]string{"host": "shop.example.com", "x-team": "payments"}
			m.Answer.BodyGood = matches("^for shop.example.com by POST with payments$")
		}, passing, ""},
		{"a body that never ends is not read to its end", "/long", nil, passing, ""},
		{"and of its beginning is judged what there is", "/long", func(m *HTTP) { m.Answer.BodyBad = matches("b") }, passing, ""},
		{"unless it must not be so long", "/long", func(m *HTTP) { m.BodyLimit = 1000 }, degraded, "longer than body_size_limit, 1000 bytes"},
		{"a compressed body", "/gzip", func(m *HTTP) { m.Compression, m.Answer.BodyGood = "gzip", matches("^all is well$") }, passing, ""},
		{"a version that is wanted", "/", func(m *HTTP) { m.Answer.Versions = []string{"HTTP/1.1"} }, passing, ""},
		{"a version that is not", "/", func(m *HTTP) { m.Answer.Versions = []string{"HTTP/2.0"} }, degraded, "answered over HTTP/1.1, want HTTP/2.0"},
		{"no TLS where there must be", "/", func(m *HTTP) { m.Answer.NeedTLS = true }, degraded, "without TLS"},
		{"a header that must not be so, in one of its values", "/header", func(m *HTTP) { m.Answer.HeaderBad = header("x-mode", "read-only", false) }, degraded, `a header x-mode that matches "read-only"`},
		{"a header that must be there to be looked at", "/", func(m *HTTP) { m.Answer.HeaderBad = header("X-Mode", "read-only", false) }, degraded, "without header X-Mode"},
		{"a header that may be missing", "/", func(m *HTTP) { m.Answer.HeaderBad = header("X-Mode", "read-only", true) }, passing, ""},
		{"a header that must be so, in one of its values", "/header", func(m *HTTP) { m.Answer.HeaderGood = header("X-Mode", "^normal$", false) }, passing, ""},
		{"a header that is not so", "/header", func(m *HTTP) { m.Answer.HeaderGood = header("X-Mode", "^fast$", false) }, degraded, `a header X-Mode that does not match "^fast$"`},
		{"a header that is not there", "/", func(m *HTTP) { m.Answer.HeaderGood = header("X-Mode", ".", false) }, degraded, "without header X-Mode"},
		{"and may be", "/", func(m *HTTP) { m.Answer.HeaderGood = header("X-Mode", ".", true) }, passing, ""},
	} {
		t.Run(c.point, func(t *testing.T) {
			got := ask(t, prober(t, httpModule(c.change)), url+c.path)
			expect(t, got, c.status, c.message)
			if strings.Contains(got.Message, "hunter2") || strings.Contains(got.Message, "secret reason") {
				t.Errorf("the message quotes the target: %q", got.Message)
			}
		})
	}
}

func TestNoHTTPAnswerIsAFailure(t *testing.T) {
	for _, c := range []struct {
		point   string
		target  func(t *testing.T) string
		message string
	}{
		{"nobody listens", refused, "connection refused"},
		{"it accepts and never answers", func(t *testing.T) string { return listener(t, silent) }, "timed out before the first byte of an answer"},
		{"it resets the connection", func(t *testing.T) string { return listener(t, resetting) }, "connection reset"},
		{"it hangs up", func(t *testing.T) string { return listener(t, hangingUp) }, "closed the connection before the end of an answer"},
		{"it stops in the middle of the headers", func(t *testing.T) string { return listener(t, saying("HTTP/1.1 200 OK\r\nContent-")) }, "timed out in the middle of the answer"},
		{"it stops in the middle of the body", func(t *testing.T) string {
			return listener(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall is"))
		}, "timed out in the middle of the answer"},
		{"it hangs up in the middle of the body", func(t *testing.T) string {
			return listener(t, func(conn net.Conn) {
				saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall is")(conn)
				conn.Close()
			})
		}, "closed the connection before the end of an answer"},
		{"it speaks another language", func(t *testing.T) string { return listener(t, saying("220 smtp ready\r\n")) }, "malformed HTTP"},
		{"it has no TLS", func(t *testing.T) string { return "https://" + listener(t, saying("HTTP/1.0 400 Bad Request\r\n\r\n")) }, "it does not speak TLS"},
		{"it never ends the handshake", func(t *testing.T) string { return "https://" + listener(t, silent) }, "timed out in the TLS handshake"},
		{"its name does not exist", func(*testing.T) string { return "http://no-such-host.invalid/" }, "the name no-such-host.invalid"},
	} {
		t.Run(c.point, func(t *testing.T) {
			within := patience
			if strings.HasPrefix(c.message, "timed out") {
				within = haste
			}
			got := askWithin(t, prober(t, httpModule(nil)), c.target(t), within)
			expect(t, got, failing, c.message)
		})
	}
}

func TestCertificatesAreLookedAt(t *testing.T) {
	now := time.Now()
	ends := now.Add(20 * 24 * time.Hour).Truncate(time.Second).UTC()
	good, goodPEM := certificate(t, now.Add(-time.Hour), ends)
	old, oldPEM := certificate(t, now.Add(-48*time.Hour), now.Add(-time.Hour))
	url, oldURL := secureServer(t, good, http.HandlerFunc(shop)), secureServer(t, old, http.HandlerFunc(shop))
	trust := func(pem string, more func(*HTTP)) Module {
		return httpModule(func(m *HTTP) {
			m.Client.TLSConfig = config.TLSConfig{CA: pem}
			if more != nil {
				more(m)
			}
		})
	}
	t.Run("trusted, over HTTP/2", func(t *testing.T) {
		got := ask(t, prober(t, trust(goodPEM, func(m *HTTP) { m.Answer.Versions, m.Answer.NeedTLS = []string{"HTTP/2.0"}, true })), url)
		expect(t, got, passing, "")
		if !got.CertificateExpires.Equal(ends) {
			t.Errorf("expires %s, want %s", got.CertificateExpires, ends)
		}
		for _, p := range []Phase{PhaseConnect, PhaseTLS, PhaseProcessing, PhaseTransfer} {
			if got.Phases[p] <= 0 || got.Phases[p] > got.Duration {
				t.Errorf("phase %s took %s of %s", p, got.Phases[p], got.Duration)
			}
		}
	})
	t.Run("by nobody that we trust", func(t *testing.T) {
		expect(t, ask(t, prober(t, httpModule(nil)), url), failing, "its certificate does not hold")
	})
	t.Run("for another name", func(t *testing.T) {
		m := trust(goodPEM, func(m *HTTP) { m.Client.TLSConfig.ServerName = "shop.example.com" })
		expect(t, ask(t, prober(t, m), url), failing, "its certificate does not hold")
	})
	t.Run("expired", func(t *testing.T) {
		got := ask(t, prober(t, trust(oldPEM, nil)), oldURL)
		expect(t, got, failing, "its certificate expired at ")
	})
	t.Run("expired, which does not matter", func(t *testing.T) {
		m := httpModule(func(m *HTTP) { m.Client.TLSConfig.InsecureSkipVerify = true })
		got := ask(t, prober(t, m), oldURL)
		expect(t, got, passing, "")
		if !got.CertificateExpires.Before(now) {
			t.Errorf("expires %s", got.CertificateExpires)
		}
	})
	t.Run("where there must be none", func(t *testing.T) {
		expect(t, ask(t, prober(t, trust(goodPEM, func(m *HTTP) { m.Answer.NoTLS = true })), url), degraded, "over TLS")
	})
}

// A target that sends its prober elsewhere does not get it to show its credentials there.
func TestCredentialsStayWithTheHostThatTheyAreFor(t *testing.T) {
	var seen string
	elsewhere := server(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("Authorization") })
	elsewhere = strings.Replace(elsewhere, "127.0.0.1", "localhost", 1)
	asked := ""
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Authorization")
		http.Redirect(w, r, elsewhere, http.StatusFound)
	})
	m := httpModule(func(m *HTTP) {
		m.Client.BasicAuth = &config.BasicAuth{Username: "probe", Password: "hunter2"}
	})
	expect(t, ask(t, prober(t, m), url), passing, "")
	if asked == "" || seen != "" {
		t.Errorf("the target saw %q, the other host %q", asked, seen)
	}
}

func TestTargetsAreCheckedBeforeTheyAreAsked(t *testing.T) {
	dnsModule := Module{Kind: KindDNS, DNS: DNS{Name: "example.com"}}
	for _, c := range []struct {
		module Module
		target string
		want   string
	}{
		{httpModule(nil), "shop:8080/health", ""},
		{httpModule(nil), "https://[::1]:8443/", ""},
		{httpModule(nil), "ftp://shop/", `scheme "ftp": want http or https`},
		{httpModule(nil), "http://", `"" is neither a name nor an address`},
		{httpModule(nil), "http://a b/", "cannot be parsed"},
		{Module{Kind: KindTCP}, "mysql:3306", ""},
		{Module{Kind: KindTCP}, "mysql", "want host:port"},
		{Module{Kind: KindTCP}, "mysql:0", `"0" is no port`},
		{Module{Kind: KindTCP}, "my sql:1", `"my sql" is neither`},
		{Module{Kind: KindGRPC}, "grpc://api:9090", ""},
		{Module{Kind: KindGRPC}, "api", "want host:port"},
		{dnsModule, "10.0.0.53", ""},
		{dnsModule, "[2001:db8::53]", ""},
		{dnsModule, "10.0.0.53:5353", ""},
		{dnsModule, "http://resolver", `is no port`},
		{Module{Kind: KindICMP}, "gateway", ""},
		{Module{Kind: KindICMP}, "gateway:7", "without a port"},
	} {
		err := prober(t, c.module).Check(c.target)
		if got := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(got, c.want) && err != nil {
			t.Errorf("%s %q: %v, want %q", c.module.Kind, c.target, err, c.want)
		}
	}
}
