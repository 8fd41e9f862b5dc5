package acceptance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// Each cell of the fixture's world has an incident in one state.
const (
	cellHistory      = "history"      // over for so long that nothing can join it
	cellPaged        = "paged"        // open, and nobody has it
	cellAcknowledged = "acknowledged" // being worked on
	cellResolved     = "resolved"     // over, and not closed
	cellClosed       = "closed"
	cellReopened     = "reopened" // resolved, and its alert came back
	cellMerged       = "merged"   // into the next one
	cellInto         = "into"
	cellSplit        = "split"       // two services, taken apart
	cellProbed       = "probed"      // a health check alone
	cellUndelivered  = "undelivered" // paged, and the receiver is down
	cellHeld         = "held"        // not paged yet
	cellEnding       = "ending"      // its alerts ended, its resolve is held
	cellLater        = "later"       // nothing yet
)

func upgradeTopology() string {
	w := new(world)
	for _, name := range []string{
		cellHistory, cellPaged, cellAcknowledged, cellResolved, cellClosed, cellReopened, cellMerged, cellInto,
		cellSplit, cellProbed, cellUndelivered, cellHeld, cellEnding, cellLater,
	} {
		w.cells = append(w.cells, &cell{name: name})
	}
	return w.topology()
}

// The paces at which incidents move.
const (
	brief   = "{hold: 200ms, hold_confident: 200ms, settle: 100ms, close_after: 200ms, reopen_within: 200ms, chronic_after: 10y}"
	quick   = "{hold: 200ms, hold_confident: 200ms, settle: 100ms, close_after: 200ms, reopen_within: 10y, chronic_after: 10y}"
	waiting = "{hold: 10y, hold_confident: 10y, settle: 100ms, close_after: 10y, reopen_within: 10y, chronic_after: 10y}"
)

func upgradeConfig(pace, hook string) string {
	return fmt.Sprintf(`
environment: upgrade
topology: {files: [topology.yaml]}
correlation: %s
health: {ttl: 10y}
stream: {max_age: 10y}
retention: 0s
receivers:
  - name: oncall
    webhook_configs: [{url: "%s", send_resolved: true}]
route: {receiver: oncall}
`, pace, hook)
}

// writeUpgradeFixture has a server of another revision bring incidents into every state.
func writeUpgradeFixture(t *testing.T, revision string) {
	t.Helper()
	commit, err := exec.Command("git", "rev-parse", "--short", revision+"^{commit}").Output()
	if err != nil {
		t.Fatalf("-upgrade.from=%s: no such revision: %v", revision, err)
	}
	revision = string(bytes.TrimSpace(commit))
	server := binaryOf(t, revision)
	hook := newCollector(t)
	place := newSite(t, upgradeConfig(brief, hook.URL), upgradeTopology())
	start := func(pace string) *headwater {
		write(t, place.config, upgradeConfig(pace, hook.URL))
		h := &headwater{process: launch(t, "headwater "+revision, server, place.args()...)}
		h.awaitReady(t)
		return h
	}
	h := start(brief)
	h.makeHistory(t)
	h.kill()
	h = start(quick)
	h.makeIncidents(t)
	hook.breakDown(func() bool { return true })
	h.fire(t, cellUndelivered, "web")
	h.await(t, cellUndelivered, func(i *pb.Incident) error { return expect(openings(i), 1, "opening pages") })
	h.kill()
	h = start(waiting)
	h.fire(t, cellHeld, "web")
	h.await(t, cellHeld, func(i *pb.Incident) error {
		return expect(i.GetPaging().GetDueAt() != nil, true, "a page is due")
	})
	h.endAll(t, cellEnding)
	h.await(t, cellEnding, func(i *pb.Incident) error { return expect(i.GetFiring(), int32(0), "firing alerts") })
	a := h.account(t)
	a.Revision = revision
	h.kill()
	text, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	pack(t, upgradeFixture, place, text)
}

