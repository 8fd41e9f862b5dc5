package store

import "sync"

// watchers wakes those who wait for a revision. There is one channel for each
// awaited revision, however many wait on it, and nothing is ever sent: nobody is
// slow, and nobody can be forgotten.
type watchers struct {
	mu      sync.Mutex
	reached uint64
	waiting map[uint64]chan struct{} // by the revision to be exceeded
}

// Changed returns a channel that is closed once [Store.Revision] is above after,
// at once if it is already.
func (s *Store) Changed(after uint64) <-chan struct{} { return s.watchers.wait(after, s.Revision()) }

func (w *watchers) wait(after, revision uint64) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = max(w.reached, revision)
	ch, ok := w.waiting[after]
	if !ok {
		ch = make(chan struct{})
	}
	switch {
	case w.reached > after:
		close(ch)
	case !ok:
		if w.waiting == nil {
			w.waiting = map[uint64]chan struct{}{}
		}
		w.waiting[after] = ch
	}
	return ch
}

// wake closes the channels of those who waited for less than revision.
func (w *watchers) wake(revision uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = max(w.reached, revision)
	for after, ch := range w.waiting {
		if w.reached > after {
			close(ch)
			delete(w.waiting, after)
		}
	}
}
