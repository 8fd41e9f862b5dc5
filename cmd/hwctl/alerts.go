package main

import (
	"context"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addAlerts() {
	group := a.cli.Command("alerts", "Show alerts, each with what became of it and why.").Alias("alert")
	a.addAlertsList(group.Command("list", "List alerts, oldest start first, history included."))
}

func (a *app) addAlertsList(cmd *kingpin.CmdClause) {
	var flags listFlags
	var incident, fate, service string
	var active bool
	cmd.Flag("incident", "Only those of this incident, such as INC-41.").PlaceHolder("ID").StringVar(&incident)
	cmd.Flag("fate", "Only those of which this became: pending, held, paged, below-severity, chronic, flapping, not-paged or muted.").
		EnumVar(&fate, "pending", "held", "paged", "below-severity", "chronic", "flapping", "not-paged", "muted")
	cmd.Flag("service", "Only those about this service.").PlaceHolder("SERVICE").StringVar(&service)
	cmd.Flag("active", "Only those that fire.").BoolVar(&active)
	flags.register(cmd, `alertname : "latency" AND labels.namespace = "shop"`)
	a.command(cmd, func(ctx context.Context) error {
		var c conditions
		c.equal("incident", incident)
		c.equal("fate", fate)
		c.equal("service", service)
		if active {
			c = append(c, "active = true")
		}
		return a.listAlerts(ctx, c.and(flags.filter), flags.limit)
	})
}

func (a *app) listAlerts(ctx context.Context, filter string, limit int) error {
	var all headwaterv1.ListAlertsResponse
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		all.Alerts, all.NextPageToken, all.Revision, err = fetchAlerts(ctx, conn, filter, limit)
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(&all)
	}
	a.alertTable(all.GetAlerts())
	a.noteMore(all.GetNextPageToken())
	return nil
}

// fetchAlerts returns up to limit alerts, the token of those that follow, and the revision.
func fetchAlerts(ctx context.Context, conn *grpc.ClientConn, filter string, limit int) (all []*headwaterv1.Alert, next string, revision uint64, err error) {
	client := headwaterv1.NewAlertServiceClient(conn)
	err = pages(limit, func(size int32, token string) (int, string, error) {
		page, err := client.ListAlerts(ctx, &headwaterv1.ListAlertsRequest{Filter: filter, PageSize: size, PageToken: token})
		all, next, revision = append(all, page.GetAlerts()...), page.GetNextPageToken(), page.GetRevision()
		return len(page.GetAlerts()), next, err
	})
	return all, next, revision, err
}

func (a *app) alertTable(alerts []*headwaterv1.Alert) {
	t := a.table("ALERT", "SERVICE", a.paint(plain, "SEVERITY"), "STATE", "SINCE", "INCIDENT", "FATE", "WHY", wideOnly, "STARTED", "ENDED", "NAMED BY", "ID")
	for _, x := range alerts {
		state := "ended"
		if x.GetActive() {
			state = "firing"
		}
		service := refName(x.GetService())
		if caller := x.GetCaller(); caller.GetName() != "" {
			service = refName(caller) + " → " + service
		}
		t.row(clean(x.GetLabels()["alertname"]), service, a.paint(severityColour(x.GetSeverity()), severityWord(x.GetSeverity())), state, a.age(x.GetStartedAt()),
			x.GetIncident(), enumWord(x.GetFate().GetKind(), "FATE_KIND_"), clean(x.GetFate().GetText()),
			wideOnly, when(x.GetStartedAt()), when(x.GetEndedAt()), clean(x.GetMappedBy()), x.GetId())
	}
	t.flush()
}
