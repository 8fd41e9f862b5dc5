package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// statsGroupings are the words of --by.
var statsGroupings = []string{"team", "service", "week"}

func (a *app) addStats() {
	cmd := a.cli.Command("stats", "How it went: noise, times to detect, page, acknowledge, mitigate and resolve, how often the origin was right, pages by week and team.")
	req := &headwaterv1.GetStatsRequest{}
	var over bounds
	var by string
	over.register(cmd, "", "Count", "30 days before the end")
	cmd.Flag("by", "Figures for each team, service or week as well.").EnumVar(&by, statsGroupings...)
	cmd.Flag("tz", "Time zone of weeks and nights, such as Europe/Berlin. Default: UTC.").PlaceHolder("ZONE").StringVar(&req.TimeZone)
	a.command(cmd, func(ctx context.Context) (err error) {
		if req.Since, req.Until, err = over.read(a); err != nil {
			return err
		}
		if by != "" {
			req.By = headwaterv1.StatsGrouping(headwaterv1.StatsGrouping_value["STATS_GROUPING_"+strings.ToUpper(by)])
		}
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.GetStatsResponse, error) {
			return headwaterv1.NewStatsServiceClient(conn).GetStats(ctx, req)
		}, func(answer *headwaterv1.GetStatsResponse) { a.tellStats(answer, by) })
	})
}

func (a *app) tellStats(r *headwaterv1.GetStatsResponse, by string) {
	fmt.Fprintf(a.out, "%s to %s, weeks and nights in %s\n\n", when(r.GetSince()), when(r.GetUntil()), clean(r.GetTimeZone()))
	a.tellCounts(r.GetTotal())
	a.tellTimes(r.GetTotal())
	if by != "" {
		a.tellGroups(r.GetGroups(), by)
	}
	a.tellWeeks(r.GetPagesByWeek())
	a.tellReceivers(r.GetReceivers())
	a.tellOrigins(r.GetOrigins())
	a.tellFlapping(r.GetFlapping())
	for _, note := range r.GetNotes() {
		fmt.Fprintln(a.out, "\nNote:", clean(note))
	}
}

func (a *app) tellCounts(s *headwaterv1.Stats) {
	var severities []string
	for _, c := range s.GetSeverities() {
		severities = append(severities, fmt.Sprintf("%s %d", sevWord(c.GetSeverity()), c.GetIncidents()))
	}
	incidents := strconv.FormatInt(s.GetIncidents(), 10)
	if len(severities) > 0 {
		incidents += " (" + strings.Join(severities, ", ") + ")"
	}
	fmt.Fprintf(a.out, "Alerts     %d, %d of them worth a page\n", s.GetAlerts(), s.GetAlertsWorthAPage())
	fmt.Fprintf(a.out, "Incidents  %s\n", incidents)
	fmt.Fprintf(a.out, "Pages      %d, %d of them at night%s\n", s.GetPages(), s.GetPagesAtNight(), reductionText(s))
	fmt.Fprintf(a.out, "Origin     %s\n", feedbackText(s))
}

// reductionText is how many fewer pages there were than alerts; empty without alerts.
func reductionText(s *headwaterv1.Stats) string {
	if s.NoiseReduction == nil {
		return ""
	}
	return fmt.Sprintf("; %.1f %% fewer than alerts worth one", 100*s.GetNoiseReduction())
}

// feedbackText is how often the origin was right, by those who said where it was.
func feedbackText(s *headwaterv1.Stats) string {
	said := s.GetOriginsSaid()
	if said == 0 {
		return "nobody said where an incident began; hwctl incidents set-origin INC-1 --confirm, or the service"
	}
	return fmt.Sprintf("named first in %d of %d incidents of which somebody said it (%.0f %%), among the first three in %d (%.0f %%)",
		s.GetOriginsFirst(), said, share(s.GetOriginsFirst(), said), s.GetOriginsTop3(), share(s.GetOriginsTop3(), said))
}

func share(part, whole int64) float64 { return 100 * float64(part) / float64(whole) }

func (a *app) tellTimes(s *headwaterv1.Stats) {
	fmt.Fprintln(a.out)
	t := a.table("TIME TO", "INCIDENTS", "MEDIAN", "MEAN", "95 %")
	for _, row := range []struct {
		name string
		d    *headwaterv1.DurationStats
	}{
		{"detect", s.GetTimeToDetect()},
		{"page", s.GetTimeToPage()},
		{"acknowledge", s.GetTimeToAcknowledge()},
		{"mitigate", s.GetTimeToMitigate()},
		{"resolve", s.GetTimeToResolve()},
	} {
		t.row(row.name, strconv.FormatInt(row.d.GetCount(), 10), took(row.d.GetMedian()), took(row.d.GetMean()), took(row.d.GetP95()))
	}
	t.flush()
}

