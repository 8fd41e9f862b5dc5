package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

const (
	// loopbackNetwork is what peer.Addr.Network() says on the in-process connection.
	loopbackNetwork = "bufconn"
	// loopbackBuffer is a pipe's size: enough that small answers need one hand-over.
	loopbackBuffer = 256 << 10
	// loopbackMaxRecv is above the largest answer, a topology of 100,000 services.
	loopbackMaxRecv = 256 << 20
)

// Loopback is a connection to a gRPC server within the process. REST and gRPC-Web go
// through it, so that one chain of interceptors serves every way in.
type Loopback struct {
	*grpc.ClientConn
	listener *bufconn.Listener
	served   chan struct{} // closed when srv serves the listener no longer
	once     sync.Once
	err      error
}

// NewLoopback begins to serve srv in process. Call Close before srv is stopped: it
// ends the calls that are in flight over it.
func NewLoopback(srv *grpc.Server) (*Loopback, error) {
	l := &Loopback{listener: bufconn.Listen(loopbackBuffer), served: make(chan struct{})}
	conn, err := grpc.NewClient("passthrough:///"+loopbackNetwork,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(loopbackMaxRecv)),
	)
	if err != nil {
		return nil, fmt.Errorf("connect in process: %w", err)
	}
	l.ClientConn = conn
	go func() {
		defer close(l.served)
		// It ends when Close closes the listener or the owner stops srv. In-process
		// accepts cannot fail otherwise, so there is no error to report.
		_ = srv.Serve(l.listener)
	}()
	return l, nil
}

// Close ends the connection and waits until it is no longer served. It may be called
// repeatedly.
func (l *Loopback) Close() error {
	l.once.Do(func() {
		l.err = errors.Join(l.ClientConn.Close(), l.listener.Close())
		<-l.served
	})
	return l.err
}
