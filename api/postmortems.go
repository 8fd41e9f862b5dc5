package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/headwater-sre/headwater/api/postmortem"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology/layout"
)

// GetPostmortem implements [pb.ReportServiceServer].
func (s *reportService) GetPostmortem(ctx context.Context, req *pb.GetPostmortemRequest) (*pb.GetPostmortemResponse, error) {
	if err := checkText("picture", req.GetPicture(), maxURLBytes); err != nil {
		return nil, err
	}
	incident, revision, err := s.incidents.incident(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	record, err := s.record(ctx, incident)
	if err != nil {
		return nil, fmt.Errorf("post-mortem of %s: %w", incident.ID, err)
	}
	record.Picture = req.GetPicture()
	return &pb.GetPostmortemResponse{Markdown: postmortem.Write(*record), Svg: record.Cascade.SVG(), Revision: revision}, nil
}

// record gathers what is known of an incident. Rows that change meanwhile may be newer than the incident's.
func (s *reportService) record(ctx context.Context, incident *correlate.Incident) (*postmortem.Record, error) {
	reader := s.incidents.options.Reader
	r := &postmortem.Record{Incident: incident}
	r.Graph, _ = reader.Graph()
	_, err := reader.ScanAlerts(ctx, store.AlertScan{Incident: incident.ID, IncludeArchived: true}, func(a *correlate.AlertState) bool {
		r.Alerts = append(r.Alerts, a)
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	if r.Pages, err = reader.Pages(ctx, incident.ID); err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	_, err = reader.ScanActionItems(ctx, func(a *correlate.ActionItem) bool {
		if a.Incident == incident.ID {
			r.Items = append(r.Items, a)
		}
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("read action items: %w", err)
	}
	r.Cascade, err = s.draw(ctx, incident, layout.Right)
	return r, err
}
