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
	l := b.link.Load()
	stream, consumer, err := b.lookBack(ctx, l, state.FirstSeq)
	if err != nil {
		return fmt.Errorf("%w: read the stream: %w", ErrUnavailable, err)
	}
	defer forget(stream, consumer)
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(fetchMessages, max(fetchBytes, 2*int(l.conn.MaxPayload()))))
	if err != nil {
		return fmt.Errorf("%w: read the stream: %w", ErrUnavailable, err)
	}
	defer messages.Stop()
	next := state.FirstSeq
	for received := uint64(1); next <= state.LastSeq; received++ {
		in, err := nextEntry(ctx, messages, received)
		if err != nil {
			return b.whyNothing(ctx, next, err)
		}
		if in.Pos > state.LastSeq {
			return nil
		}
		if more, err := fn(in); err != nil || !more {
			return err
		}
		next = in.Pos + 1
	}
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
