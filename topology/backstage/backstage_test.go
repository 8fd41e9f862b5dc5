package backstage

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/fileset"
)

func recorded(t testing.TB) fileset.File {
	t.Helper()
	data, err := os.ReadFile("testdata/catalog-info.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return fileset.File{Name: "catalog-info.yaml", Data: data}
}

func edges(r discovery.Report) []string {
	var all []string
	for _, d := range r.Dependencies {
		all = append(all, d.From.String()+" -> "+d.To.String())
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

func TestACatalogueIsRead(t *testing.T) {
	r, err := Decode(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"mailer -> cart-cache",
		"mailer -> smtp",
		"shop/cart -> cart-cache",
		"shop/cart -> mailer",
		"shop/cart -> data/orders",
		"shop/web -> payments/payment-api",
		"shop/web -> shop/cart",
	}, edges(r)); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
	production := map[string]string{"lifecycle": "production"}
	if diff := cmp.Diff([]topology.Service{
		{Name: "cart-cache", Kind: topology.KindCache, Owner: "storage"},
		{Name: "mailer", Kind: topology.KindWorker, Owner: "guest", Labels: map[string]string{"lifecycle": "experimental"}},
		{Name: "smtp"},
		{Namespace: "data", Name: "orders", Kind: topology.KindDatabase, Owner: "storage"},
		{Namespace: "payments", Name: "payment-api", Kind: topology.KindAPI},
		{Namespace: "shop", Name: "cart", Owner: "team-cart", Labels: production},
		{
			Namespace: "shop", Name: "web", Kind: topology.KindFrontend, Owner: "storefront", Tier: 1,
			Labels:  map[string]string{"tier": "1", "app": "shop-web", "system": "shop", "lifecycle": "production"},
			Runbook: "https://runbooks.example.com/web", Aliases: []string{"shop/web-v2"},
			Links: map[string]string{
				"Dashboard": "https://grafana.example.com/d/web", "When web is down": "https://runbooks.example.com/web",
				"source-location": "https://github.com/example/web/",
			},
		},
	}, r.Services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"catalog-info.yaml:53: component:default/mailer refers to resource:default/smtp, which no file has",
		"catalog-info.yaml:7: component:default/web depends on system:default/shop, which is no service",
	}, warnings(r)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestTheSameEntityTwiceIsToldWithBothPlaces(t *testing.T) {
	const text = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: web}\nspec: {type: service, owner: %}\n"
	r, err := Decode(
		fileset.File{Name: "a.yaml", Data: []byte(strings.ReplaceAll(text, "%", "first"))},
		fileset.File{Name: "b.yaml", Data: []byte(strings.ReplaceAll(text, "%", "second"))},
	)
	if err != nil || len(r.Services) != 1 || r.Services[0].Owner != "first" {
		t.Errorf("got %+v, %v", r, err)
	}
	if diff := cmp.Diff([]string{"b.yaml:1: component:default/web is already declared at a.yaml:1, which counts"}, warnings(r)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoEntityIsAnErrorWithItsLine(t *testing.T) {
	const component = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: web}\n"
	for _, c := range []struct{ in, want string }{
		{component + "---\nservices: []\n", "c.yaml:5: is no entity of Backstage's catalogue: it needs apiVersion and kind"},
		{component + "spec:\n  dependsOn: resource:db\n", "c.yaml:5: "},
		{"apiVersion: x\nkind: Component\nmetadata: {}\n", "c.yaml:1: the Component has no metadata.name"},
		{"- a\n", "c.yaml:1: "},
		{component + "spec: {\n", "c.yaml:"},
	} {
		if _, err := Decode(fileset.File{Name: "c.yaml", Data: []byte(c.in)}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.in, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(recorded(f).Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(fileset.File{Name: "c.yaml", Data: data})
		if err != nil {
			return
		}
		g, _, err := topology.Build(topology.Spec{Services: r.Services, Dependencies: r.Dependencies})
		if err != nil {
			t.Fatalf("%v, of\n%+v", err, r)
		}
		if g.Len() != len(r.Services) || g.EdgeCount() != len(r.Dependencies) {
			t.Errorf("%d services and %d dependencies make %d nodes and %d edges", len(r.Services), len(r.Dependencies), g.Len(), g.EdgeCount())
		}
		again, err := Decode(fileset.File{Name: "c.yaml", Data: data})
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("read again: %v\n%s", err, diff)
		}
	})
}
