package api

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// archive is all records that a server exports.
func archive(t testing.TB, client pb.ArchiveServiceClient, req *pb.ExportArchiveRequest) []*pb.ArchiveRecord {
	t.Helper()
	stream, err := client.ExportArchive(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var records []*pb.ArchiveRecord
	for {
		next, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, next.GetRecord())
	}
}

// ended is a server with INC-1, over, with alerts and an action item, and INC-2, which goes on.
func ended(t testing.TB, alerts int) *rig {
	r := newRig(t, func(o *Options) {
		o.Engine = func() correlate.Config { return correlate.Config{Environment: "prod"} }
	})
	rows := []any{newIncident(1, func(i *correlate.Incident) {
		i.State, i.ResolvedAt, i.Archived, i.Status = correlate.IncidentResolved, i.OpenedAt.Add(time.Hour), true, correlate.StatusClosed
		i.Closed = &correlate.Closure{At: i.ResolvedAt, By: "ann", Note: "the pool was raised"}
		i.Merged = []string{"INC-0"}
		i.Apart = []correlate.Parting{{Incident: "INC-2"}}
		i.Paging.UpdateDueAt = i.OpenedAt
	}), newIncident(2)}
	for n := range alerts {
		rows = append(rows, newAlert(n, "INC-1", func(a *correlate.AlertState) { a.Archived = true }))
	}
	r.put(t, rows...)
	if _, err := r.stream.Publish(t.Context(), &correlate.Command{Kind: correlate.CommandAddActionItem, Item: correlate.ActionItemEdit{Text: "free standing"}}); err != nil {
		t.Fatal(err)
	}
	item := &correlate.ActionItem{ID: "AI-7", Number: 7, Incident: "INC-1", Text: "raise the pool", Assignee: "ben"}
	r.stream.pos++
	delta := &correlate.Delta{Meta: correlate.Meta{Pos: r.stream.pos, Now: r.stream.now}, Actions: []*correlate.ActionItem{item}}
	if err := r.store.Commit(t.Context(), []*correlate.Delta{delta}, true); err != nil {
		t.Fatal(err)
	}
	return r
}

// later is an empty server for which what [ended] holds is over.
func later(t testing.TB) *rig {
	r := newRig(t)
	r.stream.feed(t, 24*time.Hour, correlate.Tick{})
	return r
}

func archives(t testing.TB, r *rig) pb.ArchiveServiceClient {
	_, conn := r.serve(t)
	return pb.NewArchiveServiceClient(conn)
}

func TestAnArchiveHoldsWhatIsOver(t *testing.T) {
	records := archive(t, archives(t, ended(t, archivedAlerts+1)), &pb.ExportArchiveRequest{})
	if len(records) != 5 || records[1].GetIncident() == nil || records[2].GetAlerts() == nil || records[4].GetEnd() == nil {
		t.Fatalf("got %v, want a header, an incident, its alerts in two records, and the end", records)
	}
	if h := records[0].GetHeader(); h.GetFormat() != archiveFormat || h.GetVersion() != 1 || h.GetEnvironment() != "prod" || h.GetExportedAt() == nil {
		t.Errorf("header %v", h)
	}
	if i := records[1].GetIncident(); i.GetIncident().GetId() != "INC-1" || i.GetIncident().GetTimeline() == nil || len(i.GetActionItems()) != 1 {
		t.Errorf("incident %v", i)
	}
	if a := records[2].GetAlerts(); a.GetIncident() != "INC-1" || len(a.GetAlerts()) != archivedAlerts || len(records[3].GetAlerts().GetAlerts()) != 1 {
		t.Errorf("alerts %v", a)
	}
	if e := records[4].GetEnd(); e.GetIncidents() != 1 || e.GetAlerts() != archivedAlerts+1 || e.GetActionItems() != 1 || e.GetOpen() != 1 {
		t.Errorf("end %v", e)
	}
	late := &pb.ExportArchiveRequest{Since: timestamppb.New(startOfTests.Add(time.Hour))}
	if got := archive(t, archives(t, ended(t, 1)), late); len(got) != 2 {
		t.Errorf("of a time in which nothing was opened: %v", got)
	}
}

