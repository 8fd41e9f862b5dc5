//go:build acceptance

package acceptance

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

const saleTopology = `
services:
  - {name: gateway, kind: frontend, owner: edge, tier: 1}
  - {name: auth, kind: api, owner: accounts, tier: 1}
  - {name: catalogue, kind: api, owner: shop}
  - {name: order, kind: api, owner: shop, tier: 1}
  - {name: payment, kind: api, owner: payments, tier: 1}
  - {name: db, kind: database, owner: storage, tier: 1, runbook: "https://runbooks.example.org/pool"}
  - {name: reports, kind: worker, owner: data}
dependencies:
  - {from: gateway, to: auth}
  - {from: gateway, to: catalogue}
  - {from: gateway, to: order}
  - {from: gateway, to: payment}
  - {from: auth, to: db}
  - {from: catalogue, to: db}
  - {from: order, to: db}
  - {from: order, to: auth}
  - {from: payment, to: db}
  - {from: payment, to: order}
`

// saleConfig holds for a moment, and ends for good only when the test has looked.
const saleConfig = `
environment: shop
topology: {files: [topology.yaml]}
correlation: {hold: 2s, hold_confident: 2s, hold_critical: 2s, settle: 100ms, close_after: 1s, reopen_within: 10m}
`

// person is somebody who works on incidents through gRPC. The server knows who it is by the
// password.
type person struct {
	*people
	name    string
	reports pb.ReportServiceClient
}

// hire makes a configuration file of people with passwords and returns who they are at a server.
func hire(t *testing.T, path string, names ...string) func(h *headwater) []*person {
	t.Helper()
	text := "basic_auth_users:\n"
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte("password of "+name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("  %s: %s\n", name, hash)
	}
	write(t, path, text)
	return func(h *headwater) (all []*person) {
		for _, name := range names {
			conn := h.dial(t, grpc.WithPerRPCCredentials(basic{name, "password of " + name}))
			all = append(all, &person{&people{t, pb.NewIncidentServiceClient(conn), pb.NewActionItemServiceClient(conn)}, name, pb.NewReportServiceClient(conn)})
		}
		return all
	}
}

// basic is a name and a password on each call.
type basic struct{ name, password string }

// GetRequestMetadata implements [credentials.PerRPCCredentials].
func (b basic) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(b.name+":"+b.password))}, nil
}

// RequireTransportSecurity implements [credentials.PerRPCCredentials].
func (basic) RequireTransportSecurity() bool { return false }

// sees waits until an incident is as wanted, in the view of the person.
func (p *person) sees(id string, wanted func(*pb.Incident) error) *pb.Incident {
	p.t.Helper()
	var i *pb.Incident
	eventually(p.t, p.name+" sees "+id, patience, func() error {
		got, err := p.incidents.GetIncident(p.t.Context(), &pb.GetIncidentRequest{Id: id})
		if err != nil {
			return err
		}
		i = got.GetIncident()
		return wanted(i)
	})
	return i
}

// find waits for the first open incident of a service.
func (p *person) find(service string) string {
	p.t.Helper()
	id := ""
	eventually(p.t, p.name+" finds the incident of "+service, patience, func() error {
		got, err := p.incidents.ListIncidents(p.t.Context(), &pb.ListIncidentsRequest{Filter: fmt.Sprintf(`state = "open" AND service = %q`, service), OrderBy: "opened_at asc"})
		if err != nil {
			return err
		}
		for _, i := range got.GetIncidents() {
			id = i.GetId()
			return expect(i.GetPaging().GetOpens() > 0, true, "paged")
		}
		return errors.New("there is none")
	})
	return id
}

// fails wants an error of a code.
func (p *person) fails(want codes.Code) func(any, error) {
	return func(_ any, err error) {
		p.t.Helper()
		if status.Code(err) != want {
			p.t.Errorf("%s got %v, want %s", p.name, err, want)
		}
	}
}

// sale is what monitoring says of the sale: who fires, in this order, some minutes apart.
var sale = []struct {
	service, name, severity, summary string
	copies                           int
}{
	{"db", "ConnectionsNearLimit", "warning", "92 of 100 connections", 1},
	{"db", "TooManyConnections", "critical", "100 of 100 connections, 250 wanted", 1},
	{"auth", "PoolPending", "warning", "", 30},
	{"auth", "ErrorRateHigh", "critical", "", 1},
	{"catalogue", "LatencyHigh", "warning", "", 40},
	{"catalogue", "ErrorRateHigh", "critical", "", 1},
	{"order", "ErrorRateHigh", "critical", "", 50},
	{"payment", "ErrorRateHigh", "critical", "", 60},
	{"gateway", "ErrorRateHigh", "critical", "", 60},
}

