package postmortem

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

const (
	// latePage is how long after the first alert a page counts as late, and lateAck how
	// long after the page an acknowledgement does.
	latePage = 2 * time.Minute
	lateAck  = 10 * time.Minute
	// lateMitigation is the same from the page to the first measure.
	lateMitigation = 15 * time.Minute
)

// factors are what was seen to have contributed. Each names what it was seen by.
func (w *writer) factors() {
	w.heading("Contributing factors seen")
	var all []string
	for _, look := range []func() []string{
		w.redundancy, w.load, w.exhaustion, w.crashes, w.recentChanges, w.gaps, w.silentSteps, w.flapping, w.paging, w.recurrence, w.blindness,
	} {
		all = append(all, look()...)
	}
	if len(all) == 0 {
		w.f("None.")
	}
	for _, text := range all {
		w.f("- %s", text)
	}
}

// redundancy: what failed was needed by several, and nothing stood in for it.
func (w *writer) redundancy() []string {
	var out []string
	for _, cause := range w.causes() {
		var without []string
		for _, step := range w.inc.Path {
			if step.Cause == cause && w.neededAlone(step.Effect, cause) {
				without = append(without, w.service(step.Effect))
			}
		}
		if len(without) > 1 {
			out = append(out, fmt.Sprintf("**No redundancy**: %s cannot work without %s, and nothing stands in for it.", enumerate(without, manyNamed), w.service(cause)))
		}
	}
	return out
}

// causes are the services that the failure went on from, in their order.
func (w *writer) causes() []topology.Ref {
	var out []topology.Ref
	for _, step := range w.inc.Path {
		if !slices.Contains(out, step.Cause) {
			out = append(out, step.Cause)
		}
	}
	return out
}

// neededAlone reports whether caller needs callee hard and for itself.
func (w *writer) neededAlone(caller, callee topology.Ref) bool {
	from, known := w.Graph.Lookup(caller)
	to, ok := w.Graph.Lookup(callee)
	if !known || !ok {
		return false
	}
	return slices.ContainsFunc(w.Graph.Out(from), func(e topology.Edge) bool {
		return e.Node == to && e.Mode == topology.ModeHard && e.Group == topology.NoGroup
	})
}

// load: more came than usual, from outside or by retries.
func (w *writer) load() []string {
	var out []string
	if text := w.ofClass(correlate.ClassSurge); text != "" {
		out = append(out, "**Load**: more came than usual, or calls were tried again: "+text+".")
	}
	for _, step := range w.inc.Path {
		if step.Role == "loaded" {
			out = append(out, fmt.Sprintf("**Load moved**: when %s failed, more came upon %s than it could bear.", w.service(step.Cause), w.service(step.Effect)))
		}
	}
	return out
}

// exhaustion: resources were used up.
func (w *writer) exhaustion() []string {
	var out []string
	if text := w.ofClass(correlate.ClassSaturation); text != "" {
		out = append(out, "**Used up**: "+text+".")
	}
	if text := w.ofClass(correlate.ClassClientPool); text != "" {
		out = append(out, "**Waiting clients**: pools of connections or workers were used up while they waited: "+text+".")
	}
	return out
}

func (w *writer) crashes() []string {
	if text := w.ofClass(correlate.ClassCrash); text != "" {
		return []string{"**Crashes**: processes died, and those that were left had more to bear: " + text + "."}
	}
	return nil
}

// ofClass lists the rules of a class that fired, how often and on what; empty when none did.
func (w *writer) ofClass(class correlate.Class) string {
	type fired struct {
		rule  string
		times int
		on    []string
	}
	var all []*fired
	for _, a := range w.Alerts {
		if a.Class != class {
			continue
		}
		rule := escape(a.Labels["alertname"])
		i := slices.IndexFunc(all, func(f *fired) bool { return f.rule == rule })
		if i < 0 {
			i = len(all)
			all = append(all, &fired{rule: rule})
		}
		all[i].times++
		if on := w.service(sufferer(a)); !slices.Contains(all[i].on, on) {
			all[i].on = append(all[i].on, on)
		}
	}
	slices.SortStableFunc(all, func(a, b *fired) int { return cmp.Compare(b.times, a.times) })
	var out []string
	for _, f := range all {
		text := f.rule
		if f.times > 1 {
			text += fmt.Sprintf(" ×%d", f.times)
		}
		out = append(out, text+" on "+enumerate(f.on, manyNamed))
	}
	return enumerate(out, manyNamed)
}

