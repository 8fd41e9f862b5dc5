package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headwater-sre/headwater/correlate/replay"
	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// recordingServer sends text in pieces and then ends with err.
type recordingServer struct {
	headwaterv1.UnimplementedRecordingServiceServer
	text string
	err  error

	asked *headwaterv1.RecordScenarioRequest // read after the call
}

func (s *recordingServer) RecordScenario(req *headwaterv1.RecordScenarioRequest, stream grpc.ServerStreamingServer[headwaterv1.RecordScenarioResponse]) error {
	s.asked = req
	for rest := s.text; rest != ""; {
		n := min(100, len(rest))
		if err := stream.Send(&headwaterv1.RecordScenarioResponse{Text: rest[:n]}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return s.err
}

// hwctl runs a command line against s, in a folder of its own.
func (s *recordingServer) hwctl(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	headwaterv1.RegisterRecordingServiceServer(srv, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener) // ends with Stop
	}()
	defer func() { srv.Stop(); <-done }()
	var stdout, stderr bytes.Buffer
	a := newApp(&stdout, &stderr, func() time.Time { return now }, false)
	code = a.run(t.Context(), append([]string{"--address=" + listener.Addr().String()}, args...))
	return code, stdout.String(), stderr.String()
}

func recording(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../correlate/replay/testdata/two-faults.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRecordWritesAFileThatCanBeReplayed(t *testing.T) {
	for _, name := range []string{"friday.json", "friday.json.gz"} {
		for _, command := range [][]string{{"record"}, {"replay", "--record"}} {
			t.Run(strings.Join(command, " ")+" "+name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), name)
				s := &recordingServer{text: recording(t)}
				code, out, errs := s.hwctl(t, append(command, file)...)
				if code != exitOK || out != "" || errs != file+": 14 events over 11m\n" {
					t.Fatalf("exit code %d, output %q, errors %q", code, out, errs)
				}
				if s.asked.GetName() != "friday" || s.asked.GetSince() != nil || s.asked.GetUntil() != nil {
					t.Errorf("asked for %v", s.asked)
				}
				if got, err := replay.ReadFile(file); err != nil || len(got.Events) != 14 {
					t.Errorf("got %+v, %v", got, err)
				}
				if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
					t.Errorf("left behind: %v, %v", left, err)
				}
			})
		}
	}
}

func TestRecordToStandardOutput(t *testing.T) {
	s := &recordingServer{text: recording(t)}
	code, out, errs := s.hwctl(t, "record", "--name=n", "--since=2h", "--until=2026-11-20T03:00:00Z")
	if code != exitOK || out != s.text {
		t.Errorf("exit code %d, %d bytes of %d: %s", code, len(out), len(s.text), errs)
	}
	since, until := s.asked.GetSince().AsTime(), s.asked.GetUntil().AsTime()
	if s.asked.GetName() != "n" || !since.Equal(now.Add(-2*time.Hour)) || !until.Equal(time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)) {
		t.Errorf("asked for %v", s.asked)
	}
}

func TestRecordLeavesNothingHalfDone(t *testing.T) {
	whole := recording(t)
	for _, c := range []struct {
		name   string
		server recordingServer
		code   int
		says   string
	}{
		{"the stream breaks", recordingServer{text: whole[:1000], err: status.Error(codes.Unavailable, "record again")}, exitUnavailable, "record again"},
		{"the server ends too early", recordingServer{text: whole[:1000]}, exitFailed, "what the server sent cannot be replayed"},
		{"a server without a stream", recordingServer{err: status.Error(codes.Unimplemented, "no stream")}, exitFailed, "no stream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "friday.json")
			if err := os.WriteFile(file, []byte("the last recording"), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, errs := c.server.hwctl(t, "record", file)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d: %s", code, errs)
			}
			left, err := os.ReadDir(filepath.Dir(file))
			if err != nil || len(left) != 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != "the last recording" {
				t.Errorf("the file that was there: %q, %v", text, err)
			}
		})
	}
}

func TestRecordRefusesWhatMakesNoSense(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"record", "x.json", "--since=yesterday"}, `--since: want a time such as 2026-01-05T00:07:31Z, or how long ago, such as 2h; got "yesterday"`},
		{[]string{"replay", "--record=x.json", "y.json"}, "--record asks a server and replays nothing; leave out y.json"},
		{[]string{"replay"}, "required argument 'path' not provided"},
	} {
		code, _, errs := new(recordingServer).hwctl(t, c.args...)
		if code != exitUsage || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit code %d: %s", c.args, code, errs)
		}
	}
}
