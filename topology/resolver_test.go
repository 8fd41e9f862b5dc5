package topology

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
	"pgregory.net/rapid"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expectations in testdata")

// shopGraph is what the alerts of testdata/resolve.txt are resolved against.
func shopGraph(t testing.TB) *Graph {
	shop := func(name string, kind Kind) Service {
		return Service{Name: name, Namespace: "shop", Kind: kind}
	}
	cart := shop("cart", KindAPI)
	cart.Labels = map[string]string{"app": "cart-backend", "tech": "java"}
	mysql := shop("mysql", KindDatabase)
	mysql.Labels = map[string]string{"instance": "10.0.0.7:9104"}
	return mustBuild(t, Spec{
		Services: []Service{
			shop("web", KindFrontend), cart, shop("checkout", KindAPI), shop("payment", KindAPI),
			shop("shipping", KindAPI), shop("reviews", KindAPI), shop("orders", KindAPI),
			shop("redis-cart", KindCache), shop("orders-db", KindDatabase), mysql,
			shop("rabbitmq", KindQueue), shop("kafka", KindQueue),
			{Name: "ledger", Namespace: "finance"},
			{Name: "auth", Namespace: "eu"},
			{Name: "auth", Namespace: "us"},
			{Name: "PassthroughCluster", Kind: KindExternal},
			{Name: "node-1", Kind: KindHost},
			{Name: "node-2", Kind: KindHost},
			{Name: "eu-west-1b", Kind: KindZone},
			{Name: "prod", Kind: KindCluster},
		},
	})
}

var labelPair = regexp.MustCompile(`"?([^\s",{]+)"?="([^"]*)"`)

func parseLabels(line string) map[string]string {
	alert := map[string]string{}
	for _, m := range labelPair.FindAllStringSubmatch(line, -1) {
		alert[m[1]] = m[2]
	}
	return alert
}

func (r Resolution) describe(g *Graph) string {
	name := func(ref Ref) string {
		if _, ok := g.Lookup(ref); ok || !r.Mapped {
			return ref.String()
		}
		return "new " + ref.String()
	}
	if r.Edge {
		return fmt.Sprintf("%s -> %s, by %s", name(r.Source), name(r.Service), r.How)
	}
	return fmt.Sprintf("%s, by %s", name(r.Service), r.How)
}

