package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// This file decides when on-call hears of an incident: one opening page after a
// bounded hold, edits while it grows, one resolve. What rings again is in call.go.

// updateEvery is the shortest time between two pages of one incident.
const updateEvery = 30 * time.Second

// worthy reports whether the alert by itself is worth a page.
func (e *Engine) worthy(it *item) bool {
	return it.state.Active() && e.pageable(it.state)
}

// pageable is [Config.Worthy] under the engine's settings.
func (e *Engine) pageable(s *AlertState) bool { return e.cfg.Worthy(s) }

// judgePaging sets the incident's page deadlines and its alerts' fates after its evidence changed.
func (e *Engine) judgePaging(inc *incident) {
	if !inc.open() {
		return
	}
	p := inc.row.Paging
	switch {
	case p.open():
		p.UpdateDueAt, p.CallDueAt, p.Hold = e.updateAt(inc), e.callAt(inc), e.resolveHold(inc)
	case inc.row.Ack != nil:
		p.DueAt, p.Hold = time.Time{}, Hold{}
	default:
		p.DueAt, p.Hold = e.openingAt(inc)
	}
	if p != inc.row.Paging {
		e.editIncident(inc).Paging = p
		e.scheduleIncident(inc)
	}
	for _, it := range inc.items {
		e.judgeFate(inc, it)
	}
	e.inform(inc)
}

// open reports whether on-call has a page of the incident that was not resolved.
func (p *Paging) open() bool { return p.Opens > 0 && p.ResolvedAt.IsZero() }

// openingAt is when the opening page leaves, and what holds it until then: the hold counts
// from the first page-worthy alert, and is shorter when the origin is all but certain or
// the incident is of [Sev1]. Zero: nothing is worth a page.
func (e *Engine) openingAt(inc *incident) (time.Time, Hold) {
	var first time.Time
	for _, it := range inc.items {
		if !e.worthy(it) || !e.news(inc, it) {
			continue
		}
		since := it.state.FirstSeen
		if it.state.Fate.Kind == FatePaged {
			since = maxTime(since, inc.row.OpenedAt) // on-call knows it from the incident that it was separated from
		}
		if first.IsZero() || since.Before(first) {
			first = since
		}
	}
	if first.IsZero() {
		return first, e.maintenanceHold(inc)
	}
	at := maxTime(first.Add(e.holdOf(inc)), e.meta.Now)
	if later, hold := e.hours(inc.row, at); hold.Kind != HoldNone {
		return later, hold
	}
	if before := inc.row.Paging.Hold; before.Kind == HoldMaintenance { // which is over: the page says so
		return at, Hold{Kind: HoldMaintenance, Text: before.Text, Until: at}
	}
	return at, Hold{Kind: HoldCompanions, Until: at, Text: "waits for what else fails"}
}

// holdOf is the longest time from the first page-worthy alert to the page.
func (e *Engine) holdOf(inc *incident) time.Duration {
	hold := e.cfg.Hold
	if e.certain(inc) {
		hold = min(hold, e.cfg.HoldConfident)
	}
	if inc.row.Sev == Sev1 {
		hold = min(hold, e.cfg.HoldCritical)
	}
	return hold
}

// certain: the origin of what hit several services is all but known.
func (e *Engine) certain(inc *incident) bool {
	o := inc.row.Origin()
	return o != nil && o.Probability >= e.cfg.ConfidentAt && len(inc.row.Services) > 1
}

// news: an incident that on-call already saw end rings again only for something
// that it did not hold before, or for something critical that does not flap.
func (e *Engine) news(inc *incident, it *item) bool {
	if inc.row.Paging.Opens == 0 {
		return true
	}
	if it.state.FirstSeen.Before(inc.row.Paging.ResolvedAt) {
		return false // on-call knew of it when it was said to be over
	}
	return it.prev == nil || it.prev.inc != inc || it.state.Severity == SeverityCritical && !e.flapper(it)
}

