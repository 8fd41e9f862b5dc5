package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/correlate/store/storetest"
)

const crashDir = "HEADWATER_STORE_CRASH_DIR"

// crashChild is the process that is killed: it commits for ever and says which
// positions it was told are on disk, each on a line.
func crashChild() bool {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return false
	}
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	for pos := s.Revision() + 1; ; pos++ {
		if err := s.Commit(context.Background(), crashDeltas(pos), pos%3 == 0); err != nil {
			fmt.Println("commit:", err)
			os.Exit(1)
		}
		if pos%3 == 0 {
			fmt.Println(pos)
		}
	}
}

// crashDeltas is what the child commits as position pos. Every twentieth is too
// large for one transaction.
func crashDeltas(pos uint64) []*correlate.Delta {
	d := storetest.Delta(pos%50+1, false)
	d.Meta.Pos = pos
	rows := 1
	if pos%20 == 0 {
		rows = 30
	}
	for n := range rows {
		inc := *d.Incidents[0]
		inc.Number, inc.Revision = pos%50+uint64(n)+1, pos
		inc.ID = fmt.Sprint("INC-", inc.Number)
		inc.Title = strings.Repeat("x", 60<<10)
		d.Incidents = append(d.Incidents, &inc)
	}
	page := *d.Incidents[1]
	page.Title = ""
	d.Pages = []*correlate.Page{{Incident: page, Seq: pos, At: storetest.Epoch}}
	return []*correlate.Delta{d}
}

func TestKill9LosesNothingThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	model := storetest.NewMemory()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		acknowledged := killed(t, dir, time.Duration(50+70*round)*time.Millisecond)
		s, err := store.Open(store.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Meta.Pos < acknowledged {
			t.Errorf("round %d: position %d, and %d was acknowledged", round, got.Meta.Pos, acknowledged)
		}
		for pos := model.Revision() + 1; pos <= got.Meta.Pos; pos++ {
			if err := model.Commit(t.Context(), crashDeltas(pos), true); err != nil {
				t.Fatal(err)
			}
		}
		want, err := model.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := storetest.Diff(want, got); diff != "" {
			t.Fatalf("round %d: state at position %d (-model +store):\n%.3000s", round, got.Meta.Pos, diff)
		}
		gotPages, err := s.PendingPages(t.Context(), 0)
		if err != nil || uint64(len(gotPages)) != got.Meta.Pos {
			t.Errorf("round %d: %d pages at position %d: %v", round, len(gotPages), got.Meta.Pos, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: acknowledged %d, came up at %d", round, acknowledged, got.Meta.Pos)
	}
}

// killed runs the child, kills it some time after its first acknowledgement, and
// returns the last one.
func killed(t *testing.T, dir string, after time.Duration) (acknowledged uint64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatalf("child: %s", lines.Text())
		}
		if after > 0 {
			time.AfterFunc(after, func() { _ = child.Process.Kill() })
			after = 0
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return acknowledged
}
