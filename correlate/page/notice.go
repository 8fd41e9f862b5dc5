package page

import (
	"context"
	"strings"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
)

// The keys under which Slack's notifier keeps what chat.update wants back.
const (
	slackThreadKey  = "threadTs"
	slackChannelKey = "channelId"
)

// ReceiverKey is how a receiver that folds pages by their key shows that key to others:
// PagerDuty as dedup_key and incident_key, Opsgenie as alias.
func ReceiverKey(key string) string { return notify.Key(key).Hash() }

// noticeContext is what Alertmanager's notifiers read from their context. The
// function returned tells, after the attempt, what the notifier wants to be
// reminded of when it edits.
//
// We call the notifiers themselves and leave out Alertmanager's stages around
// them: its retry stage keeps attempts in memory and gives up with its context,
// its deduplication keeps a log of its own. The outbox is our record of both.
func noticeContext(ctx context.Context, r *routing, s send) (context.Context, func() string) {
	p := s.page()
	labels := s.opening.RouteLabels()
	opts := r.optsFor(labels, s.to.receiver)
	ctx = notify.WithGroupKey(ctx, s.key)
	ctx = notify.WithReceiverName(ctx, s.to.receiver)
	ctx = notify.WithNow(ctx, p.At)
	ctx = notify.WithRepeatInterval(ctx, opts.RepeatInterval)
	ctx = notify.WithNotificationReason(ctx, reasonOf(p))

	// The group is the incident; what the route groups by is added, since
	// templates ask for it.
	group := model.LabelSet{"incident": model.LabelValue(p.Incident.ID)}
	for name, value := range labelSet(labels) {
		if _, by := opts.GroupBy[name]; by || opts.GroupByAll {
			group[name] = value
		}
	}
	ctx = notify.WithGroupLabels(ctx, group)
	ctx = notify.WithRouteLabels(ctx, routeLabels(r, s, opts.Labels, group))

	store := nflog.NewStore(nil)
	if channel, thread, ok := strings.Cut(s.thread, "/"); ok {
		store.SetStr(slackChannelKey, channel)
		store.SetStr(slackThreadKey, thread)
	}
	return notify.WithNflogStore(ctx, store), func() string {
		channel, _ := store.GetStr(slackChannelKey)
		thread, _ := store.GetStr(slackThreadKey)
		if channel == "" || thread == "" {
			return ""
		}
		return channel + "/" + thread
	}
}

// page is the page as its target gets it.
func (s *send) page() *correlate.Page {
	p := *s.leaf.Page
	p.Kind = s.kind
	return &p
}

// closing is the end of an earlier ring, which this one replaces.
func (s *send) closing(key string) send {
	old := *s
	old.kind, old.key, old.closes = correlate.PageResolve, key, nil
	return old
}

// routeLabels renders the labels of a route, which may be templates. One that
// does not execute is left out: no page is lost over a decoration.
func routeLabels(r *routing, s send, raw, group model.LabelSet) model.LabelSet {
	if len(raw) == 0 {
		return nil
	}
	p := s.page()
	a := newAlert(p, s.opening, "", p.At)
	render := r.tmpl.RouteLabelRenderer(r.tmpl.Data(s.to.receiver, group, raw, reasonOf(p).String(), a))
	rendered := make(model.LabelSet, len(raw))
	for name := range raw {
		if value, err := render(string(name)); err == nil {
			rendered[name] = model.LabelValue(value)
		}
	}
	return rendered
}

// reasonOf is the page's kind in Alertmanager's words.
func reasonOf(p *correlate.Page) notify.NotifyReason {
	switch {
	case p.Kind == correlate.PageResolve:
		return notify.ReasonAllAlertsResolved
	case p.Kind.Rings() && p.Seq == 1:
		return notify.ReasonFirstNotification
	}
	return notify.ReasonNewAlertsInGroup
}
