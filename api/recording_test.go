package api

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// recorderFunc is a [Recorder].
type recorderFunc func(ctx context.Context, w io.Writer, name string, since, until time.Time) error

func (f recorderFunc) Record(ctx context.Context, w io.Writer, name string, since, until time.Time) error {
	return f(ctx, w, name, since, until)
}

func recordings(t *testing.T, f recorderFunc) (*rig, pb.RecordingServiceClient) {
	t.Helper()
	r := newRig(t, func(o *Options) {
		if f != nil {
			o.Recorder = f
		}
	})
	_, conn := r.serve(t)
	return r, pb.NewRecordingServiceClient(conn)
}

// recorded is the whole document and the number of its pieces.
func recorded(t *testing.T, client pb.RecordingServiceClient, req *pb.RecordScenarioRequest) (text string, pieces int, err error) {
	t.Helper()
	stream, err := client.RecordScenario(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return b.String(), pieces, nil
		}
		if err != nil {
			return b.String(), pieces, err
		}
		if !utf8.ValidString(piece.GetText()) {
			t.Fatal("a piece ends within a character")
		}
		pieces++
		b.WriteString(piece.GetText())
	}
}

func TestRecordingComesWholeAndInPieces(t *testing.T) {
	line := strings.Repeat("größer, 大きい, 🦊;", 11) + "\n"
	want := strings.Repeat(line, 2000)
	_, client := recordings(t, func(_ context.Context, w io.Writer, _ string, _, _ time.Time) error {
		for rest := want; rest != ""; { // whatever the writer's buffer is cut to
			n := min(4096, len(rest))
			if _, err := io.WriteString(w, rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	got, pieces, err := recorded(t, client, &pb.RecordScenarioRequest{})
	if err != nil || got != want {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if pieces < 4 || pieces > 20 {
		t.Errorf("%d pieces", pieces)
	}
}

func TestRecordingIsAskedForWithItsRange(t *testing.T) {
	since, until := startOfTests, startOfTests.Add(time.Hour)
	var asked []any
	_, client := recordings(t, func(_ context.Context, _ io.Writer, name string, since, until time.Time) error {
		asked = []any{name, since, until}
		return nil
	})
	if _, _, err := recorded(t, client, &pb.RecordScenarioRequest{Name: "friday", Since: timestamppb.New(since), Until: timestamppb.New(until)}); err != nil {
		t.Fatal(err)
	}
	if asked[0] != "friday" || asked[1] != since || asked[2] != until {
		t.Errorf("asked for %v", asked)
	}
	if _, _, err := recorded(t, client, &pb.RecordScenarioRequest{}); err != nil {
		t.Fatal(err)
	}
	if asked[0] != "recording" || !asked[1].(time.Time).IsZero() || !asked[2].(time.Time).IsZero() {
		t.Errorf("asked for %v", asked)
	}
}

func TestRecordingsThatCannotBe(t *testing.T) {
	ask := &pb.RecordScenarioRequest{}
	ok := recorderFunc(func(context.Context, io.Writer, string, time.Time, time.Time) error { return nil })
	torn := recorderFunc(func(_ context.Context, w io.Writer, _ string, _, _ time.Time) error {
		_, _ = io.WriteString(w, strings.Repeat("x", 2*recordingPiece))
		return errors.New("the stream broke")
	})
	for _, c := range []struct {
		name     string
		recorder recorderFunc
		req      *pb.RecordScenarioRequest
		code     codes.Code
		text     string
	}{
		{"no stream", nil, ask, codes.Unimplemented, "this server has no stream to record"},
		{"a stream that breaks half-way", torn, ask, codes.Unavailable, "record again: the stream broke"},
		{"a range that ends before it begins", ok, &pb.RecordScenarioRequest{Since: timestamppb.New(startOfTests), Until: timestamppb.New(startOfTests.Add(-1))}, codes.InvalidArgument, "until: the range ends before it begins"},
		{"a time that is none", ok, &pb.RecordScenarioRequest{Since: &timestamppb.Timestamp{Nanos: -1}}, codes.InvalidArgument, "since: "},
		{"a name that no file could have", ok, &pb.RecordScenarioRequest{Name: strings.Repeat("x", 201)}, codes.InvalidArgument, "name: want at most 200 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, client := recordings(t, c.recorder)
			_, _, err := recorded(t, client, c.req)
			if status.Code(err) != c.code || !strings.Contains(status.Convert(err).Message(), c.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRecordingsAreBoundedAndEndWithTheServer(t *testing.T) {
	began := make(chan struct{})
	r, client := recordings(t, func(ctx context.Context, _ io.Writer, _ string, _, _ time.Time) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	ended := make(chan error, maxRecordings)
	for range maxRecordings {
		go func() {
			stream, err := client.RecordScenario(t.Context(), &pb.RecordScenarioRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			ended <- err
		}()
		<-began
	}
	if _, _, err := recorded(t, client, &pb.RecordScenarioRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one more than the limit: %v", err)
	}
	r.Stop()
	for range maxRecordings {
		if err := <-ended; status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "shutting down") {
			t.Errorf("ended with %v", err)
		}
	}
}
