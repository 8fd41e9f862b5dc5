// Command hwctl is the operator's client of Headwater: it shows incidents and
// what led to them, takes commands for them, asks questions of the dependency
// graph, and replays recorded cascades through the engine without a server.
//
// It keeps no state and writes nothing but its output and, when asked, result
// files of replays. Tables are for people and may change between versions; with
// --output=json it prints the messages of the API as they are, one JSON
// document per command, one per line for a watch.
//
// Exit codes are part of its interface: 0 for success, 1 when something failed
// or was not found, 2 for a command line that makes no sense, 3 when the server
// gave no answer.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := newApp(os.Stdout, os.Stderr, time.Now, colourful(os.Stdout)).run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// colourful reports whether f shows colours: it is a terminal and nobody asked
// for none (no-color.org).
func colourful(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
