package correlate

import (
	"fmt"
	"testing"
	"time"
)

// Each alert that names no service has a node of its own. When the alert is
// forgotten, so must be its node: such alerts come for ever.
func TestNodesOutsideTheGraphAreForgotten(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	pos, now := uint64(0), start
	send := func(status AlertStatus) {
		batch := &AlertBatch{Source: "alertmanager"}
		for i := range maxExtraNodes + 100 {
			batch.Alerts = append(batch.Alerts, Alert{
				Fingerprint: fmt.Sprintf("%016x", i), Status: status, StartsAt: start.Add(-12 * time.Hour), // chronic: in no incident
				Labels: map[string]string{"alertname": "Odd", "severity": "warning", "value": fmt.Sprint(i)},
			})
		}
		pos++
		e.Step(Input{Pos: pos, At: now, Signal: batch})
	}
	send(Firing)
	if n := len(e.nodes.extra); n < maxExtraNodes {
		t.Fatalf("%d nodes outside the graph, want one for each of %d alerts", n, maxExtraNodes+100)
	}
	now = now.Add(time.Minute)
	send(Resolved)
	now = now.Add(2 * time.Hour)
	pos++
	e.Step(Input{Pos: pos, At: now})
	if n := len(e.nodes.extra); n != 0 || len(e.items) != 0 {
		t.Errorf("%d nodes and %d alerts are still remembered after all of them ended", n, len(e.items))
	}
	for key := range e.stats {
		if _, _, kind, _ := figureOf(key); kind != FigureNoise {
			t.Errorf("learned of a service that does not exist: %s", key)
		}
	}
}
