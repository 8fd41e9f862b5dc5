package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/api/stats"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

const (
	// defaultStatsSpan is how long before its end a time without a beginning begins.
	defaultStatsSpan = 30 * 24 * time.Hour
	// statsBatch is how many incidents are held at a time while their pages are read.
	statsBatch = 100
	// maxZoneBytes bounds the name of a time zone.
	maxZoneBytes = 128
)

type statsService struct {
	pb.UnimplementedStatsServiceServer
	*Server
}

// span is the time that is reckoned over.
type span struct {
	since, until time.Time
	zone         *time.Location
}

// GetStats implements [pb.StatsServiceServer].
func (s *statsService) GetStats(ctx context.Context, req *pb.GetStatsRequest) (*pb.GetStatsResponse, error) {
	over, err := readSpan(req)
	if err != nil {
		return nil, err
	}
	if _, known := pb.StatsGrouping_name[int32(req.GetBy())]; !known {
		return nil, invalid("by", "want STATS_GROUPING_TEAM, STATS_GROUPING_SERVICE or STATS_GROUPING_WEEK")
	}
	leave, err := s.examine(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	engine := s.options.Engine().WithDefaults()
	tally := stats.New(stats.Options{By: stats.Grouping(req.GetBy()), Location: over.zone, Worthy: engine.Worthy, Owner: s.owner()})
	if err := s.tallyAlerts(ctx, tally, &over); err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	revision, err := s.tallyIncidents(ctx, tally, &over)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	resp := reportToProto(tally.Report())
	resp.Since, resp.Until, resp.TimeZone, resp.Revision = timestamppb.New(over.since), timestamppb.New(over.until), over.zone.String(), revision
	return resp, nil
}

func readSpan(req *pb.GetStatsRequest) (over span, err error) {
	if over.since, over.until, err = readRange(req); err != nil {
		return over, err
	}
	if over.until.IsZero() {
		over.until = time.Now()
	}
	if over.since.IsZero() {
		over.since = over.until.Add(-defaultStatsSpan)
	}
	if over.until.Before(over.since) { // of a since alone, in the future
		return over, invalid("since", "is in the future")
	}
	if epoch := time.Unix(0, 0); over.since.Before(epoch) { // keys are in nanoseconds, which reach back to 1677
		over.since = epoch
	}
	if err := checkText("time_zone", req.GetTimeZone(), maxZoneBytes); err != nil {
		return over, err
	}
	if over.zone, err = time.LoadLocation(req.GetTimeZone()); err != nil || req.GetTimeZone() == "Local" {
		return over, invalid("time_zone", fmt.Sprintf("%q is not known here; want an IANA name such as Europe/Berlin", req.GetTimeZone()))
	}
	return over, nil
}

// owner names the team of a service by the graph in force.
func (s *statsService) owner() func(topology.Ref) string {
	graph, _ := s.options.Reader.Graph()
	return func(ref topology.Ref) string {
		if graph != nil {
			if n, ok := graph.Lookup(ref); ok {
				return graph.Service(n).Owner
			}
		}
		return ""
	}
}

func (s *statsService) tallyAlerts(ctx context.Context, tally *stats.Tally, over *span) error {
	scan := store.AlertScan{IncludeArchived: true, After: correlate.AlertID{StartsAt: over.since.UnixNano() - 1, Fingerprint: lastFingerprint}}
	_, err := s.options.Reader.ScanAlerts(ctx, scan, func(a *correlate.AlertState) bool {
		if !a.StartsAt.Before(over.until) {
			return false
		}
		if !a.Imported() {
			tally.Alert(a)
		}
		return ctx.Err() == nil
	})
	return errors.Join(err, ctx.Err())
}

// lastFingerprint sorts behind every fingerprint.
const lastFingerprint = "\xff"

// tallyIncidents goes from the newest incident down. Their numbers are given in the order
// in which they are opened, so that the first one that is too old is the end.
func (s *statsService) tallyIncidents(ctx context.Context, tally *stats.Tally, over *span) (revision uint64, err error) {
	for before, more := uint64(0), true; more; {
		var batch []*correlate.Incident
		more = false
		at, err := s.options.Reader.ScanIncidents(ctx, before, func(i *correlate.Incident) bool {
			if i.Imported() || i.OpenedAt.Before(over.since) { // what was imported comes last
				more = false
				return false
			}
			if i.OpenedAt.Before(over.until) {
				batch = append(batch, i)
			}
			before, more = i.Number, len(batch) == statsBatch
			return !more && ctx.Err() == nil
		})
		if err := errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		if revision == 0 {
			revision = at
		}
		if err := s.tallyBatch(ctx, tally, batch); err != nil {
			return 0, err
		}
	}
	return revision, nil
}

func (s *statsService) tallyBatch(ctx context.Context, tally *stats.Tally, batch []*correlate.Incident) (err error) {
	for _, i := range batch {
		var pages []*correlate.OutboxEntry
		if i.Paging.Seq > 0 {
			if pages, err = s.options.Reader.Pages(ctx, i.ID); err != nil {
				return err
			}
		}
		tally.Incident(i, pages)
	}
	return nil
}

func reportToProto(r *stats.Report) *pb.GetStatsResponse {
	return &pb.GetStatsResponse{
		Total: figuresToProto(&r.Total),
		Groups: mapped(r.Groups, func(g stats.Group) *pb.StatsGroup {
			return &pb.StatsGroup{Name: g.Name, Stats: figuresToProto(&g.Figures)}
		}),
		PagesByWeek: mapped(r.PagesByWeek, func(w stats.WeekPages) *pb.WeekPages {
			return &pb.WeekPages{Week: w.Week, Team: w.Team, Pages: int64(w.Pages)}
		}),
		Receivers: mapped(r.Receivers, func(r stats.Receiver) *pb.ReceiverStats {
			return &pb.ReceiverStats{
				Receiver: r.Receiver, Integration: r.Integration,
				Sent: int64(r.Sent), FailedAttempts: int64(r.FailedAttempts), Undelivered: int64(r.Undelivered),
			}
		}),
		Origins: mapped(r.Origins, func(o stats.Origin) *pb.OriginCount {
			return &pb.OriginCount{Service: o.Service, Incidents: int64(o.Incidents), Lasted: durationpb.New(o.Lasted)}
		}),
		Flapping: mapped(r.Flapping, func(f stats.Flapping) *pb.FlappingAlert {
			return &pb.FlappingAlert{AlertName: f.AlertName, Service: f.Service, Fingerprint: f.Fingerprint, Firings: int64(f.Firings)}
		}),
		Notes: r.Notes,
	}
}

func figuresToProto(f *stats.Figures) *pb.Stats {
	out := &pb.Stats{
		Alerts: int64(f.Alerts), AlertsWorthAPage: int64(f.WorthAPage), Incidents: int64(f.Incidents),
		Pages: int64(f.Pages), PagesAtNight: int64(f.AtNight),
		TimeToDetect: durationsToProto(f.Times[stats.Detect]), TimeToPage: durationsToProto(f.Times[stats.Page]),
		TimeToAcknowledge: durationsToProto(f.Times[stats.Acknowledge]), TimeToMitigate: durationsToProto(f.Times[stats.Mitigate]),
		TimeToResolve: durationsToProto(f.Times[stats.Resolve]),
		OriginsSaid:   int64(f.Feedback.Said), OriginsFirst: int64(f.Feedback.First), OriginsTop3: int64(f.Feedback.TopThree),
	}
	if reduction, ok := f.NoiseReduction(); ok {
		out.NoiseReduction = &reduction
	}
	for k, n := range f.BySev {
		if n > 0 {
			out.Severities = append(out.Severities, &pb.SeverityCount{Severity: pb.IncidentSeverity(int(correlate.Sev1) + k), Incidents: int64(n)})
		}
	}
	return out
}

func durationsToProto(d stats.Durations) *pb.DurationStats {
	out := &pb.DurationStats{Count: int64(d.Count)}
	if d.Count > 0 {
		out.Mean, out.Median, out.P95 = durationpb.New(d.Mean), durationpb.New(d.Median), durationpb.New(d.P95)
	}
	return out
}
