package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
)

func TestAlertingRulesAreReadOffAServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/rules" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `{"status":"success","data":{"groups":[{"name":"shop","file":"shop.yml","interval":30,"rules":[
			{"type":"recording","name":"job:up","query":"sum(up)","health":"ok","evaluationTime":0.1,"lastEvaluation":"2026-11-20T03:00:00Z"},
			{"type":"alerting","name":"CartDown","query":"up{job=\"cart\"} == 0","duration":60,"labels":{"severity":"critical"},"annotations":{},"alerts":[],"health":"ok","state":"inactive","evaluationTime":0.1,"lastEvaluation":"2026-11-20T03:00:00Z"}]}]}}`)
	}))
	defer server.Close()
	client, err := NewClient(server.URL, config.HTTPClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKubernetes(KubernetesOptions{Name: "k", Client: client})
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Rules(t.Context())
	want := []Rule{{Name: "CartDown", Query: `up{job="cart"} == 0`, Labels: map[string]string{"severity": "critical"}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if k.Server() != server.URL {
		t.Errorf("the server is %s", k.Server())
	}
	server.Close()
	if _, err := k.Rules(t.Context()); err == nil || !strings.Contains(err.Error(), "ask Prometheus") {
		t.Errorf("the server is away, and the error says %v", err)
	}
}
