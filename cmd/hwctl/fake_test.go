package main

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// fakeServer answers from messages in testdata and keeps what it was asked.
type fakeServer struct {
	headwaterv1.UnimplementedIncidentServiceServer
	headwaterv1.UnimplementedActionItemServiceServer
	headwaterv1.UnimplementedAlertServiceServer
	headwaterv1.UnimplementedHealthServiceServer
	headwaterv1.UnimplementedTopologyServiceServer
	headwaterv1.UnimplementedLearningServiceServer
	headwaterv1.UnimplementedSetupServiceServer
	headwaterv1.UnimplementedAuditServiceServer
	headwaterv1.UnimplementedStatsServiceServer
	headwaterv1.UnimplementedConfigServiceServer
	headwaterv1.UnimplementedArchiveServiceServer
	headwaterv1.UnimplementedReportServiceServer

	address string
	// watch, when set, is the whole of WatchIncidents.
	watch func(*headwaterv1.WatchIncidentsRequest, grpc.ServerStreamingServer[headwaterv1.WatchIncidentsResponse]) error

	mu       sync.Mutex
	requests []proto.Message
	auth     []string
}

// now is when the tests take place.
var now = time.Date(2026, 11, 20, 3, 4, 12, 0, time.UTC)

// newFakeServer serves until the test ends.
func newFakeServer(t testing.TB) *fakeServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{address: listener.Addr().String()}
	s := grpc.NewServer(grpc.UnaryInterceptor(f.record))
	headwaterv1.RegisterIncidentServiceServer(s, f)
	headwaterv1.RegisterActionItemServiceServer(s, f)
	headwaterv1.RegisterAlertServiceServer(s, f)
	headwaterv1.RegisterHealthServiceServer(s, f)
	headwaterv1.RegisterTopologyServiceServer(s, f)
	headwaterv1.RegisterLearningServiceServer(s, f)
	headwaterv1.RegisterSetupServiceServer(s, f)
	headwaterv1.RegisterAuditServiceServer(s, f)
	headwaterv1.RegisterStatsServiceServer(s, f)
	headwaterv1.RegisterConfigServiceServer(s, f)
	headwaterv1.RegisterArchiveServiceServer(s, f)
	headwaterv1.RegisterReportServiceServer(s, f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener) // ends with Stop
	}()
	t.Cleanup(func() { s.Stop(); <-done })
	return f
}

func (f *fakeServer) record(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	f.mu.Lock()
	f.requests = append(f.requests, proto.Clone(req.(proto.Message)))
	md, _ := metadata.FromIncomingContext(ctx)
	f.auth = md.Get("authorization")
	f.mu.Unlock()
	return handler(ctx, req)
}

// asked is the latest request.
func (f *fakeServer) asked(t *testing.T) proto.Message {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) == 0 {
		t.Fatal("nothing was asked")
	}
	return f.requests[len(f.requests)-1]
}

// canned reads an answer from testdata.
func canned[M proto.Message](name string, m M) (M, error) {
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		return m, err
	}
	return m, protojson.Unmarshal(data, m)
}

func (f *fakeServer) GetIncident(_ context.Context, req *headwaterv1.GetIncidentRequest) (*headwaterv1.GetIncidentResponse, error) {
	if req.GetId() != "INC-41" {
		return nil, status.Errorf(codes.NotFound, "no incident %q", req.GetId())
	}
	return canned("incident", &headwaterv1.GetIncidentResponse{})
}

// ListIncidents gives one incident a page, so that clients have to turn pages.
func (f *fakeServer) ListIncidents(_ context.Context, req *headwaterv1.ListIncidentsRequest) (*headwaterv1.ListIncidentsResponse, error) {
	all, err := canned("incidents", &headwaterv1.ListIncidentsResponse{})
	if err != nil {
		return nil, err
	}
	n := strings.Count(req.GetPageToken(), "x")
	page := &headwaterv1.ListIncidentsResponse{Incidents: all.GetIncidents()[n : n+1], Revision: all.GetRevision()}
	if n+1 < len(all.GetIncidents()) {
		page.NextPageToken = req.GetPageToken() + "x"
	}
	return page, nil
}

func (f *fakeServer) WatchIncidents(req *headwaterv1.WatchIncidentsRequest, stream grpc.ServerStreamingServer[headwaterv1.WatchIncidentsResponse]) error {
	return f.watch(req, stream)
}

