package correlatetest

import (
	"strings"
	"testing"
)

// opening is a story in which a database takes its caller down and one page is sent.
const opening = `# Why this is told.
topology
  web -> db
  database db owner=storage

at 0s firing db PostgreSQLDown critical
at 5s firing {alertname="HighErrorRate", service="web", severity="critical"} summary="5 %"
at 1m tick
`

func TestWantsThatDoNotHoldFail(t *testing.T) {
	for _, want := range []string{
		"no page", "pages 2", "pages 1 resolves 1", "pages 1 updates <=-1", "incidents 2", "open 0",
		"origin web", "origin db silent", "origin db low", "first page origin web", "last page origin web", "not origin db",
		"runner-up nobody", "candidate nobody within 3", "gap db", `evidence "the moon"`, `first evidence "the moon"`,
		"way web -> db", "way db -> web overload", "hit nobody", "next web", "change db", "together web nobody", "apart web db",
		"about PostgreSQLDown web", "about HighErrorRate web from db", "fate db PostgreSQLDown chronic", "fate db Nothing paged",
		"severity warning", "state resolved", "acknowledged by somebody", `timeline "page" "joined"`, `rejected "no"`,
		"origin db in INC-9",
	} {
		t.Run(want, func(t *testing.T) {
			r, err := Run(opening + "want " + want + "\n")
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Failures) == 0 {
				t.Errorf("it holds of\n%s", r.Story)
			}
			for _, f := range r.Failures {
				if f.Line != 9 {
					t.Errorf("%s: wrong line", f)
				}
			}
		})
	}
}

func TestWantsThatHold(t *testing.T) {
	for _, want := range []string{
		"one page", "pages 1 updates <=2 resolves 0", "incidents 1", "open 1", "origin db alerting high in INC-1", "first page origin db",
		"last page origin db", "not origin web", "candidate web within 9", "way db -> web depends", "hit web db", "together web db",
		"about HighErrorRate web", "fate db PostgreSQLDown paged", "severity critical", "state open", `timeline "opened" "page"`,
	} {
		t.Run(want, func(t *testing.T) {
			r, err := Run(opening + "want " + want + "\n")
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Failures {
				t.Error(f)
			}
		})
	}
}

func TestTextThatMakesNoSenseIsRefusedWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"dance":                                              "unknown command",
		"want bliss":                                         "unknown want",
		"want incidents many":                                "many",
		"at noon tick":                                       "noon",
		"at 5s tick\nat 2s tick\n\nat 6s tick\n":             "", // sorted within a block
		"at 9s tick\n\nat 2s tick":                           "in the past",
		"at 0s firing db":                                    "want <service> <AlertName>",
		`at 0s firing {alertname="A"} b`:                     "behind {…}",
		`at 0s firing {alertname=A}`:                         "name=\"value\"",
		`at 0s firing db "A`:                                 "not closed",
		"at 0s resolved db Nothing":                          "nothing that fires",
		"at 0s firing db A\nat 1s firing db A\n":             "fires already",
		"at 0s health db splendid":                           "splendid",
		"at 0s repeat 0 every 1s tick":                       "repeat",
		"topology\n  castle db":                              "castle",
		"topology\n  web ->":                                 "name is missing",
		"topology\n  database db\n  database db":             "db",
		"tick\nconfig hold=3s":                               "must come first",
		"config colour=red":                                  "unknown settings",
		"acknowledge":                                        "INC-<n>",
		"at 0s firing db A critical\nat 2s show INC-2\ntick": "want show",
	} {
		_, err := Run(text + "\n")
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "line ")):
			t.Errorf("%q: error %v, want one with a line and %q", text, err, want)
		}
	}
}

func TestRewritingKeepsWhatPeopleWrote(t *testing.T) {
	r, err := Run(opening + "----\nan outcome that is not so\n\nwant one page\n\n# The end.\n")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.Story, "not so") {
		t.Errorf("the old outcome is still there:\n%s", r.Story)
	}
	for _, text := range []string{opening, "\n\nwant one page\n\n# The end.\n", "PAGE INC-1: origin db (high)"} {
		if !strings.Contains(r.Story, text) {
			t.Errorf("%q is gone:\n%s", text, r.Story)
		}
	}
	again, err := Run(r.Story)
	if err != nil {
		t.Fatal(err)
	}
	if again.Story != r.Story {
		t.Errorf("told again it is another story:\n%s\n%s", r.Story, again.Story)
	}
}

func TestQuietMeansThatNothingIsDue(t *testing.T) {
	r, err := Run("at 0s firing db PostgreSQLDown critical\nat 10s tick\n\nwant quiet\n\nat 2h tick\n\nwant quiet\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failures) != 1 || r.Failures[0].Line != 4 {
		t.Errorf("a page is due at first and nothing later; failures: %v", r.Failures)
	}
}

func TestRepetitionVariesWords(t *testing.T) {
	r, err := Run(`topology
  a, b -> db

at 0s repeat 6 every 2s firing {a|b} Slow warning pod=p{n}
at 1m tick

want pages 1
want together a b
want hit a b
want fate a Slow paged

at 2m resolved a Slow pod=p3
at 3m restart
at 4m resolved everything
at 2h tick

want pages 1 resolves 1
want quiet
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failures {
		t.Error(f)
	}
}

func FuzzRun(f *testing.F) {
	f.Add(opening)
	f.Add("topology\n  a -> b -> c soft group=g\n  group a g need=2\n\nat 0s repeat 3 every 1s health {a|b} failing check=x\n")
	f.Add("config hold=1s\nat 1s change a deploy \"x\" ago=2h\nshow fates\nresolve INC-1 by x \"y\"")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "repeat") && len(text) > 200 {
			return // a story may repeat as often as it likes
		}
		r, err := Run(text)
		if err != nil {
			return
		}
		if again, err := Run(r.Story); err != nil || again.Story != r.Story {
			t.Errorf("rewriting is not stable: %v\n%q\n%q", err, text, r.Story)
		}
	})
}
