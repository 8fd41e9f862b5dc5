package acceptance

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// Two Alertmanagers tell the same story, the second one late: when it says that an
// alert fires, the first has said already that it ended. What the second says last
// are the very words of the first, and they count all the same.
func TestLateTwinHasTheLastWord(t *testing.T) {
	skipShort(t)
	t.Parallel()
	h := newSite(t, `
topology: {files: [topology.yaml]}
correlation: {settle: 100ms}
`, shopTopology).start(t)
	alert := func(service, status string) notified {
		labels := map[string]string{"alertname": "HighErrorRate", "service": service, "namespace": "shop", "severity": "critical"}
		n := notified{Status: status, Labels: labels, StartsAt: begun, Fingerprint: fingerprint(labels)}
		if status == resolved {
			n.EndsAt = begun.Add(20 * time.Second)
		}
		return n
	}
	say := func(group ...notified) {
		t.Helper()
		if code, answer, err := post(h.web+"/webhook/alertmanager", webhook("shop", group)); err != nil || code != http.StatusOK {
			t.Fatalf("%d %s %v", code, answer, err)
		}
	}
	conn := h.dial(t)
	cartIs := func(what string, right func(*pb.Alert) bool) {
		t.Helper()
		cart := alert("cart", firing)
		eventually(t, "cart's alert "+what, patience, func() error {
			r, err := readRecord(t.Context(), conn)
			if err == nil && !right(r.alerts[cart.id()]) {
				err = fmt.Errorf("it is %v", r.alerts[cart.id()])
			}
			return err
		})
	}
	say(alert("cart", firing))                         // the first
	say(alert("cart", resolved), alert("web", firing)) // the first
	cartIs("ends", func(a *pb.Alert) bool { return a.GetIncident() != "" && !a.GetActive() })
	say(alert("cart", firing), alert("web", firing)) // the second, late
	cartIs("fires again", func(a *pb.Alert) bool { return a.GetActive() })
	say(alert("cart", resolved), alert("web", firing)) // the second
	cartIs("has ended", func(a *pb.Alert) bool { return !a.GetActive() })
}

// begun is some time ago.
var begun = time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