func (w *writer) recentChanges() []string {
	var out []string
	for _, c := range w.inc.Changes {
		when := correlate.Span(w.inc.StartedAt.Sub(c.At)) + " before the start"
		if c.At.After(w.inc.StartedAt) {
			when = correlate.Span(c.At.Sub(w.inc.StartedAt)) + " after the start"
		}
		text := fmt.Sprintf("**Recent change**: %s of %s, %s", escape(cmp.Or(c.Kind, "change")), w.service(c.Service), when)
		if c.Summary != "" {
			text += ": " + quoted(c.Summary)
		}
		out = append(out, text+".")
	}
	return out
}

func (w *writer) gaps() []string {
	var out []string
	for _, g := range w.inc.Gaps {
		out = append(out, "**Coverage gap**: "+escape(g)+".")
	}
	return out
}

// silentSteps: the failure passed services that said nothing.
func (w *writer) silentSteps() []string {
	var silent []string
	for _, cause := range w.causes() {
		o := w.inc.Origin()
		if o != nil && o.Service == cause || slices.ContainsFunc(w.hit, func(s correlate.ServiceImpact) bool { return s.Service == cause }) {
			continue
		}
		silent = append(silent, w.service(cause))
	}
	if len(silent) == 0 {
		return nil
	}
	return []string{"**Silence on the way**: the failure went through " + enumerate(silent, manyNamed) + ", which raised no alert."}
}

// flapping: it was not one failure in time.
func (w *writer) flapping() []string {
	var out []string
	again := map[string]int{}
	for _, a := range w.Alerts {
		again[a.Fingerprint]++
	}
	flapped := 0
	for _, n := range again {
		if n > 2 {
			flapped++
		}
	}
	if flapped > 0 {
		out = append(out, fmt.Sprintf("**Flapping**: %s fired three times or more.", plural(flapped, "alert")))
	}
	reopened := 0
	for _, e := range w.inc.Timeline {
		if e.Kind == correlate.TimelineReopened {
			reopened++
		}
	}
	if reopened > 0 {
		out = append(out, fmt.Sprintf("**Came back**: it was over and came back %s.", times(reopened)))
	}
	return out
}

// paging: on-call heard of it late, or did not answer.
func (w *writer) paging() []string {
	var out []string
	first := w.firstRing()
	if first == nil {
		if w.inc.Severity >= correlate.SeverityError {
			out = append(out, "**Nobody was paged**, though there were alerts of severity "+w.inc.Severity.String()+".")
		}
		return out
	}
	if len(w.Alerts) > 0 {
		if late := delivered(first).Sub(w.firstSeen()); late > latePage {
			out = append(out, fmt.Sprintf("**Late page**: on-call was called %s after the first alert arrived: %s.", correlate.Span(late), escape(first.Page.Reason)))
		}
	}
	out = append(out, w.undelivered()...)
	switch at, _ := w.ackedAt(); {
	case at.IsZero() && w.over():
		out = append(out, "**Not acknowledged**: nobody said that they had it.")
	case !at.IsZero() && at.Sub(delivered(first)) > lateAck:
		out = append(out, fmt.Sprintf("**Late acknowledgement**: %s after the page.", correlate.Span(at.Sub(delivered(first)))))
	}
	return out
}

