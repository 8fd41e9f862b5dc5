package bus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bus is the stream of one environment. All methods may be called concurrently.
type Bus struct {
	o       Options
	metrics *metrics
	unlock  func()

	// link changes when the embedded server is started anew.
	link atomic.Pointer[link]

	// closing is read-locked by every call that uses the link on behalf of a
	// sender; Close waits for them.
	closing sync.RWMutex
	closed  atomic.Bool

	health health

	// The monitor's goroutine, which alone uses lastRestart.
	lastRestart time.Time
	kick        chan struct{} // wakes it; one pending wake-up is as good as many
	stopMonitor context.CancelFunc
	monitorDone chan struct{}
}

// Open starts the embedded server or connects to the external one, makes the
// streams if they are not there, and adapts their limits if they are. The caller
// must Close it.
//
// Errors: [ErrInUse] when another process has StoreDir; [ErrUnavailable] when an
// external server did not answer in time; others name what to mend.
func Open(ctx context.Context, o Options) (*Bus, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	b := &Bus{o: o, unlock: func() {}, kick: make(chan struct{}, 1), monitorDone: make(chan struct{})}
	mode := "external"
	if o.embedded() {
		mode = "embedded"
		var err error
		if b.unlock, err = lockDir(o.StoreDir); err != nil {
			return nil, err
		}
	}
	l, err := b.openLink(ctx)
	if err != nil {
		b.unlock()
		return nil, err
	}
	b.link.Store(l)
	b.metrics = newMetrics(o.Registerer, mode)
	monitorCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.stopMonitor = cancel
	b.check(ctx)
	go b.monitor(monitorCtx)
	return b, nil
}

// openLink opens a link whose streams are as they should be.
func (b *Bus) openLink(ctx context.Context) (*link, error) {
	l, err := open(ctx, b.o, b.wakeMonitor)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.ConnectTimeout)
	defer cancel()
	if err := ensureStreams(ctx, l.js, b.o); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// Close waits for calls of Publish and DeadLetter in progress, closes the
// connection and stops the embedded server. Running calls of Follow return
// [ErrClosed] unless their context ended first. Calling it again does nothing.
func (b *Bus) Close() {
	if b.closed.Swap(true) {
		return
	}
	b.closing.Lock() // nobody publishes any more; what comes later sees closed
	defer b.closing.Unlock()
	b.stopMonitor()
	<-b.monitorDone
	b.link.Load().close()
	b.unlock()
	b.metrics.up.Set(0)
}

// Last returns the position of the newest entry, 0 when there never was one.
func (b *Bus) Last(ctx context.Context) (uint64, error) {
	state, err := b.state(ctx)
	if err != nil {
		return 0, err
	}
	return state.LastSeq, nil
}

// state asks the server for the stream's state.
func (b *Bus) state(ctx context.Context) (jetstream.StreamState, error) {
	if b.closed.Load() {
		return jetstream.StreamState{}, fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	stream, err := b.link.Load().js.Stream(ctx, b.o.streamName())
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("%w: ask for the state of stream %s: %w", ErrUnavailable, b.o.streamName(), err)
	}
	return stream.CachedInfo().State, nil
}

// infoTimeout bounds one question to the server about a stream.
const infoTimeout = 3 * time.Second
