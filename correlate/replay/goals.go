package replay

import (
	"fmt"
	"io"
	"strings"
)

// A goal is what a figure is to reach: near is what is good enough to be done,
// far what is worth pushing for. Figures of measured faults have no goal for pages
// beyond the near one.
type goal struct {
	figure    string
	near, far float64
}

// The goals for simulated cascades, of whatever topology.
var simulatedGoals = []goal{
	{"multi_precision", 0.92, 0.95},
	{"multi_recall", 0.88, 0.92},
	{"multi_ari", 0.68, 0.80},
	{"f1", 0.93, 0.96},
	{"contamination", 0.04, 0.03},
	{"pages_per_fault", 1.35, 1.15},
	{"missed", 0, 0},
	{"swallowed", 0.07, 0.03},
	{"preopened", 0.10, 0.05},
	{"noise_pages", 2.2, 1.5},
	{"top1_first", 0.66, 0.75},
	{"top3_first", 0.82, 0.90},
	{"top1_end", 0.72, 0.80},
	{"top3_end", 0.86, 0.94},
	{"silent_top1_end", 0.48, 0.60},
	{"silent_top3_end", 0.68, 0.85},
	{"ece_end", 0.09, 0.07},
	{"ttp_median", 30, 20},
	{"ttp_p95", 110, 90},
}

// The goals for families of measured faults. Each is one data set, and no two agree
// on what an alert is, so they are not averaged.
var measuredGoals = []struct {
	family string
	goals  []goal
}{
	{"petshop", []goal{{"top1_end", 0.50, 0.70}, {"top3_end", 0.80, 0.90}, {"pages_per_fault", 2, 2}}},
	{"itbench", []goal{{"top1_end", 0.58, 0.75}, {"top3_end", 0.82, 0.95}, {"pages_per_fault", 1.4, 1.4}}},
	{"nezha-ob", []goal{{"top1_end", 0.72, 0.80}, {"top3_end", 0.87, 0.87}, {"pages_per_fault", 1.4, 1.4}}},
}

// Standing is where one figure stands against what it is to reach.
type Standing struct {
	// Family is the data set of measured faults; empty for simulated cascades.
	Family string `json:"family,omitempty"`
	Figure string `json:"figure"`
	// Ours is nil when there was nothing to compute the figure from; it then meets nothing.
	Ours       *float64 `json:"ours"`
	Close      float64  `json:"close"`
	MeetsClose bool     `json:"meets_close"`
	Goal       float64  `json:"goal"`
	MeetsGoal  bool     `json:"meets_goal"`
	// Reference is the best that a method of the baselines reached in this figure, and Method its name; nil without baselines.
	Reference *float64 `json:"reference,omitempty"`
	Method    string   `json:"method,omitempty"`

	figure *figure
}

// Standings compares cases with the goals: those of the families of measured faults
// that are among them, and, of all others together, those for simulated cascades.
// A share or a count of pages may miss its close value by slack and still meet it.
// Baselines may be nil.
func Standings(cases []*CaseScore, slack float64, b *Baselines) []Standing {
	var all []Standing
	simulated := cases
	for _, m := range measuredGoals {
		if own := ofFamily(cases, m.family); len(own) > 0 {
			all = append(all, standings(own, m.family, m.goals, slack, b)...)
			simulated = filter(simulated, func(c *CaseScore) bool { return family(c.name) != m.family })
		}
	}
	if len(simulated) > 0 {
		all = append(all, standings(simulated, "", simulatedGoals, slack, b)...)
	}
	return all
}

func standings(cases []*CaseScore, of string, goals []goal, slack float64, b *Baselines) []Standing {
	d := digestOf(cases)
	var all []Standing
	for _, g := range goals {
		f := figureOf(g.figure)
		s := Standing{Family: of, Figure: f.name, Ours: f.of(d), Close: g.near, Goal: g.far, figure: f}
		s.MeetsClose, s.MeetsGoal = f.meets(s.Ours, g.near, slack), f.meets(s.Ours, g.far, 0)
		s.Reference, s.Method = b.best(of, f)
		all = append(all, s)
	}
	return all
}

// meets compares what tables show: three decimals.
func (f *figure) meets(ours *float64, target, slack float64) bool {
	if ours == nil {
		return false
	}
	if f.unit == inSeconds {
		slack = 0
	}
	return milli(f.worse(milli(*ours), target)) <= slack
}

// WriteStandings writes a row for each figure, and how many hold with the slack
// that they were given.
func WriteStandings(w io.Writer, all []Standing, slack float64) error {
	var b strings.Builder
	near, far, before := 0, 0, "\x00"
	for _, s := range all {
		if s.Family != before {
			before = s.Family
			fmt.Fprintf(&b, "\n%-48s %7s  %-11s %-11s %s\n", strings.TrimSpace("goals "+s.Family), "ours", "close", "goal", "best reference")
		}
		s.write(&b)
		near, far = near+met(s.MeetsClose), far+met(s.MeetsGoal)
	}
	leave := ""
	if slack > 0 {
		leave = fmt.Sprintf(", where a share or a count of pages may miss by %.2f", slack)
	}
	fmt.Fprintf(&b, "%d of %d goals hold; %d of %d close figures%s\n", far, len(all), near, len(all), leave)
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Standing) write(b *strings.Builder) {
	number := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf(s.figure.unit.format(), *v)
	}
	target := func(v float64, meets bool) string {
		return fmt.Sprintf("%7s %-3s", number(&v), map[bool]string{true: "yes", false: "no"}[meets])
	}
	row := fmt.Sprintf("%-48s %7s  %s %s", s.Figure, number(s.Ours), target(s.Close, s.MeetsClose), target(s.Goal, s.MeetsGoal))
	if s.Reference != nil {
		row += fmt.Sprintf(" %7s %s", number(s.Reference), s.Method)
	}
	b.WriteString(strings.TrimRight(row, " ") + "\n")
}

func met(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
