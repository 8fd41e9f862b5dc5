package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

const (
	archiveFormat  = "headwater-archive"
	archiveVersion = 1
	// archivedAlerts is how many alerts one record holds.
	archivedAlerts = 200
	// exportBatch is how many incidents are held at a time.
	exportBatch = 100
	// maxImportRecords bounds the records of one request: each is an entry of the stream.
	maxImportRecords = 500
)

type archiveService struct {
	pb.UnimplementedArchiveServiceServer
	*Server
}

// ExportArchive implements [pb.ArchiveServiceServer].
func (s *archiveService) ExportArchive(req *pb.ExportArchiveRequest, stream grpc.ServerStreamingServer[pb.ExportArchiveResponse]) error {
	since, until, err := readRange(req)
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
	x := export{s: s, stream: stream, since: since, until: until}
	if x.until.IsZero() {
		x.until = time.Now()
	}
	if err := x.run(ctx); err != nil {
		if errors.Is(context.Cause(ctx), errShutdown) {
			return fault(codes.Unavailable, reasonShutdown, "the server is shutting down; export from another, or again later", nil)
		}
		return err
	}
	return nil
}

// export is one archive that is being sent.
type export struct {
	s            *archiveService
	stream       grpc.ServerStreamingServer[pb.ExportArchiveResponse]
	since, until time.Time
	actions      map[string][]*correlate.ActionItem // by incident
	end          pb.ArchiveEnd
}

func (x *export) run(ctx context.Context) error {
	revision, err := x.readActions(ctx)
	if err != nil {
		return fmt.Errorf("read action items: %w", err)
	}
	head := &pb.ArchiveHeader{
		Format: archiveFormat, Version: archiveVersion, Environment: x.s.options.Engine().Environment,
		ExportedAt: timestamppb.Now(), Since: timeToProto(x.since), Until: timestamppb.New(x.until), Revision: revision,
	}
	if err := x.send(&pb.ArchiveRecord{Record: &pb.ArchiveRecord_Header{Header: head}}); err != nil {
		return err
	}
	for before, more := uint64(0), true; more; {
		var batch []*correlate.Incident
		if batch, before, more, err = x.batch(ctx, before); err != nil {
			return fmt.Errorf("read incidents: %w", err)
		}
		for _, i := range batch {
			if err := x.incident(ctx, i); err != nil {
				return err
			}
		}
	}
	if err := x.learned(ctx); err != nil {
		return err
	}
	return x.send(&pb.ArchiveRecord{Record: &pb.ArchiveRecord_End{End: &x.end}})
}

func (x *export) send(r *pb.ArchiveRecord) error {
	return x.stream.Send(&pb.ExportArchiveResponse{Record: r})
}

func (x *export) readActions(ctx context.Context) (revision uint64, err error) {
	x.actions = map[string][]*correlate.ActionItem{}
	revision, err = x.s.options.Reader.ScanActionItems(ctx, func(a *correlate.ActionItem) bool {
		if a.Incident != "" {
			x.actions[a.Incident] = append(x.actions[a.Incident], a)
		}
		return ctx.Err() == nil
	})
	return revision, errors.Join(err, ctx.Err())
}

// batch reads the next incidents, from the newest down, of those that are over. Imported
// ones, which come last, are exported where they happened.
func (x *export) batch(ctx context.Context, before uint64) (batch []*correlate.Incident, next uint64, more bool, err error) {
	next = before
	_, err = x.s.options.Reader.ScanIncidents(ctx, before, func(i *correlate.Incident) bool {
		more = false
		if i.Imported() || i.OpenedAt.Before(x.since) {
			return false
		}
		next = i.Number
		switch {
		case !i.OpenedAt.Before(x.until):
		case i.State == correlate.IncidentOpen:
			x.end.Open++
		default:
			batch = append(batch, i)
		}
		more = len(batch) == exportBatch
		return !more && ctx.Err() == nil
	})
	return batch, next, more, errors.Join(err, ctx.Err())
}

