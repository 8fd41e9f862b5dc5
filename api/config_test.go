package api

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func TestTheConfigurationInForceIsShown(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Config = func() Config {
			return Config{YAML: "environment: prod\n", File: "headwater.yaml", LoadedAt: startOfTests, Warnings: []string{"mind the gap"}}
		}
	})
	_, conn := r.serve(t)
	got, err := pb.NewConfigServiceClient(conn).GetConfig(t.Context(), &pb.GetConfigRequest{})
	if err != nil || got.GetYaml() != "environment: prod\n" || got.GetFile() != "headwater.yaml" || !got.GetLoadedAt().AsTime().Equal(startOfTests) || got.GetWarnings()[0] != "mind the gap" {
		t.Errorf("%v, %v", got, err)
	}
	_, bare := newRig(t).serve(t)
	if _, err := pb.NewConfigServiceClient(bare).GetConfig(t.Context(), &pb.GetConfigRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("without one: %v", err)
	}
}
