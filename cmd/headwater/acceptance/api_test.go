package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// breakable is a way to a server whose connections can be cut, as a proxy or a
// network does.
type breakable struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (b *breakable) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, conn)
	return conn, nil
}

// cut closes all connections under whoever uses them.
func (b *breakable) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
	b.conns = nil
}

// watched is what a watching client knows. Safe for concurrent use.
type watched struct {
	mu        sync.Mutex
	revision  uint64
	incidents map[string]*pb.Incident
	resumed   int
}

func (w *watched) take(msg *pb.WatchIncidentsResponse) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if msg.GetRevision() != 0 && msg.GetRevision() < w.revision {
		return fmt.Errorf("revision %d after %d", msg.GetRevision(), w.revision)
	}
	w.revision = max(w.revision, msg.GetRevision())
	for _, i := range msg.GetIncidents() {
		w.incidents[i.GetId()] = i
	}
	return nil
}

// resume is the revision to go on from.
func (w *watched) resume() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resumed++
	return w.revision
}

func (w *watched) state() (map[string]*pb.Incident, uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.incidents), w.revision
}

// watchGRPC watches until ctx ends, and resumes whenever it is cut off.
func watchGRPC(ctx context.Context, conn grpc.ClientConnInterface, w *watched) error {
	for {
		stream, err := pb.NewIncidentServiceClient(conn).WatchIncidents(ctx,
			&pb.WatchIncidentsRequest{Revision: w.resume(), View: pb.IncidentView_INCIDENT_VIEW_BASIC}, grpc.WaitForReady(true))
		for err == nil {
			var msg *pb.WatchIncidentsResponse
			if msg, err = stream.Recv(); err == nil {
				err = w.take(msg)
			}
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		if status.Code(err) != codes.Unavailable {
			return err
		}
	}
}

// watchREST is the same for curl's users: a JSON object a line.
func watchREST(ctx context.Context, client *http.Client, base string, w *watched) error {
	for ctx.Err() == nil {
		url := fmt.Sprintf("%s/api/v1/incidents:watch?revision=%d&view=INCIDENT_VIEW_BASIC", base, w.resume())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		r, err := client.Do(req)
		if err != nil {
			continue // cut off before it began
		}
		err = readLines(r, w)
		r.Body.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// readLines takes messages until the connection breaks, which is no error.
func readLines(r *http.Response, w *watched) error {
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("watch: %s", r.Status)
	}
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct{ Result json.RawMessage }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			return nil //nolint:nilerr // half a line, where it was cut off
		}
		msg := new(pb.WatchIncidentsResponse)
		if err := protojson.Unmarshal(line.Result, msg); err != nil {
			return fmt.Errorf("%w: %s", err, lines.Text())
		}
		if err := w.take(msg); err != nil {
			return err
		}
	}
	return nil
}

// watchCuts is how often each client is cut off.
const watchCuts = 6

