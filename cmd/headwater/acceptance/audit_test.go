package acceptance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// record is everything that the API tells, history included.
type record struct {
	incidents map[string]*pb.Incident // by id, in full view
	alerts    map[instance]*pb.Alert
	health    map[string]*pb.HealthCheck // by namespace/service
}

// readRecord pages through the API.
func readRecord(ctx context.Context, conn grpc.ClientConnInterface) (*record, error) {
	r := &record{incidents: map[string]*pb.Incident{}, alerts: map[instance]*pb.Alert{}, health: map[string]*pb.HealthCheck{}}
	for token := ""; ; {
		page, err := pb.NewIncidentServiceClient(conn).ListIncidents(ctx, &pb.ListIncidentsRequest{
			PageSize: 200, PageToken: token, OrderBy: "opened_at asc", View: pb.IncidentView_INCIDENT_VIEW_FULL,
		})
		if err != nil {
			return nil, fmt.Errorf("list incidents: %w", err)
		}
		for _, i := range page.GetIncidents() {
			r.incidents[i.GetId()] = i
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	for token := ""; ; {
		page, err := pb.NewAlertServiceClient(conn).ListAlerts(ctx, &pb.ListAlertsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, fmt.Errorf("list alerts: %w", err)
		}
		for _, a := range page.GetAlerts() {
			r.alerts[instance(a.GetId())] = a
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	page, err := pb.NewHealthServiceClient(conn).ListHealth(ctx, &pb.ListHealthRequest{PageSize: 1000})
	if err != nil {
		return nil, fmt.Errorf("list health: %w", err)
	}
	for _, c := range page.GetChecks() {
		r.health[c.GetService().GetNamespace()+"/"+c.GetService().GetName()] = c
	}
	return r, nil
}

// quiet returns an error while something is still to come: an open incident, an
// alert without its final fate, a page that is not delivered.
func (r *record) quiet() error {
	for _, i := range r.incidents {
		if i.GetState() == pb.IncidentState_INCIDENT_STATE_OPEN {
			return fmt.Errorf("%s is open with %d firing alerts", i.GetId(), i.GetFiring())
		}
	}
	for id, a := range r.alerts {
		switch a.GetFate().GetKind() {
		case pb.FateKind_FATE_KIND_PENDING, pb.FateKind_FATE_KIND_HELD:
			return fmt.Errorf("the fate of %s is %s", id, a.GetFate())
		}
	}
	return r.delivered()
}

// delivered returns an error while a page is not.
func (r *record) delivered() error {
	for _, i := range r.incidents {
		for _, p := range i.GetPages() {
			if !p.GetDone() {
				return fmt.Errorf("page %d (%s) of %s is not done: %v", p.GetSeq(), p.GetKind(), i.GetId(), p.GetDeliveries())
			}
		}
	}
	return nil
}

// findings are broken promises, in words.
type findings struct {
	losses     []string // acknowledged alerts of which there is no account
	missing    []string // pages that on-call should have got and did not
	duplicates []string // pages that on-call got and should not have
	other      []string // what else does not fit together

	folded  int // repeats that a deduplication key took care of
	repeats int // repeats at the webhook, which has none
}

// audit compares what senders were promised and what receivers got with what the
// server says of itself. The record must be quiet.
func audit(r *record, promised map[instance]string, attempted map[instance]bool, rung map[string]call, notices []notice) *findings {
	f := new(findings)
	f.account(r, promised, attempted)
	f.pages(r, rung)
	f.webhook(r, notices)
	for _, list := range [][]string{f.losses, f.missing, f.duplicates, f.other} {
		slices.Sort(list)
	}
	return f
}

// account checks that each alert that was answered with 2xx is in an incident or has
// a written fate, and that it ended when its sender said so.
func (f *findings) account(r *record, promised map[instance]string, attempted map[instance]bool) {
	for id, status := range promised {
		a := r.alerts[id]
		switch {
		case a == nil:
			f.losses = append(f.losses, fmt.Sprintf("%s (%s) is nowhere", id, status))
		case status == resolved && a.GetActive():
			f.losses = append(f.losses, fmt.Sprintf("%s fires, its end was taken", id))
		case a.GetFate().GetKind() == pb.FateKind_FATE_KIND_UNSPECIFIED || a.GetFate().GetText() == "":
			f.losses = append(f.losses, fmt.Sprintf("%s has no written fate", id))
		}
	}
	for id, a := range r.alerts {
		if !attempted[id] {
			f.other = append(f.other, fmt.Sprintf("nobody ever sent %s", id))
		}
		if a.GetIncident() == "" {
			continue
		}
		switch i := r.incidents[a.GetIncident()]; {
		case i == nil:
			f.losses = append(f.losses, fmt.Sprintf("%s is in %s, which does not exist", id, a.GetIncident()))
		case i.GetState() == pb.IncidentState_INCIDENT_STATE_MERGED:
			f.other = append(f.other, fmt.Sprintf("%s is in %s, which was merged into %s", id, i.GetId(), i.GetMergedInto()))
		case a.GetFate().GetKind() == pb.FateKind_FATE_KIND_PAGED && openings(i) == 0 && !inheritsPage(r, i):
			f.missing = append(f.missing, fmt.Sprintf("%s counts as paged, but %s has no opening page", id, i.GetId()))
		}
	}
	members := map[string]int{}
	for _, a := range r.alerts {
		members[a.GetIncident()]++
	}
	for id, i := range r.incidents {
		if i.GetState() != pb.IncidentState_INCIDENT_STATE_MERGED && int(i.GetAlerts()) != members[id] {
			f.other = append(f.other, fmt.Sprintf("%s counts %d alerts, %d are in it", id, i.GetAlerts(), members[id]))
		}
	}
}

// openings counts the opening pages that were decided.
func openings(i *pb.Incident) int { return count(i, pb.PageKind_PAGE_KIND_OPEN) }

func count(i *pb.Incident, kind pb.PageKind) int {
	n := 0
	for _, p := range i.GetPages() {
		if p.GetKind() == kind {
			n++
		}
	}
	return n
}

// inheritsPage: an incident that took over another one took over its page.
func inheritsPage(r *record, i *pb.Incident) bool {
	return slices.ContainsFunc(i.GetMerged(), func(id string) bool { return openings(r.incidents[id]) > 0 })
}

// pages checks PagerDuty's side: each opening page that was decided rang once, each
// was resolved in the end, and nothing else rang but what was decided to ring again.
func (f *findings) pages(r *record, rung map[string]call) {
	known := map[string]bool{}
	for id, i := range r.incidents {
		c := callOf(id, len(i.GetPages()), rung, known)
		opens, resolves := openings(i), count(i, pb.PageKind_PAGE_KIND_RESOLVE)
		again := count(i, pb.PageKind_PAGE_KIND_RING) + count(i, pb.PageKind_PAGE_KIND_ESCALATE)
		f.folded += c.folded + c.strays - updates(i)
		switch {
		case c.opens < opens:
			f.missing = append(f.missing, fmt.Sprintf("%s: %d opening pages decided, %d arrived", id, opens, c.opens))
		case c.opens > opens+again:
			f.duplicates = append(f.duplicates, fmt.Sprintf("%s: %d opening pages decided, %d arrived", id, opens+again, c.opens))
		}
		switch {
		case c.orphans > 0:
			f.other = append(f.other, fmt.Sprintf("%s: a resolve arrived before any opening page", id))
		case resolves != opens:
			f.missing = append(f.missing, fmt.Sprintf("%s: %d opening pages decided and %d resolves", id, opens, resolves))
		case c.open || c.resolves != c.opens:
			f.missing = append(f.missing, fmt.Sprintf("%s: %d resolves decided, %d arrived, open=%v", id, c.opens, c.resolves, c.open))
		}
	}
	for key, c := range rung {
		if !known[key] {
			f.duplicates = append(f.duplicates, fmt.Sprintf("PagerDuty has %q, which is no incident", c.summary))
		}
	}
}

// callOf is what PagerDuty has of an incident: one of its own for each time that it rang. The keys
// are noted as known.
func callOf(id string, rings int, rung map[string]call, known map[string]bool) call {
	var all call
	for n := 1; n <= max(1, rings); n++ {
		key := ringKey(id, n)
		known[key] = true
		c := rung[key]
		all.open = all.open || c.open
		all.opens, all.folded = all.opens+c.opens, all.folded+c.folded
		all.resolves, all.strays, all.orphans = all.resolves+c.resolves, all.strays+c.strays, all.orphans+c.orphans
	}
	return all
}

// updates counts the updates that reached PagerDuty, which fold without being repeats.
func updates(i *pb.Incident) int {
	n := 0
	for _, p := range i.GetPages() {
		if p.GetKind() != pb.PageKind_PAGE_KIND_UPDATE {
			continue
		}
		for _, d := range p.GetDeliveries() {
			if d.GetIntegration() == "pagerduty" && d.GetSentAt() != nil {
				n++
			}
		}
	}
	return n
}

// webhook checks the collecting webhook's side: at least one of each page in the
// right order, and counts the repeats.
func (f *findings) webhook(r *record, notices []notice) {
	arrived := map[string][]string{}
	for _, n := range notices {
		if n.kind() == "open" || n.kind() == resolved {
			arrived[n.incident()] = append(arrived[n.incident()], n.kind())
		}
	}
	for id, i := range r.incidents {
		var want []string
		for _, p := range i.GetPages() {
			switch p.GetKind() {
			case pb.PageKind_PAGE_KIND_OPEN:
				want = append(want, "open")
			case pb.PageKind_PAGE_KIND_RESOLVE:
				want = append(want, resolved)
			}
		}
		got := slices.Compact(slices.Clone(arrived[id]))
		f.repeats += len(arrived[id]) - len(got)
		if !slices.Equal(got, want) {
			f.missing = append(f.missing, fmt.Sprintf("%s: the webhook got %v, decided was %v", id, got, want))
		}
		delete(arrived, id)
	}
	for _, id := range slices.Sorted(maps.Keys(arrived)) {
		f.duplicates = append(f.duplicates, fmt.Sprintf("the webhook got %v for %s, which is no incident", arrived[id], id))
	}
}

// probes checks that the latest health result that was answered with 2xx is known.
func (f *findings) probes(r *record, probed map[string]time.Time) {
	for service, at := range probed {
		if c := r.health[service]; !c.GetCheckedAt().AsTime().Equal(at) {
			f.losses = append(f.losses, fmt.Sprintf("health of %s is as of %s, that of %s was taken", service, c.GetCheckedAt().AsTime(), at))
		}
	}
}

// report fails the test for each broken promise.
func (f *findings) report(t testing.TB) {
	t.Helper()
	for _, list := range []struct {
		what  string
		found []string
	}{{"lost", f.losses}, {"page missing", f.missing}, {"page too many", f.duplicates}, {"inconsistent", f.other}} {
		for i, text := range list.found {
			if i == 20 {
				t.Errorf("%s: and %d more", list.what, len(list.found)-i)
				break
			}
			t.Errorf("%s: %s", list.what, text)
		}
	}
}
