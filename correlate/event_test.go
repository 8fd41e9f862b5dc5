package correlate_test

import (
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// A monitor posts each deadlock as an event of its own, with another start each time and an
// end some minutes later. That is one alert which goes on while events come and ends after the last.
func TestEventsThatNameAnEndAreOneAlert(t *testing.T) {
	e, err := correlate.New(correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	pos := uint64(0)
	step := func(at time.Time, s correlate.Signal) *correlate.Delta {
		pos++
		return e.Step(correlate.Input{Pos: pos, At: at, Signal: s})
	}
	event := func(at time.Time) correlate.Signal {
		return &correlate.AlertBatch{Source: "deadlock-monitor", Alerts: []correlate.Alert{{
			Fingerprint: "00000000000000aa", Labels: map[string]string{"alertname": "DatabaseDeadlock", "service": "orders"}, StartsAt: at, EndsAt: at.Add(15 * time.Minute),
		}}}
	}
	last := epoch
	for i := range 20 {
		last = epoch.Add(time.Duration(i) * 6 * time.Minute)
		step(last, event(last))
	}
	alerts := e.Snapshot().Alerts
	if len(alerts) != 1 || !alerts[0].Active() || !alerts[0].StartsAt.Equal(epoch) {
		t.Fatalf("%d alerts, the first %+v", len(alerts), alerts[0])
	}
	step(last.Add(16*time.Minute), correlate.Tick{})
	s := e.Snapshot()
	if a := s.Alerts[0]; a.Active() || !a.EndedAt.Equal(last.Add(15*time.Minute)) {
		t.Errorf("after the last event: %+v", a)
	}
	if len(s.Incidents) != 1 || s.Incidents[0].Paging.Opens != 1 {
		t.Errorf("%d incidents, %d opening pages", len(s.Incidents), s.Incidents[0].Paging.Opens)
	}
}

// Alertmanager's API tells starts in milliseconds, its webhook in nanoseconds: an alert
// that was read there first is no other when its notification comes.
func TestAnAlertReadFromTheAPIIsTheOneThatTheWebhookTellsOf(t *testing.T) {
	e, err := correlate.New(correlate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	began := epoch.Add(12_345_678 * time.Nanosecond)
	tell := func(pos uint64, source string, start time.Time, status correlate.AlertStatus) {
		a := correlate.Alert{Fingerprint: "00000000000000aa", Labels: map[string]string{"alertname": "Down", "service": "db"}, StartsAt: start, Status: status}
		e.Step(correlate.Input{Pos: pos, At: epoch.Add(time.Duration(pos) * 10 * time.Second), Signal: &correlate.AlertBatch{Source: source, Alerts: []correlate.Alert{a}}})
	}
	tell(1, correlate.SourceReconciliation, began.Truncate(time.Millisecond), correlate.Firing)
	tell(2, correlate.SourceAlertmanager, began, correlate.Firing)
	if alerts := e.Snapshot().Alerts; len(alerts) != 1 || !alerts[0].Active() || !alerts[0].LastSeen.Equal(epoch.Add(20*time.Second)) {
		t.Fatalf("%d alerts, the first %+v", len(alerts), alerts[0])
	}
	tell(3, correlate.SourceAlertmanager, began, correlate.Resolved)
	if a := e.Snapshot().Alerts[0]; a.Active() {
		t.Errorf("still fires: %+v", a)
	}
}
