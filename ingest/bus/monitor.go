package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// checkInterval is how often the stream is looked at; anything suspicious is
	// looked at immediately.
	checkInterval = 5 * time.Second
	// refusalMemory is how long a failed publish alone makes the bus unhealthy. It
	// must end by itself: an instance that gets no traffic would never publish again.
	refusalMemory = 15 * time.Second
	// probeBytes must fit on the disk before the embedded server is started anew:
	// a few messages and what it writes at the start.
	probeBytes = 4 * embeddedMaxPayload
)

// health is what is known about whether publishing works. Its zero value is well.
type health struct {
	trouble atomic.Pointer[error]   // what the monitor found; nil: nothing
	dead    atomic.Pointer[error]   // why the embedded server cannot store anything; nil: it can
	refused atomic.Pointer[refusal] // the latest publish, if it failed
}

type refusal struct {
	at  time.Time
	err error
}

func (h *health) refuse(err error) { h.refused.Store(&refusal{time.Now(), err}) }

func (h *health) accept() {
	if h.refused.Load() != nil { // a load is cheaper than a store that all publishers share
		h.refused.Store(nil)
	}
}

func (h *health) broken() error { return deref(h.dead.Load()) }

func set(p *atomic.Pointer[error], err error) {
	if err == nil {
		p.Store(nil)
		return
	}
	p.Store(&err)
}

func deref(p *error) error {
	if p == nil {
		return nil
	}
	return *p
}

// Healthy returns nil when a publish is expected to work: connected, the stream
// has a leader, the embedded server can write, and the latest publish did not
// fail just now. It does not block.
func (b *Bus) Healthy() error {
	if b.closed.Load() {
		return ErrClosed
	}
	if err := b.health.broken(); err != nil {
		return err
	}
	if s := b.link.Load().conn.Status(); s != nats.CONNECTED {
		return fmt.Errorf("connection to NATS is %s", s)
	}
	if err := deref(b.health.trouble.Load()); err != nil {
		return err
	}
	if r := b.health.refused.Load(); r != nil && time.Since(r.at) < refusalMemory {
		return r.err
	}
	return nil
}

func (b *Bus) wakeMonitor() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

func (b *Bus) monitor(ctx context.Context) {
	defer close(b.monitorDone)
	ticker := time.NewTicker(b.o.checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-b.kick:
		}
		b.check(ctx)
	}
}

// check looks at the server and the stream, and starts an embedded server anew
// that has given up writing.
func (b *Bus) check(ctx context.Context) {
	if err := b.writeError(b.link.Load()); err != nil {
		if b.health.broken() == nil {
			b.o.Logger.Error("The embedded NATS server cannot store anything, senders are told to try again", "err", err)
		}
		set(&b.health.dead, err)
		b.restart(ctx)
	}
	set(&b.health.trouble, b.inspect(ctx))
	up := 0.0
	if b.Healthy() == nil {
		up = 1
	}
	b.metrics.up.Set(up)
}

// inspect reads the stream's state into the metrics and returns what is wrong with it.
func (b *Bus) inspect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	stream, err := b.link.Load().js.Stream(ctx, b.o.streamName())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s is gone, restart to make it anew", b.o.streamName())
	}
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", b.o.streamName(), err)
	}
	info := stream.CachedInfo()
	b.metrics.firstPosition.Set(float64(info.State.FirstSeq))
	b.metrics.lastPosition.Set(float64(info.State.LastSeq))
	b.metrics.bytes.Set(float64(info.State.Bytes))
	if info.Cluster != nil && info.Cluster.Leader == "" {
		return fmt.Errorf("stream %s has no leader", b.o.streamName())
	}
	return nil
}

// writeError returns why the embedded server refuses to write, nil when it does
// not or when it is not ours to ask. After one failed write it never tries again.
func (b *Bus) writeError(l *link) error {
	if l.server == nil {
		return nil
	}
	if !l.server.JetStreamEnabled() {
		return errors.New("JetStream has been switched off by the embedded NATS server")
	}
	for _, stream := range []string{b.o.streamName(), b.o.deadLetterName()} {
		h := l.server.Healthz(&server.HealthzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Stream: stream})
		if h.Status != "ok" {
			return errors.New(h.Error)
		}
	}
	return nil
}

// restart starts the embedded server anew, once the disk takes writes again. What
// it had acknowledged it finds on the disk; followers go on by themselves.
func (b *Bus) restart(ctx context.Context) {
	// A probe that succeeds proves nothing if the next write fails all the same.
	if time.Since(b.lastRestart) < b.o.checkInterval {
		return
	}
	if err := probe(b.o.StoreDir); err != nil {
		set(&b.health.dead, fmt.Errorf("cannot write to %s: %w", b.o.StoreDir, err))
		return
	}
	b.lastRestart = time.Now()
	b.link.Load().close()
	l, err := b.openLink(ctx)
	if err != nil {
		set(&b.health.dead, fmt.Errorf("start the embedded server anew: %w", err))
		return
	}
	b.link.Store(l)
	set(&b.health.dead, nil)
	b.health.refused.Store(nil)
	b.metrics.restarts.Inc()
	b.o.Logger.Info("The embedded NATS server stores again")
}

// probe tries whether a file of some size can be written to dir.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	block := make([]byte, 1<<20)
	for range probeBytes / len(block) {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return f.Sync()
}
