package api

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// A chain a → b → c → d, and e apart.
func chain() *topology.Spec {
	spec := &topology.Spec{Version: "v1"}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		spec.Services = append(spec.Services, topology.Service{Name: name})
	}
	for _, pair := range [][2]string{{"a", "b"}, {"b", "c"}, {"c", "d"}} {
		spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: topology.Ref{Name: pair[0]}, To: topology.Ref{Name: pair[1]}})
	}
	return spec
}

func TestNeighborhoodIsWhatIsNear(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	client := pb.NewTopologyServiceClient(conn)
	r.put(t, chain())
	for _, tc := range []struct {
		service string
		depth   int32
		nodes   string
		edges   int
	}{
		{"b", 0, "bca", 2},
		{"b", 1, "bca", 2},
		{"b", 2, "bcad", 3},
		{"e", 5, "e", 0},
		{"", 0, "abcde", 3},
	} {
		got, err := client.GetNeighborhood(t.Context(), &pb.GetNeighborhoodRequest{Service: tc.service, Depth: tc.depth})
		if err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, n := range got.GetNodes() {
			names += n.GetShortName()
		}
		if names != tc.nodes || len(got.GetEdges()) != tc.edges {
			t.Errorf("%q, %d steps: %s with %d dependencies, want %s with %d", tc.service, tc.depth, names, len(got.GetEdges()), tc.nodes, tc.edges)
		}
	}
}

// Arrows lead from the one that depends to the one depended upon, from border to border.
func TestNeighborhoodPointsToWhatIsNeeded(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	client := pb.NewTopologyServiceClient(conn)
	r.put(t, chain())
	for _, down := range []bool{false, true} {
		got, err := client.GetNeighborhood(t.Context(), &pb.GetNeighborhoodRequest{Down: down})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got.GetEdges() {
			from, to := got.GetNodes()[e.GetFrom()], got.GetNodes()[e.GetTo()]
			first, last := e.GetPoints()[0], e.GetPoints()[len(e.GetPoints())-1]
			leaves, arrives := from.GetX()+from.GetWidth() == first.GetX(), to.GetX() == last.GetX()
			if down {
				leaves, arrives = from.GetY()+from.GetHeight() == first.GetY(), to.GetY() == last.GetY()
			}
			if !leaves || !arrives {
				t.Errorf("down %v: %s → %s runs from %v to %v", down, from.GetShortName(), to.GetShortName(), first, last)
			}
		}
	}
}

func TestNeighborhoodIsBounded(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	client := pb.NewTopologyServiceClient(conn)
	spec := &topology.Spec{Version: "v1"}
	for i := range maxNeighbors + 7 {
		spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: topology.Ref{Name: "hub"}, To: topology.Ref{Name: string(rune('ℵ' + i))}})
	}
	r.put(t, spec)
	got, err := client.GetNeighborhood(t.Context(), &pb.GetNeighborhoodRequest{Service: "hub"})
	if err != nil || len(got.GetNodes()) != maxNeighbors || got.GetOmittedServices() != 8 || got.GetNodes()[0].GetShortName() != "hub" {
		t.Errorf("%d services, %d left out, %v", len(got.GetNodes()), got.GetOmittedServices(), err)
	}
	for _, bad := range []struct {
		req  *pb.GetNeighborhoodRequest
		code codes.Code
	}{
		{&pb.GetNeighborhoodRequest{Service: "hub", Depth: -1}, codes.InvalidArgument},
		{&pb.GetNeighborhoodRequest{Service: "hub", Depth: 6}, codes.InvalidArgument},
		{&pb.GetNeighborhoodRequest{Service: "nobody"}, codes.NotFound},
	} {
		if _, err := client.GetNeighborhood(t.Context(), bad.req); status.Code(err) != bad.code {
			t.Errorf("%v: %v, want %v", bad.req, err, bad.code)
		}
	}
}
