package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addDoctor() {
	cmd := a.cli.Command("doctor", "Look for what is wrong with the set-up, and say what to do: the map, what comes in, where pages go.")
	var failOn, least string
	cmd.Flag("fail-on", "Exit with 1 when there is a finding of this severity or a worse one: never, error, warning or hint.").
		Default("never").EnumVar(&failOn, "never", "error", "warning", "hint")
	cmd.Flag("least", "Leave out findings of less severity: error, warning or hint.").Default("hint").EnumVar(&least, "error", "warning", "hint")
	a.command(cmd, func(ctx context.Context) error {
		return a.doctor(ctx, findingSeverity(least), findingSeverity(failOn))
	})
}

// findingSeverity is unspecified for words that are none.
func findingSeverity(word string) headwaterv1.FindingSeverity {
	return headwaterv1.FindingSeverity(headwaterv1.FindingSeverity_value["FINDING_SEVERITY_"+strings.ToUpper(word)])
}

// failingSetup is the error of a set-up that is worse than was asked for. The findings
// were printed.
type failingSetup struct{ count int }

// Error says how many findings there are.
func (e failingSetup) Error() string {
	return plural(e.count, "finding") + " of the severity of --fail-on or worse"
}

func (a *app) doctor(ctx context.Context, least, failOn headwaterv1.FindingSeverity) error {
	never := failOn == headwaterv1.FindingSeverity_FINDING_SEVERITY_UNSPECIFIED
	wanted := least
	if !never && failOn < least {
		wanted = failOn
	}
	var answer *headwaterv1.ListFindingsResponse
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		answer, err = headwaterv1.NewSetupServiceClient(conn).ListFindings(ctx, &headwaterv1.ListFindingsRequest{LeastSeverity: wanted})
		return err
	})
	if err != nil {
		return err
	}
	bad, shown := 0, answer.GetFindings()[:0:0]
	for _, f := range answer.GetFindings() {
		if !never && f.GetSeverity() >= failOn {
			bad++
		}
		if f.GetSeverity() >= least {
			shown = append(shown, f)
		}
	}
	answer.Findings = shown
	if a.json() {
		err = a.printJSON(answer)
	} else {
		a.tellFindings(answer)
	}
	if err == nil && bad > 0 {
		return failingSetup{bad}
	}
	return err
}

// severityGroups are the headings of the report, the worst first.
var severityGroups = []struct {
	severity      headwaterv1.FindingSeverity
	word, heading string
	colour        string
}{
	{headwaterv1.FindingSeverity_FINDING_SEVERITY_ERROR, "error", "ERRORS: alerts or pages get lost, or the base is missing", red},
	{headwaterv1.FindingSeverity_FINDING_SEVERITY_WARNING, "warning", "WARNINGS: answers are worse for it", yellow},
	{headwaterv1.FindingSeverity_FINDING_SEVERITY_HINT, "hint", "HINTS: could be better", plain},
}

// tellFindings prints the report. What is to be pasted stands at the left margin, so
// that it can be taken as it is; everything around it is indented.
func (a *app) tellFindings(answer *headwaterv1.ListFindingsResponse) {
	var counts []string
	by := map[headwaterv1.FindingSeverity][]*headwaterv1.Finding{}
	for _, f := range answer.GetFindings() {
		by[f.GetSeverity()] = append(by[f.GetSeverity()], f)
	}
	for _, g := range severityGroups {
		if n := len(by[g.severity]); n > 0 {
			counts = append(counts, plural(n, g.word))
		}
	}
	if len(counts) == 0 {
		counts = []string{"nothing to mend"}
	}
	fmt.Fprintf(a.out, "%s (looked at %s of the last 14 days and %s)\n", strings.Join(counts, ", "),
		plural(int(answer.GetAlertCount()), "alert"), plural(int(answer.GetServiceCount()), "service"))
	if slices.ContainsFunc(answer.GetFindings(), func(f *headwaterv1.Finding) bool { return f.GetSnippet() != nil }) {
		fmt.Fprintln(a.out, "What is to be pasted stands at the left margin. Where a file has the section already, add the lines below its heading there.")
	}
	number := 0
	for _, g := range severityGroups {
		if len(by[g.severity]) == 0 {
			continue
		}
		fmt.Fprintf(a.out, "\n%s\n", a.paint(g.colour, g.heading))
		for _, f := range by[g.severity] {
			number++
			a.tellFinding(number, f)
		}
	}
	if len(answer.GetNotes()) > 0 {
		fmt.Fprintln(a.out, "\nNOTES")
	}
	for _, n := range answer.GetNotes() {
		a.tellWrapped("  - ", clean(n))
	}
}

func (a *app) tellFinding(number int, f *headwaterv1.Finding) {
	fmt.Fprintln(a.out)
	a.tellWrapped(fmt.Sprintf("%2d. ", number), clean(f.GetTitle()))
	for i, e := range f.GetEvidence() {
		lead := "           "
		if i == 0 {
			lead = "    seen   "
		}
		a.tellWrapped(lead, a.evidence(e))
	}
	a.tellWrapped("    why    ", clean(f.GetWhy()))
	a.tellWrapped("    do     ", clean(f.GetRemedy()))
	if s := f.GetSnippet(); s != nil {
		into := "paste into " + clean(s.GetTarget())
		switch {
		case s.GetTarget() == "shell":
			into = "run"
		case strings.HasPrefix(s.GetTarget(), "kubectl"):
			into = "feed to " + clean(s.GetTarget())
		}
		if s.GetPlaceholders() {
			into += ", with your names in it"
		}
		fmt.Fprintf(a.out, "           %s:\n\n%s", into, cleanLines(s.GetText()))
	}
}

func (a *app) evidence(e *headwaterv1.FindingEvidence) string {
	text := clean(e.GetText())
	if e.GetCount() > 0 {
		text += fmt.Sprintf(": %d", e.GetCount())
	}
	if e.GetLastAt() != nil {
		if a.wide() {
			return text + ", last " + when(e.GetLastAt())
		}
		text += ", last " + a.age(e.GetLastAt()) + " ago"
	}
	return text
}

// cleanLines makes text of several lines safe for a terminal and keeps its spaces.
func cleanLines(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf)) {
			return -1
		}
		return r
	}, s)
}

// reportWidth is where lines of the report break.
const reportWidth = 100

// tellWrapped prints a text behind lead, further lines below its beginning.
func (a *app) tellWrapped(lead, text string) {
	line := lead
	for i, word := range strings.Fields(text) {
		if i > 0 && len(line)+1+len(word) > reportWidth {
			fmt.Fprintln(a.out, line)
			line = strings.Repeat(" ", len(lead))
		} else if i > 0 {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(a.out, line)
}
