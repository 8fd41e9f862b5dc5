package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "headwater.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadReadsTheEnginesSectionsAlone(t *testing.T) {
	got, err := Load(write(t, `
environment: prod-eu
health: {failure_threshold: 5}
correlation:
  hold: 20s
  page_severities: [critical]
  classes: [{class: saturation, alertname: 'Pool.*'}]
resolve: {relabel_configs: [{source_labels: [app], target_label: __service__}]}
route: {receiver: nobody, no_such_key: 1}   # not ours to judge
`))
	if err != nil {
		t.Fatal(err)
	}
	if got.FailureThreshold != 5 || got.Hold != 20*time.Second || got.HoldConfident != 10*time.Second || len(got.PageSeverities) != 1 {
		t.Errorf("got %+v", got)
	}
	if class := got.Classifier.Class(&correlate.Alert{Labels: map[string]string{"alertname": "PoolFull"}}); class != correlate.ClassSaturation {
		t.Errorf("PoolFull is %s", class)
	}
	if got.Resolver == nil {
		t.Error("no resolver")
	}
}

func TestLoadOfAnEmptyFileIsTheDefault(t *testing.T) {
	got, err := Load(write(t, "# nothing\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (correlate.Config{}).WithDefaults(); got.WithDefaults().Hold != want.Hold {
		t.Errorf("got %+v", got)
	}
}

func TestLoadNamesEveryMistakeWithItsLine(t *testing.T) {
	path := write(t, "correlation:\n  hold: soon\n  settel: 1s\nhealth: {failure_threshold: 0}\n")
	_, err := Load(path)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{":2: correlation.hold: ", ":3: correlation: unknown", ":4: health.failure_threshold: "} {
		if !strings.Contains(err.Error(), path+want) {
			t.Errorf("want %s in\n%v", want, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent.yaml")); err == nil {
		t.Error("an absent file: no error")
	}
	if _, err := Load(write(t, "correlation: [")); err == nil {
		t.Error("no YAML: no error")
	}
}
