package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// way draws the propagation tree: every service with what it showed, below the one
// that failed before it.
func (e *explanation) way() {
	t := newDrawing(e)
	if t.root == "" {
		return
	}
	e.heading(fmt.Sprintf("The way it took from %s, with the likelihood of each step (%s#way)", originName(e.incident), formulas))
	root := bestOrigin(e.incident)
	text := refName(root.GetService()) + ", " + kindWord(root.GetKind())
	if root.GetSilent() {
		text += ": raised no alert of its own" + costWord(root.GetSilenceCost())
	}
	e.folded("  ", "    ", text)
	t.below(t.root, "  ")
	if e.more {
		e.folded("  ", "", fmt.Sprintf("of the first %d alerts; -o wide draws all", len(e.alerts)))
	}
}

// drawing is the tree by the names of its services.
type drawing struct {
	*explanation
	root  string
	steps map[string][]*headwaterv1.PathEdge // by cause
	shown map[string][]symptom               // by service
	taken map[string]float64                 // cost of passing it in silence
}

func newDrawing(e *explanation) *drawing {
	d := &drawing{explanation: e, steps: map[string][]*headwaterv1.PathEdge{}, shown: map[string][]symptom{}, taken: map[string]float64{}}
	if o := bestOrigin(e.incident); o != nil {
		d.root = subjectOf(o.GetService())
	}
	members := map[string]bool{d.root: true}
	for _, step := range e.incident.GetPath() {
		members[subjectOf(step.GetEffect())] = true
	}
	for _, step := range e.incident.GetPath() {
		cause := subjectOf(step.GetCause())
		if !members[cause] { // traffic stopped by way of services that show nothing and are not drawn
			cause = d.root
		}
		d.steps[cause] = append(d.steps[cause], step)
		d.taken[cause] += step.GetPassing()
	}
	for _, x := range e.alerts {
		home := subjectOf(sufferer(x))
		if !members[home] { // calls to a service fail and their caller is not in the tree: it tells of the callee
			home = subjectOf(x.GetService())
		}
		if members[home] {
			d.shown[home] = count(d.shown[home], x)
		}
	}
	return d
}

// sufferer is the service that an alert is counted with: of one about calls the caller.
func sufferer(x *headwaterv1.Alert) *headwaterv1.ServiceRef {
	if caller := x.GetCaller(); caller.GetName() != "" {
		return caller
	}
	return x.GetService()
}

func started(x *headwaterv1.Alert) time.Time { return x.GetStartedAt().AsTime().UTC() }

// symptom is alerts of one rule on one service.
type symptom struct {
	first *headwaterv1.Alert
	times int
}

func count(all []symptom, x *headwaterv1.Alert) []symptom {
	at := slices.IndexFunc(all, func(s symptom) bool { return s.first.GetLabels()["alertname"] == x.GetLabels()["alertname"] })
	if at < 0 {
		return append(all, symptom{x, 1})
	}
	all[at].times++
	if started(x).Before(started(all[at].first)) {
		all[at].first = x
	}
	return all
}

// below draws what a service showed and where the failure went from there.
func (d *drawing) below(name, indent string) {
	steps := d.steps[name]
	delete(d.steps, name) // each is drawn once, whatever the server sent
	bar := "   "
	if len(steps) > 0 {
		bar = "│  "
	}
	d.symptoms(d.shown[name], indent+bar+"  ")
	for i, step := range steps {
		branch, under := "├─ ", "│  "
		if i == len(steps)-1 {
			branch, under = "└─ ", "   "
		}
		effect := subjectOf(step.GetEffect())
		text := refName(step.GetEffect()) + d.stepWords(step)
		if cost := d.taken[effect]; cost > 0 {
			text += "; it shows nothing" + costWord(cost)
		}
		d.folded(indent+branch, indent+under+"   ", text)
		d.below(effect, indent+under)
	}
}

// manySymptoms is how many rules of one service a narrow answer draws.
const manySymptoms = 4

func (d *drawing) symptoms(all []symptom, indent string) {
	slices.SortStableFunc(all, func(x, y symptom) int { return started(x.first).Compare(started(y.first)) })
	shown := len(all)
	if !d.wide() {
		shown = min(shown, manySymptoms)
	}
	for _, s := range all[:shown] {
		x := s.first
		text := clean(x.GetLabels()["alertname"])
		if s.times > 1 {
			text += fmt.Sprintf(" ×%d", s.times)
		}
		if x.GetCaller().GetName() != "" {
			text += fmt.Sprintf(" (calls from %s to %s)", refName(x.GetCaller()), refName(x.GetService()))
		}
		class := cmp.Or(enumWord(x.GetClass(), "ALERT_CLASS_"), "other")
		d.folded(indent+started(x).Format("15:04:05")+"  ", indent+"          ", text+": "+class+", "+severityWord(x.GetSeverity()))
	}
	if n := len(all) - shown; n > 0 {
		d.folded(indent, "", fmt.Sprintf("and %s; -o wide draws all", plural(n, "other rule")))
	}
}

// stepWords says how the failure got here, how likely that was and how long it took.
func (d *drawing) stepWords(step *headwaterv1.PathEdge) string {
	how := []string{spreadWords(step)}
	if step.GetRole() != "" { // servers that do not tell roles do not tell costs
		likely := percent(math.Exp(-step.GetCost()))
		if f := d.learnedOf(edgeSubject(step)); f != nil {
			likely += fmt.Sprintf(" (learned; otherwise %s)", percent(f.GetPrior()))
		}
		how = append(how, likely)
	}
	if delay := delayWords(step); delay != "" {
		how = append(how, delay)
	}
	return ": " + strings.Join(how, ", ")
}

func (j *judgement) learnedOf(subject string) *headwaterv1.LearnedFigure {
	for _, f := range j.learned {
		if f.GetSubject() == subject {
			return f
		}
	}
	return nil
}

// spreadWords says by which arrow the failure came.
func spreadWords(step *headwaterv1.PathEdge) string {
	switch step.GetKind() {
	case "depends":
		return "depends on it"
	case "runs-on":
		if step.GetRole() == "hosted" {
			return "runs on it"
		}
		return "is a part of it"
	case "overload":
		return "got its load"
	case "starvation":
		return "lost its traffic"
	}
	return clean(step.GetKind())
}

func costWord(nats float64) string {
	if nats < .05 {
		return ""
	}
	return fmt.Sprintf(" (%+.1f)", -nats)
}
