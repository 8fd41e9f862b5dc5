package checker

import (
	"container/heap"
	"context"
	"hash/fnv"
	"time"
)

// firstTurn is how long a new task with a long interval waits for its first turn, at most.
const firstTurn = 15 * time.Second

// task is something to be done at an interval.
type task struct {
	id                string
	interval, timeout time.Duration
	run               func(ctx context.Context)

	// The rest belongs to the scheduler's goroutine.
	due     time.Time
	waiting bool // in a queue
	running bool
	suspect bool // it took long the last time
}

// offset spreads tasks over their intervals, each always to the same moment.
func offset(id string, interval time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return time.Duration(h.Sum64() % uint64(interval))
}

// next is the first turn of a task after now.
func next(id string, interval time.Duration, now time.Time) time.Time {
	passed := time.Duration(now.UnixNano()) - offset(id, interval)
	return now.Add(interval - passed%interval)
}

// first is the first turn ever.
func first(id string, interval time.Duration, now time.Time) time.Time {
	if interval <= firstTurn {
		return next(id, interval, now)
	}
	return next(id, firstTurn, now)
}

// timetable is a heap of tasks, the next first.
type timetable []*task

func (h timetable) Len() int { return len(h) }

func (h timetable) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h timetable) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements [heap.Interface].
func (h *timetable) Push(x any) {
	*h = append(*h, x.(*task))
}

// Pop implements [heap.Interface].
func (h *timetable) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return t
}

// scheduler gives tasks their turns. One goroutine, that of run, owns it all; finished
// and replaced are the ways in.
type scheduler struct {
	places  int // how many tasks may run at once
	metrics *metrics

	replaced chan []*task // not buffered: who has sent knows that it was taken
	finished chan ending  // as many as may run, so that no task waits for its end to be noted

	table    timetable
	tasks    map[string]*task
	prompt   []*task // the queue of those that use to be quick
	tardy    []*task // the queue of those that do not
	running  int
	laggards int // of those running, the ones from tardy
}

// ending is the end of a task's turn.
type ending struct {
	t        *task
	took     time.Duration
	wasTardy bool
}

func newScheduler(places int, m *metrics) *scheduler {
	return &scheduler{
		places: places, metrics: m, replaced: make(chan []*task), finished: make(chan ending, places), tasks: map[string]*task{},
	}
}

// loop works until ctx ends, and then waits for what runs.
func (s *scheduler) loop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if len(s.table) > 0 {
			timer.Reset(time.Until(s.table[0].due))
		}
		select {
		case <-ctx.Done():
			for s.running > 0 {
				s.note(<-s.finished)
			}
			return
		case tasks := <-s.replaced:
			s.replace(tasks, time.Now())
		case e := <-s.finished:
			s.note(e)
		case <-timer.C:
			s.callUp(time.Now())
		}
		s.dispatch(ctx)
		s.metrics.waiting.Set(float64(len(s.prompt) + len(s.tardy)))
		s.metrics.running.Set(float64(s.running))
	}
}

// replace makes tasks the ones to be done. One of the same name and interval keeps its turn.
func (s *scheduler) replace(tasks []*task, now time.Time) {
	before := s.tasks
	s.tasks, s.table, s.prompt, s.tardy = make(map[string]*task, len(tasks)), nil, nil, nil
	for _, t := range tasks {
		if old := before[t.id]; old != nil && old.interval == t.interval {
			t.running, t.suspect, t.due = old.running, old.suspect, old.due
			if old.waiting {
				s.enqueue(t)
			}
		} else {
			t.running, t.due = old != nil && old.running, first(t.id, t.interval, now)
		}
		s.tasks[t.id] = t
		heap.Push(&s.table, t)
	}
}

func (s *scheduler) enqueue(t *task) {
	t.waiting = true
	if t.suspect {
		s.tardy = append(s.tardy, t)
	} else {
		s.prompt = append(s.prompt, t)
	}
}

// callUp puts the tasks whose turn has come into their queues.
func (s *scheduler) callUp(now time.Time) {
	for len(s.table) > 0 && !s.table[0].due.After(now) {
		t := s.table[0]
		t.due = next(t.id, t.interval, now)
		heap.Fix(&s.table, 0)
		if t.running || t.waiting {
			s.metrics.missed.Inc()
			continue
		}
		s.enqueue(t)
	}
}

// dispatch starts what there is room for.
func (s *scheduler) dispatch(ctx context.Context) {
	for s.running < s.places {
		switch {
		case len(s.prompt) > 0:
			s.start(ctx, take(&s.prompt), false)
		case len(s.tardy) > 0 && s.laggards < max(s.places/2, 1):
			s.laggards++
			s.start(ctx, take(&s.tardy), true)
		default:
			return
		}
	}
}

func take(queue *[]*task) *task {
	t := (*queue)[0]
	(*queue)[0] = nil
	if *queue = (*queue)[1:]; len(*queue) == 0 {
		*queue = nil // lets go of the room
	}
	return t
}

func (s *scheduler) start(ctx context.Context, t *task, tardy bool) {
	t.waiting, t.running = false, true
	s.running++
	go func() {
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, t.timeout)
		defer cancel()
		t.run(ctx)
		s.finished <- ending{t, time.Since(began), tardy}
	}()
}

// note takes the end of a turn into account. The task may have been replaced meanwhile.
func (s *scheduler) note(e ending) {
	s.running--
	if e.wasTardy {
		s.laggards--
	}
	e.t.running = false
	if t := s.tasks[e.t.id]; t != nil {
		t.running, t.suspect = false, e.took > t.timeout/2
	}
}
