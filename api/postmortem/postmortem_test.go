package postmortem

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/api/cascade"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/correlatetest"
	"github.com/headwater-sre/headwater/topology"
)

var update = flag.Bool("update", false, "rewrite testdata and docs/postmortem-example.md")

// record plays a story and returns what is known of one of its incidents.
func record(t testing.TB, story, incident string) Record {
	t.Helper()
	src, err := os.ReadFile(story)
	if err != nil {
		t.Fatal(err)
	}
	result, err := correlatetest.Run(string(src))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := result.Ledger.Snapshot()
	graph, _, err := topology.Build(*snapshot.Topology)
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Incident: result.Ledger.Incidents[incident], Alerts: result.Ledger.Members(incident), Graph: graph}
	for _, page := range result.Ledger.Pages[incident] {
		entry := &correlate.OutboxEntry{Page: page, Done: true}
		if page.Kind.Rings() {
			entry.Deliveries = []correlate.Delivery{{Receiver: "on-call", Integration: "pagerduty", Attempts: 1, SentAt: page.At.Add(time.Second)}}
		}
		r.Pages = append(r.Pages, entry)
	}
	for _, item := range snapshot.Actions {
		if item.Incident == incident {
			r.Items = append(r.Items, item)
		}
	}
	r.Cascade = cascade.Draw(cascade.State{Incident: r.Incident, Graph: graph, Health: snapshot.Health})
	return r
}

func golden(t *testing.T, path, got string) {
	t.Helper()
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

// The example in the documentation is what the program writes.
func TestTheThunderingHerdIsTold(t *testing.T) {
	got := Write(record(t, "testdata/s04-thundering-herd.txt", "INC-1"))
	golden(t, filepath.Join("..", "..", "docs", "postmortem-example.md"), got)
}

func TestStoriesAreTold(t *testing.T) {
	for story, incident := range map[string]string{
		"s01-connection-collapse": "INC-1", "s07-leaking-job-and-healthy-pods": "INC-1", "s08-redis-failover-fails": "INC-1",
		"s11-the-same-outage-again": "INC-4", "an-unknown-service": "INC-1",
	} {
		t.Run(story, func(t *testing.T) {
			golden(t, filepath.Join("testdata", story+".md"), Write(record(t, "../../correlate/testdata/"+story+".txt", incident)))
		})
	}
}

// What came from outside is never mark-up: a document that is written from names and notes
// of any sort has the lines, tables and links of one that is written from plain ones.
func TestNothingFromOutsideIsMarkUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"# heading", "- item", "1. item", "| cell", "a\n\n## b", "<script>alert(1)</script>", "[x](javascript:alert(1))",
			"![x](http://evil.example/a.png)", "@team see #12", "`code`", "**bold**", "&lt;", "https://evil.example", "---", "$x$", "~~x~~", "\u2028# x", "+ x", "12) x", "www.evil.example",
		})).Draw(t, "text")
		got := escape(text)
		for _, bad := range []string{"\n", "\r", "<", ">", "@", "://", "www."} {
			if strings.Contains(got, bad) {
				t.Fatalf("%q became %q, which holds %q", text, got, bad)
			}
		}
		for i, r := range got {
			if strings.ContainsRune("*_`[]|~$!", r) && (i == 0 || got[i-1] != '\\') {
				t.Fatalf("%q became %q, where %q is bare", text, got, r)
			}
		}
		if strings.HasPrefix(got, "#") || strings.HasPrefix(got, "-") || strings.HasPrefix(got, "+") {
			t.Fatalf("%q became %q, which begins a block", text, got)
		}
	})
}

