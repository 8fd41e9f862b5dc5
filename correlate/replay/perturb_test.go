package replay

import (
	"bytes"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headwater-sre/headwater/correlate"
)

func perturbation(t *testing.T, text string) Perturbation {
	t.Helper()
	p, err := ParsePerturbation(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// eachSuiteCase runs on some cases of the reduced suite: repeats, ends, refires, health and all.
func eachSuiteCase(t *testing.T, check func(t *testing.T, s *Scenario)) {
	t.Helper()
	files, err := filepath.Glob("testdata/suite/*shop-*.json.gz")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		s, err := ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(s.Name, func(t *testing.T) { check(t, s) })
	}
}

func instanceNames(s *Scenario) (names []string) {
	for _, inst := range s.instances {
		names = append(names, inst.name)
	}
	slices.Sort(names)
	return names
}

func TestPerturbationsLeaveTheScenarioAloneAndAreTheSameEveryTime(t *testing.T) {
	result := func(s *Scenario) string {
		var buf bytes.Buffer
		res, err := run(s, newGroupEngine(oneGroup))
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Write(&buf); err != nil {
			t.Fatal(err)
		}
		return buf.String()
	}
	eachSuiteCase(t, func(t *testing.T, s *Scenario) {
		before := result(s)
		for _, p := range Perturbations() {
			once, twice := s.Perturbed(p), s.Perturbed(p)
			if result(once) != result(twice) {
				t.Errorf("%s differs the second time", p)
			}
			if result(s) != before {
				t.Fatalf("%s changed the scenario itself", p)
			}
			res, err := run(once, newGroupEngine(oneGroup))
			if err != nil {
				t.Fatal(err)
			}
			score, err := ScoreCase(once, res)
			if err != nil {
				t.Errorf("%s: %v", p, err)
			} else if score.unknown > 0 {
				t.Errorf("%s: the truth does not know %d alerts", p, score.unknown)
			}
		}
	})
}

func TestJitterMovesStartsAndNothingElse(t *testing.T) {
	var moves []float64
	eachSuiteCase(t, func(t *testing.T, s *Scenario) {
		j := s.Perturbed(perturbation(t, "jitter=60s"))
		if len(j.Events) != len(s.Events) || len(j.instances) != len(s.instances) {
			t.Fatalf("%d events and %d instances became %d and %d", len(s.Events), len(s.instances), len(j.Events), len(j.instances))
		}
		truth, err := j.decodeTruth()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(instanceNames(j), slices.Sorted(slices.Values(truth.Alerts.names))); diff != "" {
			t.Errorf("the truth names other instances (-instances +truth):\n%s", diff)
		}
		became := map[correlate.AlertID]correlate.AlertID{}
		for i := range s.Events {
			was, is := s.Events[i].alert(), j.Events[i].alert()
			if was == nil {
				continue
			}
			if diff := cmp.Diff(was, is, cmpopts.IgnoreFields(correlate.Alert{}, "StartsAt")); diff != "" {
				t.Fatalf("more than the start moved:\n%s", diff)
			}
			if now, known := became[was.ID()]; known && now != is.ID() {
				t.Errorf("%s is %s and %s", was.ID(), now, is.ID())
			} else if !known {
				became[was.ID()] = is.ID()
				moves = append(moves, is.StartsAt.Sub(was.StartsAt).Seconds())
			}
			if is.StartsAt.After(later(j.Events[i].At, was.StartsAt)) || !is.EndsAt.IsZero() && is.EndsAt.Before(is.StartsAt) {
				t.Errorf("%s starts after it was delivered, at %s, or ended, at %s", is.ID(), j.Events[i].At, is.EndsAt)
			}
		}
		if distinct := len(slices.Compact(instanceNames(j))); distinct != len(became) {
			t.Errorf("%d instances became %d", len(became), distinct)
		}
	})
	size := 0.0
	for _, m := range moves {
		size += m * m
	}
	if rms := math.Sqrt(size / float64(len(moves))); rms < 50 || rms > 70 {
		t.Errorf("starts moved by %.0f s (root mean square of %d), want about 60", rms, len(moves))
	}
}

// Instances of one label set keep their order, and the next begins after the end of the one before.
func TestJitterKeepsTheOrderOfReturningAlerts(t *testing.T) {
	eachSuiteCase(t, func(t *testing.T, s *Scenario) {
		j := s.Perturbed(perturbation(t, "jitter=10m"))
		original, moved := s.spans(), j.spans()
		for i := range moved {
			before := moved[i].previous
			if before < 0 {
				continue
			}
			if overlapped := original[i].start.Before(original[before].end); !overlapped && moved[i].start.Before(moved[before].end) {
				t.Errorf("%s begins before %s had ended", moved[i].id, moved[before].id)
			}
		}
	})
}

func TestDropAlertsTakesWholeInstancesAndTheirTruth(t *testing.T) {
	kept, all := 0, 0
	eachSuiteCase(t, func(t *testing.T, s *Scenario) {
		d := s.Perturbed(perturbation(t, "drop-alerts=0.2"))
		heard := map[correlate.AlertID]bool{}
		for i := range d.Events {
			if a := d.Events[i].alert(); a != nil {
				heard[a.ID()] = true
			}
		}
		for _, inst := range d.instances {
			if !heard[inst.id] {
				t.Errorf("%s is listed and never heard of", inst.name)
			}
		}
		truth, err := d.decodeTruth()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(instanceNames(d), slices.Sorted(slices.Values(truth.Alerts.names))); diff != "" {
			t.Errorf("the truth names other instances (-instances +truth):\n%s", diff)
		}
		kept, all = kept+len(heard), all+len(slices.Compact(instanceNames(s)))
	})
	if share := float64(kept) / float64(all); share < 0.75 || share > 0.85 {
		t.Errorf("%.2f of %d instances are left, want about 0.80", share, all)
	}
}

func TestDropEdgesTakesDependenciesAlone(t *testing.T) {
	kept, all := 0, 0
	eachSuiteCase(t, func(t *testing.T, s *Scenario) {
		d := s.Perturbed(perturbation(t, "drop-edges=0.2"))
		if len(d.Topology.Services) != len(s.Topology.Services) || len(d.Events) != len(s.Events) {
			t.Error("services or events are missing")
		}
		kept, all = kept+len(d.Topology.Dependencies), all+len(s.Topology.Dependencies)
	})
	if share := float64(kept) / float64(all); share < 0.7 || share > 0.9 {
		t.Errorf("%.2f of %d dependencies are left, want about 0.80", share, all)
	}
}

func TestShuffleDelaysWithinItsBoundAndLosesNoEnd(t *testing.T) {
	eachSuiteCase(t, func(t *testing.T, s *Scenario) {
		d := s.Perturbed(perturbation(t, "shuffle=5m"))
		// What is sent, when it was to come. Repeats of one alert are told apart by their number.
		type parcel struct {
			subject any
			n       int
		}
		sent, numbered := map[parcel]time.Time{}, map[any]int{}
		next := func(ev *Event) parcel {
			subject := ev.subject()
			numbered[subject]++
			return parcel{subject, numbered[subject]}
		}
		last := map[string]correlate.AlertStatus{}
		for _, ev := range s.Events {
			sent[next(&ev)] = ev.At
			if a := ev.alert(); a != nil {
				last[a.Fingerprint] = a.Status
			}
		}
		var order []time.Time
		became := map[string]correlate.AlertStatus{}
		clear(numbered)
		for i, ev := range d.Events {
			parcel := next(&ev)
			at, known := sent[parcel]
			delete(sent, parcel)
			if delay := ev.At.Sub(at); !known || delay < 0 || delay > 5*time.Minute {
				t.Errorf("an event that was to come at %s came %s later", at, delay)
			}
			if i > 0 && ev.At.Before(d.Events[i-1].At) {
				t.Fatal("events are not in the order of arrival")
			}
			order = append(order, at)
			if a := ev.alert(); a != nil {
				became[a.Fingerprint] = a.Status
			}
		}
		if len(sent) > 0 || slices.IsSortedFunc(order, time.Time.Compare) {
			t.Errorf("%d events never came; or their order is as it was", len(sent))
		}
		if diff := cmp.Diff(last, became); diff != "" {
			t.Errorf("alerts end up in another state:\n%s", diff)
		}
	})
}

func TestPerturbationsThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"jitter=soon":    `perturbation jitter: want a duration such as 60s, got "soon"`,
		"shuffle":        `perturbation shuffle: want a duration such as 60s, got ""`,
		"drop-edges=1":   `perturbation drop-edges: want a share between 0 and 1, got "1"`,
		"drop-alerts=-1": `perturbation drop-alerts: want a share between 0 and 1, got "-1"`,
		"wobble=1":       `perturbation "wobble": want jitter, drop-edges, drop-alerts, shuffle`,
	} {
		if _, err := ParsePerturbation(text); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestRobustnessHoldsUpToATenth(t *testing.T) {
	scores := func(wrong int) []*CaseScore {
		return ranked(100, func(i int) int {
			if i < wrong {
				return 2
			}
			return 1
		})
	}
	base := Measure("", scores(0), nil)
	rows := []Robustness{base, Measure("jitter=60s", scores(10), &base), Measure("shuffle=5m", scores(11), &base)}
	var table bytes.Buffer
	err := WriteRobustness(&table, rows)
	if err == nil || err.Error() != "shuffle=5m costs more than 10 % of F1 or of top-1" {
		t.Errorf("got %v", err)
	}
	want := `perturbation           F1 ARI multi  top-1  top-3  loss F1 loss top-1
none                    -         -  1.000  1.000        -          -
jitter=60s              -         -  0.900  1.000        -     10.0 %  holds
shuffle=5m              -         -  0.890  1.000        -     11.0 %  TOO MUCH
`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(table.String(), "\n")); diff != "" {
		t.Error(diff)
	}
}
