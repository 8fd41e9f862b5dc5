package discovery

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/topology"
)

// voice reads a voice from one line for each thing it says:
//
//	cart                     a service
//	shop/cart = a, b         a service with aliases
//	cart job=x owner=y       labels and properties
//	cart -> db#group soft    a dependency, with its redundancy group and mode
//	cart @ node-1            a place
func voice(t testing.TB, source string, declared bool, text string) Voice {
	t.Helper()
	v := Voice{Source: source, Declared: declared}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.TrimSpace(line)
		if from, to, ok := strings.Cut(line, " -> "); ok {
			to, mode, _ := strings.Cut(to, " ")
			to, group, _ := strings.Cut(to, "#")
			m, err := topology.ParseMode(mode)
			if err != nil {
				t.Fatal(err)
			}
			v.Dependencies = append(v.Dependencies, topology.Dependency{From: topology.ParseRef(from), To: topology.ParseRef(to), Mode: m, Group: group})
			continue
		}
		line, aliases, _ := strings.Cut(line, " = ")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		r := topology.ParseRef(words[0])
		s := topology.Service{Name: r.Name, Namespace: r.Namespace}
		if aliases != "" {
			s.Aliases = strings.Split(aliases, ", ")
		}
		for i, w := range words[1:] {
			key, value, pair := strings.Cut(w, "=")
			switch {
			case w == "@":
				s.RunsOn = append(s.RunsOn, words[i+2])
			case !pair:
			case key == "owner":
				s.Owner = value
			case key == "kind":
				k, err := topology.ParseKind(value)
				if err != nil {
					t.Fatal(err)
				}
				s.Kind = k
			default:
				if s.Labels == nil {
					s.Labels = map[string]string{}
				}
				s.Labels[key] = value
			}
		}
		v.Services = append(v.Services, s)
	}
	return v
}

// show writes a graph as voice reads it, with sources in brackets.
func show(spec *topology.Spec) string {
	var b strings.Builder
	sources := func(seen []topology.Sighting) string {
		var names []string
		for _, s := range seen {
			names = append(names, s.Source)
		}
		return "[" + strings.Join(names, " ") + "]"
	}
	for i := range spec.Services {
		s := &spec.Services[i]
		b.WriteString(s.Ref().String())
		if s.Kind != topology.KindService {
			fmt.Fprintf(&b, " kind=%s", s.Kind)
		}
		for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
			fmt.Fprintf(&b, " %s=%s", k, s.Labels[k])
		}
		if s.Owner != "" {
			fmt.Fprintf(&b, " owner=%s", s.Owner)
		}
		for _, place := range s.RunsOn {
			fmt.Fprintf(&b, " @ %s", place)
		}
		if len(s.Aliases) > 0 {
			fmt.Fprintf(&b, " = %s", strings.Join(s.Aliases, ", "))
		}
		fmt.Fprintf(&b, " %s\n", sources(s.Seen))
	}
	for _, d := range spec.Dependencies {
		fmt.Fprintf(&b, "%s -> %s", d.From, d.To)
		if d.Group != "" {
			fmt.Fprintf(&b, "#%s", d.Group)
		}
		if d.Mode != topology.ModeHard {
			fmt.Fprintf(&b, " %s", d.Mode)
		}
		fmt.Fprintf(&b, " %s\n", sources(d.Seen))
	}
	return b.String()
}

func trim(text string) string {
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		lines = append(lines, strings.TrimSpace(l)+"\n")
	}
	return strings.Join(lines, "")
}

