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
	return b.ReadAfter(ctx, 0, fn)
}

// ReadAfter is [Bus.Read] from the first entry after a position on.
func (b *Bus) ReadAfter(ctx context.Context, after uint64, fn func(correlate.Input) (more bool, err error)) error {
	return b.read(ctx, &reader{next: after + 1, fn: fn})
}

// ReadSince is [Bus.Read] from the first entry on that was stored at a time or later.
func (b *Bus) ReadSince(ctx context.Context, since time.Time, fn func(correlate.Input) (more bool, err error)) error {
	return b.read(ctx, &reader{next: 1, since: since, fn: fn})
}

func (b *Bus) read(ctx context.Context, r *reader) error {
	state, err := b.state(ctx)
	if err != nil {
		return err
	}
	r.bus, r.next, r.last = b, max(r.next, state.FirstSeq), state.LastSeq
	if state.Msgs == 0 || r.next > r.last || state.LastTime.Before(r.since) {
		return nil
	}
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
	next, last uint64    // positions of the next entry to hand out, and of the last
	since      time.Time // of the first entry wanted; zero once one was handed out
	fn         func(correlate.Input) (bool, error)
	done       bool // fn has had all, or has had enough
}

// run reads over one consumer, to the end or until something goes wrong. The client
// drops entries when its buffer is full, the server may lose a consumer: whoever
// got further by then goes on with a new one.
func (r *reader) run(ctx context.Context) error {
	l := r.bus.link.Load()
	stream, consumer, err := r.bus.lookBack(ctx, l, r.next, r.since)
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
		r.next, r.since = in.Pos+1, time.Time{}
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

// lookBack makes a consumer that begins at a time or, when that is zero, at a position.
func (b *Bus) lookBack(ctx context.Context, l *link, from uint64, since time.Time) (jetstream.Stream, jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	stream, err := l.js.Stream(ctx, b.o.streamName())
	if err != nil {
		return nil, nil, err
	}
	start := jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       from,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: consumerIdle,
	}
	if !since.IsZero() {
		start.DeliverPolicy, start.OptStartSeq, start.OptStartTime = jetstream.DeliverByStartTimePolicy, 0, &since
	}
	consumer, err := stream.CreateConsumer(ctx, start)
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
