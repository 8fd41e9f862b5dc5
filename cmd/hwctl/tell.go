package main

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// tell prints an incident as on-call reads it, then its history and alerts.
func (a *app) tell(i *headwaterv1.Incident, alerts []*headwaterv1.Alert) {
	colour := severityColour(i.GetSeverity())
	if i.GetState() != headwaterv1.IncidentState_INCIDENT_STATE_OPEN {
		colour = grey
	}
	fmt.Fprintln(a.out, a.paint(colour, clean(i.GetHeadline())))
	fmt.Fprintln(a.out, a.circumstances(i))
	fmt.Fprintln(a.out)
	p := &paragraphs{app: a}
	p.record(i)
	p.origins(i)
	p.reach(i)
	p.history(i)
	p.help(i)
	a.tellTimeline(i)
	a.tellPages(i)
	a.tellAlerts(i, alerts)
}

// circumstances is the line under the headline: which, since when, where, whose.
func (a *app) circumstances(i *headwaterv1.Incident) string {
	parts := []string{i.GetId() + " " + standing(i), a.since(i)}
	if open := i.GetState() == headwaterv1.IncidentState_INCIDENT_STATE_OPEN; open && i.GetStatus() != 0 {
		parts = append(parts[:1], statusWord(i), parts[1])
	}
	add := func(prefix, value string) {
		if value != "" {
			parts = append(parts, prefix+clean(value))
		}
	}
	add("", i.GetEnvironment())
	add("owner: ", bestOrigin(i).GetOwner())
	if i.GetResolvedAt() == nil {
		add("quiet for ", a.age(i.GetQuietSince()))
	}
	if note := i.GetAcknowledgement().GetNote(); note != "" {
		add("", fmt.Sprintf("%q", clean(note)))
	}
	add("split from ", i.GetSplitFrom())
	if len(i.GetApart()) > 0 {
		var ids []string
		for _, p := range i.GetApart() {
			ids = append(ids, p.GetIncident())
		}
		add("kept apart from ", strings.Join(ids, ", "))
	}
	if len(i.GetMerged()) > 0 {
		add("includes ", strings.Join(i.GetMerged(), ", "))
	}
	if a.wide() {
		add("judged on topology ", i.GetTopologyVersion())
	}
	return strings.Join(parts, " · ")
}

func (a *app) since(i *headwaterv1.Incident) string {
	start := i.GetStartedAt()
	if start == nil {
		start = i.GetOpenedAt()
	}
	if start == nil {
		return "since an unknown time"
	}
	if end := ended(i); end != nil {
		return fmt.Sprintf("%s to %s (%s)", when(start), when(end), span(end.AsTime().Sub(start.AsTime())))
	}
	return fmt.Sprintf("since %s (%s)", when(start), a.age(start))
}

// ended is when a resolved incident ended: as on pages, when its last alert did,
// which is some time before it was called resolved.
func ended(i *headwaterv1.Incident) *timestamppb.Timestamp {
	if i.GetResolvedAt() != nil && i.GetQuietSince() != nil {
		return i.GetQuietSince()
	}
	return i.GetResolvedAt()
}

// paragraphs prints facts with a heading in the margin. A heading stands once
// over what belongs to it.
type paragraphs struct {
	app  *app
	last string
}

const margin = 10

func (p *paragraphs) line(heading, format string, args ...any) {
	if heading == p.last {
		heading = ""
	} else {
		p.last = heading
	}
	text := fmt.Sprintf(format, args...)
	for len([]rune(heading)) >= margin { // a long heading has its own line
		fmt.Fprintln(p.app.out, heading)
		heading = ""
	}
	fmt.Fprintf(p.app.out, "%-*s%s\n", margin, heading, text)
}

const (
	// manyReasons is how many reasons for the first candidate a narrow answer has, and
	// fewReasons how many against it. Others get one.
	manyReasons, fewReasons = 4, 2
	// worthALine is the probability from which a narrow answer lists a candidate, as
	// pages do.
	worthALine = 0.05
)

func (p *paragraphs) origins(i *headwaterv1.Incident) {
	few := &rest{}
	for n, o := range i.GetOrigins() {
		switch {
		case n == 0:
			p.leader(o)
		case p.app.wide() || o.GetProbability() >= worthALine:
			p.rival(o)
		default:
			few.add(o)
		}
	}
	if few.names > 0 {
		p.line("Or", "%s", few)
	}
	if u := i.GetUnknownProbability(); len(i.GetOrigins()) > 0 && u >= 0.005 {
		p.line("Or", "something else (%s)", percent(u))
	}
}

func (p *paragraphs) leader(o *headwaterv1.Origin) {
	p.line("Origin", "%s (%s), %s%s", refName(o.GetService()), percent(o.GetProbability()), kindWord(o.GetKind()), silence(o))
	reasonsFor, against := weighed(o)
	p.reasons("Why", reasonsFor, manyReasons)
	p.reasons("But", against, fewReasons)
}