func (f *fakeServer) AcknowledgeIncident(_ context.Context, req *headwaterv1.AcknowledgeIncidentRequest) (*headwaterv1.AcknowledgeIncidentResponse, error) {
	if req.GetId() == "INC-7" {
		return nil, status.Error(codes.FailedPrecondition, "INC-7 was merged into INC-41: acknowledge that")
	}
	i, err := f.after(req.GetId())
	if err != nil {
		return nil, err
	}
	i.Acknowledgement = &headwaterv1.Acknowledgement{At: timestamppb.New(now), Actor: req.GetActor(), Note: req.GetNote()}
	return &headwaterv1.AcknowledgeIncidentResponse{Incident: i, Revision: 900}, nil
}

func (f *fakeServer) ResolveIncident(_ context.Context, req *headwaterv1.ResolveIncidentRequest) (*headwaterv1.ResolveIncidentResponse, error) {
	i, err := f.after(req.GetId())
	if err != nil {
		return nil, err
	}
	i.State, i.ResolvedBy = headwaterv1.IncidentState_INCIDENT_STATE_RESOLVED, req.GetActor()
	return &headwaterv1.ResolveIncidentResponse{Incident: i, Revision: 900}, nil
}

func (f *fakeServer) AddIncidentNote(_ context.Context, req *headwaterv1.AddIncidentNoteRequest) (*headwaterv1.AddIncidentNoteResponse, error) {
	i, err := f.after(req.GetId())
	return &headwaterv1.AddIncidentNoteResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) SetIncidentOrigin(_ context.Context, req *headwaterv1.SetIncidentOriginRequest) (*headwaterv1.SetIncidentOriginResponse, error) {
	i, err := f.after(req.GetId())
	return &headwaterv1.SetIncidentOriginResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) MergeIncidents(_ context.Context, req *headwaterv1.MergeIncidentsRequest) (*headwaterv1.MergeIncidentsResponse, error) {
	i, err := f.after(req.GetInto())
	return &headwaterv1.MergeIncidentsResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) SplitIncident(_ context.Context, req *headwaterv1.SplitIncidentRequest) (*headwaterv1.SplitIncidentResponse, error) {
	i, err := f.after(req.GetId())
	left := &headwaterv1.Incident{Id: "INC-42", Headline: "[ERROR] ratings failing · 1 alert", SplitFrom: req.GetId()}
	return &headwaterv1.SplitIncidentResponse{Incident: i, SplitIncident: left, Revision: 900}, err
}

func (f *fakeServer) DetachIncidentAlerts(_ context.Context, req *headwaterv1.DetachIncidentAlertsRequest) (*headwaterv1.DetachIncidentAlertsResponse, error) {
	i, err := f.after(req.GetId())
	left := &headwaterv1.Incident{Id: "INC-42", Headline: "[ERROR] ratings failing · 1 alert", SplitFrom: req.GetId()}
	return &headwaterv1.DetachIncidentAlertsResponse{Incident: i, DetachedIncident: left, Revision: 900}, err
}

func (f *fakeServer) SetIncidentSeverity(_ context.Context, req *headwaterv1.SetIncidentSeverityRequest) (*headwaterv1.SetIncidentSeverityResponse, error) {
	i, err := f.after(req.GetId())
	if req.GetSeverity() != 0 {
		i.IncidentSeverity, i.IncidentSeverityReason = req.GetSeverity(), "set by "+req.GetActor()
	}
	return &headwaterv1.SetIncidentSeverityResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) SetIncidentStatus(_ context.Context, req *headwaterv1.SetIncidentStatusRequest) (*headwaterv1.SetIncidentStatusResponse, error) {
	i, err := f.after(req.GetId())
	i.Status = req.GetStatus()
	return &headwaterv1.SetIncidentStatusResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) AssignIncidentRole(_ context.Context, req *headwaterv1.AssignIncidentRoleRequest) (*headwaterv1.AssignIncidentRoleResponse, error) {
	i, err := f.after(req.GetId())
	i.Roles = nil
	if req.GetAssignee() != "" {
		i.Roles = []*headwaterv1.IncidentRole{{Role: req.GetRole(), Assignee: req.GetAssignee()}}
	}
	return &headwaterv1.AssignIncidentRoleResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) AddIncidentUpdate(_ context.Context, req *headwaterv1.AddIncidentUpdateRequest) (*headwaterv1.AddIncidentUpdateResponse, error) {
	i, err := f.after(req.GetId())
	return &headwaterv1.AddIncidentUpdateResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) SetIncidentLink(_ context.Context, req *headwaterv1.SetIncidentLinkRequest) (*headwaterv1.SetIncidentLinkResponse, error) {
	i, err := f.after(req.GetId())
	return &headwaterv1.SetIncidentLinkResponse{Incident: i, Revision: 900}, err
}

