package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The whole path, over real HTTP, with the real stream, store and notifier: the
// cascade comes in at Alertmanager's webhook, and one page goes out that names the
// database, which has no alert.
func TestDemoPagesOnceAndNamesTheDatabase(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var out bytes.Buffer
	var mu sync.Mutex
	var pages []receivedPage
	d := &demo{
		flags:  &demoFlags{speed: 200, webAddress: taken.Addr().String(), grpcAddress: "127.0.0.1:0"},
		screen: newScreen(&out),
		log:    slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		received: func(p receivedPage) {
			mu.Lock()
			defer mu.Unlock()
			pages = append(pages, p)
		},
	}
	if err := d.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	opened, resolved := 0, 0
	for _, p := range pages {
		switch p.Kind {
		case kindOpen:
			opened++
		case kindResolved:
			resolved++
		}
	}
	if opened != 1 || resolved != 1 {
		t.Errorf("%d opening pages and %d resolves, want one of each", opened, resolved)
	}
	last := pages[len(pages)-1]
	if last.Kind != kindResolved || last.Origin != "mysql" || !strings.HasPrefix(last.RunnerUp, "shipping ") {
		t.Errorf("the last page says %s, origin %s, runner-up %s", last.Kind, last.Origin, last.RunnerUp)
	}
	if !strings.Contains(last.Text, "has no alert of its own") || !strings.Contains(last.Gaps, "nothing watches mysql") {
		t.Errorf("the last page does not say that the database is silent and not watched:\n%s", last.Text)
	}
	if want := "39 alerts in, 1 page out (1 opening, "; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in the summary", want)
	}
	// What the pages count and what came in must not seem to contradict each other.
	if want := "1 health check kept failing"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in the summary", want)
	}
	if t.Failed() {
		t.Log(out.String())
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "headwater-demo-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestDemoStopsWhenAsked(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopper{text: "firing: shipping", stop: cancel}
	d := &demo{
		flags:  &demoFlags{speed: 1, webAddress: "127.0.0.1:0", grpcAddress: "127.0.0.1:0", keep: true},
		screen: newScreen(out), log: slog.New(slog.DiscardHandler),
	}
	if err := d.run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "Stopped.\n") {
		t.Errorf("it says:\n%s", out.String())
	}
}

// stopper stops when a text has been written.
type stopper struct {
	bytes.Buffer
	text string
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.text) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

func TestEditsAreShownWithoutWhatTheOpeningTold(t *testing.T) {
	p := receivedPage{Kind: kindUpdate, Text: "New: more\nsince 10:00\n\nWhy x           a\n                b\nDo              https://runbook\n                https://incident\nGaps            none\n"}
	if got := strings.Join(p.shown(), "|"); got != "New: more|since 10:00|Why x           a|                b|Gaps            none" {
		t.Errorf("an edit: %s", got)
	}
	p.Kind = kindOpen
	if got := strings.Join(p.shown(), "|"); !strings.Contains(got, "https://incident") {
		t.Errorf("an opening: %s", got)
	}
}
