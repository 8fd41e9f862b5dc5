package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

const (
	archiveFormat  = "headwater-archive"
	archiveVersion = 1
	// maxArchiveLine bounds one line: an incident with everything that people wrote about it.
	maxArchiveLine = 64 << 20
	// importBatch and importBytes bound what is sent at once.
	importBatch = 200
	importBytes = 1 << 20
)

func (a *app) addExport() {
	cmd := a.cli.Command("export", "Write incidents that are over, with alerts, timeline, pages and action items, and what was learned, as lines of JSON that hwctl import reads.")
	var file string
	var over bounds
	cmd.Arg("file", "The file to write; one named .gz is compressed. Default: standard output.").StringVar(&file)
	over.register(cmd, "", "Export incidents opened", "as far back as there are any")
	a.command(cmd, func(ctx context.Context) error {
		req := &headwaterv1.ExportArchiveRequest{}
		var err error
		if req.Since, req.Until, err = over.read(a); err != nil {
			return err
		}
		if file == "" {
			_, err := a.receiveArchive(ctx, req, a.out)
			return err
		}
		return a.exportFile(ctx, req, file)
	})
}

// exportFile writes the archive whole, or not at all.
func (a *app) exportFile(ctx context.Context, req *headwaterv1.ExportArchiveRequest, file string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".export-*")
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	var end *headwaterv1.ArchiveEnd
	if strings.HasSuffix(file, ".gz") {
		packed := gzip.NewWriter(f)
		if end, err = a.receiveArchive(ctx, req, packed); err == nil {
			err = packed.Close()
		}
	} else {
		out := bufio.NewWriter(f)
		if end, err = a.receiveArchive(ctx, req, out); err == nil {
			err = out.Flush()
		}
	}
	if err := firstOf(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	fmt.Fprintf(a.errs, "%s: %s, %s, %s", file, plural(int(end.GetIncidents()), "incident"), plural(int(end.GetAlerts()), "alert"), plural(int(end.GetActionItems()), "action item"))
	if n := end.GetOpen(); n > 0 {
		fmt.Fprintf(a.errs, "; %d more are open and not in it", n)
	}
	fmt.Fprintln(a.errs)
	return nil
}

// receiveArchive writes the records to w, one a line, as they come.
func (a *app) receiveArchive(ctx context.Context, req *headwaterv1.ExportArchiveRequest, w io.Writer) (end *headwaterv1.ArchiveEnd, err error) {
	conn, err := a.server.dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stream, err := headwaterv1.NewArchiveServiceClient(conn).ExportArchive(ctx, req)
	if err != nil {
		return nil, err
	}
	for {
		next, err := stream.Recv()
		if errors.Is(err, io.EOF) && end != nil {
			return end, nil
		}
		if err != nil {
			return nil, err
		}
		line, err := compactJSON(next.GetRecord())
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return nil, fmt.Errorf("write archive: %w", err)
		}
		end = next.GetRecord().GetEnd()
	}
}

func (a *app) addImport() {
	cmd := a.cli.Command("import", "Add the incidents of an archive as history: they are listed and seen before, and page nobody. What is here already stays as it is, so it can be repeated.")
	var file, as string
	req := &headwaterv1.ImportArchiveRequest{}
	cmd.Arg("file", "What hwctl export wrote; one named .gz is compressed.").Required().StringVar(&file)
	cmd.Flag("environment", "Import as from this environment. Default: the archive's. The ids begin with it, as in prod-eu.INC-41.").StringVar(&as)
	actorFlag(cmd, &req.Actor)
	a.command(cmd, func(ctx context.Context) error {
		in, done, err := openArchive(file)
		if err != nil {
			return err
		}
		defer done()
		req.Environment = as
		return a.importArchive(ctx, req, in)
	})
}

// openArchive opens a file for reading, unpacked.
func openArchive(file string) (in io.Reader, done func(), err error) {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, nil, fmt.Errorf("read archive: %w", err)
	}
	done = func() { _ = f.Close() }
	if !strings.HasSuffix(file, ".gz") {
		return f, done, nil
	}
	packed, err := gzip.NewReader(f)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("read archive %s: %w", file, err)
	}
	return packed, done, nil
}

// archiveImport is one archive on its way to the server.
type archiveImport struct {
	app    *app
	client headwaterv1.ArchiveServiceClient
	req    *headwaterv1.ImportArchiveRequest
	bytes  int // of req
	total  *headwaterv1.ImportArchiveResponse
}

