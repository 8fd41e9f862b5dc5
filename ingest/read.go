package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

var (
	errTooLarge = errors.New("body too large")
	// errEncoding: the body cannot be decompressed.
	errEncoding        = errors.New("content encoding")
	errUnknownEncoding = fmt.Errorf("%w: want gzip or none", errEncoding)
)

// smallBody is how large a body may be without one of the few passes for large ones.
const smallBody = 1 << 20

// buffers are the pooled buffers of one request: the body, and the decompressed body.
type buffers struct{ taken []*bytes.Buffer }

var bufferPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (b *buffers) take() *bytes.Buffer {
	buf := bufferPool.Get().(*bytes.Buffer)
	buf.Reset()
	b.taken = append(b.taken, buf)
	return buf
}

func (b *buffers) release() {
	for _, buf := range b.taken {
		if buf.Cap() <= 2*smallBody { // a storm's buffers are not worth keeping
			bufferPool.Put(buf)
		}
	}
}

// readBody reads and decompresses a body of at most limit bytes. With an error it
// returns what there is of it.
func readBody(ctx context.Context, w http.ResponseWriter, r *http.Request, b *buffers, pass *pass, limit int64) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		// A sender must not hold its place longer than its request may take. Writers that
		// cannot do it (tests, some middleware) leave that to the server's own timeouts.
		_ = http.NewResponseController(w).SetReadDeadline(deadline)
	}
	raw := b.take()
	err := fill(ctx, raw, http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit, pass)
	if err != nil {
		return raw.Bytes(), err
	}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return raw.Bytes(), nil
	case "gzip", "x-gzip":
		return unzip(ctx, raw.Bytes(), b, pass, limit)
	default:
		return raw.Bytes(), fmt.Errorf("%w, got %.40q", errUnknownEncoding, encoding)
	}
}

func unzip(ctx context.Context, raw []byte, b *buffers, pass *pass, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw, fmt.Errorf("%w: gzip: %w", errEncoding, err)
	}
	text := b.take()
	err = fill(ctx, text, z, -1, limit, pass)
	switch {
	case err == nil, errors.Is(err, errTooLarge), errors.Is(err, errBusy):
		return text.Bytes(), err
	}
	return raw, fmt.Errorf("%w: gzip: %w", errEncoding, err)
}

// fill reads src to its end. size is how much to expect, negative when unknown.
func fill(ctx context.Context, buf *bytes.Buffer, src io.Reader, size, limit int64, pass *pass) error {
	expect := func(n int64) { buf.Grow(int(min(n, limit)) - buf.Len() + bytes.MinRead) }
	if size > 0 {
		expect(min(size, smallBody))
	}
	// One byte more than is allowed tells whether it ends there.
	_, err := buf.ReadFrom(io.LimitReader(src, min(smallBody, limit)+1))
	if err == nil && buf.Len() > smallBody && limit > smallBody {
		if err := pass.enlarge(ctx); err != nil {
			return err
		}
		if size > int64(buf.Len()) {
			expect(size)
		}
		_, err = buf.ReadFrom(io.LimitReader(src, limit+1-int64(buf.Len())))
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over), err == nil && int64(buf.Len()) > limit:
		return errTooLarge
	case err != nil:
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}
