package acceptance

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// What an operator gets wrong is answered with one line that says what, and a code of its own.
func TestOperatorsMistakes(t *testing.T) {
	skipShort(t)
	t.Parallel()
	place := newSite(t, shopConfig, shopTopology)
	running := place.start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()

	elsewhere := newSite(t, shopConfig, shopTopology)
	badConfig := newSite(t, shopConfig+"\nretension: 1d\n", shopTopology)
	badTopology := newSite(t, shopConfig, shopTopology+"  - {from: web, to: cart, mood: hard}\n")
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		wants []string // all on one line
	}{
		{"storage of another process", place.args(), 1, []string{"--storage.path=" + place.storage, "in use by another process"}},
		{"web port taken", append(elsewhere.args(), "--web.listen-address="+busy), 1, []string{"--web.listen-address=" + busy, "address already in use"}},
		{"gRPC port taken", append(elsewhere.args()[:3:3], "--grpc.listen-address="+busy), 1, []string{"--grpc.listen-address=" + busy, "address already in use"}},
		{"configuration with a typing error", badConfig.args(), 2, []string{badConfig.config + ":", `unknown key "retension"`, `did you mean "retention"?`}},
		{"topology with a typing error", badTopology.args(), 2, []string{filepath.Join(badTopology.dir, "topology.yaml") + ":", "mood"}},
		{"configuration that is not there", elsewhere.args("--config.file=" + filepath.Join(elsewhere.dir, "absent.yaml"))[1:], 2, []string{"--config.file", "absent.yaml", "no such file"}},
		{"unknown flag", elsewhere.args("--storage.part=x"), 2, []string{"--storage.part"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := launch(t, "headwater", binary(t, headwaterBinary), c.args...)
			if code := p.exitCode(t); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if lines := linesWith(p.log.text(), c.wants); lines != 1 {
				t.Errorf("%d lines have all of %q, want one; the log:\n%s", lines, c.wants, p.log.text())
			}
			if strings.Contains(p.log.text(), "goroutine ") {
				t.Error("there is a stack trace")
			}
		})
	}
	if err := ready(running.web); err != nil {
		t.Errorf("the process whose storage and port others wanted: %v", err)
	}
	if code := running.stop(t); code != 0 {
		t.Errorf("stopped with code %d, want 0", code)
	}
}

// linesWith counts the lines that have all the words. Logged lines quote quotes.
func linesWith(text string, words []string) int {
	n := 0
	for line := range strings.Lines(strings.ReplaceAll(text, `\"`, `"`)) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// A body that nobody can decode is kept and answered 200 to Alertmanager, which would
// not send it again, and answered 400 with the field to everybody else.
func TestBadBodies(t *testing.T) {
	skipShort(t)
	t.Parallel()
	h := newSite(t, shopConfig, shopTopology).start(t)
	for _, c := range []struct {
		path, body string
		code       int
		says       string
	}{
		{"/webhook/alertmanager", `{"alerts": [`, http.StatusOK, `"dead_letter":true`},
		{"/api/v2/alerts", `[{"labels": {"alertname": "A"}, "startsAt": "yesterday"}]`, http.StatusBadRequest, "startsAt"},
		{"/webhook/health", `{"service": "cart", "status": "poorly"}`, http.StatusBadRequest, "status"},
		{"/webhook/change", `{"kind": "deploy"}`, http.StatusBadRequest, "service"},
	} {
		code, answer, err := post(h.web+c.path, c.body)
		if err != nil || code != c.code || !strings.Contains(answer, c.says) {
			t.Errorf("POST %s: %d %s %v; want %d and %q", c.path, code, answer, err, c.code, c.says)
		}
	}
	if _, metrics, err := get(h.web + "/metrics"); err != nil || !strings.Contains(metrics, `headwater_ingest_dead_letters_total{`) {
		t.Errorf("dead letters are not counted: %v", err)
	}
}
