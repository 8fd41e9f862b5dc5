package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"

	"google.golang.org/grpc"

	"github.com/headwater-sre/headwater/api"
	dashboard "github.com/headwater-sre/headwater/api/web"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest"
)

// listenGRPC opens the gRPC port, so that a port that is taken is known at once. It
// is served when there is something to serve.
func (s *server) listenGRPC() (net.Listener, error) {
	if s.o.grpcAddress == "" {
		return nil, nil
	}
	l, err := listen("--grpc.listen-address", s.o.grpcAddress)
	if err != nil {
		return nil, err
	}
	s.grpcAddr = l.Addr().String()
	s.parts.onStop("gRPC listener", func(context.Context) error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// startAPI brings up the intake and the API with its three faces, and returns what
// the web port serves.
func (s *server) startAPI(l net.Listener) (http.Handler, error) {
	intake, err := ingest.New(ingest.Options{
		Publisher: s.bus, Logger: s.log.With("component", "ingest"), Registerer: s.registry, OnTruncated: s.reconciler.Truncated, OnAlerts: s.took,
		Incidents: answeredIncidents{s.store},
	})
	if err != nil {
		return nil, err
	}
	intake.SetSources(s.config.signals.senders)
	s.intake = intake
	a, err := api.NewServer(api.Options{
		Reader: s.store, Commands: s.bus, Waiter: s.engine, Health: intake, Ready: s.ready,
		Probes:    s.probing.probes,
		Discovery: s.topology, Setup: s,
		Recorder: recordings{stream: s.bus, graph: s.store.Graph},
		Config:   s.shownConfig,
		Stream:   s.bus, Engine: func() correlate.Config { return s.inForce.Load().engine },
		Logger: s.log.With("component", "api"), Registerer: s.registry,
	})
	if err != nil {
		return nil, err
	}
	options, err := grpcOptions(*s.o.web.WebConfigFile, s.log.With("component", "api"))
	if err != nil {
		return nil, err
	}
	// Two servers of one API: the in-process one has no TLS, and its callers have
	// shown their password at the web port.
	inner := a.NewGRPC()
	loopback, err := api.NewLoopback(inner)
	if err != nil {
		return nil, err
	}
	s.parts.onStop("API in process", func(ctx context.Context) error {
		err := loopback.Close()
		stopGRPC(ctx, inner)
		return err
	})
	rest, err := api.RESTHandler(context.Background(), loopback, s.o.origins)
	if err != nil {
		return nil, err
	}
	services := inner.GetServiceInfo()
	bridge, err := api.BridgeHandler(loopback, services, s.o.origins)
	if err != nil {
		return nil, fmt.Errorf("serve gRPC-Web: %w", err)
	}
	ui, err := dashboard.Handler(dashboard.Options{})
	if err != nil {
		return nil, err
	}
	var outer *grpc.Server
	if l != nil {
		outer = a.NewGRPC(options...)
		s.parts.run("gRPC server", func(ctx context.Context) error { return serveGRPC(ctx, outer, l) })
		s.log.Info("Listening for gRPC", "address", s.grpcAddr, "tls", len(options) > 0 && s.externals.Scheme == "https")
	}
	if s.bus.HasInbox() {
		s.parts.run("NATS intake", func(ctx context.Context) error { return s.bus.Receive(ctx, s.deliver) })
	}
	s.parts.run("API", a.Run)
	// Last in, first out: nothing is accepted any more before anything else stops.
	s.parts.onStop("requests", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, requestGrace)
		defer cancel()
		a.Stop() // ends the watches, which would never end by themselves
		var native sync.WaitGroup
		if outer != nil {
			native.Go(func() { stopGRPC(ctx, outer) })
		}
		defer native.Wait()
		return s.web.shutdown(ctx)
	})
	return s.mux(intake, rest, bridge, ui, slices.Sorted(maps.Keys(services))), nil
}

// serveGRPC serves until ctx ends. That the server was stopped earlier is no error.
func serveGRPC(ctx context.Context, srv *grpc.Server, l net.Listener) error {
	ended := make(chan error, 1) // one result
	go func() {
		err := srv.Serve(l)
		if errors.Is(err, grpc.ErrServerStopped) {
			err = nil
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			<-ctx.Done()
		}
		return err
	case <-ctx.Done():
		srv.Stop()
		return <-ended
	}
}

// stopGRPC waits for the calls under way until ctx ends, and then ends them.
func stopGRPC(ctx context.Context, srv *grpc.Server) {
	if bounded(ctx, func() error { srv.GracefulStop(); return nil }) != nil {
		srv.Stop()
	}
}
