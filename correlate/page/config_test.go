package page

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
)

func TestLoadConfig_TakesAnOnCallConfigurationAsItIs(t *testing.T) {
	c := loaded(t, `
# Headwater's own sections are none of our business.
topology:
  files: [topology.yaml]
health:
  checks:
  - {service: payment, module: http_2xx}
global:
  resolve_timeout: 5m
  slack_api_url: https://hooks.slack.example.org/services/x
route:
  receiver: fallback
  group_by: ['alertname', 'cluster']
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  routes:
  - matchers: [ severity="critical", owner=~"storage|platform" ]
    receiver: database-on-call
    continue: true
  - match: {severity: warning}
    receiver: chat
receivers:
- name: fallback
- name: chat
  slack_configs:
  - channel: '#alerts'
    title: '{{ .CommonLabels.alertname }}'
    text: '{{ range .Alerts }}{{ .Annotations.description }}{{ end }}'
- name: database-on-call
  pagerduty_configs:
  - routing_key: abc
correlation: {hold: 30s}
`)
	if got := c.Receivers(); !slices.Equal(got, []string{"fallback", "chat", "database-on-call"}) || c.LogOnly() || len(c.Warnings) != 0 {
		t.Errorf("receivers %v, warnings %v", got, c.Warnings)
	}
	r := routed(t, c)
	for severity, want := range map[correlate.Severity]target{
		correlate.SeverityCritical: {"database-on-call", "pagerduty", 0},
		correlate.SeverityWarning:  {"chat", "slack", 0},
		correlate.SeverityError:    {"fallback", noIntegration, 0},
	} {
		inc := collapse().Incident
		inc.Severity = severity
		if got := r.route(inc.RouteLabels(), began); len(got) != 1 || got[0] != want {
			t.Errorf("%v goes to %v, want %v", severity, got, want)
		}
	}
}

func TestLoadConfig_Without(t *testing.T) {
	for name, yaml := range map[string]string{
		"anything":            "",
		"paging sections":     "correlation: {hold: 30s}\n",
		"receivers in a list": "receivers: []\n",
		"only comments":       "# receivers: none yet\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := loaded(t, yaml)
			if !c.LogOnly() || !slices.Equal(c.Warnings, []string{NoReceivers}) {
				t.Errorf("log only: %v, warnings %v", c.LogOnly(), c.Warnings)
			}
		})
	}
}

func TestLoadConfig_ASingleReceiverNeedsNoRoute(t *testing.T) {
	r := routed(t, loaded(t, "receivers:\n- name: \"the only one\"\n  webhook_configs: [{url: 'http://127.0.0.1/'}]\n"))
	if got := r.route(nil, began); len(got) != 1 || got[0].receiver != "the only one" {
		t.Errorf("goes to %v", got)
	}
}

func TestLoadConfig_ErrorsNameTheLineOfTheFile(t *testing.T) {
	for _, tc := range []struct{ name, yaml, want string }{
		{"unknown field", "topology:\n  files: [a]\n\nreceivers:\n- name: x\n  webhok_configs: []\nroute: {receiver: x}\n", "line 6: field webhok_configs not found"},
		{"broken YAML in a section that is not ours", "topology: [\nreceivers: []\n", "line 2"},
		{"undefined receiver", "health: {}\nroute:\n  receiver: pager\nreceivers:\n- name: other\n", `line 3: undefined receiver "pager" used in route`},
		{"several receivers and no route", "receivers: [{name: a}, {name: b}]\n", "route: missing, and there are 2 receivers"},
		{"bad value of our label", "a: 1\nreceivers:\n- name: x\n  labels: {headwater_updates: sometimes}\nroute: {receiver: x}\n", `line 3: receiver "x": label headwater_updates is "sometimes"; use always or never`},
		{"bad URL", "receivers:\n- name: x\n  webhook_configs:\n  - url: 'ftp://x'\nroute: {receiver: x}\n", "unsupported scheme"},
		{"what Alertmanager's library panics on", "receivers:\n- name: x\n  slack_configs: [{app_token: x, update_message: true}]\nroute: {receiver: x}\n", `line 3: slack_configs: "update_message" needs api_url`},
		{"route without receivers", "route: {receiver: x}\n", `undefined receiver "x"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := LoadConfig([]byte(tc.yaml), ".")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestLoadConfig_AcceptsYAMLThatCannotBeBlankedByLine(t *testing.T) {
	for name, yaml := range map[string]string{
		"all in braces":              `{correlation: {hold: 30s}, receivers: [{name: x, webhook_configs: [{url: "http://127.0.0.1/"}]}], route: {receiver: x}}`,
		"an anchor from elsewhere":   "correlation: {u: &u 'http://127.0.0.1/'}\nreceivers:\n- {name: x, webhook_configs: [{url: *u}]}\nroute: {receiver: x}\n",
		"quoted keys and a document": "---\n\"receivers\":\n- {name: x, webhook_configs: [{url: 'http://127.0.0.1/'}]}\n'route': {receiver: x}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := loaded(t, yaml).Receivers(); !slices.Equal(got, []string{"x"}) {
				t.Errorf("receivers %v", got)
			}
		})
	}
}

func TestLoadConfig_RelativePathsAreTakenFromItsFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("own.tmpl", `{{ define "slack.default.title" }}OURS {{ (headwater .).Incident }}{{ end }}`)
	write("token", "secret")
	c, err := LoadConfig([]byte(`
templates: ["*.tmpl"]
receivers: [{name: x, webhook_configs: [{url: 'http://127.0.0.1/', http_config: {authorization: {credentials_file: token}}}]}]
route: {receiver: x}
`), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.alertmanager.Receivers[0].WebhookConfigs[0].HTTPConfig.Authorization.CredentialsFile, filepath.Join(dir, "token"); got != want {
		t.Errorf("credentials file %s, want %s", got, want)
	}
	r := routed(t, c)
	p := collapse()
	data := r.tmpl.Data("x", nil, nil, "", newAlert(p, &p.Incident, here, began))
	if got, err := r.tmpl.ExecuteTextString(`{{ template "slack.default.title" . }} / {{ template "pagerduty.default.description" . }}`, data); err != nil || got != "OURS INC-41 / "+Title(p) {
		t.Errorf("title %q (%v): the operator's template should win, the others stay", got, err)
	}
}

func TestLoadConfig_ABrokenTemplateIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "broken.tmpl"), []byte("{{ define"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadConfig([]byte("templates: [broken.tmpl]\nreceivers: [{name: x}]\nroute: {receiver: x}\n"), dir)
	if err == nil || !strings.Contains(err.Error(), "broken.tmpl") {
		t.Errorf("got %v", err)
	}
}

func FuzzSelectSections(f *testing.F) {
	f.Add([]byte("a: 1\nreceivers:\n- name: x\nroute: {receiver: x}\n"))
	f.Add([]byte("{receivers: [], a: b}"))
	f.Add([]byte("---\nx: |\n  receivers: no\nreceivers: &a []\n...\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		text, present, err := selectSections(doc, Sections)
		if err != nil {
			return
		}
		again, presentAgain, err := selectSections([]byte(text), Sections)
		if err != nil {
			t.Fatalf("what was selected cannot be read: %v\n%s", err, text)
		}
		if len(present) != len(presentAgain) {
			t.Fatalf("sections %v became %v\n%s\n%s", present, presentAgain, text, again)
		}
	})
}
