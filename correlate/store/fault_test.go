package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
)

var errInjected = errors.New("injected")

func openFault(t testing.TB, dir string, fault func(step string) error) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// state is what a test compares: the position and a row that says which commit wrote it.
func state(t testing.TB, s *Store) (pos uint64, titles []string) {
	t.Helper()
	snap, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range snap.Incidents {
		titles = append(titles, fmt.Sprint(i.Number, " at ", i.Revision, " ", len(i.Title)))
	}
	return snap.Meta.Pos, titles
}

// rowsAt is a delta of n incidents with titles of the given size.
func rowsAt(pos uint64, n, size int) []*correlate.Delta {
	d := &correlate.Delta{Meta: correlate.Meta{Pos: pos}}
	for i := 1; i <= n; i++ {
		d.Incidents = append(d.Incidents, &correlate.Incident{
			ID: fmt.Sprint("INC-", i), Number: uint64(i), Revision: pos, Title: strings.Repeat("x", size),
		})
	}
	return []*correlate.Delta{d}
}

// A commit that is too large for one transaction is cut off at each of its steps,
// and the process dies. What comes up is the state before or after it, never between.
func TestALargeCommitIsWholeAfterACrashAtAnyStep(t *testing.T) {
	var steps []string
	count := openFault(t, t.TempDir(), func(step string) error {
		steps = append(steps, step)
		return nil
	})
	commit := func(s *Store, pos uint64) error { return s.Commit(t.Context(), rowsAt(pos, 16, 100<<10), false) }
	if err := commit(count, 1); err != nil {
		t.Fatal(err)
	}
	want1 := fmt.Sprint(state(t, count))
	steps = nil
	if err := commit(count, 2); err != nil {
		t.Fatal(err)
	}
	want2 := fmt.Sprint(state(t, count))
	if !slices.Contains(steps, "announce") || len(steps) < 9 {
		t.Fatalf("the commit takes the steps %q, want a staged one in many transactions", steps)
	}
	before, after := 0, 0
	for n := range steps {
		dir := t.TempDir()
		image, left := "", -1
		s := openFault(t, dir, func(string) error {
			switch {
			case left < 0:
				return nil
			case left > 0:
				left--
				return nil
			case image == "":
				image = take(t, dir).write(t)
			}
			return errInjected // and so does everything after it
		})
		if err := commit(s, 1); err != nil {
			t.Fatal(err)
		}
		left = n
		if err := commit(s, 2); !errors.Is(err, errInjected) {
			t.Fatalf("step %d, %s: commit: %v", n, steps[n], err)
		}
		crashed := openFault(t, image, nil)
		switch got := fmt.Sprint(state(t, crashed)); got {
		case want1:
			before++
		case want2:
			after++
		default:
			t.Errorf("step %d, %s: came up as %s", n, steps[n], got)
		}
		if err := commit(crashed, 3); err != nil {
			t.Errorf("step %d, %s: next commit: %v", n, steps[n], err)
		}
		if left := crashed.stagingLeft(t); left != 0 {
			t.Errorf("step %d, %s: %d entries are left in the staging area", n, steps[n], left)
		}
	}
	if before == 0 || after == 0 {
		t.Errorf("%d crashes came up before the commit and %d after it, want some of each", before, after)
	}
}

func (s *Store) stagingLeft(t testing.TB) int {
	t.Helper()
	staged, _, chunks, err := s.readStaging()
	if err != nil {
		t.Fatal(err)
	}
	if staged {
		chunks++
	}
	return int(chunks)
}

// In the process that lives on, a large commit that failed while it was being
// carried out must not be seen in part.
func TestHalfACommitIsNeverRead(t *testing.T) {
	armed := false
	s := openFault(t, t.TempDir(), func(step string) error {
		if armed && step == "half-way" {
			return errInjected
		}
		return nil
	})
	if err := s.Commit(t.Context(), rowsAt(1, 40, 100<<10), false); err != nil {
		t.Fatal(err)
	}
	armed = true
	err := s.Commit(t.Context(), rowsAt(2, 40, 100<<10), false)
	if !errors.Is(err, ErrFailed) || !errors.Is(err, errInjected) {
		t.Errorf("Commit: %v, want ErrFailed and the cause", err)
	}
	var p interface{ Permanent() bool }
	if !errors.As(err, &p) || !p.Permanent() {
		t.Error("the failure does not call itself permanent")
	}
	if _, err := s.Load(t.Context()); !errors.Is(err, ErrFailed) {
		t.Errorf("Load: %v, want ErrFailed", err)
	}
}

// A failure before the announcement leaves a store that works.
func TestAFailedStageCanBeRepeated(t *testing.T) {
	for _, step := range []string{"stage", "announce", "write"} {
		armed := false
		s := openFault(t, t.TempDir(), func(at string) error {
			if armed && at == step {
				return errInjected
			}
			return nil
		})
		armed = true
		if err := s.Commit(t.Context(), rowsAt(1, 40, 100<<10), true); !errors.Is(err, errInjected) || errors.Is(err, ErrFailed) {
			t.Errorf("%s: %v, want the injected error and no ErrFailed", step, err)
		}
		armed = false
		// Smaller, so that the leftovers of the first attempt reach beyond it.
		if err := s.Commit(t.Context(), rowsAt(1, 20, 100<<10), true); err != nil {
			t.Errorf("%s: repeated: %v", step, err)
		}
		if pos, titles := state(t, s); pos != 1 || len(titles) != 20 {
			t.Errorf("%s: position %d with %d rows", step, pos, len(titles))
		}
	}
}
