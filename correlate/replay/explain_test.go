package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headwater-sre/headwater/correlate"
)

func story(t *testing.T, s *Scenario, engine stepper) string {
	t.Helper()
	var buf bytes.Buffer
	if err := explain(&buf, s, engine); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// Told of an engine whose decisions can be worked out by hand.
func TestStoryOfACase(t *testing.T) {
	golden(t, "two-faults.story.golden", []byte(story(t, fixture(t, "two-faults"), newGroupEngine(oneGroup))))
}

func TestStoryOfTheEngineGivesTheReasonsOfThePage(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			s := fixture(t, name)
			engine, err := correlate.New(correlate.Config{})
			if err != nil {
				t.Fatal(err)
			}
			p := &player{engine: engine, seen: newCollection()}
			if err := p.play(s); err != nil {
				t.Fatal(err)
			}
			var buf bytes.Buffer
			if err := Explain(&buf, s, correlate.Config{}); err != nil {
				t.Fatal(err)
			}
			text := strings.Join(strings.Fields(buf.String()), " ")
			for _, i := range p.seen.byNumber() {
				if i.State == correlate.IncidentMerged || i.Origin() == nil {
					continue
				}
				for _, r := range i.Origin().Reasons {
					if want := fmt.Sprintf("%+.1f %s %s", r.Weight, r.Term, r.Text); !strings.Contains(text, want) {
						t.Errorf("%s: %q is missing", i.ID, want)
					}
				}
			}
			for line := range strings.Lines(buf.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > sheetWidth {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

func TestStoryLeavesOutWhatChangesNothing(t *testing.T) {
	const alert = `{"at": "2026-01-01T00:0%d:00Z", "type": "alert", "alert": {"status": "%s", "fingerprint": "a",
		"labels": {"alertname": "Down", "service": "web"}, "startsAt": "2026-01-01T00:00:00Z"}}`
	const health = `{"at": "2026-01-01T00:0%d:30Z", "type": "health", "health": {"service": "web", "check": "http", "status": "%s"}}`
	events := []string{
		fmt.Sprintf(alert, 0, "firing"), fmt.Sprintf(health, 0, "passing"),
		fmt.Sprintf(alert, 1, "firing"), fmt.Sprintf(health, 1, "failing"),
		fmt.Sprintf(alert, 2, "resolved"), fmt.Sprintf(health, 2, "failing"),
		fmt.Sprintf(alert, 3, "resolved"), fmt.Sprintf(health, 3, "passing"),
	}
	s := parse(t, `{"name": "x", "topology": {"services": [{"name": "web"}]}, "events": [`+strings.Join(events, ",")+`]}`)
	n := newNarrator(s)
	p := &player{engine: newGroupEngine(func(*correlate.Alert) string { return "all" }), seen: newCollection(), watch: n.step}
	if err := p.play(s); err != nil {
		t.Fatal(err)
	}
	var heard []string
	for _, l := range n.lines() {
		if !l.decided {
			heard = append(heard, l.text)
		}
	}
	want := "fires: web Down | health: web http failing | ends: web Down | health: web http passing"
	if got := strings.Join(heard, " | "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStoryWithoutEventsOrTruth(t *testing.T) {
	s := parse(t, `{"name": "x", "topology": {}, "events": []}`)
	want := "x: 0 services, 0 dependencies; 0 events, 0 alerts over 0s\n"
	if got := story(t, s, newGroupEngine(oneGroup)); got != want {
		t.Errorf("got %q", got)
	}
}
