package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/ingest/body"
)

const (
	// settleIn is how long after its start an Alertmanager is not believed to know all
	// alerts: Prometheus sends each again within minutes.
	settleIn = 5 * time.Minute
	// grace is for how long an alert must be missing before it is ended.
	grace = 30 * time.Second
	// maxReason bounds the reason for which an alert is muted, in bytes.
	maxReason = 300
)

// answer is what one Alertmanager holds.
type answer struct {
	held     []alertmanager.Held
	silences []alertmanager.Silence
	started  time.Time
}

// view is what one comparison goes by.
type view struct {
	// now is when the answers came.
	now time.Time
	// externalURL is the group's; empty: it is the only one, and every Alertmanager's alerts are its own.
	externalURL string
	// answers are those of the group's members that gave one; complete: all did.
	answers  []answer
	complete bool
	// known are the alerts that fire here.
	known []*correlate.AlertState
	// refresh is how old the latest news of an alert may be before it is confirmed; 0: any age.
	refresh time.Duration
}

// tally counts what a comparison found.
type tally struct{ missing, gone, muted, unmuted, confirmed int }

// compare returns what makes the alerts here those of the group. absent is since when each
// alert has been missing; compare keeps it up to date.
func compare(v *view, absent map[correlate.AlertID]time.Time) (alerts []correlate.Alert, found tally) {
	theirs := v.merged()
	ours := map[string]*correlate.AlertState{}
	for _, k := range v.known {
		if last := ours[k.Fingerprint]; last == nil || last.StartsAt.Before(k.StartsAt) {
			ours[k.Fingerprint] = k
		}
	}
	for _, h := range theirs.list {
		k := ours[h.Fingerprint]
		switch {
		case k == nil, k.StartsAt.Before(h.StartsAt) && fromAlertmanager(k):
			found.missing++
			alerts = append(alerts, *h)
		case k.Muted != h.Muted:
			if h.Muted == "" {
				found.unmuted++
			} else {
				found.muted++
			}
			alerts = append(alerts, confirmation(k, h.Muted))
		case v.refresh > 0 && v.now.Sub(k.LastSeen) >= v.refresh:
			found.confirmed++
			alerts = append(alerts, confirmation(k, h.Muted))
		}
	}
	gone := v.gone(theirs, absent)
	found.gone = len(gone)
	return append(alerts, gone...), found
}

// confirmation is the news that k still fires, in the words in which it is known here.
func confirmation(k *correlate.AlertState, muted string) correlate.Alert {
	a := k.Alert
	a.Status, a.Muted = correlate.Firing, muted
	return a
}

func fromAlertmanager(k *correlate.AlertState) bool {
	return k.Sender == correlate.SourceAlertmanager || k.Sender == correlate.SourceReconciliation
}

// own reports whether it is the group's to end k.
func (v *view) own(k *correlate.AlertState) bool {
	return fromAlertmanager(k) && (v.externalURL == "" || sameURL(k.SenderURL, v.externalURL))
}

func sameURL(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

// gone are the ends of the group's own alerts that it has not had for long enough.
func (v *view) gone(theirs *merged, absent map[correlate.AlertID]time.Time) (ended []correlate.Alert) {
	before := map[correlate.AlertID]time.Time{}
	for id, since := range absent {
		before[id] = since
	}
	clear(absent)
	if !v.complete || !v.settled() {
		return nil
	}
	for _, k := range v.known {
		if !v.own(k) || theirs.has[k.Fingerprint] {
			continue
		}
		since, missing := before[k.ID()]
		if !missing || k.LastSeen.After(since) {
			since = v.now
		}
		if v.now.Sub(since) < grace {
			absent[k.ID()] = since
			continue
		}
		a := k.Alert
		a.Status, a.EndsAt, a.Muted = correlate.Resolved, v.now, ""
		ended = append(ended, a)
	}
	return ended
}

// settled reports whether every member has been up for long enough to know all alerts.
func (v *view) settled() bool {
	return !slices.ContainsFunc(v.answers, func(a answer) bool { return v.now.Sub(a.started) < settleIn })
}

// merged is what the members of a group hold together.
type merged struct {
	list []*correlate.Alert // by fingerprint, with the reason for which it is muted
	has  map[string]bool    // by fingerprint
}

// merged joins the members' answers. An alert that one of them tells of is not muted.
func (v *view) merged() *merged {
	m := &merged{has: map[string]bool{}}
	byFingerprint := map[string]*correlate.Alert{}
	for i := range v.answers {
		a := &v.answers[i]
		names := namesOf(a)
		for j := range a.held {
			h := a.held[j].Alert
			h.Muted = names.reason(&a.held[j].Mutes)
			known := byFingerprint[h.Fingerprint]
			if known == nil {
				byFingerprint[h.Fingerprint] = &h
				m.list, m.has[h.Fingerprint] = append(m.list, &h), true
			} else if h.Muted == "" {
				known.Muted = ""
			}
		}
	}
	slices.SortFunc(m.list, func(a, b *correlate.Alert) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return m
}

// names are what the ids in a status stand for.
type names struct {
	silences map[string]*alertmanager.Silence
	alerts   map[string]string // alertname by fingerprint
}

func namesOf(a *answer) names {
	n := names{map[string]*alertmanager.Silence{}, map[string]string{}}
	for i := range a.silences {
		n.silences[a.silences[i].ID] = &a.silences[i]
	}
	for i := range a.held {
		n.alerts[a.held[i].Fingerprint] = a.held[i].Labels["alertname"]
	}
	return n
}

// reason says in words why an alert is muted; empty: it is not. A silence comes first: somebody wanted it.
func (n names) reason(m *alertmanager.Mutes) string {
	text := ""
	switch {
	case len(m.SilencedBy) > 0:
		text = n.silence(slices.Min(m.SilencedBy))
	case len(m.InhibitedBy) > 0:
		by := slices.Min(m.InhibitedBy)
		text = "inhibited by " + strings.TrimSpace(n.alerts[by]+" ("+by+")")
	case len(m.MutedBy) > 0:
		text = "muted by the time interval " + slices.Min(m.MutedBy)
	}
	return body.Cut(text, maxReason)
}

func (n names) silence(id string) string {
	s := n.silences[id]
	if s == nil {
		return "silenced by " + id
	}
	text := "silenced by " + s.CreatedBy
	if !s.EndsAt.IsZero() {
		text += " until " + s.EndsAt.UTC().Format("2006-01-02 15:04 UTC")
	}
	if s.Comment != "" {
		text += ": " + s.Comment
	}
	return fmt.Sprintf("%s (%s)", text, id)
}
