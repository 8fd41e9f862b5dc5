package main

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewriteDay = flag.Bool("rewrite.day", false, "write the transcripts of the days in testdata anew")

// rehearsed plays a day of testdata/day and returns the transcript, and whether it went well.
func rehearsed(t *testing.T, dir string) (transcript string, clean bool) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	f := &rehearseFlags{
		file: filepath.Join(dir, "day.txt"), configFile: filepath.Join(dir, "headwater.yaml"), externalURL: "http://headwater.example.org",
	}
	r, err := f.prepare(&out, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	if clean, err = r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "headwater-rehearsal-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	return out.String(), clean
}

// Two plays of a day read the same to the last byte, whatever the machine did meanwhile.
func TestARehearsalIsTheSameEveryTime(t *testing.T) {
	once, _ := rehearsed(t, "testdata/day/short")
	again, _ := rehearsed(t, "testdata/day/short")
	if diff := cmp.Diff(once, again); diff != "" {
		t.Errorf("the second time (-first +second):\n%s", diff)
	}
}

// The days in testdata/day are told as they were when somebody last read them.
func TestRehearsals(t *testing.T) {
	dirs, err := filepath.Glob("testdata/day/*/day.txt")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no days: %v", err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got, clean := rehearsed(t, dir)
			if !clean {
				t.Errorf("it did not go well:\n%s", got)
			}
			golden := filepath.Join(dir, "transcript.golden")
			if *rewriteDay {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("it is told otherwise (-before +now); -rewrite.day writes it anew:\n%s", diff)
			}
		})
	}
}

func TestARehearsalRefusesWhatItCannotPlay(t *testing.T) {
	const config = "receivers: [{name: oncall, pagerduty_configs: [{routing_key: x}]}]\n"
	for _, tc := range []struct{ name, day, config, want string }{
		{"a receiver that nobody has", "day 2026-01-02\n03:00 receiver lead down\n", config, `day.txt:2: there is no receiver "lead"`},
		{"a day to come", "day 2999-01-02\n03:00 say hello\n", config, "which is not over yet"},
		{"a text that is none", "03:00 say hello\n", config, "of which day?"},
		{"a configuration that is wrong", "day 2026-01-02\n03:00 say hello\n", "receiverz: []\n", `unknown key "receiverz"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			f := &rehearseFlags{file: filepath.Join(dir, "day.txt"), configFile: filepath.Join(dir, "headwater.yaml")}
			write(t, f.file, tc.day)
			write(t, f.configFile, tc.config)
			if _, err := f.prepare(new(bytes.Buffer), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("a receiver that cannot be redirected", func(t *testing.T) {
		dir := t.TempDir()
		f := &rehearseFlags{file: filepath.Join(dir, "day.txt"), configFile: filepath.Join(dir, "headwater.yaml")}
		write(t, f.file, "day 2026-01-02\n03:00 say hello\n")
		write(t, f.configFile, "receivers: [{name: text, sns_configs: [{phone_number: '+1', sigv4: {region: eu-west-1}}]}]\n")
		var errs bytes.Buffer
		if code := f.run(new(bytes.Buffer), &errs, slog.New(slog.DiscardHandler)); code != exitFailed || !strings.Contains(errs.String(), "sns_configs cannot be redirected") {
			t.Errorf("code %d, %s", code, errs.String())
		}
	})
}

// S11: the third outage of the same kind in three months says on its first page that it is
// one, what ended it the times before, and what was to be done about it and is not.
func TestTheThirdTimeThePageSaysThatItWasSeenBefore(t *testing.T) {
	got, _ := rehearsed(t, "testdata/day/s11")
	_, third, found := strings.Cut(got, "PAGE      INC-3 ")
	page, _, _ := strings.Cut(third, "rings ")
	for _, want := range []string{"mysql", "Seen before", "twice in 90 days", "INC-2", "restarted the api pods", "AI-1"} {
		if !found || !strings.Contains(page, want) {
			t.Errorf("the third page does not say %q:\n%s", want, page)
		}
	}
}
