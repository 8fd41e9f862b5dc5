package replay

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Explain replays s under cfg and writes its story: what was received and what the
// engine decided, in the order of time; the incidents as they ended, with their
// alerts, the way of the failure, and the origins with the reasons that a page
// gives; and, when s is labelled, what became of each fault. It is text for people,
// at most 100 columns wide as long as names are short.
func Explain(w io.Writer, s *Scenario, cfg correlate.Config) error {
	engine, err := correlate.New(cfg)
	if err != nil {
		return fmt.Errorf("explain %s: %w", s.Name, err)
	}
	return explain(w, s, engine)
}

func explain(w io.Writer, s *Scenario, engine stepper) error {
	e, err := newExplainer(s)
	if err != nil {
		return err
	}
	if err := e.player(engine).play(s); err != nil {
		return fmt.Errorf("explain %s: %w", s.Name, err)
	}
	e.story()
	e.incidents()
	if err := e.verdict(); err != nil {
		return err
	}
	_, err = io.WriteString(w, e.page.b.String())
	return err
}

// explainer writes one story.
type explainer struct {
	s     *Scenario
	t     *truth // nil when s is not labelled
	page  sheet
	seen  *collection
	tells narrator
	names map[correlate.AlertID]string // instances by the names that the truth uses
}

func newExplainer(s *Scenario) (*explainer, error) {
	e := &explainer{s: s, seen: newCollection(), names: map[correlate.AlertID]string{}}
	for _, inst := range slices.Backward(s.instances) {
		e.names[inst.id] = inst.name
	}
	if s.Labelled() {
		var err error
		if e.t, err = s.decodeTruth(); err != nil {
			return nil, err
		}
	}
	if len(s.Events) > 0 {
		e.page.zero = s.Events[0].At
	}
	e.tells = newNarrator(s)
	return e, nil
}

func (e *explainer) player(engine stepper) *player {
	return &player{engine: engine, seen: e.seen, watch: e.tells.step}
}

func (e *explainer) story() {
	s := e.s
	e.page.line("%s: %s, %s; %s, %s over %s", s.Name, counted(len(s.Topology.Services), "service"), counted(len(s.Topology.Dependencies), "dependency"),
		counted(len(s.Events), "event"), counted(len(s.instances), "alert"), s.Span().Round(time.Second))
	if len(s.Events) == 0 {
		return
	}
	e.page.line("Times are minutes and seconds since %s. > is what the engine decided.", e.page.zero.UTC().Format(time.RFC3339))
	e.page.line("")
	for _, l := range e.tells.lines() {
		mark := " "
		if l.decided {
			mark = ">"
		}
		e.page.wrapped(fmt.Sprintf("%7s %s ", e.page.clock(l.at), mark), l.text)
	}
}

// incidents writes every incident that was not merged away, as it ended.
func (e *explainer) incidents() {
	held := map[string][]*correlate.AlertState{}
	for _, id := range slices.SortedFunc(maps.Keys(e.seen.alerts), func(a, b correlate.AlertID) int {
		return cmp.Or(cmp.Compare(a.StartsAt, b.StartsAt), cmp.Compare(a.Fingerprint, b.Fingerprint))
	}) {
		a := e.seen.alerts[id]
		held[a.Incident] = append(held[a.Incident], a)
	}
	for _, i := range e.seen.byNumber() {
		if i.State == correlate.IncidentMerged {
			continue
		}
		e.page.line("")
		e.page.wrapped(i.ID+"  ", i.Headline())
		e.alerts(held[i.ID])
		e.path(i)
		e.origins(i)
	}
}

// alerts writes what an incident holds, a line for each service in the order in
// which they first alerted.
func (e *explainer) alerts(held []*correlate.AlertState) {
	var services []string
	byService := map[string][]*correlate.AlertState{}
	for _, a := range held {
		name := e.s.written(a.Service)
		if byService[name] == nil {
			services = append(services, name)
		}
		byService[name] = append(byService[name], a)
	}
	e.page.line("  alerts")
	for _, name := range services {
		e.page.wrapped(fmt.Sprintf("    %-20s ", name), strings.Join(e.kinds(byService[name]), " · "))
	}
}

// kinds folds alerts of one name and one cause.
func (e *explainer) kinds(alerts []*correlate.AlertState) []string {
	var order []string
	first, last, count := map[string]time.Time{}, map[string]time.Time{}, map[string]int{}
	for _, a := range alerts {
		key := alertName(&a.Alert) + e.cause(a)
		if count[key] == 0 {
			order, first[key] = append(order, key), a.StartsAt
		}
		count[key]++
		if a.EndedAt.After(last[key]) {
			last[key] = a.EndedAt
		}
	}
	var all []string
	for _, key := range order {
		text := key + " " + e.page.clock(first[key]) + "–" + e.page.clock(last[key])
		if n := count[key]; n > 1 {
			text += fmt.Sprintf(" (%d times)", n)
		}
		all = append(all, text)
	}
	return all
}

