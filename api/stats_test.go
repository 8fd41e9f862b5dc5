package api

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// stats is a client of a server that has rows of its own.
func (r *rig) stats(t testing.TB) pb.StatsServiceClient {
	_, conn := r.serve(t)
	return pb.NewStatsServiceClient(conn)
}

func TestStatsAreOfTheTimeThatIsAskedFor(t *testing.T) {
	r := newRig(t)
	resolved := func(i *correlate.Incident) {
		i.State, i.ResolvedAt, i.Sev = correlate.IncidentResolved, i.OpenedAt.Add(time.Hour), correlate.Sev2
		i.Paging.Seq = 1
	}
	for n := range uint64(3 * statsBatch) { // one a minute
		i := newIncident(n+1, resolved)
		r.put(t, i, newAlert(int(n)*60, i.ID), &correlate.Page{Incident: *i, Seq: 1, At: i.OpenedAt})
		delivered := []correlate.Delivery{{Receiver: "oncall", Integration: "slack", Attempts: 2, SentAt: i.OpenedAt.Add(10 * time.Second)}}
		if err := r.store.RecordDelivery(t.Context(), correlate.PageKey{Incident: i.ID, Seq: 1}, delivered, true, false); err != nil {
			t.Fatal(err)
		}
	}
	client := r.stats(t)
	since, until := startOfTests.Add(30*time.Minute), startOfTests.Add(250*time.Minute) // 03:30 to 07:10
	got, err := client.GetStats(t.Context(), &pb.GetStatsRequest{Since: timestamppb.New(since), Until: timestamppb.New(until), By: pb.StatsGrouping_STATS_GROUPING_TEAM})
	if err != nil {
		t.Fatal(err)
	}
	total := got.GetTotal()
	if total.GetAlerts() != 220 || total.GetIncidents() != 220 || total.GetPages() != 220 || total.GetPagesAtNight() != 210 || total.GetNoiseReduction() != 0 {
		t.Errorf("total %v", total)
	}
	if d := total.GetTimeToPage(); d.GetCount() != 220 || d.GetP95().AsDuration() != 40*time.Second || total.GetTimeToResolve().GetMean().AsDuration() != time.Hour+30*time.Second {
		t.Errorf("page %v, resolve %v", d, total.GetTimeToResolve())
	}
	if g := got.GetGroups(); len(g) != 2 || g[0].GetName() != "" || g[0].GetStats().GetAlerts() != 220 || g[1].GetName() != "storage" || g[1].GetStats().GetIncidents() != 220 {
		t.Errorf("groups %v; without a graph nobody owns the alerts' service", g)
	}
	if rec := got.GetReceivers(); len(rec) != 1 || rec[0].GetSent() != 220 || rec[0].GetFailedAttempts() != 220 {
		t.Errorf("receivers %v", rec)
	}
	if s := total.GetSeverities(); len(s) != 1 || s[0].GetSeverity() != pb.IncidentSeverity_INCIDENT_SEVERITY_SEV2 || s[0].GetIncidents() != 220 {
		t.Errorf("severities %v", s)
	}
	if o := got.GetOrigins(); len(o) != 1 || o[0].GetService() != "shop/mysql" || o[0].GetIncidents() != 220 {
		t.Errorf("origins %v", o)
	}
	if got.GetRevision() != uint64(3*statsBatch) {
		t.Errorf("revision %d", got.GetRevision())
	}
}

func TestStatsRefuseTimesThatAreNone(t *testing.T) {
	client := newRig(t).stats(t)
	for name, req := range map[string]*pb.GetStatsRequest{
		"ends before it begins": {Since: timestamppb.New(startOfTests), Until: timestamppb.New(startOfTests.Add(-time.Second))},
		"begins in the future":  {Since: timestamppb.New(time.Now().Add(time.Hour))},
		"no such time zone":     {TimeZone: "Mars/Olympus"},
		"a file":                {TimeZone: "../../etc/passwd"},
		"the server's own zone": {TimeZone: "Local"},
		"an unknown grouping":   {By: 9},
	} {
		if _, err := client.GetStats(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	far := &pb.GetStatsRequest{Since: &timestamppb.Timestamp{Seconds: -62135596800}} // the year 1
	if got, err := client.GetStats(t.Context(), far); err != nil || got.GetTotal().GetAlerts() != 0 || got.GetTotal().NoiseReduction != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

func TestAConfirmedOriginCountsForTheOneThatWasNamed(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	right, wrong := r.openIncident(t, "cart"), r.openIncident(t, "batch")
	_, conn := r.serve(t)
	incidents, client := pb.NewIncidentServiceClient(conn), pb.NewStatsServiceClient(conn)
	said, err := incidents.SetIncidentOrigin(t.Context(), &pb.SetIncidentOriginRequest{Id: right, Confirm: true, Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if o := said.GetIncident().GetSetOrigin(); o.GetService().GetName() != "cart" || len(o.GetNamed()) == 0 || o.GetNamed()[0].GetName() != "cart" {
		t.Errorf("said %v", o)
	}
	for _, service := range []string{"web", "search"} { // said twice, counted once
		if _, err := incidents.SetIncidentOrigin(t.Context(), &pb.SetIncidentOriginRequest{Id: wrong, Service: service}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := client.GetStats(t.Context(), &pb.GetStatsRequest{Since: timestamppb.New(startOfTests)})
	if err != nil {
		t.Fatal(err)
	}
	if s := got.GetTotal(); s.GetOriginsSaid() != 2 || s.GetOriginsFirst() != 1 || s.GetOriginsTop3() != 1 {
		t.Errorf("said %d, first %d, top 3 %d", s.GetOriginsSaid(), s.GetOriginsFirst(), s.GetOriginsTop3())
	}
	if _, err := incidents.SetIncidentOrigin(t.Context(), &pb.SetIncidentOriginRequest{Id: right, Confirm: true, Service: "web"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("confirmed with a service: %v", err)
	}
}

func TestWhatHasNoCandidateCannotBeConfirmed(t *testing.T) {
	r := newRig(t)
	r.put(t, newIncident(1, func(i *correlate.Incident) { i.Origins = nil }))
	_, err := r.incidents(t).SetIncidentOrigin(t.Context(), &pb.SetIncidentOriginRequest{Id: "INC-1", Confirm: true})
	if status.Code(err) != codes.FailedPrecondition {
		t.Error(err)
	}
}

func TestTeamsOfAlertsAreThoseOfTheGraph(t *testing.T) {
	r := newRig(t)
	r.put(t, &topology.Spec{Version: "1", Services: []topology.Service{{Namespace: "shop", Name: "cart", Owner: "web team"}}}, newAlert(1, ""))
	got, err := r.stats(t).GetStats(t.Context(), &pb.GetStatsRequest{Since: timestamppb.New(startOfTests), By: pb.StatsGrouping_STATS_GROUPING_TEAM})
	if err != nil {
		t.Fatal(err)
	}
	if g := got.GetGroups(); len(g) != 1 || g[0].GetName() != "web team" {
		t.Errorf("groups %v", g)
	}
	if got.GetTotal().GetTimeToDetect().GetMean() != (*durationpb.Duration)(nil) {
		t.Error("the mean of nothing is told")
	}
}
