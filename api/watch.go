package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

const (
	// watchChunk and watchChunkBytes are where one message ends and the next begins. A
	// message may exceed them by the incidents of one revision.
	watchChunk      = 100
	watchChunkBytes = 1 << 20
	// watchPace is the least time between two looks at the store. In a storm of
	// commits a watch reads twenty times a second, not once for every commit.
	watchPace = 50 * time.Millisecond
)

// WatchIncidents implements [pb.IncidentServiceServer].
func (s *incidentService) WatchIncidents(req *pb.WatchIncidentsRequest, stream grpc.ServerStreamingServer[pb.WatchIncidentsResponse]) error {
	selection, err := compileIncidentFilter(req.GetFilter())
	if err != nil {
		return err
	}
	if have := s.options.Reader.Revision(); req.GetRevision() > have {
		return fault(codes.OutOfRange, reasonFutureRevision,
			fmt.Sprintf("cannot resume after revision %d: the newest here is %d. Wait and try again if this server is catching up; begin anew with revision 0 if its data was replaced", req.GetRevision(), have),
			map[string]string{"revision": strconv.FormatUint(have, 10), "requested": strconv.FormatUint(req.GetRevision(), 10)})
	}
	leave, err := s.enterWatch()
	if err != nil {
		return err
	}
	defer leave()
	w := watch{incidentService: s, req: req, stream: stream, selection: selection, at: req.GetRevision()}
	return w.run(stream.Context())
}

// enterWatch counts a watch in, if there is room.
func (s *Server) enterWatch() (leave func(), err error) {
	select {
	case s.watchSlots <- struct{}{}:
	default:
		limit := strconv.Itoa(s.options.MaxWatches)
		return nil, fault(codes.ResourceExhausted, reasonWatchLimit, "already "+limit+" watches are running, which is the limit; try again later", map[string]string{"limit": limit})
	}
	s.metrics.watches.Inc()
	return func() {
		s.metrics.watches.Dec()
		<-s.watchSlots
	}, nil
}

// watch is one client's watch. Its whole state is the revision up to which everything
// was sent: what is sent next is read from the store when the client has taken what
// came before.
type watch struct {
	*incidentService
	req       *pb.WatchIncidentsRequest
	stream    grpc.ServerStreamingServer[pb.WatchIncidentsResponse]
	selection filter[*correlate.Incident]

	at uint64
}

func (w *watch) run(ctx context.Context) error {
	if w.at == 0 {
		if err := w.sendOpen(ctx); err != nil {
			return err
		}
	}
	if _, err := w.catchUp(ctx); err != nil {
		return err
	}
	if err := w.heartbeat(); err != nil {
		return err
	}
	return w.follow(ctx)
}

func (w *watch) follow(ctx context.Context) error {
	silence := time.NewTimer(w.options.Heartbeat)
	defer silence.Stop()
	for {
		select {
		case <-w.options.Reader.Changed(w.at):
			sent, err := w.catchUp(ctx)
			if err != nil {
				return err
			}
			if sent {
				silence.Reset(w.options.Heartbeat)
			}
			if err := w.pause(ctx); err != nil {
				return err
			}
		case <-silence.C:
			if err := w.heartbeat(); err != nil {
				return err
			}
			silence.Reset(w.options.Heartbeat)
		case <-ctx.Done():
			return contextError(ctx, "watching")
		case <-w.stopping:
			return w.shuttingDown()
		}
	}
}

// pause keeps the pace.
func (w *watch) pause(ctx context.Context) error {
	timer := time.NewTimer(watchPace)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx, "watching")
	case <-w.stopping:
		return w.shuttingDown()
	}
}

// sendOpen sends the open incidents, newest first, in pieces. Each piece is a read of
// its own, so that a slow client holds no read transaction; what changes between two of
// them has a revision after that of the first, where catchUp goes on.
func (w *watch) sendOpen(ctx context.Context) error {
	var before uint64
	for first := true; ; first = false {
		var rows []*correlate.Incident
		more := false
		revision, err := w.options.Reader.ScanIncidents(ctx, before, func(i *correlate.Incident) bool {
			if len(rows) == watchChunk {
				more = true
				return false
			}
			before = i.Number
			if i.State == correlate.IncidentOpen && w.selection.match(i) {
				rows = append(rows, i)
			}
			return ctx.Err() == nil
		})
		if err := errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("read open incidents: %w", err)
		}
		if first {
			w.at = revision
		}
		beginAnew := func(int) (uint64, bool) { return 0, true }
		if err := w.send(ctx, rows, beginAnew); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// catchUp sends every incident that changed after w.at, and moves w.at to where it got.
func (w *watch) catchUp(ctx context.Context) (sent bool, err error) {
	for more := true; more; {
		var rows []*correlate.Incident
		more = false
		revision, err := w.options.Reader.ChangedIncidents(ctx, w.at, func(i *correlate.Incident) bool {
			// The incidents of one revision must not be torn apart: whoever resumes
			// after it would miss the rest.
			if n := len(rows); n >= watchChunk && i.Revision > rows[n-1].Revision {
				more = true
				return false
			}
			rows = append(rows, i)
			return ctx.Err() == nil
		})
		if err := errors.Join(err, ctx.Err()); err != nil {
			return sent, fmt.Errorf("read incidents changed after %d: %w", w.at, err)
		}
		if more {
			revision = rows[len(rows)-1].Revision
		}
		if err := w.send(ctx, rows, resumeAfter(rows, revision)); err != nil {
			return sent, err
		}
		w.at = revision
		sent = sent || len(rows) > 0
	}
	return sent, nil
}

// resumeAfter tells for each row whether a message may end with it, and after which
// revision its receiver may resume then. end holds after the last.
func resumeAfter(rows []*correlate.Incident, end uint64) func(int) (uint64, bool) {
	return func(n int) (uint64, bool) {
		if n+1 == len(rows) {
			return end, true
		}
		return rows[n].Revision, rows[n].Revision < rows[n+1].Revision
	}
}

// send sends rows in as few messages as their size allows. It blocks while the client
// does not read.
func (w *watch) send(ctx context.Context, rows []*correlate.Incident, resume func(n int) (uint64, bool)) error {
	msg, size := new(pb.WatchIncidentsResponse), 0
	for n, row := range rows {
		if w.selection.match(row) {
			incident, err := w.view(ctx, row, w.req.GetView())
			if err != nil {
				return err
			}
			msg.Incidents = append(msg.Incidents, incident)
			size += proto.Size(incident)
		} else {
			msg.RemovedIds = append(msg.RemovedIds, row.ID)
		}
		revision, ok := resume(n)
		if last := n+1 == len(rows); !last && (!ok || size < watchChunkBytes) {
			continue
		}
		msg.Revision = revision
		if err := w.sendMessage(msg); err != nil {
			return err
		}
		msg, size = new(pb.WatchIncidentsResponse), 0
	}
	return nil
}

func (w *watch) heartbeat() error {
	return w.sendMessage(&pb.WatchIncidentsResponse{Revision: w.at, Heartbeat: true})
}

func (w *watch) sendMessage(msg *pb.WatchIncidentsResponse) error {
	if err := w.stream.Send(msg); err != nil {
		return err // a status already: the client has gone
	}
	w.metrics.sent.Inc()
	return nil
}

func (w *watch) shuttingDown() error {
	revision := strconv.FormatUint(w.at, 10)
	return fault(codes.Unavailable, reasonShutdown, "the server is shutting down; resume after revision "+revision, map[string]string{"revision": revision})
}
