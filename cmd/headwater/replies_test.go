package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/headwater-sre/headwater/correlate/page"
	replies "github.com/headwater-sre/headwater/ingest/reply"
)

func TestTheButtonOfAPageIsTheOneThatIsUnderstood(t *testing.T) {
	if page.AcknowledgeAction != replies.AcknowledgeAction {
		t.Errorf("pages have the button %q, replies come from %q", page.AcknowledgeAction, replies.AcknowledgeAction)
	}
}

// What somebody acknowledges at PagerDuty is found by the key that PagerDuty got with the page.
func TestAnAcknowledgementFindsItsIncidentByTheKeyOfThePage(t *testing.T) {
	sent := newPages(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "headwater.yaml")
	write(t, filepath.Join(dir, "secret"), "s3cret\n")
	write(t, path, fmt.Sprintf(`
correlation: {hold: 0s}
receivers: [{name: on-call, pagerduty_configs: [{routing_key: R0, url: %q}]}]
sources: [{name: pd, kind: pagerduty, hmac_secret_file: secret}]
`, sent.URL))
	c, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	address := []string{"127.0.0.1:0"}
	none := ""
	r := launched(t, serverOptions{config: c, web: &web.FlagConfig{WebListenAddresses: &address, WebConfigFile: &none}})
	waitFor(t, "the intake", func() bool { return r.post(t, "/webhook/alertmanager", firing("Down", "cart")).code == http.StatusOK })
	waitFor(t, "the page", func() bool { return sent.count() > 0 })
	var paged struct {
		Key string `json:"dedup_key"`
	}
	sent.mu.Lock()
	err = json.Unmarshal([]byte(sent.came[0]), &paged)
	sent.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	send := func(event string) (code int, note string) {
		mac := hmac.New(sha256.New, []byte("s3cret"))
		mac.Write([]byte(event))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+"/webhook/source/pd", strings.NewReader(event))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-PagerDuty-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got struct{ Note string }
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, got.Note
	}
	const ada = `"agent": {"type": "user_reference", "summary": "Ada Byron"}`
	acknowledged := fmt.Sprintf(`{"event": {"event_type": "incident.acknowledged", %s, "data": {"number": 7, "incident_key": %q, "html_url": "https://acme.pagerduty.com/incidents/Q1"}}}`, ada, paged.Key)
	if code, note := send(acknowledged); code != http.StatusOK || note != "INC-1 is acknowledged by Ada Byron" {
		t.Fatalf("%d %s", code, note)
	}
	shown := func(text string) func() bool {
		return func() bool { return strings.Contains(r.get(t, "/api/v1/incidents/INC-1").body, text) }
	}
	waitFor(t, "the acknowledgement", shown("Ada Byron"))
	waitFor(t, "the link", shown("https://acme.pagerduty.com/incidents/Q1"))
	// A note names PagerDuty's own incident alone, which the link tells.
	annotated := fmt.Sprintf(`{"event": {"event_type": "incident.annotated", %s, "data": {"content": "restarting", "incident": {"html_url": "https://acme.pagerduty.com/incidents/Q1"}}}}`, ada)
	if code, note := send(annotated); code != http.StatusOK || note != "noted in the timeline of INC-1" {
		t.Errorf("%d %s", code, note)
	}
	waitFor(t, "the note", shown("restarting"))
	strange := strings.ReplaceAll(acknowledged, paged.Key, page.ReceiverKey("incident/INC-2"))
	if code, note := send(strange); code != http.StatusOK || !strings.Contains(note, "no incident") {
		t.Errorf("a page of another: %d %s", code, note)
	}
}
