package acceptance

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// instance names an alert instance as the API does: <fingerprint>@<start>.
type instance string

// notified is an alert as one notification has it. The JSON is that of
// Alertmanager's webhook, and fits its API's POST as well.
type notified struct {
	Status       string            `json:"status,omitempty"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	Fingerprint  string            `json:"fingerprint,omitempty"`
}

const (
	firing   = "firing"
	resolved = "resolved"
)

// fingerprint is Alertmanager's.
func fingerprint(labels map[string]string) string {
	set := make(model.LabelSet, len(labels))
	for k, v := range labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	return set.Fingerprint().String()
}

func (n *notified) id() instance {
	return instance(n.Fingerprint + "@" + n.StartsAt.UTC().Format(time.RFC3339Nano))
}

// webhook is a notification as Alertmanager 0.34 sends it: the whole group.
func webhook(groupKey string, group []notified) string {
	status := resolved
	alerts := make([]map[string]any, len(group))
	for i, n := range group {
		if n.Status == firing {
			status = firing
		}
		alerts[i] = map[string]any{
			"status": n.Status, "labels": n.Labels, "annotations": n.Annotations,
			"startsAt": n.StartsAt, "endsAt": n.EndsAt, // zero while it fires: 0001-01-01T00:00:00Z
			"generatorURL": n.GeneratorURL, "fingerprint": n.Fingerprint,
		}
	}
	text, err := json.Marshal(map[string]any{
		"version": "4", "groupKey": groupKey, "truncatedAlerts": 0, "status": status, "receiver": "headwater",
		"groupLabels": map[string]string{}, "commonLabels": map[string]string{}, "commonAnnotations": map[string]string{},
		"externalURL": "http://alertmanager.example.org", "alerts": alerts,
	})
	if err != nil {
		panic(err) // strings and times always marshal
	}
	return string(text)
}

// send posts alerts as Prometheus does, to an Alertmanager or what looks like one.
func send(t testing.TB, base string, alerts []notified) {
	t.Helper()
	bare := make([]notified, len(alerts))
	for i, n := range alerts {
		bare[i] = n
		bare[i].Status, bare[i].Fingerprint = "", "" // not in Prometheus's vocabulary
	}
	body, err := json.Marshal(bare)
	if err != nil {
		t.Fatal(err)
	}
	code, answer, err := post(base+"/api/v2/alerts", string(body))
	if err != nil || code != http.StatusOK {
		t.Fatalf("POST %s/api/v2/alerts: %d %s %v", base, code, answer, err)
	}
}
