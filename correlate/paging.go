package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// This file decides when on-call hears of an incident: one opening page after a
// bounded hold, edits while it grows, one resolve. Nothing else pages.

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
		p.UpdateDueAt = e.updateAt(inc)
	case inc.row.Ack != nil:
		p.DueAt = time.Time{}
	default:
		p.DueAt = e.openingAt(inc)
	}
	if p != inc.row.Paging {
		e.editIncident(inc).Paging = p
		e.scheduleIncident(inc)
	}
	for _, it := range inc.items {
		e.judgeFate(inc, it)
	}
}

// open reports whether on-call has a page of the incident that was not resolved.
func (p *Paging) open() bool { return p.Opens > 0 && p.ResolvedAt.IsZero() }

// openingAt is when the opening page leaves: the hold counts from the first
// page-worthy alert, and is shorter when the origin is all but certain.
func (e *Engine) openingAt(inc *incident) time.Time {
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
		return first
	}
	hold := e.cfg.Hold
	if o := inc.row.Origin(); o != nil && o.Probability >= e.cfg.ConfidentAt && len(inc.row.Services) > 1 {
		hold = e.cfg.HoldConfident
	}
	at := first.Add(hold)
	if at.Before(e.meta.Now) {
		return e.meta.Now
	}
	return at
}

// news: an incident that on-call already saw end rings again only for something
// that it did not hold before, or for something critical.
func (e *Engine) news(inc *incident, it *item) bool {
	if inc.row.Paging.Opens == 0 {
		return true
	}
	if it.state.FirstSeen.Before(inc.row.Paging.ResolvedAt) {
		return false // on-call knew of it when it was said to be over
	}
	return it.prev == nil || it.prev.inc != inc || it.state.Severity == SeverityCritical
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
	if row.Severity > p.SaidSeverity {
		return fmt.Sprintf("severity rose from %s to %s", p.SaidSeverity, row.Severity)
	}
	if n := len(row.Services); n > p.SaidServices && n >= p.SaidServices+1+p.SaidServices/4 {
		return fmt.Sprintf("%s hit, was %d", plural(n, "service"), p.SaidServices)
	}
	return cmp.Or(e.goesOn(inc), e.peopleSaid(inc))
}

// tellsOthers reports whether a command is of interest to everybody who has the page.
func (k CommandKind) tellsOthers() bool {
	switch k {
	case CommandAcknowledge, CommandSetStatus, CommandAddUpdate:
		return true
	}
	return false
}

// toldOthers are the entries that such commands leave.
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
	if inc.row.State != IncidentOpen || !inc.row.Paging.DueAt.Equal(e.openingAt(inc)) {
		e.judgePaging(inc) // merged away, ended, or judged otherwise just now
		if inc.row.State != IncidentOpen || inc.row.Paging.DueAt.After(e.meta.Now) || inc.row.Paging.DueAt.IsZero() {
			return
		}
	}
	row := e.editIncident(inc)
	again := row.Paging.Opens > 0
	row.Paging.DueAt = time.Time{}
	row.Paging.Opens++
	row.Paging.OpenedAt, row.Paging.ResolvedAt = e.meta.Now, time.Time{} // both may fall on one moment
	why := fmt.Sprintf("opened %s ago, nobody paged yet", roughly(e.meta.Now.Sub(row.OpenedAt)))
	if o := row.Origin(); o != nil && o.Probability >= e.cfg.ConfidentAt && len(row.Services) > 1 {
		why = "the origin is all but certain"
	}
	if again {
		why = "came back after it had ended"
	}
	for _, it := range inc.items {
		e.editAlert(it).Opening = true
	}
	e.page(inc, PageOpen, why)
	for _, it := range inc.sorted() {
		e.judgeFate(inc, it)
	}
}

func (e *Engine) updateDue(inc *incident) {
	why := e.changed(inc)
	row := e.editIncident(inc)
	row.Paging.UpdateDueAt = time.Time{}
	if why == "" {
		return
	}
	row.Paging.UpdatedAt = e.meta.Now
	e.page(inc, PageUpdate, why)
}

// resolvePage tells on-call that it is over, if on-call was told that it began.
func (e *Engine) resolvePage(inc *incident, why string) {
	if !inc.row.Paging.open() {
		return
	}
	e.editIncident(inc).Paging.ResolvedAt = e.meta.Now
	e.page(inc, PageResolve, why)
}

func (e *Engine) page(inc *incident, kind PageKind, why string) {
	row := e.editIncident(inc)
	row.Paging.Seq++
	row.Paging.SaidSeverity, row.Paging.SaidServices = row.Severity, len(row.Services)
	row.Paging.SaidOrigin = topology.Ref{}
	if o := row.Origin(); o != nil {
		row.Paging.SaidOrigin = o.Service
	}
	e.note(inc, TimelinePage, "", fmt.Sprintf("page (%s): %s", kind, why))
	e.relink(inc)
	e.step.pages = append(e.step.pages, &Page{
		Incident: *row, Seq: row.Paging.Seq, Kind: kind, At: e.meta.Now, Reason: why, Alerts: e.quoted(inc),
	})
	e.scheduleIncident(inc)
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
			cmp.Compare(flag(a.state.Muted == ""), flag(b.state.Muted == "")),
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
	case it.state.Detached != "" && !row.Paging.open():
		e.setFate(it, FateNotPaged, it.state.Detached+": listed in "+id)
	case row.Paging.open() && it.refire() && it.prev.inc == inc:
		e.setFate(it, FateFlapping, words.again)
	case row.Paging.open():
		e.setFate(it, FatePaged, words.joined)
	case it.state.Fate.Kind == FatePaged && it.state.Active():
		// covered by the page of the incident that it was separated from
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
