package main

import (
	"context"
	"errors"
	"slices"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/correlate/store"
	replies "github.com/headwater-sre/headwater/ingest/reply"
)

// maxAnsweredLook bounds the incidents among which that of a reply is looked for, latest first.
const maxAnsweredLook = 20_000

// answeredIncidents implements [ingest.Incidents] from what is stored.
type answeredIncidents struct{ store *store.Store }

// Answered implements [ingest.Incidents].
func (a answeredIncidents) Answered(ctx context.Context, r *replies.Reply) (*correlate.Incident, error) {
	var found *correlate.Incident
	if r.Incident != "" {
		var err error
		if found, err = a.incident(ctx, r.Incident); err != nil {
			return nil, err
		}
	} else {
		look := 0
		_, err := a.store.ScanIncidents(ctx, 0, func(i *correlate.Incident) bool {
			look++
			if pagedAs(i, r) {
				found = i
			}
			return found == nil && look < maxAnsweredLook
		})
		if err != nil {
			return nil, err
		}
	}
	// A merge goes into an incident that lives on, so chains are short and end.
	for range 100 {
		if found == nil || found.State != correlate.IncidentMerged {
			break
		}
		var err error
		if found, err = a.incident(ctx, found.MergedInto); err != nil {
			return nil, err
		}
	}
	if found != nil && found.Archived && !found.Kept {
		return nil, nil
	}
	return found, nil
}

// incident is the one with an id, nil if there is none.
func (a answeredIncidents) incident(ctx context.Context, id string) (*correlate.Incident, error) {
	i, _, err := a.store.Incident(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return i, err
}

// pagedAs reports whether the reply is about a page of the incident.
func pagedAs(i *correlate.Incident, r *replies.Reply) bool {
	if r.Key == "" {
		return slices.ContainsFunc(i.Links, func(l correlate.Link) bool { return l.URL == r.Address })
	}
	for ring := range int(i.Paging.Seq) { // a page rings once, or not at all
		if page.ReceiverKey(correlate.RingKey(i.ID, ring+1)) == r.Key {
			return true
		}
	}
	return false
}
