package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// maxItemBytes bounds the text of an action item.
const maxItemBytes = 4 << 10

type actionItemService struct {
	pb.UnimplementedActionItemServiceServer
	*Server
}

// GetActionItem implements [pb.ActionItemServiceServer].
func (s *actionItemService) GetActionItem(ctx context.Context, req *pb.GetActionItemRequest) (*pb.GetActionItemResponse, error) {
	item, revision, err := s.item(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &pb.GetActionItemResponse{ActionItem: actionItemToProto(item), Revision: revision}, nil
}

// item reads one action item and words the error when there is none.
func (s *actionItemService) item(ctx context.Context, id string) (*correlate.ActionItem, uint64, error) {
	if id == "" {
		return nil, 0, invalid("id", "must not be empty; an id looks like AI-7")
	}
	item, revision, err := s.options.Reader.ActionItem(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, missing("ActionItem", id, fmt.Sprintf("there is no action item %q", id))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read action item %s: %w", id, err)
	}
	return item, revision, nil
}

// CreateActionItem implements [pb.ActionItemServiceServer].
func (s *actionItemService) CreateActionItem(ctx context.Context, req *pb.CreateActionItemRequest) (*pb.CreateActionItemResponse, error) {
	c := correlate.Command{
		Kind: correlate.CommandAddActionItem, Actor: actor(ctx, req.GetActor()), Source: source(ctx), Incident: req.GetIncident(),
		Item: correlate.ActionItemEdit{
			Text: req.GetText(), Assignee: strings.TrimSpace(req.GetAssignee()),
			Priority: correlate.PriorityMedium, Status: correlate.ActionOpen,
		},
	}
	if strings.TrimSpace(req.GetText()) == "" {
		return nil, invalid("text", "must not be empty")
	}
	if req.GetPriority() != 0 {
		c.Item.Priority = correlate.ActionPriority(req.GetPriority() - 1)
	}
	if req.GetStatus() != 0 {
		c.Item.Status = correlate.ActionStatus(req.GetStatus() - 1)
	}
	if err := cmp.Or(checkItem(&c, req.GetPriority(), req.GetStatus()), setDue(&c.Item, req.GetDue())); err != nil {
		return nil, err
	}
	if c.Incident != "" {
		id, err := (&incidentService{Server: s.Server}).continues(ctx, c.Incident)
		if err != nil {
			return nil, err
		}
		c.Incident = id
	}
	pos, err := s.carryOut(ctx, &c)
	if err != nil {
		return nil, err
	}
	return s.created(ctx, pos)
}

// created finds the action item that the command at pos brought.
func (s *actionItemService) created(ctx context.Context, pos uint64) (*pb.CreateActionItemResponse, error) {
	var found *correlate.ActionItem
	revision, err := s.options.Reader.ScanActionItems(ctx, func(a *correlate.ActionItem) bool {
		if a.CreatedRevision == pos {
			found = a
		}
		return a.CreatedRevision > pos && ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("read the new action item: %w", err)
	}
	if found == nil {
		return nil, fault(codes.Unavailable, reasonNotApplied, "the action item was made, and cannot be read yet; list the action items", nil)
	}
	return &pb.CreateActionItemResponse{ActionItem: actionItemToProto(found), Revision: revision}, nil
}

// UpdateActionItem implements [pb.ActionItemServiceServer].
func (s *actionItemService) UpdateActionItem(ctx context.Context, req *pb.UpdateActionItemRequest) (*pb.UpdateActionItemResponse, error) {
	c := correlate.Command{Kind: correlate.CommandEditActionItem, Actor: actor(ctx, req.GetActor()), Source: source(ctx), Text: req.GetNote()}
	if err := cmp.Or(readEdit(&c.Item, req), checkItem(&c, req.GetPriority(), req.GetStatus()), checkText("note", c.Text, maxNoteBytes)); err != nil {
		return nil, err
	}
	var err error
	if c.IfRevision, err = parseETag(req.GetEtag()); err != nil {
		return nil, err
	}
	before, _, err := s.item(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if err := sameRevision(c.IfRevision, before.Revision, before.ID, "action_item"); err != nil {
		return nil, err
	}
	if _, err := s.carryOut(ctx, &c); err != nil {
		return nil, err
	}
	item, revision, err := s.item(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &pb.UpdateActionItemResponse{ActionItem: actionItemToProto(item), Revision: revision}, nil
}

// readEdit reads what of an action item changes.
func readEdit(e *correlate.ActionItemEdit, req *pb.UpdateActionItemRequest) error {
	e.ID = req.GetId()
	set := func(is bool, field string) {
		if is {
			e.Fields = append(e.Fields, field)
		}
	}
	set(req.Text != nil, "text")
	set(req.Assignee != nil, "assignee")
	set(req.GetDue() != nil || req.GetClearDue(), "due")
	set(req.GetPriority() != 0, "priority")
	set(req.GetStatus() != 0, "status")
	e.Text, e.Assignee = req.GetText(), strings.TrimSpace(req.GetAssignee())
	if req.GetPriority() != 0 {
		e.Priority = correlate.ActionPriority(req.GetPriority() - 1)
	}
	if req.GetStatus() != 0 {
		e.Status = correlate.ActionStatus(req.GetStatus() - 1)
	}
	switch {
	case len(e.Fields) == 0:
		return invalid("text", "set this or another field: what changes")
	case req.Text != nil && strings.TrimSpace(req.GetText()) == "":
		return invalid("text", "must not be empty")
	case req.GetDue() != nil && req.GetClearDue():
		return invalid("clear_due", "leave out due to clear it")
	}
	return setDue(e, req.GetDue())
}

// setDue takes a date that the stream can tell, or none.
func setDue(e *correlate.ActionItemEdit, due *timestamppb.Timestamp) error {
	if due == nil {
		return nil
	}
	t := due.AsTime()
	if due.CheckValid() != nil || t.Before(time.Unix(1, 0)) || t.After(time.Unix(0, math.MaxInt64)) {
		return invalid("due", "is no date between 1970 and 2262")
	}
	e.Due = t
	return nil
}

// checkItem refuses what can be seen to be wrong with an action item.
func checkItem(c *correlate.Command, priority pb.ActionPriority, status pb.ActionStatus) error {
	if _, ok := pb.ActionPriority_name[int32(priority)]; !ok {
		return invalid("priority", fmt.Sprintf("%d is none", priority))
	}
	if _, ok := pb.ActionStatus_name[int32(status)]; !ok {
		return invalid("status", fmt.Sprintf("%d is none", status))
	}
	return cmp.Or(checkText("actor", c.Actor, maxActorBytes), checkText("text", c.Item.Text, maxItemBytes), checkName("assignee", c.Item.Assignee))
}

// carryOut publishes the command, waits until it has been applied and returns its position.
func (s *actionItemService) carryOut(ctx context.Context, c *correlate.Command) (uint64, error) {
	pos, err := s.options.Commands.Publish(ctx, c)
	if err != nil {
		return 0, publishError(ctx, err)
	}
	rejected, err := s.applied(ctx, pos)
	if err != nil || rejected == "" {
		return pos, err
	}
	if c.Item.ID != "" {
		if now, _, err := s.item(ctx, c.Item.ID); err == nil {
			if err := sameRevision(c.IfRevision, now.Revision, now.ID, "action_item"); err != nil {
				return 0, err
			}
		}
	}
	return 0, fault(codes.FailedPrecondition, reasonRejected, rejected, map[string]string{"action_item": c.Item.ID})
}

// ListActionItems implements [pb.ActionItemServiceServer].
func (s *actionItemService) ListActionItems(ctx context.Context, req *pb.ListActionItemsRequest) (*pb.ListActionItemsResponse, error) {
	selection, err := compileFilter(actionItemFields(time.Now()), req.GetFilter())
	if err != nil {
		return nil, invalid("filter", err.Error())
	}
	by, err := parseItemOrder(req.GetOrderBy())
	if err != nil {
		return nil, invalid("order_by", err.Error())
	}
	list, err := newListing("ListActionItems", req.GetPageSize(), req.GetPageToken(), req.GetFilter(), req.GetOrderBy())
	if err != nil {
		return nil, err
	}
	rows, revision, err := s.selectItems(ctx, func(a itemRow) bool {
		return selection.match(a) && (list.after == nil || by.comparePlaces(by.place(a), list.after.Item) > 0)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b itemRow) int { return by.comparePlaces(by.place(a), by.place(b)) })
	resp := &pb.ListActionItemsResponse{Revision: revision}
	size := 0
	for n, row := range rows {
		if n == list.size || size >= maxPageBytes {
			resp.NextPageToken = list.next(pageToken{Item: by.place(rows[n-1])})
			break
		}
		item := actionItemToProto(row)
		size += proto.Size(item)
		resp.ActionItems = append(resp.ActionItems, item)
	}
	return resp, nil
}

// selectItems are all matches: as many are to be done as people can do, so each page is cut from the whole.
func (s *actionItemService) selectItems(ctx context.Context, match func(itemRow) bool) ([]itemRow, uint64, error) {
	var rows []itemRow
	revision, err := s.options.Reader.ScanActionItems(ctx, func(a itemRow) bool {
		if match(a) {
			rows = append(rows, a)
		}
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, 0, fmt.Errorf("read action items: %w", err)
	}
	return rows, revision, nil
}

func actionItemToProto(a *correlate.ActionItem) *pb.ActionItem {
	return &pb.ActionItem{
		Id: a.ID, Number: a.Number, Incident: a.Incident, Text: a.Text, Assignee: a.Assignee, Due: timeToProto(a.Due),
		Priority: pb.ActionPriority(a.Priority) + 1, Status: pb.ActionStatus(a.Status) + 1,
		CreatedAt: timeToProto(a.CreatedAt), CreatedBy: a.CreatedBy, UpdatedAt: timeToProto(a.UpdatedAt), UpdatedBy: a.UpdatedBy,
		EndedAt: timeToProto(a.EndedAt), Archived: a.Archived, Revision: a.Revision,
	}
}
