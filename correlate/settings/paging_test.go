package settings

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headwater-sre/headwater/correlate"
)

func TestPaging_IsThePolicy(t *testing.T) {
	c, err := parse("x.yaml", `
correlation: {hold: 20s, hold_critical: 5s}
paging:
  ring_spacing: 3m
  reminder: 15m
  reminders: 2
  daytime: {time_interval: business-hours, severities: [SEV4]}
  escalation:
    - matchers: ['sev=~"SEV1|SEV2"', team!=shop]
      steps:
        - {after: 10m, when: unacknowledged, to: [secondary]}
        - {when: no_progress, to: [lead]}
        - {when: critical_function, to: [lead, management]}
        - {after: 1h, to: [management]}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := correlate.Policy{
		RingSpacing: 3 * time.Minute, Reminder: 15 * time.Minute, Reminders: 2,
		Daytime: correlate.Daytime{Interval: "business-hours", Sevs: []correlate.Sev{correlate.Sev4}},
		Escalation: []correlate.EscalationPolicy{{
			Matchers: []correlate.Matcher{
				{Name: "sev", Op: correlate.MatchRegexp, Value: "SEV1|SEV2"}, {Name: "team", Op: correlate.MatchNotEqual, Value: "shop"},
			},
			Steps: []correlate.EscalationStep{
				{After: 10 * time.Minute, When: correlate.EscalateUnacknowledged, To: []string{"secondary"}},
				{After: 30 * time.Minute, When: correlate.EscalateNoProgress, To: []string{"lead"}},
				{When: correlate.EscalateCriticalFunction, To: []string{"lead", "management"}},
				{After: time.Hour, To: []string{"management"}},
			},
		}},
	}
	if diff := cmp.Diff(want, c.Policy, cmpopts.IgnoreUnexported(correlate.Matcher{})); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	if c.HoldCritical != 5*time.Second || c.HoldConfident != 10*time.Second {
		t.Errorf("holds: critical %s, confident %s", c.HoldCritical, c.HoldConfident)
	}
}
