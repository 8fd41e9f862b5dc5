package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/fileset"
)

func recorded(t testing.TB, name string) fileset.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return fileset.File{Name: name, Data: data}
}

func edges(r discovery.Report) []string {
	var all []string
	for _, d := range r.Dependencies {
		all = append(all, d.From.String()+" -> "+d.To.String()+" "+d.Mode.String())
	}
	return all
}

func warnings(r discovery.Report) []string {
	var all []string
	for _, w := range r.Warnings {
		all = append(all, w.Text)
	}
	return all
}

func TestAComposeFileIsRead(t *testing.T) {
	r, err := Decode("shop", recorded(t, "shop.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"shop/cart -> shop/catalogue hard",
		"shop/cart -> shop/redis hard",
		"shop/cart -> shop/reports soft",
		"shop/catalogue -> data/postgres hard",
		"shop/catalogue -> shop/migrate async",
		"shop/reports -> shop/tunnel hard",
		"shop/web -> shop/cart hard",
		"shop/web -> shop/catalogue hard",
	}, edges(r)); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]topology.Service{
		{Namespace: "shop", Name: "adminer"},
		{Namespace: "shop", Name: "cart", Owner: "storefront"},
		{Namespace: "shop", Name: "catalogue", Aliases: []string{"shop/items", "shop/products"}},
		{Namespace: "data", Name: "postgres", Kind: topology.KindDatabase, Owner: "storage", Aliases: []string{"data/db"}},
		{Namespace: "shop", Name: "migrate"},
		{Namespace: "shop", Name: "redis", Kind: topology.KindCache},
		{Namespace: "shop", Name: "reports", Owner: "finance"},
		{Namespace: "shop", Name: "tunnel", Aliases: []string{"shop/shop-tunnel-1", "shop/tunnel.internal"}},
		{
			Namespace: "shop", Name: "web", Kind: topology.KindFrontend, Owner: "storefront", Tier: 1,
			Runbook: "https://runbooks.example.com/web", Links: map[string]string{"dashboard": "https://grafana.example.com/d/web"},
		},
	}, r.Services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`service "reports": label headwater.tier: "low" is no whole number of at least 0`}, warnings(r)); diff != "" {
		t.Error(diff)
	}
}

func TestLaterFilesLieOverEarlierOnes(t *testing.T) {
	r, err := Decode("", recorded(t, "shop.yaml"), recorded(t, "override.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"override.yaml: include is not followed; list the files that it names",
		`service "cart": extends is not followed; what it takes over is missing here`,
		`service "cart" depends on "mail", which no file declares`,
		`service "reports": label headwater.tier: "low" is no whole number of at least 0`,
	}, warnings(r)); diff != "" {
		t.Error(diff)
	}
	for _, s := range r.Services {
		switch {
		case s.Name == "web" && (s.Owner != "platform" || s.Kind != topology.KindFrontend):
			t.Errorf("web is %+v", s)
		case s.Name == "cart" && s.Kind != topology.KindCache:
			t.Errorf("cart is %+v", s)
		}
	}
	if !strings.Contains(strings.Join(edges(r), "\n"), "cart -> redis hard") {
		t.Errorf("the earlier file's dependencies are gone: %v", edges(r))
	}
}

func TestWhatComposeWouldNotTakeIsAnErrorWithItsLine(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"services:\n  web:\n    depends_on: 5\n", "c.yaml:3: "},
		{"services:\n  web: [a]\n", "c.yaml:2: "},
		{"services:\n  web:\n    links: {a: b}\n", "c.yaml:3: "},
		{"services:\n  web: {\n", "c.yaml:"},
		{"- a\n", "c.yaml:1: "},
		{"services: {' ': {}}\n", "c.yaml: a service has no name"},
	} {
		if _, err := Decode("", fileset.File{Name: "c.yaml", Data: []byte(c.in)}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.in, err, c.want)
		}
	}
}

func TestImagesTellKinds(t *testing.T) {
	for image, want := range map[string]topology.Kind{
		"postgres": topology.KindDatabase, "bitnami/postgresql:16": topology.KindDatabase, "ghcr.io/x/mongodb-community-server": topology.KindDatabase,
		"registry:5000/redis-stack@sha256:1": topology.KindCache, "confluentinc/cp-kafka:7": topology.KindQueue, "nginx:1.27": topology.KindFrontend,
		"mongo-express": topology.KindService, "oliver006/redis_exporter": topology.KindService, "natsukashii/app": topology.KindService, "": topology.KindService,
	} {
		if got := kindOfImage(image); got != want {
			t.Errorf("%s is a %s, want %s", image, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(recorded(f, "shop.yaml").Data)
	f.Add(recorded(f, "override.yaml").Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode("shop", fileset.File{Name: "c.yaml", Data: data})
		if err != nil {
			return
		}
		g, _, err := topology.Build(topology.Spec{Services: r.Services, Dependencies: r.Dependencies})
		if err != nil {
			t.Fatalf("%v, of\n%+v", err, r)
		}
		if g.Len() != len(r.Services) {
			t.Errorf("%d services make %d nodes", len(r.Services), g.Len())
		}
		again, err := Decode("shop", fileset.File{Name: "c.yaml", Data: data})
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("read again: %v\n%s", err, diff)
		}
	})
}
