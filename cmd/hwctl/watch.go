package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addIncidentsWatch(cmd *kingpin.CmdClause) {
	w := &watcher{app: a, retry: time.Second}
	cmd.Flag("filter", `Only some, as the API has it: severity >= "error"`).PlaceHolder("EXPRESSION").StringVar(&w.filter)
	cmd.Flag("revision", "Resume after this revision instead of beginning with the open incidents.").Uint64Var(&w.revision)
	a.command(cmd, w.run)
}

// watcher follows incidents over broken connections. What it keeps is the
// revision to resume from and, while it is behind, what it has printed: that
// part of a watch is sent anew after a break.
type watcher struct {
	app      *app
	filter   string
	revision uint64
	retry    time.Duration // the first pause after a break; doubled up to maxRetry

	printed map[string]uint64 // incident to the revision that was printed, until caught up
	reached bool              // whether the server ever answered
}

const maxRetry = 30 * time.Second

// run watches until ctx ends, which is no error, or the server refuses. A server
// that cannot be reached to begin with is an error; one that goes away is waited for.
func (w *watcher) run(ctx context.Context) error {
	conn, err := w.app.server.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := headwaterv1.NewIncidentServiceClient(conn)
	for pause := w.retry; ; {
		heard, err := w.follow(ctx, client)
		switch {
		case ctx.Err() != nil:
			return nil
		case status.Code(err) == codes.OutOfRange && w.reached:
			// The server was restored from an older state: what it says now is new to us.
			fmt.Fprintln(w.app.errs, "hwctl: the server is behind where we were; beginning anew")
			w.revision, w.printed = 0, nil
		case !w.reached || !passing(err):
			return err
		default:
			fmt.Fprintf(w.app.errs, "hwctl: connection lost: %s; resuming after revision %d\n", clean(status.Convert(err).Message()), w.revision)
		}
		if heard {
			pause = w.retry
		}
		if !sleep(ctx, pause) {
			return nil
		}
		pause = min(2*pause, maxRetry)
	}
}

// passing reports whether an error may go away by itself.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.Aborted, codes.Internal, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return errors.Is(err, io.EOF)
}

// follow prints what one stream says until it breaks, and whether it said anything.
func (w *watcher) follow(ctx context.Context, client headwaterv1.IncidentServiceClient) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.WatchIncidents(ctx, &headwaterv1.WatchIncidentsRequest{Revision: w.revision, Filter: w.filter})
	if err != nil {
		return false, err
	}
	for {
		msg, err := stream.Recv()
		if err != nil {
			return heard, err
		}
		heard, w.reached = true, true
		if err := w.print(msg); err != nil {
			return heard, err
		}
		if msg.GetRevision() > 0 {
			w.revision, w.printed = msg.GetRevision(), nil
		}
	}
}

func (w *watcher) print(msg *headwaterv1.WatchIncidentsResponse) error {
	if w.app.json() {
		line, err := compactJSON(msg)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.app.out, "%s\n", line)
		return err
	}
	for _, i := range msg.GetIncidents() {
		if seen, ok := w.printed[i.GetId()]; ok && seen == i.GetRevision() {
			continue
		}
		if w.printed == nil {
			w.printed = map[string]uint64{}
		}
		w.printed[i.GetId()] = i.GetRevision()
		fmt.Fprintln(w.app.out, w.line(i))
	}
	for _, id := range msg.GetRemovedIds() {
		fmt.Fprintf(w.app.out, "%s  %s no longer matches\n", w.clock(), clean(id))
	}
	return nil
}

// line tells one change. The headline begins with the severity or, once it is over, the state.
func (w *watcher) line(i *headwaterv1.Incident) string {
	at := w.clock()
	if t := i.GetUpdatedAt(); t != nil && !w.app.wide() {
		at = t.AsTime().UTC().Format("15:04:05")
	} else if t != nil {
		at = when(t)
	}
	headline := clean(i.GetHeadline())
	if s := i.GetState(); s == headwaterv1.IncidentState_INCIDENT_STATE_OPEN {
		headline = w.app.paint(severityColour(i.GetSeverity()), headline)
	} else {
		headline = w.app.paint(grey, headline)
	}
	line := fmt.Sprintf("%s  %s  %s", at, i.GetId(), headline)
	if i.GetAcknowledgement() != nil || i.GetMergedInto() != "" {
		line += " · " + standing(i)
	}
	return line
}

func (w *watcher) clock() string { return w.app.now().UTC().Format("15:04:05") }

// sleep waits and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