// What goes out of one server and into another is the same there but for its ids, as often as it is done.
func TestAnArchiveIsTakenInOnceAndKeepsWhatItSays(t *testing.T) {
	from := archives(t, ended(t, archivedAlerts+1))
	records := archive(t, from, &pb.ExportArchiveRequest{})
	to := later(t)
	to.put(t, newIncident(1, func(i *correlate.Incident) { i.Environment = "staging" }))
	_, conn := to.serve(t)
	client, incidents := pb.NewArchiveServiceClient(conn), pb.NewIncidentServiceClient(conn)
	req := &pb.ImportArchiveRequest{Environment: "prod", Records: records, Actor: "ann"}
	got, err := client.ImportArchive(t.Context(), req)
	if err != nil || got.GetIncidents() != 1 || got.GetKnown() != 0 || got.GetAlerts() != archivedAlerts+1 || got.GetActionItems() != 1 || len(got.GetRefused()) > 0 {
		t.Fatalf("first: %v, %v", got, err)
	}
	first, err := incidents.GetIncident(t.Context(), &pb.GetIncidentRequest{Id: "prod.INC-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := proto.Clone(records[1].GetIncident().GetIncident()).(*pb.Incident)
	want.Id, want.Number, want.Merged, want.Apart, want.Revision = "prod.INC-1", first.GetIncident().GetNumber(), []string{"prod.INC-0"}, nil, first.GetIncident().GetRevision()
	want.Paging.UpdateDueAt, want.RouteLabels["incident"] = nil, "prod.INC-1"
	note := first.GetIncident().GetTimeline()[len(want.GetTimeline())]
	if note.GetText() != "imported from prod" || note.GetActor() != "ann" {
		t.Errorf("timeline %v", first.GetIncident().GetTimeline())
	}
	want.Timeline = append(want.Timeline, note)
	if diff := cmp.Diff(want, first.GetIncident(), protocmp.Transform()); diff != "" {
		t.Errorf("imported incident (-exported +imported):\n%s", diff)
	}
	item, err := pb.NewActionItemServiceClient(conn).GetActionItem(t.Context(), &pb.GetActionItemRequest{Id: "prod.AI-7"})
	if err != nil || item.GetActionItem().GetText() != "raise the pool" || item.GetActionItem().GetIncident() != "prod.INC-1" {
		t.Errorf("action item %v, %v", item, err)
	}
	alerts, err := pb.NewAlertServiceClient(conn).ListAlerts(t.Context(), &pb.ListAlertsRequest{Filter: `incident = "prod.INC-1"`, PageSize: 1000})
	if err != nil || len(alerts.GetAlerts()) != archivedAlerts+1 {
		t.Errorf("%d alerts, %v", len(alerts.GetAlerts()), err)
	}

	again, err := client.ImportArchive(t.Context(), req)
	if err != nil || again.GetIncidents() != 0 || again.GetKnown() != 1 {
		t.Errorf("again: %v, %v", again, err)
	}
	second, err := incidents.GetIncident(t.Context(), &pb.GetIncidentRequest{Id: "prod.INC-1"})
	if err != nil || !proto.Equal(first.GetIncident(), second.GetIncident()) {
		t.Errorf("importing it again changed it: %v", err)
	}
	list, err := incidents.ListIncidents(t.Context(), &pb.ListIncidentsRequest{})
	if err != nil || len(list.GetIncidents()) != 2 || list.GetIncidents()[0].GetId() != "INC-1" || list.GetIncidents()[1].GetId() != "prod.INC-1" {
		t.Errorf("list %v, %v", list, err)
	}
	if pages, err := to.store.PendingPages(t.Context(), 0); err != nil || len(pages) != 0 {
		t.Errorf("an import pages: %v, %v", pages, err)
	}
}

func TestAnImportThatWasCutOffIsCompleted(t *testing.T) {
	records := archive(t, archives(t, ended(t, 3)), &pb.ExportArchiveRequest{})
	client := archives(t, later(t))
	if got, err := client.ImportArchive(t.Context(), &pb.ImportArchiveRequest{Environment: "prod", Records: records[:2]}); err != nil || got.GetIncidents() != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	got, err := client.ImportArchive(t.Context(), &pb.ImportArchiveRequest{Environment: "prod", Records: records})
	if err != nil || got.GetKnown() != 1 || got.GetAlerts() != 3 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := client.ImportArchive(t.Context(), &pb.ImportArchiveRequest{Environment: "prod", Records: records[2:]}); err != nil || got.GetAlerts() != 3 || len(got.GetRefused()) > 0 {
		t.Errorf("alerts of an incident of an earlier request: %v, %v", got, err)
	}
}

func TestWhatIsOursIsNotImportedAnew(t *testing.T) {
	r := ended(t, 2)
	client := archives(t, r)
	records := archive(t, client, &pb.ExportArchiveRequest{})
	for _, part := range [][]*pb.ArchiveRecord{records, records[2:]} {
		got, err := client.ImportArchive(t.Context(), &pb.ImportArchiveRequest{Environment: "prod", Records: part})
		if err != nil || got.GetIncidents() != 0 || got.GetAlerts() != 0 || len(got.GetRefused()) > 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
	if after := archive(t, client, &pb.ExportArchiveRequest{}); len(after) != len(records) {
		t.Errorf("%d records, then %d", len(records), len(after))
	}
}

func TestImportsRefuseWhatIsNoHistory(t *testing.T) {
	r := later(t)
	client := archives(t, r)
	record := func(im *correlate.Import) *pb.ArchiveRecord {
		data, err := archiveData(im)
		if err != nil {
			t.Fatal(err)
		}
		return &pb.ArchiveRecord{Record: &pb.ArchiveRecord_Incident{Incident: &pb.ArchivedIncident{Data: data}}}
	}
	for name, rows := range map[string]*correlate.Import{
		"open":  {Incident: newIncident(4)},
		"no id": {Incident: &correlate.Incident{ID: "INC", State: correlate.IncidentResolved, ResolvedAt: startOfTests}},
		"large": {Incident: newIncident(5, func(i *correlate.Incident) {
			i.State, i.ResolvedAt, i.Title = 1, startOfTests, strings.Repeat("x", 1<<20)
		})},
		"orphans":    {Alerts: []*correlate.AlertState{newAlert(1, "INC-9")}},
		"to come":    {Incident: newIncident(6, func(i *correlate.Incident) { i.State, i.ResolvedAt = 1, startOfTests.Add(48*time.Hour) })},
		"far number": {Incident: newIncident(1<<40, func(i *correlate.Incident) { i.State, i.ResolvedAt = 1, startOfTests })},
	} {
		got, err := client.ImportArchive(t.Context(), &pb.ImportArchiveRequest{Environment: "prod", Records: []*pb.ArchiveRecord{record(rows)}})
		if err != nil || len(got.GetRefused()) != 1 || got.GetRefused()[0].GetReason() == "" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	garbage := &pb.ArchiveRecord{Record: &pb.ArchiveRecord_Alerts{Alerts: &pb.ArchivedAlerts{Data: []byte("\xff\xff")}}}
	for name, req := range map[string]*pb.ImportArchiveRequest{
		"no environment":   {},
		"a path":           {Environment: "../prod"},
		"a long name":      {Environment: strings.Repeat("x", 65)},
		"garbage":          {Environment: "prod", Records: []*pb.ArchiveRecord{garbage}},
		"nothing in it":    {Environment: "prod", Records: []*pb.ArchiveRecord{record(&correlate.Import{})}},
		"two incidents":    {Environment: "prod", Records: []*pb.ArchiveRecord{record(&correlate.Import{Alerts: []*correlate.AlertState{newAlert(1, "INC-1"), newAlert(2, "INC-2")}})}},
		"too many at once": {Environment: "prod", Records: make([]*pb.ArchiveRecord, maxImportRecords+1)},
	} {
		if _, err := client.ImportArchive(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	if _, err := r.store.ScanIncidents(context.Background(), 0, func(*correlate.Incident) bool { n++; return true }); err != nil || n != 0 {
		t.Errorf("%d incidents, %v", n, err)
	}
	if _, _, err := r.store.Incident(t.Context(), "prod.INC-4"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}
