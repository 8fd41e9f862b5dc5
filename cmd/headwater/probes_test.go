package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// listedChecks are the checks that a server tells of, by name.
func (r *running) listedChecks(t *testing.T) map[string]map[string]any {
	t.Helper()
	var list struct {
		Checks []map[string]any `json:"checks"`
	}
	if err := json.Unmarshal([]byte(r.get(t, "/api/v1/health").body), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for _, c := range list.Checks {
		all[fmt.Sprint(c["check"])] = c
	}
	return all
}

// A check in the configuration, one by a label in the topology: both are run, one fails
// and makes an incident, and is taken out again.
func TestFromACheckInTheConfigurationToAnIncident(t *testing.T) {
	var down atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer target.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "headwater.yaml")
	write := func(checks string) {
		text := "topology: {files: [topology.yaml]}\nhealth:\n  labels: {allow: [127.0.0.1/32]}\n  failure_threshold: 2\n  checks: " + checks + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spec := fmt.Sprintf("services:\n  - {name: web, namespace: shop, labels: {headwater_probe_target: '%s', headwater_probe_interval: 1s}}\n  - {name: db, namespace: shop}\n", target.URL)
	if err := os.WriteFile(filepath.Join(dir, "topology.yaml"), []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("[{service: shop/db, check: port, module: tcp_connect, target: '%s', interval: 1s}]", strings.TrimPrefix(target.URL, "http://"))
	write(own)
	c, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	r := started(t, serverOptions{config: c})
	waitFor(t, "both checks pass", func() bool {
		all := r.listedChecks(t)
		return len(all) == 2 && all["port"]["status"] == "HEALTH_STATUS_PASSING" && all["http_2xx"]["status"] == "HEALTH_STATUS_PASSING"
	})
	down.Store(true)
	waitFor(t, "an incident", func() bool {
		return strings.Contains(r.get(t, "/api/v1/incidents").body, `"INC-1"`) && r.listedChecks(t)["http_2xx"]["status"] == "HEALTH_STATUS_DEGRADED"
	})
	write("[]") // the port's check goes; the label's stays with what is known of it
	r.hup <- syscall.SIGHUP
	waitFor(t, "the check is forgotten", func() bool {
		all := r.listedChecks(t)
		return len(all) == 1 && all["http_2xx"]["alert"] != nil
	})
}

func TestProbesAreNoReasonToRestartTheEngine(t *testing.T) {
	if mustParse(t, "").engineDiffers(mustParse(t, "health: {checks: [{service: a, target: a}]}\n")) {
		t.Error("the first check restarts the engine")
	}
	before := mustParse(t, "health: {checks: [{service: a, target: a}], failure_threshold: 2}\n")
	for text, want := range map[string]bool{
		"health: {failure_threshold: 2, concurrency: 7, refresh_interval: 1m, modules: {m: {prober: icmp}}}\n": false,
		"health: {checks: [{service: a, target: a}], failure_threshold: 3}\n":                                  true,
		"health: {ttl: 2d, failure_threshold: 2}\n":                                                            true,
	} {
		if got := before.engineDiffers(mustParse(t, text)); got != want {
			t.Errorf("%s the engine restarts: %t, want %t", text, got, want)
		}
	}
}

func TestPasswordsInTargetsAreNotShown(t *testing.T) {
	for target, want := range map[string]string{
		"http://probe:hunter2@shop/": "http://redacted@shop/",
		"http://shop/?mail=a@b":      "http://shop/?mail=a@b",
		"mysql:3306":                 "mysql:3306",
	} {
		if got := withoutPassword(target); got != want {
			t.Errorf("%s is shown as %s", target, got)
		}
	}
}
