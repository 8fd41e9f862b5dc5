package topology

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLookupFindsAliases(t *testing.T) {
	g, _, err := Build(Spec{
		Services: []Service{
			{Name: "cart", Namespace: "shop", Aliases: []string{"cart-svc", "mesh/cart-v1", "shared"}},
			{Name: "pay", Aliases: []string{"shop/payment", "shared", "db"}},
			{Name: "db", Namespace: "a"},
			{Name: "db", Namespace: "b"},
			{Name: "web", Namespace: "shop"},
			{Name: "old", Aliases: []string{"archive/web"}},
		},
		Dependencies: []Dependency{{From: Ref{Name: "cart-svc"}, To: Ref{Name: "payment"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		point string
		ref   Ref
		want  string // empty: nobody
	}{
		{"an alias without a namespace", Ref{Name: "cart-svc"}, "shop/cart"},
		{"… in the service's own", Ref{"shop", "cart-svc"}, "shop/cart"},
		{"… in another", Ref{"else", "cart-svc"}, ""},
		{"an alias with a namespace", Ref{"mesh", "cart-v1"}, "shop/cart"},
		{"… without it", Ref{Name: "cart-v1"}, "shop/cart"},
		{"… with another", Ref{"shop", "cart-v1"}, ""},
		{"an alias of two", Ref{Name: "shared"}, ""},
		{"a name wins over an alias", Ref{Name: "web"}, "shop/web"},
		{"an alias with the namespace that the name lacks", Ref{"archive", "web"}, "old"},
		{"a name of two is not rescued by an alias", Ref{Name: "db"}, ""},
	} {
		n, ok := g.Lookup(c.ref)
		got := ""
		if ok {
			got = g.Ref(n).String()
		}
		if got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.point, c.ref, got, c.want)
		}
	}
	if g.EdgeCount() != 1 || g.Len() != 6 {
		t.Errorf("dependencies between aliases made nodes of their own: %d nodes, %d edges", g.Len(), g.EdgeCount())
	}
}

func TestAliasesChangeNothingForNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		plain, _, err := Build(spec)
		if err != nil {
			t.Skip("no graph")
		}
		with := spec.WithoutProvenance() // a copy
		for i := range with.Services {
			with.Services[i].Aliases = rapid.SliceOfN(rapid.SampledFrom([]string{"s0", "s1", "x/s2", "y"}), 0, 3).Draw(t, "aliases")
		}
		g, _, err := Build(with)
		if err != nil {
			t.Fatal(err)
		}
		for i := range with.Services {
			ref := with.Services[i].Ref()
			if n, ok := g.Lookup(ref); !ok || n != NodeID(i) {
				t.Fatalf("%s is node %d, %v", ref, n, ok)
			}
		}
		if g.Len() > plain.Len() {
			t.Fatalf("%d nodes became %d", plain.Len(), g.Len())
		}
	})
}
