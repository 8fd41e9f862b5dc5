package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/headwater-sre/headwater/correlate/replay"
	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// recorder turns a server's stream into a scenario file.
type recorder struct {
	app  *app
	file string // empty: standard output
	name string
	bounds
}

func (a *app) addRecord() {
	cmd := a.cli.Command("record", "Write what the server has seen as a scenario that hwctl replay runs: alerts, health results, changes, commands, topology. Reads all of the server's stream.")
	r := &recorder{app: a}
	cmd.Arg("file", "The file to write; one named .json.gz is compressed. Default: standard output.").StringVar(&r.file)
	r.register(cmd, "")
	a.command(cmd, r.run)
}

// register adds the flags, each with a prefix.
func (r *recorder) register(cmd *kingpin.CmdClause, prefix string) {
	r.bounds.register(cmd, prefix, "Record", "as far back as the stream reaches")
	cmd.Flag(prefix+"name", "The scenario's name. Default: the file's.").StringVar(&r.name)
}

func (r *recorder) run(ctx context.Context) error {
	req, err := r.request()
	if err != nil {
		return err
	}
	if r.file == "" {
		return r.receive(ctx, req, r.app.out)
	}
	return r.writeFile(ctx, req)
}

func (r *recorder) request() (*headwaterv1.RecordScenarioRequest, error) {
	name := r.name
	if name == "" && r.file != "" {
		name = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(r.file), ".gz"), ".json")
	}
	since, until, err := r.read(r.app)
	return &headwaterv1.RecordScenarioRequest{Name: name, Since: since, Until: until}, err
}

// receive writes the document to w as it comes.
func (r *recorder) receive(ctx context.Context, req *headwaterv1.RecordScenarioRequest, w io.Writer) error {
	conn, err := r.app.server.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stream, err := headwaterv1.NewRecordingServiceClient(conn).RecordScenario(ctx, req)
	if err != nil {
		return err
	}
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, piece.GetText()); err != nil {
			return fmt.Errorf("write recording: %w", err)
		}
	}
}

// writeFile writes the recording whole and readable, or not at all.
func (r *recorder) writeFile(ctx context.Context, req *headwaterv1.RecordScenarioRequest) (err error) {
	// The name ends as the file's does, which says whether it is compressed.
	f, err := os.CreateTemp(filepath.Dir(r.file), ".recording-*-"+filepath.Base(r.file))
	if err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := firstOf(r.fill(ctx, req, f), f.Close()); err != nil {
		return err
	}
	s, err := replay.ReadFile(f.Name())
	if err != nil {
		return fmt.Errorf("what the server sent cannot be replayed: %w", err)
	}
	if err := os.Rename(f.Name(), r.file); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	fmt.Fprintf(r.app.errs, "%s: %s over %s\n", r.file, plural(len(s.Events), "event"), span(s.Span()))
	return nil
}

func (r *recorder) fill(ctx context.Context, req *headwaterv1.RecordScenarioRequest, f *os.File) error {
	if err := f.Chmod(0o644); err != nil { // CreateTemp makes private files
		return fmt.Errorf("write recording: %w", err)
	}
	if strings.HasSuffix(r.file, ".gz") {
		packed := gzip.NewWriter(f)
		return firstOf(r.receive(ctx, req, packed), packed.Close())
	}
	out := bufio.NewWriter(f)
	return firstOf(r.receive(ctx, req, out), out.Flush())
}

// firstOf is the first error. A joined one would hide a status of the server's.
func firstOf(errs ...error) error { return cmp.Or(errs...) }