// makeHistory leaves one incident that is over for good, with what people taught by it.
func (h *headwater) makeHistory(t *testing.T) {
	t.Helper()
	c := h.people(t)
	h.change(t, cellHistory, "db")
	h.fire(t, cellHistory, "web")
	h.fire(t, cellHistory, "api")
	i := h.await(t, cellHistory, func(i *pb.Incident) error { return expect(openings(i), 1, "opening pages") })
	c.do(c.incidents.SetIncidentOrigin(t.Context(), &pb.SetIncidentOriginRequest{Id: i.GetId(), Service: cellHistory + "/db", Actor: "ann", Note: "its disk was full"}))
	c.do(c.items.CreateActionItem(t.Context(), &pb.CreateActionItemRequest{
		Text: "watch the disk", Incident: i.GetId(), Assignee: "ben", Priority: pb.ActionPriority_ACTION_PRIORITY_HIGH, Actor: "ann",
		Due: timestamppb.New(time.Date(2036, time.January, 31, 0, 0, 0, 0, time.UTC)),
	}))
	c.do(c.items.CreateActionItem(t.Context(), &pb.CreateActionItemRequest{Text: "write the runbook", Status: pb.ActionStatus_ACTION_STATUS_IN_PROGRESS, Actor: "ben"}))
	h.endAll(t, cellHistory)
	h.await(t, cellHistory, func(i *pb.Incident) error { return expect(i.GetArchived(), true, "archived") })
	c.do(c.incidents.SetIncidentStatus(t.Context(), &pb.SetIncidentStatusRequest{Id: i.GetId(), Status: pb.IncidentStatus_INCIDENT_STATUS_CLOSED, Actor: "ann", Note: "the disk is larger now"}))
}

// makeIncidents leaves one incident in each state that does not depend on a long wait.
func (h *headwater) makeIncidents(t *testing.T) {
	t.Helper()
	c := h.people(t)
	for _, cell := range []string{cellPaged, cellAcknowledged, cellResolved, cellClosed, cellReopened, cellMerged, cellInto, cellSplit, cellEnding} {
		h.fire(t, cell, "web")
	}
	h.fire(t, cellSplit, "db")
	h.fail(t, cellProbed, "cart")
	ids := map[string]string{}
	for _, cell := range []string{cellPaged, cellAcknowledged, cellResolved, cellClosed, cellReopened, cellMerged, cellInto, cellSplit, cellProbed, cellEnding} {
		ids[cell] = h.await(t, cell, func(i *pb.Incident) error { return expect(openings(i), 1, "opening pages") }).GetId()
	}
	c.workOn(t, ids[cellAcknowledged])
	c.do(c.incidents.MergeIncidents(t.Context(), &pb.MergeIncidentsRequest{Id: ids[cellMerged], Into: ids[cellInto], Actor: "cleo", Note: "one switch"}))
	c.do(c.incidents.SplitIncident(t.Context(), &pb.SplitIncidentRequest{Id: ids[cellSplit], Services: []string{cellSplit + "/db"}, Actor: "cleo", Note: "a backup"}))
	h.endAll(t, cellResolved, cellClosed, cellReopened)
	for _, cell := range []string{cellResolved, cellClosed, cellReopened} {
		h.await(t, cell, func(i *pb.Incident) error {
			return expect(i.GetState(), pb.IncidentState_INCIDENT_STATE_RESOLVED, "state")
		})
	}
	c.do(c.incidents.SetIncidentStatus(t.Context(), &pb.SetIncidentStatusRequest{Id: ids[cellClosed], Status: pb.IncidentStatus_INCIDENT_STATUS_CLOSED, Actor: "ann", Note: "a rollback"}))
	h.fire(t, cellReopened, "web")
	h.await(t, cellReopened, func(i *pb.Incident) error { return expect(openings(i), 2, "opening pages") })
	for cell := range ids { // what merging and splitting changed is told
		h.await(t, cell, func(i *pb.Incident) error {
			return expect(i.GetPaging().GetUpdateDueAt() == nil, true, "no update is due")
		})
	}
	h.settled(t)
}

