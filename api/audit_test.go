package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/audit"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// entries is a stream that holds what it was given.
type entries []correlate.Input

func (e entries) ReadSince(_ context.Context, since time.Time, fn func(correlate.Input) (bool, error)) error {
	for _, in := range e {
		if in.At.Before(since) {
			continue
		}
		if more, err := fn(in); err != nil || !more {
			return err
		}
	}
	return nil
}

type brokenStream struct{}

func (brokenStream) ReadSince(context.Context, time.Time, func(correlate.Input) (bool, error)) error {
	return errors.New("no leader")
}

// storm is so many critical alerts on one service, and what the stream has of them.
func storm(t *testing.T, r *rig, n int) entries {
	t.Helper()
	batch := &correlate.AlertBatch{Source: "alertmanager"}
	for i := range n {
		batch.Alerts = append(batch.Alerts, correlate.Alert{
			Fingerprint: fmt.Sprintf("%016x", i+1), StartsAt: startOfTests,
			Labels: map[string]string{"alertname": fmt.Sprintf("Alert%d", i), "service": "cart", "severity": "critical"},
		})
	}
	r.stream.feed(t, time.Second, batch)
	return entries{{Pos: 1, At: startOfTests.Add(time.Second), Signal: batch}}
}

// deliver notes that every page was taken so long after it was decided.
func deliver(t testing.TB, r *rig, later time.Duration) {
	t.Helper()
	pending, err := r.store.PendingPages(t.Context(), 0)
	if err != nil || len(pending) == 0 {
		t.Fatalf("%d pages: %v", len(pending), err)
	}
	for _, p := range pending {
		d := []correlate.Delivery{{Receiver: "oncall", Integration: "pagerduty", Attempts: 1, SentAt: p.Page.At.Add(later)}}
		if err := r.store.RecordDelivery(t.Context(), p.Page.Key(), d, true, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheAuditFollowsAnAlertFromTheStreamToTheReceiver(t *testing.T) {
	var seen entries
	r := newRig(t, func(o *Options) { o.Stream = &seen })
	_, conn := r.serve(t)
	client := pb.NewAuditServiceClient(conn)
	get := func() *pb.GetAuditResponse {
		t.Helper()
		got, err := client.GetAudit(t.Context(), &pb.GetAuditRequest{
			Since: timestamppb.New(startOfTests), Until: timestamppb.New(startOfTests.Add(time.Hour)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	seen = storm(t, r, 7)
	r.stream.feed(t, time.Minute, correlate.Tick{}) // the page was decided, and nobody has it
	if got := get(); got.GetProven() || len(got.GetFindings()) != 1 || got.GetFindings()[0].GetAlerts() != 7 || got.GetFindings()[0].GetIncident() != "INC-1" {
		t.Errorf("a page that nobody took: %v", got)
	}
	deliver(t, r, time.Second)
	got := get()
	if !got.GetProven() || len(got.GetFindings()) > 0 || got.GetRevision() != 2 {
		t.Errorf("all is well: %v", got.GetFindings())
	}
	if got.GetAlerts() != 7 || got.GetPageWorthy() != 7 || got.GetStream().GetAlerts() != 7 || got.GetStream().GetNotifications() != 1 || got.GetStream().GetUnapplied() != 0 ||
		len(got.GetFates()) != 1 || got.GetFates()[0].GetFate() != pb.FateKind_FATE_KIND_PAGED || got.GetDeliveries()[0].GetSent() != 1 || got.GetPages()[0].GetCount() != 1 {
		t.Errorf("the counts: %v", got)
	}
	// An entry that was taken and never applied, and one that was set aside.
	lost, late := *seen[0].Signal.(*correlate.AlertBatch), *seen[0].Signal.(*correlate.AlertBatch)
	lost.Alerts = []correlate.Alert{{Fingerprint: "00000000000000ff", StartsAt: startOfTests, Labels: map[string]string{"severity": "critical"}}}
	late.Alerts = []correlate.Alert{{Fingerprint: "00000000000000fe", StartsAt: startOfTests, Labels: map[string]string{"severity": "critical"}}}
	seen = append(seen, correlate.Input{Pos: 2, At: startOfTests.Add(2 * time.Second), Signal: &lost}, correlate.Input{Pos: 3, At: startOfTests.Add(3 * time.Second), Signal: &late})
	got = get()
	if got.GetProven() || len(got.GetCounts()) != 2 || got.GetCounts()[0].GetKind() != pb.AuditFindingKind_AUDIT_FINDING_KIND_SWALLOWED || got.GetStream().GetUnapplied() != 1 {
		t.Errorf("lost and late: %v", got)
	}
}

func TestAnAuditRefusesWhatItCannotJudge(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Stream = brokenStream{} })
	_, conn := r.serve(t)
	client := pb.NewAuditServiceClient(conn)
	for _, c := range []struct {
		req  *pb.GetAuditRequest
		want codes.Code
	}{
		{&pb.GetAuditRequest{Since: timestamppb.New(startOfTests), Until: timestamppb.New(startOfTests.Add(-1))}, codes.InvalidArgument},
		{&pb.GetAuditRequest{Since: &timestamppb.Timestamp{Nanos: -1}}, codes.InvalidArgument},
		{&pb.GetAuditRequest{Until: &timestamppb.Timestamp{Nanos: -1}}, codes.InvalidArgument},
		{&pb.GetAuditRequest{}, codes.Unavailable},
	} {
		if _, err := client.GetAudit(t.Context(), c.req); status.Code(err) != c.want {
			t.Errorf("%v: %v, want %v", c.req, err, c.want)
		}
	}
}

func TestAuditFindingsAreNamedAlike(t *testing.T) {
	if got, want := len(pb.AuditFindingKind_name), len(audit.Kinds())+1; got != want {
		t.Errorf("%d kinds in the contract, want %d", got, want)
	}
	for _, k := range audit.Kinds() {
		want := "AUDIT_FINDING_KIND_" + k.String()
		if got := auditKindToProto(k).String(); !strings.EqualFold(got, want) {
			t.Errorf("%s is %s", k, got)
		}
	}
}
