package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

func TestGetIncidentShowsPagesAndRevision(t *testing.T) {
	r := newRig(t)
	i := newIncident(41, func(i *correlate.Incident) { i.Paging.Opens, i.Paging.Seq = 1, 1 })
	revision := r.put(t, i, &correlate.Page{Incident: *i, Seq: 1, At: i.OpenedAt, Reason: "hold time over"})
	if err := r.store.RecordDelivery(t.Context(), correlate.PageKey{Incident: i.ID, Seq: 1},
		[]correlate.Delivery{{Receiver: "oncall", Integration: "pagerduty", Attempts: 1, SentAt: i.OpenedAt}}, true, false); err != nil {
		t.Fatal(err)
	}
	resp, err := r.incidents(t).GetIncident(t.Context(), &pb.GetIncidentRequest{Id: "INC-41"})
	if err != nil {
		t.Fatal(err)
	}
	got := resp.GetIncident()
	if resp.GetRevision() != revision || got.GetRevision() != revision {
		t.Errorf("revisions %d and %d, want %d", resp.GetRevision(), got.GetRevision(), revision)
	}
	if got.GetHeadline() != i.Headline() || !strings.Contains(got.GetHeadline(), "mysql") {
		t.Errorf("headline %q", got.GetHeadline())
	}
	if len(got.GetPages()) != 1 || got.GetPages()[0].GetDeliveries()[0].GetReceiver() != "oncall" || !got.GetPages()[0].GetDone() {
		t.Errorf("pages %v", got.GetPages())
	}
	if len(got.GetTimeline()) != 1 {
		t.Errorf("timeline %v", got.GetTimeline())
	}
}

func TestListsLeaveOutWhatOnlyTheFullViewHas(t *testing.T) {
	r := newRig(t)
	i := newIncident(1)
	r.put(t, i, &correlate.Page{Incident: *i, Seq: 1, At: i.OpenedAt})
	client := r.incidents(t)
	for view, want := range map[pb.IncidentView]int{pb.IncidentView_INCIDENT_VIEW_UNSPECIFIED: 0, pb.IncidentView_INCIDENT_VIEW_BASIC: 0, pb.IncidentView_INCIDENT_VIEW_FULL: 1} {
		resp, err := client.ListIncidents(t.Context(), &pb.ListIncidentsRequest{View: view})
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.GetIncidents()[0]; len(got.GetTimeline()) != want || len(got.GetPages()) != want {
			t.Errorf("%s: %d timeline entries, %d pages", view, len(got.GetTimeline()), len(got.GetPages()))
		}
	}
}

