package acceptance

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// A checker that finds nothing wrong proves something only when it would have found
// it: each case breaks one promise in a record that keeps them all.
func TestAuditFindsBrokenPromises(t *testing.T) {
	type evidence struct {
		record   *record
		promised map[instance]string
		rung     map[string]call
		notices  []notice
	}
	whole := func() evidence {
		e := evidence{
			record: &record{
				incidents: map[string]*pb.Incident{"INC-1": {
					Id: "INC-1", State: pb.IncidentState_INCIDENT_STATE_RESOLVED, Alerts: 1,
					Pages: []*pb.Page{{Seq: 1, Kind: pb.PageKind_PAGE_KIND_OPEN, Done: true}, {Seq: 2, Kind: pb.PageKind_PAGE_KIND_RESOLVE, Done: true}},
				}},
				alerts: map[instance]*pb.Alert{"a@1": {
					Id: "a@1", Incident: "INC-1", Fate: &pb.Fate{Kind: pb.FateKind_FATE_KIND_PAGED, Text: "in INC-1"},
				}},
			},
			promised: map[instance]string{"a@1": resolved},
			rung:     map[string]call{dedupKey("INC-1"): {opens: 1, resolves: 1}},
		}
		for _, kind := range []string{"open", resolved} {
			e.notices = append(e.notices, noticeOf("INC-1", kind))
		}
		return e
	}
	find := func(e evidence) *findings {
		return audit(e.record, e.promised, map[instance]bool{"a@1": true}, e.rung, e.notices)
	}
	if f := find(whole()); len(f.losses)+len(f.missing)+len(f.duplicates)+len(f.other) > 0 {
		t.Fatalf("a record without fault: %+v", f)
	}
	all := func(f *findings) []string { return append(f.losses, f.other...) }
	missing := func(f *findings) []string { return f.missing }
	duplicates := func(f *findings) []string { return f.duplicates }
	for _, c := range []struct {
		name  string
		spoil func(e *evidence)
		in    func(*findings) []string
		says  string
	}{
		{"an alert is lost", func(e *evidence) { delete(e.record.alerts, "a@1") }, all, "a@1 (resolved) is nowhere"},
		{"an end is lost", func(e *evidence) { e.record.alerts["a@1"].Active = true }, all, "its end was taken"},
		{"a fate is not written", func(e *evidence) { e.record.alerts["a@1"].Fate = nil }, all, "no written fate"},
		{"an incident is lost", func(e *evidence) { delete(e.record.incidents, "INC-1") }, all, "which does not exist"},
		{"an alert is invented", func(e *evidence) { e.record.alerts["b@1"] = proto.CloneOf(e.record.alerts["a@1"]) }, all, "nobody ever sent b@1"},
		{"a page is missing", func(e *evidence) { e.rung = nil }, missing, "1 opening pages decided, 0 arrived"},
		{"it rings twice", func(e *evidence) { e.rung[dedupKey("INC-1")] = call{opens: 2, resolves: 2} }, duplicates, "1 opening pages decided, 2 arrived"},
		{"it rings for nothing", func(e *evidence) { e.rung["x"] = call{opens: 1} }, duplicates, "no incident"},
		{"the resolve is missing", func(e *evidence) { e.rung[dedupKey("INC-1")] = call{opens: 1, open: true} }, missing, "1 resolves decided, 0 arrived"},
		{"no resolve was decided", func(e *evidence) { e.record.incidents["INC-1"].Pages = e.record.incidents["INC-1"].GetPages()[:1] }, missing, "and 0 resolves"},
		{"no page was decided", func(e *evidence) { e.record.incidents["INC-1"].Pages = nil }, missing, "counts as paged"},
		{"a resolve without an opening", func(e *evidence) { e.rung[dedupKey("INC-1")] = call{orphans: 1, opens: 1, resolves: 1} }, all, "before any opening page"},
		{"the webhook got the resolve alone", func(e *evidence) { e.notices = e.notices[1:] }, missing, "the webhook got [resolved]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := whole()
			c.spoil(&e)
			if found := strings.Join(c.in(find(e)), "\n"); !strings.Contains(found, c.says) {
				t.Errorf("found %q, want %q among it", found, c.says)
			}
		})
	}
}

func noticeOf(incident, kind string) notice {
	var n notice
	n.Alerts = make([]struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}, 1)
	n.Alerts[0].Labels = map[string]string{"incident": incident}
	n.Alerts[0].Annotations = map[string]string{"kind": kind}
	return n
}