func (x *export) incident(ctx context.Context, i *correlate.Incident) error {
	view, err := (&incidentService{Server: x.s.Server}).view(ctx, i, pb.IncidentView_INCIDENT_VIEW_FULL)
	if err != nil {
		return err
	}
	actions := x.actions[i.ID]
	data, err := archiveData(&correlate.Import{Incident: i, Actions: actions})
	if err != nil {
		return err
	}
	x.end.Incidents++
	x.end.ActionItems += int64(len(actions))
	record := &pb.ArchivedIncident{Incident: view, ActionItems: mapped(actions, actionItemToProto), Data: data}
	if err := x.send(&pb.ArchiveRecord{Record: &pb.ArchiveRecord_Incident{Incident: record}}); err != nil {
		return err
	}
	return x.alerts(ctx, i.ID)
}

func (x *export) alerts(ctx context.Context, incident string) error {
	var after correlate.AlertID
	for {
		var rows []*correlate.AlertState
		scan := store.AlertScan{Incident: incident, IncludeArchived: true, After: after}
		_, err := x.s.options.Reader.ScanAlerts(ctx, scan, func(a *correlate.AlertState) bool {
			rows = append(rows, a)
			return len(rows) < archivedAlerts && ctx.Err() == nil
		})
		if err := errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("read alerts of %s: %w", incident, err)
		}
		if len(rows) == 0 {
			return nil
		}
		after = rows[len(rows)-1].ID()
		data, err := archiveData(&correlate.Import{Alerts: rows})
		if err != nil {
			return err
		}
		x.end.Alerts += int64(len(rows))
		record := &pb.ArchivedAlerts{Incident: incident, Alerts: mapped(rows, alertToProto), Data: data}
		if err := x.send(&pb.ArchiveRecord{Record: &pb.ArchiveRecord_Alerts{Alerts: record}}); err != nil {
			return err
		}
	}
}

func (x *export) learned(ctx context.Context) error {
	figures, _, err := (&learningService{Server: x.s.Server}).figures(ctx)
	if err != nil {
		return err
	}
	for i := range figures {
		if err := x.send(&pb.ArchiveRecord{Record: &pb.ArchiveRecord_Learned{Learned: figureToProto(&figures[i])}}); err != nil {
			return err
		}
	}
	return nil
}

func archiveData(im *correlate.Import) ([]byte, error) {
	data, err := proto.Marshal(store.ArchiveToProto(im))
	if err != nil {
		return nil, fmt.Errorf("encode record of archive: %w", err)
	}
	return data, nil
}

// ImportArchive implements [pb.ArchiveServiceServer]. Each record is an entry of the stream of its
// own; that of an incident comes before those of its alerts, as in the archive.
func (s *archiveService) ImportArchive(ctx context.Context, req *pb.ImportArchiveRequest) (*pb.ImportArchiveResponse, error) {
	if err := checkEnvironment(req.GetEnvironment()); err != nil {
		return nil, err
	}
	if n := len(req.GetRecords()); n > maxImportRecords {
		return nil, invalid("records", fmt.Sprintf("want at most %d, got %d", maxImportRecords, n))
	}
	who := actor(ctx, req.GetActor())
	if err := checkText("actor", who, maxActorBytes); err != nil {
		return nil, err
	}
	in := importing{s: s, resp: &pb.ImportArchiveResponse{}, taken: map[string]bool{}, refused: map[string]bool{}}
	for n, record := range req.GetRecords() {
		rows, err := readRecord(record)
		if err != nil {
			return nil, invalid(fmt.Sprintf("records[%d]", n), err.Error())
		}
		if rows == nil {
			continue
		}
		rows.Environment, rows.Actor, rows.Source = req.GetEnvironment(), who, source(ctx)
		if err := in.take(ctx, rows); err != nil {
			return nil, err
		}
	}
	in.resp.Revision = max(in.resp.GetRevision(), s.options.Reader.Revision())
	return in.resp, nil
}

