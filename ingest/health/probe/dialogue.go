package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
)

// dialogue goes through the steps of a TCP probe.
type dialogue struct {
	ctx   context.Context
	watch *watch
	conn  net.Conn
	tls   *tls.Config
	host  string

	lines *bufio.Scanner
	heard bool // the target said something
	// What the last expectation matched.
	line  []byte
	found []int
	re    *regexp.Regexp
}

func (d *dialogue) step(s *TCPStep) error {
	if s.Expect != nil {
		if err := d.expect(s.Expect); err != nil {
			return err
		}
	}
	if s.Send != "" {
		if _, err := d.conn.Write(d.expand(s.Send)); err != nil {
			return err
		}
	}
	if !s.StartTLS {
		return nil
	}
	secured, err := secure(d.ctx, d.watch, d.conn, d.tls, d.host)
	if err != nil {
		return err
	}
	d.conn, d.lines = secured, nil
	return nil
}

// unexpectedError is an answer that came and was none of those wanted.
type unexpectedError struct{ want *regexp.Regexp }

func (e *unexpectedError) Error() string { return fmt.Sprintf("no line that matches %q", e.want) }

// expect reads lines until one matches.
func (d *dialogue) expect(re *regexp.Regexp) error {
	if d.lines == nil {
		d.lines = bufio.NewScanner(io.LimitReader(d.conn, DefaultBodyLimit))
	}
	d.watch.begin(PhaseProcessing)
	for d.lines.Scan() {
		d.watch.begin(PhaseTransfer)
		d.heard = true
		if found := re.FindSubmatchIndex(d.lines.Bytes()); found != nil {
			d.re, d.found, d.line = re, found, append([]byte(nil), d.lines.Bytes()...)
			return nil
		}
	}
	err := d.lines.Err()
	switch {
	case err == nil && d.heard, errors.Is(err, bufio.ErrTooLong), d.heard && (isTimeout(err) || d.ctx.Err() != nil):
		return &unexpectedError{re}
	case err == nil:
		return io.EOF
	}
	return err
}

// expand fills in what the last expectation matched, and ends the line.
func (d *dialogue) expand(send string) []byte {
	if d.re == nil {
		return append([]byte(send), '\n')
	}
	return append(d.re.Expand(nil, []byte(send), d.line, d.found), '\n')
}

// ended is the result of a dialogue that stopped half-way.
func (d *dialogue) ended(err error) Result {
	var unexpected *unexpectedError
	if errors.As(err, &unexpected) {
		return d.watch.degraded("answered, with " + unexpected.Error())
	}
	return d.watch.failed(d.ctx, err)
}
