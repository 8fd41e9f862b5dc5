package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

var (
	priorityNames     = []string{"low", "medium", "high"}
	actionStatusNames = []string{"open", "in-progress", "done", "dropped"}
)

func priorityOf(name string) headwaterv1.ActionPriority {
	return headwaterv1.ActionPriority(headwaterv1.ActionPriority_value["ACTION_PRIORITY_"+strings.ToUpper(name)])
}

func actionStatusOf(name string) headwaterv1.ActionStatus {
	name = strings.ReplaceAll(strings.ToUpper(name), "-", "_")
	return headwaterv1.ActionStatus(headwaterv1.ActionStatus_value["ACTION_STATUS_"+name])
}

func (a *app) addActionItems() {
	group := a.cli.Command("action-items", "What is to be done after incidents.").Alias("action-item")
	a.addActionItemsList(group.Command("list", "List what is to be done, of all incidents."))
	a.addActionItemsAdd(group.Command("add", "Add an action item."))
	a.addActionItemsEdit(group.Command("edit", "Change an action item."))
	a.addActionItemsEnd(group.Command("done", "Say that an action item is done."), headwaterv1.ActionStatus_ACTION_STATUS_DONE)
	a.addActionItemsEnd(group.Command("drop", "Say that an action item will not be done."), headwaterv1.ActionStatus_ACTION_STATUS_DROPPED)
}

func (a *app) addActionItemsList(cmd *kingpin.CmdClause) {
	var flags listFlags
	var incident, assignee, status, order string
	var overdue bool
	cmd.Flag("incident", "Only those of this incident.").PlaceHolder("ID").StringVar(&incident)
	cmd.Flag("assignee", "Only those of this person.").PlaceHolder("WHO").StringVar(&assignee)
	cmd.Flag("status", "open, in-progress, done, dropped or all. Default: open and in-progress.").EnumVar(&status, append([]string{"all"}, actionStatusNames...)...)
	cmd.Flag("overdue", "Only those whose date has passed.").BoolVar(&overdue)
	cmd.Flag("order-by", "created_at, due, priority or updated_at, each alone or followed by desc.").Default("due").StringVar(&order)
	flags.register(cmd, `priority = high AND due < "2026-12-01T00:00:00Z"`)
	a.command(cmd, func(ctx context.Context) error {
		var c conditions
		c.equal("incident", incident)
		c.equal("assignee", assignee)
		switch {
		case status == "":
			c = append(c, "status <= in-progress")
		case status != "all":
			c.equal("status", status)
		}
		if overdue {
			c = append(c, "overdue = true")
		}
		return a.listActionItems(ctx, &headwaterv1.ListActionItemsRequest{Filter: c.and(flags.filter), OrderBy: order}, flags.limit)
	})
}

func (a *app) listActionItems(ctx context.Context, req *headwaterv1.ListActionItemsRequest, limit int) error {
	all := &headwaterv1.ListActionItemsResponse{}
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) error {
		client := headwaterv1.NewActionItemServiceClient(conn)
		return pages(limit, func(size int32, token string) (int, string, error) {
			req.PageSize, req.PageToken = size, token
			page, err := client.ListActionItems(ctx, req)
			all.ActionItems = append(all.GetActionItems(), page.GetActionItems()...)
			all.NextPageToken, all.Revision = page.GetNextPageToken(), page.GetRevision()
			return len(page.GetActionItems()), page.GetNextPageToken(), err
		})
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	t := a.table("ID", "STATUS", "PRIORITY", "DUE", "ASSIGNEE", "INCIDENT", "TEXT", wideOnly, "CREATED", "BY", "ENDED")
	for _, i := range all.GetActionItems() {
		t.row(i.GetId(), enumWord(i.GetStatus(), "ACTION_STATUS_"), enumWord(i.GetPriority(), "ACTION_PRIORITY_"), a.dueWord(i), clean(i.GetAssignee()), clean(i.GetIncident()),
			clean(i.GetText()), wideOnly, when(i.GetCreatedAt()), clean(i.GetCreatedBy()), when(i.GetEndedAt()))
	}
	t.flush()
	a.noteMore(all.GetNextPageToken())
	return nil
}

// dueWord is the date, and whether it has passed.
func (a *app) dueWord(i *headwaterv1.ActionItem) string {
	if i.GetDue() == nil {
		return ""
	}
	date := i.GetDue().AsTime().Format(time.DateOnly)
	if i.GetStatus() < headwaterv1.ActionStatus_ACTION_STATUS_DONE && i.GetDue().AsTime().Before(a.now()) {
		date += " (overdue)"
	}
	return date
}

// parseDue reads a date, which means its end in UTC, a time, or a number of days from now such as 14d.
func (a *app) parseDue(text string) (*timestamppb.Timestamp, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err == nil && fmt.Sprint(n) == days {
			return timestamppb.New(a.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, n+1).Add(-time.Second)), nil
		}
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return timestamppb.New(t.AddDate(0, 0, 1).Add(-time.Second)), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usagef("due %q: want a date such as 2026-12-01, days from now such as 14d, or an RFC 3339 time", text)
	}
	return timestamppb.New(t), nil
}

