package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// link is one connection and what hangs on it. When the embedded server is
// started anew, the bus gets a new link.
type link struct {
	server *server.Server // nil when external
	conn   *nats.Conn
	js     jetstream.JetStream
}

func (l *link) close() {
	l.conn.Close()
	if l.server != nil {
		stopServer(l.server)
	}
}

// open starts the embedded server, or connects to the external one. It calls wake,
// from any goroutine, whenever the state of things may have changed.
func open(ctx context.Context, o Options, wake func()) (*link, error) {
	l := &link{}
	var err error
	if o.embedded() {
		if l.server, err = startServer(o, wake); err != nil {
			return nil, err
		}
		l.conn, err = nats.Connect("", append(connOptions(o, wake), nats.InProcessServer(l.server))...)
	} else {
		l.conn, err = dial(ctx, o, wake)
	}
	if err != nil {
		if l.server != nil {
			stopServer(l.server)
		}
		return nil, err
	}
	if l.js, err = jetstream.New(l.conn); err != nil {
		l.close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return l, nil
}

func connOptions(o Options, wake func()) []nats.Option {
	log := o.Logger
	return []nats.Option{
		nats.Name("headwater-" + o.Environment),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		nats.Timeout(5 * time.Second),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		// No buffer while disconnected: Publish is to fail at once then, so that
		// the sender hears of it and keeps what it has.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if err != nil && !c.IsClosed() {
				log.Warn("Disconnected from NATS", "err", err)
			}
			wake()
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			log.Info("Connected to NATS again", "url", c.ConnectedUrlRedacted())
			wake()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS connection reports an error", "err", err)
		}),
	}
}

// dial tries until the server answers, ctx ends or Options.ConnectTimeout has
// passed: in a compose file or a cluster both start at the same moment. Refused
// credentials and certificates fail at once, they do not mend themselves.
func dial(ctx context.Context, o Options, wake func()) (*nats.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	opts := connOptions(o, wake)
	if o.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(o.CredentialsFile))
	}
	if o.CAFile != "" {
		opts = append(opts, nats.RootCAs(o.CAFile))
	}
	if o.CertFile != "" {
		opts = append(opts, nats.ClientCert(o.CertFile, o.KeyFile))
	}
	url := strings.Join(o.serverURLs(), ",")
	for logged := false; ; logged = true {
		conn, err := nats.Connect(url, opts...)
		if err == nil {
			return conn, nil
		}
		err = fmt.Errorf("connect to NATS at %s: %w", redacted(o.URL), err)
		if !worthRetry(err) {
			return nil, err
		}
		if !logged {
			o.Logger.Info("NATS does not answer yet, trying again", "timeout", o.ConnectTimeout, "err", err)
		}
		if !wait(ctx, 500*time.Millisecond) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

func worthRetry(err error) bool {
	var op *net.OpError // refused, unreachable, no such host
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &op) && op.Op == "dial"
}

// wait reports false when ctx ended before d had passed.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
