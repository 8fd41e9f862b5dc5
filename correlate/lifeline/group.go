package lifeline

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
)

const (
	// maxGroups bounds the pages of groups that stand at a time. What is beyond is one page more.
	maxGroups = 50
	// editEvery is the shortest time between two edits of one page.
	editEvery = 30 * time.Second
	// maxListed bounds the alerts that a page lists.
	maxListed = 20
	// othersKey is the group of all that is beyond maxGroups.
	othersKey = "others"
)

// group is the alerts of one group that are on a page of ours.
type group struct {
	id      string
	sender  string
	since   time.Time
	members map[correlate.AlertID]*entry
	unkept  int // alerts beside the members of which nothing but the number is known

	toldAt time.Time
	told   string   // what of it changes, as it was told last
	heirs  []string // incidents that took alerts of it over
	last   string   // what became of the latest alert that left it
}

// groupID names a group at receivers.
func groupID(environment, key string) string {
	return "failopen-" + hash(environment+"\x00"+key)
}

func hash(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return fmt.Sprintf("%016x", h.Sum64())
}

// lookAtAlerts pages the alerts that correlation has not come to in time, and takes back what it has come to.
func (l *Lifeline) lookAtAlerts(ctx context.Context, s *Settings, now time.Time, applied uint64) {
	limit := bound(&s.Engine)
	for _, e := range l.ledger.overdue(now, limit) {
		if l.known(ctx, e) || !s.Engine.WorthyOnArrival(&e.alert, e.since) {
			l.ledger.forget(e.alert.ID())
			continue
		}
		g := l.groupFor(s, e)
		g.members[e.alert.ID()] = e
		l.ledger.raise(e.alert.ID())
	}
	l.countUnkept(s, now, limit)
	for _, id := range slices.Sorted(maps.Keys(l.groups)) {
		g := l.groups[id]
		l.handOver(ctx, g, now, applied)
		if len(g.members) == 0 && g.unkept == 0 {
			l.end("alerts", g.id, g.farewell())
			delete(l.groups, id)
			continue
		}
		l.tell(s, g, now)
	}
}

// known reports whether the engine has the alert as one that fires and has placed it: what is due of it is in the rows.
func (l *Lifeline) known(ctx context.Context, e *entry) bool {
	row, err := l.o.Rows.Alert(ctx, e.alert.ID())
	if err != nil {
		l.failed("read an alert", err)
		return false // rather a page too many
	}
	return row != nil && row.Active() && answered(row)
}

// groupFor is the group that an alert is paged with.
func (l *Lifeline) groupFor(s *Settings, e *entry) *group {
	id := groupID(s.Environment, e.group)
	if l.groups[id] == nil && len(l.groups) >= maxGroups {
		id = groupID(s.Environment, othersKey)
	}
	return l.group(id, e)
}

// group makes the group of that id if there is none.
func (l *Lifeline) group(id string, e *entry) *group {
	g := l.groups[id]
	if g == nil {
		g = &group{id: id, since: e.since, sender: e.sender, members: map[correlate.AlertID]*entry{}}
		l.groups[id] = g
	}
	if e.since.Before(g.since) {
		g.since = e.since
	}
	return g
}

// countUnkept has a page tell of the alerts that did not fit into the ledger.
func (l *Lifeline) countUnkept(s *Settings, now time.Time, limit time.Duration) {
	n := l.ledger.beyond(now, limit)
	id := groupID(s.Environment, othersKey)
	if n > 0 || l.groups[id] != nil {
		l.group(id, &entry{since: now}).unkept = n
	}
}

// handOver lets go of the alerts that somebody else answers for by now.
func (l *Lifeline) handOver(ctx context.Context, g *group, now time.Time, applied uint64) {
	for id := range g.members {
		e := l.ledger.get(id)
		if e == nil {
			delete(g.members, id)
			continue
		}
		g.members[id] = e
		heir, text, gone := l.verdict(ctx, e, now, applied)
		if !gone {
			continue
		}
		if heir != "" && !slices.Contains(g.heirs, heir) {
			g.heirs = append(g.heirs, heir)
		}
		g.last = text
		delete(g.members, id)
		l.ledger.forget(id)
	}
}

// verdict tells what became of an alert on a page of ours: gone, when it need not be there any more.
func (l *Lifeline) verdict(ctx context.Context, e *entry, now time.Time, applied uint64) (heir, text string, gone bool) {
	switch {
	case e.ended:
		return "", "its alerts ended", true
	case e.pos == 0 && now.Sub(e.seen) > forgetAfter:
		return "", fmt.Sprintf("its sender has not sent it again for %s", forgetAfter), true
	case !e.covered(applied):
		return "", "", false
	}
	row, err := l.o.Rows.Alert(ctx, e.alert.ID())
	switch {
	case err != nil:
		l.failed("read an alert", err)
		return "", "", false
	case row == nil:
		return "", "correlation has its alerts under another start", true
	case !row.Active():
		return row.Incident, "its alerts ended", true
	}
	switch row.Fate.Kind {
	case correlate.FatePending, correlate.FateHeld:
		return "", "", false
	case correlate.FatePaged:
		if !l.arrived(ctx, row.Incident) {
			return "", "", false
		}
		return row.Incident, "", true
	}
	return row.Incident, "correlation has judged it: " + row.Fate.Text, true
}

