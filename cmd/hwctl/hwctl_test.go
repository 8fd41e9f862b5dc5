package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hwctl": main})
}

// Command lines as a shell sees them: usage, exit codes, replays.
func TestScripts(t *testing.T) {
	server := newFakeServer(t)
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exit-code": exitCodeIs},
		Setup: func(env *testscript.Env) error {
			scenarios, err := filepath.Abs("../../correlate/replay/testdata")
			env.Setenv("HWCTL_ADDRESS", server.address)
			env.Setenv("SCENARIOS", scenarios)
			env.Setenv("HWCTL_ACTOR", "ops")
			return err
		},
	})
}

// exitCodeIs runs a command and insists on its exit code: exit-code 2 hwctl …
func exitCodeIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit-code n command …")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = strconv.Itoa(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// ran is what one command line did.
type ran struct {
	code      int
	out, errs string
}

// hwctl runs a command line in this process, at the time [now].
func hwctl(server *fakeServer, colour bool, args ...string) ran {
	var out, errs bytes.Buffer
	a := newApp(&out, &errs, func() time.Time { return now }, colour)
	code := a.run(context.Background(), append([]string{"--address", server.address}, args...))
	return ran{code, out.String(), errs.String()}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

func TestOutput(t *testing.T) {
	t.Setenv("HWCTL_ACTOR", "ops")
	server := newFakeServer(t)
	for name, line := range map[string]string{
		"incidents-list":      "incidents list --state all",
		"incidents-list-wide": "incidents list --state all -o wide",
		"incidents-list-json": "incidents list --state all -o json",
		"incidents-show":      "incidents show INC-41",
		"incidents-show-wide": "incidents show INC-41 -o wide",
		"incidents-show-json": "incidents show INC-41 -o json",
		"audit":               "audit",
		"config-show":         "config show",
		"stats":               "stats",
		"stats-wide":          "stats --by team -o wide",
		"stats-json":          "stats --by team -o json",
		"explain":             "explain INC-41",
		"explain-wide":        "explain INC-41 -o wide",
		"explain-json":        "explain INC-41 -o json",
		"incidents-ack":       "incidents ack INC-41 --note mine",
		"incidents-resolve":   "incidents resolve INC-41 --reason fixed",
		"incidents-note":      "incidents note INC-41 the pool is full",
		"incidents-set":       "incidents set-origin INC-41 shop/mysql -m full",
		"incidents-withdraw":  "incidents set-origin INC-41 --withdraw",
		"incidents-merge":     "incidents merge INC-42 INC-41",
		"incidents-split":     "incidents split INC-41 --service ratings",
		"doctor":              "doctor",
		"doctor-wide":         "doctor -o wide --least warning",
		"doctor-json":         "doctor -o json --least error",
		"incidents-detach":    "incidents detach INC-41 --service ratings",
		"incidents-severity":  "incidents severity INC-41 sev1 -m checkout",
		"incidents-automatic": "incidents severity INC-41 automatic",
		"incidents-status":    "incidents status INC-41 mitigating -m rollback",
		"incidents-close":     "incidents close INC-41 -m fixed",
		"incidents-assign":    "incidents assign INC-41 ic ann",
		"incidents-unassign":  "incidents assign INC-41 ic --nobody",
		"incidents-update":    "incidents update INC-41 --public orders may fail",
		"incidents-link":      "incidents link INC-41 bridge https://meet.example/1",
		"incidents-unlink":    "incidents link INC-41 bridge --remove",
		"action-items-list":   "action-items list",
		"action-items-wide":   "action-items list --status all -o wide",
		"action-items-add":    "action-items add -i INC-41 -a ben --due 14d --priority high raise the pool",
		"action-items-edit":   "action-items edit AI-7 --nobody --due none --status in-progress",
		"action-items-done":   "action-items done AI-7",
		"action-items-drop":   "action-items drop AI-7 -m superseded",
		"learned-list":        "learned list",
		"learned-list-wide":   "learned list -o wide",
		"learned-reset":       "learned reset --kind noise",
		"alerts-list":         "alerts list",
		"alerts-list-wide":    "alerts list -o wide",
		"health-list":         "health list",
		"health-list-wide":    "health list -o wide",
		"health-report":       "health report cart failing --latency 2s",
		"health-report-json":  "health report cart failing -o json",
		"topology-show":       "topology show",
		"topology-show-wide":  "topology show -o wide",
		"topology-deps":       "topology deps web",
		"topology-dependents": "topology dependents node-1",
		"topology-edges":      "topology edges",
		"topology-edges-wide": "topology edges -o wide",
		"topology-sources":    "topology sources",
		"topology-sources-w":  "topology sources -o wide",
		"topology-suggest":    "topology suggestions",
		"topology-push":       "topology push testdata/pushed.yaml --source ci",
		"topology-delete":     "topology delete ci",
		"what-breaks":         "topology what-breaks node-1",
		"what-breaks-json":    "topology what-breaks node-1 -o json",
	} {
		t.Run(name, func(t *testing.T) {
			got := hwctl(server, false, strings.Fields(line)...)
			if got.code != exitOK || got.errs != "" {
				t.Errorf("exit code %d, %s", got.code, got.errs)
			}
			golden(t, name, "$ hwctl "+line+"\n"+got.out)
		})
	}
}

func TestColoursKeepColumnsAligned(t *testing.T) {
	server := newFakeServer(t)
	for _, line := range []string{"incidents list --state all -o wide", "alerts list", "health list", "topology what-breaks node-1"} {
		without := hwctl(server, false, strings.Fields(line)...).out
		with := hwctl(server, true, strings.Fields(line)...).out
		if with == without {
			t.Errorf("%s: no colours", line)
		}
		for _, code := range []string{red, green, yellow, grey, plain} {
			with = strings.ReplaceAll(with, "\x1b["+code+"m", "")
		}
		// A painted column is wider by its codes, the same on every line.
		if diff := cmp.Diff(columns(without), columns(with)); diff != "" {
			t.Errorf("%s:\n%s", line, diff)
		}
		if starts := columnStarts(with); len(starts) != 1 {
			t.Errorf("%s: columns start at different places: %v", line, starts)
		}
	}
}

func columns(text string) [][]string {
	var rows [][]string
	for _, line := range strings.Split(text, "\n") {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// columnStarts is the set of places at which the third column starts.
func columnStarts(text string) map[int]bool {
	starts := map[int]bool{}
	head, rest, _ := strings.Cut(text, "\n")
	third := strings.Index(head, columns(head)[0][2])
	starts[third] = true
	for _, line := range strings.Split(strings.TrimSpace(rest), "\n") {
		if r := []rune(line); r[third-1] != ' ' || r[third] == ' ' {
			starts[-1] = true
		}
	}
	return starts
}

func TestWhatIsAsked(t *testing.T) {
	t.Setenv("HWCTL_ACTOR", "ops")
	server := newFakeServer(t)
	for _, c := range []struct {
		line string
		want proto.Message
	}{
		{"incidents list", &headwaterv1.ListIncidentsRequest{Filter: `state = "open"`, OrderBy: "opened_at desc", PageSize: 48, PageToken: "xx"}},
		{`incidents list --state all --limit 0 --order-by severity`, &headwaterv1.ListIncidentsRequest{OrderBy: "severity", PageSize: 1000, PageToken: "xx"}},
		{`incidents list --origin shop/mysql --service a"b --filter alerts>3 --limit 1`, &headwaterv1.ListIncidentsRequest{
			Filter: `state = "open" AND origin = "shop/mysql" AND service = "a\"b" AND (alerts>3)`, OrderBy: "opened_at desc", PageSize: 1,
		}},
		{"incidents show INC-41", &headwaterv1.ListAlertsRequest{Filter: `incident = "INC-41"`, PageSize: 200}},
		{"explain INC-41", &headwaterv1.ListLearnedRequest{PageSize: 1000, Filter: `subject = "shop/mysql" OR subject = "shop/shipping"` +
			` OR subject = "shop/shipping -> shop/mysql" OR subject = "shop/web -> shop/shipping" OR subject = "shop/web"` +
			` OR subject = "shop/ratings -> shop/mysql" OR subject = "shop/ratings" OR subject = "shop/cart -> shop/web" OR subject = "shop/cart"` +
			` OR subject = "Watchdog" OR subject = "HighErrorRate" OR subject = "UpstreamErrors" OR subject = "SlowMail"`}},
		{"incidents ack INC-41 --note mine", &headwaterv1.AcknowledgeIncidentRequest{Id: "INC-41", Actor: "ops", Note: "mine"}},
		{"incidents ack INC-41 -m mine", &headwaterv1.AcknowledgeIncidentRequest{Id: "INC-41", Actor: "ops", Note: "mine"}},
		{"incidents resolve INC-41 --actor me", &headwaterv1.ResolveIncidentRequest{Id: "INC-41", Actor: "me"}},
		{"incidents note INC-41 two words", &headwaterv1.AddIncidentNoteRequest{Id: "INC-41", Actor: "ops", Note: "two words"}},
		{"incidents set-origin INC-41 shop/mysql", &headwaterv1.SetIncidentOriginRequest{Id: "INC-41", Service: "shop/mysql", Actor: "ops"}},
		{"incidents set-origin INC-41 --withdraw --actor me -m wrong", &headwaterv1.SetIncidentOriginRequest{Id: "INC-41", Actor: "me", Note: "wrong"}},
		{"incidents merge INC-42 INC-41 -m one", &headwaterv1.MergeIncidentsRequest{Id: "INC-42", Into: "INC-41", Actor: "ops", Note: "one"}},
		{"incidents split INC-41 00ff@2026-11-20T03:00:00Z -s ratings -s shop/web", &headwaterv1.SplitIncidentRequest{
			Id: "INC-41", Alerts: []string{"00ff@2026-11-20T03:00:00Z"}, Services: []string{"ratings", "shop/web"}, Actor: "ops",
		}},
		{"learned list --kind edge --filter seen>3", &headwaterv1.ListLearnedRequest{Filter: `kind = "edge" AND (seen>3)`, PageSize: 50}},
		{"learned reset --subject shop/cart", &headwaterv1.ResetLearnedRequest{Subject: "shop/cart", Actor: "ops"}},
		{"learned reset --all", &headwaterv1.ResetLearnedRequest{All: true, Actor: "ops"}},
		{"alerts list --fate below-severity --active --incident INC-4 -n 7", &headwaterv1.ListAlertsRequest{
			Filter: `incident = "INC-4" AND fate = "below-severity" AND active = true`, PageSize: 7,
		}},
		{"alerts list --filter alertname:x", &headwaterv1.ListAlertsRequest{Filter: "alertname:x", PageSize: 50}},
		{"health list --status failing", &headwaterv1.ListHealthRequest{Filter: `status = "failing"`, PageSize: 50}},
		{"health report shop/cart degraded --check http --message slow", &headwaterv1.ReportHealthRequest{Source: "hwctl", Results: []*headwaterv1.HealthResult{
			{Service: "shop/cart", Check: "http", Status: headwaterv1.HealthStatus_HEALTH_STATUS_DEGRADED, Message: "slow"},
		}}},
		{"topology deps web --depth 2", &headwaterv1.GetDependenciesRequest{Service: "web", Depth: 2}},
		{"topology push testdata/pushed.yaml --source ci --ttl 24h --etag e1", &headwaterv1.ReplaceTopologyRequest{
			Source: "ci", Etag: "e1", Actor: "ops", Ttl: durationpb.New(24 * time.Hour), Services: pushedServices(), Dependencies: pushedDependencies(),
		}},
		{"topology push testdata/pushed.yaml --source ci --add --actor me", &headwaterv1.PushTopologyRequest{
			Source: "ci", Actor: "me", Services: pushedServices(), Dependencies: pushedDependencies(),
		}},
		{"topology push testdata/pushed.yaml --source ci --ttl 0s", &headwaterv1.ReplaceTopologyRequest{
			Source: "ci", Actor: "ops", Ttl: durationpb.New(0), Services: pushedServices(), Dependencies: pushedDependencies(),
		}},
		{"topology delete ci --etag e1", &headwaterv1.DeleteTopologySourceRequest{Source: "ci", Etag: "e1", Actor: "ops"}},
		{"topology what-breaks a b", &headwaterv1.WhatBreaksRequest{Services: []string{"a", "b"}}},
	} {
		t.Run(c.line, func(t *testing.T) {
			if got := hwctl(server, false, strings.Fields(c.line)...); got.code != exitOK {
				t.Fatal(got.errs)
			}
			if diff := cmp.Diff(c.want, server.asked(t), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is in testdata/pushed.yaml.
func pushedServices() []*headwaterv1.Service {
	return []*headwaterv1.Service{{
		Ref: &headwaterv1.ServiceRef{Name: "payment"}, Kind: headwaterv1.ServiceKind_SERVICE_KIND_API, Owner: "pay", Aliases: []string{"pay-svc"},
	}}
}

func pushedDependencies() []*headwaterv1.Dependency {
	return []*headwaterv1.Dependency{{
		From: &headwaterv1.ServiceRef{Name: "payment"}, To: &headwaterv1.ServiceRef{Namespace: "a", Name: "db"},
		Mode: headwaterv1.DependencyMode_DEPENDENCY_MODE_SOFT, RedundancyGroup: "db",
	}}
}

func TestPasswordsAreSentAndNeverInTheClear(t *testing.T) {
	server := newFakeServer(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := hwctl(server, false, "--basic-auth.username=me", "--basic-auth.password-file="+file, "topology", "show")
	if got.code != exitOK || len(server.auth) != 1 || server.auth[0] != "Basic bWU6czNjcmV0" {
		t.Errorf("exit code %d, %s, authorization %q", got.code, got.errs, server.auth)
	}
	far := &fakeServer{address: "headwater.example:9098"}
	got = hwctl(far, false, "--basic-auth.username=me", "topology", "show")
	if got.code != exitUsage || !strings.Contains(got.errs, "unencrypted; add --tls") {
		t.Errorf("over a network: exit code %d, %s", got.code, got.errs)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:             "0s",
		59 * time.Second:         "59s",
		61 * time.Second:         "1m",
		150 * time.Minute:        "2h30m",
		50*time.Hour + time.Hour: "2d3h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
