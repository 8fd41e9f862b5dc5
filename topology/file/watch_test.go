package file

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/headwater-sre/headwater/topology/discovery"
)

var _ discovery.Notifier = (*Source)(nil)

// following counts the calls of changed that events lead to, in a bubble.
func following(t *testing.T) (events chan<- fsnotify.Event, calls func() int64) {
	in := make(chan fsnotify.Event)
	var n atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		follow(ctx, in, nil, func() { n.Add(1) })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return in, func() int64 {
		synctest.Wait()
		return n.Load()
	}
}

func TestFollowSeesManyEventsAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, calls := following(t)
		for range 50 {
			events <- fsnotify.Event{}
		}
		if calls() != 0 {
			t.Error("the writer had no time to finish")
		}
		time.Sleep(settle)
		if n := calls(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestFollowIsNotPutOffByABusyDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, calls := following(t)
		for range 10 {
			events <- fsnotify.Event{}
			time.Sleep(settle / 5)
		}
		if calls() == 0 {
			t.Error("no call while events go on")
		}
	})
}

// watching follows real files and hands on what a fetch finds after each notice.
func watching(t *testing.T, paths ...string) (<-chan discovery.Report, <-chan error) {
	reports, errs := make(chan discovery.Report, 64), make(chan error, 64)
	s := NewSource("file", paths)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Notify(ctx, func() {
			if r, err := s.Fetch(ctx); err != nil {
				errs <- err
			} else {
				reports <- r
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("notify: %v", err)
		}
	})
	return reports, errs
}

func awaitService(t *testing.T, reports <-chan discovery.Report, name string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case r := <-reports:
			if len(r.Services) == 1 && r.Services[0].Name == name {
				return
			}
		case <-deadline:
			t.Fatalf("no report with %q", name)
		}
	}
}

func TestSourceFollowsWritesAndRenames(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "topology.yaml", "services: [{name: one}]\n")
	reports, errs := watching(t, path)
	awaitService(t, reports, "one")

	write(t, dir, "topology.yaml", "services: [{name: two}]\n")
	awaitService(t, reports, "two")

	if err := os.Rename(write(t, dir, ".topology.yaml.swp", "services: [{name: three}]\n"), path); err != nil {
		t.Fatal(err)
	}
	awaitService(t, reports, "three")

	write(t, dir, "topology.yaml", "services: [{nam: four}]\n")
	select {
	case err := <-errs:
		if err == nil {
			t.Error("nil error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the bad file was not reported")
	}
	write(t, dir, "topology.yaml", "services: [{name: five}]\n")
	awaitService(t, reports, "five")
}

// Kubernetes mounts a ConfigMap as links through ..data, which it swaps by renaming.
func TestSourceFollowsKubernetesLinkSwaps(t *testing.T) {
	dir := t.TempDir()
	version := func(name, content string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), "topology.yaml", content)
		if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..v1", "services: [{name: one}]\n")
	path := filepath.Join(dir, "topology.yaml")
	if err := os.Symlink(filepath.Join("..data", "topology.yaml"), path); err != nil {
		t.Fatal(err)
	}
	reports, _ := watching(t, path)
	awaitService(t, reports, "one")
	version("..v2", "services: [{name: two}]\n")
	awaitService(t, reports, "two")
}

func TestSourceSaysWhenItCannotNotice(t *testing.T) {
	s := NewSource("file", []string{filepath.Join(t.TempDir(), "none", "topology.yaml")})
	if err := s.Notify(t.Context(), func() { t.Error("a change of what is not there") }); err == nil {
		t.Error("no error")
	}
	if _, err := s.Fetch(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestSourceTriesWhetherTheFilesMakeAGraph(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "t.yaml", "services: [{name: web}]\ndependencies: [{from: web, to: a/db}, {from: web, to: b/db}, {from: a/db, to: db}]\n")
	if _, err := NewSource("file", []string{path}).Fetch(t.Context()); err == nil {
		t.Error("db could be two")
	}
}
