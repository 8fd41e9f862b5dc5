package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (r *rig) actionItems(t testing.TB) pb.ActionItemServiceClient {
	_, conn := r.serve(t)
	return pb.NewActionItemServiceClient(conn)
}

func TestAnActionItemIsMadeAndDone(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	items := r.actionItems(t)
	due := timestamppb.New(startOfTests.Add(48 * time.Hour))
	made, err := items.CreateActionItem(t.Context(), &pb.CreateActionItemRequest{Text: "raise the pool", Incident: id, Assignee: "ben", Due: due, Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	item := made.GetActionItem()
	if item.GetId() != "AI-1" || item.GetIncident() != id || item.GetPriority() != pb.ActionPriority_ACTION_PRIORITY_MEDIUM ||
		item.GetStatus() != pb.ActionStatus_ACTION_STATUS_OPEN || item.GetCreatedBy() != "ann" || item.GetDue().AsTime() != due.AsTime() {
		t.Errorf("made %v", item)
	}
	text := "raise the pool to 400"
	edited, err := items.UpdateActionItem(t.Context(), &pb.UpdateActionItemRequest{
		Id: "AI-1", Text: &text, ClearDue: true, Status: pb.ActionStatus_ACTION_STATUS_DONE, Actor: "ben", Etag: fmt.Sprint(item.GetRevision()),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := edited.GetActionItem(); got.GetText() != text || got.GetDue() != nil || got.GetStatus() != pb.ActionStatus_ACTION_STATUS_DONE ||
		got.GetEndedAt() == nil || got.GetAssignee() != "ben" || got.GetUpdatedBy() != "ben" {
		t.Errorf("edited %v", got)
	}
	stale := &pb.UpdateActionItemRequest{Id: "AI-1", Priority: pb.ActionPriority_ACTION_PRIORITY_HIGH, Etag: fmt.Sprint(item.GetRevision())}
	_, err = items.UpdateActionItem(t.Context(), stale)
	if info := reasonOf(err); status.Code(err) != codes.Aborted || info.GetMetadata()["revision"] != fmt.Sprint(edited.GetActionItem().GetRevision()) {
		t.Errorf("an old etag: %v, %v", err, info)
	}
	read, err := r.incidents(t).GetIncident(t.Context(), &pb.GetIncidentRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range read.GetIncident().GetTimeline() {
		if e.GetKind() == pb.TimelineKind_TIMELINE_KIND_ACTION_ITEM {
			told = append(told, e.GetText()+" by "+e.GetActor())
		}
	}
	want := "AI-1 added: raise the pool (ben) by ann; AI-1 done, no longer due on a date, now reads: raise the pool to 400 by ben"
	if got := strings.Join(told, "; "); got != want {
		t.Errorf("the timeline tells %q, want %q", got, want)
	}
}

func TestActionItemsAreListedAcrossIncidents(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	items := r.actionItems(t)
	add := func(text, incident, assignee string, due time.Time, priority pb.ActionPriority, s pb.ActionStatus) {
		t.Helper()
		req := &pb.CreateActionItemRequest{Text: text, Incident: incident, Assignee: assignee, Priority: priority, Status: s}
		if !due.IsZero() {
			req.Due = timestamppb.New(due)
		}
		if _, err := items.CreateActionItem(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	past, later := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	add("one", id, "ann", later, pb.ActionPriority_ACTION_PRIORITY_LOW, 0)
	add("two", "", "ben", past, pb.ActionPriority_ACTION_PRIORITY_HIGH, 0)
	add("three", id, "", time.Time{}, 0, pb.ActionStatus_ACTION_STATUS_IN_PROGRESS)
	add("four", "", "ann", past, 0, pb.ActionStatus_ACTION_STATUS_DONE)
	for _, c := range []struct{ filter, order, want string }{
		{"", "", "AI-4 AI-3 AI-2 AI-1"},
		{"", "due", "AI-4 AI-2 AI-1 AI-3"},
		{"", "due desc", "AI-1 AI-4 AI-2 AI-3"},
		{"", "priority desc", "AI-2 AI-4 AI-3 AI-1"},
		{"status <= in-progress", "", "AI-3 AI-2 AI-1"},
		{`incident = "` + id + `"`, "", "AI-3 AI-1"},
		{"overdue = true", "", "AI-2"},
		{"assignee = ann AND status = ACTION_STATUS_DONE", "", "AI-4"},
	} {
		var ids []string
		for token := ""; ; {
			page, err := items.ListActionItems(t.Context(), &pb.ListActionItemsRequest{Filter: c.filter, OrderBy: c.order, PageSize: 2, PageToken: token})
			if err != nil {
				t.Fatalf("%q by %q: %v", c.filter, c.order, err)
			}
			for _, i := range page.GetActionItems() {
				ids = append(ids, i.GetId())
			}
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%q by %q: %s, want %s", c.filter, c.order, got, c.want)
		}
	}
}

func TestActionItemsThatMakeNoSenseAreRefused(t *testing.T) {
	r := newRig(t)
	items := r.actionItems(t)
	empty := " "
	for name, c := range map[string]struct {
		call func() error
		code codes.Code
	}{
		"no text": {func() error {
			_, err := items.CreateActionItem(t.Context(), &pb.CreateActionItemRequest{})
			return err
		}, codes.InvalidArgument},
		"no such incident": {func() error {
			_, err := items.CreateActionItem(t.Context(), &pb.CreateActionItemRequest{Text: "x", Incident: "INC-9"})
			return err
		}, codes.NotFound},
		"due before there was time": {func() error {
			_, err := items.CreateActionItem(t.Context(), &pb.CreateActionItemRequest{Text: "x", Due: &timestamppb.Timestamp{Seconds: -5}})
			return err
		}, codes.InvalidArgument},
		"no such item": {func() error {
			_, err := items.UpdateActionItem(t.Context(), &pb.UpdateActionItemRequest{Id: "AI-9", Status: pb.ActionStatus_ACTION_STATUS_DONE})
			return err
		}, codes.NotFound},
		"nothing changes": {func() error {
			_, err := items.UpdateActionItem(t.Context(), &pb.UpdateActionItemRequest{Id: "AI-9"})
			return err
		}, codes.InvalidArgument},
		"text taken away": {func() error {
			_, err := items.UpdateActionItem(t.Context(), &pb.UpdateActionItemRequest{Id: "AI-9", Text: &empty})
			return err
		}, codes.InvalidArgument},
		"no order": {func() error {
			_, err := items.ListActionItems(t.Context(), &pb.ListActionItemsRequest{OrderBy: "text"})
			return err
		}, codes.InvalidArgument},
		"not read": {func() error {
			_, err := items.GetActionItem(t.Context(), &pb.GetActionItemRequest{Id: "AI-01"})
			return err
		}, codes.NotFound},
	} {
		if err := c.call(); status.Code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}