// undelivered: receivers that a calling page did not reach, or not at once.
func (w *writer) undelivered() []string {
	var out []string
	for _, e := range w.Pages {
		if !e.Page.Kind.Rings() {
			continue
		}
		for _, d := range e.Deliveries {
			switch {
			case d.LastError != "":
				out = append(out, fmt.Sprintf("**Undelivered page**: %s (%s), page %d: %s.", escape(d.Receiver), escape(d.Integration), e.Page.Seq, quoted(d.LastError)))
			case d.Attempts > 1 && !d.SentAt.IsZero():
				out = append(out, fmt.Sprintf("**Page delivered at the %d. attempt**: %s (%s), page %d.", d.Attempts, escape(d.Receiver), escape(d.Integration), e.Page.Seq))
			}
		}
	}
	return out
}

// recurrence: it was seen before, and what was to be done is not.
func (w *writer) recurrence() []string {
	b := w.inc.SeenBefore
	if b.Times == 0 {
		return nil
	}
	text := fmt.Sprintf("**Not the first time**: %s in the 90 days before", times(b.Times))
	if b.OpenItemCount > 0 {
		var items []string
		for _, a := range b.OpenItems {
			items = append(items, escape(a.ID)+" "+quoted(a.Text))
		}
		text += fmt.Sprintf("; %s of those is still to be done: %s", plural(b.OpenItemCount, "action item"), enumerate(items, manyNamed))
	}
	return []string{text + "."}
}

// blindness: what could not be seen because of how alerts were sent.
func (w *writer) blindness() []string {
	var out []string
	if n := w.inc.Truncated; n > 0 {
		out = append(out, fmt.Sprintf("**Lost alerts**: senders left out %s of their notifications.", plural(n, "alert")))
	}
	unmapped, muted := 0, 0
	for _, a := range w.Alerts {
		if !a.Mapped {
			unmapped++
		}
		if a.Muted != "" {
			muted++
		}
	}
	if unmapped > 0 {
		out = append(out, fmt.Sprintf("**Nameless alerts**: %s had no label that names a service.", plural(unmapped, "alert")))
	}
	if muted > 0 {
		out = append(out, fmt.Sprintf("**Silences**: %s were silenced or inhibited.", plural(muted, "alert")))
	}
	return out
}

// prompts are what went well and badly, as far as it was seen, and the questions about the rest.
func (w *writer) prompts() {
	w.heading("What went well")
	for _, text := range w.wentWell() {
		w.f("- %s", text)
	}
	w.f("- *What else helped, and would we have it next time?*")
	w.heading("What went badly")
	for _, text := range w.wentBadly() {
		w.f("- %s", text)
	}
	w.f("- *What took longest to find out, and what would have shown it?*")
	w.f("- *Where were we lucky?*")
}

func (w *writer) wentWell() []string {
	var out []string
	first := w.firstRing()
	if first == nil {
		return nil
	}
	now, then := w.inc.Origin(), first.Page.Incident.Origin()
	if now != nil && then != nil && now.Service == then.Service {
		out = append(out, fmt.Sprintf("The first page named %s, where it began.", w.service(now.Service)))
	}
	if n := w.inc.Alerts; n > 1 && w.rings() == 1 {
		out = append(out, fmt.Sprintf("%s rang once.", plural(n, "alert")))
	} else if r := w.rings(); n >= 10*r {
		out = append(out, fmt.Sprintf("%s rang %s.", plural(n, "alert"), times(r)))
	}
	if at, by := w.ackedAt(); !at.IsZero() {
		if took := at.Sub(delivered(first)); took <= lateAck {
			out = append(out, fmt.Sprintf("%s acknowledged %s after the page.", escape(by), correlate.Span(max(took, 0))))
		}
	}
	return out
}

func (w *writer) wentBadly() []string {
	var out []string
	for _, e := range w.inc.Timeline {
		if e.Kind == correlate.TimelineOrigin && e.Actor == "" {
			out = append(out, fmt.Sprintf("Until %s another origin was named: %s.", stamp(e.At, w.inc.StartedAt), escape(e.Text)))
		}
	}
	if e, first := w.became(correlate.StatusMitigating), w.firstRing(); e != nil && first != nil {
		if took := e.At.Sub(delivered(first)); took > lateMitigation {
			out = append(out, fmt.Sprintf("It took %s from the page until something was done about it.", correlate.Span(took)))
		}
	}
	return out
}
