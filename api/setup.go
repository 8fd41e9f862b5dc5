package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/api/setup"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// SetupReporter tells what a server knows of itself. It may ask others, and takes no
// longer than a few seconds for it. Safe for concurrent use.
type SetupReporter interface {
	Setup(ctx context.Context) setup.Facts
}

// noSetup stands in where nothing is known: only what is stored is looked at.
type noSetup struct{}

// Setup implements [SetupReporter].
func (noSetup) Setup(context.Context) setup.Facts { return setup.Facts{} }

const (
	// maxSetupAlerts bounds the alerts that are looked at: the latest.
	maxSetupAlerts = 50_000
	// maxSetupIncidents bounds the incidents whose pages are looked at: the latest.
	maxSetupIncidents = 200
)

type setupService struct {
	pb.UnimplementedSetupServiceServer
	*Server
}

// ListFindings implements [pb.SetupServiceServer].
func (s *setupService) ListFindings(ctx context.Context, req *pb.ListFindingsRequest) (*pb.ListFindingsResponse, error) {
	if _, known := pb.FindingSeverity_name[int32(req.GetLeastSeverity())]; !known {
		return nil, invalid("least_severity", "want FINDING_SEVERITY_HINT, FINDING_SEVERITY_WARNING or FINDING_SEVERITY_ERROR")
	}
	leave, err := s.examine(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	state, cut, revision, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	report := setup.Examine(state)
	resp := &pb.ListFindingsResponse{
		Notes: report.Notes, AlertCount: int64(len(state.Alerts)), ServiceCount: int64(state.Graph.Len()),
		TopologyVersion: state.Graph.Version(), Revision: revision,
	}
	if cut {
		resp.Notes = append(resp.Notes, fmt.Sprintf("only the latest %d alerts were looked at", maxSetupAlerts))
	}
	for i := range report.Findings {
		if f := &report.Findings[i]; pb.FindingSeverity(f.Severity) >= req.GetLeastSeverity() {
			resp.Findings = append(resp.Findings, findingToProto(f))
		}
	}
	return resp, nil
}

// examine waits until nobody else reads very many rows.
func (s *Server) examine(ctx context.Context) (leave func(), err error) {
	select {
	case s.examining <- struct{}{}:
		return func() { <-s.examining }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// state gathers what findings are made of. cut reports that there were more alerts.
func (s *setupService) state(ctx context.Context) (state *setup.State, cut bool, revision uint64, err error) {
	r, view := s.options.Reader, s.options.Discovery.View()
	state = &setup.State{Facts: s.options.Setup.Setup(ctx), Now: time.Now(), Sources: view.Sources, LookAlikes: view.LookAlikes}
	state.Graph, _ = r.Graph()
	if live := view.Graph(); live != nil && live.Version() == state.Graph.Version() {
		state.Graph = live
	}
	if state.Alerts, cut, revision, err = s.recentAlerts(ctx, state.Now.Add(-setup.AlertWindow)); err != nil {
		return nil, false, 0, fmt.Errorf("read alerts: %w", err)
	}
	_, err = r.ScanHealth(ctx, func(h *correlate.HealthState) bool {
		state.Health = append(state.Health, h)
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, false, 0, fmt.Errorf("read health: %w", err)
	}
	for _, p := range s.options.Probes() { // also those that wait for their first result
		state.Health = append(state.Health, &correlate.HealthState{Service: p.Service, Check: p.Check, Status: p.Status, At: p.CheckedAt})
	}
	learning := learningService{Server: s.Server}
	if state.Figures, _, err = learning.figures(ctx); err != nil {
		return nil, false, 0, err
	}
	if state.Pages, err = s.recentPages(ctx); err != nil {
		return nil, false, 0, fmt.Errorf("read pages: %w", err)
	}
	return state, cut, revision, nil
}

// recentAlerts are the alerts that began since a time, oldest first; of too many the latest.
func (s *setupService) recentAlerts(ctx context.Context, since time.Time) (alerts []*correlate.AlertState, cut bool, revision uint64, err error) {
	scan := store.AlertScan{IncludeArchived: true, After: correlate.AlertID{StartsAt: since.UnixNano()}}
	revision, err = s.options.Reader.ScanAlerts(ctx, scan, func(a *correlate.AlertState) bool {
		if a.Imported() {
			return ctx.Err() == nil
		}
		alerts = append(alerts, a)
		if len(alerts) == 2*maxSetupAlerts {
			cut = true
			alerts = append(alerts[:0], alerts[maxSetupAlerts:]...)
		}
		return ctx.Err() == nil
	})
	if extra := len(alerts) - maxSetupAlerts; extra > 0 {
		cut, alerts = true, alerts[extra:]
	}
	return alerts, cut, revision, errors.Join(err, ctx.Err())
}

// recentPages are the pages of the latest incidents.
func (s *setupService) recentPages(ctx context.Context) ([]*correlate.OutboxEntry, error) {
	var ids []string
	_, err := s.options.Reader.ScanIncidents(ctx, 0, func(i *correlate.Incident) bool {
		if i.Paging.Seq > 0 {
			ids = append(ids, i.ID)
		}
		return len(ids) < maxSetupIncidents && ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	var pages []*correlate.OutboxEntry
	for _, id := range ids {
		of, err := s.options.Reader.Pages(ctx, id)
		if err != nil {
			return nil, err
		}
		pages = append(pages, of...)
	}
	return pages, nil
}

func findingToProto(f *setup.Finding) *pb.Finding {
	out := &pb.Finding{
		Kind: pb.FindingKind(f.Kind), Severity: pb.FindingSeverity(f.Severity), Subject: f.Subject,
		Title: f.Title, Why: f.Why, Remedy: f.Remedy,
	}
	for _, e := range f.Evidence {
		ev := &pb.FindingEvidence{Text: e.Text, Count: int64(e.Count)}
		if !e.Last.IsZero() {
			ev.LastAt = timestamppb.New(e.Last)
		}
		out.Evidence = append(out.Evidence, ev)
	}
	if s := f.Snippet; s != nil {
		out.Snippet = &pb.FindingSnippet{Target: s.Target, Text: s.Text, Placeholders: s.Placeholders}
	}
	return out
}
