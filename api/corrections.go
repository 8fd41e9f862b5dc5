package api

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

const (
	// maxNamed bounds the alerts and the services that a split names.
	maxNamed        = 1000
	maxSubjectBytes = 1 << 10
)

// SetIncidentOrigin implements [pb.IncidentServiceServer].
func (s *incidentService) SetIncidentOrigin(ctx context.Context, req *pb.SetIncidentOriginRequest) (*pb.SetIncidentOriginResponse, error) {
	if err := checkText("service", req.GetService(), maxSubjectBytes); err != nil {
		return nil, err
	}
	service := topology.ParseRef(req.GetService())
	if req.GetConfirm() {
		var err error
		if service, err = s.leading(ctx, req); err != nil {
			return nil, err
		}
	}
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandSetOrigin, Incident: req.GetId(), Service: service, Actor: req.GetActor(), Text: req.GetNote(),
	}, "note", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.SetIncidentOriginResponse{Incident: incident, Revision: revision}, nil
}

// leading is the most probable candidate of the incident that is confirmed.
func (s *incidentService) leading(ctx context.Context, req *pb.SetIncidentOriginRequest) (topology.Ref, error) {
	if req.GetService() != "" {
		return topology.Ref{}, invalid("service", "must be empty with confirm, which is for the most probable candidate")
	}
	incident, _, err := s.incident(ctx, req.GetId())
	if err != nil {
		return topology.Ref{}, err
	}
	o := incident.Origin()
	if o == nil {
		text := fmt.Sprintf("%s has no candidate to confirm; name the service", incident.ID)
		return topology.Ref{}, fault(codes.FailedPrecondition, reasonRejected, text, map[string]string{"incident": incident.ID})
	}
	return o.Service, nil
}

// MergeIncidents implements [pb.IncidentServiceServer].
func (s *incidentService) MergeIncidents(ctx context.Context, req *pb.MergeIncidentsRequest) (*pb.MergeIncidentsResponse, error) {
	if req.GetInto() == "" {
		return nil, invalid("into", "must not be empty; an id looks like INC-41")
	}
	other, _, err := s.incident(ctx, req.GetInto())
	if err != nil {
		return nil, err
	}
	if err := s.checkNotMerged(ctx, other); err != nil {
		return nil, err
	}
	c := correlate.Command{Kind: correlate.CommandMerge, Incident: req.GetId(), Into: req.GetInto(), Actor: req.GetActor(), Text: req.GetNote()}
	if err := s.admit(ctx, &c, "note", req.GetEtag()); err != nil {
		return nil, err
	}
	if err := s.carryOut(ctx, &c); err != nil {
		return nil, err
	}
	id, err := s.continues(ctx, c.Incident)
	if err != nil {
		return nil, err
	}
	incident, revision, err := s.whole(ctx, id)
	if err != nil {
		return nil, err
	}
	return &pb.MergeIncidentsResponse{Incident: incident, Revision: revision}, nil
}

// continues is the id under which an incident goes on, its own unless it was merged.
func (s *incidentService) continues(ctx context.Context, id string) (string, error) {
	i, _, err := s.incident(ctx, id)
	if err != nil || i.State != correlate.IncidentMerged {
		return id, err
	}
	return s.end(ctx, i.MergedInto), nil
}

// SplitIncident implements [pb.IncidentServiceServer].
func (s *incidentService) SplitIncident(ctx context.Context, req *pb.SplitIncidentRequest) (*pb.SplitIncidentResponse, error) {
	c := correlate.Command{Kind: correlate.CommandSplit, Incident: req.GetId(), Actor: req.GetActor(), Text: req.GetNote()}
	resp := &pb.SplitIncidentResponse{}
	var err error
	resp.Incident, resp.SplitIncident, resp.Revision, err = s.takeOut(ctx, &c, req)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// DetachIncidentAlerts implements [pb.IncidentServiceServer].
func (s *incidentService) DetachIncidentAlerts(ctx context.Context, req *pb.DetachIncidentAlertsRequest) (*pb.DetachIncidentAlertsResponse, error) {
	c := correlate.Command{Kind: correlate.CommandDetach, Incident: req.GetId(), Actor: req.GetActor(), Text: req.GetNote()}
	resp := &pb.DetachIncidentAlertsResponse{}
	var err error
	resp.Incident, resp.DetachedIncident, resp.Revision, err = s.takeOut(ctx, &c, req)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// leavers name what leaves an incident.
type leavers interface {
	GetAlerts() []string
	GetServices() []string
	GetEtag() string
}

// takeOut carries out a command that moves alerts into an incident of their own, and
// returns what they left and what they are in now.
func (s *incidentService) takeOut(ctx context.Context, c *correlate.Command, req leavers) (rest, left *pb.Incident, revision uint64, err error) {
	if err := nameSplit(c, req); err != nil {
		return nil, nil, 0, err
	}
	if err := s.admit(ctx, c, "note", req.GetEtag()); err != nil {
		return nil, nil, 0, err
	}
	if err := s.carryOut(ctx, c); err != nil {
		return nil, nil, 0, err
	}
	fresh, err := s.splitFrom(ctx, c.Incident, c.Actor)
	if err != nil {
		return nil, nil, 0, err
	}
	if left, err = s.view(ctx, fresh, pb.IncidentView_INCIDENT_VIEW_FULL); err != nil {
		return nil, nil, 0, err
	}
	rest, revision, err = s.whole(ctx, c.Incident)
	return rest, left, revision, err
}

// nameSplit reads the alerts and the services that leave.
func nameSplit(c *correlate.Command, req leavers) error {
	switch {
	case len(req.GetAlerts())+len(req.GetServices()) == 0:
		return invalid("services", "name the services whose alerts leave, or in alerts the alerts")
	case len(req.GetAlerts()) > maxNamed:
		return invalid("alerts", fmt.Sprintf("%d are too many; name at most %d, or services", len(req.GetAlerts()), maxNamed))
	case len(req.GetServices()) > maxNamed:
		return invalid("services", fmt.Sprintf("%d are too many; name at most %d", len(req.GetServices()), maxNamed))
	}
	for n, text := range req.GetAlerts() {
		id, err := correlate.ParseAlertID(text)
		if err != nil {
			return invalid(fmt.Sprintf("alerts[%d]", n), err.Error())
		}
		c.Alerts = append(c.Alerts, id)
	}
	for n, name := range req.GetServices() {
		if name == "" {
			return invalid(fmt.Sprintf("services[%d]", n), "must not be empty")
		}
		c.Services = append(c.Services, topology.ParseRef(name))
	}
	return nil
}

// splitFrom is the latest incident that the actor split off another one.
func (s *incidentService) splitFrom(ctx context.Context, id, actor string) (*correlate.Incident, error) {
	var found *correlate.Incident
	_, err := s.options.Reader.ScanIncidents(ctx, 0, func(i *correlate.Incident) bool {
		byActor := func(p correlate.Parting) bool { return p.Incident == id && p.By == actor }
		if i.SplitFrom == id && slices.ContainsFunc(i.Apart, byActor) {
			found = i
		}
		return found == nil && i.ID != id && ctx.Err() == nil // a younger incident has a higher number
	})
	if err == nil && found == nil {
		err = fault(codes.Unavailable, reasonNotApplied, "the split was carried out, and what was split off has changed since; list the incidents", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was split off %s: %w", id, err)
	}
	return found, nil
}