// saleAlerts are the notifications of it, a group for each rule. It has been going on for 40
// minutes when it reaches the server.
func saleAlerts() (groups [][]notified) {
	began := time.Now().Add(-40 * time.Minute).UTC().Truncate(time.Millisecond)
	for n, s := range sale {
		var group []notified
		for pod := range s.copies {
			labels := map[string]string{"alertname": s.name, "service": s.service, "severity": s.severity, "pod": fmt.Sprintf("%s-%d", s.service, pod)}
			group = append(group, notified{
				Status: firing, Labels: labels, Annotations: map[string]string{"summary": s.summary},
				StartsAt: began.Add(time.Duration(n)*4*time.Minute + time.Duration(pod)*time.Second), Fingerprint: fingerprint(labels),
			})
		}
		groups = append(groups, group)
	}
	return groups
}

func (h *headwater) notify(t testing.TB, groups ...[]notified) {
	t.Helper()
	for _, group := range groups {
		h.tell(t, "/webhook/alertmanager", webhook(group[0].Labels["service"]+group[0].Labels["alertname"], group))
	}
}

// S4: at a sale a pool of connections is too small, and one service after the other goes
// down. Ann leads, Ben finds and fixes, Cleo tells those outside; each is known by a
// password, and what they say of themselves counts for nothing.
func TestAcceptanceStoryOfTheSale(t *testing.T) {
	place := newSite(t, saleConfig, saleTopology)
	web := filepath.Join(place.dir, "web.yaml")
	hired := hire(t, web, "ann", "ben", "cleo")
	h := place.begin(t, "--web.config.file="+web)
	started := h.said(t, "Headwater takes alerts")
	h.grpc, h.web = started["grpc"], strings.Replace(started["url"], "http://", "http://ann:password%20of%20ann@", 1)
	eventually(t, "headwater is ready", patience, func() error { return errors.Join(h.alive(), ready(h.web)) })
	team := hired(h)
	ann, ben, cleo := team[0], team[1], team[2]
	alerts := saleAlerts()
	h.notify(t, alerts...)

	ctx := t.Context()
	id := ann.find("db")
	ann.do(ann.incidents.AcknowledgeIncident(ctx, &pb.AcknowledgeIncidentRequest{Id: id, Actor: "somebody else", Note: "on it"}))
	i := ann.sees(id, func(i *pb.Incident) error { return expect(i.GetAcknowledgement().GetActor(), "ann", "who has it") })
	for _, role := range []struct{ name, who string }{{"ic", "ann"}, {"tl", "ben"}, {"cl", "cleo"}} {
		ann.do(ann.incidents.AssignIncidentRole(ctx, &pb.AssignIncidentRoleRequest{Id: id, Role: role.name, Assignee: role.who}))
	}
	ann.do(ann.incidents.SetIncidentLink(ctx, &pb.SetIncidentLinkRequest{Id: id, Title: "bridge", Url: "https://meet.example.org/sale"}))
	ben.conflicts(id, i)
	ann.do(ann.incidents.SetIncidentSeverity(ctx, &pb.SetIncidentSeverityRequest{Id: id, Severity: pb.IncidentSeverity_INCIDENT_SEVERITY_SEV1, Note: "nobody can order"}))
	ben.do(ben.incidents.SetIncidentStatus(ctx, &pb.SetIncidentStatusRequest{Id: id, Status: pb.IncidentStatus_INCIDENT_STATUS_INVESTIGATING}))
	cleo.do(cleo.incidents.AddIncidentUpdate(ctx, &pb.AddIncidentUpdateRequest{Id: id, Text: "Orders may fail. We are working on it.", Public: true}))
	ben.do(ben.incidents.AddIncidentNote(ctx, &pb.AddIncidentNoteRequest{Id: id, Note: "250 connections wanted, 100 there"}))
	ben.do(ben.incidents.SetIncidentOrigin(ctx, &pb.SetIncidentOriginRequest{Id: id, Service: "db", Note: "its pool is too small"}))
	ann.takesInAndOut(h, id)
	ben.do(ben.incidents.SetIncidentStatus(ctx, &pb.SetIncidentStatusRequest{Id: id, Status: pb.IncidentStatus_INCIDENT_STATUS_MITIGATING, Note: "the pool is raised to 400"}))
	ann.do(ann.incidents.AddIncidentUpdate(ctx, &pb.AddIncidentUpdateRequest{Id: id, Text: "the pool is raised, watching"}))
	due := time.Now().AddDate(0, 0, 14).UTC().Truncate(time.Second)
	for _, item := range []struct{ who, text string }{{"ben", "size the pool for the next sale"}, {"cleo", "a status page that loads without the shop"}} {
		ann.do(ann.items.CreateActionItem(ctx, &pb.CreateActionItemRequest{Text: item.text, Incident: id, Assignee: item.who, Due: timestamppb.New(due), Priority: pb.ActionPriority_ACTION_PRIORITY_HIGH}))
	}
	ann.fails(codes.FailedPrecondition)(ann.incidents.SetIncidentStatus(ctx, &pb.SetIncidentStatusRequest{Id: id, Status: pb.IncidentStatus_INCIDENT_STATUS_CLOSED, Note: "too early"}))
	for _, group := range alerts {
		h.notify(t, ended(group, time.Now()))
	}
	cleo.sees(id, statusIs(pb.IncidentStatus_INCIDENT_STATUS_RESOLVED))
	cleo.do(cleo.incidents.AddIncidentUpdate(ctx, &pb.AddIncidentUpdateRequest{Id: id, Text: "Orders work again.", Public: true}))
	ann.do(ann.incidents.SetIncidentStatus(ctx, &pb.SetIncidentStatusRequest{Id: id, Status: pb.IncidentStatus_INCIDENT_STATUS_CLOSED, Note: "the pool was raised to 400"}))
	ann.judges(id, due)
	cleo.reads(id)
}

