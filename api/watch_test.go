package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// watcher is the client's side of a watch, without a network between: Send blocks until
// the test receives.
type watcher struct {
	grpc.ServerStream
	ctx    context.Context
	cancel context.CancelFunc
	msgs   chan *pb.WatchIncidentsResponse
	done   chan error
}

func startWatch(r *rig, req *pb.WatchIncidentsRequest) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{ctx: ctx, cancel: cancel, msgs: make(chan *pb.WatchIncidentsResponse), done: make(chan error, 1)}
	go func() { w.done <- (&incidentService{Server: r.Server}).WatchIncidents(req, w) }()
	return w
}

func (w *watcher) Context() context.Context { return w.ctx }

func (w *watcher) Send(msg *pb.WatchIncidentsResponse) error {
	select {
	case w.msgs <- msg:
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// stop disconnects and waits until the server has noticed.
func (w *watcher) stop() error {
	w.cancel()
	return <-w.done
}

// next receives a message; the watch must not have ended.
func (w *watcher) next(t testing.TB) *pb.WatchIncidentsResponse {
	t.Helper()
	select {
	case msg := <-w.msgs:
		return msg
	case err := <-w.done:
		t.Fatalf("the watch ended: %v", err)
		return nil
	}
}

// view is what a client knows, kept as the contract tells it to.
type view struct {
	revision  uint64
	incidents map[string]*pb.Incident
}

func (v *view) take(msg *pb.WatchIncidentsResponse) {
	v.revision = msg.GetRevision()
	for _, i := range msg.GetIncidents() {
		v.incidents[i.GetId()] = i
	}
	for _, id := range msg.GetRemovedIds() {
		delete(v.incidents, id)
	}
}

// watchPlan is a random story of a store and a client that comes and goes. It is drawn
// before it is played, because it is played in a bubble of its own.
type watchPlan struct {
	filter string
	steps  []watchStep
}

type watchStep struct {
	kind watchStepKind
	rows []*correlate.Incident // of a commit
}

type watchStepKind int

const (
	commitRows watchStepKind = iota
	receive                  // one message, if one is there; connects if need be
	disconnect               // whatever was on its way is lost
)

func drawWatchPlan(t *rapid.T) watchPlan {
	plan := watchPlan{filter: rapid.SampledFrom([]string{"state = open", "state = open AND severity >= error", ""}).Draw(t, "filter")}
	for range rapid.IntRange(0, 40).Draw(t, "steps") {
		step := watchStep{kind: rapid.SampledFrom([]watchStepKind{commitRows, commitRows, receive, receive, disconnect}).Draw(t, "step")}
		if step.kind == commitRows {
			for _, n := range rapid.SliceOfNDistinct(rapid.Uint64Range(1, 12), 0, 5, rapid.ID).Draw(t, "numbers") {
				step.rows = append(step.rows, newIncident(n, func(i *correlate.Incident) {
					i.State = rapid.SampledFrom([]correlate.IncidentState{correlate.IncidentOpen, correlate.IncidentOpen, correlate.IncidentResolved}).Draw(t, "state")
					i.Severity = rapid.SampledFrom([]correlate.Severity{correlate.SeverityWarning, correlate.SeverityError}).Draw(t, "severity")
					i.Alerts = rapid.IntRange(1, 100).Draw(t, "alerts")
				}))
			}
		}
		plan.steps = append(plan.steps, step)
	}
	return plan
}

// play returns what the client holds in the end, and the store.
func (p watchPlan) play(t *testing.T, r *rig) (client view, inStore map[string]*correlate.Incident) {
	client.incidents, inStore = map[string]*pb.Incident{}, map[string]*correlate.Incident{}
	var w *watcher
	connect := func() {
		if client.revision == 0 { // begin anew
			clear(client.incidents)
		}
		w = startWatch(r, &pb.WatchIncidentsRequest{Revision: client.revision, Filter: p.filter})
	}
	for _, step := range p.steps {
		switch step.kind {
		case commitRows:
			var rows []any
			for _, i := range step.rows {
				rows, inStore[i.ID] = append(rows, i), i
			}
			r.put(t, rows...)
		case receive:
			if w == nil {
				connect()
			}
			synctest.Wait()
			select {
			case msg := <-w.msgs:
				client.take(msg)
			default:
			}
		case disconnect:
			if w != nil {
				_ = w.stop()
				w = nil
			}
		}
	}
	if w == nil {
		connect()
	}
	for client.revision < r.store.Revision() {
		client.take(w.next(t))
	}
	_ = w.stop()
	return client, inStore
}

// Random commits, random disconnects at random places: what the client holds in the
// end is what the store holds.
func TestWatchResumesWithoutAGap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := drawWatchPlan(rt)
		match, err := compileIncidentFilter(plan.filter)
		if err != nil {
			rt.Fatal(err)
		}
		var client view
		var inStore map[string]*correlate.Incident
		synctest.Test(t, func(t *testing.T) { client, inStore = plan.play(t, newRig(t)) })
		for id, i := range inStore {
			got, has := client.incidents[id]
			if has && (got.GetRevision() != i.Revision || int(got.GetAlerts()) != i.Alerts) {
				rt.Fatalf("%s: the client has revision %d, the store %d", id, got.GetRevision(), i.Revision)
			}
			// Without a filter the client may also hold what ended while it watched.
			if has != match.match(i) && (plan.filter != "" || i.State == correlate.IncidentOpen) {
				rt.Fatalf("%s (%s): at the client %v", id, i.State, has)
			}
		}
	})
}

