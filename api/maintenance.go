package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// The bounds of a window.
const (
	maxWindowMatchers = 32
	maxWindowServices = 256
)

type maintenanceService struct {
	pb.UnimplementedMaintenanceServiceServer
	*Server
}

// CreateMaintenance implements [pb.MaintenanceServiceServer].
func (s *maintenanceService) CreateMaintenance(ctx context.Context, req *pb.CreateMaintenanceRequest) (*pb.CreateMaintenanceResponse, error) {
	c := correlate.Command{
		Kind: correlate.CommandAddMaintenance, Actor: actor(ctx, req.GetActor()), Source: source(ctx), Text: req.GetReason(),
		Window: correlate.MaintenanceEdit{Matchers: req.GetMatchers(), Dependents: req.GetDependents()},
	}
	for _, name := range req.GetServices() {
		c.Window.Services = append(c.Window.Services, topology.ParseRef(name))
	}
	if err := cmp.Or(checkWindow(req), checkText("actor", c.Actor, maxActorBytes), checkText("reason", c.Text, maxNoteBytes)); err != nil {
		return nil, err
	}
	c.Window.Until = req.GetUntil().AsTime()
	if req.GetFrom() != nil {
		c.Window.From = req.GetFrom().AsTime()
	}
	pos, err := s.carryOut(ctx, &c)
	if err != nil {
		return nil, err
	}
	var made *correlate.Maintenance
	revision, err := s.options.Reader.ScanMaintenance(ctx, func(w *correlate.Maintenance) bool {
		if w.CreatedRevision == pos {
			made = w
		}
		return w.CreatedRevision > pos
	})
	if err != nil {
		return nil, fmt.Errorf("read the new window: %w", err)
	}
	if made == nil {
		return nil, fault(codes.Unavailable, reasonNotApplied, "the window was declared, and cannot be read yet; list the windows", nil)
	}
	return &pb.CreateMaintenanceResponse{Maintenance: maintenanceToProto(made, time.Now()), Revision: revision}, nil
}

func checkWindow(req *pb.CreateMaintenanceRequest) error {
	switch {
	case len(req.GetMatchers())+len(req.GetServices()) == 0:
		return invalid("services", "name services or matchers")
	case len(req.GetMatchers()) > maxWindowMatchers:
		return invalid("matchers", fmt.Sprintf("at most %d", maxWindowMatchers))
	case len(req.GetServices()) > maxWindowServices:
		return invalid("services", fmt.Sprintf("at most %d", maxWindowServices))
	case strings.TrimSpace(req.GetReason()) == "":
		return invalid("reason", "must not be empty")
	case !req.GetUntil().IsValid():
		return invalid("until", "must be set")
	case req.GetFrom() != nil && !req.GetFrom().IsValid():
		return invalid("from", "is no time")
	}
	for _, text := range req.GetMatchers() {
		if err := checkText("matchers", text, maxNoteBytes); err != nil {
			return err
		}
		if _, err := correlate.ParseMatcher(text); err != nil {
			return invalid("matchers", err.Error())
		}
	}
	for _, name := range req.GetServices() {
		if err := checkName("services", name); err != nil {
			return err
		}
	}
	return nil
}