func (f *fakeServer) ListActionItems(context.Context, *headwaterv1.ListActionItemsRequest) (*headwaterv1.ListActionItemsResponse, error) {
	return canned("action-items", &headwaterv1.ListActionItemsResponse{})
}

func (f *fakeServer) CreateActionItem(_ context.Context, req *headwaterv1.CreateActionItemRequest) (*headwaterv1.CreateActionItemResponse, error) {
	return &headwaterv1.CreateActionItemResponse{ActionItem: &headwaterv1.ActionItem{
		Id: "AI-9", Text: req.GetText(), Incident: req.GetIncident(), Assignee: req.GetAssignee(), Due: req.GetDue(),
		Priority: req.GetPriority(), Status: headwaterv1.ActionStatus_ACTION_STATUS_OPEN,
	}, Revision: 900}, nil
}

func (f *fakeServer) UpdateActionItem(_ context.Context, req *headwaterv1.UpdateActionItemRequest) (*headwaterv1.UpdateActionItemResponse, error) {
	if req.GetId() != "AI-7" {
		return nil, status.Errorf(codes.NotFound, "there is no action item %q", req.GetId())
	}
	all, err := canned("action-items", &headwaterv1.ListActionItemsResponse{})
	if err != nil {
		return nil, err
	}
	item := all.GetActionItems()[0]
	if req.GetStatus() != 0 {
		item.Status = req.GetStatus()
	}
	if req.Assignee != nil {
		item.Assignee = req.GetAssignee()
	}
	if req.GetDue() != nil || req.GetClearDue() {
		item.Due = req.GetDue()
	}
	return &headwaterv1.UpdateActionItemResponse{ActionItem: item, Revision: 900}, nil
}

func (f *fakeServer) ListLearned(context.Context, *headwaterv1.ListLearnedRequest) (*headwaterv1.ListLearnedResponse, error) {
	return canned("learned", &headwaterv1.ListLearnedResponse{})
}

func (f *fakeServer) ResetLearned(context.Context, *headwaterv1.ResetLearnedRequest) (*headwaterv1.ResetLearnedResponse, error) {
	return &headwaterv1.ResetLearnedResponse{Revision: 902}, nil
}

// after is the incident that a command is answered with.
func (f *fakeServer) after(id string) (*headwaterv1.Incident, error) {
	answer, err := f.GetIncident(context.Background(), &headwaterv1.GetIncidentRequest{Id: id})
	return answer.GetIncident(), err
}

func (f *fakeServer) ListAlerts(context.Context, *headwaterv1.ListAlertsRequest) (*headwaterv1.ListAlertsResponse, error) {
	return canned("alerts", &headwaterv1.ListAlertsResponse{})
}

func (f *fakeServer) ListHealth(context.Context, *headwaterv1.ListHealthRequest) (*headwaterv1.ListHealthResponse, error) {
	return canned("health", &headwaterv1.ListHealthResponse{})
}

func (f *fakeServer) ReportHealth(context.Context, *headwaterv1.ReportHealthRequest) (*headwaterv1.ReportHealthResponse, error) {
	return &headwaterv1.ReportHealthResponse{Revision: 901}, nil
}

func (f *fakeServer) GetTopology(context.Context, *headwaterv1.GetTopologyRequest) (*headwaterv1.GetTopologyResponse, error) {
	return canned("topology", &headwaterv1.GetTopologyResponse{})
}

func (f *fakeServer) GetDependencies(_ context.Context, req *headwaterv1.GetDependenciesRequest) (*headwaterv1.GetDependenciesResponse, error) {
	if req.GetService() == "nowhere" {
		return nil, status.Error(codes.NotFound, `the graph has no service "nowhere"`)
	}
	return canned("dependencies", &headwaterv1.GetDependenciesResponse{})
}

func (f *fakeServer) GetDependents(context.Context, *headwaterv1.GetDependentsRequest) (*headwaterv1.GetDependentsResponse, error) {
	return canned("dependents", &headwaterv1.GetDependentsResponse{})
}

func (f *fakeServer) WhatBreaks(context.Context, *headwaterv1.WhatBreaksRequest) (*headwaterv1.WhatBreaksResponse, error) {
	return canned("what-breaks", &headwaterv1.WhatBreaksResponse{})
}

