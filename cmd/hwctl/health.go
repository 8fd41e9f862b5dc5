package main

import (
	"context"
	"fmt"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addHealth() {
	group := a.cli.Command("health", "Show and report the results of health checks.")
	a.addHealthList(group.Command("list", "List the latest result of every check."))
	a.addHealthReport(group.Command("report", "Report a result. It is durable when the command succeeds."))
}

func (a *app) addHealthList(cmd *kingpin.CmdClause) {
	var flags listFlags
	var service, status string
	cmd.Flag("service", "Only checks of this service.").PlaceHolder("SERVICE").StringVar(&service)
	cmd.Flag("status", "passing, degraded, failing or unknown.").EnumVar(&status, "passing", "degraded", "failing", "unknown")
	flags.register(cmd, `failures >= 2`)
	a.command(cmd, func(ctx context.Context) error {
		var c conditions
		c.equal("service", service)
		c.equal("status", status)
		return a.listHealth(ctx, &headwaterv1.ListHealthRequest{Filter: c.and(flags.filter)}, flags.limit)
	})
}

func (a *app) listHealth(ctx context.Context, req *headwaterv1.ListHealthRequest, limit int) error {
	all := &headwaterv1.ListHealthResponse{}
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		client := headwaterv1.NewHealthServiceClient(conn)
		return pages(limit, func(size int32, token string) (int, string, error) {
			req.PageSize, req.PageToken = size, token
			page, err := client.ListHealth(ctx, req)
			all.Checks = append(all.GetChecks(), page.GetChecks()...)
			all.NextPageToken, all.Revision = page.GetNextPageToken(), page.GetRevision()
			return len(page.GetChecks()), page.GetNextPageToken(), err
		})
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	t := a.table("SERVICE", "CHECK", a.paint(plain, "STATUS"), "FOR", "FAILURES", "LATENCY", "CHECKED", "MESSAGE",
		wideOnly, "SINCE", "CHECKED AT", "ALERT", "TARGET", "MODULE", "SOURCE", "EVERY", "CERTIFICATE ENDS")
	for _, h := range all.GetChecks() {
		p, latency, checked := h.GetProbe(), h.GetLatency(), h.GetCheckedAt()
		if p.GetCheckedAt() != nil {
			latency, checked = p.GetLatency(), p.GetCheckedAt()
		}
		t.row(refName(h.GetService()), clean(h.GetCheck()), a.paint(healthColour(h.GetStatus()), enumWord(h.GetStatus(), "HEALTH_STATUS_")), a.age(h.GetSince()),
			fmt.Sprint(h.GetFailures()), roundly(latency), a.age(checked), clean(h.GetMessage()),
			wideOnly, when(h.GetSince()), when(checked), h.GetAlert(), clean(p.GetTarget()), clean(p.GetModule()), clean(p.GetSource()), roundly(p.GetInterval()), when(p.GetCertificateExpiresAt()))
	}
	t.flush()
	a.noteMore(all.GetNextPageToken())
	return nil
}

// roundly is a duration to a tenth of a millisecond, empty when it is unknown.
func roundly(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	return d.AsDuration().Round(time.Millisecond / 10).String()
}

func healthColour(s headwaterv1.HealthStatus) string {
	switch s {
	case headwaterv1.HealthStatus_HEALTH_STATUS_PASSING:
		return green
	case headwaterv1.HealthStatus_HEALTH_STATUS_DEGRADED:
		return yellow
	case headwaterv1.HealthStatus_HEALTH_STATUS_FAILING:
		return red
	}
	return plain
}

var healthStatuses = map[string]headwaterv1.HealthStatus{
	"passing":  headwaterv1.HealthStatus_HEALTH_STATUS_PASSING,
	"degraded": headwaterv1.HealthStatus_HEALTH_STATUS_DEGRADED,
	"failing":  headwaterv1.HealthStatus_HEALTH_STATUS_FAILING,
	"unknown":  headwaterv1.HealthStatus_HEALTH_STATUS_UNKNOWN,
}

func (a *app) addHealthReport(cmd *kingpin.CmdClause) {
	var status string
	var latency, ttl time.Duration
	res := &headwaterv1.HealthResult{}
	cmd.Arg("service", "Service that was checked.").Required().StringVar(&res.Service)
	cmd.Arg("status", "passing, degraded, failing or unknown.").Required().EnumVar(&status, "passing", "degraded", "failing", "unknown")
	cmd.Flag("check", "Name of the check, when the service has several.").Default("health").StringVar(&res.Check)
	cmd.Flag("latency", "How long the answer took, such as 35ms.").DurationVar(&latency)
	cmd.Flag("message", "What the check said.").StringVar(&res.Message)
	cmd.Flag("failure-threshold", "How many bad results in a row make an alert; 0: as the server is configured.").Int32Var(&res.FailureThreshold)
	cmd.Flag("success-threshold", "How many passing results in a row end it; 0: as the server is configured.").Int32Var(&res.SuccessThreshold)
	cmd.Flag("ttl", "Forget the check when no other result follows for so long, such as 5m. Default: as the server is configured.").DurationVar(&ttl)
	a.command(cmd, func(ctx context.Context) error {
		res.Status = healthStatuses[status]
		if latency != 0 {
			res.Latency = durationpb.New(latency)
		}
		if ttl != 0 {
			res.Ttl = durationpb.New(ttl)
		}
		return a.reportHealth(ctx, res)
	})
}

func (a *app) reportHealth(ctx context.Context, res *headwaterv1.HealthResult) error {
	req := &headwaterv1.ReportHealthRequest{Source: "hwctl", Results: []*headwaterv1.HealthResult{res}}
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.ReportHealthResponse, error) {
		return headwaterv1.NewHealthServiceClient(conn).ReportHealth(ctx, req)
	}, func(answer *headwaterv1.ReportHealthResponse) {
		fmt.Fprintf(a.out, "taken in at revision %d\n", answer.GetRevision())
	})
}