// took is how long something took; empty when nobody knows.
func took(d *durationpb.Duration) string {
	switch took := d.AsDuration(); {
	case d == nil:
		return ""
	case took < 10*time.Second:
		return fmt.Sprintf("%.1fs", took.Seconds())
	case took >= time.Minute && took < time.Hour:
		took = took.Round(time.Second)
		return fmt.Sprintf("%dm%ds", took/time.Minute, took%time.Minute/time.Second)
	default:
		return span(took)
	}
}

func (a *app) tellGroups(groups []*headwaterv1.StatsGroup, by string) {
	fmt.Fprintln(a.out)
	t := a.table(strings.ToUpper(by), "ALERTS", "INCIDENTS", "PAGES", "AT NIGHT", "ACKNOWLEDGED IN", "RESOLVED IN", "ORIGIN RIGHT",
		wideOnly, "DETECTED IN", "PAGED IN", "MITIGATED IN")
	for _, g := range groups {
		s := g.GetStats()
		right := ""
		if s.GetOriginsSaid() > 0 {
			right = fmt.Sprintf("%d of %d", s.GetOriginsFirst(), s.GetOriginsSaid())
		}
		t.row(clean(g.GetName()), fmt.Sprint(s.GetAlerts()), fmt.Sprint(s.GetIncidents()), fmt.Sprint(s.GetPages()), fmt.Sprint(s.GetPagesAtNight()),
			took(s.GetTimeToAcknowledge().GetMedian()), took(s.GetTimeToResolve().GetMedian()), right,
			wideOnly, took(s.GetTimeToDetect().GetMedian()), took(s.GetTimeToPage().GetMedian()), took(s.GetTimeToMitigate().GetMedian()))
	}
	t.flush()
}

// tellWeeks prints a line for each week and a column for each team.
func (a *app) tellWeeks(pages []*headwaterv1.WeekPages) {
	if len(pages) == 0 {
		return
	}
	var weeks, teams []string
	counts := map[[2]string]int64{}
	for _, p := range pages {
		weeks, teams = append(weeks, p.GetWeek()), append(teams, p.GetTeam())
		counts[[2]string{p.GetWeek(), p.GetTeam()}] = p.GetPages()
	}
	slices.Sort(weeks)
	slices.Sort(teams)
	weeks, teams = slices.Compact(weeks), slices.Compact(teams)
	head := []string{"PAGES IN THE WEEK OF", "ALL"}
	for _, team := range teams {
		if team = clean(team); team == "" {
			team = "(nobody)"
		}
		head = append(head, team)
	}
	fmt.Fprintln(a.out)
	t := a.table(head...)
	for _, week := range weeks {
		row, all := []string{clean(week), ""}, int64(0)
		for _, team := range teams {
			n := counts[[2]string{week, team}]
			row, all = append(row, fmt.Sprint(n)), all+n
		}
		row[1] = fmt.Sprint(all)
		t.row(row...)
	}
	t.flush()
}

func (a *app) tellReceivers(receivers []*headwaterv1.ReceiverStats) {
	if len(receivers) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	t := a.table("RECEIVER", "INTEGRATION", "SENT", "FAILED ATTEMPTS", "NEVER ARRIVED")
	for _, r := range receivers {
		t.row(clean(r.GetReceiver()), clean(r.GetIntegration()), fmt.Sprint(r.GetSent()), fmt.Sprint(r.GetFailedAttempts()), fmt.Sprint(r.GetUndelivered()))
	}
	t.flush()
}

func (a *app) tellOrigins(origins []*headwaterv1.OriginCount) {
	if len(origins) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	t := a.table("ORIGIN", "INCIDENTS", "LASTED ALL TOGETHER")
	for _, o := range origins {
		t.row(clean(o.GetService()), fmt.Sprint(o.GetIncidents()), span(o.GetLasted().AsDuration()))
	}
	t.flush()
}

func (a *app) tellFlapping(alerts []*headwaterv1.FlappingAlert) {
	if len(alerts) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	t := a.table("FLAPPING ALERT", "SERVICE", "FIRED", wideOnly, "FINGERPRINT")
	for _, f := range alerts {
		t.row(clean(f.GetAlertName()), clean(f.GetService()), fmt.Sprintf("%d times", f.GetFirings()), wideOnly, clean(f.GetFingerprint()))
	}
	t.flush()
}
