//go:build acceptance

package acceptance

import (
	"fmt"
	"regexp"
	"testing"
)

// Prometheus, Alertmanager and Headwater as they are used: 40 alerts become one page
// and one resolve.
func TestAcceptanceCascade(t *testing.T) {
	for _, c := range []struct {
		name string
		// prepare starts the Alertmanagers and returns where to send alerts.
		prepare func(t *testing.T, o *outage) []string
	}{
		{"one Alertmanager", func(t *testing.T, o *outage) []string {
			return []string{startAlertmanager(t, "alertmanager", o.headwater.web, "").web}
		}},
		{"two Alertmanagers that do not know each other", func(t *testing.T, o *outage) []string {
			pair := []string{
				startAlertmanager(t, "alertmanager 1", o.headwater.web, "").web,
				startAlertmanager(t, "alertmanager 2", o.headwater.web, "").web,
			}
			o.afterResolve = func() {
				for _, web := range pair {
					eventually(t, "each of the two has sent what happened", patience, func() error { return hasNotified(web) })
				}
			}
			return pair
		}},
		{"a cluster of two Alertmanagers", func(t *testing.T, o *outage) []string {
			first := freePort(t)
			return []string{
				startAlertmanager(t, "alertmanager 1", o.headwater.web, first).web,
				startAlertmanager(t, "alertmanager 2", o.headwater.web, freePort(t), first).web,
			}
		}},
		{"receivers that answer 503 at first", func(t *testing.T, o *outage) []string {
			refuse := func() func() bool {
				left := 4
				return func() bool { left--; return left >= 0 }
			}
			o.hook.breakDown(refuse())
			o.pager.breakDown(refuse())
			return []string{startAlertmanager(t, "alertmanager", o.headwater.web, "").web}
		}},
		{"receivers that are down until all is over", func(t *testing.T, o *outage) []string {
			always := func() bool { return true }
			o.hook.breakDown(always)
			o.pager.breakDown(always)
			o.afterResolve = func() {
				if len(o.hook.all())+len(o.pager.all()) > 0 {
					t.Error("the receivers were not down")
				}
				if o.hook.refusals() == 0 || o.pager.refusals() == 0 {
					t.Error("the opening page was not tried while the receivers were down")
				}
				o.hook.breakDown(nil)
				o.pager.breakDown(nil)
			}
			return []string{startAlertmanager(t, "alertmanager", o.headwater.web, "").web}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			o := &outage{hook: newCollector(t), pager: newPagerduty(t, nil)}
			o.headwater = newSite(t, shopConfig+oncall(o.hook.URL, o.pager.URL), shopTopology).start(t)
			o.sendTo = c.prepare(t, o)
			o.play(t)
		})
	}
}

var notifications = regexp.MustCompile(`(?m)^alertmanager_notifications_total\{.*integration="webhook".*\} ([1-9])`)

// hasNotified returns an error unless the Alertmanager has sent a notification to a webhook.
func hasNotified(web string) error {
	_, metrics, err := get(web + "/metrics")
	if err == nil && !notifications.MatchString(metrics) {
		err = fmt.Errorf("%s has sent nothing", web)
	}
	return err
}