// workOn is an incident as people have it half-way through.
func (c *people) workOn(t *testing.T, id string) {
	t.Helper()
	ctx := t.Context()
	c.do(c.incidents.AcknowledgeIncident(ctx, &pb.AcknowledgeIncidentRequest{Id: id, Actor: "ann", Note: "looking"}))
	c.do(c.incidents.SetIncidentSeverity(ctx, &pb.SetIncidentSeverityRequest{Id: id, Severity: pb.IncidentSeverity_INCIDENT_SEVERITY_SEV1, Actor: "ann", Note: "checkout is down"}))
	c.do(c.incidents.AssignIncidentRole(ctx, &pb.AssignIncidentRoleRequest{Id: id, Role: "ic", Assignee: "ann", Actor: "ann"}))
	c.do(c.incidents.AssignIncidentRole(ctx, &pb.AssignIncidentRoleRequest{Id: id, Role: "cl", Assignee: "cleo", Actor: "ann"}))
	c.do(c.incidents.SetIncidentLink(ctx, &pb.SetIncidentLinkRequest{Id: id, Title: "bridge", Url: "https://meet.example/1", Actor: "ann"}))
	c.do(c.incidents.AddIncidentNote(ctx, &pb.AddIncidentNoteRequest{Id: id, Note: "restarting", Actor: "ben"}))
	c.do(c.incidents.AddIncidentUpdate(ctx, &pb.AddIncidentUpdateRequest{Id: id, Text: "Orders may fail.", Public: true, Actor: "cleo"}))
	c.do(c.incidents.SetIncidentStatus(ctx, &pb.SetIncidentStatusRequest{Id: id, Status: pb.IncidentStatus_INCIDENT_STATUS_MITIGATING, Actor: "ben"}))
	c.do(c.items.CreateActionItem(ctx, &pb.CreateActionItemRequest{Text: "more connections", Incident: id, Actor: "ben"}))
}

// people are the API's callers, who insist.
type people struct {
	t         testing.TB
	incidents pb.IncidentServiceClient
	items     pb.ActionItemServiceClient
}

func (h *headwater) people(t testing.TB) *people {
	conn := h.dial(t)
	return &people{t, pb.NewIncidentServiceClient(conn), pb.NewActionItemServiceClient(conn)}
}