func (a *app) addActionItemsAdd(cmd *kingpin.CmdClause) {
	req := &headwaterv1.CreateActionItemRequest{}
	var words []string
	var due, priority string
	cmd.Arg("text", "What is to be done. Several words need no quotes.").Required().StringsVar(&words)
	cmd.Flag("incident", "The incident that it comes from.").Short('i').PlaceHolder("ID").StringVar(&req.Incident)
	cmd.Flag("assignee", "Who does it.").Short('a').PlaceHolder("WHO").StringVar(&req.Assignee)
	cmd.Flag("due", "When it is due: a date, or days from now such as 14d.").PlaceHolder("DATE").StringVar(&due)
	cmd.Flag("priority", "low, medium or high.").Default("medium").EnumVar(&priority, priorityNames...)
	actorFlag(cmd, &req.Actor)
	a.command(cmd, func(ctx context.Context) (err error) {
		req.Text, req.Priority = strings.Join(words, " "), priorityOf(priority)
		if due != "" {
			if req.Due, err = a.parseDue(due); err != nil {
				return err
			}
		}
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.CreateActionItemResponse, error) {
			return headwaterv1.NewActionItemServiceClient(conn).CreateActionItem(ctx, req)
		}, func(answer *headwaterv1.CreateActionItemResponse) { a.printActionItem(answer.GetActionItem()) })
	})
}

func (a *app) addActionItemsEdit(cmd *kingpin.CmdClause) {
	req := &headwaterv1.UpdateActionItemRequest{}
	var text, assignee, due, priority, status string
	var nobody bool
	cmd.Arg("id", "Such as AI-7.").Required().StringVar(&req.Id)
	cmd.Flag("text", "What is to be done.").StringVar(&text)
	cmd.Flag("assignee", "Who does it.").Short('a').PlaceHolder("WHO").StringVar(&assignee)
	cmd.Flag("nobody", "Nobody does it for now.").BoolVar(&nobody)
	cmd.Flag("due", "When it is due: a date, or days from now such as 14d; none: no date.").PlaceHolder("DATE").StringVar(&due)
	cmd.Flag("priority", "low, medium or high.").EnumVar(&priority, priorityNames...)
	cmd.Flag("status", strings.Join(actionStatusNames, ", ")+".").EnumVar(&status, actionStatusNames...)
	cmd.Flag("note", "What to say with it in the incident's timeline.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	itemETagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) (err error) {
		if nobody && assignee != "" {
			return usagef("give either --assignee or --nobody")
		}
		if text != "" {
			req.Text = &text
		}
		if assignee != "" || nobody {
			req.Assignee = &assignee
		}
		if req.ClearDue = due == "none"; due != "" && !req.GetClearDue() {
			if req.Due, err = a.parseDue(due); err != nil {
				return err
			}
		}
		req.Priority, req.Status = priorityOf(priority), actionStatusOf(status)
		return a.updateActionItem(ctx, req)
	})
}

func (a *app) addActionItemsEnd(cmd *kingpin.CmdClause, status headwaterv1.ActionStatus) {
	req := &headwaterv1.UpdateActionItemRequest{Status: status}
	cmd.Arg("id", "Such as AI-7.").Required().StringVar(&req.Id)
	cmd.Flag("note", "What to say with it in the incident's timeline.").Short('m').StringVar(&req.Note)
	actorFlag(cmd, &req.Actor)
	itemETagFlag(cmd, &req.Etag)
	a.command(cmd, func(ctx context.Context) error { return a.updateActionItem(ctx, req) })
}

func itemETagFlag(cmd *kingpin.CmdClause, etag *string) {
	cmd.Flag("etag", "Only if the action item still has this revision, as --output=json shows it.").PlaceHolder("REVISION").StringVar(etag)
}

func (a *app) updateActionItem(ctx context.Context, req *headwaterv1.UpdateActionItemRequest) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.UpdateActionItemResponse, error) {
		return headwaterv1.NewActionItemServiceClient(conn).UpdateActionItem(ctx, req)
	}, func(answer *headwaterv1.UpdateActionItemResponse) { a.printActionItem(answer.GetActionItem()) })
}

// printActionItem is an action item on one line.
func (a *app) printActionItem(i *headwaterv1.ActionItem) {
	parts := []string{enumWord(i.GetStatus(), "ACTION_STATUS_"), enumWord(i.GetPriority(), "ACTION_PRIORITY_")}
	if i.GetAssignee() != "" {
		parts = append(parts, clean(i.GetAssignee()))
	}
	if due := a.dueWord(i); due != "" {
		parts = append(parts, "due "+due)
	}
	if i.GetIncident() != "" {
		parts = append(parts, clean(i.GetIncident()))
	}
	fmt.Fprintf(a.out, "%s (%s): %s\n", i.GetId(), strings.Join(parts, ", "), clean(i.GetText()))
}
