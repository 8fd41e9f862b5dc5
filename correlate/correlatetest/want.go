package correlatetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// want checks one line that must hold. The error says that the line itself makes
// no sense; a want that does not hold is a failure of the story.
func (p *player) want(args []string) error {
	line := strings.Join(args, " ")
	in := ""
	if n := len(args); n > 2 && args[n-2] == "in" {
		in, args = args[n-1], args[:n-2]
	}
	ask := question{player: p, in: in, text: line, args: args}
	for _, length := range []int{3, 2, 1} {
		if len(args) < length {
			continue
		}
		if check := checks[strings.Join(args[:length], " ")]; check != nil {
			ask.args = args[length:]
			return check(&ask)
		}
	}
	return fmt.Errorf("unknown want %q", line)
}

// question is one want line.
type question struct {
	*player
	in   string   // incident id; empty: the only one
	text string   // whole
	args []string // behind the words that name the check
}

// checks are the kinds of wants by their first words, the longest first.
var checks map[string]func(*question) error

func init() { // the table and the checks refer to each other
	checks = map[string]func(*question) error{
		"one page": func(q *question) error { return q.number(q.ledger.Count(correlate.PageOpen), "1", "opening pages") },
		"no page":  func(q *question) error { return q.number(q.ledger.Count(correlate.PageOpen), "0", "opening pages") },
		"pages":    (*question).pages, "incidents": (*question).incidents, "open": (*question).openOnes, "quiet": (*question).quiet,
		"origin": (*question).origin, "first page origin": (*question).firstPage, "last page origin": (*question).lastPage,
		"not origin": (*question).notOrigin, "runner-up": (*question).runnerUp, "candidate": (*question).within,
		"gap": (*question).gap, "evidence": (*question).evidence, "first evidence": (*question).firstEvidence,
		"way": (*question).way, "hit": (*question).hit, "next": (*question).next, "change": (*question).change,
		"together": (*question).together, "apart": (*question).apart, "about": (*question).about, "fate": (*question).fate,
		"severity": (*question).severity, "state": (*question).state, "acknowledged by": (*question).acknowledgedBy,
		"sev": (*question).sev, "status": (*question).status, "role": (*question).role, "link": (*question).linked, "action-item": (*question).actionItem,
		"seen": (*question).seen, "remembers": (*question).remembers,
		"timeline": (*question).timeline, "rejected": (*question).refused,
	}
}

func (q *question) no(format string, args ...any) {
	q.fail("want %s: %s", q.text, fmt.Sprintf(format, args...))
}

// number compares a count with "3" or "<=3".
func (q *question) number(got int, want, what string) error {
	limit, upTo := strings.CutPrefix(want, "<=")
	n, err := strconv.Atoi(limit)
	if err != nil {
		return fmt.Errorf("want %s: %w", q.text, err)
	}
	if got != n && (!upTo || got > n) {
		q.no("there are %d %s", got, what)
	}
	return nil
}

func (q *question) pages() error {
	if len(q.args) == 0 {
		return fmt.Errorf("want pages <number>")
	}
	if err := q.number(q.ledger.Count(correlate.PageOpen), q.args[0], "opening pages"); err != nil {
		return err
	}
	kinds := map[string]correlate.PageKind{
		"updates": correlate.PageUpdate, "resolves": correlate.PageResolve, "rings": correlate.PageRing, "escalations": correlate.PageEscalate,
	}
	for i := 1; i+1 < len(q.args); i += 2 {
		kind, ok := kinds[q.args[i]]
		if !ok {
			return fmt.Errorf("want %s: updates, rings, escalations or resolves, not %q", q.text, q.args[i])
		}
		if err := q.number(q.ledger.Count(kind), q.args[i+1], q.args[i]); err != nil {
			return err
		}
	}
	return nil
}

func (q *question) incidents() error { return q.number(len(q.standing(false)), q.word(), "incidents") }

func (q *question) openOnes() error {
	return q.number(len(q.standing(true)), q.word(), "open incidents")
}

func (q *question) word() string {
	if len(q.args) == 0 {
		return ""
	}
	return q.args[0]
}

// standing lists the incidents that were not merged away.
func (p *player) standing(open bool) []*correlate.Incident {
	return slices.DeleteFunc(p.ledger.Numbered(), func(i *correlate.Incident) bool {
		return i.State == correlate.IncidentMerged || open && i.State != correlate.IncidentOpen
	})
}

func (q *question) quiet() error {
	if at, ok := q.engine.NextDeadline(); ok {
		q.no("something is due at %s", clock(at))
	}
	return nil
}

// incident is the one that the want is about; nil when that cannot be said, which is a failure.
func (q *question) incident() *correlate.Incident {
	if q.in != "" {
		if i := q.ledger.Incidents[q.in]; i != nil {
			return i
		}
		q.no("there is no %s", q.in)
		return nil
	}
	found := q.standing(true)
	if len(found) == 0 {
		found = q.standing(false)
	}
	if len(found) != 1 {
		q.no("there are %d incidents, so of which?", len(found))
		return nil
	}
	return found[0]
}