// Clients that are cut off again and again while incidents come and go end with the
// same picture as one that lists them afterwards.
func TestWatchResumesWithoutGap(t *testing.T) {
	skipShort(t)
	t.Parallel()
	world := newWorld(8, time.Second)
	h := newSite(t, `
topology: {files: [topology.yaml]}
correlation: {hold: 200ms, hold_confident: 200ms, settle: 100ms, close_after: 500ms, reopen_within: 500ms}
`, world.topology()).start(t)
	watching, stopWatching := context.WithCancel(t.Context())
	defer stopWatching()

	var viaGRPC, viaHTTP breakable
	conn := h.dial(t, grpc.WithContextDialer(viaGRPC.dial))
	rest := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return viaHTTP.dial(ctx, address)
	}}}
	clients := map[string]*watched{"gRPC": {incidents: map[string]*pb.Incident{}}, "REST": {incidents: map[string]*pb.Incident{}}}
	results := make(chan error, len(clients)) // one each
	go func() { results <- watchGRPC(watching, conn, clients["gRPC"]) }()
	go func() { results <- watchREST(watching, rest, h.web, clients["REST"]) }()

	storming, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	storm := startStorm(storming, world, 1)
	storm.target.Store(&h.web)
	for cut := range 2 * watchCuts { // each time another incident has come
		name := []string{"gRPC", "REST"}[cut%2]
		before, _ := clients[name].state()
		eventually(t, "news reach the client over "+name, patience, func() error {
			if now, _ := clients[name].state(); len(now) <= len(before) {
				return fmt.Errorf("still %d incidents", len(now))
			}
			return nil
		})
		[]*breakable{&viaGRPC, &viaHTTP}[cut%2].cut()
	}
	storm.calm(t)
	h.awaitQuiet(t)
	lister := h.dial(t)
	for name, w := range clients {
		eventually(t, "the client over "+name+" knows what the list says", patience, func() error {
			r, err := readRecord(t.Context(), lister)
			if err != nil {
				return err
			}
			known, _ := w.state()
			return sameIncidents(known, r.incidents)
		})
		if w.resumed <= watchCuts {
			t.Errorf("%s: the watch began %d times, and was cut %d times", name, w.resumed, watchCuts)
		}
		known, _ := w.state()
		t.Logf("%s: %d incidents, watch resumed %d times", name, len(known), w.resumed-1)
	}
	stopWatching()
	for range clients {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// sameIncidents compares a watcher's picture with a list's.
func sameIncidents(got, want map[string]*pb.Incident) error {
	if a, b := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(a, b) {
		return fmt.Errorf("knows %v, want %v", a, b)
	}
	for id, i := range want {
		diff := cmp.Diff(i, got[id], protocmp.Transform(),
			protocmp.IgnoreFields(&pb.Incident{}, "timeline", "pages")) // not in the basic view
		if diff != "" {
			return fmt.Errorf("%s differs (-list +watch):\n%s", id, diff)
		}
	}
	return nil
}

// What a client that knows nothing but the address can find out, over both ports.
func TestAPIOverTheNetwork(t *testing.T) {
	skipShort(t)
	t.Parallel()
	h := newSite(t, `
topology: {files: [topology.yaml]}
correlation: {hold: 200ms, hold_confident: 200ms, settle: 100ms}
`, shopTopology).start(t)
	alerts := cascade(t, time.Now().Add(-2*time.Minute).Truncate(time.Millisecond))
	send(t, h.web, alerts)
	conn := h.dial(t)
	eventually(t, "the cascade is paged, and nothing moves any more", patience, func() error {
		r, err := readRecord(t.Context(), conn)
		if err != nil {
			return err
		}
		return errors.Join(paged(r, alerts), r.delivered())
	})

	t.Run("reflection lists the services", func(t *testing.T) {
		got := reflectedServices(t, conn)
		for _, want := range []string{
			"headwater.v1.IncidentService", "headwater.v1.AlertService", "headwater.v1.TopologyService", "headwater.v1.HealthService",
			"grpc.health.v1.Health",
		} {
			if !slices.Contains(got, want) {
				t.Errorf("%s is not among %v", want, got)
			}
		}
	})
	t.Run("health", func(t *testing.T) {
		eventually(t, "grpc.health.v1 says SERVING", patience, func() error { // it is looked at once a second
			r, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			if err == nil && r.GetStatus() != healthpb.HealthCheckResponse_SERVING {
				err = errors.New(r.GetStatus().String())
			}
			return err
		})
	})
	incidents := pb.NewIncidentServiceClient(conn)
	t.Run("get and list say the same over gRPC and REST", func(t *testing.T) {
		one, err := incidents.GetIncident(t.Context(), &pb.GetIncidentRequest{Id: "INC-1"})
		if err != nil {
			t.Fatal(err)
		}
		got := new(pb.GetIncidentResponse)
		getJSON(t, h.web+"/api/v1/incidents/INC-1", got)
		if diff := cmp.Diff(one.GetIncident(), got.GetIncident(), protocmp.Transform()); diff != "" {
			t.Errorf("REST differs (-gRPC +REST):\n%s", diff)
		}
		all, err := incidents.ListIncidents(t.Context(), &pb.ListIncidentsRequest{Filter: `state = "open" AND origin = "mysql"`})
		if err != nil {
			t.Fatal(err)
		}
		list := new(pb.ListIncidentsResponse)
		getJSON(t, h.web+"/api/v1/incidents?filter=state%20%3D%20%22open%22%20AND%20origin%20%3D%20%22mysql%22", list)
		if diff := cmp.Diff(all.GetIncidents(), list.GetIncidents(), protocmp.Transform()); diff != "" || len(all.GetIncidents()) != 1 {
			t.Errorf("%d incidents; REST differs (-gRPC +REST):\n%s", len(all.GetIncidents()), diff)
		}
	})
	t.Run("what is not there", func(t *testing.T) {
		_, err := incidents.GetIncident(t.Context(), &pb.GetIncidentRequest{Id: "INC-99"})
		if status.Code(err) != codes.NotFound {
			t.Errorf("gRPC: %v, want NOT_FOUND", err)
		}
		if code, body, err := get(h.web + "/api/v1/incidents/INC-99"); code != http.StatusNotFound || !strings.Contains(body, "INC-99") {
			t.Errorf("REST: %d %s %v, want 404 with the id", code, body, err)
		}
	})
	t.Run("a command is in force when it is answered", func(t *testing.T) {
		r, err := incidents.AcknowledgeIncident(t.Context(), &pb.AcknowledgeIncidentRequest{Id: "INC-1", Actor: "storage on-call", Note: "looking"})
		if err != nil || r.GetIncident().GetAcknowledgement().GetActor() != "storage on-call" {
			t.Fatalf("%v %v", r, err)
		}
		code, body, err := post(h.web+"/api/v1/incidents/INC-1:resolve", `{"actor": "storage on-call", "reason": "restarted"}`)
		if err != nil || code != http.StatusOK {
			t.Fatalf("%d %s %v", code, body, err)
		}
		got := new(pb.GetIncidentResponse)
		getJSON(t, h.web+"/api/v1/incidents/INC-1", got)
		if i := got.GetIncident(); i.GetState() != pb.IncidentState_INCIDENT_STATE_RESOLVED || i.GetResolvedBy() != "storage on-call" {
			t.Errorf("state %s, resolved by %q", i.GetState(), i.GetResolvedBy())
		}
	})
}

// reflectedServices asks as grpcurl does.
func reflectedServices(t *testing.T, conn grpc.ClientConnInterface) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(ask); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names
}

func getJSON(t *testing.T, url string, into proto.Message) {
	t.Helper()
	code, body, err := get(url)
	if err != nil || code != http.StatusOK {
		t.Fatalf("GET %s: %d %s %v", url, code, body, err)
	}
	if err := protojson.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("GET %s: %v\n%s", url, err, body)
	}
}
