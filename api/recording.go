package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

const (
	// maxRecordings bounds those that run at a time, exports included: each reads the whole stream, or all history.
	maxRecordings = 2
	// recordingPiece is about how much text one message carries.
	recordingPiece = 64 << 10
	// maxRecordingName bounds a scenario's name: it becomes a file's.
	maxRecordingName = 200
	// defaultRecordingName is that of a recording that nobody named.
	defaultRecordingName = "recording"
)

// recordingService implements [pb.RecordingServiceServer].
type recordingService struct {
	pb.UnimplementedRecordingServiceServer
	*Server
}

// RecordScenario implements [pb.RecordingServiceServer].
func (s *recordingService) RecordScenario(req *pb.RecordScenarioRequest, stream grpc.ServerStreamingServer[pb.RecordScenarioResponse]) error {
	if s.options.Recorder == nil {
		return status.Error(codes.Unimplemented, "this server has no stream to record")
	}
	since, until, err := recordingRange(req)
	if err != nil {
		return err
	}
	leave, err := s.enterRecording()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.untilStopped(stream.Context())
	defer cancel()
	name := req.GetName()
	if name == "" {
		name = defaultRecordingName
	}
	out := &pieces{stream: stream}
	if err := s.options.Recorder.Record(ctx, out, name, since, until); err != nil {
		return recordingError(ctx, out, err)
	}
	return out.flush(len(out.text))
}

var errShutdown = errors.New("the server is shutting down")

// untilStopped is ctx until the server stops, with [errShutdown] as the cause then. The
// caller calls cancel.
func (s *Server) untilStopped(ctx context.Context) (_ context.Context, cancel func()) {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.stopping:
			end(errShutdown)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { end(nil) }
}

func recordingRange(req *pb.RecordScenarioRequest) (since, until time.Time, err error) {
	if len(req.GetName()) > maxRecordingName {
		return since, until, invalid("name", fmt.Sprintf("want at most %d bytes, got %d", maxRecordingName, len(req.GetName())))
	}
	return readRange(req)
}

// readRange reads the two ends of a time; zero: not given.
func readRange(req interface {
	GetSince() *timestamppb.Timestamp
	GetUntil() *timestamppb.Timestamp
},
) (since, until time.Time, err error) {
	for _, field := range []struct {
		name string
		in   *timestamppb.Timestamp
		out  *time.Time
	}{{"since", req.GetSince(), &since}, {"until", req.GetUntil(), &until}} {
		if field.in == nil {
			continue
		}
		if err := field.in.CheckValid(); err != nil {
			return since, until, invalid(field.name, err.Error())
		}
		*field.out = field.in.AsTime()
	}
	if !until.IsZero() && until.Before(since) {
		return since, until, invalid("until", "the range ends before it begins")
	}
	return since, until, nil
}

// enterRecording counts a recording in, if there is room.
func (s *Server) enterRecording() (leave func(), err error) {
	select {
	case s.recordSlots <- struct{}{}:
		return func() { <-s.recordSlots }, nil
	default:
	}
	limit := strconv.Itoa(maxRecordings)
	return nil, fault(codes.ResourceExhausted, reasonRecordLimit, "already "+limit+" recordings and exports are running, which is the limit; try again later", map[string]string{"limit": limit})
}

func recordingError(ctx context.Context, out *pieces, err error) error {
	switch {
	case out.err != nil:
		return out.err // the client's connection
	case errors.Is(context.Cause(ctx), errShutdown):
		return fault(codes.Unavailable, reasonShutdown, "the server is shutting down; record from another, or again later", nil)
	case ctx.Err() != nil:
		return contextError(ctx, "recording")
	}
	return fault(codes.Unavailable, reasonUnavailable, "the stream could not be read to its end, record again: "+err.Error(), nil)
}

// pieces is an [io.Writer] that sends text in messages of about [recordingPiece]
// bytes, none of which ends within a character.
type pieces struct {
	stream grpc.ServerStreamingServer[pb.RecordScenarioResponse]
	text   []byte
	err    error // of sending
}

// Write implements [io.Writer].
func (p *pieces) Write(text []byte) (int, error) {
	p.text = append(p.text, text...)
	if len(p.text) < recordingPiece {
		return len(text), nil
	}
	return len(text), p.flush(wholeRunes(p.text))
}

// flush sends the first n bytes.
func (p *pieces) flush(n int) error {
	if n > 0 && p.err == nil {
		p.err = p.stream.Send(&pb.RecordScenarioResponse{Text: string(p.text[:n])})
		p.text = append(p.text[:0], p.text[n:]...)
	}
	return p.err
}

// wholeRunes is the length of text without a character that has only begun at its end.
func wholeRunes(text []byte) int {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if utf8.FullRune(text[i:]) {
				break
			}
			return i
		}
	}
	return len(text)
}
