package audit_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/audit"
	"github.com/headwater-sre/headwater/correlate/correlatetest"
)

var start = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// rows are what an audit is given.
type rows struct {
	incidents []*correlate.Incident
	pages     map[string][]*correlate.OutboxEntry
	alerts    []*correlate.AlertState
	entries   []correlate.Input
	now       time.Time
	applied   uint64
}

func (r *rows) audit() *audit.Report {
	a := audit.New(audit.Rules{Config: correlate.Config{}.WithDefaults(), Grace: audit.DefaultGrace},
		audit.Window{Since: start, Until: r.now.Add(time.Second), Now: r.now, Applied: r.applied})
	for _, i := range r.incidents {
		a.Incident(i, r.pages[i.ID])
	}
	for _, row := range r.alerts {
		a.Alert(row)
	}
	for _, in := range r.entries {
		a.Entry(in)
	}
	return a.Report()
}

// told is one incident of one alert as it should be: paged within its bound, and ended.
func told() *rows {
	alert := correlate.Alert{Fingerprint: "00000000000000aa", Labels: map[string]string{"alertname": "HighErrorRate", "severity": "critical"}, StartsAt: at(0)}
	row := &correlate.AlertState{
		Alert: alert, Severity: correlate.SeverityCritical, FirstSeen: at(0), EndedAt: at(2 * time.Minute), Incident: "INC-1",
		Fate: correlate.Fate{Kind: correlate.FatePaged, Text: "covered by the opening page of INC-1"},
	}
	inc := &correlate.Incident{
		ID: "INC-1", Number: 1, State: correlate.IncidentResolved, OpenedAt: at(time.Second), UpdatedAt: at(12 * time.Minute), ResolvedAt: at(12 * time.Minute),
		Paging: correlate.Paging{Opens: 1, Seq: 2},
	}
	return &rows{
		incidents: []*correlate.Incident{inc},
		pages: map[string][]*correlate.OutboxEntry{"INC-1": {
			page(correlate.PageOpen, 1, 31*time.Second, "opened 30s ago, nobody paged yet", 200*time.Millisecond),
			page(correlate.PageResolve, 2, 12*time.Minute, "all 1 alert ended 10m ago", 200*time.Millisecond),
		}},
		alerts:  []*correlate.AlertState{row},
		entries: []correlate.Input{{Pos: 1, At: at(0), Signal: &correlate.AlertBatch{Alerts: []correlate.Alert{alert}}}},
		now:     at(time.Hour), applied: 9,
	}
}

func page(kind correlate.PageKind, seq uint64, decided time.Duration, why string, took time.Duration) *correlate.OutboxEntry {
	return &correlate.OutboxEntry{
		Page:       &correlate.Page{Incident: correlate.Incident{ID: "INC-1"}, Seq: seq, Kind: kind, At: at(decided), Reason: why},
		Deliveries: []correlate.Delivery{{Receiver: "oncall", Integration: "pagerduty", Attempts: 1, SentAt: at(decided + took)}},
		Done:       true,
	}
}