// checkEnvironment wants a name that an id can begin with.
func checkEnvironment(name string) error {
	if name == "" {
		return invalid("environment", "must not be empty; it is that of the archive's header")
	}
	if err := checkText("environment", name, maxEnvironmentBytes); err != nil {
		return err
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if strings.Trim(name, letters) != "" {
		return invalid("environment", fmt.Sprintf("%q is none; want letters, digits, - and _", name))
	}
	return nil
}

// maxEnvironmentBytes is what a configuration allows.
const maxEnvironmentBytes = 64

// readRecord gives the rows of a record that an import takes in; nil for all others.
func readRecord(record *pb.ArchiveRecord) (*correlate.Import, error) {
	var data []byte
	switch r := record.GetRecord().(type) {
	case *pb.ArchiveRecord_Incident:
		data = r.Incident.GetData()
	case *pb.ArchiveRecord_Alerts:
		data = r.Alerts.GetData()
	default:
		return nil, nil
	}
	var rows storev1.Archive
	if err := proto.Unmarshal(data, &rows); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if rows.GetIncident() == nil && len(rows.GetAlerts()) == 0 {
		return nil, errors.New("data: holds neither an incident nor alerts")
	}
	im := store.ArchiveFromProto(&rows)
	of := incidentOf(im)
	for _, a := range im.Alerts {
		if a.Incident != of {
			return nil, fmt.Errorf("data: holds alerts of %s and of %s", of, a.Incident)
		}
	}
	return im, nil
}

// incidentOf is the id, where it happened, of the incident that rows are of.
func incidentOf(rows *correlate.Import) string {
	if rows.Incident != nil {
		return rows.Incident.ID
	}
	return rows.Alerts[0].Incident
}

// importing is the import of one request.
type importing struct {
	s    *archiveService
	resp *pb.ImportArchiveResponse
	// Incidents by what became of them, for their alerts: taken may follow, refused may not.
	taken, refused map[string]bool
}

// take puts rows on the stream, unless they are here already or cannot be imported.
func (in *importing) take(ctx context.Context, rows *correlate.Import) error {
	wanted, err := in.wanted(ctx, rows)
	if err != nil || !wanted {
		return err
	}
	here := rows.Localize()
	err = here.Check()
	if err == nil && proto.Size(store.ArchiveToProto(here)) > maxImportBytes {
		err = fmt.Errorf("it takes more than %d KiB", maxImportBytes>>10)
	}
	if err != nil {
		in.refuse(incidentOf(rows), err.Error())
		return nil
	}
	if in.resp.Revision, err = in.s.options.Commands.Publish(ctx, here); err != nil {
		return publishError(ctx, err)
	}
	rejected, err := in.s.applied(ctx, in.resp.GetRevision())
	if err != nil {
		return err
	}
	if rejected != "" {
		in.refuse(incidentOf(rows), rejected)
		return nil
	}
	if here.Incident != nil {
		in.taken[incidentOf(rows)] = true
		in.resp.Incidents++
	}
	in.resp.Alerts += int64(len(here.Alerts))
	in.resp.ActionItems += int64(len(here.Actions))
	return nil
}

// maxImportBytes bounds one entry: a stream takes messages of a mebibyte.
const maxImportBytes = 900 << 10

func (in *importing) refuse(incident, why string) {
	if !in.refused[incident] {
		in.refused[incident] = true
		in.resp.Refused = append(in.resp.Refused, &pb.RefusedImport{Incident: incident, Reason: why})
	}
}

// wanted reports whether the rows are to be put on the stream. Alerts are as long as their
// incident was imported at some time: an import that was cut off between the two is
// completed by the next one.
func (in *importing) wanted(ctx context.Context, rows *correlate.Import) (bool, error) {
	id := incidentOf(rows)
	if in.refused[id] {
		return false, nil
	}
	imported, err := in.incident(ctx, correlate.ImportedID(rows.Environment, id))
	if err != nil {
		return false, err
	}
	ours, err := in.incident(ctx, id)
	if err != nil {
		return false, err
	}
	isOurs := ours != nil && ours.Environment == rows.Environment && (rows.Incident == nil || ours.OpenedAt.Equal(rows.Incident.OpenedAt))
	switch {
	case rows.Incident != nil && (imported != nil || isOurs):
		in.resp.Known++
		in.refused[id] = imported == nil // for its alerts are here, too
		return false, nil
	case rows.Incident == nil && imported == nil && !in.taken[id]:
		if !isOurs {
			in.refuse(id, "its alerts come without it")
		}
		return false, nil
	}
	return true, nil
}

// incident returns nil when there is none.
func (in *importing) incident(ctx context.Context, id string) (*correlate.Incident, error) {
	i, _, err := in.s.options.Reader.Incident(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for incident %s: %w", id, err)
	}
	return i, nil
}
