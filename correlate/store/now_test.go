package store

import "testing"

func TestNowIsTheEnginesTimeAsOfTheLastCommit(t *testing.T) {
	s, err := Open(Options{InMemory: true})
	must(t, err)
	defer s.Close()
	if now, err := s.Now(t.Context()); err != nil || !now.IsZero() {
		t.Errorf("before anything: %v, %v", now, err)
	}
	d := rowsAt(7, 2, 1)
	d[0].Meta.Now = d[0].Meta.Now.AddDate(2026, 0, 0).UTC()
	must(t, s.Commit(t.Context(), d, true))
	if now, err := s.Now(t.Context()); err != nil || !now.Equal(d[0].Meta.Now) {
		t.Errorf("got %v, %v, want %v", now, err, d[0].Meta.Now)
	}
}
