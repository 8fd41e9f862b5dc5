package main

import (
	"context"
	"fmt"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addIncidentsSetOrigin(cmd *kingpin.CmdClause) {
	req := &headwaterv1.SetIncidentOriginRequest{}
	var withdraw bool
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	cmd.Arg("service", "Where it began: NAME or NAMESPACE/NAME.").StringVar(&req.Service)
	cmd.Flag("confirm", "It began where Headwater says. hwctl stats tells how often that was so.").BoolVar(&req.Confirm)
	cmd.Flag("withdraw", "Take the word back: the evidence decides again.").BoolVar(&withdraw)
	cmd.Flag("note", "What to say with it.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		done := "origin of " + req.GetId() + " set to " + req.GetService()
		if !oneOf(req.GetService() != "", req.GetConfirm(), withdraw) {
			return usagef("give either the service, --confirm or --withdraw")
		}
		if withdraw {
			done = "origin of " + req.GetId() + " left to the evidence"
		}
		if req.GetConfirm() {
			done = "origin of " + req.GetId() + " confirmed"
		}
		return a.steer(ctx, done, func(ctx context.Context, client headwaterv1.IncidentServiceClient) (incidentAnswer, error) {
			return client.SetIncidentOrigin(ctx, req)
		})
	})
}

// oneOf reports whether exactly one of several ways was chosen.
func oneOf(ways ...bool) bool {
	chosen := 0
	for _, way := range ways {
		if way {
			chosen++
		}
	}
	return chosen == 1
}

func (a *app) addIncidentsMerge(cmd *kingpin.CmdClause) {
	req := &headwaterv1.MergeIncidentsRequest{}
	cmd.Arg("id", "Such as INC-42.").Required().StringVar(&req.Id)
	cmd.Arg("into", "The other incident, such as INC-41.").Required().StringVar(&req.Into)
	cmd.Flag("note", "What to say with it.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.MergeIncidentsResponse, error) {
			return headwaterv1.NewIncidentServiceClient(conn).MergeIncidents(ctx, req)
		}, func(answer *headwaterv1.MergeIncidentsResponse) {
			i := answer.GetIncident()
			fmt.Fprintf(a.out, "%s and %s go on as %s: %s\n", req.GetId(), req.GetInto(), i.GetId(), clean(i.GetHeadline()))
		})
	})
}

// leavingArgs name the alerts that leave an incident.
func leavingArgs(cmd *kingpin.CmdClause, alerts, services *[]string) {
	cmd.Arg("alert", "Ids of alerts that leave, as hwctl alerts list -o wide has them.").StringsVar(alerts)
	cmd.Flag("service", "All alerts of this service leave. May be given several times.").Short('s').PlaceHolder("SERVICE").StringsVar(services)
}

// someLeave fails when none is named.
func someLeave(req interface {
	GetAlerts() []string
	GetServices() []string
},
) error {
	if len(req.GetAlerts())+len(req.GetServices()) == 0 {
		return usagef("name the alerts that leave, or --service")
	}
	return nil
}

func (a *app) addIncidentsSplit(cmd *kingpin.CmdClause) {
	req := &headwaterv1.SplitIncidentRequest{}
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&req.Id)
	leavingArgs(cmd, &req.Alerts, &req.Services)
	cmd.Flag("note", "What to say with it.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	etagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error {
		if err := someLeave(req); err != nil {
			return err
		}
		return a.split(ctx, req)
	})
}

func (a *app) split(ctx context.Context, req *headwaterv1.SplitIncidentRequest) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.SplitIncidentResponse, error) {
		return headwaterv1.NewIncidentServiceClient(conn).SplitIncident(ctx, req)
	}, func(answer *headwaterv1.SplitIncidentResponse) {
		rest, left := answer.GetIncident(), answer.GetSplitIncident()
		fmt.Fprintf(a.out, "%s split off %s: %s\n%s goes on: %s\n", left.GetId(), rest.GetId(), clean(left.GetHeadline()), rest.GetId(), clean(rest.GetHeadline()))
	})
}
