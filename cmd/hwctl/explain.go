package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addExplain() {
	var id string
	cmd := a.cli.Command("explain", "Tell how an incident was judged: every candidate with its weights of evidence, the way the failure took with the likelihood of each step, what is left unexplained, and where each term's formula is.")
	cmd.Arg("id", "Such as INC-41.").Required().StringVar(&id)
	a.command(cmd, func(ctx context.Context) error { return a.explain(ctx, id) })
}

// judgement is all that a server knows of how an incident was judged.
type judgement struct {
	incident *headwaterv1.Incident
	alerts   []*headwaterv1.Alert
	more     bool                         // there are further alerts
	learned  []*headwaterv1.LearnedFigure // that had a part in it
}

func (a *app) explain(ctx context.Context, id string) error {
	j := &judgement{}
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		return j.fetch(ctx, conn, id, a.wide() || a.json())
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJudgement(j)
	}
	e := &explanation{app: a, judgement: j}
	e.print()
	return nil
}

func (j *judgement) fetch(ctx context.Context, conn *grpc.ClientConn, id string, all bool) error {
	answer, err := headwaterv1.NewIncidentServiceClient(conn).GetIncident(ctx, &headwaterv1.GetIncidentRequest{Id: id})
	if err != nil {
		return err
	}
	j.incident = answer.GetIncident()
	limit := shownAlerts
	if all {
		limit = 0
	}
	var c conditions
	c.equal("incident", j.incident.GetId())
	alerts, next, _, err := fetchAlerts(ctx, conn, c.and(""), limit)
	if err != nil {
		return err
	}
	j.alerts, j.more = alerts, next != ""
	filter := j.subjects()
	if filter == "" {
		return nil
	}
	figures, err := headwaterv1.NewLearningServiceClient(conn).ListLearned(ctx, &headwaterv1.ListLearnedRequest{Filter: filter, PageSize: 1000})
	for _, f := range figures.GetFigures() {
		if f.GetKnown() && f.GetKind() != headwaterv1.LearnedKind_LEARNED_KIND_ALERTED {
			j.learned = append(j.learned, f)
		}
	}
	return err
}

// maxSubjects bounds the filter for learned figures: the server takes 4 KiB.
const maxSubjects = 3 << 10

// subjects is the filter for the learned figures that can have had a part in it: of the
// candidates, of the steps of the path and what they led to, and of the alerts' rules.
// A path that is longer than a filter may be is cut off.
func (j *judgement) subjects() string {
	var all []string
	size := 0
	add := func(subject string) {
		var c conditions
		c.equal("subject", subject)
		for _, one := range c {
			if !slices.Contains(all, one) && size+len(one) < maxSubjects {
				all = append(all, one)
				size += len(one) + len(" OR ")
			}
		}
	}
	for _, o := range j.incident.GetOrigins() {
		add(subjectOf(o.GetService()))
	}
	for _, e := range j.incident.GetPath() {
		add(edgeSubject(e))
		add(subjectOf(e.GetEffect()))
	}
	for _, x := range j.alerts {
		add(x.GetLabels()["alertname"])
	}
	return strings.Join(all, " OR ")
}

// subjectOf names a service as learned figures do.
func subjectOf(r *headwaterv1.ServiceRef) string {
	if r.GetNamespace() == "" {
		return r.GetName()
	}
	return r.GetNamespace() + "/" + r.GetName()
}

// edgeSubject names the dependency along which a step went: of the effect on the cause.
func edgeSubject(e *headwaterv1.PathEdge) string {
	return subjectOf(e.GetEffect()) + " -> " + subjectOf(e.GetCause())
}

// printJudgement prints the API's messages side by side.
func (a *app) printJudgement(j *judgement) error {
	answer := struct {
		Incident json.RawMessage   `json:"incident"`
		Alerts   []json.RawMessage `json:"alerts"`
		Figures  []json.RawMessage `json:"figures"`
	}{Alerts: []json.RawMessage{}, Figures: []json.RawMessage{}}
	var err error
	if answer.Incident, err = compactJSON(j.incident); err != nil {
		return err
	}
	if answer.Alerts, err = compactAll(j.alerts, answer.Alerts); err != nil {
		return err
	}
	if answer.Figures, err = compactAll(j.learned, answer.Figures); err != nil {
		return err
	}
	out := json.NewEncoder(a.out)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(answer); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	return nil
}