func TestWatchBeginsWithTheOpenIncidents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for n := uint64(1); n <= 250; n++ { // more than two chunks
			r.put(t, newIncident(n, func(i *correlate.Incident) {
				if n%2 == 0 {
					i.State = correlate.IncidentResolved
				}
			}))
		}
		w := startWatch(r, &pb.WatchIncidentsRequest{})
		client := view{incidents: map[string]*pb.Incident{}}
		for {
			msg := w.next(t)
			client.take(msg)
			if msg.GetHeartbeat() {
				break
			}
			if msg.GetRevision() != 0 {
				t.Errorf("revision %d before all open incidents were sent", msg.GetRevision())
			}
		}
		if len(client.incidents) != 125 || client.revision != 250 {
			t.Errorf("%d incidents at revision %d", len(client.incidents), client.revision)
		}
		if err := w.stop(); status.Code(err) != codes.Canceled && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Several incidents of one revision must not be torn apart by a chunk's end.
func TestWatchKeepsARevisionTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first := r.put(t)
		var rows []any
		for n := uint64(1); n <= 150; n++ {
			rows = append(rows, newIncident(n, func(i *correlate.Incident) { i.Gaps = []string{strings.Repeat("x", 10<<10)} }))
		}
		r.put(t, rows...)
		last := r.put(t, newIncident(151))
		w := startWatch(r, &pb.WatchIncidentsRequest{Revision: first})
		msg := w.next(t)
		if len(msg.GetIncidents()) != 150 || msg.GetRevision() != first+1 {
			t.Errorf("%d incidents up to revision %d", len(msg.GetIncidents()), msg.GetRevision())
		}
		if msg = w.next(t); len(msg.GetIncidents()) != 1 || msg.GetRevision() != last {
			t.Errorf("then %d up to revision %d", len(msg.GetIncidents()), msg.GetRevision())
		}
		_ = w.stop()
	})
}

// A slow client costs nothing: ten thousand changes later it gets the last states.
func TestASlowClientSeesTheLastState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		w := startWatch(r, &pb.WatchIncidentsRequest{})
		w.next(t) // the heartbeat of an empty store
		const commits = 10_000
		for n := range commits {
			r.put(t, newIncident(uint64(n%3+1), func(i *correlate.Incident) { i.Alerts = n }))
		}
		messages, client := 0, view{incidents: map[string]*pb.Incident{}}
		for client.revision < commits {
			client.take(w.next(t))
			messages++
		}
		if messages > 2 {
			t.Errorf("%d messages were waiting", messages)
		}
		got := map[string]int32{}
		for id, i := range client.incidents {
			got[id] = i.GetAlerts()
		}
		if want := map[string]int32{"INC-1": commits - 1, "INC-3": commits - 2, "INC-2": commits - 3}; !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		_ = w.stop()
	})
}

func TestWatchKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		w := startWatch(r, &pb.WatchIncidentsRequest{})
		w.next(t)
		start := time.Now()
		for n := range 20 { // an eager client and a change a millisecond
			go func() {
				time.Sleep(time.Duration(n) * time.Millisecond)
				r.put(t, newIncident(1))
			}()
		}
		for messages := 1; ; messages++ {
			if w.next(t).GetRevision() == 20 {
				if took := time.Since(start); messages > 2 || took > 2*watchPace {
					t.Errorf("%d messages in %v", messages, took)
				}
				break
			}
		}
		_ = w.stop()
	})
}

func TestHeartbeatsComeInSilenceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		w := startWatch(r, &pb.WatchIncidentsRequest{Filter: "state = open"})
		start := time.Now()
		at := func(want time.Duration, heartbeat bool, revision uint64) {
			t.Helper()
			msg := w.next(t)
			if got := time.Since(start); got != want || msg.GetHeartbeat() != heartbeat || msg.GetRevision() != revision {
				t.Errorf("after %v: %v; want it after %v, heartbeat %v, revision %d", got, msg, want, heartbeat, revision)
			}
		}
		at(0, true, 0)
		at(15*time.Second, true, 0)
		time.Sleep(10 * time.Second)
		r.put(t, newIncident(1))
		at(25*time.Second, false, 1)
		r.put(t) // changes no incident: not worth a message, but the next carries it
		at(40*time.Second, true, 2)
		_ = w.stop()
	})
}

func TestAnIncidentThatNoLongerMatchesIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.put(t, newIncident(1))
		w := startWatch(r, &pb.WatchIncidentsRequest{Filter: `state = "open"`})
		if msg := w.next(t); len(msg.GetIncidents()) != 1 {
			t.Errorf("first %v", msg)
		}
		w.next(t)
		r.put(t, newIncident(1, func(i *correlate.Incident) { i.State = correlate.IncidentResolved }))
		if msg := w.next(t); len(msg.GetIncidents()) != 0 || !slices.Equal(msg.GetRemovedIds(), []string{"INC-1"}) {
			t.Errorf("then %v", msg)
		}
		_ = w.stop()
	})
}

func TestWatchesThatCannotBegin(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxWatches = 1 })
	r.put(t, newIncident(1))
	_, conn := r.serve(t)
	client := pb.NewIncidentServiceClient(conn)
	begin := func(req *pb.WatchIncidentsRequest) (context.CancelFunc, error) {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.WatchIncidents(ctx, req)
		if err == nil {
			_, err = stream.Recv()
		}
		return cancel, err
	}
	cancel, err := begin(&pb.WatchIncidentsRequest{Revision: 2})
	if status.Code(err) != codes.OutOfRange || !strings.Contains(err.Error(), "the newest here is 1") || reasonOf(err).GetReason() != reasonFutureRevision {
		t.Errorf("from the future: %v", err)
	}
	cancel()
	if cancel, err = begin(&pb.WatchIncidentsRequest{Filter: "nonsense"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("bad filter: %v", err)
	}
	cancel()
}

func TestWatchesAreBounded(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxWatches = 2 })
	req := &pb.WatchIncidentsRequest{}
	first, second := startWatch(r, req), startWatch(r, req)
	first.next(t)
	second.next(t)
	if err := <-startWatch(r, req).done; status.Code(err) != codes.ResourceExhausted || reasonOf(err).GetMetadata()["limit"] != "2" {
		t.Errorf("one too many: %v", err)
	}
	_ = first.stop()
	third := startWatch(r, req)
	third.next(t)
	_ = second.stop()
	_ = third.stop()
}

// What changes while the open incidents are being sent is sent again, although its
// first state went out already.
func TestWatchMissesNothingWhileItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for n := uint64(1); n <= 3*watchChunk; n++ {
			r.put(t, newIncident(n))
		}
		w := startWatch(r, &pb.WatchIncidentsRequest{})
		client := view{incidents: map[string]*pb.Incident{}}
		client.take(w.next(t))
		newest := newIncident(3*watchChunk, func(i *correlate.Incident) { i.Alerts = 77 })
		if client.incidents[newest.ID] == nil {
			t.Fatal("the newest does not come first")
		}
		last := r.put(t, newest)
		for client.revision < last {
			client.take(w.next(t))
		}
		if got := client.incidents[newest.ID].GetAlerts(); got != 77 || len(client.incidents) != 3*watchChunk {
			t.Errorf("%d alerts, %d incidents", got, len(client.incidents))
		}
		_ = w.stop()
	})
}

func TestStopEndsWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.put(t, newIncident(1))
		w := startWatch(r, &pb.WatchIncidentsRequest{Revision: 1})
		w.next(t)
		r.Stop()
		err := <-w.done
		if status.Code(err) != codes.Unavailable || reasonOf(err).GetMetadata()["revision"] != "1" {
			t.Error(err)
		}
		if len(r.watchSlots) != 0 {
			t.Error("the slot is still taken")
		}
	})
}

// A disconnect over the wire, in the middle of a storm.
func TestWatchOverTheWire(t *testing.T) {
	r := newRig(t)
	client := r.incidents(t)
	stop := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for n := uint64(0); ; n++ {
			select {
			case <-stop:
				return
			default:
				r.put(t, newIncident(n%50+1, func(i *correlate.Incident) { i.Alerts = int(n) }))
			}
		}
	}()
	mine := view{incidents: map[string]*pb.Incident{}}
	for round := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.WatchIncidents(ctx, &pb.WatchIncidentsRequest{Revision: mine.revision})
		if err != nil {
			t.Fatal(err)
		}
		if round == 4 {
			close(stop)
			<-finished
		}
		for n := 0; (round < 4 && n < 3) || (round == 4 && mine.revision < r.store.Revision()); n++ {
			msg, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			mine.take(msg)
		}
		cancel()
	}
	if _, err := r.store.ScanIncidents(t.Context(), 0, func(i *correlate.Incident) bool {
		if got := mine.incidents[i.ID]; got.GetRevision() != i.Revision {
			t.Errorf("%s: the client has revision %d, the store %d", i.ID, got.GetRevision(), i.Revision)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if len(mine.incidents) == 0 {
		t.Error("nothing was watched")
	}
}
