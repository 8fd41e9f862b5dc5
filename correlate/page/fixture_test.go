package page

import (
	"flag"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares got with testdata/<name>.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
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

func readGolden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// began is when the collapse of the fixtures began.
var began = time.Date(2026, 3, 14, 3, 0, 12, 0, time.UTC)

func shop(name string) topology.Ref { return topology.Ref{Namespace: "robot-shop", Name: name} }

func struck(name string, s correlate.Severity, alerts int) correlate.ServiceImpact {
	return correlate.ServiceImpact{Service: shop(name), Severity: s, Alerts: alerts, Firing: alerts, Since: began}
}

func member(name, service, severity, summary string) correlate.AlertState {
	return correlate.AlertState{
		Alert: correlate.Alert{
			Fingerprint: "00000000000000aa", StartsAt: began,
			Labels:      map[string]string{"alertname": name, "service": service, "severity": severity},
			Annotations: map[string]string{"summary": summary},
		},
		Service: shop(service), Severity: correlate.ParseSeverity(severity),
	}
}

// collapse is the connection collapse of a shared database that nothing watches:
// the opening page, 4 minutes in.
func collapse() *correlate.Page {
	return &correlate.Page{
		Seq: 1, Kind: correlate.PageOpen, At: began.Add(4 * time.Minute), Reason: "the origin is all but certain",
		Incident: correlate.Incident{
			ID: "INC-41", Number: 41, Title: "HighLatencyP90", Severity: correlate.SeverityCritical, Sev: correlate.Sev1, Environment: "prod-eu",
			StartedAt: began, OpenedAt: began.Add(30 * time.Second), Alerts: 14, Firing: 14,
			Origins: []correlate.Origin{{
				Service: shop("mysql"), Kind: topology.KindDatabase, Owner: "storage", Probability: .87, Silent: true,
				Reasons: []correlate.Reason{
					{Text: "has no alert of its own; both services that began to fail depend on it, nothing else does", Term: correlate.TermWay, Weight: 5.1},
					{Text: "ratings followed shipping by 5 min, as slow exhaustion does", Term: correlate.TermOrder, Weight: .9},
					{Text: "nothing watches it", Term: correlate.TermQuiet, Weight: -.4},
				},
			}, {
				Service: shop("shipping"), Kind: topology.KindAPI, Owner: "logistics", Probability: .09,
				Reasons: []correlate.Reason{{Text: "a client that leaks connections would explain it too", Term: correlate.TermWay, Weight: 2.2}},
			}},
			Unknown: .02,
			Services: []correlate.ServiceImpact{
				struck("shipping", correlate.SeverityCritical, 5), struck("web", correlate.SeverityWarning, 2), struck("ratings", correlate.SeverityCritical, 3),
				struck("cart", correlate.SeverityError, 2), struck("catalogue", correlate.SeverityWarning, 1), struck("user", correlate.SeverityWarning, 1),
			},
			NextHit: []topology.Ref{shop("payment")},
			Changes: []correlate.Change{{Service: shop("shipping"), Kind: "deploy", Summary: "datasource <pool> & timeouts", Link: "https://ci.example.org/deploy/812?a=1&b=2", At: began.Add(-50 * time.Hour)}},
			Gaps:    []string{"nothing watches mysql"},
			SeenBefore: correlate.SeenBefore{
				Times: 2, Typical: 45 * time.Minute,
				Latest: []correlate.Recurrence{
					{Incident: "INC-33", EndedAt: began.Add(-12 * 24 * time.Hour), Lasted: 23 * time.Minute, EndedBy: "restart shipping's pods", SameOrigin: true, Overlap: .8},
					{Incident: "INC-17", EndedAt: began.Add(-40 * 24 * time.Hour), Lasted: 45 * time.Minute, SameOrigin: true, Overlap: .5},
				},
				OpenItems: []correlate.OpenItem{{ID: "AI-3", Text: "return connections to the pool", Assignee: "ben"}}, OpenItemCount: 1,
			},
			Runbooks: []string{"https://runbooks.example.org/mysql"},
			Links:    []correlate.Link{{Title: "Grafana", URL: "https://grafana.example.org/d/service?var-service=mysql&from=1773456312000&to=now"}},
			Paging:   correlate.Paging{Opens: 1, Seq: 1},
		},
		Alerts: []correlate.AlertState{
			member("HighLatencyP90", "shipping", "critical", "P90 latency of shipping is 9.28 s"),
			member("HighErrorRate", "ratings", "critical", "84 % of requests to ratings fail"),
		},
	}
}

// spread is the update 6 minutes later.
func spread() *correlate.Page {
	p := collapse()
	p.Seq, p.Kind, p.At = 2, correlate.PageUpdate, began.Add(10*time.Minute)
	p.Reason = "9 services hit, was 6"
	p.Incident.Alerts, p.Incident.Firing = 23, 23
	p.Incident.Services = append(p.Incident.Services, struck("payment", correlate.SeverityCritical, 6), struck("dispatch", correlate.SeverityWarning, 2), struck("gateway", correlate.SeverityNone, 1))
	p.Incident.NextHit = nil
	p.Incident.Status, p.Incident.Ack = correlate.StatusInvestigating, &correlate.Acknowledgement{At: began.Add(5 * time.Minute), By: "ada"}
	p.Incident.Roles = []correlate.Role{{Name: correlate.RoleCommander, Who: "ada"}, {Name: correlate.RoleTechnicalLead, Who: "grace"}}
	p.Incident.Muted = 2
	p.Incident.Timeline = []correlate.TimelineEntry{
		{At: began.Add(5 * time.Minute), Kind: correlate.TimelineAcked, Text: "acknowledged", Actor: "ada", Source: "slack"},
		{At: began.Add(8 * time.Minute), Kind: correlate.TimelineUpdate, Text: "connections to mysql are used up; restarting shipping", Actor: "grace", Source: "hwctl"},
	}
	return p
}

// over is the resolve.
func over() *correlate.Page {
	p := spread()
	p.Seq, p.Kind, p.At = 3, correlate.PageResolve, began.Add(33*time.Minute)
	p.Reason = "all 23 alerts ended 10 min ago"
	p.Incident.Timeline = append(p.Incident.Timeline, correlate.TimelineEntry{At: began.Add(24 * time.Minute), Kind: correlate.TimelineStatus, Text: "mitigating, was investigating", Actor: "grace", Source: "hwctl"})
	p.Incident.QuietSince, p.Incident.Firing, p.Incident.Muted = began.Add(23*time.Minute), 0, 0
	for i := range p.Incident.Services {
		p.Incident.Services[i].Firing = 0
	}
	return p
}

// alone is the update of an incident that nobody has acknowledged.
func alone() *correlate.Page {
	p := spread()
	p.Incident.Ack, p.Incident.Roles, p.Incident.Status, p.Incident.Timeline = nil, nil, correlate.StatusDetected, nil
	return p
}

// further is a later page of the incident that nobody has acknowledged.
func further(seq uint64, kind correlate.PageKind, after time.Duration, reason string) *correlate.Page {
	p := alone()
	p.Seq, p.Kind, p.At, p.Reason = seq, kind, began.Add(after), reason
	return p
}

// night is a story in which everything happens that can: an edit, a ring for a named
// change, a reminder, an escalation, notices to a team that was hit, and the end.
func night() []*correlate.Page {
	again := further(3, correlate.PageRing, 12*time.Minute, "impact tripled: 9 services hit, was 3")
	again.Ring = 2
	remind := further(4, correlate.PageRing, 27*time.Minute, "not acknowledged for 15 min")
	remind.Ring = 3
	escalate := further(5, correlate.PageEscalate, 28*time.Minute, "nobody acknowledged within 25 min")
	escalate.Ring, escalate.To = 4, []string{"lead"}
	notice := further(6, correlate.PageNotice, 29*time.Minute, "shipping and ratings of logistics are hit; storage was paged")
	notice.Owners = []string{"logistics"}
	end := over()
	end.Seq = 7
	first := collapse()
	first.Ring = 1
	return []*correlate.Page{first, further(2, correlate.PageUpdate, 10*time.Minute, "9 services hit, was 6"), again, remind, escalate, notice, end}
}

// lone is one alert of one service.
func lone() *correlate.Page {
	return &correlate.Page{
		Seq: 1, Kind: correlate.PageOpen, At: began.Add(30 * time.Second), Reason: "opened 30 s ago, nobody paged yet",
		Incident: correlate.Incident{
			ID: "INC-42", Number: 42, Title: "HighLatency", Severity: correlate.SeverityWarning, Sev: correlate.Sev4, Environment: "prod-eu", StartedAt: began, Alerts: 1, Firing: 1,
			Origins:  []correlate.Origin{{Service: shop("cart"), Owner: "shop", Probability: .95, Reasons: []correlate.Reason{{Text: "its own alert", Weight: 3}}}},
			Services: []correlate.ServiceImpact{struck("cart", correlate.SeverityWarning, 1)},
			Runbooks: []string{"https://runbooks.example.org/latency"},
		},
		Alerts: []correlate.AlertState{member("HighLatency", "cart", "warning", "P99 latency of cart is 3.2 s")},
	}
}

// doubtful is an incident of which nobody knows where it began.
func doubtful() *correlate.Page {
	p := collapse()
	p.Incident.ID = "INC-43"
	p.Incident.Origins = []correlate.Origin{{Service: shop("cart"), Probability: .31, Reasons: []correlate.Reason{{Text: "failed first", Weight: .8}}}, {Service: shop("web"), Probability: .2}}
	p.Incident.Unknown, p.Incident.Gaps, p.Incident.Changes, p.Incident.Runbooks = .4, nil, nil, nil
	p.Incident.Truncated, p.Incident.Links = 7, nil
	return p
}

// crowd is one service with several alerts.
func crowd() *correlate.Page {
	p := lone()
	p.Incident.Alerts, p.Incident.Firing = 3, 3
	p.Incident.Services = []correlate.ServiceImpact{struck("cart", correlate.SeverityWarning, 3)}
	p.Alerts = append(p.Alerts, member("HighErrorRate", "cart", "warning", "7 % fail"), member("HighLatency", "cart", "warning", "P50 too"))
	p.Alerts[2].Muted, p.Incident.Muted = "silenced by grace", 1
	return p
}

var fixtures = []struct {
	name string
	page func() *correlate.Page
}{{"open", collapse}, {"update", spread}, {"resolve", over}, {"lone", lone}, {"unknown", doubtful}, {"one-service", crowd}}

const here = "https://headwater.example.org"

// routed makes a configuration ready.
func routed(t *testing.T, c *Config) *routing {
	t.Helper()
	u, err := url.Parse(here)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRouting(c, u, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