// reads wants the post-mortem to tell the story.
func (p *person) reads(id string) {
	p.t.Helper()
	got, err := p.reports.GetPostmortem(p.t.Context(), &pb.GetPostmortemRequest{Id: id})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, want := range []string{
		"SEV1", "db", "gateway", "ann", "ben", "cleo", "250 connections wanted", "the pool is raised to 400", "the pool was raised to 400",
		"Orders may fail", "nobody can order", "size the pool for the next sale", "a status page that loads without the shop", "```mermaid",
	} {
		if !strings.Contains(got.GetMarkdown(), want) {
			p.t.Errorf("the post-mortem does not tell of %q", want)
		}
	}
	if !strings.HasPrefix(got.GetSvg(), "<svg") {
		p.t.Errorf("the picture begins with %.40q", got.GetSvg())
	}
	if p.t.Failed() {
		p.t.Log(got.GetMarkdown())
	}
}

// conflicts: who decides by what is no longer so is told, and decides anew; of many at once
// one is first.
func (p *person) conflicts(id string, seen *pb.Incident) {
	p.t.Helper()
	stale := fmt.Sprint(seen.GetRevision())
	p.fails(codes.Aborted)(p.incidents.SetIncidentSeverity(p.t.Context(), &pb.SetIncidentSeverityRequest{Id: id, Severity: pb.IncidentSeverity_INCIDENT_SEVERITY_SEV3, Etag: stale}))
	now := p.sees(id, func(*pb.Incident) error { return nil })
	etag := fmt.Sprint(now.GetRevision())
	results := make([]error, 3)
	var all sync.WaitGroup
	for n := range results {
		all.Go(func() {
			_, results[n] = p.incidents.AddIncidentNote(p.t.Context(), &pb.AddIncidentNoteRequest{Id: id, Note: fmt.Sprintf("idea %d", n), Etag: etag})
		})
	}
	all.Wait()
	won := 0
	for _, err := range results {
		switch {
		case err == nil:
			won++
		case status.Code(err) != codes.Aborted:
			p.t.Errorf("%s got %v, want nothing or ABORTED", p.name, err)
		}
	}
	if won != 1 {
		p.t.Errorf("%d of %d edits in view of one revision succeeded, want 1", won, len(results))
	}
}

// takesInAndOut merges another incident in, and splits it off again: it was a coincidence.
func (p *person) takesInAndOut(h *headwater, id string) {
	p.t.Helper()
	labels := map[string]string{"alertname": "ReportsFail", "service": "reports", "severity": "warning"}
	h.notify(p.t, []notified{{
		Status: firing, Labels: labels, StartsAt: time.Now().UTC(), Fingerprint: fingerprint(labels), Annotations: map[string]string{},
	}})
	other := p.find("reports")
	p.do(p.incidents.MergeIncidents(p.t.Context(), &pb.MergeIncidentsRequest{Id: other, Into: id, Note: "the same pool?"}))
	p.sees(id, func(i *pb.Incident) error {
		return expect(slices.Contains(i.GetMerged(), other), true, other+" is merged")
	})
	got, err := p.incidents.SplitIncident(p.t.Context(), &pb.SplitIncidentRequest{Id: id, Services: []string{"reports"}, Note: "another pool"})
	if err != nil {
		p.t.Fatal(err)
	}
	if got.GetSplitIncident().GetSplitFrom() != id {
		p.t.Errorf("split off: %v", got.GetSplitIncident())
	}
}

