//go:build acceptance && linux

package acceptance

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The disk fills up under a server that takes alerts: it answers 503, and neither 4xx
// nor 2xx for what it cannot keep; with room again it goes on by itself.
func TestAcceptanceFullDisk(t *testing.T) {
	hook, pager := newCollector(t), newPagerduty(t, nil)
	place := newSite(t, quickConfig+oncall(hook.URL, pager.URL), newWorld(1, time.Second).topology())
	mountTmpfs(t, place.storage, 512<<20) // the store wants 256 MiB free
	h := place.start(t)
	l := newLedger()
	c := &cell{name: "cell00"}
	// notify posts one more alert and returns the status.
	notify := func() int {
		c.fire("db", fmt.Sprintf("Alert%d", len(c.alerts)), "critical")
		group := c.now()[len(c.alerts)-1:]
		l.attempt(group)
		code, answer, err := post(h.web+"/webhook/alertmanager", webhook(c.name, group))
		if err != nil {
			t.Fatalf("the intake does not answer: %v; %v", err, h.alive())
		}
		switch code {
		case http.StatusOK:
			l.acknowledge(group)
		case http.StatusServiceUnavailable:
		default:
			t.Errorf("a well-formed alert was answered %d: %s", code, answer)
		}
		return code
	}
	for range 20 {
		if code := notify(); code != http.StatusOK {
			t.Fatalf("%d while there is room", code)
		}
	}

	ballast := fill(t, place.storage)
	// What had been allocated before may take a few more.
	eventually(t, "the intake says 503", patience, func() error {
		if code := notify(); code != http.StatusServiceUnavailable {
			return fmt.Errorf("answered %d", code)
		}
		return nil
	})
	for range 20 {
		if code := notify(); code != http.StatusServiceUnavailable {
			t.Errorf("answered %d while the disk is full", code)
		}
	}
	eventually(t, "readiness tells why", patience, func() error {
		if ready(h.web) == nil {
			return errors.New("ready with a full disk")
		}
		return nil
	})
	t.Logf("readiness with a full disk: %v", ready(h.web))
	if code, body, err := get(h.web + "/-/healthy"); code != http.StatusOK {
		t.Errorf("alive is not ready: %d %s %v", code, body, err)
	}

	full := time.Now()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the intake takes alerts again", patience, func() error {
		if code := notify(); code != http.StatusOK {
			return fmt.Errorf("answered %d", code)
		}
		return nil
	})
	t.Logf("took alerts again %s after there was room", time.Since(full).Round(10*time.Millisecond))
	eventually(t, "headwater is ready again", patience, func() error { return errors.Join(h.alive(), ready(h.web)) })

	// Every alert ends. Those that were refused are unknown, and their end is no news.
	c.calm()
	group := c.now()
	l.attempt(group)
	eventually(t, "the ends are taken", patience, func() error {
		code, answer, err := post(h.web+"/webhook/alertmanager", webhook(c.name, group))
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("%d %s %w", code, answer, err)
		}
		return nil
	})
	r := h.awaitQuiet(t)
	// On-call may have got some of them as they were received: TestAcceptanceFailOpen is about that.
	eventually(t, "pages of last resort are over", patience, func() error { return standing(hook) })
	f := audit(r, l.acknowledged(), l.attempted, realCalls(pager, hook), realNotices(hook))
	t.Logf("%d alerts acknowledged of %d, %d lost", len(l.acknowledged()), len(c.alerts), len(f.losses))
	f.report(t)
}

// fill takes all the room there is and returns the file that has it.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err == nil {
			continue
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		size /= 2
	}
	return path
}

// mountTmpfs makes dir a file system of its own. Not everybody may do that.
func mountTmpfs(t *testing.T, dir string, size int64) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("needs a file system that it may fill, and mounting one is not permitted here: %v", err)
	}
	// Runs after the server has been killed, which was started later.
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}
