package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
)

func readAll(t *testing.T, b *bus.Bus) (all []correlate.Input) {
	t.Helper()
	err := b.Read(t.Context(), func(in correlate.Input) (bool, error) {
		all = append(all, in)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReadSeesWhatAFollowerSees(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	if got := readAll(t, b); len(got) != 0 {
		t.Errorf("an empty stream: %v", got)
	}
	for i := range 5 {
		publish(t, b, batch(i, i+1))
	}
	if err := b.PublishTick(t.Context()); err != nil {
		t.Fatal(err)
	}
	in, _ := follow(t, b, 0)
	var want []correlate.Input
	for range 6 {
		want = append(want, take(t, in))
	}
	mustEqual(t, readAll(t, b), want)
}

func TestReadBeginsAfterAPositionOrAtATime(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	for i := range 5 {
		publish(t, b, batch(i))
	}
	all := readAll(t, b)
	for n := range 6 {
		var after, since []correlate.Input
		if err := b.ReadAfter(t.Context(), uint64(n), func(in correlate.Input) (bool, error) {
			after = append(after, in)
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, after, append([]correlate.Input(nil), all[n:]...))
		begin := all[len(all)-1].At.Add(time.Nanosecond)
		if n < 5 {
			begin = all[n].At
		}
		if err := b.ReadSince(t.Context(), begin, func(in correlate.Input) (bool, error) {
			since = append(since, in)
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(since) != len(after) {
			t.Errorf("since %s: %d entries, want %d", begin, len(since), len(after))
		}
	}
}

func TestReadGoesOnOverManyFetches(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	const entries = 1200
	var group errgroup.Group
	group.SetLimit(16)
	for i := range entries {
		group.Go(func() error {
			_, err := b.Publish(t.Context(), batch(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, in := range readAll(t, b) {
		if in.Pos != uint64(i+1) {
			t.Fatalf("entry %d has position %d", i+1, in.Pos)
		}
	}
	if got := len(readAll(t, b)); got != entries {
		t.Errorf("read %d of %d", got, entries)
	}
}

func TestReadEndsWhenItsReceiverHasEnough(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	for i := range 4 {
		publish(t, b, batch(i))
	}
	calls := 0
	if err := b.Read(t.Context(), func(correlate.Input) (bool, error) { calls++; return calls < 2, nil }); err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
	enough := errors.New("enough")
	if err := b.Read(t.Context(), func(correlate.Input) (bool, error) { return true, enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

// What arrives during a reading belongs to the next one.
func TestReadEndsWithWhatWasThereWhenItBegan(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	publish(t, b, batch(1))
	seen := 0
	err := b.Read(t.Context(), func(correlate.Input) (bool, error) {
		seen++
		publish(t, b, batch(1+seen))
		return true, nil
	})
	if err != nil || seen != 1 {
		t.Errorf("saw %d, %v", seen, err)
	}
}

func TestReadDoesNotPassForTheFollower(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := open(t, bus.Options{StoreDir: t.TempDir(), Registerer: registry})
	publish(t, b, batch(1))
	readAll(t, b)
	if at := gathered(t, registry, "headwater_bus_followed_position"); at != 0 {
		t.Errorf("followed to %v", at)
	}
}

func TestReadOfAClosedOrSilentStreamFails(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	publish(t, b, batch(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	nothing := func(correlate.Input) (bool, error) { return true, fmt.Errorf("an entry") }
	if err := b.Read(ctx, nothing); err == nil {
		t.Error("a context that has ended: no error")
	}
	b.Close()
	if err := b.Read(t.Context(), nothing); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}
