package discovery

import (
	"sync"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// View is what the manager knows at one moment. It is not changed afterwards.
type View struct {
	Sources    []Status    // declared, then pushed, then discovered: the order in which they win
	LookAlikes []LookAlike // see [Merged]
	// Published is the version put on the stream last, by this process or before it.
	Published string

	graph func() *topology.Graph
}

// Graph is what the sources say now, with their newest sightings; nil before the first
// answer. It may differ from the graph in force, which is the one that was judged by.
func (v *View) Graph() *topology.Graph {
	if v.graph == nil {
		return nil
	}
	return v.graph()
}

// Status is how it is with one source.
type Status struct {
	Name     string
	Declared bool
	Pushed   bool

	RefreshInterval time.Duration // 0 of what is pushed
	TTL             time.Duration

	LastAttempt  time.Time     // zero: not asked yet
	Duration     time.Duration // of the last attempt
	LastSuccess  time.Time     // zero: never since the first start
	FailingSince time.Time     // zero while it answers
	Error        string        // of the last attempt; empty: it went well

	Services     int
	Dependencies int
	Warnings     []topology.Warning

	// Of what was pushed.
	By   string // who pushed last
	ETag string
}

func (s *Status) configure(c Config) {
	s.Declared, s.RefreshInterval, s.TTL = c.Declared, c.RefreshInterval, c.TTL
}

// View returns what is known now.
func (m *Manager) View() *View { return m.view.Load() }

// shown is the source's status with what it says now.
func (s *source) shown() Status {
	out := s.status
	out.Services, out.Dependencies = len(s.standing.services), len(s.standing.dependencies)
	out.Warnings, out.LastSuccess = s.standing.warnings, s.standing.answered
	return out
}

// show makes the view what Run's goroutine knows.
func (m *Manager) show(merged Merged) {
	v := &View{LookAlikes: merged.LookAlikes, Published: m.published.Version}
	v.graph = sync.OnceValue(func() *topology.Graph {
		g, _, err := topology.Build(merged.Spec)
		if err != nil {
			return nil // logged where it is to be published
		}
		return g
	})
	add := func(st Status) {
		v.Sources = append(v.Sources, st)
		m.metrics.show(&st)
	}
	for _, declared := range []bool{true, false} {
		for _, s := range m.sources {
			if s.Declared == declared {
				add(s.shown())
			}
		}
		if declared {
			for _, p := range sortedPushes(m.pushes) {
				add(p.status())
			}
		}
	}
	m.metrics.lookAlikes.Set(float64(len(merged.LookAlikes)))
	m.view.Store(v)
}