// ref is the service that a word means.
func (p *player) ref(word string) topology.Ref {
	r := topology.ParseRef(word)
	if n, ok := p.engine.Graph().Lookup(r); ok {
		return p.engine.Graph().Ref(n)
	}
	return r
}

func (q *question) origin() error {
	if i := q.incident(); i != nil {
		q.leads(i)
	}
	return nil
}

// leads checks the leading candidate: service, then silent, alerting or a band.
func (q *question) leads(i *correlate.Incident) {
	o := i.Origin()
	if o == nil || o.Service != q.ref(q.word()) {
		q.no("%s says %s", i.ID, q.ranking(i))
		return
	}
	for _, w := range q.args[1:] {
		switch w {
		case "silent", "alerting":
			if o.Silent != (w == "silent") {
				q.no("%s says %s", i.ID, q.ranking(i))
			}
		default:
			if band(o.Probability) != w {
				q.no("%s says %s", i.ID, q.ranking(i))
			}
		}
	}
}

// ranking renders the candidates with numbers, for messages alone.
func (p *player) ranking(i *correlate.Incident) string {
	var parts []string
	for k := range i.Origins[:min(len(i.Origins), 4)] {
		o := &i.Origins[k]
		name := p.name(o.Service)
		if o.Silent {
			name += " silent"
		}
		parts = append(parts, fmt.Sprintf("%s %.2f", name, o.Probability))
	}
	return strings.Join(parts, ", ")
}

func (q *question) firstPage() error {
	return q.said(func(pages []*correlate.Page) *correlate.Page { return pages[0] })
}

func (q *question) lastPage() error {
	return q.said(func(pages []*correlate.Page) *correlate.Page { return pages[len(pages)-1] })
}

func (q *question) said(pick func([]*correlate.Page) *correlate.Page) error {
	i := q.incident()
	if i == nil {
		return nil
	}
	if pages := q.ledger.Pages[i.ID]; len(pages) > 0 {
		q.leads(&pick(pages).Incident)
	} else {
		q.no("%s was not paged", i.ID)
	}
	return nil
}

func (q *question) notOrigin() error {
	if i := q.incident(); i != nil && i.Origin() != nil && i.Origin().Service == q.ref(q.word()) {
		q.no("%s says %s", i.ID, q.ranking(i))
	}
	return nil
}

func (q *question) runnerUp() error {
	if i := q.incident(); i != nil && (len(i.Origins) < 2 || i.Origins[1].Service != q.ref(q.word())) {
		q.no("%s says %s", i.ID, q.ranking(i))
	}
	return nil
}

func (q *question) within() error {
	if len(q.args) != 3 || q.args[1] != "within" {
		return fmt.Errorf("want candidate <service> within <n>")
	}
	n, err := strconv.Atoi(q.args[2])
	if err != nil {
		return fmt.Errorf("want %s: %w", q.text, err)
	}
	i := q.incident()
	if i == nil {
		return nil
	}
	first := i.Origins[:min(n, len(i.Origins))]
	if !slices.ContainsFunc(first, func(o correlate.Origin) bool { return o.Service == q.ref(q.word()) }) {
		q.no("%s says %s", i.ID, q.ranking(i))
	}
	return nil
}

func (q *question) gap() error {
	i := q.incident()
	if i == nil {
		return nil
	}
	name := q.name(q.ref(q.word()))
	if !slices.ContainsFunc(i.Gaps, func(g string) bool { return slices.Contains(strings.FieldsFunc(g, notName), name) }) {
		q.no("the gaps are %q", i.Gaps)
	}
	return nil
}

func notName(r rune) bool { return r == ' ' || r == ':' || r == ',' }

func (q *question) evidence() error {
	return q.reasons(func(r []correlate.Reason) int { return len(r) })
}

func (q *question) firstEvidence() error {
	return q.reasons(func(r []correlate.Reason) int { return min(1, len(r)) })
}

// reasons looks for a text among the first of the leading candidate's.
func (q *question) reasons(first func([]correlate.Reason) int) error {
	i := q.incident()
	if i == nil {
		return nil
	}
	if i.Origin() == nil {
		q.no("%s has no candidate", i.ID)
		return nil
	}
	all := i.Origin().Reasons
	text := strings.Join(q.args, " ")
	if !slices.ContainsFunc(all[:first(all)], func(r correlate.Reason) bool { return strings.Contains(r.Text, text) }) {
		q.no("the evidence for %s is %v", q.name(i.Origin().Service), all)
	}
	return nil
}

func (q *question) way() error {
	if len(q.args) < 3 || q.args[1] != "->" {
		return fmt.Errorf("want way <cause> -> <effect> [kind]")
	}
	i := q.incident()
	if i == nil {
		return nil
	}
	cause, effect := q.ref(q.args[0]), q.ref(q.args[2])
	var ways []string
	for _, e := range i.Path {
		if e.Cause == cause && e.Effect == effect && (len(q.args) == 3 || e.Kind == q.args[3]) {
			return nil
		}
		ways = append(ways, fmt.Sprintf("%s -> %s %s", q.name(e.Cause), q.name(e.Effect), e.Kind))
	}
	q.no("%s says %q", i.ID, ways)
	return nil
}