func (f *fakeServer) ListTopologySources(context.Context, *headwaterv1.ListTopologySourcesRequest) (*headwaterv1.ListTopologySourcesResponse, error) {
	return canned("topology-sources", &headwaterv1.ListTopologySourcesResponse{})
}

func (f *fakeServer) ListTopologySuggestions(context.Context, *headwaterv1.ListTopologySuggestionsRequest) (*headwaterv1.ListTopologySuggestionsResponse, error) {
	return canned("topology-suggestions", &headwaterv1.ListTopologySuggestionsResponse{})
}

func (f *fakeServer) ReplaceTopology(context.Context, *headwaterv1.ReplaceTopologyRequest) (*headwaterv1.ReplaceTopologyResponse, error) {
	return canned("topology-push", &headwaterv1.ReplaceTopologyResponse{})
}

func (f *fakeServer) PushTopology(context.Context, *headwaterv1.PushTopologyRequest) (*headwaterv1.PushTopologyResponse, error) {
	return canned("topology-push", &headwaterv1.PushTopologyResponse{})
}

func (f *fakeServer) DeleteTopologySource(_ context.Context, req *headwaterv1.DeleteTopologySourceRequest) (*headwaterv1.DeleteTopologySourceResponse, error) {
	if req.GetSource() != "ci" {
		return nil, status.Errorf(codes.NotFound, "nothing was pushed as %q", req.GetSource())
	}
	return &headwaterv1.DeleteTopologySourceResponse{TopologyVersion: "9f2c", Revision: 813}, nil
}

func (f *fakeServer) ListFindings(_ context.Context, req *headwaterv1.ListFindingsRequest) (*headwaterv1.ListFindingsResponse, error) {
	all, err := canned("findings", &headwaterv1.ListFindingsResponse{})
	all.Findings = slices.DeleteFunc(all.GetFindings(), func(f *headwaterv1.Finding) bool { return f.GetSeverity() < req.GetLeastSeverity() })
	return all, err
}

// GetAudit proves the last day and nothing else.
func (f *fakeServer) GetAudit(_ context.Context, req *headwaterv1.GetAuditRequest) (*headwaterv1.GetAuditResponse, error) {
	if req.GetSince().AsTime().Before(now.Add(-24 * time.Hour)) {
		return canned("audit-broken", &headwaterv1.GetAuditResponse{})
	}
	return canned("audit", &headwaterv1.GetAuditResponse{})
}

func (f *fakeServer) GetStats(_ context.Context, req *headwaterv1.GetStatsRequest) (*headwaterv1.GetStatsResponse, error) {
	answer, err := canned("stats", &headwaterv1.GetStatsResponse{})
	if req.GetBy() == headwaterv1.StatsGrouping_STATS_GROUPING_UNSPECIFIED {
		answer.Groups = nil
	}
	return answer, err
}

func (f *fakeServer) ExportArchive(_ *headwaterv1.ExportArchiveRequest, stream grpc.ServerStreamingServer[headwaterv1.ExportArchiveResponse]) error {
	all, err := canned("archive", &headwaterv1.ImportArchiveRequest{})
	for _, r := range all.GetRecords() {
		err = errors.Join(err, stream.Send(&headwaterv1.ExportArchiveResponse{Record: r}))
	}
	return err
}

// ImportArchive refuses what has no data.
func (f *fakeServer) ImportArchive(_ context.Context, req *headwaterv1.ImportArchiveRequest) (*headwaterv1.ImportArchiveResponse, error) {
	resp := &headwaterv1.ImportArchiveResponse{Known: 1, Revision: 903}
	for _, r := range req.GetRecords() {
		switch {
		case r.GetAlerts() != nil:
			resp.Alerts += 2
		case len(r.GetIncident().GetData()) == 0:
			resp.Refused = append(resp.Refused, &headwaterv1.RefusedImport{Incident: "INC-42", Reason: "prod.INC-42 goes on; only what is over can be imported"})
		default:
			resp.Incidents++
		}
	}
	return resp, nil
}

func (f *fakeServer) GetConfig(context.Context, *headwaterv1.GetConfigRequest) (*headwaterv1.GetConfigResponse, error) {
	return &headwaterv1.GetConfigResponse{
		Yaml: "environment: prod-eu\nreceivers:\n  - name: oncall\n    pagerduty_configs: [{routing_key: <secret>}]\n", File: "/etc/headwater/headwater.yaml",
		LoadedAt: timestamppb.New(now), Warnings: []string{"headwater.yaml:9: inhibit_rules has no effect: alerts are grouped by the dependency graph, nothing is inhibited"},
	}, nil
}
