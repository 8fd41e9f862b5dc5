package bus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The inbox is a stream of its own on an external server, for those who have NATS already
// and would rather publish there than post. They never write to the ordered stream: a
// replica takes their messages one after the other, has them checked and decoded as any
// request is, and publishes what they say. So the ordered stream holds entries alone that
// this program encoded.
//
// A publisher's promise is JetStream's acknowledgement: the message is stored. It is
// removed once what it says is in the ordered stream or among the dead letters.

const (
	inboxSuffix = "_INTAKE"
	// inboxConsumer is shared by all replicas: each message goes to one of them.
	inboxConsumer = "headwater"
	// inboxMaxBytes bounds what may wait. Beyond it publishers get an error: they know
	// then, and have the message still.
	inboxMaxBytes = 256 << 20
	// inboxDuplicates is how long a publisher's message id is remembered.
	inboxDuplicates = 2 * time.Minute
	// inboxAckWait is after which silence of a replica another gets its message, or it
	// itself once it is back. A message that takes longer is kept by a sign of life each inboxAlive.
	inboxAckWait, inboxAlive = 5 * time.Second, time.Second
	// inboxRetry is the pause before a message that could not be stored is taken again.
	inboxRetry = 2 * time.Second
	// inboxRetryLast is the longest pause before the server is asked again.
	inboxRetryLast = time.Minute
)

func (o Options) inboxName() string    { return o.streamName() + inboxSuffix }
func (o Options) inboxSubject() string { return "headwater." + o.Environment + ".intake." }

func (o Options) inboxConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        o.inboxName(),
		Description: "What others publish for Headwater, until it is taken",
		Subjects:    []string{o.inboxSubject() + ">"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.WorkQueuePolicy,
		Discard:     jetstream.DiscardNew,
		MaxAge:      o.MaxAge,
		MaxBytes:    inboxMaxBytes,
		Duplicates:  inboxDuplicates,
		Replicas:    o.Replicas,
	}
}

// Parcel is a message that somebody published for us.
type Parcel struct {
	// To is what follows the intake's prefix in its subject: "alertmanager", "source.deadlock-monitor".
	To      string
	Subject string
	Header  http.Header
	Body    []byte
}

// HasInbox reports whether there is an inbox: the embedded server listens nowhere, so nobody could publish to it.
func (b *Bus) HasInbox() bool { return !b.o.embedded() }

// Receive calls take for each message of the inbox, one after the other, in the order in which they were
// published; other replicas may take some meanwhile. A message for which take returned nil is
// removed, any other is taken again. Receive returns nil when ctx ends, [ErrClosed] when the bus is
// closed; interruptions it mends by itself.
func (b *Bus) Receive(ctx context.Context, take func(context.Context, Parcel) error) error {
	for delay := retryFirst; ; delay = min(2*delay, inboxRetryLast) {
		began := time.Now()
		err := b.receive(ctx, take)
		if time.Since(began) > inboxRetryLast {
			delay = retryFirst // it went well for a while
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever ended it knows why it ended
		case b.closed.Load():
			return ErrClosed
		}
		b.o.Logger.Warn("Taking messages from NATS was interrupted, trying again", "subject", b.o.inboxSubject()+">", "delay", delay, "err", err)
		if !wait(ctx, delay) {
			return nil
		}
	}
}

func (b *Bus) receive(ctx context.Context, take func(context.Context, Parcel) error) error {
	l := b.link.Load()
	ctx, cancel := untilReconnect(ctx, l.conn)
	defer cancel()
	setupCtx, cancelSetup := context.WithTimeout(ctx, infoTimeout)
	defer cancelSetup()
	// Here and not at the start: a server without room for it is no reason not to start.
	if err := ensureStream(setupCtx, l.js, b.o.inboxConfig(), b.o); err != nil {
		return fmt.Errorf("stream %s: %w", b.o.inboxName(), err)
	}
	consumer, err := l.js.CreateOrUpdateConsumer(setupCtx, b.o.inboxName(), jetstream.ConsumerConfig{
		Durable:       inboxConsumer,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       inboxAckWait,
		MaxDeliver:    -1,
		MaxAckPending: 1, // an end must not overtake its beginning
	})
	if err != nil {
		return fmt.Errorf("create consumer %s of %s: %w", inboxConsumer, b.o.inboxName(), err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(30*time.Second), jetstream.PullHeartbeat(5*time.Second))
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		if err := b.settle(ctx, msg, take); err != nil {
			return err
		}
	}
}

// settle has one message taken and says so.
func (b *Bus) settle(ctx context.Context, msg jetstream.Msg, take func(context.Context, Parcel) error) error {
	to, _ := strings.CutPrefix(msg.Subject(), b.o.inboxSubject())
	done := keepAlive(msg)
	taken := take(ctx, Parcel{To: to, Subject: msg.Subject(), Header: http.Header(msg.Headers()), Body: msg.Data()})
	done()
	if taken != nil {
		b.metrics.inbox.WithLabelValues("again").Inc()
		err := msg.NakWithDelay(inboxRetry)
		return errors.Join(err, ctx.Err())
	}
	b.metrics.inbox.WithLabelValues("taken").Inc()
	if err := msg.Ack(); err != nil {
		return fmt.Errorf("acknowledge a message of the inbox: %w", err)
	}
	return nil
}

// keepAlive tells the server that msg is being worked on until done is called.
func keepAlive(msg jetstream.Msg) (done func()) {
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		ticker := time.NewTicker(inboxAlive)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = msg.InProgress() // without a connection the message is another's
			case <-stop:
				return
			}
		}
	})
	return func() {
		close(stop)
		telling.Wait()
	}
}
