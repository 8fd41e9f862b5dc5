//go:build linux

package bus

import (
	"context"
	"errors"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/headwater-sre/headwater/correlate"
)

// limitFiles makes writes beyond the given size fail for the whole process, which
// is what a full disk looks like to the server. It returns what undoes it.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ) // the write is to fail, not the process
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(lift)
	return lift
}

// Not parallel: the limit is the process's.
func TestFullDiskIsUnavailableAndHealsWithoutARestart(t *testing.T) {
	b, err := Open(t.Context(), Options{
		StoreDir: t.TempDir(), PublishTimeout: 500 * time.Millisecond, checkInterval: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	out, followed := make(chan correlate.Input, 10_000), make(chan error, 1)
	go func() { followed <- b.Follow(ctx, 0, out) }()

	var stored []correlate.Signal
	store := func() error {
		sig := benchBatch(20)
		sig.GroupKey = strings.Repeat("k", len(stored)+1)
		_, err := b.Publish(t.Context(), sig)
		if err == nil {
			stored = append(stored, sig)
		}
		return err
	}
	for range 10 {
		if err := store(); err != nil {
			t.Fatal(err)
		}
	}

	lift := limitFiles(t, 256<<10)
	for err = nil; err == nil && len(stored) < 1000; {
		err = store()
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "file too large") {
		t.Fatalf("got %v, want ErrUnavailable with the cause", err)
	}
	eventually(t, "a failure without delay", func() bool {
		begin := time.Now()
		err = store()
		return errors.Is(err, ErrUnavailable) && time.Since(begin) < b.o.PublishTimeout/2
	})
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "file too large") {
		t.Errorf("healthy says %v", err)
	}

	lift()
	eventually(t, "publishing to work again", func() bool { return store() == nil })
	if err := b.Healthy(); err != nil {
		t.Errorf("after recovery: %v", err)
	}
	var restarts dto.Metric
	if err := b.metrics.restarts.Write(&restarts); err != nil || restarts.GetCounter().GetValue() < 1 {
		t.Errorf("restarts counted: %v, %v", &restarts, err)
	}
	// A publish whose answer was an error may be in the stream all the same, so the
	// acknowledged ones are to be found in order, perhaps with others between them.
	for i, want := range stored {
		for {
			select {
			case in := <-out:
				if diff := cmp.Diff(want, in.Signal); diff != "" {
					continue
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("signal %d of %d was acknowledged and is lost", i+1, len(stored))
			}
			break
		}
	}
	cancel()
	if err := <-followed; err != nil {
		t.Error(err)
	}
}

// eventually polls, because what it waits for happens in the server.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			t.Fatalf("waited 30 s for %s", what)
		case <-tick.C:
		}
	}
}
