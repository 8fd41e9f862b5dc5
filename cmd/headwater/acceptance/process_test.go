package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds whatever should happen soon. It is only used up by failures, and
// has to do for a machine that is busy with other things.
const patience = 60 * time.Second

// eventually polls until check returns nil, and fails with what it said last.
func eventually(t testing.TB, what string, within time.Duration, check func() error) {
	t.Helper()
	if err := poll(within, check); err != nil {
		t.Fatalf("%s: not within %s: %v", what, within, err)
	}
}

// poll calls check until it returns nil, and returns what it said last otherwise.
func poll(within time.Duration, check func() error) error {
	deadline := time.Now().Add(within)
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-pause.C
	}
}

// process is a program under test. Its standard error is kept; it is shown when the
// test fails.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *logTail

	ended chan struct{} // closed once it has ended
	// silent: its log is not shown, however the test ends. Belongs to the test's goroutine.
	silent bool
}

// launch starts a program that ends with the test at the latest.
func launch(t testing.TB, name, path string, args ...string) *process {
	t.Helper()
	return launchTelling(t, nil, name, path, args...)
}

// launchTelling is launch for a program whose standard output is of interest.
func launchTelling(t testing.TB, out io.Writer, name, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), log: newLogTail(), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, p.log
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // cmd.ProcessState has it
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() && !p.silent {
			t.Logf("log of %s, its end:\n%s", name, p.log.tail())
		}
	})
	return p
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// stop asks the program to end and returns its exit code.
func (p *process) stop(t testing.TB) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("stop %s: %v", p.name, err)
	}
	return p.exitCode(t)
}

// exitCode waits for the end.
func (p *process) exitCode(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s still runs", p.name)
		return 0
	}
}

// alive returns an error once the program has ended.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended: %v", p.name, p.cmd.ProcessState)
	default:
		return nil
	}
}

// said waits until the program logs a message, and returns that line's fields. The
// program must log JSON.
func (p *process) said(t testing.TB, msg string) map[string]string {
	t.Helper()
	deadline := time.After(patience)
	for {
		fields, more := p.log.find(msg)
		if fields != nil {
			return fields
		}
		select {
		case <-more:
		case <-p.ended:
			if fields, _ := p.log.find(msg); fields != nil {
				return fields
			}
			t.Fatalf("%s ended (%v) before it said %q", p.name, p.cmd.ProcessState, msg)
		case <-deadline:
			t.Fatalf("%s did not say %q within %s", p.name, msg, patience)
		}
	}
}

// logTail keeps the end of a log. Safe for concurrent use.
type logTail struct {
	mu      sync.Mutex
	lines   []string
	partial []byte
	total   int           // lines ever
	more    chan struct{} // closed when a line comes
}

// logLines bounds what is kept, and shownLines what is shown of it.
const (
	logLines   = 20_000
	shownLines = 80
)

func newLogTail() *logTail { return &logTail{more: make(chan struct{})} }

// Write implements [io.Writer].
func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.lines = append(l.lines, string(line))
		l.partial = slices.Clone(rest)
		l.total++
		if len(l.lines) > logLines {
			l.lines = slices.Clone(l.lines[logLines/2:])
		}
		close(l.more)
		l.more = make(chan struct{})
	}
}

// find returns the fields of the first JSON line with the message, or what to wait for.
func (l *logTail) find(msg string) (map[string]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if !strings.Contains(line, msg) {
			continue
		}
		var raw map[string]any
		if json.Unmarshal([]byte(line), &raw) != nil || raw["msg"] != msg {
			continue
		}
		fields := make(map[string]string, len(raw))
		for k, v := range raw {
			fields[k] = fmt.Sprint(v)
		}
		return fields, nil
	}
	return nil, l.more
}

func (l *logTail) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-shownLines):], "\n") + "\n" + string(l.partial)
}

// text is all that is kept.
func (l *logTail) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// write makes a file in a folder of the test.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
