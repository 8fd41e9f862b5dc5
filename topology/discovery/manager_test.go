package discovery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/topology"
)

// place is a source whose answers the test decides.
type place struct {
	name string

	mu     sync.Mutex
	report Voice
	err    error
	hangs  bool
	asked  int
	notify func()
}

func (p *place) Name() string { return p.name }

func (p *place) Fetch(ctx context.Context) (Report, error) {
	p.mu.Lock()
	p.asked++
	hangs, err, r := p.hangs, p.err, p.report
	p.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return Report{}, ctx.Err()
	}
	return Report{Services: slices.Clone(r.Services), Dependencies: slices.Clone(r.Dependencies)}, err
}

func (p *place) Notify(ctx context.Context, changed func()) error {
	p.mu.Lock()
	p.notify = changed
	p.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (p *place) says(t testing.TB, text string) *place {
	v := voice(t, p.name, false, text)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report, p.err, p.hangs = v, nil, false
	return p
}

func (p *place) fails(text string) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.New(text)
	return p
}

func (p *place) config() Config {
	return Config{Source: p, RefreshInterval: time.Minute, TTL: time.Hour, Identity: p.name}
}

func declared(p *place) Config { return Config{Source: p, Declared: true, Identity: p.name} }

// stream keeps what is published, and what is read back after a restart.
type stream struct {
	mu       sync.Mutex
	versions []topology.Spec
	err      error
}

func (s *stream) publish(_ context.Context, spec topology.Spec) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.versions = append(s.versions, spec)
	return uint64(len(s.versions)), nil
}

func (s *stream) inForce(context.Context) (topology.Spec, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.versions) == 0 {
		return topology.Spec{}, false, nil
	}
	return s.versions[len(s.versions)-1], true, nil
}

func (s *stream) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *stream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.versions)
}

// rig is a manager that runs in a bubble.
type rig struct {
	*Manager
	t      *testing.T
	stream *stream
	stop   func()
	reg    *prometheus.Registry
}

func start(t *testing.T, s *stream, configs ...Config) *rig {
	t.Helper()
	reg := prometheus.NewRegistry()
	m, err := New(Options{InForce: s.inForce, Publish: s.publish, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx, configs) }()
	r := &rig{Manager: m, t: t, stream: s, reg: reg}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	synctest.Wait()
	return r
}

// want compares the graph published last with lines as show writes them, without sources.
func (r *rig) want(what string, lines ...string) {
	r.t.Helper()
	synctest.Wait()
	spec, _, _ := r.stream.inForce(r.t.Context())
	if got := bare(&spec); !slices.Equal(got, lines) {
		r.t.Fatalf("%s: in force is\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func bare(spec *topology.Spec) []string {
	var out []string
	for l := range strings.Lines(show(spec)) {
		l, _, _ = strings.Cut(l, " [")
		out = append(out, strings.TrimSpace(l))
	}
	return out
}

func (r *rig) status(name string) Status {
	r.t.Helper()
	synctest.Wait()
	for _, s := range r.View().Sources {
		if s.Name == name {
			return s
		}
	}
	r.t.Fatalf("no source %q", name)
	return Status{}
}

// up is what the metrics say of each source.
func (r *rig) up() map[string]float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "headwater_topology_source_up" {
				out[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return out
}

func wait(d time.Duration) {
	time.Sleep(d) // of a bubble
	synctest.Wait()
}

func TestFirstVersionWaitsForEverybodyButNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, mesh := (&place{name: "file"}).says(t, "web owner=shop"), &place{name: "mesh", hangs: true}
		r := start(t, &stream{}, declared(file), mesh.config())
		wait(9 * time.Second)
		if n := r.stream.count(); n != 0 {
			t.Fatalf("%d versions before the mesh had its chance", n)
		}
		wait(2 * time.Second)
		r.want("without the mesh", "web owner=shop")
		select {
		case <-r.Ready():
		default:
			t.Error("not ready")
		}
		mesh.says(t, "web -> db")
		wait(time.Minute)
		r.want("with it", "web owner=shop", "db", "web -> db")
	})
}

func TestFirstVersionComesAtOnceWhenAllHaveAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, mesh := (&place{name: "file"}).says(t, "web"), (&place{name: "mesh"}).says(t, "web -> db")
		r := start(t, &stream{}, declared(file), mesh.config())
		r.want("both", "web", "db", "web -> db")
		if n := r.stream.count(); n != 1 {
			t.Errorf("%d versions", n)
		}
	})
}

func TestNothingIsReadyWithoutSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &stream{})
		<-r.Ready()
		if n := r.stream.count(); n != 0 {
			t.Errorf("%d versions of nothing", n)
		}
	})
}

func TestFailingSourceKeepsWhatItSaidAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh := (&place{name: "mesh"}).says(t, "web -> db")
		r := start(t, &stream{}, mesh.config())
		mesh.fails("connection refused")
		wait(time.Hour)
		r.want("while it is away", "db", "web", "web -> db")
		st := r.status("mesh")
		if st.Error != "connection refused" || st.FailingSince.IsZero() || st.LastSuccess.IsZero() || st.Dependencies != 1 {
			t.Errorf("%+v", st)
		}
		if up := r.up()["mesh"]; up != 0 {
			t.Errorf("up is %v", up)
		}
		mesh.says(t, "web -> db")
		wait(time.Minute + 10*time.Second)
		if st := r.status("mesh"); st.Error != "" || !st.FailingSince.IsZero() {
			t.Errorf("it answers again: %+v", st)
		}
		if up := r.up()["mesh"]; up != 1 {
			t.Errorf("up is %v", up)
		}
	})
}

func TestFailureIsRetriedSoonThenLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh := (&place{name: "mesh"}).fails("no")
		start(t, &stream{}, mesh.config())
		wait(time.Minute)
		mesh.mu.Lock()
		soon := mesh.asked
		mesh.mu.Unlock()
		if soon < 4 || soon > 7 {
			t.Errorf("asked %d times in the first minute", soon)
		}
		wait(time.Hour)
		mesh.mu.Lock()
		defer mesh.mu.Unlock()
		if later := mesh.asked - soon; later < 50 || later > 75 {
			t.Errorf("asked %d times in the next hour", later)
		}
	})
}

func TestQuietEdgeStaysForItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh := (&place{name: "mesh"}).says(t, "web -> db\nweb -> old")
		r := start(t, &stream{}, mesh.config())
		mesh.says(t, "web -> db")
		wait(58 * time.Minute)
		r.want("not seen for less than the TTL", "db", "old", "web", "web -> db", "web -> old")
		wait(4 * time.Minute)
		r.want("after the TTL", "db", "web", "web -> db")
	})
}

func TestOldSightingInAReportAgesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh := (&place{name: "mesh"}).says(t, "web -> db")
		stopped := time.Now().Add(-30 * time.Minute)
		mesh.report.Dependencies[0].Seen = []topology.Sighting{{LastSeen: stopped}}
		r := start(t, &stream{}, mesh.config())
		wait(28 * time.Minute)
		r.want("the counter is there but has not moved", "db", "web", "web -> db")
		g := r.View().Graph()
		web, _ := g.Lookup(topology.Ref{Name: "web"})
		db, _ := g.Lookup(topology.Ref{Name: "db"})
		if seen := g.Seen(web, db); len(seen) != 1 || !seen[0].LastSeen.Equal(stopped) || seen[0].Source != "mesh" {
			t.Errorf("seen %+v", seen)
		}
		wait(4 * time.Minute)
		r.want("for its TTL")
	})
}

func TestTTLDoesNotRunWhileTheSourceIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh := (&place{name: "mesh"}).says(t, "web -> db\nweb -> quiet")
		r := start(t, &stream{}, mesh.config())
		mesh.fails("away")
		wait(5 * time.Hour)
		mesh.says(t, "web -> db")
		wait(2 * time.Minute)
		r.want("the quiet edge had no chance to be seen", "db", "quiet", "web", "web -> db", "web -> quiet")
		wait(time.Hour)
		r.want("it has had it", "db", "web", "web -> db")
	})
}

func TestRestartWithTheSourceAwayKeepsEdgesAndTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		file, mesh := (&place{name: "file"}).says(t, "web owner=shop"), (&place{name: "mesh"}).says(t, "web kind=frontend\nweb -> db\nweb -> quiet")
		r := start(t, s, declared(file), mesh.config())
		all := []string{"web kind=frontend owner=shop", "db", "quiet", "web -> db", "web -> quiet"}
		r.want("before", all...)
		mesh.says(t, "web kind=frontend\nweb -> db")
		wait(20 * time.Minute)
		r.stop()
		mesh.fails("away")
		r = start(t, s, declared(file), mesh.config())
		wait(5 * time.Minute)
		r.want("after", all...)
		if n := s.count(); n != 1 {
			t.Errorf("%d versions of one graph", n)
		}
		mesh.says(t, "web kind=frontend\nweb -> db")
		wait(20 * time.Minute)
		r.want("45 minutes after it was last seen", all...)
		wait(20 * time.Minute)
		r.want("65 minutes after it was last seen", "web kind=frontend owner=shop", "db", "web -> db")
		// The file's word is the file's alone, also after a restart.
		file.says(t, "web")
		file.notify()
		wait(time.Second)
		r.want("another file", "web kind=frontend", "db", "web -> db")
	})
}

func TestGraphOfAnEarlierProgramIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := voice(t, "", true, "web owner=shop")
		s := &stream{versions: []topology.Spec{{Version: "a digest of files", Services: v.Services}}}
		file := (&place{name: "file"}).says(t, "web owner=shop")
		r := start(t, s, declared(file))
		r.want("the same graph", "web owner=shop")
		last := s.versions[len(s.versions)-1]
		if len(s.versions) != 2 || last.Version != topology.Digest(&last) || len(last.Services[0].Seen) != 1 {
			t.Errorf("%d versions, the last is %+v", len(s.versions), last)
		}
	})
}

func TestNewerSightingsAreWrittenBeforeTheyAreHalfATTLOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		mesh := (&place{name: "mesh"}).says(t, "web -> db")
		start(t, s, mesh.config())
		wait(29 * time.Minute)
		if n := s.count(); n != 1 {
			t.Fatalf("%d versions, nothing changed", n)
		}
		wait(10 * time.Hour)
		n := s.count()
		if n < 20 || n > 22 {
			t.Errorf("%d versions in ten and a half hours, want one each half hour", n)
		}
		last := s.versions[n-1]
		if last.Version != s.versions[0].Version {
			t.Error("the same graph has another version")
		}
		if age := time.Since(last.Dependencies[0].Seen[0].LastSeen); age > 32*time.Minute {
			t.Errorf("written is %s ago", age)
		}
	})
}

func TestChangesAreNoticedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := (&place{name: "file"}).says(t, "web")
		r := start(t, &stream{}, declared(file))
		r.want("before", "web")
		file.says(t, "cart")
		file.notify()
		r.want("after", "cart")
	})
}

func TestReloadKeepsWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh, jaeger := (&place{name: "mesh"}).says(t, "web -> db"), (&place{name: "jaeger"}).says(t, "web -> mail")
		r := start(t, &stream{}, mesh.config())
		mesh.fails("away")
		apply := func(configs ...Config) {
			t.Helper()
			if err := r.Apply(t.Context(), configs); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		apply(mesh.config(), jaeger.config())
		r.want("one more", "db", "web", "mail", "web -> db", "web -> mail")
		other := mesh.config()
		other.Identity, other.TTL = "mesh with another TTL", 2*time.Hour
		apply(jaeger.config(), other)
		r.want("other settings, another order", "mail", "web", "db", "web -> mail", "web -> db")
		if st := r.status("mesh"); st.TTL != 2*time.Hour {
			t.Errorf("%+v", st)
		}
		apply(jaeger.config())
		r.want("one less", "mail", "web", "web -> mail")
		if up := r.up(); len(up) != 1 {
			t.Errorf("in the metrics are %v", up)
		}
		apply()
		r.want("none")
	})
}

func TestSourceThatIsNewToAReloadHasAWhileToAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh := (&place{name: "mesh"}).says(t, "web -> db")
		r := start(t, &stream{}, mesh.config())
		renamed := (&place{name: "mesh-eu"}).says(t, "web -> db")
		renamed.hangs = true
		if err := r.Apply(t.Context(), []Config{renamed.config()}); err != nil {
			t.Fatal(err)
		}
		r.want("renamed", "db", "web", "web -> db")
		if n := r.stream.count(); n != 1 {
			t.Errorf("the graph was taken away for a moment: %d versions", n)
		}
		wait(11 * time.Second)
		r.want("it does not answer")
	})
}

func TestStreamThatIsAwayIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		s.breaks(errors.New("no quorum"))
		mesh := (&place{name: "mesh"}).says(t, "web -> db")
		r := start(t, s, mesh.config())
		wait(time.Minute)
		s.breaks(nil)
		wait(6 * time.Second)
		r.want("the stream is back", "db", "web", "web -> db")
	})
}

func TestSourceThatPanicsFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := (&place{name: "file"}).says(t, "web")
		r := start(t, &stream{}, declared(file), Config{Source: panicking{}, Identity: "x"})
		r.want("the others", "web")
		if st := r.status("panicking"); !strings.Contains(st.Error, "out of range") {
			t.Errorf("%+v", st)
		}
	})
}

type panicking struct{}

func (panicking) Name() string { return "panicking" }

func (panicking) Fetch(context.Context) (Report, error) { panic("out of range") }
