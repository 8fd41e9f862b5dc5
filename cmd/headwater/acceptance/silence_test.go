//go:build acceptance

package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// A real Alertmanager silences an alert: no webhook tells of it, and yet it is in an
// incident here, with the silence's author and comment, and pages nobody. When the silence is
// ended it pages.
func TestAcceptanceSilence(t *testing.T) {
	skipShort(t)
	const settings = "correlation: {hold: 1s}\ntopology: {files: [topology.yaml]}\n"
	s := newSite(t, settings, "services: [{name: mysql, kind: database}]\n")
	h := s.start(t, "--web.enable-lifecycle")
	am := startAlertmanager(t, "alertmanager", h.web, "")
	write(t, s.config, settings+fmt.Sprintf("alertmanagers: [{url: %q, interval: 5s}]\n", am.web))
	if code, answer, err := post(h.web+"/-/reload", ""); err != nil || code != http.StatusOK {
		t.Fatalf("reload: %d %s %v", code, answer, err)
	}
	silence := silenced(t, am.web, "DatabaseDown", "upgrade to 8.4")
	now := time.Now().UTC()
	send(t, am.web, []notified{{Labels: map[string]string{"alertname": "DatabaseDown", "service": "mysql", "severity": "critical"}, StartsAt: now, EndsAt: now.Add(time.Hour)}})
	conn := h.dial(t)
	is := func(want pb.FateKind, text string, opens int) func() error {
		return func() error {
			r, err := readRecord(t.Context(), conn)
			if err != nil {
				return err
			}
			for _, a := range r.alerts {
				i := r.incidents[a.GetIncident()]
				if a.GetFate().GetKind() == want && strings.Contains(a.GetFate().GetText(), text) && i != nil && openings(i) == opens {
					return nil
				}
			}
			return fmt.Errorf("alerts %v, incidents %v", r.alerts, r.incidents)
		}
	}
	eventually(t, "the silenced alert", patience, is(pb.FateKind_FATE_KIND_MUTED, "silenced by alice", 0))
	eventually(t, "its comment", patience, is(pb.FateKind_FATE_KIND_MUTED, "upgrade to 8.4", 0))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, am.web+"/api/v2/silence/"+silence, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("end the silence: %v, %v", answer, err)
	}
	answer.Body.Close()
	eventually(t, "the page", patience, is(pb.FateKind_FATE_KIND_PAGED, "", 1))
}

// silenced makes a silence for alerts of a name and returns its id.
func silenced(t *testing.T, web, alertname, comment string) string {
	t.Helper()
	now := time.Now().UTC()
	body, err := json.Marshal(map[string]any{
		"matchers": []map[string]any{{"name": "alertname", "value": alertname, "isRegex": false, "isEqual": true}},
		"startsAt": now, "endsAt": now.Add(time.Hour), "createdBy": "alice", "comment": comment,
	})
	if err != nil {
		t.Fatal(err)
	}
	code, answer, err := post(web+"/api/v2/silences", string(body))
	var made struct{ SilenceID string }
	if err != nil || code != http.StatusOK || json.Unmarshal([]byte(answer), &made) != nil || made.SilenceID == "" {
		t.Fatalf("make a silence: %d %s %v", code, answer, err)
	}
	return made.SilenceID
}
