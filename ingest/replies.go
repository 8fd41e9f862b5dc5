package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/reply"
)

// Incidents finds incidents for replies. It is called by many goroutines at once.
type Incidents interface {
	// Answered returns the incident that r is about, as it is now: the one that continues
	// if it was merged. Nil: there is none, or it ended so long ago that nothing can be said of it.
	Answered(ctx context.Context, r *reply.Reply) (*correlate.Incident, error)
}

// takeReplies publishes what people answered to pages, as commands in their names.
func (in *Intake) takeReplies(ctx context.Context, replies []reply.Reply) answer {
	var a answer
	for i := range replies {
		r := &replies[i]
		incident, err := in.answered(ctx, r)
		if err != nil {
			return unavailable(fmt.Errorf("find the incident of the reply: %w", err))
		}
		command, note := commandOf(r, incident)
		if a.Note = note; command == nil {
			continue
		}
		if a.Position, err = in.publish(ctx, command); err != nil {
			return notStored(err)
		}
		a.Accepted++
		in.metrics.replies.WithLabelValues(r.Service, r.Kind.String()).Inc()
	}
	return a
}

func (in *Intake) answered(ctx context.Context, r *reply.Reply) (*correlate.Incident, error) {
	if in.options.Incidents == nil {
		return nil, nil
	}
	return in.options.Incidents.Answered(ctx, r)
}

// commandOf says what a reply asks for, nil for nothing, and what to tell its sender.
// Services tell the same thing twice; what the incident shows already is not done again.
func commandOf(r *reply.Reply, inc *correlate.Incident) (c *correlate.Command, note string) {
	if inc == nil {
		return nil, "no incident that is open or ended recently has this page"
	}
	c = &correlate.Command{Incident: inc.ID, Actor: r.Actor, Source: r.Service, Text: r.Text}
	over := inc.State != correlate.IncidentOpen
	switch r.Kind {
	case reply.Shown:
		c.Kind, c.Link = correlate.CommandLink, correlate.LinkTarget{Title: r.Title, URL: r.Address}
		c.Actor = cmp.Or(c.Actor, r.Service)
		if slices.ContainsFunc(inc.Links, func(l correlate.Link) bool { return l.Title == r.Title && l.URL == r.Address }) {
			return nil, inc.ID + " has the link already"
		}
		return c, "linked to " + inc.ID
	case reply.Acknowledged:
		c.Kind = correlate.CommandAcknowledge
		switch {
		case over:
			return nil, fmt.Sprintf("%s is %s already", inc.ID, inc.State)
		case inc.Ack != nil && inc.Ack.By == r.Actor:
			return nil, inc.ID + " is yours already"
		}
		return c, fmt.Sprintf("%s is acknowledged by %s", inc.ID, r.Actor)
	case reply.Resolved:
		return resolveOf(c, r, inc)
	case reply.Unacknowledged:
		c.Actor, c.Text = cmp.Or(c.Actor, r.Service), "no longer acknowledged in "+r.Service
	case reply.Noted:
	}
	return noteOf(c, inc)
}

// resolveOf ends an incident in which nothing fires any more. While something does, what
// somebody closed elsewhere is written down and the incident stays open, as an alert does
// that is closed at the service that Alertmanager paged.
func resolveOf(c *correlate.Command, r *reply.Reply, inc *correlate.Incident) (*correlate.Command, string) {
	switch {
	case inc.State != correlate.IncidentOpen:
		return nil, fmt.Sprintf("%s is %s already", inc.ID, inc.State)
	case inc.Firing == 0:
		c.Kind, c.Text, c.IfRevision = correlate.CommandResolve, "resolved in "+r.Service, inc.Revision
		return c, inc.ID + " is resolved"
	}
	c.Text = fmt.Sprintf("resolved in %s while %d of its alerts fire: the incident stays open", r.Service, inc.Firing)
	return noteOf(c, inc)
}

func noteOf(c *correlate.Command, inc *correlate.Incident) (*correlate.Command, string) {
	c.Kind = correlate.CommandAddNote
	written := slices.ContainsFunc(inc.Timeline, func(t correlate.TimelineEntry) bool {
		return t.Kind == correlate.TimelineNote && t.Text == c.Text && t.Actor == c.Actor && t.Source == c.Source
	})
	if written {
		return nil, "the timeline of " + inc.ID + " says so already"
	}
	return c, "noted in the timeline of " + inc.ID
}

// writeSlack tells the person who pressed a button, and nobody else, what came of it. To
// anything but 2xx Slack shows an error of its own.
func (a answer) writeSlack(w http.ResponseWriter) {
	text, err := json.Marshal(map[string]any{
		"response_type": "ephemeral", "replace_original": false, "text": cmp.Or(a.Error, a.Note),
	})
	if err != nil { // texts always marshal
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.code)
	w.Write(append(text, '\n'))
}