// gRPC clients refuse answers above 4 MiB: a page ends before.
func TestPagesAreBoundedByBytes(t *testing.T) {
	r := newRig(t)
	for n := uint64(1); n <= 40; n++ {
		r.put(t, newIncident(n, func(i *correlate.Incident) { i.Gaps = []string{strings.Repeat("x", 100<<10)} }))
	}
	client := r.incidents(t)
	seen, pages, token := 0, 0, ""
	for {
		resp, err := client.ListIncidents(t.Context(), &pb.ListIncidentsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		seen, pages = seen+len(resp.GetIncidents()), pages+1
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if seen != 40 || pages != 2 {
		t.Errorf("%d incidents on %d pages, want 40 on 2", seen, pages)
	}
}

func TestListAlertsGoesThroughHistoryAndPages(t *testing.T) {
	r := newRig(t)
	i := newIncident(1)
	r.put(t, i)
	for n := range 25 {
		r.put(t, newAlert(n, []string{"INC-1", "INC-2", ""}[n%3], func(a *correlate.AlertState) {
			a.Archived = n < 10
			if n%2 == 0 {
				a.EndedAt = startOfTests.Add(time.Hour)
			}
		}))
	}
	_, conn := r.serve(t)
	client := pb.NewAlertServiceClient(conn)
	for filter, want := range map[string]int{``: 25, `incident = "INC-1"`: 9, `incident = "INC-1" AND active = true`: 4, `incident = ""`: 8, `labels.n = 24`: 1, `archived = true`: 10} {
		var ids []string
		for token := ""; ; {
			resp, err := client.ListAlerts(t.Context(), &pb.ListAlertsRequest{PageSize: 4, Filter: filter, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range resp.GetAlerts() {
				ids = append(ids, a.GetStartedAt().AsTime().Format(time.RFC3339)+a.GetId())
			}
			if token = resp.GetNextPageToken(); token == "" {
				break
			}
		}
		if len(ids) != want || !slices.IsSorted(ids) || len(slices.Compact(ids)) != want {
			t.Errorf("%s: got %d, want %d in order: %v", filter, len(ids), want, ids)
		}
	}
	got, err := client.GetAlert(t.Context(), &pb.GetAlertRequest{Id: newAlert(3, "").ID().String()})
	if err != nil || got.GetAlert().GetFate().GetText() == "" {
		t.Errorf("get: %v, %v", got, err)
	}
}

func TestHealthIsReportedAndListed(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	client := pb.NewHealthServiceClient(conn)
	at := startOfTests.Add(time.Second)
	resp, err := client.ReportHealth(t.Context(), &pb.ReportHealthRequest{Results: []*pb.HealthResult{
		{Service: "shop/cart", Check: "http", Status: pb.HealthStatus_HEALTH_STATUS_FAILING, Latency: durationpb.New(time.Second), CheckedAt: timestamppb.New(at), Message: "refused"},
		{Service: "mail/queue", Namespace: "ops", Status: pb.HealthStatus_HEALTH_STATUS_PASSING},
	}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.ListHealth(t.Context(), &pb.ListHealthRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	if list.GetRevision() != resp.GetRevision() || len(list.GetChecks()) != 1 {
		t.Fatalf("list %v", list)
	}
	if ref := list.GetChecks()[0].GetService(); ref.GetNamespace() != "ops" || ref.GetName() != "mail/queue" {
		t.Errorf("a name with a slash: %v", ref)
	}
	list, err = client.ListHealth(t.Context(), &pb.ListHealthRequest{PageSize: 1, PageToken: list.GetNextPageToken()})
	if err != nil || list.GetNextPageToken() != "" {
		t.Fatalf("second page %v, %v", list, err)
	}
	check := list.GetChecks()[0]
	if check.GetService().GetName() != "cart" || check.GetStatus() != pb.HealthStatus_HEALTH_STATUS_FAILING ||
		check.GetFailures() != 1 || !check.GetCheckedAt().AsTime().Equal(at) || check.GetMessage() != "refused" {
		t.Errorf("check %v", check)
	}
	if list, err := client.ListHealth(t.Context(), &pb.ListHealthRequest{Filter: `status = failing`}); err != nil || len(list.GetChecks()) != 1 {
		t.Errorf("filtered %v, %v", list, err)
	}
}

// What the server looks at itself is fresher than what the stream was told.
func TestProbesAreListedWithTheirChecks(t *testing.T) {
	at := startOfTests.Add(time.Minute)
	probes := []Probe{
		{Service: topology.Ref{Namespace: "shop", Name: "cart"}, Check: "http", Target: "http://cart/", Module: "http_2xx", Source: "configuration", Interval: 15 * time.Second},
		{
			Service: topology.Ref{Namespace: "shop", Name: "web"}, Check: "page", Target: "https://web/", Module: "http_2xx", Source: "topology label",
			Interval: time.Minute, Status: correlate.HealthFailing, Message: "refused", CheckedAt: at, Latency: time.Millisecond,
			Phases: []ProbePhase{{"connect", time.Millisecond}}, CertificateExpires: at.Add(time.Hour),
		},
	}
	r := newRig(t, func(o *Options) { o.Probes = func() []Probe { return probes } })
	_, conn := r.serve(t)
	client := pb.NewHealthServiceClient(conn)
	if _, err := client.ReportHealth(t.Context(), &pb.ReportHealthRequest{Results: []*pb.HealthResult{
		{Service: "shop/web", Check: "page", Status: pb.HealthStatus_HEALTH_STATUS_PASSING},
		{Service: "shop/web", Check: "pushed", Status: pb.HealthStatus_HEALTH_STATUS_PASSING},
	}}); err != nil {
		t.Fatal(err)
	}
	list, err := client.ListHealth(t.Context(), &pb.ListHealthRequest{})
	if err != nil || len(list.GetChecks()) != 3 {
		t.Fatalf("list %v, %v", list, err)
	}
	unheard, page, pushed := list.GetChecks()[0], list.GetChecks()[1], list.GetChecks()[2]
	if unheard.GetStatus() != pb.HealthStatus_HEALTH_STATUS_UNKNOWN || unheard.GetRevision() != 0 || unheard.GetProbe().GetTarget() != "http://cart/" || unheard.GetProbe().GetCheckedAt() != nil {
		t.Errorf("a check without a result: %v", unheard)
	}
	p := page.GetProbe()
	if page.GetStatus() != pb.HealthStatus_HEALTH_STATUS_PASSING || p.GetStatus() != pb.HealthStatus_HEALTH_STATUS_FAILING || p.GetMessage() != "refused" ||
		!p.GetCheckedAt().AsTime().Equal(at) || len(p.GetPhases()) != 1 || p.GetSource() != "topology label" || p.GetInterval().AsDuration() != time.Minute || p.GetCertificateExpiresAt() == nil {
		t.Errorf("a check that is probed: %v", page)
	}
	if pushed.GetCheck() != "pushed" || pushed.GetProbe() != nil {
		t.Errorf("a check that others report: %v", pushed)
	}
	for filter, want := range map[string]int{"status = unknown": 1, "status = passing": 2} {
		if list, err := client.ListHealth(t.Context(), &pb.ListHealthRequest{Filter: filter}); err != nil || len(list.GetChecks()) != want {
			t.Errorf("%s: %v, %v", filter, list, err)
		}
	}
	var names []string
	for token := ""; ; {
		list, err := client.ListHealth(t.Context(), &pb.ListHealthRequest{PageSize: 1, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, list.GetChecks()[0].GetCheck())
		if token = list.GetNextPageToken(); token == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "http page pushed" {
		t.Errorf("by pages: %s", got)
	}
}

func TestTopologyQuestions(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	client := pb.NewTopologyServiceClient(conn)
	if resp, err := client.GetTopology(t.Context(), &pb.GetTopologyRequest{}); err != nil || resp.GetTopology() == nil {
		t.Errorf("before any source: %v, %v", resp, err)
	}
	spec := testSpec()
	revision := r.put(t, &spec)

	all, err := client.GetTopology(t.Context(), &pb.GetTopologyRequest{})
	if err != nil || all.GetRevision() != revision || all.GetTopology().GetVersion() != "v7" || len(all.GetTopology().GetServices()) != 6 || len(all.GetTopology().GetDependencies()) != 6 {
		t.Errorf("topology %v, %v", all, err)
	}
	cart, err := client.GetService(t.Context(), &pb.GetServiceRequest{Service: "cart"})
	if err != nil || cart.GetService().GetOwner() != "team-cart" || len(cart.GetDependencies()) != 4 || len(cart.GetDependents()) != 2 || len(cart.GetRedundancyGroups()) != 1 {
		t.Errorf("service %v, %v", cart, err)
	}
	near, err := client.GetDependencies(t.Context(), &pb.GetDependenciesRequest{Service: "shop/web", Depth: 1})
	if err != nil || len(near.GetHops()) != 1 || near.GetHops()[0].GetService().GetName() != "cart" {
		t.Errorf("dependencies %v, %v", near, err)
	}
	above, err := client.GetDependents(t.Context(), &pb.GetDependentsRequest{Service: "redis-a"})
	if err != nil || len(above.GetHops()) != 3 || above.GetHops()[0].GetDistance() != 1 {
		t.Errorf("dependents %v, %v", above, err)
	}
	breaks, err := client.WhatBreaks(t.Context(), &pb.WhatBreaksRequest{Services: []string{"redis-a", "shop/redis-b"}})
	if err != nil || len(breaks.GetFailed()) != 2 || len(breaks.GetImpacts()) != 3 || breaks.GetImpacts()[0].GetEffect() != pb.Effect_EFFECT_BROKEN {
		t.Errorf("what breaks %v, %v", breaks, err)
	}
	if _, err := client.GetDependents(t.Context(), &pb.GetDependentsRequest{Service: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown service: %v", err)
	}
}

// openIncident lets the engine open one and returns its id.
func (r *rig) openIncident(t testing.TB, service string) string {
	t.Helper()
	before := r.store.Revision()
	r.stream.feed(t, time.Second, &correlate.AlertBatch{Source: "alertmanager", Alerts: []correlate.Alert{{
		Fingerprint: fmt.Sprintf("%016x", before), StartsAt: r.stream.now,
		Labels: map[string]string{"alertname": "HighErrorRate", "service": service, "severity": "critical"},
	}}})
	r.stream.feed(t, 5*time.Second, correlate.Tick{})
	id := ""
	if _, err := r.store.ChangedIncidents(t.Context(), before, func(i *correlate.Incident) bool {
		id = i.ID
		return true
	}); err != nil || id == "" {
		t.Fatalf("no incident was opened: %v", err)
	}
	return id
}

func TestCommandsAreAnsweredWithTheirEffect(t *testing.T) {
	r := newRig(t)
	id := r.openIncident(t, "cart")
	client := r.incidents(t)

	ack, err := client.AcknowledgeIncident(t.Context(), &pb.AcknowledgeIncidentRequest{Id: id, Actor: "night shift", Note: "on it"})
	if err != nil {
		t.Fatal(err)
	}
	if a := ack.GetIncident().GetAcknowledgement(); a.GetActor() != "night shift" || a.GetNote() != "on it" {
		t.Errorf("acknowledgement %v", a)
	}
	if ack.GetRevision() < r.stream.pos {
		t.Errorf("answered at %d, the command is at %d", ack.GetRevision(), r.stream.pos)
	}
	note, err := client.AddIncidentNote(t.Context(), &pb.AddIncidentNoteRequest{Id: id, Note: "restarted one pod"})
	if err != nil {
		t.Fatal(err)
	}
	timeline := note.GetIncident().GetTimeline()
	if last := timeline[len(timeline)-1]; last.GetText() != "restarted one pod" || last.GetActor() != "anonymous" || last.GetKind() != pb.TimelineKind_TIMELINE_KIND_NOTE {
		t.Errorf("note %v", last)
	}
	done, err := client.ResolveIncident(t.Context(), &pb.ResolveIncidentRequest{Id: id, Reason: "false alarm"})
	if err != nil || done.GetIncident().GetState() != pb.IncidentState_INCIDENT_STATE_RESOLVED {
		t.Errorf("resolve %v, %v", done, err)
	}
	_, err = client.ResolveIncident(t.Context(), &pb.ResolveIncidentRequest{Id: id})
	if status.Code(err) != codes.FailedPrecondition || reasonOf(err).GetReason() != reasonRejected {
		t.Errorf("resolved twice: %v", err)
	}
}

// On the network anybody can send metadata.
func TestUsersCannotBeClaimedOverTheNetwork(t *testing.T) {
	r := newRig(t)
	id := r.openIncident(t, "cart")
	srv := r.NewGRPC()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), userKey, "mallory")
	resp, err := pb.NewIncidentServiceClient(conn).AcknowledgeIncident(ctx, &pb.AcknowledgeIncidentRequest{Id: id})
	if err != nil || resp.GetIncident().GetAcknowledgement().GetActor() != anonymous {
		t.Errorf("%v, %v", resp, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	srv.GracefulStop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestCommandsThatCannotBeCarriedOut(t *testing.T) {
	r := newRig(t)
	open := r.openIncident(t, "cart")
	r.put(t, newIncident(90, func(i *correlate.Incident) { i.State, i.MergedInto = correlate.IncidentMerged, "INC-91" }))
	r.put(t, newIncident(91, func(i *correlate.Incident) { i.State, i.MergedInto = correlate.IncidentMerged, open }))
	client := r.incidents(t)
	ack := func(id string) error {
		_, err := client.AcknowledgeIncident(t.Context(), &pb.AcknowledgeIncidentRequest{Id: id})
		return err
	}
	before := r.stream.pos

	if err := ack("INC-7"); status.Code(err) != codes.NotFound || detail[*errdetails.ResourceInfo](err).GetResourceName() != "INC-7" {
		t.Errorf("no such incident: %v", err)
	}
	if err := ack(""); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no id: %v", err)
	}
	if err := ack("INC-90"); status.Code(err) != codes.FailedPrecondition || reasonOf(err).GetMetadata()["merged_into"] != open || !strings.Contains(err.Error(), "continues as "+open) {
		t.Errorf("merged twice: %v", err)
	}
	for _, text := range []string{"", " \n", strings.Repeat("x", maxNoteBytes+1)} {
		_, err := client.AddIncidentNote(t.Context(), &pb.AddIncidentNoteRequest{Id: open, Note: text})
		if v := detail[*errdetails.BadRequest](err).GetFieldViolations(); status.Code(err) != codes.InvalidArgument || len(v) != 1 || v[0].GetField() != "note" {
			t.Errorf("note of %d bytes: %v", len(text), err)
		}
	}
	if r.stream.pos != before {
		t.Errorf("something was published")
	}

	// Merged between our look at it and the command's turn, at which the engine rejects it.
	r.put(t, newIncident(92))
	r.stream.beforeIt = func() {
		r.put(t, newIncident(92, func(i *correlate.Incident) { i.State, i.MergedInto = correlate.IncidentMerged, open }))
	}
	if err := ack("INC-92"); reasonOf(err).GetReason() != reasonMerged {
		t.Errorf("merged meanwhile: %v", err)
	}
}

func TestWhenTheStreamFails(t *testing.T) {
	r := newRig(t)
	id := r.openIncident(t, "cart")
	client := r.incidents(t)
	note := func(ctx context.Context) error {
		_, err := client.AddIncidentNote(ctx, &pb.AddIncidentNoteRequest{Id: id, Note: "hello"})
		return err
	}
	for point, set := range map[string]func(error){
		"it refuses":                       func(err error) { r.stream.refuse = err },
		"it does it and reports a failure": func(err error) { r.stream.lie = err },
	} {
		set(errors.New("no space left"))
		err := note(t.Context())
		if status.Code(err) != codes.Unavailable || reasonOf(err).GetReason() != reasonUnavailable || detail[*errdetails.RetryInfo](err).GetRetryDelay() == nil {
			t.Errorf("%s: %v", point, err)
		}
		set(nil)
	}
	if err := note(t.Context()); err != nil {
		t.Errorf("after it mended: %v", err)
	}

	// The command is on the stream, but the deadline passes before it is its turn.
	ctx, cancel := context.WithCancel(t.Context())
	r.stream.waitErr = func() error {
		cancel()
		return context.DeadlineExceeded
	}
	_, err := (&incidentService{Server: r.Server}).AddIncidentNote(ctx, &pb.AddIncidentNoteRequest{Id: id, Note: "hello"})
	if got := reasonOf(err); status.Code(err) != codes.DeadlineExceeded || got.GetReason() != reasonNotApplied || got.GetMetadata()["revision"] != fmt.Sprint(r.stream.pos) {
		t.Errorf("not applied in time: %v", err)
	}
	// The same while the driver cannot go on.
	r.stream.waitErr = func() error { return errors.New("stopping") }
	if err := note(t.Context()); status.Code(err) != codes.Unavailable || reasonOf(err).GetReason() != reasonNotApplied {
		t.Errorf("driver stopped: %v", err)
	}
}

func TestReportsThatAreRefused(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	client := pb.NewHealthServiceClient(conn)
	passing := pb.HealthStatus_HEALTH_STATUS_PASSING
	for _, c := range []struct {
		field   string
		results []*pb.HealthResult
	}{
		{"results", nil},
		{"results", make([]*pb.HealthResult, maxHealthResults+1)},
		{"results[0].service", []*pb.HealthResult{{Status: passing}}},
		{"results[1].status", []*pb.HealthResult{{Service: "cart", Status: passing}, {Service: "cart"}}},
		{"results[0].status", []*pb.HealthResult{{Service: "cart", Status: 77}}},
		{"results[0].latency", []*pb.HealthResult{{Service: "cart", Status: passing, Latency: durationpb.New(-1)}}},
		{"results[0].checked_at", []*pb.HealthResult{{Service: "cart", Status: passing, CheckedAt: &timestamppb.Timestamp{Nanos: -1}}}},
		{"results[0].failure_threshold", []*pb.HealthResult{{Service: "cart", Status: passing, FailureThreshold: -1}}},
		{"results[0].namespace", []*pb.HealthResult{{Service: "cart", Namespace: strings.Repeat("x", 5000), Status: passing}}},
		{"results[0].latency", []*pb.HealthResult{{Service: "cart", Status: passing, Latency: &durationpb.Duration{Seconds: 1 << 60}}}},
	} {
		_, err := client.ReportHealth(t.Context(), &pb.ReportHealthRequest{Results: c.results})
		v := detail[*errdetails.BadRequest](err).GetFieldViolations()
		if status.Code(err) != codes.InvalidArgument || len(v) != 1 || v[0].GetField() != c.field {
			t.Errorf("want %s: %v", c.field, err)
		}
	}
	if r.stream.pos != 0 {
		t.Error("something was published")
	}
	r.stream.refuse = errors.New("down")
	if _, err := client.ReportHealth(t.Context(), &pb.ReportHealthRequest{Results: []*pb.HealthResult{{Service: "cart", Status: passing}}}); status.Code(err) != codes.Unavailable {
		t.Errorf("stream down: %v", err)
	}
}

// brokenReader panics on topologies and fails on incidents.
type brokenReader struct{ Reader }

func (brokenReader) Graph() (*topology.Graph, uint64) { panic("secret") }

func (brokenReader) ScanIncidents(context.Context, uint64, func(*correlate.Incident) bool) (uint64, error) {
	return 0, errors.New("checksum mismatch")
}

func TestFaultsOfOurOwnAreInternal(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Reader = brokenReader{o.Reader} })
	_, conn := r.serve(t)
	_, err := pb.NewTopologyServiceClient(conn).GetTopology(t.Context(), &pb.GetTopologyRequest{})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
		t.Errorf("panic: %v", err)
	}
	if got := counted(t, r.metrics.panics); got != 1 {
		t.Errorf("%v panics counted", got)
	}
	if _, err := pb.NewIncidentServiceClient(conn).ListIncidents(t.Context(), &pb.ListIncidentsRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("error: %v", err)
	}
	if got := counted(t, r.metrics.requests.WithLabelValues("headwater.v1.IncidentService", "ListIncidents", "Internal")); got != 1 {
		t.Errorf("%v errors counted", got)
	}
	if _, err := pb.NewAlertServiceClient(conn).ListAlerts(t.Context(), &pb.ListAlertsRequest{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestMetricNamesAreAPI(t *testing.T) {
	r := newRig(t)
	r.metrics.requests.WithLabelValues("s", "m", "OK")
	r.metrics.duration.WithLabelValues("s", "m")
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	want := []string{"headwater_api_panics_total", "headwater_api_request_duration_seconds", "headwater_api_requests_total", "headwater_api_watch_messages_total", "headwater_api_watches"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v\nwant %v", names, want)
	}
}

func TestReflectionListsTheServices(t *testing.T) {
	r := newRig(t)
	_, conn := r.serve(t)
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range resp.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{"headwater.v1.IncidentService", "headwater.v1.AlertService", "headwater.v1.HealthService", "headwater.v1.TopologyService", "grpc.health.v1.Health"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing from %v", want, names)
		}
	}
}

func TestServingStatusFollowsReadiness(t *testing.T) {
	ready := errors.New("catching up")
	r := newRig(t, func(o *Options) { o.Ready = func() error { return ready } })
	_, conn := r.serve(t)
	client := healthpb.NewHealthClient(conn)
	expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, service := range []string{"", "headwater.v1.IncidentService"} {
			resp, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			if err != nil || resp.GetStatus() != want {
				t.Errorf("%q: %v, %v; want %v", service, resp.GetStatus(), err, want)
			}
		}
	}
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	r.checkReady()
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	ready = nil
	r.checkReady()
	expect(healthpb.HealthCheckResponse_SERVING)
	r.Stop()
	r.checkReady()
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
}

func TestOptionsNameWhatIsMissing(t *testing.T) {
	full := func() Options { return newRig(t).options }
	for name, remove := range map[string]func(*Options){
		"Reader": func(o *Options) { o.Reader = nil }, "Commands": func(o *Options) { o.Commands = nil },
		"Waiter": func(o *Options) { o.Waiter = nil }, "Health": func(o *Options) { o.Health = nil },
		"Logger": func(o *Options) { o.Logger = nil },
	} {
		o := full()
		remove(&o)
		if _, err := NewServer(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// detail is the first detail of a type, or its zero value.
func detail[T any](err error) (zero T) {
	for _, d := range status.Convert(err).Details() {
		if d, ok := d.(T); ok {
			return d
		}
	}
	return zero
}

func reasonOf(err error) *errdetails.ErrorInfo { return detail[*errdetails.ErrorInfo](err) }

func counted(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
