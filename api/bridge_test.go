package api

import (
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// The protocols that browsers speak.
var browserProtocols = map[string][]connect.ClientOption{
	"connect":  nil,
	"grpc-web": {connect.WithGRPCWeb()},
}

func TestBrowserProtocols(t *testing.T) {
	r := newRig(t)
	id := r.openIncident(t, "cart")
	web := r.web(t)
	for name, options := range browserProtocols {
		t.Run(name, func(t *testing.T) {
			get := connect.NewClient[pb.GetIncidentRequest, pb.GetIncidentResponse](http.DefaultClient, web.URL+pb.IncidentService_GetIncident_FullMethodName, options...)
			resp, err := get.CallUnary(t.Context(), connect.NewRequest(&pb.GetIncidentRequest{Id: id}))
			if err != nil || resp.Msg.GetIncident().GetId() != id {
				t.Fatalf("get: %v, %v", resp, err)
			}

			_, err = get.CallUnary(t.Context(), connect.NewRequest(&pb.GetIncidentRequest{Id: "INC-999"}))
			e := new(connect.Error)
			if !errors.As(err, &e) || e.Code() != connect.CodeNotFound || len(e.Details()) != 1 {
				t.Fatalf("missing: %v", err)
			}
			if d, err := e.Details()[0].Value(); err != nil || d.(*errdetails.ResourceInfo).GetResourceName() != "INC-999" {
				t.Errorf("details: %v, %v", d, err)
			}

			ack := connect.NewClient[pb.AcknowledgeIncidentRequest, pb.AcknowledgeIncidentResponse](http.DefaultClient, web.URL+pb.IncidentService_AcknowledgeIncident_FullMethodName, options...)
			req := connect.NewRequest(&pb.AcknowledgeIncidentRequest{Id: id})
			req.Header().Set("Authorization", "Basic b3BlcmF0b3I6c2VjcmV0") // operator:secret
			done, err := ack.CallUnary(t.Context(), req)
			if err != nil || done.Msg.GetIncident().GetAcknowledgement().GetActor() != "operator" {
				t.Errorf("acknowledge: %v, %v", done, err)
			}

			watch := connect.NewClient[pb.WatchIncidentsRequest, pb.WatchIncidentsResponse](http.DefaultClient, web.URL+pb.IncidentService_WatchIncidents_FullMethodName, options...)
			stream, err := watch.CallServerStream(t.Context(), connect.NewRequest(&pb.WatchIncidentsRequest{}))
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if !stream.Receive() || stream.Msg().GetIncidents()[0].GetId() != id {
				t.Errorf("watch: %v, %v", stream.Msg(), stream.Err())
			}
		})
	}
}

func TestBridgeEndsAWatchWithItsStatus(t *testing.T) {
	r := newRig(t)
	web := r.web(t)
	watch := connect.NewClient[pb.WatchIncidentsRequest, pb.WatchIncidentsResponse](http.DefaultClient, web.URL+pb.IncidentService_WatchIncidents_FullMethodName)
	stream, err := watch.CallServerStream(t.Context(), connect.NewRequest(&pb.WatchIncidentsRequest{Revision: 7}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeOutOfRange {
		t.Errorf("from the future: %v", stream.Err())
	}
}

// Connect's JSON is what one gets with curl.
func TestConnectSpeaksJSON(t *testing.T) {
	r := newRig(t)
	r.put(t, newIncident(1))
	web := r.web(t)
	code, body := call(t, http.MethodPost, web.URL+"/headwater.v1.IncidentService/GetIncident", `{"id": "INC-1"}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	if code != http.StatusOK || at(body, "incident", "id") != "INC-1" {
		t.Errorf("%d %v", code, body)
	}
	if code, _ = call(t, http.MethodPost, web.URL+"/grpc.health.v1.Health/Check", `{}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }); code != http.StatusOK {
		t.Errorf("health: %d", code)
	}
}

func TestBridgeRefusesServicesWithoutDescriptor(t *testing.T) {
	if _, err := BridgeHandler(nil, map[string]grpc.ServiceInfo{"nobody.knows.Me": {}}, Origins{}); err == nil {
		t.Error("accepted")
	}
}