func newTestResolver(t testing.TB, relabelYAML string) *Resolver {
	t.Helper()
	var cfg []*relabel.Config
	if err := yaml.UnmarshalStrict([]byte(relabelYAML), &cfg); err != nil {
		t.Fatal(err)
	}
	r, err := NewResolver(ResolverConfig{Relabel: cfg})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResolveRealLabelSets(t *testing.T) {
	const path = "testdata/resolve.txt"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, r := shopGraph(t), newTestResolver(t, "")
	var got bytes.Buffer
	for line := range strings.Lines(string(want)) {
		if strings.HasPrefix(line, "=> ") {
			continue
		}
		got.WriteString(line)
		if strings.HasPrefix(line, "{") {
			fmt.Fprintf(&got, "=> %s\n", r.Resolve(g, parseLabels(line)).describe(g))
		}
	}
	if *rewrite {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestResolveUnmappedAlertsNeverShareANode(t *testing.T) {
	r := newTestResolver(t, "")
	seen := map[Ref]string{}
	for _, line := range []string{
		`{alertname="Watchdog"}`, `{alertname="Watchdog", shard="1"}`, `{alertname="Watchdog", shard="2"}`,
		`{alertname="Deadman", shard="1"}`, `{alertname="A", x="1", y="2"}`, `{alertname="A", x="12", y=""}`, `{}`,
	} {
		res := r.Resolve(nil, parseLabels(line))
		if res.Mapped || !strings.HasPrefix(res.Service.Name, UnmappedPrefix) {
			t.Errorf("%s: %+v", line, res)
		}
		if other, ok := seen[res.Service]; ok {
			t.Errorf("%s and %s share %v", line, other, res.Service)
		}
		seen[res.Service] = line
	}
	warn := r.Resolve(nil, parseLabels(`{alertname="Watchdog", shard="1", severity="warning", prometheus_replica="a"}`))
	crit := r.Resolve(nil, parseLabels(`{alertname="Watchdog", shard="1", severity="critical", prometheus_replica="b"}`))
	if warn.Service != crit.Service {
		t.Errorf("severity and replica must not tell nodes apart: %v, %v", warn.Service, crit.Service)
	}
}

func TestResolveWithoutGraphNamesTheMostTrustedLabel(t *testing.T) {
	r := newTestResolver(t, "")
	for line, want := range map[string]string{
		`{service="cart", namespace="shop", pod="x-0"}`:                                  "shop/cart",
		`{job="node-exporter", instance="node-2:9100"}`:                                  "node-2",
		`{job="kube-state-metrics", pod="cart-579b9bff58-t2dbm", namespace="shop"}`:      "shop/cart",
		`{job="blackbox", instance="http://cart.shop.svc:80/health"}`:                    "shop/cart",
		`{persistentvolumeclaim="data-mysql-0", namespace="shop"}`:                       "shop/mysql",
		`{job="yace", name="arn:aws:rds:eu-west-1:1:db:x", dimension_QueueName="mails"}`: "mails",
	} {
		for _, g := range []*Graph{nil, mustBuild(t, Spec{})} {
			if got := r.Resolve(g, parseLabels(line)); got.Service.String() != want || !got.Mapped {
				t.Errorf("%s: %+v, want %s", line, got, want)
			}
		}
	}
}

func TestRelabelConfigsDecide(t *testing.T) {
	g := shopGraph(t)
	for _, c := range []struct{ point, config, alert, want string }{
		{
			"a service by its own label",
			`[{source_labels: [system], target_label: __service__}]`,
			`{alertname="A", system="cart", service="web"}`, `shop/cart, by relabel_configs`,
		},
		{
			"with a namespace",
			`[{source_labels: [system], target_label: __service__}, {source_labels: [env], target_label: __namespace__}]`,
			`{alertname="A", system="auth", env="us"}`, `us/auth, by relabel_configs`,
		},
		{
			"an edge",
			`[{source_labels: [a], target_label: __source__}, {source_labels: [b], target_label: __destination__}]`,
			`{alertname="A", a="web", b="payment"}`, `shop/web -> shop/payment, by relabel_configs`,
		},
		{
			"rules that do not match leave it to the defaults",
			`[{source_labels: [system], regex: (.+), target_label: __service__}]`,
			`{alertname="A", service="web"}`, `shop/web, by label service`,
		},
		{
			"the defaults see changed labels",
			`[{source_labels: [service], regex: "prod-(.*)", target_label: service}]`,
			`{alertname="A", service="prod-web"}`, `shop/web, by label service`,
		},
		{
			"dropping a label takes it from the defaults",
			`[{regex: service, action: labeldrop}]`,
			`{alertname="A", service="web", deployment="cart"}`, `shop/cart, by label deployment`,
		},
		{
			"dropping the alert does not lose it",
			`[{source_labels: [service], regex: web, action: drop}]`,
			`{alertname="A", service="web"}`, `shop/web, by label service`,
		},
	} {
		if got := newTestResolver(t, c.config).Resolve(g, parseLabels(c.alert)).describe(g); got != c.want {
			t.Errorf("%s: got %q, want %q", c.point, got, c.want)
		}
	}
}

func TestNewResolverNamesTheBadRule(t *testing.T) {
	good := relabel.DefaultRelabelConfig
	good.TargetLabel = TargetService
	bad := relabel.DefaultRelabelConfig
	_, err := NewResolver(ResolverConfig{Relabel: []*relabel.Config{&good, &bad}})
	if err == nil || !strings.HasPrefix(err.Error(), "relabel_configs[1]: ") {
		t.Errorf("got %v", err)
	}
	if _, err := NewResolver(ResolverConfig{Relabel: []*relabel.Config{nil}}); err == nil {
		t.Error("an empty rule is accepted")
	}
}

// Whatever the labels: no panic, a name, the same answer twice and from many goroutines,
// and a known name comes back in the graph's spelling.
func TestResolveProperties(t *testing.T) {
	g, r := shopGraph(t), newTestResolver(t, "")
	known := slices.Sorted(maps.Keys(slots))
	values := rapid.OneOf(
		rapid.SampledFrom([]string{"web", "cart", "payment", "orders", "shop", "node-1", "prod", "kube-state-metrics", "http://cart/", "a-b-c-0", "unknown", "|", ":", "/", "-", "://", "[::1]:80", "ns/web"}),
		rapid.StringMatching(`[a-z0-9:/.\-|\[\]@]{0,20}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		alert := rapid.MapOf(rapid.SampledFrom(known), values).Draw(t, "labels")
		before := maps.Clone(alert)
		want := r.Resolve(g, alert)
		if want.Service.Name == "" || want.How == "" || want.Edge != (want.Source.Name != "") {
			t.Fatalf("%+v", want)
		}
		if n, ok := g.Lookup(want.Service); ok && g.Ref(n) != want.Service {
			t.Fatalf("%v is spelled %v in the graph", want.Service, g.Ref(n))
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got := r.Resolve(g, maps.Clone(alert)); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
		wg.Wait()
		if !maps.Equal(alert, before) {
			t.Fatal("labels were modified")
		}
	})
}

// A database that is called as a service is, is not that service, and not a node of the same name beside it.
func TestADatabaseIsNotTheServiceOfItsName(t *testing.T) {
	g := shopGraph(t)
	got := newTestResolver(t, "").Resolve(g, map[string]string{"alertname": "Deadlocks", "database": "web"})
	if n, known := g.Lookup(got.Service); known || got.Mapped {
		t.Errorf("resolved to %v (known %v, node %d), %s; want a node of its own", got.Service, known, n, got.How)
	}
}

func TestHostOf(t *testing.T) {
	for in, want := range map[string]string{
		"cart": "cart", "cart:80": "cart", "https://u:p@cart.shop:80/x?y": "cart.shop", "[::1]:80": "::1", "::1": "::1",
		"http://cart/": "cart", "cart.shop.svc.": "cart.shop.svc", "": "", "http://": "", "10.0.0.1:9100": "10.0.0.1",
	} {
		if got := hostOf(in); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestStripPod(t *testing.T) {
	for in, want := range map[string]string{
		"checkout-579b9bff58-t2dbm":      "checkout",   // ReplicaSet
		"locale-api-zwqrcsfbpx-lxn9p":    "locale-api", // a hash without digits
		"orders-db-0":                    "orders-db",  // StatefulSet
		"orders-mssql-0":                 "orders-mssql",
		"node-exporter-x7k2p":            "node-exporter", // DaemonSet
		"nightly-backup-28941120-6z4rq":  "nightly-backup",
		"payment":                        "payment",
		"web-frontend":                   "web-frontend",
		"-0":                             "-0",
		"cart-7d4b9c-xxzzw-extra-letter": "cart-7d4b9c-xxzzw-extra-letter",
	} {
		if got := stripPod(in); got != want {
			t.Errorf("stripPod(%q) = %q, want %q", in, got, want)
		}
	}
}
