package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

type learningService struct {
	pb.UnimplementedLearningServiceServer
	*Server
}

// ListLearned implements [pb.LearningServiceServer].
func (s *learningService) ListLearned(ctx context.Context, req *pb.ListLearnedRequest) (*pb.ListLearnedResponse, error) {
	selection, err := compileFilter(figureFields, req.GetFilter())
	if err != nil {
		return nil, invalid("filter", err.Error())
	}
	list, err := newListing("ListLearned", req.GetPageSize(), req.GetPageToken(), req.GetFilter())
	if err != nil {
		return nil, err
	}
	figures, revision, err := s.figures(ctx)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListLearnedResponse{Revision: revision}
	var last figureKey
	size := 0
	for n := range figures {
		f := &figures[n]
		if list.after != nil && compareFigures(keyOfFigure(f), list.after.Figure) <= 0 || !selection.match(f) {
			continue
		}
		if len(resp.GetFigures()) == list.size || size >= maxPageBytes {
			resp.NextPageToken = list.next(pageToken{Figure: last})
			break
		}
		row := figureToProto(f)
		size += proto.Size(row)
		resp.Figures = append(resp.Figures, row)
		last = keyOfFigure(f)
	}
	return resp, nil
}

// figures are all learned figures, in order. There are as many as the engine allows, all
// of them small, so each page is cut from the whole.
func (s *learningService) figures(ctx context.Context) ([]correlate.Figure, uint64, error) {
	var stats []correlate.Stat
	revision, err := s.options.Reader.ScanStats(ctx, func(st correlate.Stat) bool {
		stats = append(stats, st)
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, 0, fmt.Errorf("read learned figures: %w", err)
	}
	graph, _ := s.options.Reader.Graph()
	return correlate.Figures(stats, graph, time.Now()), revision, nil
}

// ResetLearned implements [pb.LearningServiceServer].
func (s *learningService) ResetLearned(ctx context.Context, req *pb.ResetLearnedRequest) (*pb.ResetLearnedResponse, error) {
	_, known := pb.LearnedKind_name[int32(req.GetKind())]
	selected := req.GetKind() != pb.LearnedKind_LEARNED_KIND_UNSPECIFIED || req.GetSubject() != ""
	switch {
	case !known:
		return nil, invalid("kind", "want LEARNED_KIND_COVERAGE, LEARNED_KIND_EDGE, LEARNED_KIND_NOISE or LEARNED_KIND_ALERTED")
	case !selected && !req.GetAll():
		return nil, invalid("all", "name a kind or a subject, or set all to forget everything")
	case selected && req.GetAll():
		return nil, invalid("all", "leave out kind and subject to forget everything")
	}
	c := correlate.Command{
		Kind: correlate.CommandResetLearned, Actor: actor(ctx, req.GetActor()),
		Learned: correlate.FigureSelection{Kind: correlate.FigureKind(req.GetKind()), Subject: req.GetSubject()},
	}
	if err := cmp.Or(checkText("actor", c.Actor, maxActorBytes), checkText("subject", req.GetSubject(), maxSubjectBytes)); err != nil {
		return nil, err
	}
	rejected, err := s.publish(ctx, &c)
	if err != nil {
		return nil, err
	}
	if rejected != "" {
		return nil, fault(codes.FailedPrecondition, reasonRejected, rejected, nil)
	}
	return &pb.ResetLearnedResponse{Revision: s.options.Reader.Revision()}, nil
}

func figureToProto(f *correlate.Figure) *pb.LearnedFigure {
	return &pb.LearnedFigure{
		Kind: pb.LearnedKind(f.Kind), Subject: f.Subject, Seen: f.For, SeenAgainst: f.Against, Estimate: f.Estimate, Prior: f.Prior,
		Loss: f.Loss, Known: f.Known, UpdatedAt: timeToProto(f.At), Text: f.String(),
	}
}

// figureKey is a figure's place in the order of the list.
type figureKey struct {
	Kind    correlate.FigureKind `json:"k,omitempty"`
	Subject string               `json:"s,omitempty"`
}

func keyOfFigure(f *correlate.Figure) figureKey { return figureKey{f.Kind, f.Subject} }

func compareFigures(a, b figureKey) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject))
}

type figureRow = *correlate.Figure

var figureWords = []string{"any", "coverage", "edge", "noise", "alerted"}

// figureFields are listed in the comment of ListLearnedRequest.filter.
var figureFields = schema[figureRow]{
	example: `kind = coverage`,
	fields: []filterField[figureRow]{
		rankField("kind", "LEARNED_KIND_", figureWords, func(f figureRow) int { return int(f.Kind) }),
		textField("subject", func(f figureRow) []string { return []string{f.Subject} }),
		numberField("seen", func(f figureRow) float64 { return f.For }),
		numberField("seen_against", func(f figureRow) float64 { return f.Against }),
		numberField("estimate", func(f figureRow) float64 { return f.Estimate }),
		numberField("prior", func(f figureRow) float64 { return f.Prior }),
		numberField("loss", func(f figureRow) float64 { return f.Loss }),
		boolField("known", func(f figureRow) bool { return f.Known }),
		timeField("updated_at", func(f figureRow) time.Time { return f.At }),
	},
}