// An audit that finds nothing proves something only when it would have found it: each case
// breaks one promise in rows that keep them all.
func TestEachBrokenPromiseIsFound(t *testing.T) {
	if r := told().audit(); !r.Clean() {
		t.Fatalf("rows without fault: %+v", r.Findings)
	}
	opening := func(r *rows) *correlate.OutboxEntry { return r.pages["INC-1"][0] }
	unsent := func(e *correlate.OutboxEntry, d correlate.Delivery) {
		d.Receiver, d.Integration = "oncall", "pagerduty"
		e.Deliveries, e.Done = []correlate.Delivery{d}, false
	}
	for _, c := range []struct {
		name  string
		spoil func(*rows)
		kind  audit.Kind
		says  string
	}{
		{"no page was decided", func(r *rows) { r.pages = nil }, audit.Swallowed, "no opening page was decided"},
		{"no receiver took the page", func(r *rows) {
			unsent(opening(r), correlate.Delivery{Attempts: 7, LastError: "connection refused"})
		}, audit.Swallowed, "failed 7 times, last: connection refused"},
		{"nobody tried to deliver", func(r *rows) { opening(r).Deliveries, opening(r).Done = nil, false }, audit.Swallowed, "no receiver has taken it"},
		{"the page was given up", func(r *rows) {
			unsent(opening(r), correlate.Delivery{Attempts: 9, Skipped: "given up after 3 days: 401"})
		}, audit.Swallowed, "given up"},
		{"held past its due time", func(r *rows) {
			r.alerts[0].Fate = correlate.Fate{Kind: correlate.FateHeld, Text: "held for the opening page of INC-1"}
			r.incidents[0].State, r.incidents[0].Paging.DueAt = correlate.IncidentOpen, at(30*time.Second)
		}, audit.Swallowed, "was not decided"},
		{"held, and nothing is due", func(r *rows) {
			r.alerts[0].Fate = correlate.Fate{Kind: correlate.FateHeld, Text: "held for the opening page of INC-1"}
		}, audit.Swallowed, "was not decided"},
		{"never placed", func(r *rows) {
			r.alerts[0].Fate, r.alerts[0].Incident = correlate.Fate{Text: "waits for its companions"}, ""
		}, audit.Swallowed, "has not been placed yet"},
		{"not applied", func(r *rows) { r.alerts, r.applied = nil, 0 }, audit.Swallowed, "correlation has not come to it"},
		{"an alert is lost", func(r *rows) { r.alerts = nil }, audit.Lost, "no row of it"},
		{"no reason is written", func(r *rows) { r.alerts[0].Fate.Text = "" }, audit.Unexplained, "without a reason"},
		{"the incident is gone", func(r *rows) { r.incidents = nil }, audit.Unexplained, "does not exist"},
		{"the page came late", func(r *rows) { opening(r).Deliveries[0].SentAt = at(time.Minute) }, audit.Late, "29s later"},
		{"it rang twice", func(r *rows) {
			r.pages["INC-1"] = slices.Insert(r.pages["INC-1"], 1, page(correlate.PageOpen, 2, time.Minute, "again", 0))
		}, audit.Double, "the ring before had not ended"},
		{"one ring came twice", func(r *rows) {
			ring := page(correlate.PageRing, 2, time.Minute, "severity rose", 0)
			ring.Deliveries[0].Ring = 2
			again := page(correlate.PageEscalate, 3, 2*time.Minute, "nobody acknowledged", 0)
			again.Deliveries[0].Ring = 2
			r.pages["INC-1"] = slices.Insert(r.pages["INC-1"], 1, ring, again)
		}, audit.Double, "page 3 rang it again"},
		{"a second ring did not arrive", func(r *rows) {
			ring := page(correlate.PageRing, 2, time.Minute, "severity rose", 0)
			unsent(ring, correlate.Delivery{Attempts: 2, LastError: "timeout"})
			r.pages["INC-1"] = slices.Insert(r.pages["INC-1"], 1, ring)
		}, audit.Late, "failed 2 times, last: timeout"},
		{"an escalation was not ended", func(r *rows) {
			step := page(correlate.PageEscalate, 2, time.Minute, "nobody acknowledged", 0)
			step.Deliveries[0].Receiver, step.Deliveries[0].Ring = "lead", 2
			r.pages["INC-1"] = slices.Insert(r.pages["INC-1"], 1, step)
		}, audit.Unresolved, "no resolve was decided"},
		{"no resolve was decided", func(r *rows) { r.pages["INC-1"] = r.pages["INC-1"][:1] }, audit.Unresolved, "no resolve was decided"},
		{"the resolve did not arrive", func(r *rows) {
			unsent(r.pages["INC-1"][1], correlate.Delivery{Attempts: 3, LastError: "503"})
		}, audit.Unresolved, "not delivered: 503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := told()
			c.spoil(r)
			report := r.audit()
			i := slices.IndexFunc(report.Findings, func(f audit.Finding) bool { return f.Kind == c.kind && strings.Contains(f.Text, c.says) })
			if i < 0 || report.Counts[c.kind] == 0 {
				t.Errorf("found %+v, want one that is %s and says %q", report.Findings, c.kind, c.says)
			}
		})
	}
}

