package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// errorDomain is the domain of every ErrorInfo: together with its reason it tells a
// program what happened, without reading the message.
const errorDomain = "headwater"

// Reasons of ErrorInfo. They are part of the API.
const (
	reasonMerged         = "INCIDENT_MERGED"    // metadata: incident, merged_into
	reasonRejected       = "COMMAND_REJECTED"   // metadata: incident
	reasonNotApplied     = "COMMAND_IN_FLIGHT"  // metadata: revision
	reasonUnavailable    = "STREAM_UNAVAILABLE" //
	reasonFutureRevision = "REVISION_AHEAD"     // metadata: revision, requested
	reasonWatchLimit     = "WATCH_LIMIT"        // metadata: limit
	reasonRecordLimit    = "RECORDING_LIMIT"    // metadata: limit
	reasonETag           = "ETAG_MISMATCH"      // metadata: source, or incident, revision
	reasonSourceLimit    = "SOURCE_LIMIT"       //
	reasonNoSources      = "NO_SOURCES"         //
	reasonShutdown       = "SHUTTING_DOWN"      // metadata: revision
)

// FieldError is an error of [HealthReporter] about one field, whose text does not
// repeat the field. It becomes INVALID_ARGUMENT.
type FieldError interface {
	error
	// Field is the path of the field in the request, such as "results[3].service".
	Field() string
}

// newStatus attaches details, which can only fail for a message that cannot be encoded.
func newStatus(code codes.Code, text string, details ...protoadapt.MessageV1) error {
	s := status.New(code, text)
	if detailed, err := s.WithDetails(details...); err == nil {
		s = detailed
	}
	return s.Err()
}

// invalid is INVALID_ARGUMENT for one field of the request.
func invalid(field, description string) error {
	return newStatus(codes.InvalidArgument, field+": "+description, &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}},
	})
}

// missing is NOT_FOUND for a resource of the API.
func missing(kind, name, text string) error {
	return newStatus(codes.NotFound, text, &errdetails.ResourceInfo{ResourceType: "headwater.v1." + kind, ResourceName: name})
}

// fault is any other error that a program should be able to tell apart.
func fault(code codes.Code, reason, text string, metadata map[string]string) error {
	return newStatus(code, text, &errdetails.ErrorInfo{Domain: errorDomain, Reason: reason, Metadata: metadata})
}

// streamUnavailable answers a command or report that was not made durable: the client
// may send it again.
func streamUnavailable(err error) error {
	return newStatus(codes.Unavailable, "not accepted, send it again: "+err.Error(),
		&errdetails.ErrorInfo{Domain: errorDomain, Reason: reasonUnavailable},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
}

// publishError translates what [Publisher] and [HealthReporter] return.
func publishError(ctx context.Context, err error) error {
	var field FieldError
	switch {
	case errors.As(err, &field):
		return invalid(field.Field(), err.Error())
	case ctx.Err() != nil:
		return contextError(ctx, "waiting until it is durable; it may have been accepted")
	default:
		return streamUnavailable(err)
	}
}

// contextError is the client's cancellation or the passing of the deadline.
func contextError(ctx context.Context, doing string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return status.Error(codes.DeadlineExceeded, "the deadline passed while "+doing)
	}
	return status.Error(codes.Canceled, "canceled while "+doing)
}

// toStatus is the one place where an error that no method expected becomes a status.
// Those of methods pass as they are.
func toStatus(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	if ctx.Err() != nil {
		return contextError(ctx, "the answer was being read")
	}
	return status.Error(codes.Internal, fmt.Sprintf("internal error: %v", err))
}
