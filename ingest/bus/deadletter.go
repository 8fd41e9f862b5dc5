package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	streamv1 "github.com/headwater-sre/headwater/proto/headwater/stream/v1"
)

const (
	// maxDeadLetterText bounds each text beside the body.
	maxDeadLetterText = 4 << 10
	// maxDeadLetters and maxDeadLettersBytes bound one answer of DeadLetters.
	maxDeadLetters      = 1000
	maxDeadLettersBytes = 64 << 20
)

// DeadLetter is a request body that could not be turned into signals.
type DeadLetter struct {
	// Source is the endpoint that it came through.
	Source string
	// ContentType is that of the request.
	ContentType string
	// Reason says why it could not be used.
	Reason string
	// Body is as it came. [Bus.DeadLetter] cuts it off at the end if it does not fit into one message.
	Body []byte
	// RemoteAddr is the sender's address.
	RemoteAddr string

	// Pos, At and BodyBytes are filled in by [Bus.DeadLetters]: the position in the
	// dead-letter stream, when it became durable, and the length of the whole body.
	Pos       uint64
	At        time.Time
	BodyBytes int
}

// DeadLetter stores d in the dead-letter stream; it is durable when the error is
// nil, and every other result is [ErrUnavailable]. A full stream drops its oldest.
// The same body from the same source within [DuplicateWindow] is stored once.
func (b *Bus) DeadLetter(ctx context.Context, d DeadLetter) error {
	b.closing.RLock()
	defer b.closing.RUnlock()
	l, err := b.usable()
	if err != nil {
		return err
	}
	data, err := encodeDeadLetter(d, payloadLimit(l.conn))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.PublishTimeout)
	defer cancel()
	m := message{
		stream: b.o.deadLetterName(), subject: b.o.deadLetterSubject(),
		id: deadLetterID(d), data: data, kind: "dead_letter",
	}
	if _, err := b.store(ctx, l, m); err != nil {
		return err
	}
	b.metrics.deadLetters.Inc()
	return nil
}

func encodeDeadLetter(d DeadLetter, limit int) ([]byte, error) {
	row := &streamv1.DeadLetter{
		Source: fit(d.Source), ContentType: fit(d.ContentType), Reason: fit(d.Reason), RemoteAddr: fit(d.RemoteAddr),
		BodyBytes: uint64(len(d.Body)),
	}
	const bodyOverhead = 16 // tag and length
	row.Body = d.Body[:max(0, min(len(d.Body), limit-proto.Size(row)-bodyOverhead))]
	data, err := deterministic.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("encode dead letter: %w", err)
	}
	return data, nil
}

// fit makes text that came from outside fit for a protobuf string.
func fit(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxDeadLetterText)], "\uFFFD")
}

func deadLetterID(d DeadLetter) string {
	h := newDigest()
	h.text("dead letter", d.Source, string(d.Body))
	return h.sum()
}

// DeadLetters returns the latest dead letters, newest first: at most limit, at
// most 1000, and no more than 64 MiB of bodies.
func (b *Bus) DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error) {
	if b.closed.Load() {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	}
	stream, err := b.link.Load().js.Stream(ctx, b.o.deadLetterName())
	if err != nil {
		return nil, fmt.Errorf("%w: find stream %s: %w", ErrUnavailable, b.o.deadLetterName(), err)
	}
	state := stream.CachedInfo().State
	var letters []DeadLetter
	size := 0
	for pos := state.LastSeq; pos >= max(state.FirstSeq, 1) && len(letters) < min(limit, maxDeadLetters) && size < maxDeadLettersBytes; pos-- {
		raw, err := stream.GetMsg(ctx, pos)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // expired meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("%w: read dead letter %d: %w", ErrUnavailable, pos, err)
		}
		d, err := decodeDeadLetter(raw.Data)
		if err != nil {
			return nil, fmt.Errorf("dead letter %d: %w", pos, err)
		}
		d.Pos, d.At = pos, raw.Time.UTC()
		letters = append(letters, d)
		size += len(d.Body)
	}
	return letters, nil
}

func decodeDeadLetter(data []byte) (DeadLetter, error) {
	var row streamv1.DeadLetter
	if err := proto.Unmarshal(data, &row); err != nil {
		return DeadLetter{}, fmt.Errorf("decode: %w", err)
	}
	return DeadLetter{
		Source: row.GetSource(), ContentType: row.GetContentType(), Reason: row.GetReason(), RemoteAddr: row.GetRemoteAddr(),
		Body: row.GetBody(), BodyBytes: int(min(row.GetBodyBytes(), 1<<40)),
	}, nil
}
