package modules

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/ingest/health/probe"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestAFileOfBlackboxExporterIsRead(t *testing.T) {
	s := Set{}
	if err := s.ReadFile("testdata/blackbox.yml"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Names(), " "); got != "by_token dns_mx grpc_cart http_2xx http_post ping smtp_starttls" {
		t.Errorf("modules %s", got)
	}
	re := regexp.MustCompile
	res := func(patterns ...string) (all []*regexp.Regexp) {
		for _, p := range patterns {
			all = append(all, re(p))
		}
		return all
	}
	web := s["http_2xx"].HTTP
	client := web.Client
	if client.BasicAuth == nil || client.BasicAuth.Password != "secret" || !client.TLSConfig.InsecureSkipVerify || client.FollowRedirects || client.EnableHTTP2 ||
		client.ProxyURL.String() != "http://proxy:3128" {
		t.Errorf("client %+v", client)
	}
	want := probe.HTTPAnswer{
		Versions: []string{"HTTP/1.1", "HTTP/2.0"}, NeedTLS: true, BodyBad: res("cannot reach the database"), BodyGood: res("all is well"),
		HeaderBad: []probe.HeaderMatch{{Header: "Set-Cookie", Regexp: re(".*"), AllowMissing: true}}, HeaderGood: []probe.HeaderMatch{{Header: "Content-Type", Regexp: re("^application/json")}},
	}
	same := cmp.Comparer(func(a, b *regexp.Regexp) bool {
		return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
	})
	if diff := cmp.Diff(want, web.Answer, same); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if web.Method != http.MethodGet || web.Headers["Host"] != "shop.example.com" || web.BodyLimit != 10<<20 || web.Compression != "gzip" || web.Family != (probe.Family{IPv4: true, Strict: true}) {
		t.Errorf("request %+v", web)
	}
	post := s["http_post"].HTTP
	if post.Method != http.MethodPost || post.Body != `{"ping": true}` || !reflect.DeepEqual(post.Answer.Statuses, []int{200, 202}) || post.Client.FollowRedirects || !post.Client.EnableHTTP2 {
		t.Errorf("http_post %+v", post)
	}
	steps := []probe.TCPStep{
		{Expect: re(`^220 ([^ ]+) ESMTP`), Send: "EHLO prober"}, {Expect: re("^250 STARTTLS")}, {Send: "STARTTLS"}, {Expect: re("^220"), StartTLS: true},
	}
	if diff := cmp.Diff(steps, s["smtp_starttls"].TCP.Steps, same); diff != "" || s["smtp_starttls"].Timeout != 3*time.Second {
		t.Errorf("dialogue (-want +got):\n%s", diff)
	}
	if g := s["grpc_cart"].GRPC; g.Service != "shop.v1.Cart" || !g.TLS || !g.TLSConfig.InsecureSkipVerify || len(g.Metadata["x-team"]) != 2 {
		t.Errorf("grpc %+v", g)
	}
	question := probe.DNS{
		Name: "example.com", Type: dns.TypeMX, Class: dns.ClassINET, Transport: "tcp", OverTLS: true, NoRecursion: true,
		Answer: probe.DNSAnswer{
			Codes: []int{dns.RcodeSuccess, dns.RcodeNameError},
			Records: probe.DNSRecords{
				FailIfAny: res(`127\.0\.0\.1`), FailIfAll: res(`MX\t0`), FailIfAnyNot: res("mail"), FailIfNone: res(`MX\t10`),
			},
			Authority: probe.DNSRecords{FailIfAny: res("x")}, Additional: probe.DNSRecords{FailIfAny: res("y")},
		},
	}
	if diff := cmp.Diff(question, s["dns_mx"].DNS, same); diff != "" {
		t.Errorf("dns (-want +got):\n%s", diff)
	}
	if p := s["ping"].ICMP; !reflect.DeepEqual(p, probe.ICMP{PayloadSize: 64, TTL: 5}) {
		t.Errorf("icmp %+v", p)
	}
}

func TestEveryMistakeIsToldWithItsLine(t *testing.T) {
	err := Set{}.ReadFile("testdata/mistakes.yml")
	if err == nil {
		t.Fatal("nothing was wrong")
	}
	const golden = "testdata/mistakes.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, readErr := os.ReadFile(golden)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheBuiltInModulesAreThere(t *testing.T) {
	s := Builtin()
	if got := strings.Join(s.Names(), " "); got != "grpc grpc_plain http_2xx http_post_2xx icmp tcp_connect tls_connect" {
		t.Errorf("modules %s", got)
	}
	// One's own module of that name takes its place; a second one does not.
	v := settings.NewValues("x.yaml")
	root := v.Document("icmp: {prober: tcp}\n")
	s.Read(v, ".", root, "modules")
	if err := v.Err(); err != nil || s["icmp"].Kind != probe.KindTCP {
		t.Errorf("%v, and icmp is %s", err, s["icmp"].Kind)
	}
	s.Read(v, ".", root, "modules")
	if err := v.Err(); err == nil || err.Error() != "x.yaml:1: modules.icmp: was already given at x.yaml:1; remove one or rename it" {
		t.Error(err)
	}
}

func TestAFileThatIsNotThereIsNamed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "blackbox.yml")
	if err := (Set{}).ReadFile(name); err == nil || err.Error() != name+": no such file or directory" {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"testdata/blackbox.yml", "testdata/mistakes.yml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file") {
			t.Skip("files are not read here")
		}
		s, v := Set{}, settings.NewValues("x.yaml")
		root := v.Document(text)
		if root == nil {
			return
		}
		s.Read(v, t.TempDir(), root, "modules")
		for name, m := range s {
			if m.Prober == nil || m.Place.Line < 1 {
				t.Fatalf("module %q has no prober or no place: %+v", name, m)
			}
		}
	})
}