// updateAt is when the next update leaves; zero when there is nothing worth an edit.
func (e *Engine) updateAt(inc *incident) time.Time {
	if e.changed(inc) == "" {
		return time.Time{}
	}
	at := maxTime(inc.row.Paging.OpenedAt, inc.row.Paging.UpdatedAt).Add(updateEvery)
	return maxTime(at, e.meta.Now)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// changed says what on-call's page no longer tells rightly; empty when it does.
func (e *Engine) changed(inc *incident) string {
	row := inc.row
	p := &row.Paging
	if news := e.originNews(row); news != "" {
		return news
	}
	if row.Severity > p.SaidSeverity {
		return fmt.Sprintf("severity rose from %s to %s", p.SaidSeverity, row.Severity)
	}
	if n := len(row.Services); n > p.SaidServices && n >= p.SaidServices+1+p.SaidServices/4 {
		return fmt.Sprintf("%s hit, was %d", plural(n, "service"), p.SaidServices)
	}
	return cmp.Or(e.goesOn(inc), e.peopleSaid(inc))
}

// originNews says that another origin leads than the one that on-call was told; empty when none does.
func (e *Engine) originNews(row *Incident) string {
	p := &row.Paging
	if o := row.Origin(); o != nil && o.Service != p.SaidOrigin && o.Probability >= newOriginLead*row.probabilityOf(p.SaidOrigin) {
		switch was := e.short(p.SaidOrigin); {
		case row.originSet():
			return fmt.Sprintf("%s is the origin, set by %s", e.short(o.Service), row.SetOrigin.By)
		case p.SaidOrigin.IsZero():
			return fmt.Sprintf("%s is now the probable origin", e.short(o.Service))
		case row.OriginKnown():
			return fmt.Sprintf("%s is now the probable origin, no longer %s", e.short(o.Service), was)
		default:
			return fmt.Sprintf("the best guess is now %s, was %s", e.short(o.Service), was)
		}
	}
	return ""
}

// toldOthers are the entries by people that are of interest to everybody who has the page.
var toldOthers = []TimelineKind{TimelineAcked, TimelineStatus, TimelineUpdate, TimelinePublicUpdate}

// peopleSaid tells of what people said and did since the latest page; empty when it is nothing.
func (e *Engine) peopleSaid(inc *incident) string {
	told := maxTime(inc.row.Paging.OpenedAt, inc.row.Paging.UpdatedAt)
	text, more := "", 0
	for i := len(inc.row.Timeline) - 1; i >= 0 && inc.row.Timeline[i].At.After(told); i-- {
		t := &inc.row.Timeline[i]
		switch {
		case t.Actor == "" || !slices.Contains(toldOthers, t.Kind):
		case text == "":
			text = t.Actor + ": " + t.Text
		default:
			more++
		}
	}
	if more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

const (
	quietFor    = 90 * time.Second // after such a pause, further alerts are worth an edit …
	renewedLook = 64               // … as far as the latest ones show it
)

// goesOn says that alerts worth a page, which did not merely fire again, came after a pause and after the latest page; empty when none did.
// On-call may take a quiet incident for one that passes.
func (e *Engine) goesOn(inc *incident) string {
	items := inc.sorted()
	items = items[max(0, len(items)-renewedLook):]
	told := maxTime(inc.row.Paging.OpenedAt, inc.row.Paging.UpdatedAt)
	var seen []time.Time
	for _, it := range items {
		if e.pageable(it.state) && !it.refire() {
			seen = append(seen, it.state.FirstSeen)
		}
	}
	slices.SortFunc(seen, time.Time.Compare)
	fresh := 0
	for i := len(seen) - 1; i > 0 && seen[i].After(told); i-- {
		fresh++
		if pause := seen[i].Sub(seen[i-1]); pause >= quietFor {
			return fmt.Sprintf("%s after %s of quiet", plural(fresh, "further alert"), roughly(pause))
		}
	}
	return ""
}

// newOriginLead is by how much another origin must lead the one that on-call was
// told before an edit says so: rivals that take turns are no news.
const newOriginLead = 1.3

// probabilityOf is the probability of service among the incident's candidates, 0 when it is none.
func (i *Incident) probabilityOf(service topology.Ref) float64 {
	for _, o := range i.Origins {
		if o.Service == service {
			return o.Probability
		}
	}
	return 0
}

// short is the name of a service in sentences.
func (e *Engine) short(r topology.Ref) string { return e.nodes.name(e.nodes.id(r)) }

// openingDue sends the opening page, after a last look at the alerts that wait.
func (e *Engine) openingDue(inc *incident) {
	if !e.meta.SettleAt.IsZero() {
		e.settle()
	}
	if at, _ := e.openingAt(inc); inc.row.State != IncidentOpen || !inc.row.Paging.DueAt.Equal(at) {
		e.judgePaging(inc) // merged away, ended, or judged otherwise just now
		if inc.row.State != IncidentOpen || inc.row.Paging.DueAt.After(e.meta.Now) || inc.row.Paging.DueAt.IsZero() {
			return
		}
	}
	row := e.editIncident(inc)
	again, held := row.Paging.Opens > 0, row.Paging.Hold
	row.Paging.endWaits()
	row.Paging.Opens++
	row.Paging.OpenedAt, row.Paging.ResolvedAt = e.meta.Now, time.Time{} // both may fall on one moment
	row.Paging.Reminders, row.Escalated = 0, nil
	why := fmt.Sprintf("opened %s ago, nobody paged yet", roughly(e.meta.Now.Sub(row.OpenedAt)))
	switch {
	case again:
		why = "came back after it had ended"
	case held.Kind > HoldCompanions:
		why = fmt.Sprintf("opened %s ago; it waited: %s", roughly(e.meta.Now.Sub(row.OpenedAt)), held.Text)
	case e.certain(inc):
		why = "the origin is all but certain"
	}
	for _, it := range inc.items {
		e.editAlert(it).Opening = true
	}
	e.page(inc, &Page{Kind: PageOpen, Reason: why})
	e.judgePaging(inc)
}

func (e *Engine) updateDue(inc *incident) {
	why := e.changed(inc)
	row := e.editIncident(inc)
	row.Paging.UpdateDueAt = time.Time{}
	if why == "" {
		return
	}
	e.page(inc, &Page{Kind: PageUpdate, Reason: why})
}

// resolvePage tells on-call that it is over, if on-call was told that it began.
func (e *Engine) resolvePage(inc *incident, why string) {
	if !inc.row.Paging.open() {
		return
	}
	row := e.editIncident(inc)
	row.Paging.endWaits()
	row.Paging.ResolvedAt = e.meta.Now
	e.page(inc, &Page{Kind: PageResolve, Reason: why})
}

// page decides a page, of which kind, reason and addressees are given, and writes down why.
func (e *Engine) page(inc *incident, p *Page) {
	row := e.editIncident(inc)
	e.relink(inc)
	row.Paging.Seq++
	p.At = e.meta.Now
	if !p.Kind.Aside() {
		row.Paging.SaidSeverity, row.Paging.SaidServices = row.Severity, len(row.Services)
		row.Paging.SaidOrigin = topology.Ref{}
		if o := row.Origin(); o != nil {
			row.Paging.SaidOrigin = o.Service
		}
	}
	if p.Kind == PageUpdate || p.Kind == PageRing || p.Kind == PageEscalate {
		row.Paging.UpdatedAt = e.meta.Now // what rings some is an edit to the others
	}
	if p.Kind.Rings() {
		p.Ring = row.countRing(p)
		if len(p.To) == 0 {
			e.noteRoutes(row)
		}
	}
	what := p.Kind.String()
	if len(p.To) > 0 {
		what += " to " + strings.Join(p.To, ", ")
	}
	e.note(inc, TimelinePage, "", fmt.Sprintf("page (%s): %s", what, p.Reason))
	p.Incident, p.Seq, p.Alerts = *row, row.Paging.Seq, e.quoted(inc)
	e.step.pages = append(e.step.pages, p)
	e.scheduleIncident(inc)
}

// countRing counts a page that rings and remembers what it told whom.
func (i *Incident) countRing(page *Page) int {
	p := &i.Paging
	// An incident of a version without rings has opening pages that were not counted.
	before := p.Opens
	if page.Kind == PageOpen {
		before--
	}
	p.Rings = max(p.Rings, before) + 1
	if len(page.To) == 0 {
		p.NamedSev, p.RangOwner = i.Sev, i.owner()
		if !page.Newcomers {
			p.RangAt, p.RangSev, p.RangServices = page.At, i.Sev, len(i.Services)
		}
	}
	return p.Rings
}

// owner is who is called for the leading candidate; empty when nobody is named.
func (i *Incident) owner() string {
	if o := i.Origin(); o != nil {
		return o.Owner
	}
	return ""
}

// words say what holds a page, and until when.
func (h *Hold) words() string {
	return fmt.Sprintf("which waits until %s: %s", h.Until.UTC().Format("2 Jan 15:04 MST"), h.Text)
}

// endWaits takes back everything that was due.
func (p *Paging) endWaits() {
	p.RouteOpensAt, p.RouteMuted = time.Time{}, ""
	p.DueAt, p.UpdateDueAt, p.CallDueAt, p.Hold = time.Time{}, time.Time{}, time.Time{}, Hold{}
}

// quoted are the alerts that the page shows: the origin's first, then firing before
// ended, muted ones last among equals, worse before better, earlier before later.
func (e *Engine) quoted(inc *incident) []AlertState {
	origin := topology.Ref{}
	if o := inc.row.Origin(); o != nil {
		origin = o.Service
	}
	items := slices.Clone(inc.sorted())
	flag := func(b bool) int {
		if b {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(items, func(a, b *item) int {
		return cmp.Or(
			cmp.Compare(flag(a.state.Service == origin), flag(b.state.Service == origin)),
			cmp.Compare(flag(a.state.Active()), flag(b.state.Active())),
			cmp.Compare(flag(a.state.Muted+a.state.Maintenance == ""), flag(b.state.Muted+b.state.Maintenance == "")),
			cmp.Compare(b.state.Severity, a.state.Severity),
		)
	})
	var out []AlertState
	for _, it := range items[:min(len(items), e.cfg.MaxPageAlerts)] {
		out = append(out, *it.state)
	}
	return out
}

// fateWords are the reasons that a whole incident's alerts share, made once.
type fateWords struct{ opening, again, joined, held string }

func (w *fateWords) of(id string) *fateWords {
	if w.held == "" {
		*w = fateWords{
			opening: "covered by the opening page of " + id, again: "fired again: covered by the page of " + id,
			joined: "joined " + id + " after its opening page", held: "held for the opening page of " + id,
		}
	}
	return w
}

// judgeFate writes down what became of the alert, as far as it is decided.
func (e *Engine) judgeFate(inc *incident, it *item) {
	row := inc.row
	id := row.ID
	words := inc.words.of(id)
	switch {
	case row.Paging.open() && it.state.Opening:
		e.setFate(it, FatePaged, words.opening)
	case it.state.Muted != "":
		e.setFate(it, FateMuted, it.state.Muted+": listed in "+id+", no reason to page")
	case it.state.Maintenance != "":
		e.setFate(it, FateMuted, it.state.Maintenance+": listed in "+id+", pages if it fires when that is over")
	case it.state.Detached != "" && !row.Paging.open():
		e.setFate(it, FateNotPaged, it.state.Detached+": listed in "+id)
	case row.Paging.open() && it.refire() && it.prev.inc == inc:
		e.setFate(it, FateFlapping, words.again)
	case row.Paging.open():
		e.setFate(it, FatePaged, words.joined)
	case it.state.Fate.Kind == FatePaged && it.state.Active():
		// covered by the page of the incident that it was separated from
	case !row.Paging.DueAt.IsZero() && row.Paging.Hold.Kind > HoldCompanions:
		e.setFate(it, FateHeld, words.held+", "+row.Paging.Hold.words())
	case !row.Paging.DueAt.IsZero():
		e.setFate(it, FateHeld, words.held)
	case row.Ack != nil:
		e.setFate(it, FateNotPaged, id+" was acknowledged by "+row.Ack.By+" before its page was due")
	case row.Paging.Opens > 0:
		e.setFate(it, FateFlapping, fmt.Sprintf("fired again after %s had ended: not paged a second time within %s", id, roughly(e.cfg.ReopenWithin)))
	case !it.state.Active():
		e.setFate(it, FateNotPaged, "ended before the page of "+id+" was due")
	case it.state.Class == ClassChore:
		e.setFate(it, FateBelowSeverity, "housekeeping of severity "+it.state.Severity.String()+": listed in "+id+", not paged")
	default:
		e.setFate(it, FateBelowSeverity, "severity "+it.state.Severity.String()+": listed in "+id+", not paged")
	}
}

// fateAtEnd settles fates that were still open when the incident ended.
func (e *Engine) fateAtEnd(it *item, why string) {
	if it.state.Fate.Kind == FateHeld {
		e.setFate(it, FateNotPaged, "ended before the page was due: "+why)
	}
}
