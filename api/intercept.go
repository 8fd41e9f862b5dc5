package api

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The chain, outermost first: observe (metrics, log), guard (panics, unexpected errors),
// limit (deadline). Observe is outside so that it sees the code that the client gets.

func (s *Server) observeUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	start := time.Now()
	resp, err := next(ctx, req)
	took := time.Since(start)
	service, method := splitMethod(info.FullMethod)
	s.metrics.duration.WithLabelValues(service, method).Observe(took.Seconds())
	s.observe(ctx, service, method, took, err)
	return resp, err
}

func (s *Server) observeStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start := time.Now()
	err := next(srv, stream)
	service, method := splitMethod(info.FullMethod)
	s.observe(stream.Context(), service, method, time.Since(start), err)
	return err
}

func (s *Server) observe(ctx context.Context, service, method string, took time.Duration, err error) {
	code := status.Code(err)
	s.metrics.requests.WithLabelValues(service, method, code.String()).Inc()
	level, attrs := slog.LevelDebug, []slog.Attr{
		slog.String("service", service), slog.String("method", method),
		slog.String("code", code.String()), slog.Duration("duration", took),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	if code == codes.Internal || code == codes.Unknown || code == codes.DataLoss {
		level = slog.LevelError
	}
	s.options.Logger.LogAttrs(ctx, level, "API call", attrs...)
}

func (s *Server) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if r := recover(); r != nil {
			resp, err = nil, s.panicked(info.FullMethod, r)
		}
	}()
	resp, err = next(ctx, req)
	return resp, toStatus(ctx, err)
}

func (s *Server) guardStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.panicked(info.FullMethod, r)
		}
	}()
	return toStatus(stream.Context(), next(srv, stream))
}

// panicked tells the client nothing of the panic: its text may hold anything.
func (s *Server) panicked(method string, reason any) error {
	s.metrics.panics.Inc()
	s.options.Logger.Error("API call panicked", "method", method, "panic", reason, "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal error; the server's log has the details")
}

func (s *Server) limitUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
	}
	return next(ctx, req)
}

// splitMethod takes "/package.Service/Method" apart.
func splitMethod(full string) (service, method string) {
	service, method, _ = strings.Cut(strings.TrimPrefix(full, "/"), "/")
	return service, method
}
