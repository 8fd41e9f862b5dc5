package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// maxHealthResults bounds one report. The stream splits larger ones, but a report
// should be accepted or refused as one.
const maxHealthResults = 10_000

type healthService struct {
	pb.UnimplementedHealthServiceServer
	*Server
}

// ReportHealth implements [pb.HealthServiceServer].
func (s *healthService) ReportHealth(ctx context.Context, req *pb.ReportHealthRequest) (*pb.ReportHealthResponse, error) {
	batch, err := healthBatch(req)
	if err != nil {
		return nil, err
	}
	pos, err := s.options.Health.Report(ctx, batch)
	if err != nil {
		return nil, publishError(ctx, err)
	}
	return &pb.ReportHealthResponse{Revision: pos}, nil
}

// healthBatch refuses what the wire format can say and the domain cannot; all other
// rules are [HealthReporter]'s, the same for every way in.
func healthBatch(req *pb.ReportHealthRequest) (*correlate.HealthBatch, error) {
	switch n := len(req.GetResults()); {
	case n == 0:
		return nil, invalid("results", "at least one is required")
	case n > maxHealthResults:
		return nil, invalid("results", fmt.Sprintf("%d are too many; send at most %d at a time", n, maxHealthResults))
	}
	batch := &correlate.HealthBatch{Source: cmp.Or(req.GetSource(), "api")}
	for n, r := range req.GetResults() {
		result, err := healthResult(fmt.Sprintf("results[%d].", n), r)
		if err != nil {
			return nil, err
		}
		batch.Results = append(batch.Results, result)
	}
	return batch, nil
}

func healthResult(path string, r *pb.HealthResult) (correlate.HealthResult, error) {
	service := topology.ParseRef(r.GetService())
	if r.GetNamespace() != "" {
		service = topology.Ref{Namespace: r.GetNamespace(), Name: r.GetService()}
	}
	result := correlate.HealthResult{
		Service:          service,
		Check:            r.GetCheck(),
		Status:           correlate.HealthStatus(r.GetStatus() - 1),
		Latency:          r.GetLatency().AsDuration(),
		Message:          r.GetMessage(),
		FailureThreshold: int(r.GetFailureThreshold()),
		SuccessThreshold: int(r.GetSuccessThreshold()),
		TTL:              r.GetTtl().AsDuration(),
	}
	if r.GetCheckedAt() != nil {
		result.At = r.GetCheckedAt().AsTime()
	}
	_, known := pb.HealthStatus_name[int32(r.GetStatus())]
	switch {
	case !known || r.GetStatus() == pb.HealthStatus_HEALTH_STATUS_UNSPECIFIED:
		return result, invalid(path+"status", "want HEALTH_STATUS_PASSING, HEALTH_STATUS_DEGRADED, HEALTH_STATUS_FAILING or HEALTH_STATUS_UNKNOWN")
	case r.GetLatency() != nil && r.GetLatency().CheckValid() != nil:
		return result, invalid(path+"latency", "must be a valid duration")
	case r.GetTtl() != nil && r.GetTtl().CheckValid() != nil:
		return result, invalid(path+"ttl", "must be a valid duration")
	case r.GetCheckedAt() != nil && r.GetCheckedAt().CheckValid() != nil:
		return result, invalid(path+"checked_at", "must be a valid time")
	}
	return result, nil
}

// ListHealth implements [pb.HealthServiceServer].
func (s *healthService) ListHealth(ctx context.Context, req *pb.ListHealthRequest) (*pb.ListHealthResponse, error) {
	selection, err := compileFilter(healthFields, req.GetFilter())
	if err != nil {
		return nil, invalid("filter", err.Error())
	}
	list, err := newListing("ListHealth", req.GetPageSize(), req.GetPageToken(), req.GetFilter())
	if err != nil {
		return nil, err
	}
	// Checks are configuration-sized, so all matches are sorted and the page cut out.
	var rows []*correlate.HealthState
	known := map[checkKey]bool{}
	consider := func(h *correlate.HealthState) bool {
		known[keyOf(h)] = true
		if (list.after == nil || compareChecks(keyOf(h), list.after.Check) > 0) && selection.match(h) {
			rows = append(rows, h)
		}
		return ctx.Err() == nil
	}
	revision, err := s.options.Reader.ScanHealth(ctx, consider)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("read health checks: %w", err)
	}
	probes := s.options.Probes()
	for i := range probes {
		if p := &probes[i]; !known[p.key()] { // nothing was published of it yet
			consider(&correlate.HealthState{Service: p.Service, Check: p.Check})
		}
	}
	slices.SortFunc(rows, func(a, b *correlate.HealthState) int { return compareChecks(keyOf(a), keyOf(b)) })
	resp := &pb.ListHealthResponse{Revision: revision}
	size := 0
	for n, row := range rows {
		if n == list.size || size >= maxPageBytes {
			resp.NextPageToken = list.next(pageToken{Check: keyOf(rows[n-1])})
			break
		}
		check := healthToProto(row)
		check.Probe = probeOf(probes, keyOf(row))
		size += proto.Size(check)
		resp.Checks = append(resp.Checks, check)
	}
	return resp, nil
}

func keyOf(h *correlate.HealthState) checkKey {
	return checkKey{Namespace: h.Service.Namespace, Name: h.Service.Name, Check: h.Check}
}

func compareChecks(a, b checkKey) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Check, b.Check))
}

type healthRow = *correlate.HealthState

var healthWords = []string{"unknown", "passing", "degraded", "failing"}

// healthFields are listed in the comment of ListHealthRequest.filter.
var healthFields = schema[healthRow]{
	example: `status = "failing"`,
	fields: []filterField[healthRow]{
		textField("service", func(h healthRow) []string { return refNames(nil, h.Service) }),
		textField("check", func(h healthRow) []string { return []string{h.Check} }),
		rankField("status", "HEALTH_STATUS_", healthWords, func(h healthRow) int { return int(h.Status) }),
		numberField("failures", func(h healthRow) float64 { return float64(h.Failures) }),
		timeField("checked_at", func(h healthRow) time.Time { return h.At }),
		timeField("since", func(h healthRow) time.Time { return h.Since }),
	},
}
