package api

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func TestAWindowOfMaintenanceIsDeclaredListedAndEnded(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	_, conn := r.serve(t)
	client := pb.NewMaintenanceServiceClient(conn)
	until := timestamppb.New(time.Now().Add(time.Hour))
	made, err := client.CreateMaintenance(t.Context(), &pb.CreateMaintenanceRequest{Services: []string{"web"}, Dependents: true, Until: until, Reason: "upgrade", Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	w := made.GetMaintenance()
	if w.GetId() != "MW-1" || w.GetCreatedBy() != "ann" || w.GetState() != pb.MaintenanceState_MAINTENANCE_STATE_ACTIVE || len(w.GetServices()) != 1 {
		t.Errorf("declared %v", w)
	}
	listed, err := client.ListMaintenance(t.Context(), &pb.ListMaintenanceRequest{})
	if err != nil || len(listed.GetMaintenance()) != 1 {
		t.Errorf("listed %v, %v", listed, err)
	}
	ended, err := client.EndMaintenance(t.Context(), &pb.EndMaintenanceRequest{Id: "MW-1", Actor: "ben"})
	if err != nil || ended.GetMaintenance().GetEndedBy() != "ben" || ended.GetMaintenance().GetState() != pb.MaintenanceState_MAINTENANCE_STATE_OVER {
		t.Errorf("ended %v, %v", ended, err)
	}
	if now, err := client.ListMaintenance(t.Context(), &pb.ListMaintenanceRequest{}); err != nil || len(now.GetMaintenance()) != 0 {
		t.Errorf("what is over is listed: %v, %v", now, err)
	}
	if all, err := client.ListMaintenance(t.Context(), &pb.ListMaintenanceRequest{All: true}); err != nil || len(all.GetMaintenance()) != 1 {
		t.Errorf("what is over is forgotten: %v, %v", all, err)
	}
	_, err = client.EndMaintenance(t.Context(), &pb.EndMaintenanceRequest{Id: "MW-1"})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("ended twice: %v", err)
	}
}

func TestAWindowThatMakesNoSenseIsRefused(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	_, conn := r.serve(t)
	client := pb.NewMaintenanceServiceClient(conn)
	later, before := timestamppb.New(time.Now().Add(time.Hour)), timestamppb.New(time.Now().Add(-time.Hour))
	for name, c := range map[string]struct {
		req  *pb.CreateMaintenanceRequest
		want codes.Code
	}{
		"over everything":   {&pb.CreateMaintenanceRequest{Until: later, Reason: "x"}, codes.InvalidArgument},
		"without a reason":  {&pb.CreateMaintenanceRequest{Services: []string{"web"}, Until: later}, codes.InvalidArgument},
		"without an end":    {&pb.CreateMaintenanceRequest{Services: []string{"web"}, Reason: "x"}, codes.InvalidArgument},
		"a broken matcher":  {&pb.CreateMaintenanceRequest{Matchers: []string{"web"}, Until: later, Reason: "x"}, codes.InvalidArgument},
		"the wrong way":     {&pb.CreateMaintenanceRequest{Services: []string{"web"}, From: later, Until: before, Reason: "x"}, codes.FailedPrecondition},
		"of no one's place": {&pb.CreateMaintenanceRequest{Services: []string{"nowhere"}, Until: later, Reason: "x"}, codes.FailedPrecondition},
	} {
		if _, err := client.CreateMaintenance(t.Context(), c.req); status.Code(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.GetMaintenance(t.Context(), &pb.GetMaintenanceRequest{Id: "MW-9"}); status.Code(err) != codes.NotFound {
		t.Errorf("one that there is not: %v", err)
	}
}
