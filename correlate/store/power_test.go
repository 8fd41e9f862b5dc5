package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// image is the content of a database's directory.
type image map[string]file

type file struct {
	data []byte // without the zeros at the end
	size int64
}

// take copies dir as a killed process would leave it. Badger merges tables in
// the background; the manifest tells whether it has done so meanwhile.
func take(t testing.TB, dir string) image {
	t.Helper()
	for {
		before := manifest(t, dir)
		img := image{}
		// Logs first: one that is gone a moment later is in a table by then.
		for _, pattern := range []string{"*.mem", "*"} {
			paths, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				name := filepath.Base(path)
				if _, ok := img[name]; ok || name == "LOCK" {
					continue
				}
				f, err := readFile(path)
				if os.IsNotExist(err) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				img[name] = f
			}
		}
		if bytes.Equal(before, manifest(t, dir)) {
			return img
		}
	}
}

// readFile reads up to the first MiB of nothing but zeros: logs are sparse.
func readFile(path string) (file, error) {
	r, err := os.Open(path)
	if err != nil {
		return file{}, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return file{}, err
	}
	f := file{size: info.Size()}
	buf := make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(r, buf)
		used := bytes.TrimRight(buf[:n], "\x00")
		f.data = append(f.data, buf[:n]...)
		if len(used) == 0 || err != nil {
			f.data = bytes.TrimRight(f.data, "\x00")
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = nil
			}
			return f, err
		}
	}
}

func manifest(t testing.TB, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write makes a directory with the image's files.
func (img image) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, f := range img {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, f.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, f.size); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// turned reports whether there is a log that was not there before.
func (img image) turned(before image) bool {
	for name := range img {
		if _, ok := before[name]; !ok && strings.HasSuffix(name, ".mem") {
			return true
		}
	}
	return false
}

// keep takes over what is in newer, and does not forget logs that have gone into tables since.
func (img image) keep(newer image) {
	for name, f := range newer {
		if len(f.data) >= len(img[name].data) {
			img[name] = f
		}
	}
}

// slowly is img as it would be if badger had not yet got round to putting the
// full log into a table, which takes it some milliseconds.
func (img image) slowly(before, synced image) image {
	out := image{}
	for name, f := range before {
		out[name] = f
	}
	for name, f := range img {
		if _, old := before[name]; !old && strings.HasSuffix(name, ".mem") {
			out[name] = f
		}
	}
	for name, f := range synced { // the full log may have grown after before was taken
		if old, ok := before[name]; ok && strings.HasSuffix(name, ".mem") && len(f.data) > len(old.data) {
			out[name] = f
		}
	}
	return out
}

// The power fails. Of each of badger's log files the disk has kept, as it likes,
// what it had at the last sync or all that was written since, and of a file made
// since then perhaps nothing. What comes up must be the state after some commit
// that is not older than the last synced one.
func TestPowerFailureTakesFromTheEndOnly(t *testing.T) {
	came := map[string]int{}
	property := func(rt *rapid.T) {
		dir := t.TempDir()
		synced, durable := image{}, uint64(0)
		var s *Store
		s, err := Open(Options{Dir: dir, fault: func(step string) error {
			if step == "synced" {
				synced.keep(take(t, dir))
				if s != nil {
					durable = s.synced.Load().pos
				}
			}
			return nil
		}})
		if err != nil {
			rt.Fatal(err)
		}
		states := map[uint64]string{0: fmt.Sprint(state(t, s))}
		last := uint64(0)
		var img image
		for pos, end := uint64(1), rapid.Uint64Range(1, 40).Draw(rt, "commits"); pos <= end && img == nil; pos++ {
			var before image
			if s.wal.fill > memTableSize/2 { // it may turn to a new log
				before = take(t, dir)
			}
			rows := rapid.SampledFrom([]int{1, 8, 10, 12, 20}).Draw(rt, "rows") // the last of them is staged
			sync := rapid.IntRange(0, 19).Draw(rt, "sync") == 0
			if err := s.Commit(context.Background(), rowsAt(pos, rows, 90<<10), sync); err != nil {
				rt.Fatal(err)
			}
			last = pos
			states[pos] = fmt.Sprint(state(t, s))
			// The moments of interest are those in which it just has.
			if before == nil || rapid.IntRange(0, 3).Draw(rt, "not now") == 0 {
				continue
			}
			if now := take(t, dir); now.turned(before) {
				img = now.slowly(before, synced)
			}
		}
		if img == nil {
			img = take(t, dir)
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		fail(rt, img, synced)
		crashed, err := Open(Options{Dir: img.write(t)})
		if err != nil {
			rt.Fatalf("after the failure: %v", err)
		}
		defer crashed.Close()
		pos, _ := state(t, crashed)
		if got := fmt.Sprint(state(t, crashed)); got != states[pos] {
			rt.Fatalf("came up as %s\nwas at position %d: %s", got, pos, states[pos])
		}
		if pos < durable {
			rt.Fatalf("came up at position %d, and %d was synced", pos, durable)
		}
		switch {
		case pos == last:
			came["complete"]++
		case pos > durable:
			came["between"]++
		default:
			came["as synced"]++
		}
	}
	// The failures must be of all kinds for this to mean anything; a few rounds need not meet them all.
	for range 6 {
		rapid.Check(t, property)
		if t.Failed() || testing.Short() || came["complete"] > 0 && came["as synced"] > 0 {
			return
		}
	}
	t.Errorf("the failures left %v, want all kinds", came)
}

// fail decides what the disk has kept. With two logs it is half the time the
// newer one alone: the case that would tear a hole.
func fail(rt *rapid.T, img, synced image) {
	newest := ""
	for name := range img {
		if strings.HasSuffix(name, ".mem") {
			newest = max(newest, name)
		}
	}
	hole := rapid.Bool().Draw(rt, "hole")
	for name, now := range img {
		if !strings.HasSuffix(name, ".mem") || hole && name == newest {
			continue
		}
		if !hole && rapid.Bool().Draw(rt, name+" kept") {
			continue
		}
		was, known := synced[name]
		if !known && rapid.Bool().Draw(rt, name+" of zeros") {
			was = file{size: now.size} // else nothing but its name
		}
		img[name] = was
	}
}
