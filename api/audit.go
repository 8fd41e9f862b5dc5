package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/audit"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// StreamReader looks back into the stream. Safe for concurrent use.
type StreamReader interface {
	// ReadSince calls fn with every entry stored at a time or later, oldest first, until fn
	// returns false or an error. It ends with what the stream holds at the moment of the call.
	ReadSince(ctx context.Context, since time.Time, fn func(correlate.Input) (more bool, err error)) error
}

// defaultAuditWindow is what an audit looks at when nobody says since when.
const defaultAuditWindow = 24 * time.Hour

type auditService struct {
	pb.UnimplementedAuditServiceServer
	*Server
}

// GetAudit implements [pb.AuditServiceServer].
func (s *auditService) GetAudit(ctx context.Context, req *pb.GetAuditRequest) (*pb.GetAuditResponse, error) {
	window, err := auditWindow(req, time.Now())
	if err != nil {
		return nil, err
	}
	select {
	case s.auditing <- struct{}{}:
		defer func() { <-s.auditing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	report, revision, err := s.audit(ctx, window)
	if err != nil {
		return nil, err
	}
	if !report.Clean() {
		// The rows are read one after the other while the engine goes on, so that an alert may be
		// seen as paged by an incident that was seen before its page. What is wrong stays wrong.
		again, later, err := s.audit(ctx, window)
		if err != nil {
			return nil, err
		}
		report, revision = again.Confirming(report), later
	}
	resp := auditToProto(report)
	resp.Revision = revision
	return resp, nil
}

func auditWindow(req *pb.GetAuditRequest, now time.Time) (audit.Window, error) {
	w := audit.Window{Until: now}
	if req.GetUntil() != nil {
		if err := req.GetUntil().CheckValid(); err != nil {
			return w, invalid("until", err.Error())
		}
		w.Until = req.GetUntil().AsTime()
	}
	w.Since = w.Until.Add(-defaultAuditWindow)
	if req.GetSince() != nil {
		if err := req.GetSince().CheckValid(); err != nil {
			return w, invalid("since", err.Error())
		}
		w.Since = req.GetSince().AsTime()
	}
	if w.Until.Before(w.Since) {
		return w, invalid("until", "the window ends before it begins")
	}
	return w, nil
}

// audit reads everything of the window once.
func (s *auditService) audit(ctx context.Context, w audit.Window) (*audit.Report, uint64, error) {
	r := s.options.Reader
	w.Now, w.Applied = time.Now(), r.Revision()
	a := audit.New(audit.Rules{Config: s.options.Engine().WithDefaults(), Grace: audit.DefaultGrace}, w)
	if err := s.auditIncidents(ctx, w, a); err != nil {
		return nil, 0, fmt.Errorf("audit incidents: %w", err)
	}
	revision, err := r.ScanAlerts(ctx, store.AlertScan{IncludeArchived: true}, func(row *correlate.AlertState) bool {
		if !row.Imported() {
			a.Alert(row)
		}
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, 0, fmt.Errorf("audit alerts: %w", err)
	}
	if s.options.Stream != nil {
		err := s.options.Stream.ReadSince(ctx, w.Since, func(in correlate.Input) (bool, error) {
			a.Entry(in)
			return in.At.Before(w.Until), ctx.Err()
		})
		switch {
		case ctx.Err() != nil:
			return nil, 0, contextError(ctx, "auditing")
		case err != nil:
			return nil, 0, fault(codes.Unavailable, reasonUnavailable, "the stream could not be read to its end, audit again: "+err.Error(), nil)
		}
	}
	return a.Report(), revision, nil
}

// auditIncidents hands over the incidents that changed since the window began, with their pages.
func (s *auditService) auditIncidents(ctx context.Context, w audit.Window, a *audit.Audit) error {
	var inner error
	_, err := s.options.Reader.ScanIncidents(ctx, 0, func(i *correlate.Incident) bool {
		if i.Imported() {
			return false // these come last, and nobody was to be paged for them here
		}
		if i.UpdatedAt.Before(w.Since) {
			return ctx.Err() == nil
		}
		var pages []*correlate.OutboxEntry
		if pages, inner = s.options.Reader.Pages(ctx, i.ID); inner != nil {
			return false
		}
		a.Incident(i, pages)
		return ctx.Err() == nil
	})
	return errors.Join(err, inner, ctx.Err())
}

func auditToProto(r *audit.Report) *pb.GetAuditResponse {
	c := r.Rules.Config
	out := &pb.GetAuditResponse{
		Since: timestamppb.New(r.Window.Since), Until: timestamppb.New(r.Window.Until), JudgedAt: timestamppb.New(r.Window.Now),
		Hold: durationToProto(c.Hold), Settle: durationToProto(c.Settle), Grace: durationToProto(r.Rules.Grace),
		Alerts: int64(r.Alerts.Alerts), PageWorthy: int64(r.Alerts.Worthy), Proven: r.Broken() == 0,
		Incidents: &pb.AuditIncidents{
			Touched: int64(r.Incidents.Touched), Opened: int64(r.Incidents.Opened), Ended: int64(r.Incidents.Ended),
			Merged: int64(r.Incidents.Merged), StillOpen: int64(r.Incidents.StillOpen),
		},
		Fates:      mapped(r.Fates, auditFateToProto),
		Pages:      mapped(r.Pages, auditPagesToProto),
		Deliveries: mapped(r.Deliveries, auditDeliveriesToProto),
		Findings:   mapped(r.Findings, auditFindingToProto),
	}
	if t := r.Stream; t != nil {
		out.Stream = &pb.AuditStream{Entries: int64(t.Entries), Notifications: int64(t.Notifications), Alerts: int64(t.Alerts), Unapplied: int64(t.Unapplied)}
	}
	for _, kind := range audit.Kinds() {
		if n := r.Counts[kind]; n > 0 {
			out.Counts = append(out.Counts, &pb.AuditFindingCount{Kind: auditKindToProto(kind), Count: int64(n)})
		}
	}
	return out
}

func auditKindToProto(k audit.Kind) pb.AuditFindingKind { return pb.AuditFindingKind(k) + 1 }

func auditFateToProto(f audit.FateTally) *pb.AuditFate {
	return &pb.AuditFate{Fate: pb.FateKind(f.Fate) + 1, Alerts: int64(f.Alerts), PageWorthy: int64(f.Worthy), Example: f.Reason}
}

func auditPagesToProto(p audit.PageTally) *pb.AuditPages {
	return &pb.AuditPages{Kind: pb.PageKind(p.Kind) + 1, Reason: p.Reason, Count: int64(p.Pages)}
}

func auditDeliveriesToProto(d audit.DeliveryTally) *pb.AuditDeliveries {
	return &pb.AuditDeliveries{
		Receiver: d.Receiver, Integration: d.Integration, Index: int32(d.Index),
		Sent: int64(d.Sent), Skipped: int64(d.Skipped), Waiting: int64(d.Waiting), GivenUp: int64(d.GivenUp),
	}
}

func auditFindingToProto(f audit.Finding) *pb.AuditFinding {
	return &pb.AuditFinding{
		Kind: auditKindToProto(f.Kind), Incident: f.Incident, Alert: f.Alert, AlertName: f.Name, Receiver: f.Receiver,
		Text: f.Text, Since: timeToProto(f.Since), Alerts: int64(f.Alerts),
	}
}
