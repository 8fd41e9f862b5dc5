package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

type watchStream = grpc.ServerStreamingServer[headwaterv1.WatchIncidentsResponse]

// script is a server that answers each call to watch with the next of its turns.
type script struct {
	mu    sync.Mutex
	turns []func(watchStream) error
	from  []uint64 // revision that each call resumed after
}

func (s *script) watch(req *headwaterv1.WatchIncidentsRequest, stream watchStream) error {
	s.mu.Lock()
	turn := s.turns[0]
	s.turns = s.turns[1:]
	s.from = append(s.from, req.GetRevision())
	s.mu.Unlock()
	return turn(stream)
}

func incidentAt(id string, revision uint64, headline string) *headwaterv1.Incident {
	return &headwaterv1.Incident{Id: id, Revision: revision, Headline: headline, State: headwaterv1.IncidentState_INCIDENT_STATE_OPEN}
}

// watchUntilEnd runs a watch against turns. The last turn ends it.
func watchUntilEnd(t *testing.T, turns ...func(watchStream) error) (out, errs string, code int, from []uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	server := newFakeServer(t)
	s := &script{turns: append(turns, func(stream watchStream) error {
		cancel()
		<-stream.Context().Done()
		return nil
	})}
	server.watch = s.watch
	var o, e bytes.Buffer
	a := newApp(&o, &e, func() time.Time { return now }, false)
	a.server.address = server.address
	w := &watcher{app: a, retry: time.Millisecond}
	err := w.run(ctx)
	if err != nil {
		a.complain(err)
	}
	return o.String(), e.String(), exitCode(err), s.from
}

func TestWatchResumesWhereItWasAndRepeatsNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	send := func(revision uint64, incidents ...*headwaterv1.Incident) *headwaterv1.WatchIncidentsResponse {
		return &headwaterv1.WatchIncidentsResponse{Revision: revision, Incidents: incidents}
	}
	broken := status.Error(codes.Unavailable, "going away")
	t.Run("breaks", func(t *testing.T) {
		out, errs, code, from := watchUntilEnd(t,
			func(s watchStream) error { // breaks while the open incidents are still being sent
				_ = s.Send(send(0, incidentAt("INC-1", 3, "one")))
				return broken
			},
			func(s watchStream) error {
				_ = s.Send(send(0, incidentAt("INC-1", 3, "one"), incidentAt("INC-2", 4, "two")))
				_ = s.Send(send(9))
				_ = s.Send(send(12, incidentAt("INC-1", 11, "one, worse")))
				return broken
			},
			func(s watchStream) error {
				_ = s.Send(&headwaterv1.WatchIncidentsResponse{Revision: 14, RemovedIds: []string{"INC-2"}})
				_ = s.Send(&headwaterv1.WatchIncidentsResponse{Revision: 15, Heartbeat: true})
				return nil // the server stops in good order
			},
		)
		want := "03:04:12  INC-1  one\n03:04:12  INC-2  two\n03:04:12  INC-1  one, worse\n03:04:12  INC-2 no longer matches\n"
		if diff := cmp.Diff(want, out); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]uint64{0, 0, 12, 15}, from); diff != "" {
			t.Error(diff)
		}
		if code != exitOK || strings.Count(errs, "connection lost") != 3 {
			t.Errorf("exit code %d, %s", code, errs)
		}
	})
	t.Run("a server that was restored", func(t *testing.T) {
		_, errs, _, from := watchUntilEnd(t,
			func(s watchStream) error {
				_ = s.Send(send(50))
				return broken
			},
			func(watchStream) error { return status.Error(codes.OutOfRange, "revision 50 is ahead of 7") },
		)
		if diff := cmp.Diff([]uint64{0, 50, 0}, from); diff != "" || !strings.Contains(errs, "beginning anew") {
			t.Errorf("%s%s", diff, errs)
		}
	})
}

func TestWatchGivesUpWhenTheServerRefuses(t *testing.T) {
	_, errs, code, from := watchUntilEnd(t, func(watchStream) error {
		return status.Error(codes.InvalidArgument, "filter: position 3: unknown field")
	})
	if code != exitFailed || len(from) != 1 || !strings.Contains(errs, "unknown field") {
		t.Errorf("exit code %d after %d calls: %s", code, len(from), errs)
	}
}

func TestWatchOfAServerThatIsNotThereFails(t *testing.T) {
	var out, errs bytes.Buffer
	a := newApp(&out, &errs, time.Now, false)
	if code := a.run(context.Background(), []string{"--address=127.0.0.1:1", "incidents", "watch"}); code != exitUnavailable {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
