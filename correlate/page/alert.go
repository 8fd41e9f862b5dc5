package page

import (
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
)

// sheetAnnotation holds the page's machine-readable form, see [Sheet].
const sheetAnnotation = "headwater"

// newAlert makes the one alert that stands for the incident at a notifier.
//
// One, not the members: a notifier's templates speak of what all alerts have in
// common, and thirty members have next to nothing in common. They are in the
// text, and quoted in the annotation "headwater".
//
// The labels are those of the opening page, so the alert's fingerprint, by which
// some receivers tell alerts apart, is the same in the edits and the resolve that
// follow. What changed since is in the annotations.
func newAlert(p *correlate.Page, opening *correlate.Incident, externalURL string, now time.Time) *alert.Alert {
	return alertSaying(NewSheet(p, externalURL), p, opening, now)
}

// alertSaying is [newAlert] of a page that says what is on the sheet.
func alertSaying(s *Sheet, p *correlate.Page, opening *correlate.Incident, now time.Time) *alert.Alert {
	a := &alert.Alert{Alert: model.Alert{
		Labels:       labelSet(opening.RouteLabels()),
		Annotations:  annotations(s),
		StartsAt:     p.Incident.StartedAt,
		GeneratorURL: s.URL,
	}, UpdatedAt: now}
	if p.Kind == correlate.PageResolve {
		a.EndsAt = endOf(p)
		if a.EndsAt.After(now) {
			// The stream's clock is ahead of ours. An end in the future would count as firing.
			a.EndsAt = now
		}
	}
	return a
}

// annotations are what generic templates and webhooks read. Empty ones are left out.
func annotations(s *Sheet) model.LabelSet {
	set := model.LabelSet{}
	put := func(name, value string) {
		if value != "" {
			set[model.LabelName(name)] = model.LabelValue(strings.ToValidUTF8(value, "\uFFFD"))
		}
	}
	put("kind", s.Kind)
	put("summary", s.Title)
	put("description", s.Text())
	put("reason", s.Reason)
	put("since", s.Since)
	put("sev", s.Sev)
	put("status", s.People())
	put("origin", s.Origin)
	put("probability", s.Probability)
	put("why", strings.Join(s.WhyTexts(), "\n"))
	put("runner_up", s.RunnerUp)
	put("hit", s.HitText())
	put("next", s.NextText())
	put("changes", strings.Join(s.ChangeTexts(), "\n"))
	put("gaps", strings.Join(s.Gaps, "\n"))
	put("seen_before", strings.Join(s.SeenBefore, "\n"))
	if len(s.Runbooks) > 0 {
		put("runbook_url", s.Runbooks[0])
	}
	put("links", strings.Join(addresses(s.links()), "\n"))
	put(sheetAnnotation, s.JSON())
	return set
}
