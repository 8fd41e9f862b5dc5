package acceptance

import "testing"

// Prometheus can send here as if this were an Alertmanager: the cascade becomes one
// page and one resolve without one between.
func TestCascadeFromPrometheus(t *testing.T) {
	skipShort(t)
	t.Parallel()
	o := &outage{hook: newCollector(t), pager: newPagerduty(t, nil)}
	config := `
topology:
  files: [topology.yaml]
correlation:
  hold: 3s
  hold_confident: 2s
  settle: 300ms
  close_after: 1s
`
	o.headwater = newSite(t, config+oncall(o.hook.URL, o.pager.URL), shopTopology).start(t)
	o.sendTo = []string{o.headwater.web}
	o.play(t)
	if code := o.headwater.stop(t); code != 0 {
		t.Errorf("a stop that was asked for ended with code %d", code)
	}
}
