package main

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v2"
)

func TestSecretsAreHiddenAndTheRestIsShown(t *testing.T) {
	got, err := redact([]byte(`# the old password was canary-0
environment: prod # not canary-1
topology:
  prometheus: [{url: 'http://user:canary-2@prometheus:9090/path?token=canary-3', preset: istio, basic_auth: {username: hw, password: canary-4}}]
sources:
  - {name: ci, kind: change, bearer_token_file: ci.token}
health:
  modules: {http_2xx: {http: {headers: {X-Api: canary-5}, bearer_token: canary-6}}}
x: &shared canary-7
global: {slack_api_url: 'https://hooks.slack.com/services/canary-8', smtp_auth_password: *shared}
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://example.com/canary-9?x=canary-10'}, {url: 'http://{{ canary-11 }}://'}]
    pagerduty_configs: [{routing_key: canary-12, send_resolved: true}]
route: {receiver: oncall}
`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `environment: prod
topology:
  prometheus: [{url: 'http://<secret>@prometheus:9090/path?<secret>', preset: istio, basic_auth: {username: hw, password: <secret>}}]
sources:
  - {name: ci, kind: change, bearer_token_file: ci.token}
health:
  modules: {http_2xx: {http: {headers: {X-Api: <secret>}, bearer_token: <secret>}}}
x: &shared <secret>
global: {slack_api_url: 'https://hooks.slack.com/<secret>', smtp_auth_password: *shared}
receivers:
  - name: oncall
    webhook_configs: [{url: 'https://example.com/<secret>'}, {url: '<secret>'}]
    pagerduty_configs: [{routing_key: <secret>, send_resolved: true}]
route: {receiver: oncall}
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, err := redact(nil); got != "" || err != nil {
		t.Errorf("of no file: %q, %v", got, err)
	}
}

// Whatever Alertmanager's library keeps as a secret is hidden, in every kind of receiver.
func TestNoSecretOfAReceiverIsShown(t *testing.T) {
	c := &canaries{t: t}
	var receiver amconfig.Receiver
	c.fill(reflect.ValueOf(&receiver).Elem(), "receiver", 0)
	var global amconfig.GlobalConfig
	c.fill(reflect.ValueOf(&global).Elem(), "global", 0)
	if c.planted < 40 {
		t.Fatalf("only %d canaries were planted", c.planted)
	}
	commoncfg.MarshalSecretValue = true                     //nolint:reassign // the library's switch for writing secrets
	defer func() { commoncfg.MarshalSecretValue = false }() //nolint:reassign // likewise
	text, err := yaml.Marshal(map[string]any{"global": global, "receivers": []any{receiver}})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "canary"); n < 40 {
		t.Fatalf("only %d canaries are in the text", n)
	}
	got, err := redact(text)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got) {
		if strings.Contains(line, "canary") {
			t.Errorf("shown: %s", line)
		}
	}
}

// canaries are put wherever a type of Alertmanager's or Prometheus's library is a secret.
type canaries struct {
	t       *testing.T
	planted int
}

func (c *canaries) fill(v reflect.Value, path string, depth int) {
	if depth > 8 {
		return
	}
	if strings.Contains(v.Type().Name(), "Secret") {
		c.plant(v, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		c.fill(v.Elem(), path, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				c.fill(v.Field(i), path+"."+f.Name, depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		c.fill(v.Index(0), path, depth+1)
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			v.Set(reflect.MakeMap(v.Type()))
			item := reflect.New(v.Type().Elem()).Elem()
			c.fill(item, path, depth+1)
			v.SetMapIndex(reflect.ValueOf("X").Convert(v.Type().Key()), item)
		}
	}
}

func (c *canaries) plant(v reflect.Value, path string) {
	c.planted++
	canary := fmt.Sprintf("canary-%d", c.planted)
	if v.Kind() == reflect.String {
		v.SetString(canary)
		if strings.Contains(v.Type().Name(), "URL") {
			v.SetString("https://example.com/" + canary)
		}
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && u.UnmarshalText([]byte(canary)) == nil {
		return
	}
	if err := yaml.Unmarshal([]byte("https://example.com/"+canary), v.Addr().Interface()); err != nil {
		c.t.Fatalf("%s, a %s, cannot be filled: %v", path, v.Type(), err)
	}
}

func TestTheReferenceLosesNothingButSecrets(t *testing.T) {
	data, err := os.ReadFile("../../deploy/headwater.reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := redact(data)
	if err != nil || strings.Contains(got, hidden) {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := parseConfig("x.yaml", []byte(got)); err != nil {
		t.Errorf("what is shown is no configuration: %v", err)
	}
}
