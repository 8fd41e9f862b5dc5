package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/crypto/bcrypt"

	"github.com/headwater-sre/headwater/api"
)

// A browser asks without a password whether it may send one.
func TestPreflightPassesByThePassword(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("let me in"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "web.yaml")
	write(t, path, fmt.Sprintf("basic_auth_users: {ops: %s}\n", hash))
	origins, err := api.ParseOrigins([]string{"https://dashboards.example"})
	if err != nil {
		t.Fatal(err)
	}
	address := []string{"127.0.0.1:0"}
	r := launched(t, serverOptions{web: &web.FlagConfig{WebListenAddresses: &address, WebConfigFile: &path}, origins: origins})
	<-r.up
	send := func(method string, header map[string]string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, r.base+"/api/v1/incidents", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://dashboards.example")
		for k, v := range header {
			req.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	asks := map[string]string{"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
	if resp := send(http.MethodOptions, asks); resp.StatusCode/100 != 2 || resp.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("preflight: %d", resp.StatusCode)
	}
	for _, method := range []string{http.MethodOptions, http.MethodGet} {
		if resp := send(method, nil); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a password: %d", method, resp.StatusCode)
		}
	}
	delete(asks, "Access-Control-Request-Headers")
	if resp := send(http.MethodGet, asks); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a request that looks like a preflight: %d", resp.StatusCode)
	}
}
