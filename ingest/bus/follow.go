package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	// fetchMessages is how many entries one fetch asks for: enough to hide the
	// round trip, few enough that a restart throws little away.
	fetchMessages = 512
	// fetchBytes bounds one fetch, unless single messages may be nearly as large.
	fetchBytes = 16 << 20
	// consumerIdle is when the server forgets a consumer that nobody fetches from.
	consumerIdle = 5 * time.Minute
	// retryFirst is the wait before a new attempt to follow; it doubles up to retryLast.
	retryFirst, retryLast = 100 * time.Millisecond, 5 * time.Second
	// vanishedAttempts is how often in a row a missing stream is believed to be a
	// cluster that is still finding its feet.
	vanishedAttempts = 5
)

// Reasons to make a new consumer.
var (
	errSkipped   = errors.New("consumer skipped messages")
	errReconnect = errors.New("connection was lost and is back")
)

// Follow sends every entry after position after to out, in order, and blocks
// while out is full. It returns nil when ctx ends. Interruptions it mends by
// itself, without gap or repeat.
//
// An entry that cannot be decoded comes as an input without a signal, so that
// positions advance; it is counted and logged, and stays in the stream.
//
// Errors: [ErrRewound] when the stream ends before after or has vanished;
// [ErrClosed].
func (b *Bus) Follow(ctx context.Context, after uint64, out chan<- correlate.Input) error {
	f := &follower{bus: b, next: after + 1, out: out}
	delay, vanished := retryFirst, 0
	for {
		from := f.next
		err := f.run(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever ended it knows why it ended
		case b.closed.Load():
			return ErrClosed
		case errors.Is(err, ErrRewound):
			return err
		case errors.Is(err, jetstream.ErrStreamNotFound):
			if vanished++; vanished >= vanishedAttempts {
				return b.rewound(0, f.next-1)
			}
		default:
			vanished = 0
		}
		if f.next > from {
			delay = retryFirst
		}
		b.o.Logger.Warn("Following the stream was interrupted, trying again", "position", f.next-1, "delay", delay, "err", err)
		if !wait(ctx, delay) {
			return nil
		}
		delay = min(2*delay, retryLast)
	}
}

// rewound says what happened and what can be done.
func (b *Bus) rewound(last, applied uint64) error {
	where := "the stream"
	if b.o.embedded() {
		where = "the stream's directory " + b.o.StoreDir
	}
	return fmt.Errorf("%w: %s ends at position %d, but %d was already applied, so it was deleted or is an older copy; "+
		"restore %s, or move the incident store's directory away so that it is rebuilt from the stream",
		ErrRewound, b.o.streamName(), last, applied, where)
}

// follower is one call of Follow.
type follower struct {
	bus  *Bus
	out  chan<- correlate.Input
	next uint64 // position of the next entry to deliver

	// A run of entries that could not be decoded; undecodable is 0 outside of one.
	undecodable, firstUndecodable uint64
}

// run follows over one consumer until something goes wrong. The consumer lives
// in the server's memory and is made for next: were it to outlive a deleted
// stream, it would wait in silence for positions that come around again, which is
// why NATS's own ordered consumer is not used here.
func (f *follower) run(ctx context.Context) error {
	l := f.bus.link.Load()
	ctx, cancel := untilReconnect(ctx, l.conn)
	defer cancel()
	stream, err := f.checkStream(ctx, l)
	if err != nil {
		return err
	}
	setupCtx, cancelSetup := context.WithTimeout(ctx, infoTimeout)
	defer cancelSetup()
	consumer, err := stream.CreateConsumer(setupCtx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.next,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: consumerIdle,
	})
	if err != nil {
		return fmt.Errorf("create consumer: %w", err)
	}
	defer forget(stream, consumer)
	messages, err := consumer.Messages(
		jetstream.PullMaxMessagesWithBytesLimit(fetchMessages, max(fetchBytes, 2*int(l.conn.MaxPayload()))),
		jetstream.PullExpiry(30*time.Second),
		jetstream.PullHeartbeat(5*time.Second),
		jetstream.WithMessagesErrOnMissingHeartbeat(true),
	)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer messages.Stop()
	return f.deliver(ctx, messages)
}

// untilReconnect returns a context that ends when conn has come back after an
// interruption. The server may have lost the consumer meanwhile, or the stream its
// end, and would say so only by the lack of heartbeats.
func untilReconnect(ctx context.Context, conn *nats.Conn) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	back := conn.StatusChanged(nats.CONNECTED)
	go func() {
		defer conn.RemoveStatusListener(back)
		select {
		case <-back:
			cancel(errReconnect)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// checkStream finds the stream and makes sure that it still holds our past.
func (f *follower) checkStream(ctx context.Context, l *link) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	stream, err := l.js.Stream(ctx, f.bus.o.streamName())
	if err != nil {
		return nil, fmt.Errorf("find stream: %w", err)
	}
	if last := stream.CachedInfo().State.LastSeq; last < f.next-1 {
		return nil, f.bus.rewound(last, f.next-1)
	}
	return stream, nil
}

// forget removes the consumer; the server does so by itself after a while.
func forget(stream jetstream.Stream, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = stream.DeleteConsumer(ctx, consumer.CachedInfo().Name)
}

func (f *follower) deliver(ctx context.Context, messages jetstream.MessagesContext) error {
	for received := uint64(1); ; received++ {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read metadata of an entry: %w", err)
		}
		if meta.Sequence.Consumer != received {
			return errSkipped
		}
		pos := meta.Sequence.Stream
		if pos < f.next {
			continue
		}
		f.reportGap(pos)
		in := correlate.Input{Pos: pos, At: meta.Timestamp.UTC(), Signal: f.decode(pos, msg.Data())}
		select {
		case f.out <- in:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		f.next = pos + 1
		f.bus.metrics.followedPosition.Set(float64(pos))
	}
}

// reportGap tells of entries that the stream dropped at its limits, or an
// operator removed, before we had seen them.
func (f *follower) reportGap(pos uint64) {
	if pos == f.next {
		return
	}
	f.bus.metrics.missed.Add(float64(pos - f.next))
	f.bus.o.Logger.Error("Entries had left the stream before they were followed; raise the stream's limits if this was not wanted",
		"from", f.next, "to", pos-1)
}

// decode returns nil for what it cannot read. Of a run of such entries, as after
// a downgrade, the first and the end are logged.
func (f *follower) decode(pos uint64, data []byte) correlate.Signal {
	sig, err := decodeEntry(data)
	if err == nil {
		if f.undecodable > 0 {
			f.bus.o.Logger.Error("End of entries that could not be decoded",
				"from", f.firstUndecodable, "to", pos-1, "entries", f.undecodable)
			f.undecodable = 0
		}
		return sig
	}
	f.bus.metrics.decodeErrors.Inc()
	if f.undecodable++; f.undecodable == 1 {
		f.firstUndecodable = pos
		f.bus.o.Logger.Error("Cannot decode an entry of the stream, it passes as a tick and stays in the stream", "position", pos, "err", err)
	}
	return nil
}
