package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how near two signals count as one: timeout(1) and some supervisors
// signal the process and then its group.
const sameSignal = 200 * time.Millisecond

// onSignals returns a context that ends with the first SIGINT or SIGTERM, and a
// channel that has an element after SIGHUP. A second SIGINT or SIGTERM ends the
// process at once. done ends the listening.
func onSignals(parent context.Context, log *slog.Logger) (ctx context.Context, reload <-chan os.Signal, done func()) {
	ctx, cancel := context.WithCancel(parent)
	stop := make(chan os.Signal, 2) // both signals, should nobody look in between
	hup := make(chan os.Signal, 1)  // a reload that waits does for all that came meanwhile
	quit := make(chan struct{})
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		var first time.Time
		for {
			select {
			case sig := <-stop:
				switch {
				case first.IsZero():
					first = time.Now()
					log.Info("Stopping; a second signal stops at once", "signal", sig.String())
					cancel()
				case time.Since(first) > sameSignal:
					log.Warn("Stopped at once", "signal", sig.String())
					os.Exit(exitFailed)
				}
			case <-quit:
				return
			}
		}
	}()
	return ctx, hup, func() {
		signal.Stop(stop)
		signal.Stop(hup)
		close(quit)
		cancel()
	}
}
