package store_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/correlate/store/storetest"
)

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, false, func(t testing.TB, _ string) storetest.Store { return open(t, store.Options{InMemory: true}) })
	})
	t.Run("disk", func(t *testing.T) {
		storetest.Run(t, true, func(t testing.TB, dir string) storetest.Store { return open(t, store.Options{Dir: dir}) })
	})
	t.Run("model", func(t *testing.T) {
		storetest.Run(t, false, func(testing.TB, string) storetest.Store { return storetest.NewMemory() })
	})
}

func TestMain(m *testing.M) {
	if crashChild() {
		return
	}
	// A case opens databases and waits for disks: fewer than rapid's hundred. The
	// flag still wins, for a long run.
	if err := flag.Set("rapid.checks", "15"); err != nil {
		panic(err)
	}
	// Badger's logger keeps a goroutine for the whole process.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}
