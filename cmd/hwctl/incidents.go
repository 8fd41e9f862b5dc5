package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addIncidents() {
	group := a.cli.Command("incidents", "Show and steer incidents.").Alias("incident")
	a.addIncidentsList(group.Command("list", "List incidents, newest first."))
	a.addIncidentsShow(group.Command("show", "Show all that is known of an incident: what on-call reads, timeline, alerts and pages."))
	a.addIncidentsPostmortem(group.Command("postmortem", "Write the document that is read the morning after: what happened, how long it took, where it began, what is to be done."))
	a.addIncidentsWatch(group.Command("watch", "Print incidents as they change, open ones first. Goes on when the connection breaks, and misses no incident."))
	a.addIncidentsAck(group.Command("ack", "Say that you have an incident. It holds until the incident ends.").Alias("acknowledge"))
	a.addIncidentsResolve(group.Command("resolve", "End an incident, whatever its alerts say."))
	a.addIncidentsNote(group.Command("note", "Write a line into an incident's timeline."))
	a.addIncidentsSetOrigin(group.Command("set-origin", "Say where an incident began. It leads from then on, whatever the evidence."))
	a.addIncidentsMerge(group.Command("merge", "Make one incident of two. The one that on-call was paged for goes on, else the older."))
	a.addIncidentsSplit(group.Command("split", "Move alerts into an incident of their own. Only a merge joins the two again."))
	a.addIncidentsDetach(group.Command("detach", "Move alerts that came along into an incident of their own that does not page for them."))
	a.addIncidentsSeverity(group.Command("severity", "Say how bad an incident is, SEV1 to SEV4, whatever the evidence."))
	a.addIncidentsStatus(group.Command("status", "Say how far people have come with an incident."))
	a.addIncidentsClose(group.Command("close", "Close an incident that is resolved: nothing is left to do."))
	a.addIncidentsAssign(group.Command("assign", "Give a role in an incident to somebody, or take it away."))
	a.addIncidentsUpdate(group.Command("update", "Tell colleagues how an incident stands, or with --public those outside."))
	a.addIncidentsLink(group.Command("link", "Say where people look: the bridge, the chat channel, a dashboard."))
}

func (a *app) addIncidentsList(cmd *kingpin.CmdClause) {
	var flags listFlags
	var state, origin, service, order, sev, status string
	cmd.Flag("state", "open, resolved, merged or all.").Default("open").EnumVar(&state, "open", "resolved", "merged", "all")
	cmd.Flag("origin", "Only with this service as the probable origin.").PlaceHolder("SERVICE").StringVar(&origin)
	cmd.Flag("service", "Only those that hit this service.").PlaceHolder("SERVICE").StringVar(&service)
	cmd.Flag("severity", "Only those as bad as this or worse: SEV1 to SEV4.").PlaceHolder("SEV").StringVar(&sev)
	cmd.Flag("status", "Only those of this status: "+strings.Join(statusNames, ", ")+". Implies --state=all.").PlaceHolder("STATUS").EnumVar(&status, statusNames...)
	cmd.Flag("order-by", "opened_at, started_at, updated_at, severity, incident_severity or alerts, each alone or followed by desc.").Default("opened_at desc").StringVar(&order)
	flags.register(cmd, `severity >= "error" AND acknowledged = false`)
	a.command(cmd, func(ctx context.Context) error {
		var c conditions
		if state != "all" && status == "" {
			c.equal("state", state)
		}
		c.equal("status", status)
		if sev != "" {
			level, err := severityOf(sev)
			if err != nil {
				return err
			}
			c = append(c, `incident_severity <= "`+sevWord(level)+`"`)
		}
		c.equal("origin", origin)
		c.equal("service", service)
		return a.listIncidents(ctx, &headwaterv1.ListIncidentsRequest{Filter: c.and(flags.filter), OrderBy: order}, flags.limit)
	})
}

func (a *app) listIncidents(ctx context.Context, req *headwaterv1.ListIncidentsRequest, limit int) error {
	all := &headwaterv1.ListIncidentsResponse{}
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		client := headwaterv1.NewIncidentServiceClient(conn)
		return pages(limit, func(size int32, token string) (int, string, error) {
			req.PageSize, req.PageToken = size, token
			page, err := client.ListIncidents(ctx, req)
			all.Incidents = append(all.GetIncidents(), page.GetIncidents()...)
			all.NextPageToken, all.Revision = page.GetNextPageToken(), page.GetRevision()
			return len(page.GetIncidents()), page.GetNextPageToken(), err
		})
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	t := a.table("ID", "SEV", "STATUS", a.paint(plain, "SEVERITY"), "AGE", "ORIGIN", "ALERTS", "SERVICES", "ACK", wideOnly, "OPENED", "OWNER", "HEADLINE")
	for _, i := range all.GetIncidents() {
		t.row(i.GetId(), sevWord(i.GetIncidentSeverity()), statusWord(i), a.paint(severityColour(i.GetSeverity()), severityWord(i.GetSeverity())), a.age(i.GetStartedAt()),
			originWord(i), alertsWord(i), fmt.Sprint(len(i.GetServices())), clean(i.GetAcknowledgement().GetActor()),
			wideOnly, when(i.GetOpenedAt()), clean(bestOrigin(i).GetOwner()), clean(i.GetHeadline()))
	}
	t.flush()
	a.noteMore(all.GetNextPageToken())
	if len(all.GetIncidents()) == 0 && strings.HasPrefix(req.GetFilter(), onlyOpen) {
		fmt.Fprintln(a.errs, "hwctl: none is open; --state=all lists those that are over, too")
	}
	return nil
}

