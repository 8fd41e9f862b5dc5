package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// statusNames are the statuses of incidents, in their order.
var statusNames = []string{"detected", "investigating", "identified", "mitigating", "resolved", "closed"}

func statusOf(name string) headwaterv1.IncidentStatus {
	return headwaterv1.IncidentStatus(headwaterv1.IncidentStatus_value["INCIDENT_STATUS_"+strings.ToUpper(name)])
}

// statusWord is how far people have come; for an incident that was merged, that.
func statusWord(i *headwaterv1.Incident) string {
	if i.GetState() == headwaterv1.IncidentState_INCIDENT_STATE_MERGED {
		return "merged"
	}
	if i.GetStatus() == headwaterv1.IncidentStatus_INCIDENT_STATUS_UNSPECIFIED {
		return stateWord(i.GetState()) // the server is older than statuses
	}
	return enumWord(i.GetStatus(), "INCIDENT_STATUS_")
}

// sevWord is "SEV2"; empty for an incident that is older than such severities.
func sevWord(s headwaterv1.IncidentSeverity) string {
	return strings.ToUpper(enumWord(s, "INCIDENT_SEVERITY_"))
}

// severityOf reads "SEV2", "sev2" or "2".
func severityOf(text string) (headwaterv1.IncidentSeverity, error) {
	digits := strings.TrimPrefix(strings.ToUpper(text), "SEV")
	value, ok := headwaterv1.IncidentSeverity_value["INCIDENT_SEVERITY_SEV"+digits]
	if !ok {
		return 0, usagef("severity %q: want SEV1, SEV2, SEV3 or SEV4", text)
	}
	return headwaterv1.IncidentSeverity(value), nil
}

func (a *app) addIncidentsSeverity(cmd *kingpin.CmdClause) {
	req := &headwaterv1.SetIncidentSeverityRequest{}
	var severity string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	cmd.Arg("severity", "SEV1 to SEV4; automatic: as the evidence has it again.").Required().StringVar(&severity)
	cmd.Flag("note", "Why.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) (err error) {
		if severity != "automatic" {
			if req.Severity, err = severityOf(severity); err != nil {
				return err
			}
		}
		return a.steerTo(ctx, func(i *headwaterv1.Incident) string {
			return fmt.Sprintf("%s is %s (%s)", i.GetId(), sevWord(i.GetIncidentSeverity()), clean(i.GetIncidentSeverityReason()))
		}, func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.SetIncidentSeverity(ctx, req)
		})
	})
}

func (a *app) addIncidentsStatus(cmd *kingpin.CmdClause) {
	req := &headwaterv1.SetIncidentStatusRequest{}
	var status string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	cmd.Arg("status", strings.Join(statusNames[1:], ", ")+".").Required().EnumVar(&status, statusNames[1:]...)
	cmd.Flag("note", "What to say with it; of closed, why.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		req.Status = statusOf(status)
		return a.setStatus(ctx, req)
	})
}

func (a *app) addIncidentsClose(cmd *kingpin.CmdClause) {
	req := &headwaterv1.SetIncidentStatusRequest{Status: headwaterv1.IncidentStatus_INCIDENT_STATUS_CLOSED}
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	cmd.Flag("reason", "Why nothing is left to do.").Short('m').Required().StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error { return a.setStatus(ctx, req) })
}

func (a *app) setStatus(ctx context.Context, req *headwaterv1.SetIncidentStatusRequest) error {
	return a.steerTo(ctx, func(i *headwaterv1.Incident) string { return i.GetId() + " is " + statusWord(i) },
		func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.SetIncidentStatus(ctx, req)
		})
}