// do fails the test when a call did not succeed.
func (c *people) do(_ any, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// fire has a service of a cell alert, and returns the alert.
func (h *headwater) fire(t testing.TB, cell, service string) notified {
	t.Helper()
	return h.fireAt(t, cell, service, time.Now())
}

func (h *headwater) fireAt(t testing.TB, cell, service string, at time.Time) notified {
	t.Helper()
	labels := map[string]string{"alertname": "HighErrorRate", "service": service, "namespace": cell, "severity": "critical"}
	n := notified{
		Status: firing, Labels: labels, Annotations: map[string]string{"summary": "requests to " + service + " fail"},
		StartsAt: at.UTC().Truncate(time.Millisecond), Fingerprint: fingerprint(labels),
	}
	h.tell(t, "/webhook/alertmanager", webhook(cell, []notified{n}))
	return n
}

// fail has a check of a service fail as often as it takes.
func (h *headwater) fail(t testing.TB, cell, service string) {
	t.Helper()
	for range 3 {
		h.tell(t, "/webhook/health", fmt.Sprintf(`[{"service": "%s/%s", "check": "http", "status": "failing", "message": "refused"}]`, cell, service))
	}
}

func (h *headwater) change(t testing.TB, cell, service string) {
	t.Helper()
	h.tell(t, "/webhook/change", fmt.Sprintf(`{"service": "%s/%s", "kind": "deploy", "summary": "v2"}`, cell, service))
}

func (h *headwater) tell(t testing.TB, path, body string) {
	t.Helper()
	if code, answer, err := post(h.web+path, body); err != nil || code/100 != 2 {
		t.Fatalf("POST %s: %d %s %v", path, code, answer, err)
	}
}

// endAll ends what fires in the cells; without any named, everywhere.
func (h *headwater) endAll(t testing.TB, cells ...string) {
	t.Helper()
	r, err := readRecord(t.Context(), h.dial(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.alerts {
		namespace := a.GetService().GetNamespace()
		if !a.GetActive() || len(cells) > 0 && !slices.Contains(cells, namespace) {
			continue
		}
		if namespace == cellProbed {
			h.tell(t, "/webhook/health", fmt.Sprintf(`[{"service": "%s/%s", "check": "http", "status": "passing"}]`, namespace, a.GetService().GetName()))
			continue
		}
		over := notified{Status: resolved, Labels: a.GetLabels(), StartsAt: a.GetStartedAt().AsTime(), EndsAt: time.Now().UTC(), Fingerprint: a.GetFingerprint()}
		h.tell(t, "/webhook/alertmanager", webhook(namespace, []notified{over}))
	}
}

// await waits until the first incident of a cell is as wanted, and returns it.
func (h *headwater) await(t testing.TB, cell string, wanted func(*pb.Incident) error) *pb.Incident {
	t.Helper()
	conn := h.dial(t)
	var found *pb.Incident
	eventually(t, "the incident of "+cell, patience, func() error {
		r, err := readRecord(t.Context(), conn)
		if err != nil {
			return err
		}
		found = nil
		for _, i := range r.incidents {
			if isOf(i, cell) && (found == nil || i.GetNumber() < found.GetNumber()) {
				found = i
			}
		}
		if found == nil {
			return errors.New("there is none")
		}
		return wanted(found)
	})
	return found
}

// settled waits until all pages are delivered.
func (h *headwater) settled(t testing.TB) {
	t.Helper()
	conn := h.dial(t)
	eventually(t, "all pages are delivered", patience, func() error {
		r, err := readRecord(t.Context(), conn)
		if err == nil {
			err = r.delivered()
		}
		return err
	})
}

func expect[T comparable](got, want T, what string) error {
	if got != want {
		return fmt.Errorf("%s: %v, want %v", what, got, want)
	}
	return nil
}

// binaryOf builds the server of a revision from a copy of its sources.
func binaryOf(t *testing.T, revision string) string {
	t.Helper()
	dir := t.TempDir()
	sources := filepath.Join(dir, "sources.tar")
	path := filepath.Join(dir, "headwater")
	for _, c := range [][]string{
		{"git", "-C", "../../..", "archive", "--output=" + sources, revision},
		{"tar", "-x", "-C", dir, "-f", sources},
		{"go", "build", "-C", dir, "-o", path, "./cmd/headwater"},
	} {
		if err := command(c[0], c[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

const accountFile = "account.json"

// pack writes a site's storage and what its server had said into one file.
func pack(t *testing.T, path string, place *site, account []byte) {
	t.Helper()
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(zip)
	add := func(name string, content []byte) error {
		header := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	}
	err = errors.Join(add(accountFile, account), filepath.WalkDir(place.storage, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(place.dir, file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		t.Logf("%-60s %9d", name, len(content))
		return add(filepath.ToSlash(name), content)
	}), archive.Close(), zip.Close(), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, packed.Bytes(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// unpack puts the storage into dir and returns the account.
func unpack(t *testing.T, path, dir string) (account []byte) {
	t.Helper()
	packed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	zip, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return account
		}
		if err == nil && header.Name == accountFile {
			account, err = io.ReadAll(archive)
		} else if err == nil {
			err = unpackFile(filepath.Join(dir, filepath.FromSlash(header.Name)), header.Size, archive)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// unpackFile writes a file without the blocks of zeros that most of it is.
func unpackFile(path string, size int64, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	block, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < size; {
		n, err := io.ReadFull(content, block[:min(int64(len(block)), size-at)])
		if err != nil {
			return err
		}
		if !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := f.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	return f.Close()
}
