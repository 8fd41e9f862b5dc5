package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/replay"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// kept is what is compared of an incident: what a server and a replay both know.
type kept struct {
	ID, MergedInto, Origin string
	Alerts                 []string
}

// healthSender sends the alerts that the engine makes of failing checks.
const healthSender = "health"

// keptByServer are the incidents in the store.
func keptByServer(t *testing.T, r *running) []kept {
	t.Helper()
	alerts := map[string][]string{}
	_, err := r.store.ScanAlerts(t.Context(), store.AlertScan{}, func(a *correlate.AlertState) bool {
		if a.Sender != healthSender { // those have no name in a scenario
			alerts[a.Incident] = append(alerts[a.Incident], a.ID().String())
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []kept
	_, err = r.store.ScanIncidents(t.Context(), 0, func(i *correlate.Incident) bool {
		origin := ""
		if o := i.Origin(); o != nil {
			origin = o.Service.Name
		}
		all = append(all, kept{i.ID, i.MergedInto, origin, slices.Sorted(slices.Values(alerts[i.ID]))})
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all) // the newest came first
	return all
}

func keptByReplay(t *testing.T, s *replay.Scenario) []kept {
	t.Helper()
	res, err := replay.Run(s, correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var all []kept
	for _, i := range res.Incidents {
		origin := ""
		if len(i.Origins) > 0 {
			origin = i.Origins[0].Service
		}
		all = append(all, kept{i.ID, i.MergedInto, origin, slices.Sorted(slices.Values(i.Alerts))})
	}
	return all
}

// A cascade, a check that fails, a change, an operator and a new graph go in by the
// server's own doors; its stream comes out as a scenario, and the replay of that has
// the incidents that the server has.
func TestARecordingReplaysToTheIncidentsOfTheServer(t *testing.T) {
	dir := t.TempDir()
	graph := filepath.Join(dir, "topology.yaml")
	write(t, graph, "services: [{name: web}, {name: cart}, {name: db, kind: database, owner: storage}, {name: mail}]\ndependencies: [{from: web, to: cart}, {from: cart, to: db}]\n")
	r := started(t, serverOptions{config: configured(t, filepath.Join(dir, "headwater.yaml"), "topology: {files: [topology.yaml]}\n")})
	for _, a := range []struct{ name, service string }{{"DiskFull", "db"}, {"HighErrorRate", "cart"}, {"HighErrorRate", "web"}, {"QueueGrows", "mail"}} {
		if got := r.post(t, "/webhook/alertmanager", firing(a.name, a.service)); got.code != http.StatusOK {
			t.Fatalf("%+v", got)
		}
	}
	if got := r.post(t, "/webhook/change", map[string]any{"service": "db", "kind": "config", "summary": "quota"}); got.code >= 300 {
		t.Fatalf("%+v", got)
	}
	for range 3 {
		if got := r.post(t, "/webhook/health", map[string]any{"service": "db", "check": "tcp", "status": "failing"}); got.code >= 300 {
			t.Fatalf("%+v", got)
		}
	}
	waitFor(t, "the failing check, which came last, to be in an incident", func() bool {
		checks := 0
		_, err := r.store.ScanAlerts(t.Context(), store.AlertScan{}, func(a *correlate.AlertState) bool {
			checks += len(a.Incident) * strings.Count(a.Sender, healthSender)
			return true
		})
		return err == nil && checks > 0
	})
	conn, err := grpc.NewClient(r.grpc(t), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := pb.NewIncidentServiceClient(conn).AcknowledgeIncident(t.Context(), &pb.AcknowledgeIncidentRequest{Id: "INC-1", Actor: "ops"}); err != nil {
		t.Fatal(err)
	}
	write(t, graph, "services: [{name: web}, {name: cart}, {name: db, kind: database}, {name: mail}]\ndependencies: [{from: web, to: cart}, {from: cart, to: db}, {from: mail, to: db}]\n")
	waitFor(t, "the new graph", func() bool {
		g, _ := r.store.Graph()
		return g.EdgeCount() == 3
	})

	s := download(t, pb.NewRecordingServiceClient(conn))
	types := map[string]int{}
	for _, ev := range s.Events {
		types[fmt.Sprintf("%T", ev.Signal)]++
	}
	wantTypes := map[string]int{"*correlate.AlertBatch": 4, "*correlate.Change": 1, "*correlate.HealthBatch": 3, "*correlate.Command": 1, "*correlate.TopologyReport": 1}
	if diff := cmp.Diff(wantTypes, types); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if got := r.get(t, "/api/v1/stream:record?name=rest"); got.code != http.StatusOK || !strings.HasPrefix(got.body, `{"result":{"text":"{\"name\": \"rest\"`) {
		t.Errorf("over REST: %d %.100s", got.code, got.body)
	}
	want := keptByReplay(t, s)
	if len(want) < 2 {
		t.Fatalf("too dull a story: %+v", want)
	}
	waitFor(t, "the server to settle on what the replay says", func() bool {
		diff := cmp.Diff(want, keptByServer(t, r))
		if diff != "" {
			t.Logf("incidents (-replay +server):\n%s", diff)
		}
		return diff == ""
	})
}

// download records everything that the server has seen.
func download(t *testing.T, client pb.RecordingServiceClient) *replay.Scenario {
	t.Helper()
	stream, err := client.RecordScenario(t.Context(), &pb.RecordScenarioRequest{Name: "live"})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(piece.GetText())
	}
	s, err := replay.ReadScenario(&text, "recording")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// brokenStream fails after an entry.
type brokenStream struct{}

var errBroken = errors.New("broken")

func (brokenStream) Read(_ context.Context, fn func(correlate.Input) (bool, error)) error {
	_, err := fn(correlate.Input{Pos: 1, At: time.Now(), Signal: &correlate.Change{Service: topology.Ref{Name: "web"}, Kind: "deploy"}})
	return errors.Join(err, errBroken)
}

func TestARecordingOfABrokenStreamIsNoScenario(t *testing.T) {
	noGraph := func() (*topology.Graph, uint64) { return nil, 0 }
	var text bytes.Buffer
	err := recordings{stream: brokenStream{}, graph: noGraph}.Record(t.Context(), &text, "x", time.Time{}, time.Time{})
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if _, err := replay.ReadScenario(&text, "recording"); err == nil {
		t.Error("what there was of it passes for a whole one")
	}
}
