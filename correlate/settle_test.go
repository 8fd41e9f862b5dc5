package correlate

import (
	"fmt"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// More alerts than one settling judges: each waits for its turn, none is left out,
// neither when they arrive nor when a new graph asks for all of them again.
func TestASettlingTakesABoundedShareAndTheRestFollows(t *testing.T) {
	const services, each = 500, 6 // 3,000 alerts, maxSceneAlerts is 2,000
	spec := topology.Spec{Version: "1"}
	for i := range services {
		spec.Services = append(spec.Services, topology.Service{Name: fmt.Sprintf("svc-%d", i)})
	}
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	pos, now := uint64(0), time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	step := func(sig Signal) {
		pos++
		e.Step(Input{Pos: pos, At: now, Signal: sig})
	}
	settleAll := func() {
		for range 20 {
			at, ok := e.NextDeadline()
			if !ok || at.Sub(now) > 20*time.Second {
				return
			}
			now = at
			step(Tick{})
		}
		t.Fatal("the engine does not come to rest")
	}
	step(&TopologyReport{Source: "file", Spec: spec})
	batch := &AlertBatch{Source: "alertmanager"}
	for i := range services * each {
		batch.Alerts = append(batch.Alerts, Alert{
			Fingerprint: fmt.Sprintf("%016x", i), StartsAt: now,
			Labels: map[string]string{"alertname": fmt.Sprintf("HighErrorRate%d", i%each), "service": fmt.Sprintf("svc-%d", i/each), "severity": "info"},
		})
	}
	step(batch)
	settleAll()
	for _, it := range e.items {
		if it.inc == nil {
			t.Fatalf("%s is still in no incident", it.state.ID())
		}
	}
	spec.Version = "2"
	step(&TopologyReport{Source: "file", Spec: spec})
	settleAll()
	for id, inc := range e.incidents {
		if inc.row.Unsettled || inc.row.TopologyVersion != "2" {
			t.Fatalf("%s was not judged again: unsettled %v, topology %s", id, inc.row.Unsettled, inc.row.TopologyVersion)
		}
	}
}
