package correlate_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/correlatetest"
	"github.com/headwater-sre/headwater/topology"
)

// This file holds what other systems got wrong against us, by the numbers of the list of
// lessons. Those about the graph alone are in package topology, those about what is
// remembered of merges and divisions in correction_test.go and apart_test.go.

var lessonName = regexp.MustCompile(`(?m)^func TestLesson0?(\d+)`)

// No lesson gets lost.
func TestEachLessonHasATest(t *testing.T) {
	held := map[int]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "..":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range lessonName.FindAllSubmatch(text, -1) {
			n, _ := strconv.Atoi(string(m[1]))
			held[n] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 18; n++ {
		if !held[n] {
			t.Errorf("no test is named after lesson %d", n)
		}
	}
}

// holds plays a story whose wants must hold, and returns it with its outcome.
func holds(t *testing.T, story string) string {
	t.Helper()
	result, err := correlatetest.Run(story)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range result.Failures {
		t.Errorf("line %d: %s", f.Line, f.Text)
	}
	if t.Failed() {
		t.Log(result.Story)
	}
	return result.Story
}

// Edges are followed, and in the right direction.
func TestLesson01_TheCalleeFailsAndTheCallersAlert(t *testing.T) {
	holds(t, `
topology
  web, shop, blog -> db
  database db
at 0s firing web HighErrorRate critical
at 2s firing shop HighErrorRate critical
at 4s firing blog HighErrorRate critical
at 6s firing db PostgresqlDown critical
at 2m tick

want one page
want origin db alerting
want way db -> web
`)
}

func TestLesson01_ACallerThatFailsIsNotTheFaultOfWhatItCalls(t *testing.T) {
	holds(t, `
topology
  web -> shop, blog, news
  shop, blog, news -> db
  database db
at 0s firing shop PodCrashLooping critical
at 5s firing web HighErrorRate critical
at 2m tick

want one page
want origin shop alerting
want way shop -> web
want not origin db
`)
}

// A service without dependencies of its own is a node like any other, and services that the
// graph does not know are not thrown together.
func TestLesson02_WhatTheGraphDoesNotKnowGetsAnIncidentOfItsOwn(t *testing.T) {
	holds(t, `
topology
  web -> leaf
at 0s firing leaf HighErrorRate critical
at 0s firing loyalty HighErrorRate critical
at 0s firing newsletter HighErrorRate critical
at 0s firing {alertname="SomethingIsOff", severity="critical"}
at 0s firing {alertname="SomethingElseIsOff", severity="critical"}
at 3m tick

want incidents 5
want pages 5
want apart leaf loyalty
want apart loyalty newsletter
`)
}

// A circle of calls neither hangs the engine nor hides who crashed in it.
func TestLesson04_ACircleOfCallsIsJudged(t *testing.T) {
	holds(t, `
topology
  a -> b -> c -> a
  web -> a
at 0s firing a HighErrorRate critical
at 0s firing b PodCrashLooping critical
at 0s firing c HighErrorRate critical
at 0s firing web HighErrorRate critical
at 3m tick

want one page
want origin b
`)
}

// A graph with a mistake changes nothing, a good one everything at once; services that it
// only mentions are nodes.
func TestLesson06_AGraphIsTakenWholeOrNotAtAll(t *testing.T) {
	e := newEngine(t, correlate.Config{})
	ref := func(name string) topology.Ref { return topology.Ref{Name: name} }
	report := func(pos uint64, spec topology.Spec) *correlate.Delta {
		return e.Step(correlate.Input{Pos: pos, At: epoch.Add(time.Duration(pos) * time.Second), Signal: &correlate.TopologyReport{Source: "file", Spec: spec}})
	}
	edge := func(from, to string) topology.Dependency { return topology.Dependency{From: ref(from), To: ref(to)} }
	report(1, topology.Spec{Version: "1", Dependencies: []topology.Dependency{edge("shop", "db"), edge("blog", "db")}})
	report(2, topology.Spec{Version: "2", Services: []topology.Service{{Name: "web"}, {Name: "web"}}, Dependencies: []topology.Dependency{edge("web", "cart")}})
	if got := e.Snapshot().Meta.TopologyVersion; got != "1" {
		t.Errorf("graph 2 names a service twice; in force is %s, want still 1", got)
	}
	step := func(pos uint64, s correlate.Signal) {
		e.Step(correlate.Input{Pos: pos, At: epoch.Add(time.Duration(pos) * time.Second), Signal: s})
	}
	for i, name := range []string{"shop", "blog", "db"} {
		step(uint64(3+i), firing(fmt.Sprintf("%016x", i), name, "HighErrorRate", epoch))
	}
	step(10, correlate.Tick{})
	if n := len(open(e)); n != 1 {
		t.Errorf("%d incidents, want one: the graph of version 1 joins shop, blog and db", n)
	}
	report(11, topology.Spec{Version: "3", Services: []topology.Service{{Name: "shop"}, {Name: "blog"}, {Name: "db"}}})
	step(20, correlate.Tick{})
	for _, i := range open(e) {
		if i.TopologyVersion != "3" {
			t.Errorf("%s was judged by graph %s, want 3", i.ID, i.TopologyVersion)
		}
	}
}

func open(e *correlate.Engine) []*correlate.Incident {
	var out []*correlate.Incident
	for _, i := range e.Snapshot().Incidents {
		if i.State == correlate.IncidentOpen {
			out = append(out, i)
		}
	}
	return out
}

// Each word for a state is written in one place and read back as what it was.
func TestLesson07_WordsAreReadBackAsWritten(t *testing.T) {
	for _, s := range []correlate.Severity{correlate.SeverityNone, correlate.SeverityInfo, correlate.SeverityWarning, correlate.SeverityError, correlate.SeverityCritical} {
		if got := correlate.ParseSeverity(s.String()); got != s {
			t.Errorf("severity %s is read back as %s", s, got)
		}
	}
	for c := correlate.ClassOther; c <= correlate.ClassUnready; c++ {
		if got, err := correlate.ParseClass(c.String()); err != nil || got != c {
			t.Errorf("class %s is read back as %s, %v", c, got, err)
		}
	}
	if _, err := correlate.ParseClass("required"); err == nil {
		t.Error("a word that is no class is taken for one")
	}
}

// Of two that call each other, the one that failed first is the origin, whichever we heard of first.
func TestLesson08_StartsCountNotArrivals(t *testing.T) {
	for _, order := range []string{"a late, b early", "b early, a late"} {
		t.Run(order, func(t *testing.T) {
			lines := []string{"firing a HighErrorRate critical began=-1s", "firing b HighErrorRate critical began=-70s"}
			if strings.HasPrefix(order, "b") {
				lines[0], lines[1] = lines[1], lines[0]
			}
			holds(t, "topology\n  a -> b -> a\nat 100s "+lines[0]+"\nat 100s "+lines[1]+"\nat 4m tick\n\nwant incidents 1\nwant origin b\n")
		})
	}
}

// A notification that Alertmanager held back for minutes tells of the same failure.
func TestLesson08_ALateNotificationJoinsWhatItBelongsTo(t *testing.T) {
	holds(t, `
topology
  web, shop -> db
  database db
at 0s firing db PostgresqlDown critical
at 5s firing shop HighErrorRate critical
at 5m firing web HighErrorRate critical began=-290s
at 8m tick

want incidents 1
want one page
want together db shop web
want origin db
`)
}

var pageLine = regexp.MustCompile(`(?m)^(\S+)\s+PAGE INC-1:`)

// News that keeps coming does not put the page off, and it waits for nobody else's.
func TestLesson09_TheHoldIsBounded(t *testing.T) {
	story := holds(t, `
topology
  a, b, c, d, e, f, g, h -> db
  database db
at 0s firing a HighErrorRate warning
at 4s repeat 20 every 4s firing {a|b|c|d|e|f|g|h} Odd{n} warning
at 5m tick

want incidents 1
`)
	m := pageLine.FindStringSubmatch(story)
	if m == nil {
		t.Fatalf("no page:\n%s", story)
	}
	at, err := time.ParseDuration(m[1])
	if limit := (correlate.Config{}).WithDefaults().Hold; err != nil || at > limit {
		t.Errorf("the page left after %s (%v), want within %s of the first alert", m[1], err, limit)
	}
}

// The consequences are not paged before anybody looked for their cause.
func TestLesson10_GroupsBeforeItPages(t *testing.T) {
	holds(t, `
topology
  web -> shop, blog
  shop, blog -> db
  database db
at 0s firing web HighErrorRate critical
at 3s firing shop HighErrorRate critical
at 6s firing blog HighErrorRate critical
at 9s firing db PostgresqlDown critical
at 5m tick

want one page
want first page origin db
`)
}

// Each alert is near the one before in graph and time, and yet the last has nothing to do
// with the first.
func TestLesson11_ALineOfFailuresIsNotOne(t *testing.T) {
	holds(t, `
topology
  s0 -> s1 -> s2 -> s3 -> s4 -> s5
at 0s firing s5 PodCrashLooping critical
at 8m firing s4 PodCrashLooping critical
at 16m firing s3 PodCrashLooping critical
at 24m firing s2 PodCrashLooping critical
at 32m firing s1 PodCrashLooping critical
at 40m firing s0 PodCrashLooping critical
at 45m tick

want incidents 6
want apart s5 s4
want apart s0 s5
`)
}

// Everybody depends on the hub, so it could always be its fault.
func TestLesson11_AHubGluesNothing(t *testing.T) {
	holds(t, `
topology
  a, b, c, d, e, f, g, h -> dns
  service dns
at 0s firing a HighErrorRate critical
at 6m firing b HighErrorRate critical
at 12m firing c HighErrorRate critical
at 15m tick

want incidents 3
`)
}

// What is over takes nothing in: a new failure is a new incident.
func TestLesson14_WhatIsOverTakesNothingIn(t *testing.T) {
	holds(t, `
topology
  web -> db
  database db
at 0s firing db PostgresqlDown critical
at 10s firing web HighErrorRate critical
at 5m resolved everything
at 2h tick
at 2h firing web HighErrorRate critical
at 2h1m firing db PostgresqlDown critical
at 2h5m tick

want open 1
want state resolved in INC-1
want state open in INC-2
want hit web db in INC-2
`)
}

// A service is taken for the origin until what it depends on alerts.
func TestLesson16_TheOriginGivesWayToWhatIsAboveIt(t *testing.T) {
	story := holds(t, `
topology
  web, shop, blog -> db
  database db
at 0s firing shop HighErrorRate critical
at 20s firing web HighErrorRate critical
at 25s firing db PostgresqlDown critical
at 3m tick

want incidents 1
want origin db alerting
`)
	if !strings.Contains(story, "origin INC-1: db") {
		t.Errorf("db was the origin all along:\n%s", story)
	}
}

// What all of those depend on that fail is named, although it says nothing.
func TestLesson16_TheSilentOneThatAllDependOnIsNamed(t *testing.T) {
	holds(t, `
topology
  a, b, c, d -> db
  database db
at 0s firing a HighErrorRate critical
at 3s firing b HighErrorRate critical
at 6s firing c HighErrorRate critical
at 9s firing d HighErrorRate critical
at 3m tick

want one page
want origin db silent
`)
}

// An answer is a list with reasons and a way, and admits that it may be none of these.
func TestLesson17_CandidatesComeWithReasonsAndUnknownIsAnAnswer(t *testing.T) {
	e := newEngine(t, correlate.Config{})
	ref := func(name string) topology.Ref { return topology.Ref{Name: name} }
	e.Step(correlate.Input{Pos: 1, At: epoch, Signal: &correlate.TopologyReport{Spec: topology.Spec{
		Services:     []topology.Service{{Name: "db", Kind: topology.KindDatabase}},
		Dependencies: []topology.Dependency{{From: ref("web"), To: ref("shop")}, {From: ref("shop"), To: ref("db")}},
	}}})
	batch := firing("00000000000000aa", "shop", "HighErrorRate", epoch)
	batch.Alerts[0].Labels["severity"] = "warning"
	e.Step(correlate.Input{Pos: 2, At: epoch, Signal: batch})
	e.Step(correlate.Input{Pos: 3, At: epoch, Signal: firing("00000000000000ab", "web", "HighErrorRate", epoch)})
	e.Step(correlate.Input{Pos: 4, At: epoch.Add(time.Minute)})
	list := open(e)
	if len(list) != 1 {
		t.Fatalf("%d incidents, want 1", len(list))
	}
	i := list[0]
	sum := i.Unknown
	for _, o := range i.Origins {
		sum += o.Probability
		if len(o.Reasons) == 0 {
			t.Errorf("%s is a candidate for no reason", o.Service)
		}
	}
	if len(i.Origins) < 2 || i.Unknown <= 0 || sum > 1+1e-9 {
		t.Errorf("%d candidates, unknown %.2f, all together %.3f; want a list, some doubt, and no more than 1", len(i.Origins), i.Unknown, sum)
	}
	if len(i.Path) == 0 {
		t.Error("the way from the origin to web is not told")
	}
	if i.Severity != correlate.SeverityCritical {
		t.Errorf("web is hit critically, the incident is %s", i.Severity)
	}
}

// While the group holds, a dead member of it is nobody's origin.
func TestLesson18_OneDeadReplicaIsNotTheOrigin(t *testing.T) {
	holds(t, `
topology
  shop -> redis-a, redis-b group=redis
  web -> shop
  cache redis-a, redis-b
at 0s firing redis-a RedisDown warning
at 10m firing shop PodCrashLooping critical
at 10m20s firing web HighErrorRate critical
at 14m tick

want apart redis-a shop
want together shop web
want origin shop in INC-2
`)
}

// What all have in common is a likelier origin when each needs all that it calls than when each has another way.
func TestLesson18_WhatEachCanDoWithoutIsAPoorerExplanation(t *testing.T) {
	db := topology.Ref{Name: "db"}
	probability := func(group string) float64 {
		e := newEngine(t, correlate.Config{})
		spec := topology.Spec{Version: "1", Services: []topology.Service{{Name: "db", Kind: topology.KindCache}}}
		for _, caller := range []string{"a", "b"} {
			for _, to := range []string{"db", caller + "-other"} {
				spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: topology.Ref{Name: caller}, To: topology.Ref{Name: to}, Group: group})
			}
		}
		e.Step(correlate.Input{Pos: 1, At: epoch, Signal: &correlate.TopologyReport{Spec: spec}})
		e.Step(correlate.Input{Pos: 2, At: epoch, Signal: firing("00000000000000aa", "a", "HighErrorRate", epoch)})
		e.Step(correlate.Input{Pos: 3, At: epoch, Signal: firing("00000000000000ab", "b", "HighErrorRate", epoch)})
		e.Step(correlate.Input{Pos: 4, At: epoch.Add(time.Minute)})
		best := 0.0
		for _, i := range open(e) {
			for _, o := range i.Origins {
				if o.Service == db {
					best = max(best, o.Probability)
				}
			}
		}
		return best
	}
	if needed, spared := probability(""), probability("either"); needed == 0 || spared >= needed {
		t.Errorf("db is the origin with %.3f where each needs all it calls, and with %.3f where each has another way", needed, spared)
	}
}

