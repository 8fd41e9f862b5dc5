package store

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

func TestMetricsTellRowsAndPendingPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		s, err := Open(Options{InMemory: true, Registerer: reg})
		must(t, err)
		d := rowsAt(7, 2, 1)
		d[0].Pages = append(pageOf(d[0]), &correlate.Page{Incident: *d[0].Incidents[1], Seq: 1, At: time.Now()})
		d[0].Alerts = []*correlate.AlertState{{Alert: correlate.Alert{Fingerprint: "a"}}}
		d[0].Health = []*correlate.HealthState{{Check: "a"}, {Check: "b"}, {Check: "c"}}
		d[0].Changes = []*correlate.ChangeState{{Pos: 1}}
		d[0].Stats = []correlate.Stat{{Key: "a", Count: 1}, {Key: "b"}}
		d[0].Past = []*correlate.Past{{Incident: "INC-1", Number: 1}, {Incident: "INC-2", Number: 2, Forgotten: true}}
		must(t, s.Commit(t.Context(), d, true))
		time.Sleep(90 * time.Second)
		want := []string{
			`headwater_store_commit_duration_seconds map[sync:false] 0`,
			`headwater_store_commit_duration_seconds map[sync:true] 1`,
			`headwater_store_commit_failures_total map[] 0`,
			`headwater_store_live_rows map[kind:action_item] 0`,
			`headwater_store_live_rows map[kind:alert] 1`,
			`headwater_store_live_rows map[kind:change] 1`,
			`headwater_store_live_rows map[kind:health] 3`,
			`headwater_store_live_rows map[kind:incident] 2`,
			`headwater_store_live_rows map[kind:maintenance] 0`,
			`headwater_store_live_rows map[kind:past] 1`,
			`headwater_store_live_rows map[kind:stat] 1`,
			`headwater_store_oldest_pending_page_age_seconds map[] 90`,
			`headwater_store_pending_pages map[] 2`,
			`headwater_store_revision map[] 7`,
			`headwater_store_size_bytes map[] 0`,
			`headwater_store_staged_commits_total map[] 0`,
			`headwater_store_sync_duration_seconds map[] 2`,
		}
		if got := gathered(t, reg); !slices.Equal(got, want) {
			t.Errorf("metrics:\n%q\nwant\n%q", got, want)
		}
		must(t, s.RecordDelivery(t.Context(), d[0].Pages[0].Key(), nil, true, false))
		if _, pending, _ := s.measure(time.Now()); pending != 1 {
			t.Errorf("%d pages pending, want 1", pending)
		}
		must(t, s.Commit(t.Context(), archived(8), true))
		if rows, _, _ := s.measure(time.Now()); rows[tableIncident] != 1 || rows[tableChange] != 1 || rows[tableAlert] != 2 {
			t.Errorf("live rows %v", rows)
		}
		must(t, s.Close())
		if got := gathered(t, reg); len(got) != 0 {
			t.Errorf("left after Close: %q", got)
		}
	})
}

// gathered lists metrics with their values, but for bytes written, which change with the encoding.
func gathered(t *testing.T, reg *prometheus.Registry) (out []string) {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if f.GetName() != "headwater_store_written_bytes_total" {
				out = append(out, fmt.Sprintf("%s %v %v", f.GetName(), labels, value))
			}
		}
	}
	return out
}
