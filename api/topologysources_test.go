package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// mesh is a source that the tests fill.
type mesh struct {
	report discovery.Report
	err    error
}

func (*mesh) Name() string { return "mesh" }

func (m *mesh) Fetch(context.Context) (discovery.Report, error) { return m.report, m.err }

// withSources is withManager, and a client.
func withSources(t *testing.T, sources ...discovery.Source) (*rig, pb.TopologyServiceClient) {
	t.Helper()
	r := withManager(t, sources...)
	_, conn := r.serve(t)
	return r, pb.NewTopologyServiceClient(conn)
}

// withManager has a real manager publish to the rig's stream.
func withManager(t *testing.T, sources ...discovery.Source) *rig {
	t.Helper()
	var r *rig
	m, err := discovery.New(discovery.Options{
		InForce: func(context.Context) (topology.Spec, bool, error) {
			g, _ := r.store.Graph()
			return g.Spec(), g != nil, nil
		},
		Publish: func(ctx context.Context, spec topology.Spec) (uint64, error) {
			return r.stream.Publish(ctx, &correlate.TopologyReport{Source: "test", Spec: spec})
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r = newRig(t, func(o *Options) { o.Discovery = m })
	var configs []discovery.Config
	for _, s := range sources {
		configs = append(configs, discovery.Config{Source: s, RefreshInterval: time.Minute, TTL: time.Hour})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx, configs) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-m.Ready()
	return r
}

func name(n string) *pb.ServiceRef { return &pb.ServiceRef{Name: n} }

func shopPush() *pb.PushTopologyRequest {
	return &pb.PushTopologyRequest{
		Source: "ci", Actor: "ann",
		Services: []*pb.Service{{
			Ref: name("web"), Kind: pb.ServiceKind_SERVICE_KIND_FRONTEND, Owner: "shop", Tier: 1, Labels: map[string]string{"app": "web"},
			Runbook: "https://runbooks.example/web", Links: map[string]string{"a": "https://b.example"}, RunsOn: []string{"node-1"}, Aliases: []string{"www"},
		}},
		Dependencies:     []*pb.Dependency{{From: name("web"), To: name("db"), RedundancyGroup: "dbs", Mode: pb.DependencyMode_DEPENDENCY_MODE_SOFT}, {From: name("web"), To: name("db2"), RedundancyGroup: "dbs"}},
		RedundancyGroups: []*pb.RedundancyGroup{{From: name("web"), Name: "dbs", Need: 1}},
		Ttl:              durationpb.New(time.Hour),
	}
}

func TestWhatIsPushedIsInForceWhenItIsAnswered(t *testing.T) {
	_, client := withSources(t)
	pushed, err := client.PushTopology(t.Context(), shopPush())
	if err != nil {
		t.Fatal(err)
	}
	if s := pushed.GetSource(); s.GetName() != "api:ci" || s.GetActor() != "ann" || s.GetEtag() == "" || s.GetServiceCount() != 1 || pushed.GetRevision() == 0 {
		t.Errorf("%v", pushed)
	}
	graph, err := client.GetTopology(t.Context(), &pb.GetTopologyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if graph.GetTopology().GetVersion() != pushed.GetTopologyVersion() || graph.GetRevision() < pushed.GetRevision() {
		t.Errorf("in force is %s at %d, answered was %s at %d", graph.GetTopology().GetVersion(), graph.GetRevision(), pushed.GetTopologyVersion(), pushed.GetRevision())
	}
	said, err := client.GetTopologySource(t.Context(), &pb.GetTopologySourceRequest{Source: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	want := shopPush().GetServices()[0]
	got := said.GetServices()[0]
	if seen := got.GetSeen(); len(seen) != 1 || seen[0].GetSource() != "api:ci" || seen[0].GetLastSeen() == nil {
		t.Errorf("seen %v", seen)
	}
	got.Seen = nil
	if !proto.Equal(want, got) {
		t.Errorf("pushed was\n%v\nkept is\n%v", want, got)
	}
	if len(said.GetDependencies()) != 2 || said.GetDependencies()[0].GetMode() != pb.DependencyMode_DEPENDENCY_MODE_SOFT || said.GetDependencies()[1].GetMode() != pb.DependencyMode_DEPENDENCY_MODE_HARD || said.GetRedundancyGroups()[0].GetNeed() != 1 {
		t.Errorf("%v", said)
	}
	if _, err := client.GetService(t.Context(), &pb.GetServiceRequest{Service: "www"}); err != nil {
		t.Errorf("by its alias: %v", err)
	}
}

func TestPushIsBoundToItsEtag(t *testing.T) {
	_, client := withSources(t)
	first, err := client.PushTopology(t.Context(), shopPush())
	if err != nil {
		t.Fatal(err)
	}
	replace := &pb.ReplaceTopologyRequest{Source: "ci", Services: []*pb.Service{{Ref: name("cart")}}, Etag: first.GetSource().GetEtag()}
	second, err := client.ReplaceTopology(t.Context(), replace)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ReplaceTopology(t.Context(), replace); status.Code(err) != codes.Aborted {
		t.Errorf("an old etag: %v", err)
	}
	if _, err := client.DeleteTopologySource(t.Context(), &pb.DeleteTopologySourceRequest{Source: "ci", Etag: first.GetSource().GetEtag()}); status.Code(err) != codes.Aborted {
		t.Errorf("an old etag: %v", err)
	}
	if _, err := client.DeleteTopologySource(t.Context(), &pb.DeleteTopologySourceRequest{Source: "api:ci", Etag: second.GetSource().GetEtag()}); err != nil {
		t.Errorf("as the list names it: %v", err)
	}
	graph, err := client.GetTopology(t.Context(), &pb.GetTopologyRequest{})
	if err != nil || len(graph.GetTopology().GetServices()) != 0 {
		t.Errorf("%v, %v", graph, err)
	}
	for _, err := range []error{
		second1(client.DeleteTopologySource(t.Context(), &pb.DeleteTopologySourceRequest{Source: "ci"})),
		second1(client.GetTopologySource(t.Context(), &pb.GetTopologySourceRequest{Source: "ci"})),
	} {
		if status.Code(err) != codes.NotFound {
			t.Errorf("deleted: %v", err)
		}
	}
}

// second1 is the error of a call.
func second1[T any](_ T, err error) error { return err }

func TestPushRefusesWhatHasNoMeaning(t *testing.T) {
	_, client := withSources(t)
	for _, c := range []struct {
		field  string
		change func(*pb.PushTopologyRequest)
	}{
		{"source", func(r *pb.PushTopologyRequest) { r.Source = "" }},
		{"source", func(r *pb.PushTopologyRequest) { r.Source = "api:ci" }},
		{"ttl", func(r *pb.PushTopologyRequest) { r.Ttl = durationpb.New(time.Second) }},
		{"ttl", func(r *pb.PushTopologyRequest) { r.Ttl = durationpb.New(-1) }},
		{"services[0].ref.name", func(r *pb.PushTopologyRequest) { r.Services[0].Ref = nil }},
		{"services[0].kind", func(r *pb.PushTopologyRequest) { r.Services[0].Kind = 99 }},
		{"services[0].tier", func(r *pb.PushTopologyRequest) { r.Services[0].Tier = -1 }},
		{"services[0].runs_on", func(r *pb.PushTopologyRequest) { r.Services[0].RunsOn = []string{""} }},
		{"services[0].ref", func(r *pb.PushTopologyRequest) { r.Services[0].Ref.Name = strings.Repeat("x", 2000) }},
		{"dependencies[1].to.name", func(r *pb.PushTopologyRequest) { r.Dependencies[1].To = name("") }},
		{"dependencies[0].mode", func(r *pb.PushTopologyRequest) { r.Dependencies[0].Mode = 9 }},
		{"redundancy_groups[0].name", func(r *pb.PushTopologyRequest) { r.RedundancyGroups[0].Name = "" }},
		{"remove_services[0].name", func(r *pb.PushTopologyRequest) { r.RemoveServices = []*pb.ServiceRef{nil} }},
		{"remove_dependencies[0].from.name", func(r *pb.PushTopologyRequest) { r.RemoveDependencies = []*pb.DependencyEnds{{To: name("x")}} }},
		{"services", func(r *pb.PushTopologyRequest) {
			r.Services = []*pb.Service{{Ref: &pb.ServiceRef{Namespace: "a", Name: "db"}}, {Ref: &pb.ServiceRef{Namespace: "b", Name: "db"}}}
		}},
		{"actor", func(r *pb.PushTopologyRequest) { r.Actor = strings.Repeat("x", maxActorBytes+1) }},
	} {
		req := shopPush()
		c.change(req)
		_, err := client.PushTopology(t.Context(), req)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.field+": ") {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	sources, err := client.ListTopologySources(t.Context(), &pb.ListTopologySourcesRequest{})
	if err != nil || len(sources.GetSources()) != 0 {
		t.Errorf("%v, %v", sources, err)
	}
}

func TestPushSaysWhenItIsNotDurable(t *testing.T) {
	r, client := withSources(t)
	r.stream.refuse = errors.New("no quorum")
	if _, err := client.PushTopology(t.Context(), shopPush()); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
	r.stream.refuse = nil
	if _, err := client.GetTopologySource(t.Context(), &pb.GetTopologySourceRequest{Source: "ci"}); status.Code(err) != codes.NotFound {
		t.Errorf("%v", err)
	}
}

func TestSourcesAndSuggestionsAreListed(t *testing.T) {
	m := &mesh{report: discovery.Report{
		Dependencies: []topology.Dependency{{From: topology.Ref{Name: "shop"}, To: topology.Ref{Name: "payment-svc"}, Seen: []topology.Sighting{{RequestsPerSecond: topology.Measured(3)}}}},
		Warnings:     []topology.Warning{{Text: "two series without a caller"}},
	}}
	_, client := withSources(t, m)
	pushed, err := client.PushTopology(t.Context(), &pb.PushTopologyRequest{Source: "ci", Services: []*pb.Service{{Ref: name("payment")}}})
	if err != nil {
		t.Fatal(err)
	}
	if s := pushed.GetSuggestions(); len(s) != 1 || !strings.Contains(s[0].GetRemedy(), "{name: payment, aliases: [payment-svc]}") {
		t.Errorf("%v", s)
	}
	list, err := client.ListTopologySources(t.Context(), &pb.ListTopologySourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.GetSources()) != 2 || list.GetSources()[0].GetName() != "api:ci" || list.GetTopologyVersion() == "" {
		t.Fatalf("%v", list)
	}
	got := list.GetSources()[1]
	eachUnset(got.ProtoReflect(), func(f protoreflect.FullName) {
		for _, absent := range []string{"declared", "pushed", "failing_since", "error", "actor", "etag"} {
			if strings.HasSuffix(string(f), "."+absent) {
				return
			}
		}
		t.Errorf("nothing fills %s", f)
	})
	suggestions, err := client.ListTopologySuggestions(t.Context(), &pb.ListTopologySuggestionsRequest{})
	if err != nil || len(suggestions.GetSuggestions()) != 1 {
		t.Errorf("%v, %v", suggestions, err)
	}
	service, err := client.GetService(t.Context(), &pb.GetServiceRequest{Service: "payment-svc"})
	if err != nil {
		t.Fatal(err)
	}
	if seen := service.GetDependents()[0].GetSeen(); len(seen) != 1 || seen[0].GetSource() != "mesh" || seen[0].GetRequestsPerSecond() != 3 || seen[0].ErrorRatio != nil {
		t.Errorf("seen %v", seen)
	}
}

func TestServerWithoutSourcesTakesNoTopology(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	client := pb.NewTopologyServiceClient(conn)
	if _, err := client.PushTopology(t.Context(), shopPush()); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("%v", err)
	}
	if _, err := client.DeleteTopologySource(t.Context(), &pb.DeleteTopologySourceRequest{Source: "ci"}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("%v", err)
	}
	if list, err := client.ListTopologySources(t.Context(), &pb.ListTopologySourcesRequest{}); err != nil || len(list.GetSources()) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestTopologyIsPushedOverREST(t *testing.T) {
	web := withManager(t).web(t)
	sources := web.URL + "/api/v1/topology/sources"
	code, answer := call(t, http.MethodPost, sources+"/ci:push", `{"services": [{"ref": {"name": "web"}, "owner": "shop"}], "dependencies": [{"from": {"name": "web"}, "to": {"name": "db"}}], "ttl": "3600s"}`,
		func(r *http.Request) { r.SetBasicAuth("ann", "x") })
	source, _ := answer["source"].(map[string]any)
	if code != http.StatusOK || source["name"] != "api:ci" || source["actor"] != "ann" {
		t.Fatalf("push: %d %v", code, answer)
	}
	if code, answer := call(t, http.MethodPut, sources+"/ci", `{"services": [{"ref": {"name": "cart"}}], "etag": "0"}`); code != http.StatusConflict {
		t.Errorf("an old etag: %d %v", code, answer)
	}
	etag, _ := source["etag"].(string)
	if code, answer := call(t, http.MethodPut, sources+"/ci", `{"services": [{"ref": {"name": "cart"}}], "etag": "`+etag+`"}`); code != http.StatusOK {
		t.Errorf("replace: %d %v", code, answer)
	}
	if code, answer := call(t, http.MethodGet, sources+"/ci", ""); code != http.StatusOK || len(answer["services"].([]any)) != 1 || len(answer["dependencies"].([]any)) != 0 {
		t.Errorf("get: %d %v", code, answer)
	}
	if code, answer := call(t, http.MethodGet, sources, ""); code != http.StatusOK || len(answer["sources"].([]any)) != 1 {
		t.Errorf("list: %d %v", code, answer)
	}
	if code, answer := call(t, http.MethodGet, web.URL+"/api/v1/topology/suggestions", ""); code != http.StatusOK {
		t.Errorf("suggestions: %d %v", code, answer)
	}
	if code, answer := call(t, http.MethodDelete, sources+"/ci", ""); code != http.StatusOK || answer["topology_version"] == "" {
		t.Errorf("delete: %d %v", code, answer)
	}
	if code, answer := call(t, http.MethodGet, sources+"/ci", ""); code != http.StatusNotFound {
		t.Errorf("deleted: %d %v", code, answer)
	}
}

// part is a graph of one pushed source of which every part carries the same stamp.
func part(source string, stamp int) *pb.ReplaceTopologyRequest {
	req := &pb.ReplaceTopologyRequest{Source: source}
	for i := range partSize {
		at := name(fmt.Sprintf("%s-%d", source, i))
		req.Services = append(req.Services, &pb.Service{Ref: at, Owner: fmt.Sprint(stamp)})
		if i > 0 {
			req.Dependencies = append(req.Dependencies, &pb.Dependency{From: req.GetServices()[i-1].GetRef(), To: at, RedundancyGroup: fmt.Sprint(stamp)})
		}
	}
	return req
}

const partSize = 12

// wholeParts reports what of a graph does not belong to the rest.
func wholeParts(g *pb.Topology) error {
	stamps, count := map[string]string{}, map[string]int{}
	check := func(name, stamp string) error {
		source, _, _ := strings.Cut(name, "-")
		if first, ok := stamps[source]; ok && first != stamp {
			return fmt.Errorf("%s carries %s, others %s", name, stamp, first)
		}
		stamps[source] = stamp
		count[source]++
		return nil
	}
	var errs []error
	for _, s := range g.GetServices() {
		errs = append(errs, check(s.GetRef().GetName(), s.GetOwner()))
	}
	for _, d := range g.GetDependencies() {
		errs = append(errs, check(d.GetFrom().GetName(), d.GetRedundancyGroup()))
	}
	for source, n := range count {
		if n != 2*partSize-1 {
			errs = append(errs, fmt.Errorf("%s has %d parts of %d", source, n, 2*partSize-1))
		}
	}
	return errors.Join(errs...)
}

// Two pushers swap the graph as fast as they can while alerts come in and others read:
// each answer is one whole version, and each incident names a version that there was.
func TestNoReaderSeesHalfAVersion(t *testing.T) {
	r, client := withSources(t)
	const rounds = 25
	var versions sync.Map
	var work, readers sync.WaitGroup
	done := make(chan struct{})
	for _, source := range []string{"a", "b"} {
		work.Go(func() {
			for k := range rounds {
				answer, err := client.ReplaceTopology(t.Context(), part(source, k))
				if err != nil {
					t.Error(err)
					return
				}
				versions.Store(answer.GetTopologyVersion(), true)
			}
		})
	}
	work.Go(func() {
		for k := range rounds {
			r.stream.feed(t, time.Second, &correlate.AlertBatch{Source: "alertmanager", Alerts: []correlate.Alert{{
				Fingerprint: fmt.Sprintf("%016x", k+1), StartsAt: startOfTests.Add(time.Duration(k) * time.Second),
				Labels: map[string]string{"alertname": "HighErrorRate", "service": fmt.Sprintf("a-%d", k%partSize), "severity": "error"},
			}}})
		}
	})
	for range 2 {
		readers.Go(func() {
			for {
				answer, err := client.GetTopology(t.Context(), &pb.GetTopologyRequest{})
				if err := errors.Join(err, wholeParts(answer.GetTopology())); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	work.Wait()
	close(done)
	readers.Wait()
	judged := 0
	_, err := r.store.ScanIncidents(t.Context(), 0, func(i *correlate.Incident) bool {
		judged++
		if _, known := versions.Load(i.TopologyVersion); !known && i.TopologyVersion != "" {
			t.Errorf("%s was judged on %q, which nobody was told of", i.ID, i.TopologyVersion)
		}
		return true
	})
	if err != nil || judged == 0 {
		t.Errorf("%d incidents, %v", judged, err)
	}
}
