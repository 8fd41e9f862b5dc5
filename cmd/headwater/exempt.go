package main

import (
	"net"
	"net/http"
	"sync"
)

// Senders with a secret of their own show that one, and cannot show the web port's
// password as well: both go into the header Authorization. So requests to them pass by the
// password, and by nothing else.
//
// The toolkit puts its gate around a server's handler when it begins to serve, and has no
// way to leave out a path. exemptListener puts the way around the gate in place after that: at the
// first Accept, which is before there is any request.
type exemptListener struct {
	net.Listener
	server *http.Server
	// open is the server's handler without the gate.
	open   http.Handler
	exempt func(*http.Request) bool

	once sync.Once
}

// Accept implements [net.Listener].
func (l *exemptListener) Accept() (net.Conn, error) {
	l.once.Do(func() {
		gated := l.server.Handler
		l.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if l.exempt(r) {
				l.open.ServeHTTP(w, r)
				return
			}
			gated.ServeHTTP(w, r)
		})
	})
	return l.Listener.Accept()
}
