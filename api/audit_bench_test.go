package api

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// BenchmarkAudit proves a day of 100,000 alerts in 1,000 incidents.
func BenchmarkAudit(b *testing.B) {
	const alerts, incidents = 100_000, 1_000
	var seen entries
	r := newRig(b, func(o *Options) { o.Stream = &seen })
	for i := range incidents {
		n := uint64(i + 1)
		rows := []any{newIncident(n, func(i *correlate.Incident) { i.Paging = correlate.Paging{Opens: 1, Seq: 1} }), &correlate.Page{
			Incident: correlate.Incident{ID: fmt.Sprintf("INC-%d", n), Number: n}, Seq: 1, At: startOfTests, Reason: "opened 30s ago, nobody paged yet",
		}}
		batch := &correlate.AlertBatch{}
		for k := range alerts / incidents {
			a := newAlert(i*alerts/incidents+k, fmt.Sprintf("INC-%d", n))
			rows = append(rows, a)
			batch.Alerts = append(batch.Alerts, a.Alert)
		}
		pos := r.stream.put(b, rows...)
		seen = append(seen, correlate.Input{Pos: pos, At: startOfTests.Add(time.Duration(i) * time.Second), Signal: batch})
	}
	deliver(b, r, time.Second)
	req := &pb.GetAuditRequest{Since: timestamppb.New(startOfTests.Add(-time.Hour)), Until: timestamppb.New(startOfTests.Add(48 * time.Hour))}
	service := &auditService{Server: r.Server}
	for b.Loop() {
		got, err := service.GetAudit(b.Context(), req)
		if err != nil || got.GetAlerts() != alerts || !got.GetProven() {
			b.Fatalf("%d alerts, %v, %v", got.GetAlerts(), got.GetCounts(), err)
		}
	}
}