// cause is what the truth says of an alert; empty when there is none.
func (e *explainer) cause(a *correlate.AlertState) string {
	if e.t == nil {
		return ""
	}
	causes, known := e.t.Alerts.causes[e.names[a.ID()]]
	switch {
	case !known:
		return ""
	case len(causes) == 0:
		return " [noise]"
	}
	return " [" + strings.Join(causes, ", ") + "]"
}

func (e *explainer) path(i *correlate.Incident) {
	if len(i.Path) == 0 {
		return
	}
	e.page.line("  the way it took")
	for _, p := range i.Path {
		delay := ""
		switch {
		case p.Delay > 0:
			delay = fmt.Sprintf(", %s later", p.Delay.Round(time.Second))
		case p.Delay < 0:
			delay = fmt.Sprintf(", which showed it %s earlier", -p.Delay.Round(time.Second))
		}
		e.page.line("    %s -> %s  %s%s", e.s.written(p.Cause), e.s.written(p.Effect), p.Kind, delay)
	}
}

// explainedOrigins is how many candidates are given with their reasons.
const explainedOrigins = 4

func (e *explainer) origins(i *correlate.Incident) {
	e.page.line("  origins at the end, with weights of evidence in nats; docs/formulas.md has each term")
	for _, o := range i.Origins[:min(explainedOrigins, len(i.Origins))] {
		silent := ""
		if o.Silent {
			silent = ", silent"
		}
		e.page.line("    %5s  %s%s", percent(o.Probability), e.s.written(o.Service), silent)
		sum := 0.0
		for _, r := range o.Reasons {
			sum += r.Weight
			term := ""
			if r.Term != correlate.TermUnspecified {
				term = fmt.Sprintf("%-6s  ", r.Term)
			}
			e.page.wrapped(fmt.Sprintf("          %+5.1f  %s", r.Weight, term), r.Text)
		}
		if len(o.Reasons) > 1 {
			e.page.line("          %+5.1f  together", sum)
		}
	}
	var others []string
	for _, o := range i.Origins[min(explainedOrigins, len(i.Origins)):] {
		others = append(others, e.s.written(o.Service)+" "+percent(o.Probability))
	}
	e.page.wrapped(fmt.Sprintf("    %5s  ", percent(i.Unknown)), strings.Join(append([]string{"unknown"}, others...), " · "))
}

// verdict writes what became of each fault.
func (e *explainer) verdict() error {
	if e.t == nil {
		return nil
	}
	score, err := ScoreCase(e.s, e.seen.result(e.s))
	if err != nil {
		return err
	}
	e.page.line("")
	e.page.line("verdict, by the truth")
	for i := range score.accounts {
		a, f := &score.accounts[i], &score.faults[i]
		e.page.wrapped(fmt.Sprintf("  %-4s", a.fault), a.sentence(f))
	}
	if score.grouping != nil {
		e.page.line("  pairwise F1 %.2f; loss of the case %.2f", score.grouping.f1, score.loss())
	}
	e.page.line("  %s, %d of them in incidents of faults; %s about nothing but noise", counted(score.noise, "noise alert"), score.absorbed, counted(score.noisePages, "opening page"))
	return nil
}

// sentence says all that is known about one fault.
func (a *account) sentence(f *faultScore) string {
	total, where := 0, []string{}
	for _, p := range a.portions {
		total += p.alerts
		where = append(where, fmt.Sprintf("%d in %s", p.alerts, cmp.Or(p.incident, "none")))
	}
	parts := []string{
		fmt.Sprintf("%s at %s", a.kind, strings.Join(a.origins, " or ")),
		fmt.Sprintf("%s, %s", counted(total, "alert"), strings.Join(where, ", ")),
	}
	switch {
	case a.swallowedBy != "":
		parts = append(parts, fmt.Sprintf("swallowed: %s is about %s", a.told, a.swallowedBy))
	case a.missed:
		parts = append(parts, "never paged")
	}
	if !a.missed {
		parts = append(parts, "first page: origin "+f.first.place(), "end: origin "+f.end.place(), counted(f.pages, "opening page"))
	}
	if f.timeToPage != nil {
		parts = append(parts, fmt.Sprintf("paged after %.0f s", *f.timeToPage))
	}
	return strings.Join(parts, "; ")
}

// place says where the right origin stood.
func (v verdict) place() string {
	if v.rank == 0 {
		return "not named"
	}
	return fmt.Sprintf("ranked %d", v.rank)
}

func percent(p float64) string {
	if 0 < p && p < 0.005 {
		return "<1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}

func alertName(a *correlate.Alert) string { return cmp.Or(a.Labels["alertname"], a.Fingerprint) }

func counted(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
