package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// maxRESTBody bounds a request's body; JSON is about twice the size of its message.
const maxRESTBody = 2 * maxRecvBytes

// RESTHandler serves the paths of proto/headwater/v1/gateway.yaml and some documents, all
// under /api/v1/, over conn, usually a [Loopback].
//
// JSON fields have the names of the proto files. Fields at their default are sent, so
// that a list is [] and not missing; unset messages, such as times, are left out. 64-bit
// integers are strings, as in all JSON of protobuf. A request may leave out anything; a
// field that does not exist is an error. A watch is one object a line, each within
// {"result": …}, or {"error": …} as the last.
//
// Browsers may use it from Headwater's own pages and from the sites in origins.
func RESTHandler(ctx context.Context, conn grpc.ClientConnInterface, origins Origins) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, jsonLines{&runtime.JSONPb{
			MarshalOptions: protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true},
		}}),
		runtime.SetQueryParameterParser(strictQuery{}),
		runtime.WithMetadata(func(_ context.Context, r *http.Request) metadata.MD { return userMetadata(r) }),
		// Nothing else of the request's headers goes in.
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		// One meaning for each request: no method in a header, no POST that counts as GET.
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithRoutingErrorHandler(routingError),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllCharacters),
	)
	for _, register := range []func() error{
		func() error {
			return pb.RegisterIncidentServiceHandlerClient(ctx, mux, pb.NewIncidentServiceClient(conn))
		},
		func() error { return pb.RegisterAlertServiceHandlerClient(ctx, mux, pb.NewAlertServiceClient(conn)) },
		func() error { return pb.RegisterHealthServiceHandlerClient(ctx, mux, pb.NewHealthServiceClient(conn)) },
		func() error {
			return pb.RegisterTopologyServiceHandlerClient(ctx, mux, pb.NewTopologyServiceClient(conn))
		},
		func() error {
			return pb.RegisterActionItemServiceHandlerClient(ctx, mux, pb.NewActionItemServiceClient(conn))
		},
		func() error {
			return pb.RegisterMaintenanceServiceHandlerClient(ctx, mux, pb.NewMaintenanceServiceClient(conn))
		},
		func() error {
			return pb.RegisterLearningServiceHandlerClient(ctx, mux, pb.NewLearningServiceClient(conn))
		},
		func() error {
			return pb.RegisterRecordingServiceHandlerClient(ctx, mux, pb.NewRecordingServiceClient(conn))
		},
		func() error { return pb.RegisterSetupServiceHandlerClient(ctx, mux, pb.NewSetupServiceClient(conn)) },
		func() error { return pb.RegisterReportServiceHandlerClient(ctx, mux, pb.NewReportServiceClient(conn)) },
		func() error { return registerDocuments(mux, conn) },
		func() error { return pb.RegisterAuditServiceHandlerClient(ctx, mux, pb.NewAuditServiceClient(conn)) },
		func() error { return pb.RegisterStatsServiceHandlerClient(ctx, mux, pb.NewStatsServiceClient(conn)) },
		func() error {
			return pb.RegisterArchiveServiceHandlerClient(ctx, mux, pb.NewArchiveServiceClient(conn))
		},
		func() error { return pb.RegisterConfigServiceHandlerClient(ctx, mux, pb.NewConfigServiceClient(conn)) },
	} {
		if err := register(); err != nil {
			return nil, fmt.Errorf("register REST paths: %w", err)
		}
	}
	if err := mux.HandlePath(http.MethodGet, "/api/v1/openapi.json", serveOpenAPI); err != nil {
		return nil, fmt.Errorf("register REST paths: %w", err)
	}
	return origins.guard(http.MaxBytesHandler(mux, maxRESTBody))
}

// serveOpenAPI serves the document that clients are generated from.
func serveOpenAPI(w http.ResponseWriter, _ *http.Request, _ map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(pb.OpenAPI) // the client may be gone
}

// routingError answers in words what matched no path.
func routingError(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	switch code {
	case http.StatusNotFound:
		err := status.Error(codes.NotFound, "there is no "+r.URL.Path+"; the paths are in /api/v1/openapi.json")
		runtime.HTTPError(ctx, mux, m, w, r, err)
	case http.StatusMethodNotAllowed:
		err := status.Error(codes.Unimplemented, r.Method+" is not allowed on "+r.URL.Path)
		runtime.HTTPError(ctx, mux, m, w, r, &runtime.HTTPStatusError{HTTPStatus: code, Err: err})
	default:
		runtime.DefaultRoutingErrorHandler(ctx, mux, m, w, r, code)
	}
}

// jsonLines gives a stream of objects its own content type.
type jsonLines struct{ *runtime.JSONPb }

// StreamContentType implements [runtime.StreamContentType].
func (jsonLines) StreamContentType(any) string { return "application/x-ndjson" }

// strictQuery refuses parameters that the request does not have. Without it a misspelt
// filter would select everything.
type strictQuery struct{ runtime.DefaultQueryParser }

// Parse implements [runtime.QueryParameterParser].
func (q strictQuery) Parse(msg proto.Message, values url.Values, pathFields *utilities.DoubleArray) error {
	fields := msg.ProtoReflect().Descriptor().Fields()
	for name := range values {
		first, _, _ := strings.Cut(name, ".")
		if fields.ByName(protoreflect.Name(first)) == nil && fields.ByJSONName(first) == nil {
			return status.Error(codes.InvalidArgument, fmt.Sprintf("unknown parameter %q; use one of %s", name, fieldNames(fields)))
		}
	}
	return q.DefaultQueryParser.Parse(msg, values, pathFields)
}

func fieldNames(fields protoreflect.FieldDescriptors) string {
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Name())
	}
	return strings.Join(names, ", ")
}
