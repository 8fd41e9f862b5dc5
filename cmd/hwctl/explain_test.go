package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// explainedAs is what explain prints of a judgement.
func explainedAs(j *judgement) string {
	var out bytes.Buffer
	a := newApp(&out, &out, func() time.Time { return now }, false)
	a.output = "table"
	e := &explanation{app: a, judgement: j}
	e.print()
	return out.String()
}

func named(name string) *headwaterv1.ServiceRef { return &headwaterv1.ServiceRef{Name: name} }

func step(cause, effect, kind, role string, cost float64) *headwaterv1.PathEdge {
	return &headwaterv1.PathEdge{Cause: named(cause), Effect: named(effect), Kind: kind, Role: role, Cost: cost}
}

func firing(service, rule string, class headwaterv1.AlertClass, after time.Duration) *headwaterv1.Alert {
	return &headwaterv1.Alert{
		Labels: map[string]string{"alertname": rule}, Service: named(service), Class: class,
		Severity: headwaterv1.Severity_SEVERITY_CRITICAL, StartedAt: timestamppb.New(now.Add(after)),
	}
}

func drawn(t *testing.T, j *judgement) string {
	t.Helper()
	_, way, _ := strings.Cut(explainedAs(j), "The way it took")
	_, way, ok := strings.Cut(way, "\n")
	way, _, _ = strings.Cut(way, "\n\n")
	if !ok {
		t.Fatal("no way is drawn")
	}
	return way + "\n"
}

func drawsAs(t *testing.T, j *judgement, want string) {
	t.Helper()
	if got := drawn(t, j); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheWayIsATreeWithItsArrowsSymptomsAndLikelihoods(t *testing.T) {
	late := step("cart", "web", "depends", "victim", .36)
	late.Delay, late.Passing = durationpb.New(90*time.Second), 1.2
	drawsAs(t, &judgement{
		incident: &headwaterv1.Incident{
			Origins: []*headwaterv1.Origin{{Service: named("zone-a"), Kind: headwaterv1.ServiceKind_SERVICE_KIND_ZONE, Silent: true, SilenceCost: .36}},
			Path: []*headwaterv1.PathEdge{
				step("zone-a", "node-1", "runs-on", "victim", .11), step("node-1", "cart", "runs-on", "hosted", .22), late,
				step("node-1", "mysql", "overload", "loaded", 3.5), step("web", "mail", "starvation", "starved", .8),
			},
		},
		alerts: []*headwaterv1.Alert{
			firing("node-1", "NodeDown", headwaterv1.AlertClass_ALERT_CLASS_DOWN, time.Second),
			firing("web", "Slow", headwaterv1.AlertClass_ALERT_CLASS_LATENCY, 95*time.Second), firing("web", "Slow", headwaterv1.AlertClass_ALERT_CLASS_LATENCY, 90*time.Second),
		},
		learned: []*headwaterv1.LearnedFigure{{Kind: headwaterv1.LearnedKind_LEARNED_KIND_EDGE, Subject: "cart -> node-1", Known: true, Estimate: .8, Prior: .7}},
	}, `  zone-a, zone: raised no alert of its own (-0.4)
  └─ node-1: is a part of it, 90 %
     │    03:04:13  NodeDown: down, critical
     ├─ cart: runs on it, 80 % (learned; otherwise 70 %); it shows nothing (-1.2)
     │  └─ web: depends on it, 70 %, 90 s later
     │     │    03:05:42  Slow ×2: latency, critical
     │     └─ mail: lost its traffic, 45 %
     └─ mysql: got its load, 3 %
`)
}

// What servers send is not believed to be a tree: nothing is drawn twice, none is lost.
func TestAWayThatIsNoTreeIsDrawnAllTheSame(t *testing.T) {
	drawsAs(t, &judgement{incident: &headwaterv1.Incident{
		Origins: []*headwaterv1.Origin{{Service: named("a")}},
		Path:    []*headwaterv1.PathEdge{step("a", "b", "depends", "", 0), step("b", "a", "depends", "", 0), step("unseen", "c", "starvation", "starved", 1.3)},
	}}, `  a, service
  ├─ b: depends on it
  │  └─ a: depends on it
  └─ c: lost its traffic, 27 %
`)
}

// Calls that fail tell of the callee when their caller is not in the tree.
func TestFailingCallsAreDrawnWhereTheyCount(t *testing.T) {
	calls := firing("cart", "UpstreamErrors", headwaterv1.AlertClass_ALERT_CLASS_EDGE, 0)
	calls.Caller = named("web")
	j := &judgement{incident: &headwaterv1.Incident{Origins: []*headwaterv1.Origin{{Service: named("cart")}}}, alerts: []*headwaterv1.Alert{calls}}
	drawsAs(t, j, "  cart, service\n       03:04:12  UpstreamErrors (calls from web to cart): edge, critical\n")
	j.incident.Path = []*headwaterv1.PathEdge{step("cart", "web", "depends", "victim", .05)}
	drawsAs(t, j, "  cart, service\n  └─ web: depends on it, 95 %\n          03:04:12  UpstreamErrors (calls from web to cart): edge, critical\n")
}

func TestAnIncidentWithoutACandidateIsExplainedToo(t *testing.T) {
	got := explainedAs(&judgement{incident: &headwaterv1.Incident{Id: "INC-1", UnknownProbability: 1}})
	if !strings.Contains(got, "No candidate explains any of the alerts.") || strings.Contains(got, "The way") {
		t.Error(got)
	}
}

func TestOddsInWords(t *testing.T) {
	for _, c := range []struct {
		first, second float64
		want          string
	}{
		{.4, .39, "; about even with db"},
		{.6, .2, "; 3.0 to 1 against db"},
		{.8, .0646, "; 12 to 1 against db"},
		{.8, .00646, "; 120 to 1 against db"},
		{.82, .0001, "; more than 1000 to 1 against db"},
		{1, 0, ""}, // an operator said so
	} {
		if got := oddsWord(c.first, c.second, "db"); got != c.want {
			t.Errorf("%v and %v: %q, want %q", c.first, c.second, got, c.want)
		}
	}
}

func TestAnExplanationFitsIntoAHundredColumns(t *testing.T) {
	server := newFakeServer(t)
	for _, line := range strings.Split(hwctl(server, false, "explain", "INC-41", "-o", "wide").out, "\n") {
		if n := utf8.RuneCountInString(line); n > explainedWidth || strings.HasSuffix(line, " ") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// Every term that can stand before a reason has words and a heading to go to.
func TestEveryTermLeadsToItsFormula(t *testing.T) {
	page, err := os.ReadFile("../../" + formulas)
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, line := range strings.Split(string(page), "\n") {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			headings[strings.ToLower(name)] = true
		}
	}
	for n := range headwaterv1.Term_name {
		term := headwaterv1.Term(n)
		if term == headwaterv1.Term_TERM_UNSPECIFIED {
			continue
		}
		if meanings[term] == "" || !headings[termWord(term)] {
			t.Errorf("%s: meaning %q, heading in %s: %v", term, meanings[term], formulas, headings[termWord(term)])
		}
	}
	for _, name := range []string{"probability", "learning"} {
		if !headings[name] {
			t.Errorf("%s#%s is no place", formulas, name)
		}
	}
}
