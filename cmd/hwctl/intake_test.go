package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// offline runs a command that needs no server.
func offline(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := newApp(&stdout, &stderr, func() time.Time { return now }, false)
	code = a.run(t.Context(), args)
	return code, stdout.String(), stderr.String()
}

func TestIntakeTestShowsWhatABodyComesTo(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "headwater.yaml")
	for name, text := range map[string]string{
		"headwater.yaml": "sources:\n  - {name: monitor, ends_after: 15m, cel: {each: body, alert: {labels: {alertname: '\"Deadlock\"', service: event.service}, annotations: {summary: 'event.?text'}}}}\n",
		"broken.yaml":    "sources:\n  - {name: monitor, cel: {change: {service: evnt.s, kind: '\"deploy\"'}}}\n",
		"events.json":    `[{"service": "orders", "text": "two\nlines"}, {"sevrice": "stock"}]`,
		"none.json":      `[]`,
		"change.json":    `{"service": "shop/cart", "kind": "deploy"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, tc := range []struct {
		point     string
		args      []string
		code      int
		out, errs string
	}{
		{
			"a change",
			[]string{"--kind=flux", "../../ingest/flux/testdata/helmrelease-upgraded.json"},
			exitOK,
			"change  shop/payment  deploy  HelmRelease payment released 2.4.0  2026-11-20 08:20:02Z  flux\n", "",
		},
		{
			"what somebody answered to a page",
			[]string{"--kind=opsgenie", "../../ingest/reply/testdata/opsgenie-note.json"},
			exitOK,
			"reply  noted  5ca2ac1c7a6edcb7638024e00472b3dc192575b1fa1a7345535a11a1b3cddead  ada@example.org  looking at the connection pool  opsgenie\n", "",
		},
		{
			"nothing to take",
			[]string{"--kind=github", "--header=X-GitHub-Event=ping", "../../ingest/github/testdata/ping.json"},
			exitOK,
			"event \"ping\" tells of no deployment; choose deployments and deployment statuses\n", "",
		},
		{
			"by a header",
			[]string{"--kind=github", "--header=x-github-event=deployment", "../../ingest/github/testdata/deployment.json"},
			exitOK,
			"change  payment  deploy  deployment started main (8f14e45f) to production, by ci-bot  https://github.com/acme/payment  2026-11-20 08:12:02Z  github\n", "",
		},
		{
			"a configured source, in part",
			[]string{"--config.file=" + config, "--source=monitor", in("events.json")},
			exitFailed,
			"alert  Deadlock  firing  since 2026-11-20 03:04:12Z  ends 2026-11-20 03:19:12Z  monitor\n  alertname=Deadlock\n  service=orders\n  summary: two lines\n",
			"hwctl: 1 events rejected, the first: event 1: alert.labels.service: no such key: service\n",
		},
		{
			"as JSON",
			[]string{"--output=json", "--kind=change", "--content-type=application/json", in("change.json")},
			exitOK,
			`{"change":{"at":"0001-01-01T00:00:00Z","kind":"deploy","link":"","namespace":"shop","service":"cart","summary":""},"source":"webhook"}` + "\n", "",
		},
		{"nothing mapped", []string{"--config.file=" + config, "--source=monitor", in("none.json")}, exitOK, "the event maps to nothing\n", ""},
		{
			"no such source",
			[]string{"--config.file=" + config, "--source=minotaur", in("none.json")},
			exitFailed, "",
			"hwctl: --source: " + config + " names no source \"minotaur\"; it has monitor\n",
		},
		{
			"a mistake in the mapping",
			[]string{"--config.file=" + in("broken.yaml"), "--source=monitor", in("none.json")},
			exitFailed, "",
			"hwctl: --config.file: " + in("broken.yaml") + ":2: sources[0].cel.change.service: undeclared reference to 'evnt' (in container '') (column 1 of the expression)\n",
		},
		{"neither source nor kind", []string{in("none.json")}, exitUsage, "", "hwctl: give either --source or --kind\n"},
		{"both", []string{"--kind=flux", "--source=monitor", in("none.json")}, exitUsage, "", "hwctl: give either --source or --kind\n"},
		{"a header without a value", []string{"--kind=flux", "--header=X", in("none.json")}, exitUsage, "", "hwctl: --header: \"X\" is not NAME=VALUE\n"},
	} {
		t.Run(tc.point, func(t *testing.T) {
			code, out, errs := offline(t, append([]string{"intake", "test"}, tc.args...)...)
			if code != tc.code || out != tc.out || errs != tc.errs {
				t.Errorf("exit code %d, want %d\noutput:\n%s\nwant:\n%s\nerrors:\n%s\nwant:\n%s", code, tc.code, out, tc.out, errs, tc.errs)
			}
		})
	}
}
