package api

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

const (
	maxNoteBytes  = 16 << 10 // a note stays in the incident's row for as long as that lives
	maxActorBytes = 256
)

// AcknowledgeIncident implements [pb.IncidentServiceServer].
func (s *incidentService) AcknowledgeIncident(ctx context.Context, req *pb.AcknowledgeIncidentRequest) (*pb.AcknowledgeIncidentResponse, error) {
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandAcknowledge, Incident: req.GetId(), Actor: req.GetActor(), Text: req.GetNote(),
	}, "note", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.AcknowledgeIncidentResponse{Incident: incident, Revision: revision}, nil
}

// ResolveIncident implements [pb.IncidentServiceServer].
func (s *incidentService) ResolveIncident(ctx context.Context, req *pb.ResolveIncidentRequest) (*pb.ResolveIncidentResponse, error) {
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandResolve, Incident: req.GetId(), Actor: req.GetActor(), Text: req.GetReason(),
	}, "reason", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.ResolveIncidentResponse{Incident: incident, Revision: revision}, nil
}

// AddIncidentNote implements [pb.IncidentServiceServer].
func (s *incidentService) AddIncidentNote(ctx context.Context, req *pb.AddIncidentNoteRequest) (*pb.AddIncidentNoteResponse, error) {
	if strings.TrimSpace(req.GetNote()) == "" {
		return nil, invalid("note", "must not be empty")
	}
	incident, revision, err := s.command(ctx, correlate.Command{
		Kind: correlate.CommandAddNote, Incident: req.GetId(), Actor: req.GetActor(), Text: req.GetNote(),
	}, "note", req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &pb.AddIncidentNoteResponse{Incident: incident, Revision: revision}, nil
}

// command validates, publishes, waits until the command has been applied and returns the
// incident as it is then. textField is what the request calls Command.Text.
//
// The look at the incident before publishing is for a good error, not for correctness:
// the engine judges the command again, at its place in the stream.
func (s *incidentService) command(ctx context.Context, c correlate.Command, textField, etag string) (*pb.Incident, uint64, error) {
	if err := s.admit(ctx, &c, textField, etag); err != nil {
		return nil, 0, err
	}
	if err := s.carryOut(ctx, &c); err != nil {
		return nil, 0, err
	}
	return s.whole(ctx, c.Incident)
}

// admit fills in who gives the command and refuses what can be seen to be wrong with it.
func (s *incidentService) admit(ctx context.Context, c *correlate.Command, textField, etag string) error {
	var err error
	if c.IfRevision, err = parseETag(etag); err != nil {
		return err
	}
	c.Actor, c.Source = actor(ctx, c.Actor), source(ctx)
	if err := checkText("actor", c.Actor, maxActorBytes); err != nil {
		return err
	}
	if err := checkText(textField, c.Text, maxNoteBytes); err != nil {
		return err
	}
	before, _, err := s.incident(ctx, c.Incident)
	if err != nil {
		return err
	}
	if err := s.checkNotMerged(ctx, before); err != nil {
		return err
	}
	return checkRevision(c, before)
}

// parseETag reads the revision that an incident must still have; 0: any.
func parseETag(etag string) (uint64, error) {
	if etag == "" {
		return 0, nil
	}
	revision, err := strconv.ParseUint(etag, 10, 64)
	if err != nil || revision == 0 {
		return 0, invalid("etag", fmt.Sprintf("%q is none; it is the revision of the incident as it was last read", etag))
	}
	return revision, nil
}

// checkRevision answers a command that was given in view of another state than now holds.
// Revisions only grow, so what differs now differed when the command was judged.
func checkRevision(c *correlate.Command, now *correlate.Incident) error {
	return sameRevision(c.IfRevision, now.Revision, now.ID, "incident")
}

// sameRevision fails when what has id, a kind of resource, is at another revision than the
// one that it must still have; 0: any will do.
func sameRevision(want, now uint64, id, kind string) error {
	if want == 0 || now == want {
		return nil
	}
	return fault(codes.Aborted, reasonETag,
		fmt.Sprintf("%s has changed: it is at revision %d, no longer at %d; read it and try again", id, now, want),
		map[string]string{kind: id, "revision": strconv.FormatUint(now, 10)})
}

// whole reads an incident in full view.
func (s *incidentService) whole(ctx context.Context, id string) (*pb.Incident, uint64, error) {
	i, revision, err := s.incident(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	full, err := s.view(ctx, i, pb.IncidentView_INCIDENT_VIEW_FULL)
	return full, revision, err
}

func (s *incidentService) carryOut(ctx context.Context, c *correlate.Command) error {
	rejected, err := s.publish(ctx, c)
	if err != nil || rejected == "" {
		return err
	}
	// It may have been merged between our look at it and the command's turn.
	about := map[string]string{"incident": c.Incident}
	if now, _, err := s.incident(ctx, c.Incident); err == nil {
		if err := cmp.Or(s.checkNotMerged(ctx, now), checkRevision(c, now)); err != nil {
			return err
		}
		if c.Kind == correlate.CommandSetStatus {
			about["status"], about["allowed"] = now.Status.String(), statusList(now.Status.NextStatuses())
		}
	}
	return fault(codes.FailedPrecondition, reasonRejected, rejected, about)
}

// publish puts a command on the stream and waits until it has been applied. rejected says
// why it was not carried out; empty when it was.
func (s *Server) publish(ctx context.Context, c *correlate.Command) (rejected string, err error) {
	pos, err := s.options.Commands.Publish(ctx, c)
	if err != nil {
		return "", publishError(ctx, err)
	}
	return s.applied(ctx, pos)
}

// applied waits until what is at pos has been applied.
func (s *Server) applied(ctx context.Context, pos uint64) (rejected string, err error) {
	if rejected, err = s.options.Waiter.Wait(ctx, pos); err != nil {
		code := codes.Unavailable
		if ctx.Err() != nil {
			code = codes.DeadlineExceeded
		}
		text := fmt.Sprintf("accepted and will be carried out, but not seen to be within the time given; look again at revision %d or later: %v", pos, err)
		return "", fault(code, reasonNotApplied, text, map[string]string{"revision": strconv.FormatUint(pos, 10)})
	}
	return rejected, nil
}

// checkNotMerged names the incident that continues, at the end of the chain if that was
// merged too.
func (s *incidentService) checkNotMerged(ctx context.Context, i *correlate.Incident) error {
	if i.State != correlate.IncidentMerged {
		return nil
	}
	id, into := i.ID, s.end(ctx, i.MergedInto)
	return fault(codes.FailedPrecondition, reasonMerged,
		fmt.Sprintf("%s was merged and continues as %s; send the command there", id, into),
		map[string]string{"incident": id, "merged_into": into})
}

// end is the incident at the end of a chain of merges that begins at id.
func (s *incidentService) end(ctx context.Context, id string) string {
	// Each merge goes into an incident that lives on, so chains are short and have no
	// circles; the bound is for a damaged store.
	for range 100 {
		next, _, err := s.incident(ctx, id)
		if err != nil || next.State != correlate.IncidentMerged {
			break
		}
		id = next.MergedInto
	}
	return id
}

func checkText(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return invalid(field, fmt.Sprintf("is %d bytes long; at most %d are kept", len(text), limit))
	case !utf8.ValidString(text): // an actor from a header need not be
		return invalid(field, "is not valid UTF-8")
	}
	return nil
}