// Once the last member that was needed is gone, the group is at fault, not who uses it.
func TestLesson18_TheLastReplicaIs(t *testing.T) {
	holds(t, `
topology
  shop -> redis-a, redis-b group=redis
  web, search, mail -> shop
  cache redis-a, redis-b
at 0s firing redis-a RedisDown warning
at 30m firing redis-b RedisDown critical
at 30m10s firing shop HighErrorRate critical
at 30m20s firing web HighErrorRate critical
at 34m tick

want together redis-b shop web
want origin redis-b in INC-2
`)
}

// A report of the same graph, with newer sightings, is kept and judges nothing anew.
func TestNewsOfWhoSawWhatWhenJudgesNothing(t *testing.T) {
	e := newEngine(t, correlate.Config{})
	spec := topology.Spec{Version: "1", Services: []topology.Service{{Name: "web"}}}
	step := func(pos uint64, s correlate.Signal) *correlate.Delta {
		return e.Step(correlate.Input{Pos: pos, At: epoch.Add(time.Duration(pos) * time.Second), Signal: s})
	}
	step(1, &correlate.TopologyReport{Spec: spec})
	step(2, firing("0000000000000001", "web", "HighErrorRate", epoch))
	step(10, correlate.Tick{})
	seen := spec.WithoutProvenance()
	seen.Services[0].Seen = []topology.Sighting{{Source: "mesh", LastSeen: epoch}}
	d := step(11, &correlate.TopologyReport{Spec: seen})
	if d.Topology == nil || len(d.Topology.Services[0].Seen) != 1 || len(d.Incidents)+len(d.Alerts) != 0 || d.Rejected != "" {
		t.Errorf("the graph %+v was kept, %d incidents and %d alerts were touched, %q", d.Topology, len(d.Incidents), len(d.Alerts), d.Rejected)
	}
	if snap := e.Snapshot(); len(snap.Topology.Services[0].Seen) != 1 {
		t.Error("the engine forgets the sightings")
	}
	another := seen.WithoutProvenance()
	another.Services[0].Owner = "shop"
	if step(12, &correlate.TopologyReport{Spec: another}); e.Snapshot().Topology.Services[0].Owner != "shop" {
		t.Error("a graph with another property under the same version was taken for the same")
	}
}