// onlyOpen is the condition that the default of --state makes.
const onlyOpen = `state = "open"`

// noteMore says so when a list was cut short by --limit.
func (a *app) noteMore(token string) {
	if token != "" {
		fmt.Fprintln(a.errs, "hwctl: there are more; --limit=0 lists all")
	}
}

func bestOrigin(i *headwaterv1.Incident) *headwaterv1.Origin {
	if len(i.GetOrigins()) == 0 {
		return nil
	}
	return i.GetOrigins()[0]
}

func originWord(i *headwaterv1.Incident) string {
	o := bestOrigin(i)
	if o == nil {
		return "unknown"
	}
	return refName(o.GetService()) + " (" + percent(o.GetProbability()) + ")"
}

// alertsWord is how many alerts fire, and of how many.
func alertsWord(i *headwaterv1.Incident) string {
	if i.GetFiring() == i.GetAlerts() {
		return fmt.Sprint(i.GetAlerts())
	}
	return fmt.Sprintf("%d of %d", i.GetFiring(), i.GetAlerts())
}

func (a *app) addIncidentsShow(cmd *kingpin.CmdClause) {
	var id string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&id)
	a.command(cmd, func(ctx context.Context) error { return a.showIncident(ctx, id) })
}

func (a *app) showIncident(ctx context.Context, id string) error {
	var incident *headwaterv1.GetIncidentResponse
	var alerts []*headwaterv1.Alert
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		incident, err = headwaterv1.NewIncidentServiceClient(conn).GetIncident(ctx, &headwaterv1.GetIncidentRequest{Id: id})
		if err != nil || a.json() {
			return err
		}
		var c conditions
		c.equal("incident", incident.GetIncident().GetId())
		alerts, _, _, err = fetchAlerts(ctx, conn, c.and(""), shownAlerts)
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(incident)
	}
	a.tell(incident.GetIncident(), alerts)
	return nil
}

// shownAlerts is how many alerts an incident's page lists; hwctl alerts list has all.
const shownAlerts = 200

func (a *app) addIncidentsAck(cmd *kingpin.CmdClause) {
	var id, actor, note string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&id)
	cmd.Flag("note", "What to say with it.").Short('m').StringVar(&note)
	actorFlag(cmd, &actor)
	var etag string
	etagFlag(cmd, &etag)
	a.command(cmd, func(ctx context.Context) error {
		return a.steer(ctx, "", func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.AcknowledgeIncident(ctx, &headwaterv1.AcknowledgeIncidentRequest{Id: id, Actor: actor, Note: note, Etag: etag})
		})
	})
}

func (a *app) addIncidentsResolve(cmd *kingpin.CmdClause) {
	var id, actor, reason string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&id)
	cmd.Flag("reason", "Why.").Short('m').StringVar(&reason)
	actorFlag(cmd, &actor)
	var etag string
	etagFlag(cmd, &etag)
	a.command(cmd, func(ctx context.Context) error {
		return a.steer(ctx, "", func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.ResolveIncident(ctx, &headwaterv1.ResolveIncidentRequest{Id: id, Actor: actor, Reason: reason, Etag: etag})
		})
	})
}

func (a *app) addIncidentsNote(cmd *kingpin.CmdClause) {
	var id, actor string
	var words []string
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&id)
	cmd.Arg("text", "The note. Several words need no quotes.").Required().StringsVar(&words)
	actorFlag(cmd, &actor)
	var etag string
	etagFlag(cmd, &etag)
	a.command(cmd, func(ctx context.Context) error {
		return a.steer(ctx, "noted in "+id, func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.AddIncidentNote(ctx, &headwaterv1.AddIncidentNoteRequest{Id: id, Actor: actor, Note: strings.Join(words, " "), Etag: etag})
		})
	})
}

func actorFlag(cmd *kingpin.CmdClause, actor *string) {
	cmd.Flag("actor", "Who does it. A server that authenticates knows better.").Default(whoami()).StringVar(actor)
}

func etagFlag(cmd *kingpin.CmdClause, etag *string) {
	cmd.Flag("etag", "Only if the incident still has this revision, as --output=json shows it.").PlaceHolder("REVISION").StringVar(etag)
}
