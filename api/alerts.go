package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

type alertService struct {
	pb.UnimplementedAlertServiceServer
	*Server
}

// GetAlert implements [pb.AlertServiceServer].
func (s *alertService) GetAlert(ctx context.Context, req *pb.GetAlertRequest) (*pb.GetAlertResponse, error) {
	id, err := correlate.ParseAlertID(req.GetId())
	if err != nil {
		return nil, invalid("id", err.Error())
	}
	alert, revision, err := s.options.Reader.Alert(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("Alert", req.GetId(), fmt.Sprintf("there is no alert %q", req.GetId()))
	}
	if err != nil {
		return nil, fmt.Errorf("read alert %s: %w", id, err)
	}
	return &pb.GetAlertResponse{Alert: alertToProto(alert), Revision: revision}, nil
}

// ListAlerts implements [pb.AlertServiceServer].
func (s *alertService) ListAlerts(ctx context.Context, req *pb.ListAlertsRequest) (*pb.ListAlertsResponse, error) {
	selection, err := compileFilter(alertFields, req.GetFilter())
	if err != nil {
		return nil, invalid("filter", err.Error())
	}
	list, err := newListing("ListAlerts", req.GetPageSize(), req.GetPageToken(), req.GetFilter())
	if err != nil {
		return nil, err
	}
	scan := store.AlertScan{Incident: selection.required["incident"], IncludeArchived: true}
	if list.after != nil {
		scan.After = list.after.Alert
	}
	resp := &pb.ListAlertsResponse{}
	var last correlate.AlertID
	size := 0
	resp.Revision, err = s.options.Reader.ScanAlerts(ctx, scan, func(a *correlate.AlertState) bool {
		if !selection.match(a) {
			return ctx.Err() == nil
		}
		if len(resp.GetAlerts()) == list.size || size >= maxPageBytes {
			resp.NextPageToken = list.next(pageToken{Alert: last})
			return false
		}
		alert := alertToProto(a)
		size += proto.Size(alert)
		resp.Alerts = append(resp.Alerts, alert)
		last = a.ID()
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return resp, nil
}

type alertRow = *correlate.AlertState

var (
	classWords = []string{"other", "crash", "error", "latency", "saturation", "surge", "traffic-gone", "lag", "client-pool", "probe", "edge", "chore", "down", "unready"}
	fateWords  = []string{"pending", "held", "paged", "below-severity", "chronic", "flapping", "not-paged", "muted"}
)

// alertFields are listed in the comment of ListAlertsRequest.filter.
var alertFields = schema[alertRow]{
	example: `incident = "INC-41"`,
	fields: []filterField[alertRow]{
		textField("id", func(a alertRow) []string { return []string{a.ID().String()} }),
		textField("incident", func(a alertRow) []string { return []string{a.Incident} }),
		rankField("fate", "FATE_KIND_", fateWords, func(a alertRow) int { return int(a.Fate.Kind) }),
		textField("service", func(a alertRow) []string { return refNames(nil, a.Service) }),
		textField("caller", func(a alertRow) []string { return refNames(nil, a.Caller) }),
		textField("alertname", func(a alertRow) []string { return []string{a.Labels["alertname"]} }),
		textField("fingerprint", func(a alertRow) []string { return []string{a.Fingerprint} }),
		rankField("severity", "SEVERITY_", severityWords, func(a alertRow) int { return int(a.Severity) }),
		rankField("class", "ALERT_CLASS_", classWords, func(a alertRow) int { return int(a.Class) }),
		boolField("active", alertRow.Active),
		boolField("muted", func(a alertRow) bool { return a.Muted != "" }),
		boolField("mapped", func(a alertRow) bool { return a.Mapped }),
		boolField("archived", func(a alertRow) bool { return a.Archived }),
		timeField("started_at", func(a alertRow) time.Time { return a.StartsAt }),
		timeField("ended_at", func(a alertRow) time.Time { return a.EndedAt }),
		timeField("first_seen_at", func(a alertRow) time.Time { return a.FirstSeen }),
		timeField("last_seen_at", func(a alertRow) time.Time { return a.LastSeen }),
	},
	prefix: "labels.",
	compile: func(label string, c comparison) (matcher[alertRow], error) {
		return compileText(c, func(a alertRow) []string { return []string{a.Labels[label]} })
	},
}