// arrived reports whether some receiver has a page of an incident that rings, or none is to get one.
func (l *Lifeline) arrived(ctx context.Context, incident string) bool {
	pages, err := l.o.Rows.Pages(ctx, incident)
	if err != nil {
		l.failed("read pages", err)
		return false
	}
	rang := false
	for _, p := range pages {
		if !p.Page.Kind.Rings() {
			continue
		}
		rang = true
		if p.Done || l.o.Pager.Taken(p.Page.Key()) || anyTook(p) {
			return true
		}
	}
	return !rang // its alerts are covered by the page of another incident
}

func anyTook(p *correlate.OutboxEntry) bool {
	return slices.ContainsFunc(p.Deliveries, func(d correlate.Delivery) bool { return !d.SentAt.IsZero() })
}

// farewell says why a group's page is over.
func (g *group) farewell() string {
	switch {
	case len(g.heirs) > 0 && g.last == "":
		return "correlation works again: " + strings.Join(g.heirs, ", ") + " took over"
	case len(g.heirs) > 0:
		return strings.Join(g.heirs, ", ") + " took over; " + g.last
	}
	return cmp.Or(g.last, "correlation has its alerts")
}

// tell pages a group, or edits its page when something of it changed.
func (l *Lifeline) tell(s *Settings, g *group, now time.Time) {
	b := g.bulletin(s, l.why())
	said := b.Title + "\n" + fmt.Sprint(b.Sections)
	first := g.toldAt.IsZero()
	if !first && (said == g.told || now.Sub(g.toldAt) < editEvery) {
		return
	}
	if !first {
		b.Reason = fmt.Sprintf("%s, was told %s", plural(len(g.members)+g.unkept, "alert"), g.toldAt.UTC().Format(time.TimeOnly))
	}
	g.toldAt, g.told = now, said
	l.post("alerts", []string{s.Fallback}, b, first)
}

// bulletin is the raw group in words.
func (g *group) bulletin(s *Settings, why string) page.Bulletin {
	alerts := slices.SortedFunc(maps.Values(g.members), func(a, b *entry) int {
		return cmp.Or(
			cmp.Compare(severity(b), severity(a)), a.alert.StartsAt.Compare(b.alert.StartsAt), cmp.Compare(a.alert.Fingerprint, b.alert.Fingerprint),
		)
	})
	worst, title := correlate.SeverityWarning, "alerts"
	if len(alerts) > 0 {
		worst = severity(alerts[0])
		title = subject(&alerts[0].alert)
	}
	if more := len(alerts) + g.unkept - 1; more > 0 {
		title += fmt.Sprintf(" and %s", plural(more, "more alert"))
	}
	b := page.Bulletin{
		ID: g.id, Severity: worst, Environment: s.Environment, Since: g.since,
		Title: fmt.Sprintf("[%s] %s, as received: Headwater's correlation is down", strings.ToUpper(worst.String()), title),
	}
	add := func(label string, lines ...string) {
		b.Sections = append(b.Sections, page.Section{Label: label, Lines: lines})
	}
	add("Why", "Correlation did not come to these in time: "+why,
		"They are neither grouped by cause nor is an origin known. This page is edited, and ends when correlation has taken over.")
	var lines []string
	for _, e := range alerts[:min(len(alerts), maxListed)] {
		lines = append(lines, describe(&e.alert))
	}
	if more := len(alerts) - len(lines) + g.unkept; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	add("Alerts", lines...)
	if links := runbooks(alerts); len(links) > 0 {
		add("Runbooks", links...)
	}
	if g.sender != "" {
		add("From", g.sender)
	}
	return b
}

func severity(e *entry) correlate.Severity {
	return correlate.ParseSeverity(e.alert.Labels["severity"])
}

// subjectLabels say what an alert is about, the most telling first.
var subjectLabels = []string{"service", "app", "deployment", "job", "pod", "instance", "node", "host"}

// subject is an alert's name and what it is about.
func subject(a *correlate.Alert) string {
	name := cmp.Or(a.Labels["alertname"], "an alert without a name")
	for _, label := range subjectLabels {
		if v := a.Labels[label]; v != "" {
			if ns := a.Labels["namespace"]; ns != "" {
				v = ns + "/" + v
			}
			return name + " on " + v
		}
	}
	return name
}

func describe(a *correlate.Alert) string {
	text := fmt.Sprintf("%s %s since %s", correlate.ParseSeverity(a.Labels["severity"]), subject(a), a.StartsAt.UTC().Format("15:04:05 UTC"))
	for _, key := range []string{"summary", "message", "description"} {
		if v := a.Annotations[key]; v != "" {
			return text + ": " + v
		}
	}
	return text
}

// runbooks are the first links of the alerts' annotations, without repeats.
func runbooks(alerts []*entry) []string {
	var links []string
	for _, e := range alerts {
		if u := e.alert.Annotations["runbook_url"]; u != "" && !slices.Contains(links, u) && len(links) < 3 {
			links = append(links, u)
		}
	}
	return links
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
