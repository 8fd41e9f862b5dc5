package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/headwater-sre/headwater/topology"
)

// fakeFiles answers a Watcher's looks and keeps what it reports. The Watcher runs beside
// the test, so everything is under mu.
type fakeFiles struct {
	mu       sync.Mutex
	version  string
	err      error
	looks    int
	versions []string
	errs     []string
}

func (f *fakeFiles) load(...string) (topology.Spec, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return topology.Spec{Version: f.version}, f.err
}

func (f *fakeFiles) become(version string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version, f.err = version, err
}

func (f *fakeFiles) changed(s topology.Spec) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.versions = append(f.versions, s.Version)
}

func (f *fakeFiles) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err.Error())
}

// reported is what the Watcher has handed on, when it has nothing left to do.
func (f *fakeFiles) reported() (versions, errs []string, looks int) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.versions), slices.Clone(f.errs), f.looks
}

func (f *fakeFiles) expectVersions(t *testing.T, what string, want ...string) {
	t.Helper()
	got, _, _ := f.reported()
	expect(t, what, got, want...)
}

func (f *fakeFiles) expectErrors(t *testing.T, what string, want ...string) {
	t.Helper()
	_, got, _ := f.reported()
	expect(t, what, got, want...)
}

// following runs a Watcher on fake files inside a bubble, until the test ends.
func following(t *testing.T, files *fakeFiles, have string) chan<- fsnotify.Event {
	events := make(chan fsnotify.Event)
	w := &Watcher{
		Interval: time.Minute, Version: have, load: files.load,
		OnChange: files.changed, OnError: files.failed,
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.follow(ctx, events, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("follow: %v", err)
		}
	})
	return events
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

func TestWatcherSeesManyEventsAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := &fakeFiles{version: "1"}
		events := following(t, files, "")
		files.expectVersions(t, "at once", "1")
		files.become("2", nil)
		for range 50 {
			events <- fsnotify.Event{}
		}
		time.Sleep(settle)
		files.expectVersions(t, "after the events", "1", "2")
		if _, _, looks := files.reported(); looks != 2 {
			t.Errorf("%d looks", looks)
		}
	})
}

func TestWatcherIsNotPutOffByABusyDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := &fakeFiles{version: "1"}
		events := following(t, files, "")
		files.expectVersions(t, "at once", "1")
		files.become("2", nil)
		for range 10 {
			events <- fsnotify.Event{}
			time.Sleep(settle / 5)
		}
		files.expectVersions(t, "while events go on", "1", "2")
	})
}

func TestWatcherLooksAtIntervalsWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := &fakeFiles{version: "1"}
		following(t, files, "1")
		files.expectVersions(t, "the caller has it already")
		files.become("2", nil)
		time.Sleep(time.Minute)
		files.expectVersions(t, "at the interval", "2")
	})
}

func TestWatcherKeepsTheLastGoodVersionAndReportsAnErrorOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := &fakeFiles{version: "1"}
		following(t, files, "")
		files.expectVersions(t, "at once", "1")
		next := func(version string, err error) {
			files.become(version, err)
			time.Sleep(time.Minute)
		}
		next("", errors.New("bad"))
		next("", errors.New("bad"))
		files.expectErrors(t, "the same error", "bad")
		next("", errors.New("worse"))
		files.expectErrors(t, "another error", "bad", "worse")
		next("1", nil)
		files.expectVersions(t, "back to what was good", "1")
		next("", errors.New("worse"))
		files.expectErrors(t, "bad again", "bad", "worse", "worse")
		next("2", nil)
		files.expectVersions(t, "good again", "1", "2")
	})
}

// watching runs a Watcher on real files, with notification alone.
func watching(t *testing.T, paths ...string) (<-chan topology.Spec, <-chan error) {
	specs, errs := make(chan topology.Spec, 16), make(chan error, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, paths, time.Hour, func(s topology.Spec) { specs <- s }, func(err error) { errs <- err })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	return specs, errs
}

func awaitService(t *testing.T, specs <-chan topology.Spec, name string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case s := <-specs:
			if len(s.Services) == 1 && s.Services[0].Name == name {
				return
			}
		case <-deadline:
			t.Fatalf("no version with %q", name)
		}
	}
}

func TestWatchFollowsWritesAndRenames(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "topology.yaml", "services: [{name: one}]\n")
	specs, errs := watching(t, path)
	awaitService(t, specs, "one")

	write(t, dir, "topology.yaml", "services: [{name: two}]\n")
	awaitService(t, specs, "two")

	if err := os.Rename(write(t, dir, ".topology.yaml.swp", "services: [{name: three}]\n"), path); err != nil {
		t.Fatal(err)
	}
	awaitService(t, specs, "three")

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
	awaitService(t, specs, "five")
}

// Kubernetes mounts a ConfigMap as links through ..data, which it swaps by renaming.
func TestWatchFollowsKubernetesLinkSwaps(t *testing.T) {
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
	specs, _ := watching(t, path)
	awaitService(t, specs, "one")
	version("..v2", "services: [{name: two}]\n")
	awaitService(t, specs, "two")
}

func TestWatchWithoutADirectoryStillLooks(t *testing.T) {
	_, errs := watching(t, filepath.Join(t.TempDir(), "none", "topology.yaml"))
	for range 2 { // that notification is off, and that the file is missing
		select {
		case <-errs:
		case <-time.After(10 * time.Second):
			t.Fatal("not reported")
		}
	}
}
