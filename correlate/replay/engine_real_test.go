package replay

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
)

// What the engine decides is its own tests' matter. Here: that a replay of it
// is complete, consistent and the same every time.

func TestReplayOfTheEngineIsTheSameHoweverManyRunBeside(t *testing.T) {
	files, err := Find([]string{"testdata", "testdata", "testdata"})
	if err != nil {
		t.Fatal(err)
	}
	replayAll := func(workers int) (all []string) {
		err := Files(context.Background(), files, Options{Workers: workers, Score: true}, func(c *Case) error {
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			var buf bytes.Buffer
			if err := c.Result.Write(&buf); err != nil {
				t.Fatal(err)
			}
			all = append(all, c.Name+"\n"+buf.String())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	alone, together := replayAll(1), replayAll(4)
	if diff := cmp.Diff(alone, together); diff != "" {
		t.Errorf("one worker and four differ:\n%s", diff)
	}
	if diff := cmp.Diff(alone[:len(fixtures)], alone[len(fixtures):2*len(fixtures)]); diff != "" {
		t.Errorf("the second time differs:\n%s", diff)
	}
}

func TestEveryAlertIsInOneIncidentOrSaysWhyItIsInNone(t *testing.T) {
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
			held := map[string]string{}
			for _, i := range p.seen.result(s).Incidents {
				if i.MergedInto != "" && len(i.Alerts) > 0 {
					t.Errorf("%s was merged away and still holds %d alerts", i.ID, len(i.Alerts))
				}
				for _, a := range i.Alerts {
					if other, twice := held[a]; twice {
						t.Errorf("%s is in %s and %s", a, other, i.ID)
					}
					held[a] = i.ID
				}
			}
			for _, inst := range s.instances {
				a := p.seen.alerts[inst.id]
				if a == nil || held[inst.name] == "" && a.Fate.Text == "" {
					t.Errorf("%s is in no incident and has no reason for it: %+v", inst.name, a)
				}
			}
		})
	}
}

func TestRunRefusesABadConfiguration(t *testing.T) {
	if _, err := Run(fixture(t, "quiet-night"), correlate.Config{Hold: -1}); err == nil {
		t.Error("no error")
	}
}