func (q *question) hit() error {
	i := q.incident()
	if i == nil {
		return nil
	}
	for _, w := range q.args {
		if !slices.ContainsFunc(i.Services, func(s correlate.ServiceImpact) bool { return s.Service == q.ref(w) && s.Alerts > 0 }) {
			q.no("%s has no alert of %s", i.ID, w)
		}
	}
	return nil
}

func (q *question) next() error {
	if i := q.incident(); i != nil && !slices.Contains(i.NextHit, q.ref(q.word())) {
		q.no("next are %v", i.NextHit)
	}
	return nil
}

func (q *question) change() error {
	i := q.incident()
	if i != nil && !slices.ContainsFunc(i.Changes, func(c correlate.Change) bool { return q.ref(c.Service.String()) == q.ref(q.word()) }) {
		q.no("%s lists %d changes, none of it", i.ID, len(i.Changes))
	}
	return nil
}

// homes are the incidents that hold alerts about the service.
func (q *question) homes(service string) []string {
	var out []string
	for _, a := range q.ledger.sortedAlerts() {
		if (a.Service == q.ref(service) || a.Caller == q.ref(service)) && a.Incident != "" && !slices.Contains(out, a.Incident) {
			out = append(out, a.Incident)
		}
	}
	return out
}

func (q *question) together() error {
	var all []string
	for _, w := range q.args {
		homes := q.homes(w)
		if len(homes) == 0 {
			q.no("%s is in no incident", w)
		}
		for _, h := range homes {
			if !slices.Contains(all, h) {
				all = append(all, h)
			}
		}
	}
	if len(all) > 1 {
		q.no("they are in %v", all)
	}
	return nil
}

func (q *question) apart() error {
	seen := map[string]string{}
	for _, w := range q.args {
		homes := q.homes(w)
		if len(homes) == 0 {
			q.no("%s is in no incident", w)
		}
		for _, h := range homes {
			if other, ok := seen[h]; ok {
				q.no("%s and %s are both in %s", other, w, h)
			}
			seen[h] = w
		}
	}
	return nil
}

func (q *question) about() error {
	if len(q.args) != 2 && (len(q.args) != 4 || q.args[2] != "from") {
		return fmt.Errorf("want about <AlertName> <service> [from <caller>]")
	}
	caller := topology.Ref{}
	if len(q.args) == 4 {
		caller = q.ref(q.args[3])
	}
	found := false
	for _, a := range q.ledger.sortedAlerts() {
		if a.Labels["alertname"] != q.args[0] {
			continue
		}
		if a.Service == q.ref(q.args[1]) && a.Caller == caller {
			found = true
			continue
		}
		q.no("one is about %s from %q, by %s", a.Service, a.Caller, a.MappedBy)
	}
	if !found {
		q.no("none is")
	}
	return nil
}

func (q *question) fate() error {
	if len(q.args) != 3 {
		return fmt.Errorf("want fate <service> <AlertName> <fate>")
	}
	seen := 0
	for _, a := range q.ledger.sortedAlerts() {
		if a.Service != q.ref(q.args[0]) || a.Labels["alertname"] != q.args[1] {
			continue
		}
		seen++
		if a.Fate.Kind.String() != q.args[2] {
			q.no("one is %s: %s", a.Fate.Kind, a.Fate.Text)
		}
	}
	if seen == 0 {
		q.no("there is no such alert")
	}
	return nil
}

func (q *question) severity() error {
	if i := q.incident(); i != nil && i.Severity.String() != q.word() {
		q.no("%s is %s", i.ID, i.Severity)
	}
	return nil
}

func (q *question) state() error {
	if i := q.incident(); i != nil && i.State.String() != q.word() {
		q.no("%s is %s", i.ID, i.State)
	}
	return nil
}

func (q *question) acknowledgedBy() error {
	if i := q.incident(); i != nil && (i.Ack == nil || i.Ack.By != q.word()) {
		q.no("%s has %+v", i.ID, i.Ack)
	}
	return nil
}

// timeline looks for texts in entries that follow one another.
func (q *question) timeline() error {
	i := q.incident()
	if i == nil {
		return nil
	}
	rest := i.Timeline
	for _, text := range q.args {
		at := slices.IndexFunc(rest, func(e correlate.TimelineEntry) bool { return strings.Contains(e.Text, text) })
		if at < 0 {
			q.no("%q does not come, or not in this place", text)
			return nil
		}
		rest = rest[at:]
	}
	return nil
}

func (q *question) refused() error {
	text := strings.Join(q.args, " ")
	if q.rejected == "" || !strings.Contains(q.rejected, text) {
		q.no("the last refusal is %q", q.rejected)
	}
	return nil
}