// judges reads the incident as whoever reads it the next morning.
func (p *person) judges(id string, due time.Time) {
	p.t.Helper()
	i := p.sees(id, statusIs(pb.IncidentStatus_INCIDENT_STATUS_CLOSED))
	if i.GetClosed().GetActor() != "ann" || i.GetClosed().GetNote() != "the pool was raised to 400" {
		p.t.Errorf("closed: %v", i.GetClosed())
	}
	if o := i.GetOrigins()[0]; o.GetService().GetName() != "db" || i.GetSetOrigin().GetActor() != "ben" {
		p.t.Errorf("origin %v, said by %v", o, i.GetSetOrigin())
	}
	if len(i.GetServices()) != 6 || openings(i) != 1 {
		p.t.Errorf("%d services, %d opening pages; want the six of the sale and one page", len(i.GetServices()), openings(i))
	}
	roles := map[string]string{}
	for _, r := range i.GetRoles() {
		roles[r.GetRole()] = r.GetAssignee()
	}
	for role, who := range map[string]string{"incident-commander": "ann", "technical-lead": "ben", "communications-lead": "cleo"} {
		if roles[role] != who {
			p.t.Errorf("%s is %q, want %s", role, roles[role], who)
		}
	}
	p.tells(i, []entry{
		{"ann", pb.TimelineKind_TIMELINE_KIND_ACKNOWLEDGED, "on it"},
		{"ann", pb.TimelineKind_TIMELINE_KIND_SEVERITY, "nobody can order"},
		{"ben", pb.TimelineKind_TIMELINE_KIND_STATUS, "investigating"},
		{"cleo", pb.TimelineKind_TIMELINE_KIND_PUBLIC_UPDATE, "Orders may fail"},
		{"ben", pb.TimelineKind_TIMELINE_KIND_NOTE, "250 connections wanted"},
		{"ben", pb.TimelineKind_TIMELINE_KIND_ORIGIN, "its pool is too small"},
		{"ann", pb.TimelineKind_TIMELINE_KIND_MERGED, "the same pool?"},
		{"ann", pb.TimelineKind_TIMELINE_KIND_SPLIT, "another pool"},
		{"ben", pb.TimelineKind_TIMELINE_KIND_STATUS, "mitigating"},
		{"ann", pb.TimelineKind_TIMELINE_KIND_UPDATE, "watching"},
		{"ann", pb.TimelineKind_TIMELINE_KIND_ACTION_ITEM, "size the pool"},
		{"cleo", pb.TimelineKind_TIMELINE_KIND_PUBLIC_UPDATE, "Orders work again"},
		{"ann", pb.TimelineKind_TIMELINE_KIND_CLOSED, "the pool was raised to 400"},
	})
	items, err := p.items.ListActionItems(p.t.Context(), &pb.ListActionItemsRequest{Filter: `incident = "` + id + `"`})
	if err != nil || len(items.GetActionItems()) != 2 {
		p.t.Fatalf("action items: %v, %v", items, err)
	}
	for _, item := range items.GetActionItems() {
		if !item.GetDue().AsTime().Equal(due) || item.GetCreatedBy() != "ann" || item.GetStatus() != pb.ActionStatus_ACTION_STATUS_OPEN {
			p.t.Errorf("action item %v", item)
		}
	}
}

// entry is one of a timeline that must be there.
type entry struct {
	actor string
	kind  pb.TimelineKind
	text  string
}

// tells wants entries in this order in the timeline, among others.
func (p *person) tells(i *pb.Incident, want []entry) {
	p.t.Helper()
	left := want
	for _, e := range i.GetTimeline() {
		if len(left) > 0 && e.GetActor() == left[0].actor && e.GetKind() == left[0].kind && strings.Contains(e.GetText(), left[0].text) {
			left = left[1:]
		}
	}
	if len(left) > 0 {
		p.t.Errorf("the timeline does not tell %v after what comes before it:", left[0])
		for _, e := range i.GetTimeline() {
			p.t.Logf("%s %-10s %s: %s", e.GetAt().AsTime().Format(time.TimeOnly), e.GetActor(), e.GetKind(), e.GetText())
		}
	}
}