func (p *paragraphs) rival(o *headwaterv1.Origin) {
	name := fmt.Sprintf("%s (%s)%s", refName(o.GetService()), percent(o.GetProbability()), silence(o))
	reasonsFor, against := weighed(o)
	switch {
	case p.app.wide():
		p.line("Or", "%s", name)
		for _, r := range reasonsFor {
			p.line("Or", "  %s", reason(r))
		}
		for _, r := range against {
			p.line("Or", "  but %s", reason(r))
		}
	case len(reasonsFor) > 0:
		p.line("Or", "%s: %s", name, reason(reasonsFor[0]))
	case len(against) > 0:
		p.line("Or", "%s, but %s", name, reason(against[0]))
	default:
		p.line("Or", "%s", name)
	}
}

// weighed parts what speaks for a candidate from what speaks against it, each in its
// order, which is by weight.
func weighed(o *headwaterv1.Origin) (reasonsFor, against []*headwaterv1.Reason) {
	for _, r := range o.GetReasons() {
		if r.GetWeight() < 0 {
			against = append(against, r)
		} else {
			reasonsFor = append(reasonsFor, r)
		}
	}
	return reasonsFor, against
}

// rest sums up candidates that are not worth a line each.
type rest struct {
	names       int
	probability float64
}

func (r *rest) add(o *headwaterv1.Origin) {
	r.names++
	r.probability += o.GetProbability()
}

// String says how many there are and how probable they are together.
func (r *rest) String() string {
	if r.names == 1 {
		return fmt.Sprintf("another service (%s); -o wide names it", percent(r.probability))
	}
	return fmt.Sprintf("%d other services (%s together); -o wide lists them", r.names, percent(r.probability))
}

func (p *paragraphs) reasons(heading string, all []*headwaterv1.Reason, most int) {
	if p.app.wide() {
		most = len(all)
	}
	for _, r := range all[:min(most, len(all))] {
		p.line(heading, "%s", reason(r))
	}
}

func reason(r *headwaterv1.Reason) string {
	return fmt.Sprintf("%s  %+.1f", clean(r.GetText()), r.GetWeight())
}

func silence(o *headwaterv1.Origin) string {
	if o.GetSilent() {
		return ", silent (no alert of its own)"
	}
	return ""
}

// manyServices is how many services a narrow answer names.
const manyServices = 8

func (p *paragraphs) reach(i *headwaterv1.Incident) {
	var hit []string
	for _, s := range i.GetServices() {
		if s.GetAlerts() > 0 {
			hit = append(hit, fmt.Sprintf("%s (%s, %s)", refName(s.GetService()), severityWord(s.GetSeverity()), plural(int(s.GetAlerts()), "alert")))
		}
	}
	p.list("Hit", hit)
	var next []string
	for _, r := range i.GetNextHit() {
		next = append(next, refName(r))
	}
	p.list("Next hit", next)
	for _, e := range i.GetPath() {
		p.line("Path", "%s → %s%s", refName(e.GetCause()), refName(e.GetEffect()), howItSpread(e))
	}
}

func (p *paragraphs) list(heading string, all []string) {
	if len(all) == 0 {
		return
	}
	more := ""
	if !p.app.wide() && len(all) > manyServices {
		more = fmt.Sprintf(", and %d more", len(all)-manyServices)
		all = all[:manyServices]
	}
	p.line(heading, "%s%s", strings.Join(all, ", "), more)
}

func howItSpread(e *headwaterv1.PathEdge) string {
	var how []string
	if delay := delayWords(e); delay != "" {
		how = append(how, delay)
	}
	if e.GetKind() != "" {
		how = append(how, clean(e.GetKind()))
	}
	if len(how) == 0 {
		return ""
	}
	return " (" + strings.Join(how, ", ") + ")"
}

// delayWords is how long after its cause the effect of a step alerted; empty when that is unknown.
func delayWords(e *headwaterv1.PathEdge) string {
	switch d := e.GetDelay().AsDuration(); {
	case d > 0:
		return fmt.Sprintf("%.0f s later", d.Seconds())
	case d < 0: // alerts do not come in the order of what they tell of
		return fmt.Sprintf("alerted %.0f s earlier", -d.Seconds())
	}
	return ""
}

func (p *paragraphs) history(i *headwaterv1.Incident) {
	for _, c := range i.GetChanges() {
		text := fmt.Sprintf("%s: %s", refName(c.GetService()), clean(c.GetKind()))
		if before := beforeStart(i, c.GetAt()); before != "" {
			text += " " + before
		}
		if c.GetSummary() != "" {
			text += ": " + clean(c.GetSummary())
		}
		if c.GetLink() != "" {
			text += "  " + clean(c.GetLink())
		}
		p.line("Changed", "%s", text)
	}
	if i.GetRemedy() != "" {
		p.line("Ended by", "%q", clean(i.GetRemedy()))
	}
	for _, text := range i.GetSeenBefore().GetLines() {
		p.line("Before", "%s", clean(text))
	}
	for _, g := range i.GetGaps() {
		p.line("Gaps", "%s", clean(g))
	}
	if n := i.GetMuted(); n > 0 {
		p.line("Muted", "%s of %d that fire; see hwctl alerts list --incident=%s --fate=muted", plural(int(n), "alert"), i.GetFiring(), i.GetId())
	}
	if n := i.GetTruncated(); n > 0 {
		p.line("Lost", "%s that senders left out of their notifications", plural(int(n), "alert"))
	}
}

