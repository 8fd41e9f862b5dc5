package standin

import (
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
)

// mail is one that was delivered.
type mail struct {
	to   string
	text string // headers and body
}

// mailServer speaks as much SMTP as it takes to be given a mail.
type mailServer struct {
	take func(mail) error

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

func (s *mailServer) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		if s.hold(c) {
			go func() {
				defer s.release(c)
				s.talk(textproto.NewConn(c))
			}()
		}
	}
}

func (s *mailServer) hold(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	if s.open == nil {
		s.open = map[net.Conn]bool{}
	}
	s.open[c] = true
	return true
}

func (s *mailServer) release(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = c.Close()
	delete(s.open, c)
}

func (s *mailServer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		_ = c.Close()
	}
}

// talk holds one dialogue. An error is the end of the connection, and of the dialogue.
func (s *mailServer) talk(c *textproto.Conn) {
	say := func(line string) bool { return c.PrintfLine("%s", line) == nil }
	if !say("220 stand-in ready") {
		return
	}
	var m mail
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		answer := "250 ok"
		switch verb := strings.ToUpper(line); {
		case strings.HasPrefix(verb, "RCPT TO:"):
			m.to = strings.Trim(line[len("RCPT TO:"):], "<> ")
		case verb == "DATA":
			answer = s.data(c, &m)
		case verb == "QUIT":
			say("221 bye")
			return
		}
		if !say(answer) {
			return
		}
	}
}

// data takes the text of a mail and returns what to answer.
func (s *mailServer) data(c *textproto.Conn, m *mail) string {
	if c.PrintfLine("354 go ahead") != nil {
		return ""
	}
	text, err := io.ReadAll(c.DotReader())
	if err != nil {
		return "451 " + err.Error()
	}
	m.text = string(text)
	if err := s.take(*m); err != nil {
		return err.Error()
	}
	return "250 taken"
}