func TestADocumentKeepsItsShapeWhateverIsWritten(t *testing.T) {
	plain := record(t, "testdata/s04-thundering-herd.txt", "INC-1")
	wild := Record{
		Incident: &correlate.Incident{}, Alerts: plain.Alerts, Pages: plain.Pages, Graph: plain.Graph, Cascade: plain.Cascade,
		Items: []*correlate.ActionItem{{ID: "AI-1", Text: "```\nfence"}, plain.Items[1], plain.Items[2]},
	}
	*wild.Incident = *plain.Incident
	wild.Incident.Timeline = slices.Clone(plain.Incident.Timeline)
	wild.Incident.Closed = &correlate.Closure{At: plain.Incident.Closed.At, By: "eve", Note: "done\n\n## Not a section\n| no | table |"}
	for i := range wild.Incident.Timeline {
		if e := &wild.Incident.Timeline[i]; e.Actor != "" && e.Kind == correlate.TimelineUpdate {
			e.Text, e.Actor = "x | y\n# z\n| <b>", "eve|mallory"
		}
	}
	shape := func(doc string) (all []string) {
		for line := range strings.Lines(doc) {
			if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "```") {
				all = append(all, line)
			} else if strings.HasPrefix(line, "|") {
				cells := strings.Count(line, "|") - strings.Count(line, `\|`)
				all = append(all, strings.Repeat("|", cells))
			}
		}
		return all
	}
	if diff := cmp.Diff(shape(Write(plain)), shape(Write(wild))); diff != "" {
		t.Errorf("-plain +wild:\n%s", diff)
	}
}

func TestOnlyAddressesThatAReaderMayFollowAreLinks(t *testing.T) {
	for address, want := range map[string]string{
		"https://meet.example/1":        "[bridge](<https://meet.example/1>)",
		"https://x.example/a)b?c=<d>":   "[bridge](<https://x.example/a%29b?c=%3Cd%3E>)",
		"javascript:alert(1)":           "bridge",
		"/relative":                     "bridge",
		"https://":                      "bridge",
		"http://x.example/\n## heading": "bridge",
	} {
		if got := linked("bridge", address); got != want && got != strings.ReplaceAll(want, "%29", ")") {
			t.Errorf("%q: %s, want %s", address, got, want)
		}
	}
}

func TestALongTimelineIsCutAndSaysSo(t *testing.T) {
	r := record(t, "testdata/s04-thundering-herd.txt", "INC-1")
	entries := 0
	for _, e := range r.Incident.Timeline {
		if !slices.Contains(untold, e.Kind) {
			entries++
		}
	}
	for range maxEntries {
		r.Incident.Timeline = append(r.Incident.Timeline, correlate.TimelineEntry{At: r.Incident.ResolvedAt, Kind: correlate.TimelineNote, Text: "and on", Actor: "ann"})
	}
	if got := Write(r); !strings.Contains(got, fmt.Sprintf("The timeline goes on; %d more entries are left out.", entries)) {
		t.Errorf("nothing is said of %d entries", entries)
	}
}

func TestADraftSaysSo(t *testing.T) {
	r := record(t, "testdata/s04-thundering-herd.txt", "INC-1")
	r.Incident.State, r.Incident.Status = correlate.IncidentOpen, correlate.StatusMitigating
	got := Write(r)
	for _, want := range []string{"*Draft: the incident goes on.", "| Time | since 2026-03-02 02:59:10 UTC |", "So far it is 327 alerts"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestPagesThatDidNotArriveAreFactors(t *testing.T) {
	r := record(t, "testdata/s04-thundering-herd.txt", "INC-1")
	first := r.Pages[0]
	first.Deliveries = []correlate.Delivery{
		{Receiver: "on-call", Integration: "pagerduty", Attempts: 4, SentAt: first.Page.At.Add(6 * time.Minute)},
		{Receiver: "chat", Integration: "slack", Attempts: 3, LastError: "503 from slack"},
	}
	got := Write(r)
	for _, want := range []string{
		"**Late page**: on-call was called 6 min after the first alert arrived", `**Undelivered page**: chat (slack), page 1: "503 from slack"`,
		"**Page delivered at the 4. attempt**: on-call (pagerduty), page 1", "| to page | 03:06:30 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestAnIncidentOfWhichLittleIsKnownIsStillADocument(t *testing.T) {
	for name, inc := range map[string]*correlate.Incident{
		"nothing":         {ID: "INC-1"},
		"over, no origin": {ID: "INC-1", State: correlate.IncidentResolved, ResolvedAt: time.Unix(60, 0), StartedAt: time.Unix(0, 0)},
		"merged":          {ID: "INC-1", State: correlate.IncidentMerged, MergedInto: "INC-2"},
	} {
		if got := Write(Record{Incident: inc}); !strings.Contains(got, "## Lessons") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
