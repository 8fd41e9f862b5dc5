package api

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// Config is a configuration as it may be shown to anybody.
type Config struct {
	YAML     string // without secrets; empty: there is no file
	File     string // empty: there is none
	LoadedAt time.Time
	Warnings []string
}

type configService struct {
	pb.UnimplementedConfigServiceServer
	*Server
}

// GetConfig implements [pb.ConfigServiceServer].
func (s *configService) GetConfig(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
	if s.options.Config == nil {
		return nil, status.Error(codes.Unimplemented, "this server has no configuration to show")
	}
	c := s.options.Config()
	return &pb.GetConfigResponse{Yaml: c.YAML, File: c.File, LoadedAt: timeToProto(c.LoadedAt), Warnings: c.Warnings}, nil
}