// GetMaintenance implements [pb.MaintenanceServiceServer].
func (s *maintenanceService) GetMaintenance(ctx context.Context, req *pb.GetMaintenanceRequest) (*pb.GetMaintenanceResponse, error) {
	w, revision, err := s.window(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &pb.GetMaintenanceResponse{Maintenance: maintenanceToProto(w, time.Now()), Revision: revision}, nil
}

func (s *maintenanceService) window(ctx context.Context, id string) (*correlate.Maintenance, uint64, error) {
	if id == "" {
		return nil, 0, invalid("id", "must not be empty; an id looks like MW-3")
	}
	w, revision, err := s.options.Reader.Maintenance(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, missing("Maintenance", id, fmt.Sprintf("there is no maintenance window %q", id))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read maintenance window %s: %w", id, err)
	}
	return w, revision, nil
}

// ListMaintenance implements [pb.MaintenanceServiceServer].
func (s *maintenanceService) ListMaintenance(ctx context.Context, req *pb.ListMaintenanceRequest) (*pb.ListMaintenanceResponse, error) {
	size := int(cmp.Or(req.GetPageSize(), 100))
	if size < 1 || size > 1000 {
		return nil, invalid("page_size", "must be 1 to 1000")
	}
	before := uint64(0)
	if token := req.GetPageToken(); token != "" {
		var err error
		if before, err = strconv.ParseUint(token, 10, 64); err != nil || before == 0 {
			return nil, invalid("page_token", "is none of an answer's")
		}
	}
	resp := &pb.ListMaintenanceResponse{}
	now := time.Now()
	revision, err := s.options.Reader.ScanMaintenance(ctx, func(w *correlate.Maintenance) bool {
		if before > 0 && w.Number >= before || w.Archived && !req.GetAll() {
			return true
		}
		if n := len(resp.GetMaintenance()); n == size {
			resp.NextPageToken = strconv.FormatUint(resp.GetMaintenance()[n-1].GetNumber(), 10)
			return false
		}
		resp.Maintenance = append(resp.Maintenance, maintenanceToProto(w, now))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read maintenance windows: %w", err)
	}
	resp.Revision = revision
	return resp, nil
}

// EndMaintenance implements [pb.MaintenanceServiceServer].
func (s *maintenanceService) EndMaintenance(ctx context.Context, req *pb.EndMaintenanceRequest) (*pb.EndMaintenanceResponse, error) {
	if _, _, err := s.window(ctx, req.GetId()); err != nil {
		return nil, err
	}
	c := correlate.Command{
		Kind: correlate.CommandEndMaintenance, Actor: actor(ctx, req.GetActor()), Source: source(ctx),
		Window: correlate.MaintenanceEdit{ID: req.GetId()},
	}
	if err := checkText("actor", c.Actor, maxActorBytes); err != nil {
		return nil, err
	}
	if _, err := s.carryOut(ctx, &c); err != nil {
		return nil, err
	}
	w, revision, err := s.window(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &pb.EndMaintenanceResponse{Maintenance: maintenanceToProto(w, time.Now()), Revision: revision}, nil
}

// carryOut publishes the command, waits until it has been applied and returns its position.
func (s *maintenanceService) carryOut(ctx context.Context, c *correlate.Command) (uint64, error) {
	pos, err := s.options.Commands.Publish(ctx, c)
	if err != nil {
		return 0, publishError(ctx, err)
	}
	rejected, err := s.applied(ctx, pos)
	if err == nil && rejected != "" {
		err = fault(codes.FailedPrecondition, reasonRejected, rejected, map[string]string{"maintenance": c.Window.ID})
	}
	return pos, err
}

func maintenanceToProto(w *correlate.Maintenance, now time.Time) *pb.Maintenance {
	p := &pb.Maintenance{
		Id: w.ID, Number: w.Number, Matchers: w.Matchers, Dependents: w.Dependents, From: timeToProto(w.From), Until: timeToProto(w.Until),
		Reason: w.Reason, CreatedAt: timeToProto(w.CreatedAt), CreatedBy: w.CreatedBy, EndedAt: timeToProto(w.EndedAt), EndedBy: w.EndedBy,
		State: pb.MaintenanceState_MAINTENANCE_STATE_ACTIVE, Revision: w.Revision,
	}
	for _, ref := range w.Services {
		p.Services = append(p.Services, ref.String())
	}
	switch {
	case w.Archived || !w.EndedAt.IsZero() || !now.Before(w.Until):
		p.State = pb.MaintenanceState_MAINTENANCE_STATE_OVER
	case now.Before(w.From):
		p.State = pb.MaintenanceState_MAINTENANCE_STATE_PENDING
	}
	return p
}
