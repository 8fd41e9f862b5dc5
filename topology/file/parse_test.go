package file

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/headwater-sre/headwater/topology"
	"pgregory.net/rapid"
)

func TestParseReadsEveryField(t *testing.T) {
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("shop.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	cart, redis := topology.Ref{Namespace: "shop", Name: "cart"}, topology.Ref{Name: "redis-a"}
	want := topology.Spec{
		Version: got.Version,
		Services: []topology.Service{
			{
				Name: "cart", Namespace: "shop", Kind: topology.KindAPI, Owner: "team-cart", Tier: 1,
				Aliases: []string{"cart-svc"},
				Labels:  map[string]string{"app": "cart", "version": "1.10"}, RunsOn: []string{"node-1", "node-2"},
				Runbook: "https://runbooks.example.com/cart", Links: map[string]string{"dashboard": "https://grafana.example.com/d/cart"},
			},
			{Name: "redis-a", Kind: topology.KindCache},
			{Name: "redis-b", Kind: topology.KindCache},
			{Name: "https://sqs.eu/mails", Kind: topology.KindQueue},
		},
		Dependencies: []topology.Dependency{
			{From: topology.Ref{Name: "cart"}, To: redis, Group: "redis"},
			{From: cart, To: topology.Ref{Name: "redis-b"}, Group: "redis"},
			{From: topology.Ref{Name: "cart"}, To: topology.Ref{Name: "https://sqs.eu/mails"}, Mode: topology.ModeAsync},
		},
		Groups: []topology.Group{{From: topology.Ref{Name: "cart"}, Name: "redis", Need: 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(got.Version) != 12 {
		t.Errorf("version %q", got.Version)
	}
	if _, warnings, err := topology.Build(got); err != nil || len(warnings) != 0 {
		t.Errorf("build: %v %v", warnings, err)
	}
}

func TestParseErrorsNameLineFieldAndTheWayOut(t *testing.T) {
	for _, c := range []struct{ point, in, want string }{
		{"nothing", "", `t.yaml: is empty; write services: [] to mean a topology without services`},
		{"only a comment", "# later\n", `t.yaml: is empty; write services: [] to mean a topology without services`},
		{"broken YAML", "services:\n  - {name: a\n", `t.yaml:2: not valid YAML: did not find expected ',' or '}'`},
		{"a key that is indented too far", "services:\n  - name: a\n      kind: b\n", `t.yaml:3: not valid YAML: mapping values are not allowed in this context`},
		{"a list that is indented too little", "services:\n  - name: a\n - name: b\n", `t.yaml:3: not valid YAML: did not find expected key`},
		{"a tab", "services:\n\t- name: a\n", `t.yaml:2: not valid YAML: found character that cannot start any token`},
		{"two documents", "services: []\n---\nservices: []\n", `t.yaml:2: a second YAML document begins here; keep one document per file`},
		{"a list at the top", "- a\n", `t.yaml:1: is a list; write fields: services, dependencies, redundancy_groups`},
		{"typing error at the top", "dependncies: []\n", `t.yaml:1: unknown field "dependncies"; did you mean "dependencies"?`},
		{
			"typing error in a service", "services:\n  - name: a\n    ownr: b\n",
			`t.yaml:3: services[0]: unknown field "ownr"; did you mean "owner"?`,
		},
		{
			"a field from nowhere", "dependencies:\n  - {from: a, to: b, protocol: grpc}\n",
			`t.yaml:2: dependencies[0]: unknown field "protocol"; known are from, to, mode, redundancy_group`,
		},
		{"field twice", "services:\n  - name: a\n    name: b\n", `t.yaml:3: services[0]: field "name" was already given on line 2; remove one`},
		{"no name", "services:\n  - {kind: api}\n", `t.yaml:2: services[0]: has no name; add name: …`},
		{"empty name", "services:\n  - name: ''\n", `t.yaml:2: services[0].name: is empty; write a name`},
		{"null name", "services:\n  - name:\n", `t.yaml:2: services[0].name: is empty; write a name`},
		{
			"unknown kind", "services:\n  - {name: a, kind: databse}\n",
			`t.yaml:2: services[0].kind: unknown kind "databse"; use one of service, frontend, api, worker, database, cache, queue, external, host, zone, cluster`,
		},
		{
			"unknown mode", "dependencies:\n  - {from: a, to: b, mode: firm}\n",
			`t.yaml:2: dependencies[0].mode: unknown mode "firm"; use one of hard, soft, async`,
		},
		{"tier", "services:\n  - {name: a, tier: gold}\n", `t.yaml:2: services[0].tier: "gold" is no whole number of at least 0`},
		{"need", "redundancy_groups:\n  - {from: a, name: b, need: 0}\n", `t.yaml:2: redundancy_groups[0].need: "0" is no whole number of at least 1`},
		{"a list for a text", "services:\n  - {name: [a]}\n", `t.yaml:2: services[0].name: is a list; write a text`},
		{"a text for a list", "services:\n  - {name: a, runs_on: node-1}\n", `t.yaml:2: services[0].runs_on: is "node-1"; write a list`},
		{"a text for a service", "services: [a]\n", `t.yaml:1: services[0]: is "a"; write fields: name, namespace, kind, owner, tier, aliases, labels, runs_on, runbook, links`},
		{"empty host", "services:\n  - {name: a, runs_on: ['']}\n", `t.yaml:2: services[0].runs_on[0]: is empty; write a name`},
		{"host twice", "services:\n  - {name: a, runs_on: [n, n]}\n", `t.yaml:2: runs_on: service "a" runs on "n" twice; remove one`},
		{"one end", "dependencies:\n  - {from: a}\n", `t.yaml:2: dependencies[0]: needs both from and to; from depends on to`},
		{"label twice", "services:\n  - name: a\n    labels:\n      x: 1\n      x: 2\n", `t.yaml:5: services[0].labels: key "x" is given twice; remove one`},
		{
			"service twice", "services:\n  - {name: a, namespace: x}\n  - {name: x/a}\n",
			`t.yaml:3: service "x/a" is already declared at t.yaml:2; remove one, or give them different namespaces`,
		},
		{
			"dependency twice, once with its namespace", "services: [{name: x/a}]\ndependencies:\n  - {from: a, to: b}\n  - {from: x/a, to: b}\n",
			`t.yaml:4: dependency "x/a" -> "b" is already listed at t.yaml:3; remove one`,
		},
		{
			"ambiguous", "services: [{name: x/a}, {name: y/a}]\ndependencies:\n  - {from: a, to: b}\n",
			`t.yaml:3: from: "a" could be x/a or y/a; write one of them`,
		},
		{
			"group without members", "redundancy_groups:\n  - {from: a, name: redis}\n",
			`t.yaml:2: redundancy group "redis" of "a" has no members; add redundancy_group: redis to the dependencies that are in it`,
		},
		{
			"an alias that is a name", "services:\n  - {name: a, aliases: [b]}\n  - {name: b}\n",
			`t.yaml:2: aliases: "b" is the name of the service at t.yaml:3; remove the alias, or that service`,
		},
		{
			"an alias of two", "services:\n  - {name: a, aliases: [x]}\n  - {name: b, aliases: [x]}\n",
			`t.yaml:3: aliases: "x" is already an alias of "a" at t.yaml:2; remove one`,
		},
		{
			"dependency twice, once by an alias", "services: [{name: a, aliases: [y]}]\ndependencies:\n  - {from: a, to: b}\n  - {from: y, to: b}\n",
			`t.yaml:4: dependency "y" -> "b" is already listed at t.yaml:3; remove one`,
		},
		{
			"group that needs too many",
			"dependencies:\n  - {from: a, to: b, redundancy_group: g}\nredundancy_groups:\n  - {from: a, name: g, need: 2}\n",
			`t.yaml:4: need: redundancy group "g" of "a" needs 2 of 1 members; write at most 1`,
		},
		{
			"group twice",
			"dependencies:\n  - {from: a, to: b, redundancy_group: g}\nredundancy_groups:\n  - {from: a, name: g}\n  - {from: a, name: g}\n",
			`t.yaml:5: redundancy group "g" of "a" is already listed at t.yaml:4; remove one`,
		},
		{
			"a name that cannot be written", "services:\n  - {name: 'http://q', namespace: shop}\n",
			`t.yaml:2: services[0]: "shop/http://q" cannot be written as namespace/name; choose a namespace without a slash and a name without a scheme`,
		},
	} {
		_, err := Parse("t.yaml", []byte(c.in))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.point, err, c.want)
		}
	}
}

func TestParseReportsUpToTenProblemsTogether(t *testing.T) {
	in := "services:\n" + strings.Repeat("  - {kind: pet}\n", 7)
	_, err := Parse("t.yaml", []byte(in))
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxProblems+1 || lines[maxProblems] != "and 4 more errors" {
		t.Errorf("%d lines:\n%v", len(lines), err)
	}
	if !strings.HasPrefix(lines[0], "t.yaml:2: ") || !strings.HasPrefix(lines[2], "t.yaml:3: ") {
		t.Errorf("not in the order of the file:\n%v", err)
	}
}

func TestParseHostsGroupMayNeedMore(t *testing.T) {
	in := "services: [{name: a, runs_on: [n1, n2, n3]}]\nredundancy_groups: [{from: a, name: hosts, need: 2}]\n"
	if _, err := Parse("t.yaml", []byte(in)); err != nil {
		t.Error(err)
	}
}

func TestParseFollowsAnchors(t *testing.T) {
	in := "services:\n  - {name: a, labels: &l {team: x}, runs_on: &h [n1]}\n  - {name: b, labels: *l, runs_on: *h}\n"
	spec, err := Parse("t.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if spec.Services[1].Labels["team"] != "x" || len(spec.Services[1].RunsOn) != 1 {
		t.Errorf("%+v", spec.Services[1])
	}
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadMergesFiles(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a.yaml", "services: [{name: web}]\nredundancy_groups: [{from: web, name: g, need: 1}]\n")
	b := write(t, dir, "b.yaml", "services: [{name: db}]\ndependencies: [{from: web, to: db, redundancy_group: g}]\n")
	spec, err := Load(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(spec.Services) != 2 || len(spec.Dependencies) != 1 || len(spec.Groups) != 1 {
		t.Errorf("%+v", spec)
	}
	again, err := Load(a, b)
	if err != nil || again.Version != spec.Version {
		t.Errorf("same content, version %q then %q, %v", spec.Version, again.Version, err)
	}
	write(t, dir, "b.yaml", "services: [{name: db}]\ndependencies: [{from: web, to: db, redundancy_group: g}]\n# a word\n")
	if changed, err := Load(a, b); err != nil || changed.Version == spec.Version {
		t.Errorf("other content, same version %q, %v", spec.Version, err)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a.yaml", "services:\n  - name: web\n")
	b := write(t, dir, "b.yaml", "# two\nservices:\n  - name: web\n")
	bad := write(t, dir, "bad.yaml", "servces: []\n")
	missing := filepath.Join(dir, "missing.yaml")

	_, err := Load(a, b)
	want := b + `:3: service "web" is already declared at ` + a + `:2; remove one, or give them different namespaces`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	_, err = Load(missing, bad)
	if err == nil || !strings.Contains(err.Error(), "missing.yaml: no such file") || !strings.Contains(err.Error(), `bad.yaml:1: unknown field "servces"`) {
		t.Errorf("both files' errors together, got %v", err)
	}
	if _, err = Load(); err == nil {
		t.Error("no files are no topology")
	}
}

func drawSpec(t *rapid.T) topology.Spec {
	word := rapid.OneOf(rapid.StringMatching(`[a-z][a-z0-9-]{0,8}`), rapid.SampledFrom([]string{"yes", "1.10", "null", "~", "a b", "0x1f", "- x", "{a}", "é", "S3_AWS::S3", "#x", "a: b", "\"q\"", "*a", "%"}))
	texts := rapid.MapOfN(word, word, 0, 3)
	noEmpty := func(m map[string]string) map[string]string {
		if len(m) == 0 {
			return nil
		}
		return m
	}
	names := rapid.SliceOfNDistinct(word, 1, 8, rapid.ID[string]).Draw(t, "names")
	ref := rapid.Map(rapid.SampledFrom(names), topology.ParseRef)
	var spec topology.Spec
	for _, n := range names {
		s := topology.Service{
			Name: n, Kind: topology.Kind(rapid.IntRange(0, 10).Draw(t, "kind")), Tier: rapid.IntRange(0, 4).Draw(t, "tier"),
			Labels: noEmpty(texts.Draw(t, "labels")), Links: noEmpty(texts.Draw(t, "links")),
			Owner: word.Draw(t, "owner"), Runbook: word.Draw(t, "runbook"),
		}
		if rapid.Bool().Draw(t, "namespaced") {
			s.Namespace = word.Draw(t, "namespace")
		}
		if alias := "also-" + n; rapid.Bool().Draw(t, "alias") && !slices.Contains(names, alias) {
			s.Aliases = []string{alias}
		}
		if hosts := rapid.SliceOfNDistinct(word, 0, 3, rapid.ID[string]).Draw(t, "hosts"); len(hosts) > 0 {
			s.RunsOn = hosts
		}
		spec.Services = append(spec.Services, s)
	}
	seen := map[[2]topology.Ref]bool{}
	for range rapid.IntRange(0, 8).Draw(t, "edges") {
		d := topology.Dependency{From: ref.Draw(t, "from"), To: ref.Draw(t, "to"), Mode: topology.Mode(rapid.IntRange(0, 2).Draw(t, "mode")), Group: "g"}
		if seen[[2]topology.Ref{d.From, d.To}] {
			continue
		}
		seen[[2]topology.Ref{d.From, d.To}] = true
		spec.Dependencies = append(spec.Dependencies, d)
	}
	if len(spec.Dependencies) > 0 {
		spec.Groups = []topology.Group{{From: spec.Dependencies[0].From, Name: "g", Need: 1}}
	}
	return spec
}

func TestMarshalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSpec(t)
		data, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse("t.yaml", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(topology.Spec{}, "Version")); diff != "" {
			t.Fatalf("%s\n%s", diff, data)
		}
	})
}

func TestMarshalRefusesNamesThatReadBackAsOthers(t *testing.T) {
	_, err := Marshal(topology.Spec{Services: []topology.Service{{Name: "a/b"}}})
	if err == nil || !strings.Contains(err.Error(), `name "a/b"`) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	shop, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shop)
	for _, seed := range []string{
		"", "services: []", "a: &a [*a]", "services: &s\n  - *s", "services: [{name: a, runs_on: [a/b, 'x://y']}]",
		"dependencies: [{from: a, to: b, mode: soft, redundancy_group: g}]\nredundancy_groups: [{from: a, name: g, need: 1}]",
		"? {a: b}\n: c", "<<: {services: []}", "services: [{name: !!binary gIGC}]", "%YAML 1.1\n---\nservices: []\n...",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := Parse("t.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "t.yaml:") {
				t.Fatalf("an error names no file: %v", err)
			}
			return
		}
		if _, _, err := topology.Build(spec); err != nil {
			t.Fatalf("what Parse takes, Build refuses: %v", err)
		}
		out, err := Marshal(spec)
		if err != nil {
			t.Fatalf("what Parse takes, Marshal refuses: %v", err)
		}
		again, err := Parse("t.yaml", out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(spec, again, cmpopts.IgnoreFields(topology.Spec{}, "Version")); diff != "" {
			t.Fatal(diff)
		}
	})
}
