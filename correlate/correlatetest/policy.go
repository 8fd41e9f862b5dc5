package correlatetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// escalate reads a policy: its matchers, and below them a step a line, "after 10m unacknowledged to secondary lead".
func (p *player) escalate(args, steps []string) error {
	if p.engine != nil {
		return fmt.Errorf("an escalation must come first")
	}
	var policy correlate.EscalationPolicy
	for _, text := range args {
		m, err := correlate.ParseMatcher(text)
		if err != nil {
			return err
		}
		policy.Matchers = append(policy.Matchers, m)
	}
	for _, line := range steps {
		step, err := readStep(strings.Fields(line))
		if err != nil {
			return fmt.Errorf("step %q: %w", line, err)
		}
		policy.Steps = append(policy.Steps, step)
	}
	p.cfg.Policy.Escalation = append(p.cfg.Policy.Escalation, policy)
	return nil
}

func readStep(words []string) (step correlate.EscalationStep, err error) {
	to := slices.Index(words, "to")
	if to < 0 {
		return step, fmt.Errorf("want [after <duration>] [<condition>] to <receiver> …")
	}
	step.To, words = words[to+1:], words[:to]
	if len(words) > 1 && words[0] == "after" {
		if step.After, err = time.ParseDuration(words[1]); err != nil {
			return step, err
		}
		words = words[2:]
	}
	if len(words) == 1 {
		step.When, err = correlate.ParseEscalationCondition(words[0])
	}
	return step, err
}

// configureReminders reads the settings of reminders.
func (p *player) configureReminders(opts map[string]string) error {
	if text, ok := opts["reminders"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("reminders: %w", err)
		}
		p.cfg.Policy.Reminders = n
		delete(opts, "reminders")
	}
	return nil
}

// checkPages holds pages against the policy: nobody is rung twice for one thing, and no step is taken early or twice.
func (l *Ledger) checkPages(cfg correlate.Config, add func(string, ...any)) {
	policy := cfg.WithDefaults().Policy
	for _, page := range l.fresh {
		i := &page.Incident
		switch {
		case page.Kind == correlate.PageRing && !page.Newcomers:
			l.checkRing(&policy, page, add)
		case page.Kind == correlate.PageEscalate:
			checkStep(&policy, page, add)
		}
		for k := range i.Escalated {
			if slices.Contains(i.Escalated[:k], i.Escalated[k]) {
				add("%s: the step %q was taken twice", i.ID, i.Escalated[k].Step)
			}
		}
	}
	l.fresh = nil
}

func (l *Ledger) checkRing(policy *correlate.Policy, page *correlate.Page, add func(string, ...any)) {
	if page.Incident.Attended() {
		add("%s: page %d rings although somebody has the incident", page.Incident.ID, page.Seq)
	}
	least := policy.RingSpacing
	if policy.Reminder > 0 {
		least = min(least, policy.Reminder)
	}
	before := l.Pages[page.Incident.ID][:page.Seq-1]
	for _, earlier := range slices.Backward(before) {
		if earlier.Kind == correlate.PageOpen || earlier.Kind == correlate.PageRing && !earlier.Newcomers {
			if gap := page.At.Sub(earlier.At); gap < least {
				add("%s: page %d rings %s after page %d", page.Incident.ID, page.Seq, gap, earlier.Seq)
			}
			return
		}
	}
}

// checkStep: some step of the policy calls these receivers, and its time has come.
func checkStep(policy *correlate.Policy, page *correlate.Page, add func(string, ...any)) {
	open := page.At.Sub(page.Incident.Paging.OpenedAt)
	for _, p := range policy.Escalation {
		for _, step := range p.Steps {
			if slices.Equal(step.To, page.To) && open >= step.After {
				return
			}
		}
	}
	add("%s: page %d calls %v %s after the opening page; no step says so", page.Incident.ID, page.Seq, page.To, open)
}