// beforeStart places a change relative to the start of the incident.
func beforeStart(i *headwaterv1.Incident, at *timestamppb.Timestamp) string {
	if at == nil || i.GetStartedAt() == nil {
		return ""
	}
	d := i.GetStartedAt().AsTime().Sub(at.AsTime())
	if d < 0 {
		return span(-d) + " after it began"
	}
	return span(d) + " before it began"
}

func (p *paragraphs) help(i *headwaterv1.Incident) {
	for _, link := range i.GetRunbooks() {
		p.line("Do", "%s", clean(link))
	}
}

func (a *app) tellTimeline(i *headwaterv1.Incident) {
	if len(i.GetTimeline()) == 0 {
		return
	}
	fmt.Fprintln(a.out, "\nTimeline")
	for _, e := range i.GetTimeline() {
		who := ""
		if e.GetActor() != "" {
			who = " by " + clean(e.GetActor())
		}
		fmt.Fprintf(a.out, "  %s  %s\n", a.moment(e.GetAt()), entry(enumWord(e.GetKind(), "TIMELINE_KIND_"), who, clean(e.GetText())))
	}
}

// entry is a line of the timeline. Many texts begin with the word for their kind.
func entry(kind, who, text string) string {
	switch {
	case text == "" || text == kind:
		return kind + who
	case strings.HasPrefix(text, kind+" ("):
		return kind + who + text[len(kind):]
	}
	return kind + who + ": " + strings.TrimPrefix(text, kind+": ")
}

func (a *app) tellPages(i *headwaterv1.Incident) {
	waits := pageWaits(i.GetPaging())
	if len(i.GetPages())+len(waits) == 0 {
		return
	}
	fmt.Fprintln(a.out, "\nPages")
	for _, text := range waits {
		fmt.Fprintln(a.out, "  "+text)
	}
	for _, p := range i.GetPages() {
		to := ""
		if len(p.GetTo()) > 0 {
			to = " to " + clean(strings.Join(p.GetTo(), ", "))
		}
		fmt.Fprintf(a.out, "  %s  %s%s: %s\n", a.moment(p.GetAt()), enumWord(p.GetKind(), "PAGE_KIND_"), to, clean(p.GetReason()))
		if p.GetSuperseded() {
			fmt.Fprintln(a.out, "            made needless by a later page")
		}
		for _, d := range p.GetDeliveries() {
			fmt.Fprintf(a.out, "            %s\n", deliveryWord(d))
		}
	}
}

// pageWaits says what is due, and what waits for what.
func pageWaits(p *headwaterv1.Paging) []string {
	var out []string
	if due := p.GetDueAt(); due != nil {
		out = append(out, "the next opening page is due at "+when(due))
	}
	if due := p.GetCallDueAt(); due != nil {
		out = append(out, "rings next at "+when(due)+" if nothing changes")
	}
	if opens := p.GetRouteOpensAt(); opens != nil {
		out = append(out, fmt.Sprintf("a route that is %s opens at %s", clean(p.GetRouteMuted()), when(opens)))
	}
	if h := p.GetHold(); h != nil {
		out = append(out, fmt.Sprintf("held until %s: %s", when(h.GetUntil()), clean(h.GetText())))
	}
	return out
}

func deliveryWord(d *headwaterv1.Delivery) string {
	to := clean(d.GetReceiver()) + "/" + clean(d.GetIntegration())
	switch {
	case d.GetSentAt() != nil:
		return to + " got it at " + when(d.GetSentAt())
	case d.GetSkipped() != "":
		return to + " did not get it: " + clean(d.GetSkipped())
	case d.GetLastError() != "":
		return fmt.Sprintf("%s: %s failed, the last with: %s", to, plural(int(d.GetAttempts()), "attempt"), clean(d.GetLastError()))
	}
	return to + " is waiting"
}

func (a *app) tellAlerts(i *headwaterv1.Incident, alerts []*headwaterv1.Alert) {
	if len(alerts) == 0 {
		return
	}
	fmt.Fprintln(a.out, "\nAlerts")
	a.alertTable(alerts)
	if more := int(i.GetAlerts()) - len(alerts); more > 0 {
		fmt.Fprintf(a.out, "and %d more; hwctl alerts list --incident=%s --limit=0 lists all\n", more, i.GetId())
	}
}

// moment is a time of day, with the date where there is room.
func (a *app) moment(t *timestamppb.Timestamp) string {
	if a.wide() {
		return when(t)
	}
	if t == nil {
		return strings.Repeat(" ", len(time.TimeOnly))
	}
	return t.AsTime().UTC().Format(time.TimeOnly)
}
