package setup

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	// settleIn is how long after the start no alert means nothing.
	settleIn = 10 * time.Minute
	// silence is how long alerts may stay away: a Watchdog, which fires always, is
	// repeated every few hours.
	silence = 24 * time.Hour
	// skewTolerated is what clocks may differ by.
	skewTolerated = 5 * time.Second
	// unendedFor and unendedLeast are from when, and from how many, alerts that never end
	// are a habit of their sender's.
	unendedFor   = 6 * time.Hour
	unendedLeast = 5
)

const exampleWebhook = `receivers:
  - name: headwater
    webhook_configs:
      - url: http://headwater:9097/webhook/alertmanager
        send_resolved: true
        max_alerts: 0
route:
  receiver: headwater
`

// sender is what was seen of one sender.
type sender struct {
	name          string
	webhook       bool
	alerts, ended int
	first, last   time.Time

	truncated   int
	truncatedAt time.Time

	ahead   int
	aheadBy time.Duration
	aheadAt time.Time
}

func (e *examination) intake() {
	e.alertmanagers()
	senders := map[string]*sender{}
	var newest time.Time
	for _, a := range e.Alerts {
		newest = later(newest, a.LastSeen)
		if a.Labels["alertname"] == correlate.HealthAlertName && a.SenderURL == "" {
			continue // a health check of ours raised it
		}
		name := strings.TrimSpace(a.Sender + " " + a.SenderURL)
		if senders[name] == nil {
			senders[name] = &sender{name: name, webhook: a.Sender == correlate.SourceAlertmanager, first: a.FirstSeen}
		}
		senders[name].take(a)
	}
	e.silentIntake(newest)
	for _, name := range sortedKeys(senders, cmp.Compare[string]) {
		s := senders[name]
		e.truncating(s)
		e.unending(s)
		e.skewed(s)
	}
}

func (s *sender) take(a *correlate.AlertState) {
	s.alerts++
	if a.FirstSeen.Before(s.first) {
		s.first = a.FirstSeen
	}
	s.last = later(s.last, a.LastSeen)
	if a.Status == correlate.Resolved {
		s.ended++
	}
	if a.Truncated > 0 {
		s.truncated = max(s.truncated, a.Truncated)
		s.truncatedAt = later(s.truncatedAt, a.LastSeen)
	}
	if by := a.StartsAt.Sub(a.FirstSeen); by > skewTolerated {
		s.ahead++
		s.aheadBy = max(s.aheadBy, by)
		s.aheadAt = later(s.aheadAt, a.FirstSeen)
	}
}

func (e *examination) silentIntake(newest time.Time) {
	f := Finding{
		Kind: NoAlerts, Severity: Error, Subject: "intake",
		Why:     "Headwater sees nothing but what it is sent. A Watchdog alert that always fires would show that the way works.",
		Remedy:  "Point Alertmanager's webhook at Headwater, with the address under which it reaches it.",
		Snippet: &Snippet{Target: alertmanager, Text: exampleWebhook, Placeholders: true},
	}
	switch {
	case newest.IsZero() && e.Now.Sub(e.Started) < settleIn:
		e.note("no alert has come yet; the server started less than %d minutes ago", settleIn/time.Minute)
		return
	case newest.IsZero():
		f.Title = fmt.Sprintf("No alert has come in the last %d days", AlertWindow/(24*time.Hour))
	case e.Now.Sub(newest) > silence:
		f.Severity, f.Title = Warning, "No alert has come for more than a day"
		f.Evidence = []Evidence{{Text: "the latest news of an alert", Last: newest}}
		f.Snippet = nil
		f.Remedy = "If nothing fired, all is well. Otherwise see whether Alertmanager still reaches Headwater: alertmanager_notifications_failed_total."
	default:
		return
	}
	e.add("the intake", f)
}

func (e *examination) truncating(s *sender) {
	if s.truncated == 0 {
		return
	}
	e.add("truncated notifications", Finding{
		Kind: Truncated, Severity: Error, Subject: s.name,
		Title:    fmt.Sprintf("%s leaves alerts out of its notifications", s.name),
		Evidence: []Evidence{{Text: "alerts left out of one notification, at most", Count: s.truncated, Last: s.truncatedAt}},
		Why:      "What is left out is not known here, and in a storm that is where the origin may be.",
		Remedy:   "Lift max_alerts of the webhook. Beside it, list the Alertmanager under alertmanagers, so that what is missing is asked for.",
		Snippet:  &Snippet{Target: alertmanager, Text: "# receivers: headwater, webhook_configs\n        max_alerts: 0\n"},
	})
}

func (e *examination) unending(s *sender) {
	if !s.webhook || s.ended > 0 || s.alerts < unendedLeast || e.Now.Sub(s.first) < unendedFor {
		return
	}
	e.add("alerts that never end", Finding{
		Kind: NeverResolved, Severity: Error, Subject: s.name,
		Title:    fmt.Sprintf("No alert of %s ever ended", s.name),
		Evidence: []Evidence{{Text: "alerts, all firing", Count: s.alerts, Last: s.last}},
		Why:      "Incidents stay open, and what fires again later is taken for the same.",
		Remedy:   "Have the webhook send resolved alerts too.",
		Snippet:  &Snippet{Target: alertmanager, Text: "# receivers: headwater, webhook_configs\n        send_resolved: true\n"},
	})
}

func (e *examination) skewed(s *sender) {
	if s.ahead == 0 {
		return
	}
	e.add("clocks", Finding{
		Kind: ClockSkew, Severity: Warning, Subject: s.name,
		Title:    fmt.Sprintf("The clock behind %s is %s ahead of ours", s.name, s.aheadBy.Round(time.Second)),
		Evidence: []Evidence{{Text: "alerts that began after they came", Count: s.ahead, Last: s.aheadAt}},
		Why:      "What began first is evidence of the origin; clocks that differ turn causes into effects.",
		Remedy:   "Have both machines follow a time server (chronyc tracking, timedatectl).",
	})
}

// alertmanagers tells of those that do not answer.
func (e *examination) alertmanagers() {
	for _, a := range e.Alertmanagers {
		if a.Error == "" {
			continue
		}
		e.add("Alertmanagers that do not answer", Finding{
			Kind: FailingAlertmanager, Severity: Warning, Subject: a.Name,
			Title:    fmt.Sprintf("Alertmanager %s does not say what it holds", a.Name),
			Evidence: []Evidence{{Text: "it says: " + a.Error}, {Text: "it has failed since", Last: a.FailingSince}},
			Why: "What it silences or inhibits is not shown in incidents and is paged when another brings it, and what its webhook " +
				"left out or lost stays unknown.",
			Remedy: "Mend what the error says, or take it out of the section alertmanagers. It is asked again by itself.",
		})
	}
}
