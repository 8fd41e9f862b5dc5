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

// headerReserve is kept free of a message's payload for NATS's headers, which
// count against the same limit: the id and the expected stream.
const headerReserve = 1 << 10

// Publish stores sig in the stream and returns its position, that of the last
// part if it had to be split. The signal is durable when the error is nil. If the
// same was stored within [DuplicateWindow], it is that position.
//
// An error that is [ErrUnavailable] leaves open whether the signal was stored, as
// a whole or in part; publish it again. [ErrTooLarge] is final; all parts that
// do fit were stored.
func (b *Bus) Publish(ctx context.Context, sig correlate.Signal) (uint64, error) {
	b.closing.RLock()
	defer b.closing.RUnlock()
	kind := kindOf(sig)
	l, err := b.usable()
	if err != nil {
		b.metrics.published.WithLabelValues(kind, "unavailable").Inc()
		return 0, err
	}
	parts, tooLarge, err := pack(sig, time.Now(), payloadLimit(l.conn))
	if err != nil {
		b.metrics.published.WithLabelValues(kind, "invalid").Inc()
		return 0, err
	}
	if len(parts) > 1 {
		b.metrics.splits.Inc()
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.PublishTimeout)
	defer cancel()
	var pos uint64
	for _, p := range parts {
		msg := message{stream: b.o.streamName(), subject: b.o.streamSubject(), id: p.id, data: p.data, kind: kind}
		if pos, err = b.store(ctx, l, msg); err != nil {
			return 0, err
		}
	}
	if tooLarge != nil {
		b.metrics.published.WithLabelValues(kind, "too_large").Inc()
	}
	return pos, tooLarge
}

// PublishTick puts an entry into the stream that says nothing but that time has passed.
func (b *Bus) PublishTick(ctx context.Context) error {
	_, err := b.Publish(ctx, correlate.Tick{})
	return err
}

// usable returns the link, or why nothing can be stored over it at the moment.
func (b *Bus) usable() (*link, error) {
	if b.closed.Load() {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	}
	if err := b.health.broken(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return b.link.Load(), nil
}

// message is what [Bus.store] stores.
type message struct {
	stream, subject string
	id              string
	data            []byte
	kind            string // for metrics
}

// store publishes one message and waits until it is durable.
func (b *Bus) store(ctx context.Context, l *link, m message) (uint64, error) {
	start := time.Now()
	msg := &nats.Msg{Subject: m.subject, Data: m.data, Header: nats.Header{
		jetstream.MsgIDHeader:          {m.id},
		jetstream.ExpectedStreamHeader: {m.stream}, // no other stream may have taken the subject
	}}
	ack, err := l.js.PublishMsg(ctx, msg)
	if err != nil {
		err = fmt.Errorf("%w: store in %s: %w", ErrUnavailable, m.stream, b.explain(l, err))
		b.metrics.published.WithLabelValues(m.kind, "unavailable").Inc()
		if !errors.Is(err, context.Canceled) { // a sender that hung up says nothing about the stream
			b.health.refuse(err)
			b.wakeMonitor()
		}
		return 0, err
	}
	b.health.accept()
	if ack.Duplicate {
		b.metrics.published.WithLabelValues(m.kind, "duplicate").Inc()
		return ack.Sequence, nil
	}
	b.metrics.published.WithLabelValues(m.kind, "stored").Inc()
	b.metrics.publishDuration.Observe(time.Since(start).Seconds())
	return ack.Sequence, nil
}

// explain adds the cause that the embedded server knows: it gives no answer at
// all to a message that it could not write.
func (b *Bus) explain(l *link, err error) error {
	if cause := b.writeError(l); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return errors.New("not connected to NATS")
	}
	return err
}

func payloadLimit(c *nats.Conn) int { return int(c.MaxPayload()) - headerReserve }

// part is one message of a signal.
type part struct {
	id   string
	data []byte
}

// pack encodes sig into as many messages as needed for each to stay within limit
// bytes. What does not fit even alone is left out and named in tooLarge.
func pack(sig correlate.Signal, received time.Time, limit int) (parts []part, tooLarge, err error) {
	data, err := encodeEntry(sig, received)
	if err != nil {
		return nil, nil, err
	}
	if len(data) <= limit {
		return []part{{messageID(sig), data}}, nil, nil
	}
	first, second := halves(sig)
	if first == nil {
		return nil, fmt.Errorf("%w: %s takes %d bytes, the limit is %d", ErrTooLarge, describe(sig), len(data), limit), nil
	}
	for _, half := range []correlate.Signal{first, second} {
		more, large, err := pack(half, received, limit)
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, more...)
		tooLarge = errors.Join(tooLarge, large)
	}
	return parts, tooLarge, nil
}

// halves divides a batch in two, or returns nils when there is nothing to divide.
// The count of truncated alerts goes with the first half, so that the sum stays.
func halves(sig correlate.Signal) (first, second correlate.Signal) {
	switch s := sig.(type) {
	case *correlate.AlertBatch:
		if mid := len(s.Alerts) / 2; mid > 0 {
			a, b := *s, *s
			a.Alerts, b.Alerts, b.Truncated = s.Alerts[:mid], s.Alerts[mid:], 0
			return &a, &b
		}
	case *correlate.HealthBatch:
		if mid := len(s.Results) / 2; mid > 0 {
			a, b := *s, *s
			a.Results, b.Results = s.Results[:mid], s.Results[mid:]
			return &a, &b
		}
	}
	return nil, nil
}

// describe names a signal that cannot be split, for people.
func describe(sig correlate.Signal) string {
	switch s := sig.(type) {
	case *correlate.AlertBatch:
		if len(s.Alerts) == 1 {
			return fmt.Sprintf("alert %s (%s)", s.Alerts[0].ID(), s.Alerts[0].Labels["alertname"])
		}
	case *correlate.HealthBatch:
		if len(s.Results) == 1 {
			return fmt.Sprintf("health result of %s", s.Results[0].Service)
		}
	case *correlate.TopologyReport:
		return fmt.Sprintf("topology of %d services and %d dependencies", len(s.Spec.Services), len(s.Spec.Dependencies))
	}
	return kindOf(sig)
}

func kindOf(sig correlate.Signal) string {
	switch sig.(type) {
	case *correlate.AlertBatch:
		return "alerts"
	case *correlate.HealthBatch:
		return "health"
	case *correlate.Change:
		return "change"
	case *correlate.Command:
		return "command"
	case *correlate.TopologyReport:
		return "topology"
	case *correlate.Import:
		return "import"
	}
	return "tick"
}
