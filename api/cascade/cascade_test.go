package cascade

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/correlatetest"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/layout"
)

var update = flag.Bool("update", false, "rewrite testdata")

// story plays a story of the engine's, up to the first line that begins with until, and
// returns what its first incident is drawn from.
func story(t testing.TB, name, until string) State {
	t.Helper()
	src, err := os.ReadFile("../../correlate/testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	text := string(src)
	if until != "" {
		before, _, found := strings.Cut(text, "\n"+until)
		if !found {
			t.Fatalf("%s: no line begins with %q", name, until)
		}
		text = before + "\n"
	}
	result, err := correlatetest.Run(text)
	if err != nil {
		t.Fatal(err)
	}
	snapshot := result.Ledger.Snapshot()
	graph, _, err := topology.Build(*snapshot.Topology)
	if err != nil {
		t.Fatal(err)
	}
	return State{Incident: result.Ledger.Numbered()[0], Graph: graph, Health: snapshot.Health}
}

// stories are drawn while they go on, when there is most to see.
var stories = []struct{ name, until string }{
	{"s01-connection-collapse", "at 25m resolved"},
	{"s04-thundering-herd", "at 45m resolved"},
	{"s08-redis-failover-fails", "at 15m health"},
	{"s09-a-zone-degrades", ""},
	{"two-failures-at-once", ""},
}

func TestStoriesAsPictures(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			c := Draw(story(t, s.name, s.until))
			golden(t, s.name+".svg", c.SVG())
			golden(t, s.name+".mmd", c.Mermaid())
			golden(t, s.name+".txt", strings.ReplaceAll(c.Description(), ". ", ".\n")+"\n")
			if err := xmlError(c.SVG()); err != nil {
				t.Error(err)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

// xmlError tells why a text is no XML.
func xmlError(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func ref(name string) topology.Ref { return topology.Ref{Namespace: "shop", Name: name} }

var began = time.Date(2026, 3, 14, 3, 0, 12, 0, time.UTC)

func hit(name string, after time.Duration, s correlate.Severity, alerts int) correlate.ServiceImpact {
	return correlate.ServiceImpact{Service: ref(name), Severity: s, Alerts: alerts, Firing: alerts, Since: began.Add(after), Distance: 1}
}

func checked(name string, status correlate.HealthStatus, since, at time.Duration) *correlate.HealthState {
	return &correlate.HealthState{Service: ref(name), Check: "http", Status: status, Since: began.Add(since), At: began.Add(at)}
}

// everything is an incident with all that a picture can show.
func everything(t testing.TB) State {
	t.Helper()
	need := func(from string, to ...string) (all []topology.Dependency) {
		for _, name := range to {
			all = append(all, topology.Dependency{From: ref(from), To: ref(name)})
		}
		return all
	}
	spec := topology.Spec{Version: "1", Services: []topology.Service{
		{Name: "mysql", Namespace: "shop", Kind: topology.KindDatabase, Owner: "storage", RunsOn: []string{"node-3"}},
		{Name: "proxy", Namespace: "shop", Kind: topology.KindService},
		{Name: "shipping", Namespace: "shop", Kind: topology.KindAPI, RunsOn: []string{"node-1", "node-2"}},
		{Name: "ratings", Namespace: "shop", Kind: topology.KindAPI},
		{Name: "web", Namespace: "shop", Kind: topology.KindFrontend},
		{Name: "redis", Namespace: "shop", Kind: topology.KindCache},
		{Name: "queue", Namespace: "shop", Kind: topology.KindQueue},
		{Name: "s3", Namespace: "shop", Kind: topology.KindExternal},
		{Name: "payment", Namespace: "shop", Kind: topology.KindAPI},
		{Name: "mailer", Namespace: "shop", Kind: topology.KindWorker},
	}}
	for _, d := range [][]topology.Dependency{
		need("proxy", "mysql"), need("shipping", "proxy", "queue", "s3", "redis"), need("ratings", "proxy", "redis", "s3"),
		need("web", "shipping", "ratings"), need("payment", "shipping"), need("mailer", "web"),
	} {
		spec.Dependencies = append(spec.Dependencies, d...)
	}
	graph, _, err := topology.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	return State{
		Graph: graph,
		Incident: &correlate.Incident{
			ID: "INC-41", Number: 41, Severity: correlate.SeverityCritical, StartedAt: began, Alerts: 14, Firing: 14,
			Origins: []correlate.Origin{
				{Service: ref("mysql"), Kind: topology.KindDatabase, Probability: .84, Silent: true},
				{Service: ref("s3"), Kind: topology.KindExternal, Probability: .09, Silent: true},
				{Service: ref("shipping"), Kind: topology.KindAPI, Probability: .05},
			},
			Services: []correlate.ServiceImpact{
				hit("shipping", 0, correlate.SeverityCritical, 7), hit("ratings", 5*time.Minute, correlate.SeverityWarning, 4),
				hit("web", 6*time.Minute, correlate.SeverityCritical, 2), hit("mailer", 7*time.Minute, correlate.SeverityWarning, 1),
			},
			Path: []correlate.PathEdge{
				{Cause: ref("mysql"), Effect: ref("proxy"), Kind: "depends"},
				{Cause: ref("proxy"), Effect: ref("shipping"), Kind: "depends"},
				{Cause: ref("proxy"), Effect: ref("ratings"), Kind: "depends"},
				{Cause: ref("shipping"), Effect: ref("web"), Kind: "depends", Delay: 6 * time.Minute},
			},
			NextHit: []topology.Ref{ref("payment")},
		},
		Health: []*correlate.HealthState{
			checked("redis", correlate.HealthPassing, -time.Hour, 10*time.Minute),
			checked("queue", correlate.HealthPassing, 2*time.Minute, 10*time.Minute), // was not all the time
		},
	}
}

func TestAPictureShowsEveryRole(t *testing.T) {
	c := Draw(everything(t))
	got := map[string]string{}
	for _, n := range c.Nodes {
		got[n.Name] = n.Role.String()
	}
	want := map[string]string{
		"mysql": "origin", "proxy": "passed", "shipping": "hit", "ratings": "hit", "web": "hit", "mailer": "hit",
		"s3": "suspect", "redis": "cleared", "payment": "next",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	links := map[string]string{}
	for _, e := range c.Edges {
		links[c.Nodes[e.From].Name+" -> "+c.Nodes[e.To].Name] = e.Link.String()
	}
	wantLinks := map[string]string{
		"mysql -> proxy": "took", "proxy -> shipping": "took", "proxy -> ratings": "took", "shipping -> web": "took",
		"s3 -> shipping": "suspect", "s3 -> ratings": "suspect", "web -> mailer": "depends",
		"redis -> shipping": "cleared", "redis -> ratings": "cleared", "shipping -> payment": "possible",
	}
	if diff := cmp.Diff(wantLinks, links); diff != "" {
		t.Error(diff)
	}
	golden(t, "everything.svg", c.SVG())
	golden(t, "everything.mmd", c.Mermaid())
	golden(t, "everything.txt", strings.ReplaceAll(c.Description(), ". ", ".\n")+"\n")
}

func TestDownwardsIsAnotherPictureOfTheSame(t *testing.T) {
	s := everything(t)
	s.Direction = layout.Down
	c := Draw(s)
	golden(t, "everything-down.svg", c.SVG())
	if right := Draw(everything(t)); right.Description() != c.Description() || right.Layers != c.Layers {
		t.Error("the direction changed what is told")
	}
}

func TestNothingMayBeNextOnceItIsOver(t *testing.T) {
	s := everything(t)
	s.Incident.State = correlate.IncidentResolved
	for _, n := range Draw(s).Nodes {
		if n.Role == RoleNext {
			t.Errorf("%s is still to be hit", n.Name)
		}
	}
}

// A crowd of 400 services that were hit leaves the picture with those that were hit first.
func TestACrowdIsCutAndCounted(t *testing.T) {
	inc := &correlate.Incident{ID: "INC-1", StartedAt: began}
	for i := range 400 {
		inc.Services = append(inc.Services, hit(fmt.Sprintf("s%03d", i), time.Duration(i)*time.Second, correlate.SeverityError, 1))
		if i > 0 {
			inc.Path = append(inc.Path, correlate.PathEdge{Cause: ref("s000"), Effect: ref(fmt.Sprintf("s%03d", i)), Kind: "depends"})
		}
	}
	inc.Origins = []correlate.Origin{{Service: ref("s000"), Probability: 1}}
	c := Draw(State{Incident: inc})
	if len(c.Nodes) != maxNodes || c.Left != 400-maxNodes || c.Nodes[maxNodes-1].Name != "s299" {
		t.Errorf("%d nodes, %d left, the last is %s", len(c.Nodes), c.Left, c.Nodes[len(c.Nodes)-1].Name)
	}
	if !strings.Contains(c.SVG(), "100 services not drawn") {
		t.Error("the picture does not say what is not in it")
	}
}

func TestNamesFromOutsideCannotBreakThePicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inc := &correlate.Incident{ID: "INC-1", StartedAt: began}
		for range rapid.IntRange(0, 4).Draw(t, "services") {
			r := topology.Ref{Namespace: rapid.String().Draw(t, "namespace"), Name: rapid.String().Draw(t, "name")}
			inc.Services = append(inc.Services, correlate.ServiceImpact{Service: r, Alerts: 1, Since: began})
			inc.Origins = append(inc.Origins, correlate.Origin{Service: r, Probability: .2})
			inc.Path = append(inc.Path, correlate.PathEdge{Cause: inc.Origins[0].Service, Effect: r, Kind: rapid.String().Draw(t, "kind")})
		}
		c := Draw(State{Incident: inc})
		if err := xmlError(c.SVG()); err != nil {
			t.Fatalf("%v\n%s", err, c.SVG())
		}
		for line := range strings.Lines(c.Mermaid()) {
			if n := strings.Count(line, `"`); n != 0 && n != 2 {
				t.Fatalf("a quote ends too early: %s", line)
			}
		}
	})
}

func TestThePictureIsTheSameWhateverTheOrderOfItsRows(t *testing.T) {
	s := everything(t)
	want := Draw(s)
	slices.Reverse(s.Incident.Services)
	slices.Reverse(s.Health)
	got := Draw(s)
	if diff := cmp.Diff(want.Nodes, got.Nodes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want.Edges, got.Edges); diff != "" {
		t.Error(diff)
	}
}
