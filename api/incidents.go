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
	"github.com/headwater-sre/headwater/topology"
)

type incidentService struct {
	pb.UnimplementedIncidentServiceServer
	*Server
}

// GetIncident implements [pb.IncidentServiceServer].
func (s *incidentService) GetIncident(ctx context.Context, req *pb.GetIncidentRequest) (*pb.GetIncidentResponse, error) {
	incident, revision, err := s.incident(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	full, err := s.view(ctx, incident, pb.IncidentView_INCIDENT_VIEW_FULL)
	if err != nil {
		return nil, err
	}
	return &pb.GetIncidentResponse{Incident: full, Revision: revision}, nil
}

// ListIncidents implements [pb.IncidentServiceServer].
func (s *incidentService) ListIncidents(ctx context.Context, req *pb.ListIncidentsRequest) (*pb.ListIncidentsResponse, error) {
	selection, err := compileIncidentFilter(req.GetFilter())
	if err != nil {
		return nil, err
	}
	by, err := parseOrder(req.GetOrderBy())
	if err != nil {
		return nil, invalid("order_by", err.Error())
	}
	list, err := newListing("ListIncidents", req.GetPageSize(), req.GetPageToken(), req.GetFilter(), by.String())
	if err != nil {
		return nil, err
	}
	// One more than asked for: whether there is another page.
	rows, revision, err := s.selectIncidents(ctx, selection, by, list)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListIncidentsResponse{Revision: revision}
	size := 0
	for n, row := range rows {
		if n == list.size || size >= maxPageBytes {
			resp.NextPageToken = list.next(pageToken{Incident: by.place(rows[n-1])})
			break
		}
		incident, err := s.view(ctx, row, req.GetView())
		if err != nil {
			return nil, err
		}
		size += proto.Size(incident)
		resp.Incidents = append(resp.Incidents, incident)
	}
	return resp, nil
}

// selectIncidents returns the first list.size+1 matches after the page before.
func (s *incidentService) selectIncidents(ctx context.Context, selection filter[*correlate.Incident], by order, list listing) ([]*correlate.Incident, uint64, error) {
	top := topList{order: by, limit: list.size + 1}
	var before uint64
	if list.after != nil && by.newestFirst() {
		before = list.after.Incident.Number
	}
	revision, err := s.options.Reader.ScanIncidents(ctx, before, func(i *correlate.Incident) bool {
		if list.after != nil && by.compare(by.place(i), list.after.Incident) <= 0 {
			return true
		}
		if selection.match(i) {
			top.add(i)
		}
		// In the order of the scan the first matches are the page.
		full := by.newestFirst() && len(top.rows) == top.limit
		return !full && ctx.Err() == nil
	})
	return top.rows, revision, errors.Join(err, ctx.Err())
}

// incident reads one incident and words the error when there is none.
func (s *incidentService) incident(ctx context.Context, id string) (*correlate.Incident, uint64, error) {
	if id == "" {
		return nil, 0, invalid("id", "must not be empty; an id looks like INC-41")
	}
	i, revision, err := s.options.Reader.Incident(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, missing("Incident", id, fmt.Sprintf("there is no incident %q", id))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read incident %s: %w", id, err)
	}
	return i, revision, nil
}

// view converts as much of an incident as is asked for.
func (s *incidentService) view(ctx context.Context, i *correlate.Incident, view pb.IncidentView) (*pb.Incident, error) {
	p := incidentToProto(i)
	if view != pb.IncidentView_INCIDENT_VIEW_FULL {
		p.Timeline = nil
		return p, nil
	}
	pages, err := s.options.Reader.Pages(ctx, i.ID)
	if err != nil {
		return nil, fmt.Errorf("read pages of %s: %w", i.ID, err)
	}
	p.Pages = mapped(pages, pageToProto)
	return p, nil
}

func compileIncidentFilter(src string) (filter[*correlate.Incident], error) {
	f, err := compileFilter(incidentFields, src)
	if err != nil {
		return filter[*correlate.Incident]{}, invalid("filter", err.Error())
	}
	return f, nil
}

type incidentRow = *correlate.Incident

var (
	severityWords = []string{"none", "info", "warning", "error", "critical"}
	stateWords    = []string{"open", "resolved", "merged"}
	statusWords   = []string{"detected", "investigating", "identified", "mitigating", "resolved", "closed"}
	sevWords      = []string{"sev1", "sev2", "sev3", "sev4"} // from [correlate.Sev1] on
)

// incidentFields are listed in the comment of ListIncidentsRequest.filter.
var incidentFields = schema[incidentRow]{
	example: `state = "open"`,
	fields: []filterField[incidentRow]{
		textField("id", func(i incidentRow) []string { return []string{i.ID} }),
		rankField("state", "INCIDENT_STATE_", stateWords, func(i incidentRow) int { return int(i.State) }),
		rankField("severity", "SEVERITY_", severityWords, func(i incidentRow) int { return int(i.Severity) }),
		rankField("incident_severity", "INCIDENT_SEVERITY_", sevWords, sevRank),
		rankField("status", "INCIDENT_STATUS_", statusWords, func(i incidentRow) int { return int(i.Status) }),
		textField("role", func(i incidentRow) []string {
			return mapped(i.Roles, func(r correlate.Role) string { return r.Who })
		}),
		textField("origin", func(i incidentRow) []string {
			if o := i.Origin(); o != nil {
				return refNames(nil, o.Service)
			}
			return nil
		}),
		textField("owner", func(i incidentRow) []string {
			if o := i.Origin(); o != nil {
				return []string{o.Owner}
			}
			return nil
		}),
		numberField("probability", func(i incidentRow) float64 {
			if o := i.Origin(); o != nil {
				return o.Probability
			}
			return 0
		}),
		textField("service", incidentServices),
		numberField("services", func(i incidentRow) float64 { return float64(len(i.Services)) }),
		numberField("alerts", func(i incidentRow) float64 { return float64(i.Alerts) }),
		numberField("firing", func(i incidentRow) float64 { return float64(i.Firing) }),
		textField("environment", func(i incidentRow) []string { return []string{i.Environment} }),
		textField("headline", func(i incidentRow) []string { return []string{i.Headline()} }),
		boolField("acknowledged", func(i incidentRow) bool { return i.Ack != nil }),
		boolField("paged", func(i incidentRow) bool { return i.Paging.Opens > 0 }),
		boolField("archived", func(i incidentRow) bool { return i.Archived }),
		timeField("started_at", func(i incidentRow) time.Time { return i.StartedAt }),
		timeField("opened_at", func(i incidentRow) time.Time { return i.OpenedAt }),
		timeField("updated_at", func(i incidentRow) time.Time { return i.UpdatedAt }),
		timeField("resolved_at", func(i incidentRow) time.Time { return i.ResolvedAt }),
	},
}

// sevRank is the place of an incident's severity among the words; incidents without one come last.
func sevRank(i incidentRow) int {
	if i.Sev == correlate.SevUnset {
		return len(sevWords)
	}
	return int(i.Sev - correlate.Sev1)
}

func incidentServices(i incidentRow) []string {
	names := make([]string, 0, 2*len(i.Services))
	for _, s := range i.Services {
		names = refNames(names, s.Service)
	}
	return names
}

// refNames appends the names that a filter knows a service by.
func refNames(names []string, r topology.Ref) []string {
	if r.Name == "" {
		return names
	}
	if r.Namespace != "" {
		names = append(names, r.String())
	}
	return append(names, r.Name)
}