func (a *app) importArchive(ctx context.Context, req *headwaterv1.ImportArchiveRequest, in io.Reader) error {
	conn, err := a.server.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	im := &archiveImport{app: a, client: headwaterv1.NewArchiveServiceClient(conn), req: req, total: &headwaterv1.ImportArchiveResponse{}}
	whole, err := im.read(ctx, in)
	if err == nil {
		err = im.send(ctx)
	}
	if err != nil {
		return err
	}
	if a.json() {
		err = a.printJSON(im.total)
	} else {
		im.tell()
	}
	switch {
	case err != nil:
		return err
	case !whole:
		return errors.New("the archive has no end: what it holds was imported, and more may be missing")
	case len(im.total.GetRefused()) > 0:
		return fmt.Errorf("%s of the archive could not be imported", plural(len(im.total.GetRefused()), "incident"))
	}
	return nil
}

// read sends the records of an archive on. whole: its end was there.
func (im *archiveImport) read(ctx context.Context, in io.Reader) (whole bool, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxArchiveLine)
	for n := 1; lines.Scan(); n++ {
		record := &headwaterv1.ArchiveRecord{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(lines.Bytes(), record); err != nil {
			return false, fmt.Errorf("line %d of the archive: %w", n, err)
		}
		if n == 1 {
			if err := im.begin(record.GetHeader()); err != nil {
				return false, err
			}
			continue
		}
		whole = record.GetEnd() != nil
		if err := im.add(ctx, record); err != nil {
			return false, err
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read archive: %w", err)
	}
	if im.req.GetEnvironment() == "" {
		return false, errors.New("the file is empty; want what hwctl export wrote")
	}
	return whole, nil
}

// begin takes the header in.
func (im *archiveImport) begin(h *headwaterv1.ArchiveHeader) error {
	switch {
	case h.GetFormat() != archiveFormat:
		return errors.New("line 1 of the archive is no header; want what hwctl export wrote")
	case h.GetVersion() > archiveVersion:
		return fmt.Errorf("the archive has version %d, and this hwctl reads up to %d; take a newer one", h.GetVersion(), archiveVersion)
	}
	if im.req.GetEnvironment() == "" {
		im.req.Environment = h.GetEnvironment()
	}
	return nil
}

// add keeps of a record what an import reads, and sends what has come together.
func (im *archiveImport) add(ctx context.Context, record *headwaterv1.ArchiveRecord) error {
	switch r := record.GetRecord().(type) {
	case *headwaterv1.ArchiveRecord_Incident:
		r.Incident = &headwaterv1.ArchivedIncident{Data: r.Incident.GetData()}
	case *headwaterv1.ArchiveRecord_Alerts:
		r.Alerts = &headwaterv1.ArchivedAlerts{Data: r.Alerts.GetData()}
	default:
		return nil
	}
	if size := proto.Size(record); len(im.req.GetRecords()) == importBatch || im.bytes+size > importBytes {
		if err := im.send(ctx); err != nil {
			return err
		}
	}
	im.bytes += proto.Size(record)
	im.req.Records = append(im.req.GetRecords(), record)
	return nil
}

func (im *archiveImport) send(ctx context.Context) error {
	if len(im.req.GetRecords()) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, im.app.timeout)
	defer cancel()
	got, err := im.client.ImportArchive(ctx, im.req)
	if err != nil {
		return err
	}
	t := im.total
	t.Incidents += got.GetIncidents()
	t.Known += got.GetKnown()
	t.Alerts += got.GetAlerts()
	t.ActionItems += got.GetActionItems()
	t.Refused = append(t.GetRefused(), got.GetRefused()...)
	t.Revision = got.GetRevision()
	im.req.Records, im.bytes = nil, 0
	return nil
}

func (im *archiveImport) tell() {
	t := im.total
	fmt.Fprintf(im.app.out, "%s imported from %s, with %s and %s; %d were here already\n",
		plural(int(t.GetIncidents()), "incident"), im.req.GetEnvironment(), plural(int(t.GetAlerts()), "alert"),
		plural(int(t.GetActionItems()), "action item"), t.GetKnown())
	for _, r := range t.GetRefused() {
		fmt.Fprintf(im.app.out, "  %s was not imported: %s\n", clean(r.GetIncident()), clean(r.GetReason()))
	}
}
