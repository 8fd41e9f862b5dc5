package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/headwater-sre/headwater/correlate"
)

// Read calls fn with every entry that the stream holds at the moment of the call,
// oldest first, until fn returns false or an error, which is returned. It is for
// looking back: unlike [Bus.Follow] it ends, moves none of the metrics that tell how far
// the follower is, and gives up with [ErrUnavailable] when it is interrupted, because
// what it has handed out cannot be taken back. Entries that leave the stream
// meanwhile are skipped. An entry that cannot be decoded comes as an input without a signal.
func (b *Bus) Read(ctx context.Context, fn func(correlate.Input) (more bool, err error)) error {
	state, err := b.state(ctx)
	if err != nil {
		return err
	}
	if state.Msgs == 0 {
		return nil
	}
	r := &reader{bus: b, next: state.FirstSeq, last: state.LastSeq, fn: fn}
	for !r.done {
		from := r.next
		err := r.run(ctx)
		switch {
		case r.done || err == nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case r.next == from:
			return b.whyNothing(ctx, from, err)
		}
	}
	return nil
}

// reader is one call of Read.
type reader struct {
	bus        *Bus
	next, last uint64 // positions of the next entry to hand out, and of the last
	fn         func(correlate.Input) (bool, error)
	done       bool // fn has had all, or has had enough
}

// run reads over one consumer, to the end or until something goes wrong. The client
// drops entries when its buffer is full, the server may lose a consumer: whoever
// got further by then goes on with a new one.
func (r *reader) run(ctx context.Context) error {
	l := r.bus.link.Load()
	stream, consumer, err := r.bus.lookBack(ctx, l, r.next)
	if err != nil {
		return fmt.Errorf("%w: read the stream: %w", ErrUnavailable, err)
	}
	defer forget(stream, consumer)
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(fetchMessages, max(fetchBytes, 2*int(l.conn.MaxPayload()))))
	if err != nil {
		return fmt.Errorf("%w: read the stream: %w", ErrUnavailable, err)
	}
	defer messages.Stop()
	for received := uint64(1); r.next <= r.last; received++ {
		in, err := nextEntry(ctx, messages, received)
		if err != nil {
			return err
		}
		if in.Pos > r.last {
			break
		}
		r.next = in.Pos + 1
		if more, err := r.fn(in); err != nil || !more {
			r.done = true
			return err
		}
	}
	r.done = true
	return nil
}

// readWait bounds the wait for an entry that the stream says it has.
const readWait = 5 * time.Second

// nextEntry waits for the received-th entry.
func nextEntry(ctx context.Context, messages jetstream.MessagesContext, received uint64) (correlate.Input, error) {
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	msg, err := messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return correlate.Input{}, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return correlate.Input{}, fmt.Errorf("read metadata of an entry: %w", err)
	}
	if meta.Sequence.Consumer != received {
		return correlate.Input{}, errSkipped
	}
	sig, err := decodeEntry(msg.Data())
	if err != nil {
		sig = nil // counted and logged where the stream is followed
	}
	return correlate.Input{Pos: meta.Sequence.Stream, At: meta.Timestamp.UTC(), Signal: sig}, nil
}

// lookBack makes a consumer that begins at a position.
func (b *Bus) lookBack(ctx context.Context, l *link, from uint64) (jetstream.Stream, jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	stream, err := l.js.Stream(ctx, b.o.streamName())
	if err != nil {
		return nil, nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       from,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: consumerIdle,
	})
	return stream, consumer, err
}

// whyNothing: the rest has left the stream meanwhile, or the server does not answer.
func (b *Bus) whyNothing(ctx context.Context, next uint64, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	state, err := b.state(ctx)
	switch {
	case err != nil:
		return err
	case state.Msgs == 0 || state.FirstSeq > next:
		return nil
	}
	return fmt.Errorf("%w: read the stream from position %d: %w", ErrUnavailable, next, cause)
}