func TestMergeStories(t *testing.T) {
	for _, c := range []struct {
		point             string
		file, mesh, trace string
		want              string
		alike             []string // "a (source) ~ b (source)"
	}{
		{
			point: "a file alone is the file; what it only mentions stays so",
			file:  "web owner=shop = www\nweb -> db soft",
			want:  "web owner=shop = www [file]\nweb -> db soft [file]",
		},
		{
			point: "the same name is the same service, and its properties fill each other in",
			file:  "shop/web owner=shop app=web",
			mesh:  "shop/web kind=frontend owner=mesh app=w zone=a",
			want:  "shop/web kind=frontend app=web zone=a owner=shop [file mesh]",
		},
		{
			point: "a bare name is the only full one that it can be",
			file:  "web owner=shop\nweb -> db",
			mesh:  "shop/web -> shop/db",
			want:  "web owner=shop [file mesh]\ndb [mesh]\nweb -> db [file mesh]",
		},
		{
			point: "a bare name that could be two is neither, and reported",
			file:  "db owner=dba",
			mesh:  "eu/web -> eu/db\nus/web -> us/db",
			want:  "db owner=dba [file]\neu/web [mesh]\neu/db [mesh]\nus/web [mesh]\nus/db [mesh]\neu/web -> eu/db [mesh]\nus/web -> us/db [mesh]",
			alike: []string{"db (file) ~ eu/db (mesh)", "db (file) ~ us/db (mesh)"},
		},
		{
			point: "an alias joins, whatever else is alike",
			file:  "payment owner=pay = pay-svc",
			trace: "web -> pay-svc",
			want:  "payment owner=pay = pay-svc [file trace]\nweb [trace]\nweb -> payment [trace]",
		},
		{
			point: "an alias of the lower source joins too",
			file:  "payment owner=pay",
			mesh:  "shop/payment-v1 = payment, shop/payment\nshop/payment-v2 = payment, shop/payment\nshop/payment-v1 -> shop/db",
			want:  "payment owner=pay = shop/payment-v1, shop/payment-v2 [file mesh]\nshop/db [mesh]\npayment -> shop/db [mesh]",
		},
		{
			point: "host names inside a cluster are namespace/name",
			file:  "shop/cart owner=x",
			mesh:  "web.shop.svc.cluster.local -> cart.shop.svc.cluster.local:8080\nweb.shop.svc -> db",
			want:  "shop/cart owner=x [file mesh]\nshop/web [mesh]\ndb [mesh]\nshop/web -> shop/cart [mesh]\nshop/web -> db [mesh]",
		},
		{
			point: "name.namespace, as inside a cluster, when there is such a service",
			mesh:  "shop/cart -> shop/db",
			trace: "cart.shop -> api.stripe.com",
			want:  "shop/cart = cart.shop [mesh trace]\nshop/db [mesh]\napi.stripe.com [trace]\nshop/cart -> shop/db [mesh]\nshop/cart -> api.stripe.com [trace]",
		},
		{
			point: "the job that a service is scraped as is what traces call it",
			file:  "payment job=pay-api owner=pay",
			trace: "web -> pay-api",
			want:  "payment job=pay-api owner=pay = pay-api [file trace]\nweb [trace]\nweb -> payment [trace]",
		},
		{
			point: "a job of several services is none's name",
			file:  "a job=apps\nb job=apps",
			trace: "web -> apps",
			want:  "a job=apps [file]\nb job=apps [file]\nweb [trace]\napps [trace]\nweb -> apps [trace]",
		},
		{
			point: "what one source keeps apart is not joined by another's alias",
			file:  "old\nnew",
			mesh:  "shop = old, new",
			want:  "old = shop [file mesh]\nnew [file]",
			alike: []string{"shop (mesh) ~ new (file)"},
		},
		{
			point: "the file's mode and group stay, whatever is measured",
			file:  "web -> a#caches soft\nweb -> b#caches soft\nweb -> c async",
			mesh:  "web -> a\nweb -> c#x\nweb -> d#x",
			want: "web [mesh]\na [mesh]\nc [mesh]\nd [mesh]\n" +
				"web -> a#caches soft [file mesh]\nweb -> b#caches soft [file]\nweb -> c async [file mesh]\nweb -> d#x [mesh]",
		},
		{
			point: "places go by the graph's names",
			file:  "node-1 kind=host owner=infra = ip-10-0-0-1",
			mesh:  "shop/web @ ip-10-0-0-1",
			want:  "node-1 kind=host owner=infra = ip-10-0-0-1 [file]\nshop/web @ node-1 [mesh]",
		},
		{
			point: "the workloads of one service run where any of them does",
			mesh:  "shop/reviews = shop/reviews-v1, shop/reviews-v2",
			trace: "shop/reviews-v1 @ node-1\nshop/reviews-v2 @ node-2",
			want:  "shop/reviews @ node-1 @ node-2 = shop/reviews-v1, shop/reviews-v2 [mesh trace]\nnode-1 kind=host []\nnode-2 kind=host []",
		},
		{
			point: "names that look alike and did not meet are reported",
			file:  "payment-service\norders\ncheckout",
			trace: "PaymentSvc -> order\norders-db -> shard-1\ncheckuot -> shard-2",
			want: "payment-service [file]\norders [file]\ncheckout [file]\nPaymentSvc [trace]\norder [trace]\norders-db [trace]\nshard-1 [trace]\ncheckuot [trace]\nshard-2 [trace]\n" +
				"PaymentSvc -> order [trace]\norders-db -> shard-1 [trace]\ncheckuot -> shard-2 [trace]",
			alike: []string{"payment-service (file) ~ PaymentSvc (trace)", "orders (file) ~ order (trace)"},
		},
		{
			point: "two names of one service do not depend on each other",
			file:  "web = web-v1, web-v2",
			mesh:  "web-v1 -> web-v2\nweb-v1 -> db",
			want:  "web = web-v1, web-v2 [file mesh]\ndb [mesh]\nweb -> db [mesh]",
		},
	} {
		voices := []Voice{}
		for _, v := range []struct {
			source, text string
			declared     bool
		}{{"file", c.file, true}, {"mesh", c.mesh, false}, {"trace", c.trace, false}} {
			if v.text == "" {
				continue
			}
			said := voice(t, v.source, v.declared, v.text)
			if !v.declared {
				said = discovered(v.source, said)
			}
			voices = append(voices, said)
		}
		got := Merge(voices)
		if diff := cmp.Diff(trim(c.want), show(&got.Spec)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.point, diff)
		}
		var alike []string
		for _, l := range got.LookAlikes {
			alike = append(alike, l.A.String()+" ~ "+l.B.String())
		}
		if diff := cmp.Diff(c.alike, alike); diff != "" {
			t.Errorf("%s: look alike (-want +got):\n%s", c.point, diff)
		}
		if _, _, err := topology.Build(got.Spec); err != nil {
			t.Errorf("%s: %v", c.point, err)
		}
	}
}

