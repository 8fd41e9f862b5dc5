package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/correlate/store"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The reference says of every setting what its default is. It is held to that.
func TestTheReferenceConfigurationIsTheDefault(t *testing.T) {
	got, err := loadConfig("../../deploy/headwater.reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := loadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	got.engine, want.engine = got.engine.WithDefaults(), want.engine.WithDefaults() // got keeps what the reference says
	got.engine.Environment, want.engine.Environment = "", ""                        // set from the top level at the start
	// What the bus and the store default to by themselves, in numbers.
	want.stream = streamConfig{maxAge: 7 * 24 * time.Hour, maxBytes: 8 << 30, deadLetterMaxAge: 30 * 24 * time.Hour, deadLetterMaxBytes: 256 << 20}
	for _, c := range []*config{got, want} {
		c.path, c.shown, c.settings, c.engine.Resolver, c.engine.Classifier = "", "", nil, nil, nil
	}
	if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Errorf("the reference differs from the defaults (-want +got):\n%s", diff)
	}
}

// Each key that the parser knows is in the reference.
func TestTheReferenceNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../deploy/headwater.reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"", "topology", "resolve", "health", "correlation", "paging", "stream", "retention"} {
		yaml := "surely_unknown_key: 1\n"
		if section != "" {
			yaml = section + ": {surely_unknown_key: 1}\n"
		}
		_, err := parseConfig("x.yaml", []byte(yaml))
		if err == nil {
			t.Fatalf("%q: an unknown key was accepted", section)
		}
		_, known, ok := strings.Cut(err.Error(), "known are ")
		if !ok {
			t.Fatalf("%q: %v", section, err)
		}
		for _, key := range strings.Split(known, ", ") {
			if key == "mute_time_intervals" {
				continue // Alertmanager's old name of time_intervals
			}
			if !bytes.Contains(text, []byte(key+":")) {
				t.Errorf("the reference does not name %s", key)
			}
		}
	}
}

func TestADurationOfZeroMeansNoWait(t *testing.T) {
	c, err := parseConfig("x.yaml", []byte("correlation: {hold: 0s, settle: 0s, close_after: 0s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	// Zero would be the default, which is a wait.
	for name, d := range map[string]time.Duration{"hold": c.engine.Hold, "hold_confident": c.engine.HoldConfident, "settle": c.engine.Settle, "close_after": c.engine.CloseAfter} {
		if d <= 0 || d > time.Millisecond {
			t.Errorf("%s is %v", name, d)
		}
	}
}

func TestAShortHoldShortensTheConfidentOne(t *testing.T) {
	c, err := parseConfig("x.yaml", []byte("correlation: {hold: 5s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.engine.HoldConfident != 5*time.Second {
		t.Errorf("hold_confident is %v", c.engine.HoldConfident)
	}
}

func TestRelativePathsBeginAtTheConfigurationFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "graph.yaml"), "services: [{name: web}]\n")
	write(t, filepath.Join(dir, "headwater.yaml"), "topology: {files: [graph.yaml]}\n")
	c, err := loadConfig(filepath.Join(dir, "headwater.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if c.topology.services != 1 {
		t.Errorf("services: %d", c.topology.services)
	}
}

func TestAWholeAlertmanagerConfigurationCanBePastedIn(t *testing.T) {
	text, err := os.ReadFile("../../deploy/alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig("x.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.paging.Receivers(); !reflect.DeepEqual(got, []string{"headwater", "nobody"}) {
		t.Errorf("receivers: %q", got)
	}
	if c.routes != 2 {
		t.Errorf("routes: %d", c.routes)
	}
	if !strings.Contains(strings.Join(c.warnings, "\n"), "inhibit_rules has no effect") {
		t.Errorf("warnings: %q", c.warnings)
	}
}

func TestReloadKnowsWhatDiffers(t *testing.T) {
	base := "correlation: {hold: 20s}\nstream: {max_age: 2d}\n"
	for _, tc := range []struct {
		name, text string
		engine     bool
		restart    []string
	}{
		{name: "nothing", text: base},
		{name: "comments and order", text: "# a word\nstream:\n  max_age: 2d # two days\ncorrelation:\n  hold: 20s\n"},
		{name: "a receiver", text: base + "receivers: [{name: a}]\n"},
		{name: "the hold", text: "correlation: {hold: 21s}\nstream: {max_age: 2d}\n", engine: true},
		{name: "a rule", text: base + "resolve: {relabel_configs: [{source_labels: [a], target_label: __service__}]}\n", engine: true},
		{name: "the threshold", text: base + "health: {failure_threshold: 4}\n", engine: true},
		{name: "the stream", text: "correlation: {hold: 20s}\nstream: {max_age: 3d}\n", restart: []string{"stream"}},
		{name: "the environment and retention", text: base + "environment: a\nretention: 1d\n", restart: []string{"environment", "retention"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, next := mustParse(t, base), mustParse(t, tc.text)
			if got := before.engineDiffers(next); got != tc.engine {
				t.Errorf("engine differs: %v", got)
			}
			if got := before.restartNeeded(next); !reflect.DeepEqual(got, tc.restart) {
				t.Errorf("restart needed for %q", got)
			}
		})
	}
}

func mustParse(t *testing.T, text string) *config {
	t.Helper()
	c, err := parseConfig("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRetentionIsOfAllKindsOrOfEach(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]store.Retention{
		"":                 store.RetainAll(90 * day),
		"retention: 30d\n": store.RetainAll(30 * day),
		"retention: 0s\n":  store.RetainAll(-1),
		"retention: {incidents: 1y, alerts: 30d}\n":    {Incidents: 365 * day, Alerts: 30 * day, Pages: 365 * day, Changes: 365 * day, ActionItems: 365 * day},
		"retention: {action_items: 0s, changes: 7d}\n": {Incidents: 90 * day, Alerts: 90 * day, Pages: 90 * day, Changes: 7 * day, ActionItems: -1},
	} {
		c, err := parseConfig("x.yaml", []byte(text))
		if err != nil || c.retention != want {
			t.Errorf("%q: %+v, %v", text, c.retention, err)
		}
	}
}

// testdata/errors has one bad configuration per file and, beside it, what we say.
func TestConfigurationErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			_, err := loadConfig(path)
			if err == nil {
				t.Fatal("accepted")
			}
			got := strings.ReplaceAll(strings.Join(settings.ErrorLines(err), "\n")+"\n", "testdata/errors/", "")
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", got)
			for line := range strings.Lines(got) {
				if !strings.Contains(line, ".yaml:") && !strings.HasPrefix(line, "and ") {
					t.Errorf("names no file: %s", line)
				}
			}
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func FuzzParseConfig(f *testing.F) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(files, "../../deploy/headwater.yaml", "../../deploy/headwater.reference.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// Files that it names are of this machine, not of the test.
		if bytes.Contains(text, []byte("file")) || bytes.Contains(text, []byte("templates")) {
			t.Skip()
		}
		c, err := parseConfig("x.yaml", text)
		if err == nil && c.engine.Validate() != nil {
			t.Errorf("accepted an engine configuration that is not valid")
		}
		if err != nil && len(settings.ErrorLines(err)) == 0 {
			t.Error("an error without a line")
		}
	})
}
