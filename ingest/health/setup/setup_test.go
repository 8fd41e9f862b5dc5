package setup

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/topology"
)

var update = flag.Bool("update", false, "rewrite golden files")

func read(t *testing.T, name string) (Setup, error) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	v := settings.NewValues(name)
	r := NewReader(v, "testdata")
	v.Mapping(v.Document(string(text)), "health", r.Fields())
	s := r.Complete()
	return s, v.Err()
}

func TestTheKeysAreThoseThatTheEngineLeaves(t *testing.T) {
	var keys []string
	for _, f := range NewReader(settings.NewValues("x"), ".").Fields() {
		keys = append(keys, f.Name)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(settings.ProbeKeys)), slices.Sorted(slices.Values(keys))); diff != "" {
		t.Errorf("(-settings +here):\n%s", diff)
	}
}

func TestChecksAreRead(t *testing.T) {
	s, err := read(t, "testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range s.Checks {
		got = append(got, fmt.Sprintf("%s | %s by %s (%s, %s) every %s within %s, %d/%d, slow %s, certificate %s",
			c.Key, c.Target, c.Module, c.Kind, c.Source, c.Interval, c.Timeout, c.FailureThreshold, c.SuccessThreshold, c.SlowAfter, c.CertificateWarning))
	}
	want := []string{
		"shop/payment http_2xx | http://payment:8080/health by http_2xx (http, configuration) every 15s within 5s, 0/0, slow 0s, certificate 0s",
		"shop/payment deep | payment:8080/ready by deep (http, configuration) every 1m0s within 20s, 5/2, slow 2s, certificate 168h0m0s",
		"mysql tcp_connect | mysql:3306 by tcp_connect (tcp, configuration) every 6s within 4s, 0/0, slow 0s, certificate 0s",
		"mailer anything_of_theirs | mailer.example.com by anything_of_theirs (blackbox, configuration, via eu) every 15s within 10s, 0/0, slow 0s, certificate 0s",
		"resolver dns_shop | 10.0.0.53 by dns_shop (dns, configuration) every 15s within 5s, 0/0, slow 0s, certificate 0s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if got := s.Summary(); got != "5 checks, checks by topology labels, results from prometheus, results from mesh" {
		t.Error(got)
	}
	if q := s.Prometheus[0].Queries; len(q) != 2 || q[0].Expr != "probe_success" || q[1].Expr != "up" || q[0].Resolver != nil {
		t.Errorf("queries %+v", q)
	}
	if q := s.Prometheus[1].Queries; len(q) != 1 || q[0].Check != "scraped" || q[0].Resolver == nil {
		t.Errorf("queries %+v", q)
	}
}

func TestEveryMistakeIsToldWithItsLine(t *testing.T) {
	_, err := read(t, "testdata/mistakes.yaml")
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

func graph(t *testing.T, services ...topology.Service) *topology.Graph {
	t.Helper()
	g, _, err := topology.Build(topology.Spec{Services: services})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestLabelsMakeChecks(t *testing.T) {
	s, err := read(t, "testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	labels := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m["headwater_probe_"+pairs[i]] = pairs[i+1]
		}
		return m
	}
	g := graph(t,
		topology.Service{Name: "api", Namespace: "shop", Labels: labels("target", "https://api.shop.svc/health", "interval", "30s", "target_port", "api.shop.svc:5432", "module_port", "tcp_connect")},
		topology.Service{Name: "payment", Namespace: "shop", Labels: labels("target", "http://other.shop.svc/")}, // the file has that check
		topology.Service{Name: "ten", Labels: labels("target", "10.1.2.3:80", "module", "tcp_connect")},
		topology.Service{Name: "plain", Labels: map[string]string{"app": "plain"}},
		topology.Service{Name: "odd", Labels: labels("target_a", "api.shop.svc", "module_a", "none", "target_b", "api.shop.svc", "interval_b", "soon", "target_c", "ftp://api.shop.svc", "target_d", "api.shop.svc", "module_d", "deep")},
		topology.Service{Name: "spy", Labels: labels("target_a", "http://169.254.169.254/latest/meta-data", "target_b", "http://shop.svc/", "target_c", "http://api.shop.svc.evil.example/", "target_d", "http://11.0.0.1/", "target_e", "http://x@admin.internal/")},
	)
	checks, problems := s.Labels.Checks(g, s.Checks)
	var got []string
	for _, c := range checks {
		got = append(got, fmt.Sprintf("%s | %s by %s (%s) every %s", c.Key, c.Target, c.Module, c.Source, c.Interval))
	}
	for _, err := range problems {
		got = append(got, err.Error())
	}
	want := []string{
		"shop/api http_2xx | https://api.shop.svc/health by http_2xx (topology label) every 30s",
		"shop/api port | api.shop.svc:5432 by tcp_connect (topology label) every 15s",
		"ten tcp_connect | 10.1.2.3:80 by tcp_connect (topology label) every 15s",
		`service odd: label headwater_probe_module_a: there is no module "none"`,
		`service odd: label headwater_probe_interval_b: "soon" is not a duration of at least 1s, such as 30s`,
		`service odd: label headwater_probe_target_c: scheme "ftp": want http or https`,
		`service odd: label headwater_probe_interval_d: the timeout of module deep (20s) is not shorter than the interval (15s)`,
		`service spy: label headwater_probe_target_a: health.labels.allow does not have "169.254.169.254"`,
		`service spy: label headwater_probe_target_b: health.labels.allow does not have "shop.svc"`,
		`service spy: label headwater_probe_target_c: health.labels.allow does not have "api.shop.svc.evil.example"`,
		`service spy: label headwater_probe_target_d: health.labels.allow does not have "11.0.0.1"`,
		`service spy: label headwater_probe_target_e: health.labels.allow does not have "admin.internal"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSamplesFindServicesOfTheTopologyAlone(t *testing.T) {
	s, err := read(t, "testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := topology.NewResolver(topology.ResolverConfig{})
	if err != nil {
		t.Fatal(err)
	}
	g := graph(t, topology.Service{Name: "cart", Namespace: "shop"})
	own := s.Prometheus[1].Queries[0].Resolver
	for _, c := range []struct {
		point  string
		r      *topology.Resolver
		labels map[string]string
		want   string
	}{
		{"by a label that people use", plain, map[string]string{"job": "cart", "namespace": "shop"}, "shop/cart true"},
		{"no service of that name", plain, map[string]string{"job": "blackbox"}, " false"},
		{"by the query's own rule", own, map[string]string{"app": "cart", "job": "x"}, "shop/cart true"},
	} {
		ref, ok := resolve(g, c.r, c.labels)
		if got := fmt.Sprint(ref, ok); got != c.want && got != strings.TrimSpace(c.want) {
			t.Errorf("%s: %q, want %q", c.point, got, c.want)
		}
	}
	if _, ok := resolve(nil, plain, map[string]string{"job": "cart"}); ok {
		t.Error("found a service without a topology")
	}
	if _, err := s.Prometheus[0].Polling(Resolving{Graph: func() *topology.Graph { return g }, Resolver: plain}); err != nil {
		t.Error(err)
	}
}