func compactAll[M proto.Message](messages []M, to []json.RawMessage) ([]json.RawMessage, error) {
	for _, m := range messages {
		one, err := compactJSON(m)
		if err != nil {
			return nil, err
		}
		to = append(to, one)
	}
	return to, nil
}

// formulas is where the terms are explained. Each term has a heading of its name there.
const formulas = "docs/formulas.md"

// explanation prints a judgement for people, in explainedWidth columns as long as names are short.
type explanation struct {
	*app
	*judgement
	used []headwaterv1.Term // terms of the reasons that were printed
}

const explainedWidth = 100

func (e *explanation) print() {
	i := e.incident
	fmt.Fprintln(e.out, e.paint(severityColour(i.GetSeverity()), fold("", "  ", clean(i.GetHeadline()))))
	e.folded("", "  ", e.circumstances(i))
	e.origins()
	e.way()
	e.unexplained()
	e.unknown()
	e.figures()
	e.terms()
}

func (e *explanation) heading(text string) {
	fmt.Fprintln(e.out)
	e.folded("", "", text)
}

func (e *explanation) folded(prefix, indent, text string) {
	fmt.Fprintln(e.out, fold(prefix, indent, text))
}

// fold sets text on lines of explainedWidth, the first after prefix, the others after indent.
func fold(prefix, indent, text string) string {
	var lines []string
	line, empty := prefix, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > explainedWidth {
			lines = append(lines, line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return strings.Join(append(lines, line), "\n")
}

func (e *explanation) origins() {
	all := e.incident.GetOrigins()
	if len(all) == 0 {
		e.heading("No candidate explains any of the alerts.")
		return
	}
	e.heading("Origins, each with its weights of evidence: of the first against the second, of the others against the first. " +
		"A weight is a natural logarithm of odds: +0.7 doubles them, -0.7 halves them, +2.3 makes them ten times as good.")
	few := &rest{}
	for n, o := range all {
		if n > 1 && !e.wide() && o.GetProbability() < worthALine {
			few.add(o)
			continue
		}
		e.origin(n, o)
	}
	if few.names > 0 {
		e.folded("         ", "         ", few.String())
	}
}

func (e *explanation) origin(n int, o *headwaterv1.Origin) {
	text := fmt.Sprintf("%s, %s%s", refName(o.GetService()), kindWord(o.GetKind()), silence(o))
	if all := e.incident.GetOrigins(); n == 0 && len(all) > 1 {
		text += oddsWord(o.GetProbability(), all[1].GetProbability(), refName(all[1].GetService()))
	}
	e.folded(fmt.Sprintf("  %5s  ", percent(o.GetProbability())), "         ", text)
	sum := 0.0
	for _, r := range o.GetReasons() {
		sum += r.GetWeight()
		e.used = append(e.used, r.GetTerm())
		e.folded(fmt.Sprintf("        %+6.1f  %-6s  ", r.GetWeight(), termWord(r.GetTerm())), strings.Repeat(" ", 24), clean(r.GetText()))
	}
	if len(o.GetReasons()) > 1 {
		e.folded(fmt.Sprintf("        %+6.1f  ", sum), "", "together")
	}
}

func termWord(t headwaterv1.Term) string { return enumWord(t, "TERM_") }

// oddsWord says how the first candidate stands against the second; empty when nothing
// can be said in odds, as when an operator set the origin.
func oddsWord(first, second float64, name string) string {
	ratio := first / second
	switch {
	case first <= 0 || second <= 0:
		return ""
	case ratio < 1.25:
		return "; about even with " + name
	case ratio < 9.95:
		return fmt.Sprintf("; %.1f to 1 against %s", ratio, name)
	case ratio < 999.5:
		scale := math.Pow(10, math.Floor(math.Log10(ratio))-1)
		return fmt.Sprintf("; %.0f to 1 against %s", math.Round(ratio/scale)*scale, name)
	}
	return "; more than 1000 to 1 against " + name
}

// unexplained tells what no step from the leading origin explains.
func (e *explanation) unexplained() {
	headed := false
	for _, s := range e.incident.GetServices() {
		if s.GetUnexplained() == 0 {
			continue
		}
		if !headed {
			e.heading(fmt.Sprintf("What %s does not explain, and what a rival may", originName(e.incident)))
			headed = true
		}
		e.folded("  ", "    ", fmt.Sprintf("%s: %d of %s (%s)", refName(s.GetService()), s.GetUnexplained(), plural(int(s.GetAlerts()), "alert"), e.rulesOn(s.GetService())))
	}
}

func originName(i *headwaterv1.Incident) string {
	if o := bestOrigin(i); o != nil {
		return refName(o.GetService())
	}
	return "the origin"
}

// rulesOn names what alerted on a service.
func (e *explanation) rulesOn(r *headwaterv1.ServiceRef) string {
	var names []string
	for _, x := range e.alerts {
		if name := clean(x.GetLabels()["alertname"]); subjectOf(sufferer(x)) == subjectOf(r) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// unknown tells what the judgement could not take into account.
func (e *explanation) unknown() {
	i := e.incident
	e.heading("What cannot be known from here")
	if u := i.GetUnknownProbability(); u > 0 {
		e.folded("  ", "    ", fmt.Sprintf("%s: the origin is none of these. What the graph does not have cannot be named (%s#probability).", percent(u), formulas))
	}
	for _, g := range i.GetGaps() {
		e.folded("  ", "    ", clean(g))
	}
	if n := i.GetTruncated(); n > 0 {
		e.folded("  ", "    ", plural(int(n), "alert")+" that senders left out of their notifications")
	}
	if v := i.GetTopologyVersion(); v != "" {
		e.folded("  ", "    ", "whether the graph is right: it was version "+clean(v)+" when this was judged")
	}
}

// figures tells what was learned earlier and had a part in it.
func (e *explanation) figures() {
	if len(e.learned) == 0 {
		return
	}
	e.heading(fmt.Sprintf("What earlier incidents taught, and this was judged by (hwctl learned list; %s#learning)", formulas))
	for _, f := range e.learned {
		estimate, prior := figureWords(f)
		kind := enumWord(f.GetKind(), "LEARNED_KIND_")
		e.folded("  ", "    ", fmt.Sprintf("%s of %s: %s, otherwise %s; %s", kind, clean(f.GetSubject()), estimate, prior, clean(f.GetText())))
	}
}

// meanings of the terms, in the order of [headwaterv1.Term].
var meanings = map[headwaterv1.Term]string{
	headwaterv1.Term_TERM_SAID:   "an operator's word, which leads whatever the evidence",
	headwaterv1.Term_TERM_WAY:    "the alerts it explains, less the steps to them and silence",
	headwaterv1.Term_TERM_ORDER:  "when the alerts began, and pauses between them",
	headwaterv1.Term_TERM_CLASS:  "what kinds of symptoms they are, and whose",
	headwaterv1.Term_TERM_CHANGE: "what was done to it before",
	headwaterv1.Term_TERM_HEALTH: "what its health checks say",
	headwaterv1.Term_TERM_QUIET:  "what depends on it and shows nothing",
	headwaterv1.Term_TERM_LOAD:   "a surge that its callers report",
}

// terms leads from each term that was printed to its formula.
func (e *explanation) terms() {
	slices.Sort(e.used)
	used := slices.DeleteFunc(slices.Compact(e.used), func(t headwaterv1.Term) bool { return meanings[t] == "" })
	if len(used) == 0 {
		return
	}
	e.heading("From the terms to their formulas")
	for _, t := range used {
		e.folded(fmt.Sprintf("  %-6s  %-24s  ", termWord(t), formulas+"#"+termWord(t)), strings.Repeat(" ", 36), meanings[t])
	}
}