// seenAt is when the voices of tests were heard.
var seenAt = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// discovered is a voice as the manager keeps it, in the order of the text.
func discovered(source string, v Voice) Voice {
	s := standing{}.next(source, Report{Services: v.Services, Dependencies: v.Dependencies, Groups: v.Groups}, seenAt, time.Hour)
	position := map[topology.Ref]int{}
	note := func(r topology.Ref) {
		if _, ok := position[r]; !ok {
			position[r] = len(position)
		}
	}
	for i := range v.Services {
		note(v.Services[i].Ref())
	}
	for _, d := range v.Dependencies {
		note(d.From)
		note(d.To)
	}
	slices.SortStableFunc(s.services, func(a, b topology.Service) int { return position[a.Ref()] - position[b.Ref()] })
	order := map[edge]int{}
	for i := range v.Dependencies {
		order[edgeOf(&v.Dependencies[i])] = i
	}
	slices.SortStableFunc(s.dependencies, func(a, b topology.Dependency) int { return order[edgeOf(&a)] - order[edgeOf(&b)] })
	return s.voice(source, false)
}

// A redis in each of two thousand namespaces, which two sources know and one calls by an
// alias that all share: each meets its own, and none looks like another.
func TestManyServicesOfOneName(t *testing.T) {
	const n = 2000
	mesh, traces := Voice{Source: "mesh"}, Voice{Source: "traces"}
	for i := range n {
		ns := fmt.Sprintf("team-%d", i)
		mesh.Services = append(mesh.Services, topology.Service{Name: "redis", Namespace: ns, Aliases: []string{"cache", ns + "/redis-master"}})
		traces.Services = append(traces.Services, topology.Service{Name: "redis", Namespace: ns, Aliases: []string{"redis-cache"}})
	}
	got := Merge([]Voice{mesh, traces})
	if len(got.Spec.Services) != n || len(got.LookAlikes) != 0 {
		t.Errorf("%d services, %d look alike", len(got.Spec.Services), len(got.LookAlikes))
	}
	for i := range got.Spec.Services {
		if s := &got.Spec.Services[i]; len(s.Seen) != 2 || len(s.Aliases) != 1 {
			t.Fatalf("%s is seen by %v, aliases %v", s.Ref(), s.Seen, s.Aliases)
		}
	}
}
