package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/topology"
)

func said(t testing.TB, text string) Content {
	v := voice(t, "", false, text)
	return Content{Services: v.Services, Dependencies: v.Dependencies}
}

func (r *rig) push(c Change) Pushed {
	r.t.Helper()
	got, err := r.Push(r.t.Context(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	if got.Pos != uint64(r.stream.count()) {
		r.t.Errorf("the receipt names position %d of %d", got.Pos, r.stream.count())
	}
	return got.Pushed
}

func TestPushAddsReplacesAndRemoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mesh := (&place{name: "mesh"}).says(t, "web kind=api owner=mesh")
		r := start(t, &stream{}, mesh.config())
		first := r.push(Change{Source: "ci", By: "ann", Content: said(t, "web owner=shop\nweb -> db\nweb -> mail async")})
		r.want("pushed, above what is discovered", "db", "mail", "web kind=api owner=shop", "web -> db", "web -> mail async")
		second := r.push(Change{Source: "ci", By: "bob", ETag: first.ETag, Content: said(t, "db owner=dba\nweb -> mail soft"), RemoveDependencies: []Ends{{topology.Ref{Name: "web"}, topology.Ref{Name: "db"}}}})
		r.want("changed", "db owner=dba", "mail", "web kind=api owner=shop", "web -> mail soft")
		if second.ETag == first.ETag || second.By != "bob" || len(second.Services) != 2 {
			t.Errorf("%+v", second)
		}
		r.push(Change{Source: "ci", RemoveServices: []topology.Ref{{Name: "web"}}})
		r.want("web and what it needs is no more of the pusher's", "db owner=dba", "web kind=api owner=mesh")
		r.push(Change{Source: "ci", Replace: true, Content: said(t, "only")})
		r.want("replaced", "only", "web kind=api owner=mesh")
		if _, err := r.Delete(t.Context(), "ci", "", "ann"); err != nil {
			t.Fatal(err)
		}
		r.want("deleted", "web kind=api owner=mesh")
	})
}

func TestPushKnowsWhatItWasToldAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &stream{})
		r.push(Change{Source: "ci", Content: said(t, "cart owner=shop\ncart -> db")})
		got, err := r.Pushed(t.Context(), "ci")
		if err != nil || len(got.Services) != 1 || got.Services[0].Name != "cart" || len(got.Dependencies) != 1 {
			t.Errorf("%+v, %v: db was only named", got, err)
		}
	})
}

func TestPushIsRefusedWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		r := start(t, s)
		kept := r.push(Change{Source: "ci", Content: said(t, "web owner=shop")})
		for _, c := range []struct {
			point  string
			change Change
			want   error
		}{
			{"somebody else was quicker", Change{Source: "ci", ETag: "000000000000"}, ErrETag},
			{"an etag of nothing", Change{Source: "new", ETag: kept.ETag}, ErrNoSource},
			{"no name", Change{Source: "ci", Content: Content{Services: []topology.Service{{}}}}, ErrInvalid},
			{"two that a name could mean", Change{Source: "ci", Content: said(t, "a/db\nb/db\nweb -> db")}, ErrInvalid},
		} {
			if _, err := r.Push(t.Context(), c.change); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.point, err)
			}
		}
		s.breaks(errors.New("no quorum"))
		if _, err := r.Push(t.Context(), Change{Source: "ci", Content: said(t, "lost")}); err == nil || !strings.Contains(err.Error(), "no quorum") {
			t.Errorf("nothing was written: %v", err)
		}
		if _, err := r.Delete(t.Context(), "ci", "", ""); err == nil {
			t.Error("nothing was written, and nothing deleted")
		}
		s.breaks(nil)
		wait(time.Minute)
		r.want("as before", "web owner=shop")
		if got, err := r.Pushed(t.Context(), "ci"); err != nil || got.ETag != kept.ETag {
			t.Errorf("%+v, %v", got, err)
		}
		for _, name := range []string{"no", ""} {
			if _, err := r.Delete(t.Context(), name, "", ""); !errors.Is(err, ErrNoSource) {
				t.Errorf("delete %q: %v", name, err)
			}
		}
		for i := range maxPushes - 1 {
			r.push(Change{Source: fmt.Sprint("s", i)})
		}
		if _, err := r.Push(t.Context(), Change{Source: "one too many"}); !errors.Is(err, ErrLimit) {
			t.Errorf("%v", err)
		}
	})
}

func TestPushSurvivesARestartInItsOwnWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		file := (&place{name: "file"}).says(t, "web owner=shop")
		r := start(t, s, declared(file))
		day := 24 * time.Hour
		before := r.push(Change{Source: "ci", By: "ann", TTL: &day, Content: said(t, "web owner=ci\nweb -> db")})
		r.want("the file wins", "web owner=shop", "db", "web -> db")
		r.stop()
		r = start(t, s, declared(file))
		after, err := r.Pushed(t.Context(), "ci")
		if err != nil || after.ETag != before.ETag || after.By != "ann" || after.TTL != day || !after.At.Equal(before.At) {
			t.Errorf("%+v became %+v, %v", before, after, err)
		}
		r.want("after a restart", "web owner=shop", "db", "web -> db")
		file.says(t, "other")
		file.notify()
		r.want("without the file's word", "other", "db", "web owner=ci", "web -> db")
	})
}

func TestPushExpiresUnlessItIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		r := start(t, s)
		hour := time.Hour
		r.push(Change{Source: "ci", TTL: &hour, Content: said(t, "web -> db\nweb -> old")})
		wait(50 * time.Minute)
		r.push(Change{Source: "ci", Content: said(t, "web -> db")})
		wait(9 * time.Minute)
		r.want("before", "db", "old", "web", "web -> db", "web -> old")
		wait(2 * time.Minute)
		r.want("after", "db", "web", "web -> db")
		r.stop()
		r = start(t, s)
		wait(time.Hour)
		r.want("nothing is left")
		if _, err := r.Pushed(t.Context(), "ci"); !errors.Is(err, ErrNoSource) {
			t.Errorf("%v", err)
		}
	})
}

func TestCallsEndWhenTheManagerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &stream{})
		r.stop()
		if _, err := r.Push(t.Context(), Change{Source: "ci"}); !errors.Is(err, errEnded) {
			t.Errorf("%v", err)
		}
	})
}

// stamped is a graph of which every part carries the same stamp.
func stamped(source, stamp string, size int) Content {
	var c Content
	for i := range size {
		name := fmt.Sprintf("%s-%d", source, i)
		c.Services = append(c.Services, topology.Service{Name: name, Owner: stamp})
		if i > 0 {
			c.Dependencies = append(c.Dependencies, topology.Dependency{From: c.Services[i-1].Ref(), To: c.Services[i].Ref(), Group: stamp})
		}
	}
	return c
}

// whole reports what of a graph carries other stamps than the rest of its source's.
func whole(spec *topology.Spec, size int) error {
	stamps, count := map[string]string{}, map[string]int{}
	check := func(name, stamp string) error {
		source, _, _ := strings.Cut(name, "-")
		if first, ok := stamps[source]; ok && first != stamp {
			return fmt.Errorf("%s carries %s, others %s", name, stamp, first)
		}
		stamps[source] = stamp
		count[source]++
		return nil
	}
	for i := range spec.Services {
		if err := check(spec.Services[i].Name, spec.Services[i].Owner); err != nil {
			return err
		}
	}
	for _, d := range spec.Dependencies {
		if err := check(d.From.Name, d.Group); err != nil {
			return err
		}
	}
	for source, n := range count {
		if n != 2*size-1 {
			return fmt.Errorf("%s has %d parts of %d", source, n, 2*size-1)
		}
	}
	return nil
}

// Sources that answer, pushes and reloads all at once: what is published and what
// readers see is always made of whole reports.
func TestNobodySeesHalfAVersion(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 8).Draw(rt, "size")
		rounds := rapid.IntRange(1, 6).Draw(rt, "rounds")
		readers := rapid.IntRange(1, 2).Draw(rt, "readers")
		synctest.Test(t, func(t *testing.T) {
			s := &stream{}
			places := []*place{{name: "a"}, {name: "b"}}
			stamp := func(p *place, k int) {
				c := stamped(p.name, fmt.Sprint(k), size)
				p.mu.Lock()
				p.report = Voice{Services: c.Services, Dependencies: c.Dependencies}
				p.mu.Unlock()
			}
			var configs []Config
			for _, p := range places {
				stamp(p, 0)
				configs = append(configs, declared(p))
			}
			r := start(t, s, configs...)
			var work, reading sync.WaitGroup
			done := make(chan struct{})
			for range readers {
				reading.Go(func() {
					for {
						if g := r.View().Graph(); g != nil {
							spec := g.Spec()
							if err := whole(&spec, size); err != nil {
								t.Error(err)
								return
							}
						}
						select {
						case <-done:
							return
						case <-time.After(time.Millisecond):
						}
					}
				})
			}
			for _, p := range places {
				work.Go(func() {
					for k := range rounds {
						stamp(p, k+1)
						p.notify()
						time.Sleep(time.Millisecond)
					}
				})
			}
			work.Go(func() {
				for k := range rounds {
					if _, err := r.Push(t.Context(), Change{Source: "x", Replace: true, Content: stamped("x", fmt.Sprint(k), size)}); err != nil {
						t.Error(err)
					}
					if err := r.Apply(t.Context(), slices.Clone(configs)); err != nil {
						t.Error(err)
					}
				}
			})
			work.Wait()
			time.Sleep(time.Second)
			close(done)
			reading.Wait()
			r.stop()
			for i := range s.versions {
				if err := whole(&s.versions[i], size); err != nil {
					t.Fatalf("version %d: %v", i, err)
				}
			}
			last := s.versions[len(s.versions)-1]
			if got, want := last.Services[0].Owner, fmt.Sprint(rounds); got != want {
				t.Errorf("the last round published is %s of %s", got, want)
			}
		})
	})
}
