package topology

import (
	"reflect"
	"testing"
	"time"
)

// vary returns, for each field of v that is settable by kind, a copy in which that
// field alone is another.
func vary[T any](t *testing.T, base T) map[string]T {
	t.Helper()
	out := map[string]T{}
	typ := reflect.TypeFor[T]()
	for i := range typ.NumField() {
		v := reflect.New(typ).Elem()
		v.Set(reflect.ValueOf(base))
		f := v.Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString("another")
		case reflect.Int:
			f.SetInt(9)
		case reflect.Uint8:
			f.SetUint(2)
		case reflect.Map:
			m := reflect.MakeMap(f.Type())
			m.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("another"))
			f.Set(m)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Struct:
			f.Set(reflect.ValueOf(Ref{Name: "another"}))
		default:
			t.Fatalf("field %s of kind %s: teach the test, and see whether SameGraph knows it", typ.Field(i).Name, f.Kind())
		}
		out[typ.Field(i).Name] = v.Interface().(T)
	}
	return out
}

func TestSameGraphLooksAtEveryFieldButProvenance(t *testing.T) {
	base := func() Spec {
		return Spec{
			Services: []Service{{Name: "web"}}, Groups: []Group{{Name: "g", Need: 1}},
			Dependencies: []Dependency{{From: Ref{Name: "web"}, To: Ref{Name: "db"}}},
		}
	}
	check := func(field string, change func(*Spec)) {
		t.Helper()
		a, b := base(), base()
		change(&b)
		provenance := field == "Seen"
		if SameGraph(&a, &b) != provenance {
			t.Errorf("another %s: the same graph is %v", field, !provenance)
		}
		if (Digest(&a) == Digest(&b)) != provenance {
			t.Errorf("another %s: the same digest is %v", field, !provenance)
		}
		if stripped := b.WithoutProvenance(); provenance && !reflect.DeepEqual(stripped, a) {
			t.Errorf("%s is still there: %+v", field, stripped)
		}
	}
	for field, s := range vary(t, base().Services[0]) {
		check(field, func(spec *Spec) { spec.Services[0] = s })
	}
	for field, d := range vary(t, base().Dependencies[0]) {
		check(field, func(spec *Spec) { spec.Dependencies[0] = d })
	}
	for field, g := range vary(t, base().Groups[0]) {
		check(field, func(spec *Spec) { spec.Groups[0] = g })
	}
	a, b := base(), base()
	b.Version, b.Reports = "2", []SourceReport{{Source: "x"}}
	if !SameGraph(&a, &b) || len(b.WithoutProvenance().Reports) != 0 {
		t.Error("version and reports are no part of the graph")
	}
}

func TestWithoutProvenanceLeavesTheOriginalAlone(t *testing.T) {
	s := Spec{Services: []Service{{Name: "web", Seen: []Sighting{{Source: "file", LastSeen: time.Unix(1, 0)}}}}}
	s.WithoutProvenance()
	if len(s.Services[0].Seen) != 1 {
		t.Error("the original lost its sightings")
	}
}

func TestGraphKnowsWhoSawADependency(t *testing.T) {
	web, db := Ref{Name: "web"}, Ref{Name: "db"}
	a, b := Sighting{Source: "a"}, Sighting{Source: "b"}
	g, _, err := Build(Spec{
		Services: []Service{{Name: "web", Aliases: []string{"www"}, RunsOn: []string{"node"}}},
		Dependencies: []Dependency{
			{From: web, To: db, Seen: []Sighting{a}},
			{From: Ref{Name: "www"}, To: db, Seen: []Sighting{b}},
			{From: db, To: Ref{Name: "disk"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := func(name string) NodeID {
		n, ok := g.Lookup(Ref{Name: name})
		if !ok {
			t.Fatalf("no %s", name)
		}
		return n
	}
	if got := g.Seen(id("web"), id("db")); !reflect.DeepEqual(got, []Sighting{a, b}) {
		t.Errorf("web -> db: %v", got)
	}
	for _, to := range []string{"node", "disk"} {
		if got := g.Seen(id("web"), id(to)); got != nil {
			t.Errorf("web -> %s: %v", to, got)
		}
	}
}
