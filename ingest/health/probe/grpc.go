package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strings"

	"connectrpc.com/connect"
	"github.com/prometheus/common/config"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/headwater-sre/headwater/correlate"
)

// GRPC says how to ask by gRPC's health checking protocol, grpc.health.v1.
type GRPC struct {
	Family Family
	// Service to ask about. Empty: the server as a whole.
	Service   string
	TLS       bool
	TLSConfig config.TLSConfig
	// Metadata is sent along.
	Metadata map[string][]string
}

type grpcProber struct {
	GRPC
	client *http.Client
}

// newGRPC speaks gRPC over net/http, which reports the phases of a call.
func newGRPC(m *GRPC) (Prober, error) {
	t, err := tlsConfig(&m.TLSConfig)
	if err != nil {
		return nil, err
	}
	d := &dialer{family: m.Family}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(m.TLS)
	protocols.SetUnencryptedHTTP2(!m.TLS)
	transport := &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: t, Protocols: protocols, DisableKeepAlives: true, DisableCompression: true,
	}
	return &grpcProber{GRPC: *m, client: &http.Client{Transport: transport}}, nil
}

// Check implements [Prober].
func (p *grpcProber) Check(target string) error {
	_, err := p.address(target)
	return err
}

// address is the target's, of which a scheme is left out as blackbox_exporter does.
func (p *grpcProber) address(target string) (string, error) {
	for _, scheme := range []string{"http://", "https://", "grpc://", "grpcs://"} {
		target = strings.TrimPrefix(target, scheme)
	}
	_, _, err := hostPort(target, "")
	return target, err
}

const healthCheck = "/grpc.health.v1.Health/Check"

// Probe implements [Prober].
func (p *grpcProber) Probe(ctx context.Context, target string) Result {
	w := newWatch()
	address, err := p.address(target)
	if err != nil {
		return w.failed(ctx, ownFault{fmt.Errorf("target %q: %w", target, err)})
	}
	scheme := "http://"
	if p.TLS {
		scheme = "https://"
	}
	client := connect.NewClient[healthpb.HealthCheckRequest, healthpb.HealthCheckResponse](
		p.client, scheme+address+healthCheck, connect.WithGRPC(), connect.WithReadMaxBytes(DefaultBodyLimit))
	req := connect.NewRequest(&healthpb.HealthCheckRequest{Service: p.Service})
	maps.Copy(req.Header(), http.Header(p.Metadata))
	resp, err := client.CallUnary(httptrace.WithClientTrace(ctx, w.trace()), req)
	if err != nil {
		return p.failure(ctx, w, err)
	}
	return grpcStatus(w, resp.Msg.GetStatus())
}

func grpcStatus(w *watch, status healthpb.HealthCheckResponse_ServingStatus) Result {
	switch status {
	case healthpb.HealthCheckResponse_SERVING:
		return w.passing()
	case healthpb.HealthCheckResponse_NOT_SERVING:
		return w.result(correlate.HealthFailing, "says that it is NOT_SERVING")
	}
	return w.degraded("says that its status is " + status.String())
}

// failure tells an answer that is an error from none at all.
func (p *grpcProber) failure(ctx context.Context, w *watch, err error) Result {
	var rpc *connect.Error
	if ctx.Err() != nil || !errors.As(err, &rpc) || !connect.IsWireError(err) {
		if errors.As(err, &rpc) {
			err = rpc.Unwrap()
		}
		return w.failed(ctx, err)
	}
	switch rpc.Code() {
	case connect.CodeUnimplemented:
		return w.degraded("answered, and does not implement grpc.health.v1")
	case connect.CodeNotFound:
		return w.degraded(fmt.Sprintf("answered, and knows no service %q", p.Service))
	}
	return w.degraded("answered with the gRPC code " + rpc.Code().String())
}
