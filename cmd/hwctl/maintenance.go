package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addMaintenance() {
	group := a.cli.Command("maintenance", "Windows in which pages are muted, never incidents.")
	a.addMaintenanceAdd(group.Command("add", "Declare a window."))
	a.addMaintenanceList(group.Command("list", "List the windows that are not over."))
	a.addMaintenanceEnd(group.Command("end", "End a window before its time, or take back one to come."))
}

func (a *app) addMaintenanceAdd(cmd *kingpin.CmdClause) {
	req := &headwaterv1.CreateMaintenanceRequest{}
	var length, from, until string
	cmd.Flag("service", "A service, as name or namespace/name. Repeatable.").Short('s').PlaceHolder("NAME").StringsVar(&req.Services)
	cmd.Flag("dependents", "All that depends on the services is in it too.").BoolVar(&req.Dependents)
	cmd.Flag("match", `A matcher on the alert's labels, such as instance=~"db-.*". Repeatable; all must fit.`).PlaceHolder("MATCHER").StringsVar(&req.Matchers)
	cmd.Flag("for", "How long it lasts, such as 2h.").PlaceHolder("DURATION").StringVar(&length)
	cmd.Flag("from", "When it begins, RFC 3339. Default: now.").PlaceHolder("TIME").StringVar(&from)
	cmd.Flag("until", "When it ends, RFC 3339, instead of --for.").PlaceHolder("TIME").StringVar(&until)
	cmd.Flag("message", "Why.").Short('m').Required().StringVar(&req.Reason)
	actorFlag(cmd, &req.Actor)
	a.command(cmd, func(ctx context.Context) error {
		if err := a.readWindow(req, length, from, until); err != nil {
			return err
		}
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.CreateMaintenanceResponse, error) {
			return headwaterv1.NewMaintenanceServiceClient(conn).CreateMaintenance(ctx, req)
		}, func(answer *headwaterv1.CreateMaintenanceResponse) { a.printMaintenance(answer.GetMaintenance()) })
	})
}

// readWindow reads when a window begins and ends.
func (a *app) readWindow(req *headwaterv1.CreateMaintenanceRequest, length, from, until string) error {
	if (length == "") == (until == "") {
		return usagef("give one of --for and --until")
	}
	begins := a.now()
	if from != "" {
		t, err := time.Parse(time.RFC3339, from)
		if err != nil {
			return usagef("--from %q: want an RFC 3339 time such as 2026-12-01T22:00:00Z", from)
		}
		begins, req.From = t, timestamppb.New(t)
	}
	if until != "" {
		t, err := time.Parse(time.RFC3339, until)
		if err != nil {
			return usagef("--until %q: want an RFC 3339 time such as 2026-12-02T02:00:00Z", until)
		}
		req.Until = timestamppb.New(t)
		return nil
	}
	d, err := model.ParseDuration(length)
	if err != nil {
		return usagef("--for %q: want a duration such as 30m or 2h", length)
	}
	req.Until = timestamppb.New(begins.Add(time.Duration(d)))
	return nil
}

func (a *app) addMaintenanceList(cmd *kingpin.CmdClause) {
	req := &headwaterv1.ListMaintenanceRequest{PageSize: 1000}
	cmd.Flag("all", "Those that are over, too.").BoolVar(&req.All)
	a.command(cmd, func(ctx context.Context) error {
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.ListMaintenanceResponse, error) {
			return headwaterv1.NewMaintenanceServiceClient(conn).ListMaintenance(ctx, req)
		}, func(answer *headwaterv1.ListMaintenanceResponse) {
			t := a.table("ID", "STATE", "FROM", "UNTIL", "WHAT", "REASON", "BY", wideOnly, "ENDED", "ENDED BY")
			for _, w := range answer.GetMaintenance() {
				t.row(w.GetId(), enumWord(w.GetState(), "MAINTENANCE_STATE_"), when(w.GetFrom()), when(w.GetUntil()), clean(windowScope(w)), clean(w.GetReason()), clean(w.GetCreatedBy()),
					wideOnly, when(w.GetEndedAt()), clean(w.GetEndedBy()))
			}
			t.flush()
			a.noteMore(answer.GetNextPageToken())
		})
	})
}

func (a *app) addMaintenanceEnd(cmd *kingpin.CmdClause) {
	req := &headwaterv1.EndMaintenanceRequest{}
	cmd.Arg("id", "The window, such as MW-3.").Required().StringVar(&req.Id)
	actorFlag(cmd, &req.Actor)
	a.command(cmd, func(ctx context.Context) error {
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.EndMaintenanceResponse, error) {
			return headwaterv1.NewMaintenanceServiceClient(conn).EndMaintenance(ctx, req)
		}, func(answer *headwaterv1.EndMaintenanceResponse) { a.printMaintenance(answer.GetMaintenance()) })
	})
}

// windowScope says what a window mutes.
func windowScope(w *headwaterv1.Maintenance) string {
	parts := append([]string(nil), w.GetServices()...)
	if w.GetDependents() {
		parts = append(parts, "and dependents")
	}
	return strings.Join(append(parts, w.GetMatchers()...), " ")
}

func (a *app) printMaintenance(w *headwaterv1.Maintenance) {
	fmt.Fprintf(a.out, "%s is %s: %s to %s, %s: %s (%s)\n", w.GetId(), enumWord(w.GetState(), "MAINTENANCE_STATE_"), when(w.GetFrom()), when(w.GetUntil()),
		clean(windowScope(w)), clean(w.GetReason()), clean(w.GetCreatedBy()))
}