func TestWhatIsWithinItsBoundOrExcusedIsNoFinding(t *testing.T) {
	for _, c := range []struct {
		name  string
		spare func(*rows)
	}{
		{"its hold has a name and a deadline", func(r *rows) {
			r.alerts[0].Fate = correlate.Fate{Kind: correlate.FateHeld, Text: "held until 08:00: outside business hours"}
			r.incidents[0].State, r.incidents[0].Paging.DueAt, r.pages = correlate.IncidentOpen, at(5*time.Hour), nil
		}},
		{"the page is on its way", func(r *rows) {
			r.now = at(33 * time.Second)
			r.incidents[0].State = correlate.IncidentOpen
			r.pages["INC-1"] = r.pages["INC-1"][:1]
			r.pages["INC-1"][0].Deliveries = nil
			r.pages["INC-1"][0].Done = false
		}},
		{"the route leads to nobody", func(r *rows) {
			for _, p := range r.pages["INC-1"] {
				p.Deliveries = []correlate.Delivery{{Receiver: "blackhole", Integration: "none", Skipped: "the receiver has no integrations"}}
			}
		}},
		{"the receiver wants no resolves", func(r *rows) {
			r.pages["INC-1"][1].Deliveries[0] = correlate.Delivery{Receiver: "oncall", Integration: "pagerduty", Skipped: "send_resolved is false"}
		}},
		{"it rang again for a named change, and an edit went to those who had heard", func(r *rows) {
			ring := page(correlate.PageRing, 2, time.Minute, "severity rose from warning to critical", 0)
			ring.Deliveries[0].Ring = 2
			edit := page(correlate.PageEscalate, 3, 2*time.Minute, "nobody acknowledged", 0)
			r.pages["INC-1"] = slices.Insert(r.pages["INC-1"], 1, ring, edit)
		}},
		{"its page is that of the incident it was split from", func(r *rows) {
			r.alerts[0].Incident = "INC-2"
			r.incidents = append(r.incidents, &correlate.Incident{ID: "INC-2", State: correlate.IncidentOpen, SplitFrom: "INC-1"})
		}},
		{"not applied and not worth a page", func(r *rows) {
			r.alerts, r.applied = nil, 0
			r.entries[0].Signal.(*correlate.AlertBatch).Alerts[0].Labels["severity"] = "info"
		}},
		{"below severity", func(r *rows) {
			r.alerts[0].Fate = correlate.Fate{Kind: correlate.FateBelowSeverity, Text: "severity info: listed in INC-1, not paged"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := told()
			c.spare(r)
			if report := r.audit(); !report.Clean() {
				t.Errorf("found %+v", report.Findings)
			}
		})
	}
}

func TestAllAlertsOfOneSilenceAreOneFindingOfSoManyAlerts(t *testing.T) {
	r := told()
	r.pages = nil
	for n := range 499 {
		row := *r.alerts[0]
		row.Fingerprint = fmt.Sprintf("%016x", n+1)
		r.alerts = append(r.alerts, &row)
	}
	report := r.audit()
	if len(report.Findings) != 1 || report.Findings[0].Alerts != 500 || report.Broken() != 500 {
		t.Errorf("%d findings, %d broken: %+v", len(report.Findings), report.Broken(), report.Findings)
	}
}

func TestFindingsBeyondTheLimitAreCounted(t *testing.T) {
	r := &rows{now: at(time.Hour)}
	for n := range audit.MaxFindings + 5 {
		row := *told().alerts[0]
		row.Fingerprint, row.Incident, row.Fate.Text = fmt.Sprintf("%016x", n), "", ""
		r.alerts = append(r.alerts, &row)
	}
	if report := r.audit(); len(report.Findings) != audit.MaxFindings || report.Counts[audit.Unexplained] != audit.MaxFindings+5 {
		t.Errorf("%d findings told, counted %v", len(report.Findings), report.Counts)
	}
}

// What the engine writes in all its stories passes, when every page arrives at once; and when one
// page that covers alerts does not arrive, that is found.
func TestTheEnginesStoriesPassAndALostPageIsFoundInThem(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	lost := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		story, err := correlatetest.Run(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if report := auditStory(story, ""); !report.Clean() {
			t.Errorf("%s: %+v", filepath.Base(file), report.Findings)
		}
		for id := range story.Ledger.Pages {
			if auditStory(story, id).Counts[audit.Swallowed] > 0 {
				lost++
			}
		}
	}
	if lost < len(files)/2 {
		t.Errorf("%d lost pages were found in %d stories", lost, len(files))
	}
}

// auditStory delivers all pages but those of one incident.
func auditStory(story *correlatetest.Result, silent string) *audit.Report {
	l := story.Ledger
	a := audit.New(audit.Rules{Config: story.Config.WithDefaults(), Grace: audit.DefaultGrace},
		audit.Window{Until: l.Meta.Now.Add(time.Hour), Now: l.Meta.Now.Add(10 * time.Second), Applied: l.Meta.Pos})
	for _, i := range l.Incidents {
		var pages []*correlate.OutboxEntry
		for _, p := range l.Pages[i.ID] {
			e := &correlate.OutboxEntry{Page: p, Deliveries: []correlate.Delivery{{Receiver: "oncall", Integration: "webhook", SentAt: p.At}}}
			if i.ID == silent {
				e.Deliveries[0] = correlate.Delivery{Receiver: "oncall", Integration: "webhook", Attempts: 1, LastError: "503"}
			}
			pages = append(pages, e)
		}
		slices.SortFunc(pages, func(a, b *correlate.OutboxEntry) int { return cmp.Compare(a.Page.Seq, b.Page.Seq) })
		a.Incident(i, pages)
	}
	for _, row := range l.Alerts {
		a.Alert(row)
	}
	return a.Report()
}
