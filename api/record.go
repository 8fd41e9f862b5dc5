package api

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

const (
	maxNameBytes = 256 // of a role, of who has it, of a link's title
	maxURLBytes  = 2 << 10
)

// SetIncidentSeverity implements [pb.IncidentServiceServer].
func (s *incidentService) SetIncidentSeverity(ctx context.Context, req *pb.SetIncidentSeverityRequest) (*pb.SetIncidentSeverityResponse, error) {
	if _, ok := pb.IncidentSeverity_name[int32(req.GetSeverity())]; !ok {
		return nil, invalid("severity", fmt.Sprintf("%d is none", req.GetSeverity()))
	}
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandSetSeverity, Incident: req.GetId(), Sev: correlate.Sev(req.GetSeverity()), Actor: req.GetActor(), Text: req.GetNote(),
	}, "note", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.SetIncidentSeverityResponse{Incident: incident, Revision: revision}, nil
}

// SetIncidentStatus implements [pb.IncidentServiceServer].
func (s *incidentService) SetIncidentStatus(ctx context.Context, req *pb.SetIncidentStatusRequest) (*pb.SetIncidentStatusResponse, error) {
	if _, ok := pb.IncidentStatus_name[int32(req.GetStatus())]; !ok || req.GetStatus() == pb.IncidentStatus_INCIDENT_STATUS_UNSPECIFIED {
		return nil, invalid("status", "want one of "+strings.Join(statusWords[1:], ", "))
	}
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandSetStatus, Incident: req.GetId(), Status: correlate.Status(req.GetStatus() - 1), Actor: req.GetActor(), Text: req.GetNote(),
	}, "note", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.SetIncidentStatusResponse{Incident: incident, Revision: revision}, nil
}

// statusList names statuses for programs.
func statusList(statuses []correlate.Status) string {
	return strings.Join(mapped(statuses, correlate.Status.String), ",")
}

// AssignIncidentRole implements [pb.IncidentServiceServer].
func (s *incidentService) AssignIncidentRole(ctx context.Context, req *pb.AssignIncidentRoleRequest) (*pb.AssignIncidentRoleResponse, error) {
	if correlate.ParseRole(req.GetRole()) == "" {
		return nil, invalid("role", "must not be empty; "+correlate.RoleCommander+" is one")
	}
	if err := cmp.Or(checkName("role", req.GetRole()), checkName("assignee", req.GetAssignee())); err != nil {
		return nil, err
	}
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandAssign, Incident: req.GetId(), Role: req.GetRole(), Who: strings.TrimSpace(req.GetAssignee()), Actor: req.GetActor(), Text: req.GetNote(),
	}, "note", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.AssignIncidentRoleResponse{Incident: incident, Revision: revision}, nil
}

// AddIncidentUpdate implements [pb.IncidentServiceServer].
func (s *incidentService) AddIncidentUpdate(ctx context.Context, req *pb.AddIncidentUpdateRequest) (*pb.AddIncidentUpdateResponse, error) {
	if strings.TrimSpace(req.GetText()) == "" {
		return nil, invalid("text", "must not be empty")
	}
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandAddUpdate, Incident: req.GetId(), Public: req.GetPublic(), Actor: req.GetActor(), Text: req.GetText(),
	}, "text", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.AddIncidentUpdateResponse{Incident: incident, Revision: revision}, nil
}

// SetIncidentLink implements [pb.IncidentServiceServer].
func (s *incidentService) SetIncidentLink(ctx context.Context, req *pb.SetIncidentLinkRequest) (*pb.SetIncidentLinkResponse, error) {
	title := strings.TrimSpace(req.GetTitle())
	if title == "" {
		return nil, invalid("title", "must not be empty; bridge is one")
	}
	if err := cmp.Or(checkName("title", title), checkURL("url", req.GetUrl())); err != nil {
		return nil, err
	}
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandLink, Incident: req.GetId(), Link: correlate.LinkTarget{Title: title, URL: req.GetUrl()}, Actor: req.GetActor(), Text: req.GetNote(),
	}, "note", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.SetIncidentLinkResponse{Incident: incident, Revision: revision}, nil
}

// checkName refuses what is too long, or would break the line that it is shown on.
func checkName(field, text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid(field, "must be one line, without control characters")
	}
	return checkText(field, text, maxNameBytes)
}

// linkSchemes are what links of incidents may be of: dashboards make anchors of them, so
// none that a browser would run.
var linkSchemes = []string{"http", "https", "tel", "sip", "mailto", "slack", "msteams", "zoommtg"}

// checkURL takes the empty address, too.
func checkURL(field, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return invalid(field, "is no URL")
	case !slices.Contains(linkSchemes, u.Scheme):
		return invalid(field, "must be an absolute URL of "+strings.Join(linkSchemes, ", "))
	case strings.HasPrefix(u.Scheme, "http") && u.Host == "":
		return invalid(field, "names no host")
	}
	return checkText(field, text, maxURLBytes)
}
