package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// auditPatience is how long an audit may take when --timeout was left at less: it reads everything.
const auditPatience = 2 * time.Minute

func (a *app) addAudit() {
	cmd := a.cli.Command("audit", "Prove that each alert ended in a page or in a written reason, and each page in its resolve. Exit code 1 when an alert was swallowed, lost or left unexplained.")
	var since, until string
	cmd.Flag("since", "Look at what came from then on: a time (RFC 3339), or how long ago (7d).").Default("24h").StringVar(&since)
	cmd.Flag("until", "Look at what came before then, in the same form. Default: now.").StringVar(&until)
	a.command(cmd, func(ctx context.Context) error {
		req := &headwaterv1.GetAuditRequest{}
		from, err := a.instant(since)
		if err != nil {
			return usagef("--since: %w", err)
		}
		req.Since = timestamppb.New(from)
		if until != "" {
			to, err := a.instant(until)
			if err != nil {
				return usagef("--until: %w", err)
			}
			req.Until = timestamppb.New(to)
		}
		return a.audit(ctx, req)
	})
}

// notProven is the error of an audit that found alerts of which nobody heard. It has been told.
type notProven struct{ alerts int64 }

// Error says how many alerts there are.
func (e notProven) Error() string {
	return plural(int(e.alerts), "alert") + " without a page and without a reason"
}

func (a *app) audit(ctx context.Context, req *headwaterv1.GetAuditRequest) error {
	a.timeout = max(a.timeout, auditPatience)
	var answer *headwaterv1.GetAuditResponse
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		answer, err = headwaterv1.NewAuditServiceClient(conn).GetAudit(ctx, req)
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		err = a.printJSON(answer)
	} else {
		a.tellAudit(answer)
	}
	if err == nil && !answer.GetProven() {
		return notProven{brokenAlerts(answer)}
	}
	return err
}

// brokenAlerts counts the alerts that make a proof fail.
func brokenAlerts(r *headwaterv1.GetAuditResponse) (n int64) {
	for _, c := range r.GetCounts() {
		switch c.GetKind() {
		case headwaterv1.AuditFindingKind_AUDIT_FINDING_KIND_SWALLOWED, headwaterv1.AuditFindingKind_AUDIT_FINDING_KIND_LOST,
			headwaterv1.AuditFindingKind_AUDIT_FINDING_KIND_UNEXPLAINED:
			n += c.GetCount()
		}
	}
	return n
}

func (a *app) tellAudit(r *headwaterv1.GetAuditResponse) {
	fmt.Fprintf(a.out, "Audit of what came from %s to %s\n\n", when(r.GetSince()), when(r.GetUntil()))
	if s := r.GetStream(); s != nil {
		applied := "all of them applied"
		if s.GetUnapplied() > 0 {
			applied = fmt.Sprintf("%d of them not applied yet", s.GetUnapplied())
		}
		fmt.Fprintf(a.out, "Stream     %s, %s; %s with %s, repeats and ends included\n",
			counted(s.GetEntries(), "entry", "entries"), applied, counted(s.GetNotifications(), "notification", "notifications"), counted(s.GetAlerts(), "alert", "alerts"))
	}
	fmt.Fprintf(a.out, "Alerts     %s, %d worth a page by themselves\n", counted(r.GetAlerts(), "instance", "instances"), r.GetPageWorthy())
	i := r.GetIncidents()
	fmt.Fprintf(a.out, "Incidents  %d: %d opened, %d ended, %d merged into others, %d open now\n\n", i.GetTouched(), i.GetOpened(), i.GetEnded(), i.GetMerged(), i.GetStillOpen())
	a.tellFates(r.GetFates())
	a.tellAuditedPages(r)
	a.tellAuditFindings(r.GetFindings())
	a.tellVerdict(r)
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (a *app) tellFates(fates []*headwaterv1.AuditFate) {
	if len(fates) == 0 {
		return
	}
	t := a.table("FATE", "ALERTS", "WORTH A PAGE", "FOR EXAMPLE")
	for _, f := range fates {
		t.row(enumWord(f.GetFate(), "FATE_KIND_"), fmt.Sprint(f.GetAlerts()), fmt.Sprint(f.GetPageWorthy()), clean(f.GetExample()))
	}
	t.flush()
	fmt.Fprintln(a.out)
}

func (a *app) tellAuditedPages(r *headwaterv1.GetAuditResponse) {
	if len(r.GetPages()) > 0 {
		t := a.table("PAGE", "COUNT", "REASON")
		for _, p := range r.GetPages() {
			t.row(enumWord(p.GetKind(), "PAGE_KIND_"), fmt.Sprint(p.GetCount()), clean(p.GetReason()))
		}
		t.flush()
		fmt.Fprintln(a.out)
	}
	if len(r.GetDeliveries()) > 0 {
		t := a.table("RECEIVER", "INTEGRATION", "SENT", "SKIPPED", "WAITING", "GIVEN UP")
		for _, d := range r.GetDeliveries() {
			t.row(clean(d.GetReceiver()), fmt.Sprintf("%s[%d]", d.GetIntegration(), d.GetIndex()),
				fmt.Sprint(d.GetSent()), fmt.Sprint(d.GetSkipped()), fmt.Sprint(d.GetWaiting()), fmt.Sprint(d.GetGivenUp()))
		}
		t.flush()
		fmt.Fprintln(a.out)
	}
}

func (a *app) tellAuditFindings(findings []*headwaterv1.AuditFinding) {
	if len(findings) == 0 {
		return
	}
	t := a.table(a.paint(plain, "FINDING"), "ABOUT", "ALERTS", "SINCE", "WHAT IS WRONG")
	for _, f := range findings {
		about := f.GetIncident()
		if about == "" {
			about = strings.TrimSpace(clean(f.GetAlertName()) + " " + f.GetAlert())
		}
		if f.GetReceiver() != "" {
			about += " at " + clean(f.GetReceiver())
		}
		t.row(a.paint(red, auditKindWord(f.GetKind())), about, fmt.Sprint(f.GetAlerts()), when(f.GetSince()), clean(f.GetText()))
	}
	t.flush()
	fmt.Fprintln(a.out)
}

func auditKindWord(k headwaterv1.AuditFindingKind) string { return enumWord(k, "AUDIT_FINDING_KIND_") }

func (a *app) tellVerdict(r *headwaterv1.GetAuditResponse) {
	var counts []string
	for _, c := range r.GetCounts() {
		counts = append(counts, fmt.Sprintf("%d %s", c.GetCount(), auditKindWord(c.GetKind())))
	}
	bounds := fmt.Sprintf("a page is due at most %s after its alert unless it is held by name, and with a receiver %s later",
		r.GetSettle().AsDuration()+r.GetHold().AsDuration(), r.GetGrace().AsDuration())
	switch {
	case len(counts) == 0:
		fmt.Fprintf(a.out, "%s every alert ended in a page or in a written reason; no page was late, double or left open (%s).\n", a.paint(green, "PROVEN"), bounds)
	case r.GetProven():
		fmt.Fprintf(a.out, "%s every alert ended in a page or in a written reason; but %s (%s).\n", a.paint(yellow, "PROVEN"), strings.Join(counts, ", "), bounds)
	default:
		fmt.Fprintf(a.out, "%s %s (%s).\n", a.paint(red, "NOT PROVEN"), strings.Join(counts, ", "), bounds)
	}
}
