package api

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headwater-sre/headwater/api/setup"
	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// knownSetup is a server that only logs its pages.
type knownSetup struct{}

func (knownSetup) Setup(context.Context) setup.Facts {
	resolver, err := topology.NewResolver(topology.ResolverConfig{})
	if err != nil {
		panic(err)
	}
	return setup.Facts{Resolver: resolver, Started: time.Now().Add(-time.Hour), Paging: setup.Paging{LogOnly: true}}
}

func TestFindingsAreMadeOfWhatIsStored(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Setup = knownSetup{} })
	spec := topology.Spec{Version: "v1", Services: []topology.Service{{Name: "web"}, {Name: "cart"}}, Dependencies: []topology.Dependency{{From: topology.Ref{Name: "web"}, To: topology.Ref{Name: "cart"}}}}
	if _, err := r.stream.Publish(t.Context(), &correlate.TopologyReport{Source: "test", Spec: spec}); err != nil {
		t.Fatal(err)
	}
	odd := &correlate.AlertState{Severity: correlate.SeverityCritical, Sender: "prometheus", FirstSeen: time.Now(), LastSeen: time.Now()}
	odd.Fingerprint, odd.StartsAt = "1", time.Now().Add(-time.Minute)
	odd.Labels = map[string]string{"alertname": "Odd", "comp": "cart"}
	old := &correlate.AlertState{Severity: correlate.SeverityCritical}
	old.Fingerprint, old.StartsAt = "2", time.Now().Add(-setup.AlertWindow-time.Hour)
	old.Labels = map[string]string{"alertname": "Old", "other": "web"}
	second := *odd
	second.Fingerprint, second.Labels = "3", map[string]string{"alertname": "Odd", "comp": "web"}
	r.put(t, odd, &second, old)
	_, conn := r.serve(t)
	client := pb.NewSetupServiceClient(conn)

	got, err := client.ListFindings(t.Context(), &pb.ListFindingsRequest{LeastSeverity: pb.FindingSeverity_FINDING_SEVERITY_ERROR})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.GetFindings()) != 2 || got.GetAlertCount() != 2 || got.GetServiceCount() != 2 || got.GetTopologyVersion() != "v1" || got.GetRevision() == 0 {
		t.Fatalf("got %v", got)
	}
	if f := got.GetFindings()[0]; f.GetKind() != pb.FindingKind_FINDING_KIND_LOG_ONLY || f.GetSnippet().GetTarget() != "headwater.yaml" || !f.GetSnippet().GetPlaceholders() {
		t.Errorf("first %v", f)
	}
	f := got.GetFindings()[1]
	if f.GetKind() != pb.FindingKind_FINDING_KIND_UNMAPPED_ALERTS || f.GetEvidence()[0].GetText() != `Odd{comp="cart"}` || f.GetEvidence()[0].GetCount() != 1 || f.GetEvidence()[0].GetLastAt() == nil {
		t.Errorf("second %v", f)
	}
	all, err := client.ListFindings(t.Context(), &pb.ListFindingsRequest{})
	if err != nil || len(all.GetFindings()) <= len(got.GetFindings()) {
		t.Errorf("without a least severity: %v, %v", all, err)
	}
	if _, err := client.ListFindings(t.Context(), &pb.ListFindingsRequest{LeastSeverity: 9}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a severity that does not exist: %v", err)
	}
}

func TestFindingsAreThereWhenNothingIs(t *testing.T) {
	web := newRig(t).web(t)
	code, got := call(t, "GET", web.URL+"/api/v1/setup/findings", "")
	if code != 200 || at(got, "findings", 0, "severity") != "FINDING_SEVERITY_ERROR" || at(got, "alert_count") != "0" {
		t.Errorf("%d %v", code, got)
	}
}

func TestOneLookAtATimeAndOthersWaitNoLongerThanTheyWantTo(t *testing.T) {
	r := newRig(t)
	r.examining <- struct{}{} // somebody looks
	s := setupService{Server: r.Server}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ListFindings(ctx, &pb.ListFindingsRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-r.examining
	if _, err := s.ListFindings(t.Context(), &pb.ListFindingsRequest{}); err != nil {
		t.Error(err)
	}
}

func TestKindsAndSeveritiesAreThoseOfTheAPI(t *testing.T) {
	for kind, want := range map[setup.Kind]pb.FindingKind{
		setup.LogOnly: pb.FindingKind_FINDING_KIND_LOG_ONLY, setup.NoAlerts: pb.FindingKind_FINDING_KIND_NO_ALERTS,
		setup.UnmappedAlerts: pb.FindingKind_FINDING_KIND_UNMAPPED_ALERTS, setup.MissingEdge: pb.FindingKind_FINDING_KIND_MISSING_EDGE,
		setup.NoRunbook: pb.FindingKind_FINDING_KIND_NO_RUNBOOK, setup.EmptySource: pb.FindingKind_FINDING_KIND_EMPTY_SOURCE,
		setup.FailingAlertmanager: pb.FindingKind_FINDING_KIND_FAILING_ALERTMANAGER,
	} {
		if pb.FindingKind(kind) != want {
			t.Errorf("kind %d is %s", kind, pb.FindingKind(kind))
		}
	}
	if last := pb.FindingKind(len(pb.FindingKind_name) - 1); last != pb.FindingKind(setup.FailingAlertmanager) {
		t.Errorf("the API has %s, the findings do not", last)
	}
	if pb.FindingSeverity(setup.Error) != pb.FindingSeverity_FINDING_SEVERITY_ERROR || pb.FindingSeverity(setup.Hint) != pb.FindingSeverity_FINDING_SEVERITY_HINT {
		t.Error("severities differ")
	}
}
