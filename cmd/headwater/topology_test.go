package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// Topology is pushed to a real server, which is restarted, reloaded with another file and
// told to forget: the push is in force when it was answered, keeps its own words, and
// the file wins over it.
func TestPushedTopologyOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	graph := filepath.Join(dir, "topology.yaml")
	write(t, graph, "services: [{name: web, owner: shop}]\n")
	storage := filepath.Join(dir, "data")
	start := func() *running {
		c := configured(t, filepath.Join(dir, "headwater.yaml"), "topology: {files: [topology.yaml]}\n")
		return started(t, serverOptions{config: c, storagePath: storage})
	}
	owner := func(r *running, name string) string {
		var answer struct {
			Service struct{ Owner string }
		}
		if err := json.Unmarshal([]byte(r.get(t, "/api/v1/topology/services/"+name).body), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Service.Owner
	}
	r := start()
	pushed := r.do(t, http.MethodPut, "/api/v1/topology/sources/ci", []byte(`{
		"services": [{"ref": {"name": "web"}, "owner": "ci"}, {"ref": {"name": "db"}, "owner": "dba"}],
		"dependencies": [{"from": {"name": "web"}, "to": {"name": "db"}}]}`))
	if pushed.code != http.StatusOK {
		t.Fatalf("push: %d %s", pushed.code, pushed.body)
	}
	if web, db := owner(r, "web"), owner(r, "db"); web != "shop" || db != "dba" {
		t.Errorf("owners are %q and %q", web, db)
	}
	before := r.get(t, "/api/v1/topology/sources/ci").body
	last, err := r.bus.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	r.stopped(t)
	r = start()
	waitFor(t, "the file after a restart", func() bool { return r.metric(t, `headwater_topology_source_up{source="file"}`) == "1" })
	if after := r.get(t, "/api/v1/topology/sources/ci").body; after != before {
		t.Errorf("before the restart\n%s\nafter\n%s", before, after)
	}
	if now, err := r.bus.Last(t.Context()); err != nil || now != last {
		t.Errorf("the restart published: the stream ends at %d, before at %d: %v", now, last, err)
	}
	write(t, graph, "services: [{name: other}]\n")
	waitFor(t, "the push's own word", func() bool { return owner(r, "web") == "ci" })

	if gone := r.do(t, http.MethodDelete, "/api/v1/topology/sources/ci", nil); gone.code != http.StatusOK {
		t.Errorf("delete: %d %s", gone.code, gone.body)
	}
	if left := r.get(t, "/api/v1/topology").body; strings.Contains(left, `"name":"db"`) || !strings.Contains(left, `"name":"other"`) {
		t.Errorf("left is %s", left)
	}
}
