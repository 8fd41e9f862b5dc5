package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// embeddedMaxPayload is the most that NATS advises.
	embeddedMaxPayload = 8 << 20
	// embeddedMaxMemory is for consumers' state alone, which is a few KiB.
	embeddedMaxMemory = 64 << 20
	// embeddedMaxStore switches off the server's own guess. By default it reserves
	// each stream's MaxBytes against three quarters of what the disk has free at
	// the start, and a small disk could not hold even an empty stream.
	embeddedMaxStore = 1 << 60
	// embeddedStartTimeout covers the recovery of a large stream after a crash.
	embeddedStartTimeout = 5 * time.Minute
)

// startServer starts a JetStream server in this process that listens nowhere.
// Each message is synced to disk before it is acknowledged.
func startServer(o Options, onError func()) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		ServerName:         "headwater-" + o.Environment,
		DontListen:         true,
		JetStream:          true,
		StoreDir:           o.StoreDir,
		SyncAlways:         true,
		JetStreamMaxMemory: embeddedMaxMemory,
		JetStreamMaxStore:  embeddedMaxStore,
		MaxPayload:         embeddedMaxPayload,
		NoSigs:             true,
		NoLog:              true,
	})
	if err != nil {
		return nil, fmt.Errorf("set up embedded NATS server: %w", err)
	}
	bridge := &serverLog{logger: o.Logger.With("component", "nats-server"), onError: onError}
	s.SetLoggerV2(bridge, false, false, false)
	// Start comes back early after a fatal error, with nothing but a log line.
	s.Start()
	if !s.Running() || !s.JetStreamEnabled() || !s.ReadyForConnections(embeddedStartTimeout) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("start embedded NATS server in %s: %w", o.StoreDir, bridge.cause())
	}
	return s, nil
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// serverLog turns the server's messages into slog records. It is told much that
// nobody needs to know, so its notices are debug here.
type serverLog struct {
	logger  *slog.Logger
	onError func()
	last    atomic.Pointer[string] // the latest error
}

func (l *serverLog) cause() error {
	if p := l.last.Load(); p != nil {
		return errors.New(*p)
	}
	return errors.New("it did not become ready")
}

func (l *serverLog) fail(format string, v []any) {
	text := fmt.Sprintf(format, v...)
	l.last.Store(&text)
	l.logger.Error("NATS server reports an error", "err", text)
	l.onError()
}

// Fatalf does not end the process: that is for main to decide.
func (l *serverLog) Fatalf(format string, v ...any) { l.fail(format, v) }

// Errorf logs an error.
func (l *serverLog) Errorf(format string, v ...any) { l.fail(format, v) }

// Warnf logs a warning.
func (l *serverLog) Warnf(format string, v ...any) {
	l.logger.Warn("NATS server warns", "text", fmt.Sprintf(format, v...))
}

// Noticef logs at debug level.
func (l *serverLog) Noticef(format string, v ...any) {
	l.logger.Debug("NATS server", "text", fmt.Sprintf(format, v...))
}

// Debugf does nothing: the server's debug messages are switched off.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef does nothing, as Debugf.
func (l *serverLog) Tracef(string, ...any) {}