func (a *app) addIncidentsAssign(cmd *kingpin.CmdClause) {
	req := &headwaterv1.AssignIncidentRoleRequest{}
	var nobody bool
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	cmd.Arg("role", "incident-commander (ic), technical-lead (tl), communications-lead (cl) or any other name.").Required().StringVar(&req.Role)
	cmd.Arg("who", "Who has it from now on.").StringVar(&req.Assignee)
	cmd.Flag("nobody", "Take the role away.").BoolVar(&nobody)
	cmd.Flag("note", "What to say with it.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		if nobody == (req.GetAssignee() != "") {
			return usagef("say who has the role, or --nobody")
		}
		return a.steerTo(ctx, func(i *headwaterv1.Incident) string { return i.GetId() + ": " + rolesText(i) },
			func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
				return client.AssignIncidentRole(ctx, req)
			})
	})
}

// rolesText is who does what, on one line.
func rolesText(i *headwaterv1.Incident) string {
	var parts []string
	for _, r := range i.GetRoles() {
		parts = append(parts, clean(r.GetRole())+" "+clean(r.GetAssignee()))
	}
	if len(parts) == 0 {
		return "nobody has a role"
	}
	return strings.Join(parts, ", ")
}

func (a *app) addIncidentsUpdate(cmd *kingpin.CmdClause) {
	req := &headwaterv1.AddIncidentUpdateRequest{}
	var words []string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	cmd.Arg("text", "How it stands. Several words need no quotes.").Required().StringsVar(&words)
	cmd.Flag("public", "It is for those outside, such as customers.").BoolVar(&req.Public)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		req.Text = strings.Join(words, " ")
		done := "internal update in " + req.GetId()
		if req.GetPublic() {
			done = "public update in " + req.GetId()
		}
		return a.steer(ctx, done, func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.AddIncidentUpdate(ctx, req)
		})
	})
}

func (a *app) addIncidentsLink(cmd *kingpin.CmdClause) {
	req := &headwaterv1.SetIncidentLinkRequest{}
	var remove bool
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	cmd.Arg("title", "What it is called: bridge, chat, dashboard, … An incident has one link of each title.").Required().StringVar(&req.Title)
	cmd.Arg("url", "Where it leads.").StringVar(&req.Url)
	cmd.Flag("remove", "Remove the link of this title.").BoolVar(&remove)
	cmd.Flag("note", "What to say with it.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		if remove == (req.GetUrl() != "") {
			return usagef("give either the URL or --remove")
		}
		done := req.GetTitle() + " of " + req.GetId() + " leads to " + req.GetUrl()
		if remove {
			done = req.GetTitle() + " of " + req.GetId() + " removed"
		}
		return a.steer(ctx, done, func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.SetIncidentLink(ctx, req)
		})
	})
}

func (a *app) addIncidentsDetach(cmd *kingpin.CmdClause) {
	req := &headwaterv1.DetachIncidentAlertsRequest{}
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	leavingArgs(cmd, &req.Alerts, &req.Services)
	cmd.Flag("note", "What to say with it.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		if err := someLeave(req); err != nil {
			return err
		}
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.DetachIncidentAlertsResponse, error) {
			return headwaterv1.NewIncidentServiceClient(conn).DetachIncidentAlerts(ctx, req)
		}, func(answer *headwaterv1.DetachIncidentAlertsResponse) {
			rest, left := answer.GetIncident(), answer.GetDetachedIncident()
			fmt.Fprintf(a.out, "%s detached from %s: %s\n%s goes on: %s\n", left.GetId(), rest.GetId(), clean(left.GetHeadline()), rest.GetId(), clean(rest.GetHeadline()))
		})
	})
}

// record prints what people said of an incident: how bad, how far, who, where.
func (p *paragraphs) record(i *headwaterv1.Incident) {
	if word := sevWord(i.GetIncidentSeverity()); word != "" {
		p.line("Severity", "%s: %s", word, clean(i.GetIncidentSeverityReason()))
	}
	if c := i.GetClosed(); c != nil {
		p.line("Closed", "%s by %s: %s", when(c.GetAt()), clean(c.GetActor()), clean(c.GetNote()))
	}
	for _, r := range i.GetRoles() {
		p.line("Roles", "%s: %s", clean(r.GetRole()), clean(r.GetAssignee()))
	}
	for _, l := range i.GetLinks() {
		p.line("Links", "%s: %s", clean(l.GetTitle()), clean(l.GetUrl()))
	}
}
