package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// learnedKinds are the words for the kinds of figures.
var learnedKinds = []string{"coverage", "edge", "noise", "alerted"}

func (a *app) addLearned() {
	group := a.cli.Command("learned", "Show and reset what incidents that are over taught.")
	a.addLearnedList(group.Command("list", "List learned figures: what was seen, what Headwater goes by and what it would go by otherwise."))
	a.addLearnedReset(group.Command("reset", "Forget learned figures. From then on Headwater goes by what it assumes of everybody."))
}

func (a *app) addLearnedList(cmd *kingpin.CmdClause) {
	var flags listFlags
	var kind, subject string
	cmd.Flag("kind", "coverage, edge, noise or alerted.").EnumVar(&kind, learnedKinds...)
	cmd.Flag("subject", "Only figures about this: a service, \"caller -> callee\", or an alert's name.").PlaceHolder("SUBJECT").StringVar(&subject)
	flags.register(cmd, "estimate < 0.5 AND seen > 10")
	a.command(cmd, func(ctx context.Context) error {
		var c conditions
		c.equal("kind", kind)
		c.equal("subject", subject)
		return a.listLearned(ctx, &headwaterv1.ListLearnedRequest{Filter: c.and(flags.filter)}, flags.limit)
	})
}

func (a *app) listLearned(ctx context.Context, req *headwaterv1.ListLearnedRequest, limit int) error {
	all := &headwaterv1.ListLearnedResponse{}
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		client := headwaterv1.NewLearningServiceClient(conn)
		return pages(limit, func(size int32, token string) (int, string, error) {
			req.PageSize, req.PageToken = size, token
			page, err := client.ListLearned(ctx, req)
			all.Figures = append(all.GetFigures(), page.GetFigures()...)
			all.NextPageToken, all.Revision = page.GetNextPageToken(), page.GetRevision()
			return len(page.GetFigures()), page.GetNextPageToken(), err
		})
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	t := a.table("KIND", "SUBJECT", "GOES BY", "ELSE", "MEANS", wideOnly, "SEEN", "AGAINST", "CHANGED")
	for _, f := range all.GetFigures() {
		estimate, prior := figureWords(f)
		t.row(enumWord(f.GetKind(), "LEARNED_KIND_"), clean(f.GetSubject()), estimate, prior, clean(f.GetText()),
			wideOnly, fmt.Sprintf("%.1f", f.GetSeen()), fmt.Sprintf("%.1f", f.GetSeenAgainst()), when(f.GetUpdatedAt()))
	}
	t.flush()
	a.noteMore(all.GetNextPageToken())
	return nil
}

// figureWords are what is gone by, and what would be otherwise, in the unit of the kind.
func figureWords(f *headwaterv1.LearnedFigure) (estimate, prior string) {
	switch {
	case !f.GetKnown():
		return "not in the graph", ""
	case f.GetKind() == headwaterv1.LearnedKind_LEARNED_KIND_NOISE:
		return fmt.Sprintf("-%.1f nats", f.GetLoss()), "0"
	case f.GetKind() == headwaterv1.LearnedKind_LEARNED_KIND_ALERTED:
		return "", ""
	}
	return percent(f.GetEstimate()), percent(f.GetPrior())
}

func (a *app) addLearnedReset(cmd *kingpin.CmdClause) {
	req := &headwaterv1.ResetLearnedRequest{}
	var kind string
	cmd.Flag("kind", "coverage, edge, noise or alerted.").EnumVar(&kind, learnedKinds...)
	cmd.Flag("subject", "Only figures about this: a service, \"caller -> callee\", or an alert's name.").PlaceHolder("SUBJECT").StringVar(&req.Subject)
	cmd.Flag("all", "Forget everything.").BoolVar(&req.All)
	actorFlag(cmd, &req.Actor)
	a.command(cmd, func(ctx context.Context) error {
		if req.GetAll() == (kind != "" || req.GetSubject() != "") {
			return usagef("name what is to be forgotten with --kind, --subject or both, or give --all")
		}
		if kind != "" {
			req.Kind = headwaterv1.LearnedKind(headwaterv1.LearnedKind_value["LEARNED_KIND_"+strings.ToUpper(kind)])
		}
		return a.resetLearned(ctx, req)
	})
}

func (a *app) resetLearned(ctx context.Context, req *headwaterv1.ResetLearnedRequest) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.ResetLearnedResponse, error) {
		return headwaterv1.NewLearningServiceClient(conn).ResetLearned(ctx, req)
	}, func(answer *headwaterv1.ResetLearnedResponse) {
		fmt.Fprintf(a.out, "forgotten at revision %d\n", answer.GetRevision())
	})
}
