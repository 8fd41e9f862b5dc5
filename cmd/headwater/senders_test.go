package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/crypto/bcrypt"
)

// A sender with a bearer token cannot show the web port's password as well, and need not; everybody else must.
func TestASecretOfItsOwnStandsForThePassword(t *testing.T) {
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("let me in"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	webConfig, config := filepath.Join(dir, "web.yaml"), filepath.Join(dir, "headwater.yaml")
	write(t, webConfig, fmt.Sprintf("basic_auth_users: {ops: %s}\n", hash))
	write(t, filepath.Join(dir, "token"), "s3cret\n")
	write(t, config, `sources:
  - name: monitor
    bearer_token_file: token
    cel: {change: {service: event.service, kind: '"deploy"'}}
  - name: open
    cel: {change: {service: event.service, kind: '"deploy"'}}
`)
	c, err := loadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	address := []string{"127.0.0.1:0"}
	r := launched(t, serverOptions{config: c, web: &web.FlagConfig{WebListenAddresses: &address, WebConfigFile: &webConfig}})
	code := func(method, path, authorization string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, strings.NewReader(`{"service": "cart"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	const basic = "Basic b3BzOmxldCBtZSBpbg==" // ops:let me in
	waitFor(t, "the intake", func() bool { return code(http.MethodPost, "/webhook/source/open", basic) == 200 })
	for _, tc := range []struct {
		point, method, path, authorization string
		want                               int
	}{
		{"the token", http.MethodPost, "/webhook/source/monitor", "Bearer s3cret", 200},
		{"another token", http.MethodPost, "/webhook/source/monitor", "Bearer guess", 401},
		{"the password for the token", http.MethodPost, "/webhook/source/monitor", basic, 401},
		{"nothing", http.MethodPost, "/webhook/source/monitor", "", 401},
		{"another method", http.MethodGet, "/webhook/source/monitor", "Bearer s3cret", 401},
		{"the token at a source without one", http.MethodPost, "/webhook/source/open", "Bearer s3cret", 401},
		{"the token at another endpoint", http.MethodPost, "/webhook/change", "Bearer s3cret", 401},
		{"a way around through the path", http.MethodPost, "/webhook/source/monitor/../open", "Bearer s3cret", 401},
		{"a source that is not there", http.MethodPost, "/webhook/source/absent", "", 401},
		{"the API", http.MethodGet, "/api/v1/incidents", "", 401},
	} {
		if got := code(tc.method, tc.path, tc.authorization); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.point, got, tc.want)
		}
	}
}

func TestSourcesAreReloaded(t *testing.T) {
	config := filepath.Join(t.TempDir(), "headwater.yaml")
	write(t, config, "sources: [{name: first, kind: change}]\n")
	c, err := loadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	r := started(t, serverOptions{config: c})
	body := map[string]string{"service": "cart", "kind": "deploy"}
	if got := r.post(t, "/webhook/source/first", body); got.code != 200 {
		t.Errorf("first: %+v", got)
	}
	write(t, config, "sources: [{name: second, kind: change}]\n")
	r.hup <- nil
	waitFor(t, "the second source", func() bool { return r.post(t, "/webhook/source/second", body).code == 200 })
	if got := r.post(t, "/webhook/source/first", body); got.code != 404 {
		t.Errorf("first, after it was removed: %+v", got)
	}
}
